"""What a plugin is: small frozen objects around plain Python functions, and protocols for the classes.

| kind        | contract                      | in one line                                               |
|-------------|-------------------------------|-----------------------------------------------------------|
| activation  | `Activation`, `RowActivation` | a = f(z) and its derivatives, one scalar or row at a time |
| loss        | `Loss`                        | value of one sample; writes dL/dz into delta              |
| optimizer   | `Rule`, `Solver`              | a scalar update, or a class that asks the objective       |
| schedule    | `Schedule`                    | eta for an array of step numbers                          |
| initializer | `Initializer`                 | first values of a parameter                               |
| layer       | `Layer`                       | declares parameters and applies ops to nodes              |
"""

from fastnn.contracts.activation import Activation, RowActivation
from fastnn.contracts.classes import Layer, Objective, Solver, class_config
from fastnn.contracts.initializer import Initializer
from fastnn.contracts.loss import Loss
from fastnn.contracts.part import Part
from fastnn.contracts.rule import Rule
from fastnn.contracts.schedule import Schedule

__all__ = [
    "Activation",
    "Initializer",
    "Layer",
    "Loss",
    "Objective",
    "Part",
    "RowActivation",
    "Rule",
    "Schedule",
    "Solver",
    "class_config",
]
