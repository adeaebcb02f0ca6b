"""A name that is set on some ways only is refused before it is compiled: Numba would go on with what lay in memory."""

import pytest

import fastnn as fnn
from fastnn.compile.grammar import parse
from fastnn.errors import PluginError


def in_one_branch(z):
    if z > 0:
        a = 2 * z
    return a


def in_a_loop_that_may_not_run(z):
    for j in range(1, len(z)):
        largest = z[j]
    return largest


def after_a_while(z):
    while z > 1:
        z = z / 2
        halvings = z
    return halvings


def counted_before_it_is_set(z):
    if z > 0:
        n = 1
    n += 1
    return n


def carried_from_the_round_before(z):
    total = 0.0
    for j in range(len(z)):
        if j > 0:
            total += before  # noqa: F821
        before = z[j]  # noqa: F841
    return total


def skipped_by_continue(z):
    total = 0.0
    for j in range(len(z)):
        if z[j] > 0:
            continue
        last = z[j]
    return total + last


def left_by_break(z):
    while True:
        if z < 1:
            break
        a = z
        z = z / 2
    return a


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (in_one_branch, "a"),
        (in_a_loop_that_may_not_run, "largest"),
        (after_a_while, "halvings"),
        (counted_before_it_is_set, "n"),
        (carried_from_the_round_before, "before"),
        (skipped_by_continue, "last"),
        (left_by_break, "a"),
    ],
)
def test_a_name_that_some_way_leads_past_is_refused(function, name):
    with pytest.raises(
        PluginError, match=rf"{function.__name__} reads '{name}', which is not set on every way"
    ):
        parse(function)


def in_both_branches(z):
    if z > 0:
        a = z
    else:
        a = -z
    return a


def or_gone(z):
    if z > 0:
        a = z
    else:
        return 0.0
    return a


def in_a_loop_over_a_row(z):
    for j in range(len(z)):
        last = z[j]
    return last + j


def in_a_loop_of_three(z):
    for _ in range(3):
        root = z / 2
    return root


def in_a_loop_without_end(z):
    while True:
        a = z / 2
        if a < 1:
            break
    return a


def in_the_else_of_a_loop(z):
    for k in range(len(z)):
        if z[k] > 0:
            first = z[k]
            break
    else:
        first = 0.0
    return first


@pytest.mark.parametrize(
    "function",
    [
        in_both_branches,
        or_gone,
        in_a_loop_over_a_row,
        in_a_loop_of_three,
        in_a_loop_without_end,
        in_the_else_of_a_loop,
    ],
)
def test_a_name_that_every_way_sets_passes(function):
    assert parse(function).name == function.__name__


def slope(z, a):
    if z > 0:
        s = 1.0
    return s


def value(z):
    return z if z > 0 else 0.0


def test_a_plugin_is_refused_in_fit_with_the_line():
    net = fnn.Network(2, [fnn.Dense(2, fnn.Activation("half", value, slope)), fnn.Dense(1)], seed=0)
    with pytest.raises(
        PluginError, match=r"slope reads 's'(.|\n)*line 4 of it: return s(.|\n)*set 's' before the if"
    ):
        net.fit([[0.0, 1.0]], [1.0], epochs=1, verbose=False)
