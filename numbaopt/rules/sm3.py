"""SM3 of a vector: Adagrad with momentum."""

import math
from typing import NamedTuple

from .._rule import Rate, hyperparameters, per_iteration, update_rule
from ..schedules import learning_rate


@hyperparameters
class SM3(NamedTuple):
    """SM3: Adagrad with momentum. Of a matrix it keeps sums by row and column; **of a vector it saves no memory**.

    ::

        v = v + g^2
        u = g / sqrt(v + eps)                                    0 where v = 0
        m = momentum * m + (1 - momentum) * u
        x = x - lr * m

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

    Use it when results of optax's SM3 on vectors are to be repeated, or where Adagrad is right but zigzags; not to save
    memory, which it does for matrices and tensors alone.
    """

    lr: Rate = 0.1
    momentum: float = 0.9
    eps: float = 1e-8
    maximize: bool = False


class SM3Step(NamedTuple):
    """Scalars of one iteration."""

    lr: float
    b: float  # momentum
    c: float  # 1 - momentum
    eps: float


@per_iteration(SM3)
def _sm3(h, t) -> SM3Step:
    return SM3Step(learning_rate(h.lr, t), h.momentum, 1 - h.momentum, h.eps)


@update_rule(SM3Step, slots=("v", "m"))
def sm3(h, x, g, v, m):
    """One element of SM3."""
    v = v + g * g
    u = g / math.sqrt(v + h.eps) if v > 0 else v
    m = h.b * m + h.c * u
    return x - h.lr * m, v, m
