"""Registers, stack and shared memory of every kernel are in cuda_table.json, and none gets worse unnoticed. After a change that is meant:

    python tests/cuda_kernels.py

writes the table anew, and the diff shows what the change cost. **The rule.** Compiled by what the table was written with (its first line), nothing may be
larger than it says. Another Python, numba-cuda or NVVM schedules differently: up to 8 registers more, the unit in which a GPU deals them out, and
16 bytes of stack are let pass. Static shared memory is the code's own choice, and must be what the table says. What got better is not looked at.
"""

import copy
import json

import pytest

from fastnn.cuda import missing

REASON = missing()
if REASON is not None:
    pytest.skip(f"no kernel was compiled for CUDA: {REASON}", allow_module_level=True)

from cuda_kernels import TABLE, cases, compilers, figures, written

COMMAND = "python tests/cuda_kernels.py writes the table anew"
OTHER_COMPILER = {"registers": 8, "stack bytes": 16}
COLUMNS = ["registers", "stack bytes", "shared bytes"]


def complaints(table, found, by):
    """What got worse, is missing or is gone, a line each; `by`: the compilers of `found`."""
    allowed = {} if by == table["compilers"] else OTHER_COMPILER
    lines = [f"{name}: not in the table" for name in sorted(found.keys() - table["kernels"].keys())]
    lines += [
        f"{name}: in the table, but is no more" for name in sorted(table["kernels"].keys() - found.keys())
    ]
    for name in sorted(found.keys() & table["kernels"].keys()):
        old, new = table["kernels"][name], found[name]
        if old.keys() != new.keys():
            lines.append(f"{name}: compiled for {sorted(new)}, the table has {sorted(old)}")
            continue
        for sm, (column, was, now) in (
            (s, c) for s in old for c in zip(COLUMNS, old[s], new[s], strict=True)
        ):
            if now > was + allowed.get(column, 0) or (column == "shared bytes" and now != was):
                lines.append(f"{name}, {sm}: {column} {was} -> {now}")
    return lines


def table():
    return json.loads(TABLE.read_text())


def test_no_kernel_takes_more_than_the_table_says():
    worse = complaints(table(), figures(), compilers())
    assert not worse, "\n".join([*worse, f"If this is meant: {COMMAND}."])


def test_the_table_is_as_it_is_written():
    there = table()
    assert there["columns"] == COLUMNS
    assert json.loads(written(there["kernels"]))["kernels"] == there["kernels"]
    assert list(there["kernels"]) == sorted(there["kernels"])


def test_two_blocks_fit_on_a_multiprocessor():
    for name, by in table()["kernels"].items():
        assert all(registers <= 128 for registers, _, _ in by.values()), name


def changed(column, by):
    """The table, and figures that differ in one number of one kernel."""
    there = table()
    found = copy.deepcopy(there["kernels"])
    name = cases()[0].name
    found[name]["sm_90"][COLUMNS.index(column)] += by
    return there, found, name


SAME, OTHER = None, {"nvidia-nvvm": "another"}


@pytest.mark.parametrize(
    ("column", "more", "by", "noticed"),
    [
        ("registers", 1, SAME, True),
        ("registers", 8, OTHER, False),
        ("registers", 9, OTHER, True),
        ("registers", -4, SAME, False),
        ("stack bytes", 8, SAME, True),
        ("stack bytes", 16, OTHER, False),
        ("stack bytes", 24, OTHER, True),
        ("shared bytes", 128, OTHER, True),
        ("shared bytes", -128, SAME, True),
    ],
)
def test_what_got_worse_is_named_with_both_figures(column, more, by, noticed):
    there, found, name = changed(column, more)
    was = there["kernels"][name]["sm_90"][COLUMNS.index(column)]
    lines = complaints(there, found, by or there["compilers"])
    assert lines == ([f"{name}, sm_90: {column} {was} -> {was + more}"] if noticed else [])


def test_a_kernel_that_is_missing_or_gone_is_named():
    there = table()
    first, second = list(there["kernels"])[:2]
    found = copy.deepcopy(there["kernels"])
    del found[first], there["kernels"][second]
    assert complaints(there, found, there["compilers"]) == [
        f"{second}: not in the table",
        f"{first}: in the table, but is no more",
    ]
