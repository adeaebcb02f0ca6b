"""The shape of a matrix product on a GPU: what a block of threads computes at a time, and what each thread keeps in registers."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "LARGE",
    "MEDIUM",
    "REAL",
    "SIMULATED",
    "SIMULATED_WARP",
    "SMALL",
    "THREADS",
    "TILES",
    "TINY",
    "Geometry",
    "Tile",
]

THREADS = 256
"""Threads of every block: eight warps, two blocks on a multiprocessor with 128 registers each."""


@dataclass(frozen=True)
class Tile:
    """rows x columns of C for a block, depth of k at a time in shared memory; own_rows x own_columns sums in each thread's registers."""

    name: str
    rows: int
    columns: int
    depth: int
    own_rows: int
    own_columns: int

    @property
    def threads(self) -> int:
        return (self.rows // self.own_rows) * (self.columns // self.own_columns)

    @property
    def count(self) -> int:
        """Sums that a thread keeps."""
        return self.own_rows * self.own_columns


LARGE = Tile("large", 128, 128, 8, 8, 8)
MEDIUM = Tile("medium", 64, 64, 16, 4, 4)
SMALL = Tile("small", 32, 32, 16, 2, 2)
TINY = Tile("tiny", 8, 8, 4, 2, 2)
"""Sixteen threads: for the simulator, where a thread costs 0.1 ms."""
TILES = {tile.name: tile for tile in (LARGE, MEDIUM, SMALL, TINY)}


@dataclass(frozen=True)
class Geometry:
    """How work is cut for a device; results depend on it, and on no number of multiprocessors, so that one machine's are another's.

    threads      of a block
    tiles        largest first; a product takes the largest that leaves `enough` blocks
    enough       blocks that keep a device busy: a product with fewer tiles splits its sum over k
    least_depth  numbers of k that a part of a split sum has at least
    """

    threads: int
    tiles: tuple[Tile, ...]
    enough: int
    least_depth: int


REAL = Geometry(THREADS, (LARGE, MEDIUM, SMALL), 128, 64)
SIMULATED = Geometry(TINY.threads, (TINY,), 4, 16)
SIMULATED_WARP = Geometry(32, (), 4, 16)
"""For tensor cores, whose smallest tile is a warp's."""
