"""What a plugin function may not say is named for what it is."""

import math

import numpy as np
import pytest

import fastnn as fnn
from fastnn.compile.grammar import parse


def calls_numpy(z):
    return np.exp(z)


def has_an_inner_function(z):
    def inner(x):
        return x

    return inner(z)


def sometimes_nothing(z):
    if z > 0:
        return z


def sometimes_bare(z):
    if z > 0:
        return
    return z


def out_of_a_loop(z):
    while True:
        z = z / 2
        if z < 1:
            break


def falls_out_of_a_loop(z):
    for k in range(3):
        if z > k:
            return z


def all_branches(z):
    """A docstring."""
    if z > 0:
        return z
    elif z < -1:
        return math.exp(z)
    else:
        return -z


def until(z):
    while True:
        z = z / 2
        if z < 1:
            return z


def search(z):
    for k in range(3):
        if z > k:
            return z
    else:  # noqa: PLW0120
        return -z


def in_place(a, z):
    for j in range(len(z)):
        if z[j] < 0:
            return
        a[j] = z[j]


@pytest.mark.parametrize(
    "function, words",
    [
        (calls_numpy, r"uses np\.exp"),
        (has_an_inner_function, "uses a function inside it"),
        (sometimes_nothing, "none on others"),
        (sometimes_bare, "none on others"),
        (falls_out_of_a_loop, "none on others"),
    ],
)
def test_what_cannot_be_compiled_is_named(function, words):
    with pytest.raises(fnn.PluginError, match=words):
        parse(function)


@pytest.mark.parametrize("function", [all_branches, until, search, in_place, out_of_a_loop])
def test_every_way_through_these_is_fine(function):
    parse(function)


def setting_i(w, g, eta, i):
    return w - eta * g * i


def setting_like_a_state(w, g, total, eta, total_):
    return w - eta * g * total_, total


@pytest.mark.parametrize(
    "step, state, setting", [(setting_i, (), "i"), (setting_like_a_state, ("total",), "total_")]
)
def test_a_setting_with_a_word_of_the_loop_is_named(step, state, setting):
    rule = fnn.Rule("clash", step, state=state, defaults={"eta": 0.1, setting: 1.0})
    with pytest.raises(fnn.PluginError, match=f"calls a setting '{setting}'"):
        fnn.Network(1, [fnn.Dense(1)]).fit([[1.0]], [1.0], optimizer=rule, epochs=1, verbose=False)
