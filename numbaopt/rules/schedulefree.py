"""Schedule-Free AdamW and SGD: an average of the iterates in the place of a learning rate that goes to 0."""

import math
from typing import NamedTuple

from .._compile import inlined
from .._parameters import NONNEGATIVE, Range
from .._rule import Rate, hyperparameters, per_iteration, readout, update_rule
from ..schedules import learning_rate
from .adam import unbiased

OPEN_FRACTION = Range("be in (0, 1)", lambda v: 0 < v < 1)


@hyperparameters(betas=OPEN_FRACTION, r=NONNEGATIVE, weight_lr_power=NONNEGATIVE)
class ScheduleFreeAdamW(NamedTuple):
    """Schedule-Free AdamW: AdamW's steps without momentum, and the answer is a mean of the points that they lead to.

    ::

        rate = lr * min(1, t / warmup_steps)                     lr without warm-up
        w    = t^r * (largest rate so far)^weight_lr_power
        c    = w / (sum of all w so far)
        v    = beta2 * v + (1 - beta2) * g^2                     g is the gradient at y
        u    = g / (sqrt(v / (1 - beta2^t)) + eps) + weight_decay * y
        y    = y + c * (z - y) - rate * (1 - beta1 * (1 - c)) * u
        z    = z - rate * u
        x    = y + (1 - 1 / beta1) * (z - y)                     the answer

    The objective is evaluated at y = (1 - beta1) * z + beta1 * x, where z is what AdamW would make without momentum,
    and x the mean of all z, weighted by w. Use it for noisy gradients, without knowing when to stop; not for a smooth
    function without noise, where Adam ends sooner.

    Parameters
    ----------
    lr : float or schedule
        Learning rate, >= 0; larger than AdamW's, by 1 to 10 times. No schedule is needed.
    betas : (float, float)
        Weight of the mean in y, and decay rate of the second moment, in (0, 1).
    eps : float
        Added to the root of the second moment, >= 0.
    weight_decay : float
        Decoupled decay, of y, >= 0.
    warmup_steps : float
        Iterations in which the learning rate rises linearly to lr, >= 0.
    r : float
        Power of t in the weights, >= 0; larger ones forget the first iterations sooner.
    weight_lr_power : float
        Power of the learning rate in the weights, >= 0: the iterations of the warm-up count less.
    maximize : bool
        Maximise the objective.

    Raises
    ------
    TypeError, ValueError
        A hyper-parameter is of the wrong kind or out of its range.

    Examples
    --------
    >>> import numbaopt
    >>> method = numbaopt.ScheduleFreeAdamW(lr=0.5)
    >>> res = numbaopt.minimize(lambda x: ((x - 3) ** 2).sum(), [0.0, 0.0], method=method)
    >>> res.success, res.x.round(3).tolist()
    (True, [3.0, 3.0])

    Notes
    -----
    Defazio, Yang, Mehta, Mishchenko, Khaled and Cutkosky, "The Road Less Scheduled", NeurIPS 2024, Algorithm 1.
    Defaults and arithmetic are those of `AdamWScheduleFree` of the package `schedulefree` 1.4.1, which returns x from
    `eval()`; it changes the caller's gradient, which is not done here. The stopping tests look at y, z is not kept
    within the bounds. beta1 = 0 is not possible: x could not be told from y.
    """

    lr: Rate = 2.5e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    warmup_steps: float = 0.0
    r: float = 0.0
    weight_lr_power: float = 2.0
    maximize: bool = False


