"""An activation, element by element a = f(z), or one row at a time a = F(z) as softmax."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import ClassVar

from fastnn.contracts.part import Function, Part
from fastnn.errors import PluginError


@dataclass(frozen=True, eq=False, repr=False)
class Activation(Part):
    """a = f(z), one scalar at a time.

    value(z, ...)          f(z)
    slope(z, a, ...)       da/dz, from z or from a, whichever is cheaper
    curvature(z, a, ...)   d2a/dz2; exact second order needs it

    Settings follow as arguments by name. `kinks` are the z where the slope jumps.

    >>> def value(z): return z * z
    >>> def slope(z, a): return 2 * z
    >>> square = Activation("square", value, slope)
    >>> square.value(3.0), square.slope(3.0, 9.0)
    (9.0, 6.0)
    """

    noun: ClassVar[str] = "activation"

    name: str
    value: Function = None  # type: ignore[assignment]
    slope: Function = None  # type: ignore[assignment]
    curvature: Function | None = None
    _: KW_ONLY
    kinks: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        given: tuple[Function | None, ...] = (self.value, self.slope)
        if given == (None, None):
            raise PluginError(
                f"activation {self.name!r} needs two functions, value and slope",
                hint=f"fastnn.layers.Activation({self.name!r}) is the layer with a registered one, fastnn.activations.{self.name} the activation itself",
            )
        self._check("value", self.value, ("z",))
        self._check("slope", self.slope, ("z", "a"))
        if self.curvature is not None:
            self._check("curvature", self.curvature, ("z", "a"))


@dataclass(frozen=True, eq=False, repr=False)
class RowActivation(Part):
    """a = F(z), one sample's row at a time, with J = dF/dz; arrays are written in place, results first.

    value(a, z, ...)                                        a = F(z)
    backward(out, delta, z, a, ...)                         out = J^T delta
    tangent(out, dz, z, a, ...)                             out = J dz
    backward_tangent(out, delta, ddelta, z, dz, a, da, ...) out = change of backward when z, a and delta
                                                            move along dz, da and ddelta
    All overwrite. The last two are optional: exact second order needs them.
    """

    noun: ClassVar[str] = "activation"

    name: str
    value: Function
    backward: Function
    tangent: Function | None = None
    backward_tangent: Function | None = None
    _: KW_ONLY
    kinks: tuple[float, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("value", self.value, ("a", "z"))
        self._check("backward", self.backward, ("out", "delta", "z", "a"))
        if self.tangent is not None:
            self._check("tangent", self.tangent, ("out", "dz", "z", "a"))
        if self.backward_tangent is not None:
            self._check(
                "backward_tangent", self.backward_tangent, ("out", "delta", "ddelta", "z", "dz", "a", "da")
            )
