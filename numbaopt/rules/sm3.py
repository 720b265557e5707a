"""SM3 of a vector: Adagrad with momentum, or, without it, in one array that may have 16 bits."""

import math
from typing import NamedTuple

from .._compile import inlined
from .._rule import Rate, hyperparameters, per_iteration, update_rule
from ..schedules import learning_rate


@hyperparameters
class SM3(NamedTuple):
    """SM3: Adagrad with momentum, and without it a rule for little memory.

    ::

        v = v + g^2
        u = g / sqrt(v + eps)                                    0 where v = 0
        m = momentum * m + (1 - momentum) * u                    not kept where momentum = 0: m = u
        x = x - lr * m

    With momentum = 0 it has one array of state, and with `state_dtype="bfloat16"` that takes 2 bytes for each
    coordinate, where Adam in float64 takes 16: v only grows, so that stochastic rounding does it little harm.

    Parameters
    ----------
    lr : float or schedule
        Learning rate, >= 0: the length of the first steps, in the units of x (of x / x_scale); they become shorter
        with the root of the number of iterations.
    momentum : float
        Decay rate of the mean of the scaled gradients, in [0, 1).
    eps : float
        Added inside the root, >= 0.
    maximize : bool
        Maximise the objective.

    Raises
    ------
    TypeError, ValueError
        A hyper-parameter is of the wrong kind or out of its range.

    Examples
    --------
    >>> import numbaopt
    >>> res = numbaopt.minimize(lambda x: ((x - 3) ** 2).sum(), [0.0, 0.0], method=numbaopt.SM3(lr=1.0))
    >>> res.success, res.x.round(3).tolist()
    (True, [3.0, 3.0])

    Notes
    -----
    Anil et al., "Memory-Efficient Adaptive Optimization", NeurIPS 2019, Algorithm SM3-II with one set for each
    coordinate, which is diagonal Adagrad. Momentum, eps and arithmetic are those of `optax.sm3`.

    Differs from the paper in that x is a vector here, whatever its shape: for matrices the paper, and optax, keep the
    sums of rows and columns in place of v. Momentum is a flag: where it is 0 optax still keeps m.

    Use it where Adagrad is right but zigzags, to save memory (above), or to repeat results of optax's SM3 on vectors;
    not where curvature changes along the way, as v forgets nothing.
    """

    lr: Rate = 0.1
    momentum: float = 0.9
    eps: float = 1e-8
    maximize: bool = False


class SM3Step(NamedTuple):
    """Scalars of one iteration."""

    lr: float
    eps: float


class SM3MomentumStep(NamedTuple):
    """The same with momentum."""

    lr: float
    b: float  # momentum
    c: float  # 1 - momentum
    eps: float


@per_iteration(SM3)
def _sm3(h, t) -> SM3Step:
    return SM3Step(learning_rate(h.lr, t), h.eps)


@per_iteration(SM3, momentum=True)
def _sm3_momentum(h, t) -> SM3MomentumStep:
    return SM3MomentumStep(learning_rate(h.lr, t), h.momentum, 1 - h.momentum, h.eps)


@inlined
def scaled(h, g, v):
    """v, and g over its root."""
    v = v + g * g
    return v, (g / math.sqrt(v + h.eps) if v > 0 else v)


@update_rule(SM3Step, slots=("v",))
def sm3(h, x, g, v):
    """One element of SM3 without momentum."""
    v, u = scaled(h, g, v)
    return x - h.lr * u, v


@update_rule(SM3MomentumStep, slots=("v", "m"))
def sm3_momentum(h, x, g, v, m):
    """One element of SM3."""
    v, u = scaled(h, g, v)
    m = h.b * m + h.c * u
    return x - h.lr * m, v, m