@hyperparameters(momentum=OPEN_FRACTION, r=NONNEGATIVE, weight_lr_power=NONNEGATIVE)
class ScheduleFreeSGD(NamedTuple):
    """Schedule-Free SGD: gradient steps without momentum, and the answer is a mean of the points that they lead to.

    ::

        rate = lr * min(1, t / warmup_steps)                     lr without warm-up
        w    = t^r * (largest rate so far)^weight_lr_power
        c    = w / (sum of all w so far)
        u    = g + weight_decay * y                              g is the gradient at y
        y    = y + c * (z - y) - rate * (1 - momentum * (1 - c)) * u
        z    = z - rate * u
        x    = y + (1 - 1 / momentum) * (z - y)                  the answer

    The objective is evaluated at y = (1 - momentum) * z + momentum * x, where z is what gradient descent would make,
    and x the mean of all z, weighted by w. Use it for noisy gradients of a well-scaled function, without knowing when
    to stop; not for a smooth function without noise, where momentum ends sooner.

    Parameters
    ----------
    lr : float or schedule
        Learning rate, >= 0; up to 2 divided by the largest curvature, as for SGD. No schedule is needed.
    momentum : float
        Weight of the mean in y, in (0, 1).
    weight_decay : float
        Coupled decay (L2 penalty weight_decay / 2 * |x|^2 added to the objective), >= 0.
    warmup_steps : float
        Iterations in which the learning rate rises linearly to lr, >= 0.
    r : float
        Power of t in the weights, >= 0; larger ones forget the first iterations sooner.
    weight_lr_power : float
        Power of the learning rate in the weights, >= 0: the iterations of the warm-up count less.
    maximize : bool
        Maximise the objective.

    Raises
    ------
    TypeError, ValueError
        A hyper-parameter is of the wrong kind or out of its range.

    Examples
    --------
    >>> import numbaopt
    >>> method = numbaopt.ScheduleFreeSGD(lr=0.5)
    >>> res = numbaopt.minimize(lambda x: ((x - 3) ** 2).sum(), [0.0, 0.0], method=method)
    >>> res.success, res.x.round(3).tolist()
    (True, [3.0, 3.0])

    Notes
    -----
    Defazio, Yang, Mehta, Mishchenko, Khaled and Cutkosky, "The Road Less Scheduled", NeurIPS 2024, equations 3 to 5.
    Defaults and arithmetic are those of `SGDScheduleFree` of the package `schedulefree` 1.4.1, which returns x from
    `eval()`; it changes the caller's gradient, which is not done here. The stopping tests look at y, z is not kept
    within the bounds.
    """

    lr: Rate = 1.0
    momentum: float = 0.9
    weight_decay: float = 0.0
    warmup_steps: float = 0.0
    r: float = 0.0
    weight_lr_power: float = 2.0
    maximize: bool = False


class ScheduleFreeAdamWStep(NamedTuple):
    """Scalars of one iteration."""

    c: float  # weight of the new z in the mean
    along: float  # rate * (1 - beta1 * (1 - c))
    rate: float
    weights: float  # sum of the weights
    largest: float  # rate so far
    b2: float  # beta2
    c2: float  # 1 - beta2
    root: float  # 1 / sqrt(1 - beta2^t)
    eps: float
    decay: float  # of y, in u


class ScheduleFreeSGDStep(NamedTuple):
    """Scalars of one iteration."""

    c: float
    along: float  # rate * (1 - momentum * (1 - c))
    rate: float
    weights: float
    largest: float
    weight_decay: float  # coupled decay


@inlined
def schedule_free_scalars(h, t, b1, weights, largest):
    """Values of the fields that the two steps have in common."""
    warmup = min(1.0, t / h.warmup_steps) if h.warmup_steps > 0 else 1.0
    rate = learning_rate(h.lr, t) * warmup
    largest = max(largest, rate)
    w = t**h.r * largest**h.weight_lr_power
    weights = weights + w
    c = w / weights if weights > 0 else 0.0
    return c, rate * (1 - b1 * (1 - c)), rate, weights, largest


@per_iteration(ScheduleFreeAdamW, carry={"weights": 0.0, "largest": 0.0})
def _schedule_free_adamw(h, t, weights, largest) -> ScheduleFreeAdamWStep:
    b1, b2 = h.betas
    moment = b2, 1 - b2, 1 / math.sqrt(unbiased(b2, t)), h.eps
    return ScheduleFreeAdamWStep(*schedule_free_scalars(h, t, b1, weights, largest), *moment, h.weight_decay)


@per_iteration(ScheduleFreeSGD, carry={"weights": 0.0, "largest": 0.0})
def _schedule_free_sgd(h, t, weights, largest) -> ScheduleFreeSGDStep:
    return ScheduleFreeSGDStep(*schedule_free_scalars(h, t, h.momentum, weights, largest), h.weight_decay)


@inlined
def moved(h, y, z, u):
    """y and z after the step u."""
    return y + h.c * (z - y) - h.along * u, z - h.rate * u


@update_rule(ScheduleFreeAdamWStep, slots=("z", "v"), start={"z": lambda h, x: x})
def schedule_free_adamw(h, y, g, z, v):
    """One element of Schedule-Free AdamW."""
    v = h.b2 * v + h.c2 * g * g
    u = g / (math.sqrt(v) * h.root + h.eps) + h.decay * y
    y, z = moved(h, y, z, u)
    return y, z, v


@update_rule(ScheduleFreeSGDStep, slots=("z",), start={"z": lambda h, x: x})
def schedule_free_sgd(h, y, g, z):
    """One element of Schedule-Free SGD."""
    return moved(h, y, z, g)


@readout(ScheduleFreeAdamWStep)
def _mean_of_adamw(h, y, z, v):
    return y + (1 - 1 / h.betas[0]) * (z - y)


@readout(ScheduleFreeSGDStep)
def _mean_of_sgd(h, y, z):
    return y + (1 - 1 / h.momentum) * (z - y)
