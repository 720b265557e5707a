"""AdEMAMix: Adam with a second, very slow mean of the gradients."""

import math
from typing import NamedTuple

from .._compile import inlined
from .._parameters import NONNEGATIVE
from .._rule import Rate, hyperparameters, per_iteration, update_rule
from ..schedules import learning_rate
from .adam import moments, unbiased


@hyperparameters(alpha=NONNEGATIVE, t_alpha=NONNEGATIVE, t_beta3=NONNEGATIVE)
class AdEMAMix(NamedTuple):
    """AdEMAMix: Adam whose momentum is a fast mean of the gradients and alpha times a slow one.

    ::

        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g^2
        n = beta3 * n + (1 - beta3) * g
        d = (m / (1 - beta1^t) + alpha * n) / (sqrt(v) / sqrt(1 - beta2^t) + eps)
        x = x - lr * (d + weight_decay * x)

        alpha * min(1, t / t_alpha)                              takes the place of alpha
        exp(-1 / L),  L = -(1 - u) / ln(beta1) - u / ln(beta3)   that of beta3, where u = t / t_beta3 < 1

    Parameters
    ----------
    lr : float or schedule
        Learning rate, >= 0; a step is at most about (1 + alpha) * lr, in the units of x (of x / x_scale).
    betas : (float, float, float)
        Decay rates of the fast mean, of the second moment and of the slow mean, in [0, 1).
    alpha : float
        Weight of the slow mean, >= 0; 0 makes it Adam with decoupled decay.
    t_alpha : float
        Iterations in which the weight grows from 0 to alpha, >= 0; 0 for none.
    t_beta3 : float
        Iterations in which the memory of the slow mean grows from that of the fast one, >= 0; 0 for none.
    eps : float
        Added to the root of the second moment, >= 0.
    weight_decay : float
        Decoupled decay, >= 0.
    maximize : bool
        Maximise the objective.

    Raises
    ------
    TypeError, ValueError
        A hyper-parameter is of the wrong kind or out of its range.

    Examples
    --------
    >>> import numbaopt
    >>> method = numbaopt.AdEMAMix(lr=0.1, betas=(0.9, 0.999, 0.99))
    >>> res = numbaopt.minimize(lambda x: ((x - 3) ** 2).sum(), [0.0, 0.0], method=method)
    >>> res.success, res.x.round(3).tolist()
    (True, [3.0, 3.0])

    Notes
    -----
    Pagliardini, Ablin and Grangier, "The AdEMAMix Optimizer: Better, Faster, Older", ICLR 2025, Algorithm 1; the bias
    of the slow mean is not corrected. The authors' code adds 1e-8 to the betas inside the logarithms of the warm-up;
    here they are as in the paper.

    Use it when a run has many thousands of iterations with noisy gradients, and let both warm-ups last as long as the
    run; not for some hundred iterations, nor for an exact minimum: the slow mean carries x past it for 1 / (1 - beta3)
    iterations.
    """

    lr: Rate = 1e-3
    betas: tuple[float, float, float] = (0.9, 0.999, 0.9999)
    alpha: float = 2.0
    t_alpha: float = 0.0
    t_beta3: float = 0.0
    eps: float = 1e-8
    weight_decay: float = 0.0
    maximize: bool = False


class AdEMAMixStep(NamedTuple):
    """Scalars of one iteration."""

    b1: float  # beta1
    c1: float  # 1 - beta1
    b2: float  # beta2
    c2: float  # 1 - beta2
    b3: float  # beta3 of this iteration
    c3: float  # 1 - beta3
    step: float  # lr / (1 - beta1^t)
    slow: float  # lr * alpha of this iteration
    root: float  # 1 / sqrt(1 - beta2^t)
    eps: float
    shrink: float  # 1 - lr * weight_decay


@inlined
def memory(beta):
    """Iterations after which a running mean has forgotten all but 1 / e of a gradient."""
    return -1 / math.log(beta) if beta > 0 else 0.0


@inlined
def slow_beta(h, t):
    """beta3, whose memory grows linearly in the warm-up."""
    if t >= h.t_beta3:
        return h.betas[2]
    u = t / h.t_beta3
    length = (1 - u) * memory(h.betas[0]) + u * memory(h.betas[2])
    return math.exp(-1 / length) if length > 0 else 0.0


@per_iteration(AdEMAMix)
def _ademamix(h, t) -> AdEMAMixStep:
    b1, b2, _ = h.betas
    b3 = slow_beta(h, t)
    lr = learning_rate(h.lr, t)
    alpha = h.alpha * (t / h.t_alpha if t < h.t_alpha else 1.0)
    step, root = lr / unbiased(b1, t), 1 / math.sqrt(unbiased(b2, t))
    return AdEMAMixStep(b1, 1 - b1, b2, 1 - b2, b3, 1 - b3, step, lr * alpha, root, h.eps, 1 - lr * h.weight_decay)


@update_rule(AdEMAMixStep, slots=("m", "v", "n"))
def ademamix(h, x, g, m, v, n):
    """One element of AdEMAMix."""
    m, v = moments(h, g, m, v)
    n = h.b3 * n + h.c3 * g
    return h.shrink * x - (h.step * m + h.slow * n) / (math.sqrt(v) * h.root + h.eps), m, v, n
