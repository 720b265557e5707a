"""Learning-rate schedules: anything that takes `lr` as a number takes one of these in its place.

A schedule is a NamedTuple of numbers and one scalar function of it and the iteration `t` (from 1), which is compiled
into the loop. One more is a class and a function in any file::

    @schedule()
    class InverseSquareRoot(NamedTuple):
        lr: float

    @rate(InverseSquareRoot)
    def _(s, t):
        return s.lr / math.sqrt(t)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from ._compile import inlined, selects, target
from ._parameters import NONNEGATIVE, POSITIVE, Range, validated

__all__ = ["CosineDecay", "ExponentialDecay", "learning_rate", "rate", "schedule"]

_RATES: dict[type | None, Any] = {}


def schedule(conflict: Callable[[Any], str] = lambda s: "", **ranges: Range) -> Callable[[type], type]:
    """Class decorator of a schedule; `ranges` are those of its parameters (a finite number by default).

    `conflict` says what is wrong with parameters that are right one by one, or "".
    """
    return validated({"lr": NONNEGATIVE, **ranges}, conflict=conflict)


def rate(cls: type) -> Callable[[Callable], Callable]:
    """Declare the scalar function `(schedule, t) -> lr` of the schedule class `cls`; t counts from 1."""

    def declare(function: Callable) -> Callable:
        _RATES[cls] = inlined(function)
        selects(cls, function)
        return function

    return declare


def is_schedule(value: Any) -> bool:
    """Whether `value` can stand where a learning rate is asked for without being a number."""
    return type(value) in _RATES


def learning_rate(lr: Any, t: float) -> float:
    """The learning rate of iteration `t`, from a number or a schedule.

    >>> learning_rate(0.1, 7.0)
    0.1
    >>> learning_rate(ExponentialDecay(0.1, gamma=0.5), 3.0)
    0.025
    """
    return _RATES[type(lr)].py_func(lr, t) if is_schedule(lr) else lr


@target(learning_rate)
def _learning_rate(lr, t):
    function = _RATES.get(getattr(lr, "instance_class", None))
    if function is None:
        return lambda lr, t: lr
    return lambda lr, t: function(lr, t)


@schedule(gamma=Range("be in (0, 1]", lambda v: 0 < v <= 1), every=POSITIVE)
class ExponentialDecay(NamedTuple):
    """Exponential decay: lr_t = lr * gamma^((t - 1) / every).

    Parameters
    ----------
    lr : float
        Learning rate of the first iteration, >= 0.
    gamma : float
        Factor in (0, 1] by which the rate falls in `every` iterations (torch's `ExponentialLR` with `every=1`).
    every : float
        Number of iterations, > 0.

    Raises
    ------
    ValueError
        A parameter is out of its range.

    Examples
    --------
    >>> from numbaopt import Adam, schedules
    >>> Adam(lr=schedules.ExponentialDecay(0.1, gamma=0.5, every=1000)).lr.gamma
    0.5
    """

    lr: float
    gamma: float = 0.999
    every: float = 1.0


@rate(ExponentialDecay)
def _exponential_decay(s, t):
    return s.lr * s.gamma ** ((t - 1.0) / s.every)


@schedule(
    lambda s: "" if s.warmup < s.steps else "warmup must be less than steps",
    steps=POSITIVE,
    warmup=NONNEGATIVE,
    lr_min=NONNEGATIVE,
)
class CosineDecay(NamedTuple):
    """Linear warm-up, then half a cosine down to `lr_min`, which is kept.

    lr_t = lr * t / warmup                                          for t <= warmup
    lr_t = lr_min + (lr - lr_min) * (1 + cos(pi * p)) / 2,  p = min(1, (t - warmup) / (steps - warmup))    after it

    Parameters
    ----------
    lr : float
        The highest learning rate, >= 0.
    steps : float
        Iteration at which `lr_min` is reached, > 0: as a rule the `maxiter` of the run.
    warmup : float
        Iterations of linear increase, >= 0 and less than `steps`.
    lr_min : float
        The learning rate at the end, >= 0.

    Raises
    ------
    ValueError
        A parameter is out of its range.

    Examples
    --------
    >>> lr = CosineDecay(0.1, steps=1000, warmup=100)
    >>> [round(learning_rate(lr, t), 3) for t in (50.0, 100.0, 550.0, 1000.0, 2000.0)]
    [0.05, 0.1, 0.05, 0.0, 0.0]

    Notes
    -----
    Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017, equation 5, without
    restarts. torch's `CosineAnnealingLR` has no warm-up and rises again after `T_max`.
    """

    lr: float
    steps: float
    warmup: float = 0.0
    lr_min: float = 0.0


@rate(CosineDecay)
def _cosine_decay(s, t):
    if t <= s.warmup:
        return s.lr * t / s.warmup
    p = min(1.0, (t - s.warmup) / (s.steps - s.warmup))
    return s.lr_min + (s.lr - s.lr_min) * 0.5 * (1.0 + math.cos(math.pi * p))
