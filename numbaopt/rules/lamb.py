"""LAMB: Adam's direction, in steps as long as x."""

import math
from typing import NamedTuple

import numpy as np

from .._compile import inlined
from .._dispatch import fields
from .._rule import Rate, hyperparameters, per_iteration, summed, update_rule, with_sums
from ..schedules import learning_rate
from .adam import moments, unbiased


@hyperparameters
class LAMB(NamedTuple):
    """LAMB: Adam with steps of the length lr * ||x||, whatever the gradient is.

    ::

        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g^2
        u = m / (sqrt(v) + eps) + weight_decay * x
        r = ||x|| / ||u||                                        1 if either norm is 0
        x = x - lr * r * u

    With bias_correction m / (1 - beta1^t) and v / (1 - beta2^t) take the place of m and v in u.

    Parameters
    ----------
    lr : float or schedule
        Learning rate, >= 0: the length of a step relative to that of x (of x / x_scale).
    betas : (float, float)
        Decay rates of the two moments, in [0, 1).
    eps : float
        Added to the root of the second moment, >= 0.
    weight_decay : float
        Decay, >= 0: part of the direction, and so of its length.
    bias_correction : bool
        Correct the bias of the two moments as Adam does.
    maximize : bool
        Maximise the objective.

    Raises
    ------
    TypeError, ValueError
        A hyper-parameter is of the wrong kind or out of its range.

    Examples
    --------
    >>> import numbaopt
    >>> method = numbaopt.LAMB(lr=numbaopt.schedules.ExponentialDecay(0.1, gamma=0.99))
    >>> res = numbaopt.minimize(lambda x: ((x - 3) ** 2).sum(), [1.0, 1.0], method=method)
    >>> res.success, res.x.round(3).tolist()
    (True, [3.0, 3.0])

    Notes
    -----
    You et al., "Large Batch Optimization for Deep Learning: Training BERT in 76 minutes", ICLR 2020, Algorithm 2 with
    the identity for phi, and all coordinates as one layer. The last version of the paper and its code do not correct
    the bias, its first version and `optax.lamb` do. The norms are those of x / x_scale and of the step in it; they cost
    a second pass over the gradient and the moments.

    Use it when good steps are a fraction of the size of x, as with the weights of a network in large batches; not when
    the minimum may be near x = 0, nor for an exact one without a schedule that brings lr down.
    """

    lr: Rate = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-6
    weight_decay: float = 0.0
    bias_correction: bool = False
    maximize: bool = False


class LAMBScalars(NamedTuple):
    """Scalars of one iteration before its sums."""

    b1: float  # beta1
    c1: float  # 1 - beta1
    b2: float  # beta2
    c2: float  # 1 - beta2
    mean: float  # 1, or with correction 1 / (1 - beta1^t)
    root: float  # 1, or with correction 1 / sqrt(1 - beta2^t)
    eps: float
    decay: float
    lr: float


LAMBStep = NamedTuple("LAMBStep", [*LAMBScalars.__annotations__.items(), ("step", float)])  # type: ignore[misc]
LAMBStep.__doc__ = "The same, and lr times the ratio of the norms."


@inlined
def lamb_scalars(h, t, mean, root):
    """Values of the fields of `LAMBScalars`."""
    b1, b2 = h.betas
    return b1, 1 - b1, b2, 1 - b2, mean, root, h.eps, h.weight_decay, learning_rate(h.lr, t)


@per_iteration(LAMB)
def _lamb(h, t) -> LAMBScalars:
    return LAMBScalars(*lamb_scalars(h, t, 1.0, 1.0))


@per_iteration(LAMB, bias_correction=True)
def _corrected(h, t) -> LAMBScalars:
    b1, b2 = h.betas
    return LAMBScalars(*lamb_scalars(h, t, 1 / unbiased(b1, t), 1 / math.sqrt(unbiased(b2, t))))


@inlined
def square(v):
    """v^2 as a term of a sum: in float64, so that no float32 is too large for it."""
    return np.float64(v) * np.float64(v)


@inlined
def trust_ratio(xx, uu, coefficient, eps):
    """coefficient * ||x|| / (||u|| + eps) from the squares of the norms; 1 where one of them is 0."""
    return coefficient * math.sqrt(xx) / (math.sqrt(uu) + eps) if xx > 0 and uu > 0 else 1.0


@inlined
def direction(h, x, m, v):
    """What x moves along."""
    return h.mean * m / (math.sqrt(v) * h.root + h.eps) + h.decay * x


@summed(LAMBScalars, "xx", "uu")
def _squares(h, x, g, m, v):
    return square(x), square(direction(h, x, *moments(h, g, m, v)))


@with_sums(LAMBScalars)
def _step(h, xx, uu) -> LAMBStep:
    return LAMBStep(*fields(h), h.lr * trust_ratio(xx, uu, 1.0, 0.0))


@update_rule(LAMBStep, slots=("m", "v"))
def lamb(h, x, g, m, v):
    """One element of LAMB."""
    m, v = moments(h, g, m, v)
    return x - h.step * direction(h, x, m, v), m, v
