"""AdaBelief: long steps where the gradient is as its mean foretold, short ones where it is not."""

import math
from typing import NamedTuple

from .._compile import inlined
from .._rule import Rate, hyperparameters, per_iteration, update_rule
from ..schedules import learning_rate
from .adam import moved, unbiased


@hyperparameters
class AdaBelief(NamedTuple):
    """AdaBelief: Adam with the variance of the gradient around its mean in place of the second moment.

    ::

        x = x - lr * weight_decay * x
        m = beta1 * m + (1 - beta1) * g
        s = beta2 * s + (1 - beta2) * (g - m)^2 + eps
        x = x - lr / (1 - beta1^t) * m / (sqrt(s) / sqrt(1 - beta2^t) + eps)                       without rectify

        L = 2 / (1 - beta2) - 1;  l = L - 2 * t * beta2^t / (1 - beta2^t)                          with rectify:
        r = sqrt((l - 4) * (l - 2) * L / ((L - 4) * (L - 2) * l))
        x = x - lr / (1 - beta1^t) * r * m / (sqrt(s) + eps) * sqrt(1 - beta2^t)                   where l >= 5
        x = x - lr / (1 - beta1^t) * m                                                             where l < 5

    Parameters
    ----------
    lr : float or schedule
        Learning rate, >= 0; a step is longer than lr where the gradient changes little.
    betas : (float, float)
        Decay rates of the mean and of the variance, in [0, 1).
    eps : float
        Added to the variance in every iteration and to its root, >= 0.
    weight_decay : float
        Decoupled decay, >= 0.
    rectify : bool
        Scale the step by how well the variance is known, as RAdam does; in the first iterations (5 with the default
        beta2) it is then not used at all, and a step is lr times the mean gradient.
    maximize : bool
        Maximise the objective.

    Raises
    ------
    TypeError, ValueError
        A hyper-parameter is of the wrong kind or out of its range.

    Examples
    --------
    >>> import numbaopt
    >>> res = numbaopt.minimize(lambda x: ((x - 3) ** 2).sum(), [0.0, 0.0], method=numbaopt.AdaBelief(lr=0.1))
    >>> res.success, res.x.round(3).tolist()
    (True, [3.0, 3.0])

    Notes
    -----
    Zhuang et al., "AdaBelief Optimizer: Adapting Stepsizes by the Belief in Observed Gradients", NeurIPS 2020,
    Algorithm 2. Defaults and arithmetic are those of the authors' `adabelief_pytorch`, with its decoupled decay and its
    rectification (Liu et al., "On the Variance of the Adaptive Learning Rate and Beyond", ICLR 2020).

    Use it when the gradient has noise of a size that differs between coordinates and times; not when it is nearly
    constant over many iterations, where the variance vanishes and only eps keeps the steps from any length.
    """

    lr: Rate = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-16
    weight_decay: float = 0.0
    rectify: bool = True
    maximize: bool = False


class AdaBeliefStep(NamedTuple):
    """Scalars of one iteration."""

    b1: float  # beta1
    c1: float  # 1 - beta1
    b2: float  # beta2
    c2: float  # 1 - beta2
    step: float  # lr / (1 - beta1^t), times the rectification
    root: float  # factor of sqrt(s): 0 where the variance is not used,
    eps: float  # and 1 is added to it there
    shrink: float  # 1 - lr * weight_decay
    added: float  # eps, to the variance


@inlined
def rectification(beta, t):
    """How much of a step a second moment of `t` gradients is good for; 0 while it is good for nothing.

    `length` is that of the simple mean with as much memory; its limit, and all of it where beta^t is lost in rounding,
    is `limit`.
    """
    limit = 2 / (1 - beta) - 1
    length = limit - 2 * t * (1 / unbiased(beta, t) - 1)
    if length < 5:
        return 0.0
    return math.sqrt((length - 4) / (limit - 4) * (length - 2) / length * limit / (limit - 2))


@inlined
def adabelief_scalars(h, t, factor, root, eps):
    """Values of the fields of `AdaBeliefStep`."""
    b1, b2 = h.betas
    lr = learning_rate(h.lr, t)
    step = factor * lr / unbiased(b1, t)
    return b1, 1 - b1, b2, 1 - b2, step, root, eps, 1 - lr * h.weight_decay, h.eps


@per_iteration(AdaBelief)
def _adabelief(h, t) -> AdaBeliefStep:
    return AdaBeliefStep(*adabelief_scalars(h, t, 1.0, 1 / math.sqrt(unbiased(h.betas[1], t)), h.eps))


@per_iteration(AdaBelief, rectify=True)
def _rectified(h, t) -> AdaBeliefStep:
    r = rectification(h.betas[1], t)
    if r == 0:
        return AdaBeliefStep(*adabelief_scalars(h, t, 1.0, 0.0, 1.0))
    return AdaBeliefStep(*adabelief_scalars(h, t, r * math.sqrt(unbiased(h.betas[1], t)), 1.0, h.eps))


@update_rule(AdaBeliefStep, slots=("m", "s"))
def adabelief(h, x, g, m, s):
    """One element of AdaBelief."""
    m = h.b1 * m + h.c1 * g
    s = h.b2 * s + h.c2 * (g - m) * (g - m) + h.added
    return moved(h, x, m, s), m, s
