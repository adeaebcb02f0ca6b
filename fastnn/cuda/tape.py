"""The whole tape in one kernel: all threads of the grid walk a table of stages, step after step, and meet where the plan says so.

    void kernel(int64 frame)

The GPU's version of the CPU's team. The stages that occur in a plan are compiled into the kernel, for a GPU calls no addresses; the table and the words say in which
order, and where. One block meets by a barrier of its own; more meet by a barrier of the grid, and are launched together (cooperatively).

With `resident`, the one block first copies the network's memory (parameters, optimizer state, activations: a region of its own) and all words into shared memory, patches
the words that are addresses in that region, and copies the region back in the end: whole epochs then read nothing but the data from further away.
"""

from __future__ import annotations

from collections.abc import Sequence

from fastnn.cuda.unit import HEADER, StageText, stage_lines

__all__ = ["ADVANCE", "FRAME", "RUN", "TABLE_COLUMNS", "tape_text"]

FRAME = (
    "total", "bad", "done",                              # results: sum of the losses (bits of a float64), flag, steps that were finished
    "gone",                                              # steps gone in this call, where each is launched by itself
    "step", "row", "seed", "eta",                        # what kernels ask for by name: RUN
    "etas", "count", "batch", "full",                    # learning rates, steps to run, rows of a full batch, how many of the steps have full batches
    "table", "length", "words", "last_table", "last_length", "last_words",
    "region", "region_words", "all_words", "words_words", "marks",  # what `resident` copies; marks: 1 for words that are addresses in the region
)  # fmt: skip

TOTAL, BAD, DONE, GONE, STEP, ROW, SEED, ETA, ETAS, COUNT, BATCH, FULL = range(12)
RUN = STEP
"""First of the four words that a kernel(words, run) is handed."""
TABLE_COLUMNS = 3
"""Which stage, its first word, 1 to meet before."""

_PLACES = "\n".join(f"{name.upper()} = {place}" for place, name in enumerate(FRAME))

_RESIDENT = """    _near = address_of(cuda.shared.array(0, int64))
    _bytes = 8 * _f[REGION_WORDS]
    _from, _to = pointer(_f[REGION], np.int64), pointer(_near, np.int64)
    for _n in range(cuda.threadIdx.x, _f[REGION_WORDS], cuda.blockDim.x):
        _to[_n] = _from[_n]
    _all, _marks, _mine = pointer(_f[ALL_WORDS], np.int64), pointer(_f[MARKS], np.int64), pointer(_near + _bytes, np.int64)
    for _n in range(cuda.threadIdx.x, _f[WORDS_WORDS], cuda.blockDim.x):
        _mine[_n] = _all[_n] + (_near - _f[REGION]) * _marks[_n]
    _moved = _near + _bytes - _f[ALL_WORDS]
    cuda.syncthreads()
"""
_BACK = """    cuda.syncthreads()
    for _n in range(cuda.threadIdx.x, _f[REGION_WORDS], cuda.blockDim.x):
        _from[_n] = _to[_n]
"""

_WALK = """    for _s in range(_f[COUNT]):
        _last = _s >= _f[FULL]
        _table = pointer(_f[LAST_TABLE] if _last else _f[TABLE], np.int64)
        _words = (_f[LAST_WORDS] if _last else _f[WORDS]) + _moved
        _step, _row, _eta = _f[STEP] + _s, _f[ROW] + _s * _f[BATCH], pointer(_f[ETAS], np.int64)[_s]
        for _i in range(_f[LAST_LENGTH] if _last else _f[LENGTH]):
            _kind, _first = _table[3 * _i], _table[3 * _i + 1]
            if _table[3 * _i + 2] != 0:
                {barrier}()
            _w = pointer(_words + 8 * _first, np.int64)
{cases}
        {barrier}()
        if _f[BAD] != 0:
            break
        if cuda.grid(1) == 0:
            _f[DONE] = _s + 1
"""


def tape_text(stages: Sequence[StageText], dtype: str, resident: bool, one_block: bool) -> str:
    """The module of kernel(frame) for these stages, numbered as in the table."""
    defined = [line for number, stage in enumerate(stages) for line in stage_lines(stage, f"stage_{number}")]
    cases = "\n".join(
        f"            {'if' if number == 0 else 'elif'} _kind == {number}:\n"
        f"                stage_{number}(_w, _step, _row, _f[SEED], _eta)"
        for number in range(len(stages))
    )
    barrier = "cuda.syncthreads" if one_block else "grid_barrier"
    lines = [
        HEADER.format(dtype=dtype),
        "from numba import int64\n\nfrom fastnn.cuda.toolkit import address_of, grid_barrier",
        "",
        _PLACES,
        *defined,
        "",
        "def kernel(_frame):",
        "    _f = pointer(_frame, np.int64)",
        _RESIDENT if resident else "    _moved = 0",
        _WALK.format(barrier=barrier, cases=cases),
        _BACK if resident else "",
    ]
    return "\n".join(lines).rstrip() + "\n"


ADVANCE = "\n".join(
    [
        HEADER.format(dtype="float32"),
        _PLACES,
        "",
        "",
        "def kernel(_frame, _unused):",
        "    _f = pointer(_frame, np.int64)",
        "    if cuda.grid(1) == 0:",
        "        if _f[BAD] == 0:",
        "            _f[DONE] = _f[GONE] + 1",
        "        _f[GONE] += 1",
        "        _f[STEP] += 1",
        "        _f[ROW] += _f[BATCH]",
        "        if _f[GONE] < _f[COUNT]:",
        "            _f[ETA] = pointer(_f[ETAS], np.int64)[_f[GONE]]",
        "",
    ]
)
"""The module of a kernel(frame, 0) that ends a step whose stages are launched one by one: the numbers for the next one are put in place."""
