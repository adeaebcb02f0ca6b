"""Losses and activations of rows on the CPU: 64 samples at once, each in a lane of its own (fastnn/compile/lanes.py says why)."""

from __future__ import annotations

from functools import lru_cache

from fastnn.compile.lanes import Refused, in_lanes
from fastnn.cpu.gemm import PACKED_DEPTH, ROWS
from fastnn.ops.kernel import Kernel
from fastnn.ops.text import word_places

__all__ = ["lane_functions", "lane_loop"]

FEWEST = 16
"""Samples of a thread's share for which lanes pay."""
WORKSPACE = ROWS * PACKED_DEPTH
"""Numbers that fit into a thread's workspace, for all arrays of a kernel together."""


def lane_functions(kernel: Kernel, texts: list[str]) -> tuple[str, ...]:
    """The kernel's functions (`texts`: as they are) for many samples at once; none where they run one at a time."""
    specs = set(kernel.arrays.values())
    if not kernel.by_row or not kernel.functions or not specs <= {"2", "1", "i1"}:
        return ()
    rows = tuple(name for name, spec in kernel.arrays.items() if spec == "2")
    numbers = tuple(name for name, spec in kernel.arrays.items() if spec != "2")
    return _rewritten(tuple(texts), rows, numbers)


@lru_cache(maxsize=1000)
def _rewritten(texts: tuple[str, ...], rows: tuple[str, ...], numbers: tuple[str, ...]) -> tuple[str, ...]:
    """Kept: every plan asks for the same ones again, some milliseconds each."""
    try:
        return tuple(in_lanes(texts, rows, numbers))
    except Refused:
        return ()


def lane_loop(kernel: Kernel) -> list[str]:
    """Blocks of samples, their rows transposed into the workspace, run, and transposed back."""
    rows = [name for name, spec in kernel.arrays.items() if spec == "2"]
    written = list(kernel.arrays)[: 1 + kernel.extra_results]
    room = WORKSPACE // len(rows)
    lines = [
        f"    _longest = max({', '.join(f'{name}.shape[1]' for name in rows)}, 1)",
        f"    if _longest <= {room} // 8 and _high - _low >= {FEWEST}:",
        f"        _most = min(LANES, {room} // _longest)",
        "        _scratch = pointer(_run, np.int64)[4]",
    ]
    for place, name in enumerate(rows):
        lines += [
            f"        _at_{name} = _scratch + {place * room} * size_of(real)",
            f"        _{name} = view(_at_{name}, real, ({name}.shape[1], _most))",
        ]
    lines += [
        "        for _i in range(_low, _high, _most):",
        "            _lanes = min(_most, _high - _i)",
    ]
    there = "real, _w[{word}] + _i * {name}.shape[1] * size_of(real), {name}.shape[1], _lanes, {name}.shape[1], _at_{name}, _most"
    back = "real, _at_{name}, _most, {name}.shape[1], _lanes, _w[{word}] + _i * {name}.shape[1] * size_of(real), {name}.shape[1]"
    words = word_places(kernel)
    for name in rows:
        if name in written:  # what a function forgets to write shall be seen
            lines.append(f"            for _k in range({name}.shape[1] * _most):")
            lines.append(f"                pointer(_at_{name}, real)[_k] = real(np.nan)")
        else:
            lines.append(f"            transpose({there.format(name=name, word=words[name])})")
    passed = []
    for name in kernel.arguments():
        spec = kernel.arrays.get(name)
        passed.append(f"_{name}" if spec == "2" else f"{name}[_i:_i + _lanes]" if spec is not None else name)
    lines.append(f"            body_lanes({', '.join(passed)}, _lanes)")
    for name in rows:
        if name in written:
            lines.append(f"            transpose({back.format(name=name, word=words[name])})")
    lines.append("        return")
    return lines
