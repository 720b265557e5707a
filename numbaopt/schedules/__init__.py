"""Schedules: what takes `lr`, `weight_decay` or one of `betas` as a number takes one of these in its place.

A schedule is a function of the iteration `t`, which counts from 1 (torch and optax count from 0). Three things are one:

- an object of a class below, compiled into the loop;
- a function of t compiled by `numba.njit`, which the compiled loop calls directly;
- any other callable of t, called by Python in each iteration (about a microsecond): `lr=lambda t: 0.1 / t**0.5`.

`ReduceOnPlateau` and `Auto` follow the values of `fun`; they are for `lr` alone.

A class of your own is a NamedTuple of numbers and a scalar function of it and t, in any file::

    @schedule()
    class InverseTime(NamedTuple):
        lr: float

    @rate(InverseTime)
    def _(s, t):
        return s.lr / t
"""

from .auto import Auto
from .mechanism import at, learning_rate, rate, schedule
from .plateau import ReduceOnPlateau
from .shapes import (
    CosineDecay,
    CosineRestarts,
    ExponentialDecay,
    InverseSqrt,
    Joined,
    MultiStepDecay,
    OneCycle,
    PiecewiseConstant,
    PolynomialDecay,
    StepDecay,
    Warmup,
)

__all__ = [
    "Auto",
    "CosineDecay",
    "CosineRestarts",
    "ExponentialDecay",
    "InverseSqrt",
    "Joined",
    "MultiStepDecay",
    "OneCycle",
    "PiecewiseConstant",
    "PolynomialDecay",
    "ReduceOnPlateau",
    "StepDecay",
    "Warmup",
    "at",
    "learning_rate",
    "rate",
    "schedule",
]
