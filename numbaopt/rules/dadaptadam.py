"""D-Adaptation of Adam: the learning rate from a lower bound of the distance to the solution."""

import math
from typing import NamedTuple

from .._parameters import POSITIVE
from .._rule import Rate, hyperparameters, per_iteration, summed, update_rule, with_sums
from .adam import moments
from .prodigy import estimated_rate


@hyperparameters(eps=POSITIVE)
class DAdaptAdam(NamedTuple):
    """D-Adapt Adam: Adam's step, its length from a lower bound d of the distance from x0 to the solution.

    ::

        g = grad f(x)                                            + weight_decay * x, if not decouple
        D = d * lr                                               * sqrt(1 - beta2^t) / (1 - beta1^t), if bias correction
        r = beta3 * r + (1 - beta3) * D * <g, s / (sqrt(v) + eps)>    with s and v as they were; beta3 = sqrt(beta2)
        m = beta1 * m + (1 - beta1) * D * g
        v = beta2 * v + (1 - beta2) * g^2
        s = beta3 * s + (1 - beta3) * D * g
        d = max(d, min(r / ((1 - beta3) * |s|_1), growth_rate * d))
        x = x - weight_decay * D * x                             if decouple
        x = x - m / (sqrt(v) + eps)

    Use it when nothing is known about the right learning rate and Prodigy, its successor, does not suit; not with
    bounds that are active at the solution: the gradient stays, and d grows until the run diverges.

    Parameters
    ----------
    lr : float or schedule
        Factor of the estimated learning rate, >= 0; leave it at 1, or give a schedule that goes from 1 to 0.
    betas : (float, float)
        Decay rates of the two moments, in [0, 1).
    eps : float
        Added to the root of the second moment, > 0.
    weight_decay : float
        Weight decay, >= 0.
    decouple : bool
        Decoupled decay as in AdamW, else coupled as in Adam.
    use_bias_correction : bool
        Correct the bias of the moments as Adam does.
    d0 : float
        First estimate of the distance, > 0; it only grows, so take it far too small.
    growth_rate : float
        Largest factor by which d grows in an iteration, > 1; 1.02 gives a kind of warm-up.
    maximize : bool
        Maximise the objective.

    Raises
    ------
    TypeError, ValueError
        A hyper-parameter is of the wrong kind or out of its range.

    Examples
    --------
    >>> import numbaopt
    >>> res = numbaopt.minimize(lambda x: ((x - 3) ** 2).sum(), [0.0, 0.0], method=numbaopt.DAdaptAdam())
    >>> res.success, res.x.round(3).tolist()
    (True, [3.0, 3.0])

    Notes
    -----
    Defazio and Mishchenko, "Learning-Rate-Free Learning by D-Adaptation", ICML 2023, Algorithm 5. Defaults and
    arithmetic are those of `DAdaptAdam` of the package `dadaptation` 3.2 with all parameters in one group. Two things
    that are nearly never met are not as there: it does not count iterations before the first nonzero gradient, and
    leaves m, v and s alone where lr is 0.
    """

    lr: Rate = 1.0
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    decouple: bool = False
    use_bias_correction: bool = False
    d0: float = 1e-6
    growth_rate: float = math.inf
    maximize: bool = False


class DAdaptAdamScalars(NamedTuple):
    """Scalars of one iteration before d is known."""

    b1: float  # beta1
    c1: float  # (1 - beta1) D
    b2: float  # beta2
    c2: float  # 1 - beta2
    b3: float  # sqrt(beta2)
    c3: float  # (1 - beta3) D
    weight_decay: float  # coupled decay
    eps: float
    decay: float  # D * decoupled decay
    growth_rate: float
    d: float
    r: float


class DAdaptAdamStep(NamedTuple):
    """Scalars of one iteration."""

    b1: float
    c1: float
    b2: float
    c2: float
    b3: float
    c3: float
    weight_decay: float
    eps: float
    decay: float  # D * decoupled decay; 0 while all gradients were 0
    d: float
    r: float


@per_iteration(DAdaptAdam, carry={"d": lambda h: h.d0, "r": 0.0})
def _dadaptadam(h, t, d, r) -> DAdaptAdamScalars:
    b1, b2 = h.betas
    b3 = math.sqrt(b2)
    rate = estimated_rate(h, t, d)
    decoupled, coupled = (h.weight_decay, 0.0) if h.decouple else (0.0, h.weight_decay)
    means = b1, (1 - b1) * rate, b2, 1 - b2, b3, (1 - b3) * rate, coupled
    return DAdaptAdamScalars(*means, h.eps, rate * decoupled, h.growth_rate, d, r)


@summed(DAdaptAdamScalars, "progress", "size")
def _distance(h, x, g, m, v, s):
    return g * (s / (math.sqrt(v) + h.eps)), abs(h.b3 * s + h.c3 * g)


@with_sums(DAdaptAdamScalars)
def _with_distance(h, progress, size) -> DAdaptAdamStep:
    means = h.b1, h.c1, h.b2, h.c2, h.b3, h.c3, h.weight_decay, h.eps
    if not size > 0:  # no gradient yet
        return DAdaptAdamStep(*means, 0.0, h.d, h.r)
    r = h.b3 * h.r + h.c3 * progress
    d = max(h.d, min(r / ((1 - h.b3) * size), h.d * h.growth_rate))
    return DAdaptAdamStep(*means, h.decay, d, r)


@update_rule(DAdaptAdamStep, slots=("m", "v", "s"))
def dadaptadam(h, x, g, m, v, s):
    """One element of D-Adapt Adam."""
    m, v = moments(h, g, m, v)
    s = h.b3 * s + h.c3 * g
    return x - h.decay * x - m / (math.sqrt(v) + h.eps), m, v, s
