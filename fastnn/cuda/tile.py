"""The shape of a matrix product on a GPU: what a block of threads computes at a time, and what each thread keeps in registers."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "LARGE",
    "LOW",
    "MEDIUM",
    "REAL",
    "SIMULATED",
    "SIMULATED_WARP",
    "SMALL",
    "THREADS",
    "TILES",
    "TINY",
    "TINY_WIDE",
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
LOW = Tile("low", 16, 128, 16, 2, 4)
"""Of convolutions with at most 16 channels, and many pixels."""
TINY = Tile("tiny", 8, 8, 4, 2, 2)
TINY_WIDE = Tile("tiny wide", 8, 16, 4, 2, 4)
"""Sixteen threads: for the simulator, where a thread costs 0.1 ms."""
TILES = {tile.name: tile for tile in (LARGE, MEDIUM, LOW, SMALL, TINY, TINY_WIDE)}


@dataclass(frozen=True)
class Geometry:
    """How work is cut for a device; results depend on it, and on no number of multiprocessors, so that one machine's are another's.

    threads      of a block
    tiles        largest first; a product takes the largest that leaves `enough` blocks
    images       the same for convolutions
    enough       blocks that keep a device busy: a product with fewer tiles splits its sum over k
    least_depth  numbers of k that a part of a split sum has at least
    """

    threads: int
    tiles: tuple[Tile, ...]
    enough: int
    least_depth: int
    images: tuple[Tile, ...]


REAL = Geometry(THREADS, (LARGE, MEDIUM, SMALL), 128, 64, (LARGE, MEDIUM, LOW, SMALL))
SIMULATED = Geometry(TINY.threads, (TINY,), 4, 16, (TINY_WIDE, TINY))
SIMULATED_WARP = Geometry(32, (), 4, 16, ())
"""For tensor cores, whose smallest tile is a warp's."""
