"""The schedules: each a NamedTuple of its parameters and a scalar function of it and t.

k = t - 1 is the number of finished iterations, which is what torch (`last_epoch`) and optax (`count`) count.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from .._parameters import FRACTION, NONNEGATIVE, POSITIVE, Range
from .mechanism import at, rate, schedule, scheduled

_FACTOR = Range("be in (0, 1]", lambda v: 0 < v <= 1)
_LEAST_1 = Range("be a finite number >= 1", lambda v: 1 <= v < math.inf)
_MILESTONES = NONNEGATIVE._replace(many=True)
_RATE = scheduled(NONNEGATIVE)


def _rising(milestones: tuple[float, ...]) -> str:
    return "" if list(milestones) == sorted(set(milestones)) else "milestones must increase"


# --- falling ---------------------------------------------------------------------------------------------------------


@schedule(gamma=_FACTOR, every=POSITIVE)
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
    TypeError, ValueError
        A parameter is of the wrong kind or out of its range.

    Examples
    --------
    >>> from numbaopt import Adam, schedules
    >>> Adam(lr=schedules.ExponentialDecay(0.1, gamma=0.5, every=1000)).lr.gamma
    0.5

    Notes
    -----
    With `every=1`, torch's `ExponentialLR(gamma)`; else optax's `exponential_decay(lr, every, gamma)`.
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
    TypeError, ValueError
        A parameter is of the wrong kind or out of its range.

    Examples
    --------
    >>> lr = CosineDecay(0.1, steps=1000, warmup=100)
    >>> [round(at(lr, t), 3) for t in (50.0, 100.0, 550.0, 1000.0, 2000.0)]
    [0.05, 0.1, 0.05, 0.0, 0.0]

    Notes
    -----
    Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017, equation 5, without
    restarts. torch's `CosineAnnealingLR(T_max=steps)` and optax's `cosine_decay_schedule` have k = t - 1 in place of t,
    and so arrive in iteration steps + 1; torch's rises again after it.
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


@schedule(steps=POSITIVE, power=NONNEGATIVE, lr_min=NONNEGATIVE)
class PolynomialDecay(NamedTuple):
    """A power of the part that is left; with power=1 a straight line. `lr_min` is kept.

    lr_t = lr_min + (lr - lr_min) * (1 - min(1, (t - 1) / steps))^power

    Parameters
    ----------
    lr : float
        Learning rate of the first iteration, >= 0.
    steps : float
        Iterations after which `lr_min` is reached, > 0.
    power : float
        Exponent, >= 0.
    lr_min : float
        The learning rate at the end, >= 0; it may be above `lr`.

    Raises
    ------
    TypeError, ValueError
        A parameter is of the wrong kind or out of its range.

    Examples
    --------
    >>> [at(PolynomialDecay(0.5, steps=4, power=2), t) for t in (1.0, 3.0, 5.0, 9.0)]
    [0.5, 0.125, 0.0, 0.0]

    Notes
    -----
    torch's `PolynomialLR(steps, power)`, which has lr_min = 0, and for power=1 `LinearLR(1.0, lr_min / lr, steps)`;
    optax's `polynomial_schedule(lr, lr_min, power, steps)` and `linear_schedule(lr, lr_min, steps)`.
    """

    lr: float
    steps: float
    power: float = 1.0
    lr_min: float = 0.0


@rate(PolynomialDecay)
def _polynomial_decay(s, t):
    return s.lr_min + (s.lr - s.lr_min) * (1.0 - min(1.0, (t - 1.0) / s.steps)) ** s.power


@schedule(warmup=POSITIVE)
class InverseSqrt(NamedTuple):
    """Linear warm-up, then a fall with the root of t.

    lr_t = lr * min(t / warmup, sqrt(warmup / t))

    Parameters
    ----------
    lr : float
        The highest learning rate, of iteration `warmup`, >= 0.
    warmup : float
        Iterations of linear increase, > 0; 1 is none.

    Raises
    ------
    TypeError, ValueError
        A parameter is of the wrong kind or out of its range.

    Examples
    --------
    >>> [at(InverseSqrt(0.5, warmup=4), t) for t in (1.0, 4.0, 16.0)]
    [0.125, 0.5, 0.25]

    Notes
    -----
    Vaswani et al., "Attention Is All You Need", NeurIPS 2017, section 5.3, where lr = 1 / sqrt(d_model * warmup).
    Neither torch nor optax has a class for it.
    """

    lr: float
    warmup: float = 1.0


@rate(InverseSqrt)
def _inverse_sqrt(s, t):
    return s.lr * min(t / s.warmup, math.sqrt(s.warmup / t))


# --- in steps --------------------------------------------------------------------------------------------------------


@schedule(every=POSITIVE, gamma=_FACTOR)
class StepDecay(NamedTuple):
    """A fall by `gamma` after every `every` iterations.

    lr_t = lr * gamma^floor((t - 1) / every)

    Parameters
    ----------
    lr : float
        Learning rate of the first iterations, >= 0.
    every : float
        Number of iterations, > 0.
    gamma : float
        Factor in (0, 1].

    Raises
    ------
    TypeError, ValueError
        A parameter is of the wrong kind or out of its range.

    Examples
    --------
    >>> [at(StepDecay(0.5, every=10, gamma=0.5), t) for t in (1.0, 10.0, 11.0, 21.0)]
    [0.5, 0.5, 0.25, 0.125]

    Notes
    -----
    torch's `StepLR(every, gamma)`; optax's `exponential_decay(lr, every, gamma, staircase=True)`.
    """

    lr: float
    every: float
    gamma: float = 0.1


@rate(StepDecay)
def _step_decay(s, t):
    return s.lr * s.gamma ** math.floor((t - 1.0) / s.every)


@schedule(lambda s: _rising(s.milestones), milestones=_MILESTONES, gamma=_FACTOR)
class MultiStepDecay(NamedTuple):
    """A fall by `gamma` after each of `milestones`.

    lr_t = lr * gamma^(number of milestones below t)

    Parameters
    ----------
    lr : float
        Learning rate of the first iterations, >= 0.
    milestones : tuple of float
        Numbers of iterations after which the rate falls, increasing.
    gamma : float
        Factor in (0, 1].

    Raises
    ------
    TypeError, ValueError
        A parameter is of the wrong kind or out of its range.

    Examples
    --------
    >>> [at(MultiStepDecay(0.5, (10, 30), gamma=0.5), t) for t in (10.0, 11.0, 31.0)]
    [0.5, 0.25, 0.125]

    Notes
    -----
    torch's `MultiStepLR(milestones, gamma)`. The loop is compiled once for each number of milestones.
    """

    lr: float
    milestones: tuple[float, ...]
    gamma: float = 0.1


@rate(MultiStepDecay)
def _multi_step_decay(s, t):
    lr = s.lr
    for milestone in s.milestones:
        if t > milestone:
            lr *= s.gamma
    return lr


def _fits(s: Any) -> str:
    few = len(s.values) != len(s.milestones) + 1
    return "there must be one more of values than of milestones" if few else _rising(s.milestones)


@schedule(_fits, values=_MILESTONES, milestones=_MILESTONES)
class PiecewiseConstant(NamedTuple):
    """One value up to each of `milestones`, another one after the last.

    lr_t = values[number of milestones below t]

    Parameters
    ----------
    values : tuple of float
        Learning rates, >= 0, one more than milestones.
    milestones : tuple of float
        The last iterations of each value but the last, increasing.

    Raises
    ------
    TypeError, ValueError
        A parameter is of the wrong kind or out of its range.

    Examples
    --------
    >>> [at(PiecewiseConstant((0.1, 0.5, 0.01), (10, 30)), t) for t in (10.0, 11.0, 31.0)]
    [0.1, 0.5, 0.01]

    Notes
    -----
    optax's `piecewise_constant_schedule` is given the quotients of the values. The loop is compiled once for each
    number of milestones.
    """

    values: tuple[float, ...]
    milestones: tuple[float, ...]


@rate(PiecewiseConstant)
def _piecewise_constant(s, t):
    i = 0
    for milestone in s.milestones:
        if t > milestone:
            i += 1
    return s.values[i]


# --- up and down -----------------------------------------------------------------------------------------------------


@schedule(period=POSITIVE, factor=_LEAST_1, lr_min=NONNEGATIVE)
class CosineRestarts(NamedTuple):
    """SGDR: half a cosine from `lr` down to `lr_min`, then again from `lr`, each time `factor` times as long.

    lr_t = lr_min + (lr - lr_min) * (1 + cos(pi * since / length)) / 2

    length = period * factor^n in the n-th round (from 0); since: iterations that it has lasted, 0 in its first

    Parameters
    ----------
    lr : float
        Learning rate at the start of each round, >= 0.
    period : float
        Iterations of the first round, > 0.
    factor : float
        How much longer each round is than the one before, >= 1.
    lr_min : float
        What is approached at the end of each round, >= 0.

    Raises
    ------
    TypeError, ValueError
        A parameter is of the wrong kind or out of its range.

    Examples
    --------
    >>> [round(at(CosineRestarts(0.5, period=10, factor=2), t), 3) for t in (1.0, 6.0, 11.0, 21.0, 31.0)]
    [0.5, 0.25, 0.5, 0.25, 0.5]

    Notes
    -----
    Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017, equation 5: torch's
    `CosineAnnealingWarmRestarts(T_0=period, T_mult=factor, eta_min=lr_min)`. optax's `sgdr_schedule` takes a list of
    rounds, each with a warm-up.
    """

    lr: float
    period: float
    factor: float = 1.0
    lr_min: float = 0.0


@rate(CosineRestarts)
def _cosine_restarts(s, t):
    k, length = t - 1.0, s.period
    if s.factor == 1.0:
        since = k % length
    else:
        # the n-th round begins at period * (factor^n - 1) / (factor - 1); 1e-9 keeps n from being rounded down there
        n = math.floor(math.log(k / length * (s.factor - 1.0) + 1.0) / math.log(s.factor) + 1e-9)
        length = s.period * s.factor**n
        since = max(0.0, k - (length - s.period) / (s.factor - 1.0))
    return s.lr_min + (s.lr - s.lr_min) * 0.5 * (1.0 + math.cos(math.pi * since / length))


@schedule(
    lambda s: "" if s.steps > 1 else "steps must be greater than 1",
    steps=POSITIVE,
    pct_start=FRACTION,
    div_factor=_LEAST_1,
    final_div_factor=_LEAST_1,
)
class OneCycle(NamedTuple):
    """Half a cosine up to `lr`, half a cosine down to next to nothing, which is kept.

    From lr / div_factor in iteration 1 to lr in iteration pct_start * steps, from there to
    lr / (div_factor * final_div_factor) in iteration `steps`.

    Parameters
    ----------
    lr : float
        The highest learning rate, >= 0.
    steps : float
        Iterations of the whole cycle, > 1: as a rule the `maxiter` of the run.
    pct_start : float
        The part of them, in [0, 1), in which the rate rises.
    div_factor : float
        lr over the first rate, >= 1.
    final_div_factor : float
        The first rate over the last, >= 1.

    Raises
    ------
    TypeError, ValueError
        A parameter is of the wrong kind or out of its range.

    Examples
    --------
    >>> [round(at(OneCycle(0.5, steps=100, div_factor=5), t), 4) for t in (1.0, 30.0, 65.0, 100.0)]
    [0.1, 0.5, 0.25, 0.0]

    Notes
    -----
    Smith and Topin, "Super-Convergence", arXiv:1708.07120, with the numbers of torch's `OneCycleLR(max_lr=lr,
    total_steps=steps)`, whose momentum is left alone (`cycle_momentum=False`). optax's `cosine_onecycle_schedule` has
    its peak one iteration later and ends one later.
    """

    lr: float
    steps: float
    pct_start: float = 0.3
    div_factor: float = 25.0
    final_div_factor: float = 1e4


@rate(OneCycle)
def _one_cycle(s, t):
    k, peak, end = t - 1.0, s.pct_start * s.steps - 1.0, s.steps - 1.0
    low = s.lr / s.div_factor
    if k < peak:
        p = 1.0 - k / peak
    else:
        p = min(1.0, (k - peak) / (end - peak))
        low = low / s.final_div_factor
    return low + (s.lr - low) * 0.5 * (1.0 + math.cos(math.pi * p))


# --- of other schedules ----------------------------------------------------------------------------------------------


@schedule(lr=_RATE, steps=POSITIVE, start=NONNEGATIVE)
class Warmup(NamedTuple):
    """Linear increase to the first rate of another schedule, which then begins.

    lr_t = start + (s_1 - start) * t / steps    for t <= steps, where s is `lr`
    lr_t = s_{t - steps}                        after it

    Parameters
    ----------
    lr : float or schedule
        What follows the warm-up.
    steps : float
        Iterations of linear increase, > 0.
    start : float
        Where the increase starts, >= 0: the rate of an iteration 0.

    Raises
    ------
    TypeError, ValueError
        A parameter is of the wrong kind or out of its range.

    Examples
    --------
    >>> from numbaopt.schedules import ExponentialDecay
    >>> [at(Warmup(ExponentialDecay(0.5, gamma=0.5), steps=10), t) for t in (1.0, 5.0, 10.0, 11.0, 12.0)]
    [0.05, 0.25, 0.5, 0.5, 0.25]

    Notes
    -----
    torch's `SequentialLR([LinearLR(start / lr, 1.0, steps), ...], [steps])` and optax's
    `join_schedules([linear_schedule(start, lr, steps), ...], [steps])` have t - 1 in place of t in the increase: with
    start = 0 their first iteration does not move x. After it the numbers are the same.
    """

    lr: Any
    steps: float
    start: float = 0.0


@rate(Warmup)
def _warmup(s, t):
    lr = at(s.lr, max(1.0, t - s.steps))
    return s.start + (lr - s.start) * t / s.steps if t <= s.steps else lr


@schedule(first=_RATE, steps=POSITIVE, second=_RATE)
class Joined(NamedTuple):
    """One schedule for some iterations, then another one from its beginning; nested, any number of them.

    lr_t = first_t            for t <= steps
    lr_t = second_{t - steps} after it

    Parameters
    ----------
    first, second : float or schedule
        What is joined.
    steps : float
        Iterations of the first, > 0.

    Raises
    ------
    TypeError, ValueError
        A parameter is of the wrong kind or out of its range.

    Examples
    --------
    >>> from numbaopt.schedules import ExponentialDecay
    >>> [at(Joined(0.1, 10, ExponentialDecay(0.5, gamma=0.5)), t) for t in (10.0, 11.0, 12.0)]
    [0.1, 0.5, 0.25]

    Notes
    -----
    torch's `SequentialLR([first, second], [steps])`; optax's `join_schedules([first, second], [steps])`.
    """

    first: Any
    steps: float
    second: Any


@rate(Joined)
def _joined(s, t):
    return at(s.first, t) if t <= s.steps else at(s.second, t - s.steps)
