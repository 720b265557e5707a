"""Adan: Nesterov's look ahead by the difference of two gradients, with Adam's scaling."""

import math
from typing import NamedTuple

from .._compile import inlined
from .._rule import Rate, hyperparameters, per_iteration, update_rule
from ..schedules import learning_rate
from .adam import unbiased


@hyperparameters
class Adan(NamedTuple):
    """Adan: Adam with a mean of the changes of the gradient, by which it foresees the next one.

    ::

        c = g - p                                                the change of the gradient; 0 in the first iteration
        m = beta1 * m + (1 - beta1) * g
        d = beta2 * d + (1 - beta2) * c
        n = beta3 * n + (1 - beta3) * (g + beta2 * c)^2
        x = x - lr * (m / (1 - beta1^t) + beta2 * d / (1 - beta2^t)) / (sqrt(n) / sqrt(1 - beta3^t) + eps)
        x = x / (1 + lr * weight_decay)                          no_prox: x * (1 - lr * weight_decay) before the step
        p = g

    Parameters
    ----------
    lr : float or schedule
        Learning rate, >= 0: about the length of a step in each coordinate, in the units of x (of x / x_scale).
    betas : (float, float, float)
        Decay rates of the means of gradients, of their changes and of their squares, in [0, 1).
    eps : float
        Added to the root of the mean of squares, >= 0.
    weight_decay : float
        Decoupled decay, >= 0.
    no_prox : bool
        Decay before the step as AdamW does; else by division after it.
    maximize : bool
        Maximise the objective.

    Raises
    ------
    TypeError, ValueError
        A hyper-parameter is of the wrong kind or out of its range.

    Examples
    --------
    >>> import numbaopt
    >>> res = numbaopt.minimize(lambda x: ((x - 3) ** 2).sum(), [0.0, 0.0], method=numbaopt.Adan(lr=0.1))
    >>> res.success, res.x.round(3).tolist()
    (True, [3.0, 3.0])

    Notes
    -----
    Xie et al., "Adan: Adaptive Nesterov Momentum Algorithm for Faster Optimizing Deep Models", IEEE TPAMI 2024,
    Algorithm 1, without its restarts. Defaults and arithmetic are those of the authors' implementation: `betas` are
    rates of decay, 1 minus those of the paper, and the biases are corrected, which the paper does not.

    Use it when the gradient changes fast along a valley and Adam's momentum overshoots; not when memory counts, as it
    keeps four arrays, nor when the gradient is mostly noise, which its changes double.
    """

    lr: Rate = 1e-3
    betas: tuple[float, float, float] = (0.98, 0.92, 0.99)
    eps: float = 1e-8
    weight_decay: float = 0.0
    no_prox: bool = False
    maximize: bool = False


class AdanStep(NamedTuple):
    """Scalars of one iteration."""

    b1: float  # beta1
    c1: float  # 1 - beta1
    b2: float  # beta2
    c2: float  # 1 - beta2
    b3: float  # beta3
    c3: float  # 1 - beta3
    known: float  # 1 where there is a gradient before, 0 in the first iteration
    step: float  # lr / (1 - beta1^t)
    ahead: float  # lr * beta2 / (1 - beta2^t)
    root: float  # 1 / sqrt(1 - beta3^t)
    eps: float
    shrink: float  # decay before the step: 1 - lr * weight_decay,
    prox: float  # or after it: 1 / (1 + lr * weight_decay)


@inlined
def adan_scalars(h, t, lr):
    """Values of the fields of `AdanStep` up to eps."""
    b1, b2, b3 = h.betas
    known = 1.0 if t > 1 else 0.0
    steps = lr / unbiased(b1, t), lr * b2 / unbiased(b2, t), 1 / math.sqrt(unbiased(b3, t))
    return b1, 1 - b1, b2, 1 - b2, b3, 1 - b3, known, *steps, h.eps


@per_iteration(Adan)
def _adan(h, t) -> AdanStep:
    lr = learning_rate(h.lr, t)
    return AdanStep(*adan_scalars(h, t, lr), 1.0, 1 / (1 + lr * h.weight_decay))


@per_iteration(Adan, no_prox=True)
def _no_prox(h, t) -> AdanStep:
    lr = learning_rate(h.lr, t)
    return AdanStep(*adan_scalars(h, t, lr), 1 - lr * h.weight_decay, 1.0)


@update_rule(AdanStep, slots=("m", "d", "n", "p"))
def adan(h, x, g, m, d, n, p):
    """One element of Adan."""
    c = h.known * (g - p)
    m = h.b1 * m + h.c1 * g
    d = h.b2 * d + h.c2 * c
    n = h.b3 * n + h.c3 * (g + h.b2 * c) * (g + h.b2 * c)
    x = h.shrink * x - (h.step * m + h.ahead * d) / (math.sqrt(n) * h.root + h.eps)
    return h.prox * x, m, d, n, g
