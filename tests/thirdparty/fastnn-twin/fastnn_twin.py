"""Broken on purpose: fastnn-lion has a `lion` too. `tiger` is its own and must still work."""

from fastnn import Rule, hookimpl


def step(w, g, eta):
    return w - eta * g


@hookimpl
def fastnn_optimizers():
    return [Rule(name, step, defaults={"eta": 1e-3}) for name in ("lion", "tiger")]
