"""NAdam: Adam with Nesterov's momentum; its scalars serve NAdamW too."""

import math
from typing import NamedTuple

from .._compile import inlined
from .._parameters import NONNEGATIVE
from .._rule import Rate, coasting, hyperparameters, per_iteration, update_rule
from ..schedules import learning_rate
from .adam import last_steps, moments, positive, unbiased


@hyperparameters(momentum_decay=NONNEGATIVE)
class NAdam(NamedTuple):
    """NAdam: Adam that looks ahead, by a momentum that grows from beta1 / 2 to beta1.

    ::

        g  = grad f(x) + weight_decay * x                        coupled decay
        x  = x - lr * weight_decay * x                           decoupled_weight_decay, in place of it
        m  = beta1 * m + (1 - beta1) * g
        v  = beta2 * v + (1 - beta2) * g^2
        mu = beta1 * (1 - 0.96^(t * momentum_decay) / 2)
        mu'                                                      the mu of iteration t + 1
        P  = P * mu                                              from P = 1
        d  = (1 - mu) / (1 - P) * g + mu' / (1 - P * mu') * m
        x  = x - lr * d / (sqrt(v / (1 - beta2^t)) + eps)

    Parameters
    ----------
    lr : float or schedule
        Learning rate, >= 0: the length of a step in each coordinate, in the units of x (of x / x_scale).
    betas : (float, float)
        Decay rates of the two moments, in [0, 1).
    eps : float
        Added to the root of the second moment, >= 0; where both are 0 there is no step (torch makes NaN of it).
    weight_decay : float
        Coupled decay (L2 penalty weight_decay / 2 * |x|^2 added to the objective), or decoupled decay, >= 0.
    momentum_decay : float
        How fast the momentum grows, >= 0; it is 3/4 of beta1 after 17 / momentum_decay iterations.
    decoupled_weight_decay : bool
        Take the weight decay out of the moments, as `NAdamW` does.
    maximize : bool
        Maximise the objective.

    Raises
    ------
    TypeError, ValueError
        A hyper-parameter is of the wrong kind or out of its range.

    Examples
    --------
    >>> import numbaopt
    >>> res = numbaopt.minimize(lambda x: ((x - 3) ** 2).sum(), [0.0, 0.0], method=numbaopt.NAdam(lr=0.1))
    >>> res.success, res.x.round(3).tolist()
    (True, [3.0, 3.0])

    Notes
    -----
    Dozat, "Incorporating Nesterov Momentum into Adam", ICLR 2016 workshop, Algorithm 2 (Nadam), with its schedule
    of the momentum. Defaults and arithmetic are those of `torch.optim.NAdam`: unlike the paper, the schedule is in the
    step and not in m. `optax.nadam` has no schedule and is another algorithm.

    Use it in Adam's place when fewer iterations are wanted on a smooth objective, not when gradients are very noisy: it
    gives the newest one more weight than Adam does.
    """

    lr: Rate = 2e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    momentum_decay: float = 4e-3
    decoupled_weight_decay: bool = False
    maximize: bool = False


class NAdamStep(NamedTuple):
    """Scalars of one iteration."""

    b1: float  # beta1
    c1: float  # 1 - beta1
    b2: float  # beta2
    c2: float  # 1 - beta2
    now: float  # lr * (1 - mu) / (1 - P)
    then: float  # lr * mu' / (1 - P * mu')
    root: float  # 1 / sqrt(1 - beta2^t)
    eps: float
    shrink: float  # 1 - lr * decoupled decay
    weight_decay: float  # coupled decay
    product: float  # P


@inlined
def nadam_scalars(h, t, product, decoupled, coupled):
    """Values of the fields of `NAdamStep`."""
    b1, b2 = h.betas
    lr = learning_rate(h.lr, t)
    mu = b1 * (1 - 0.5 * 0.96 ** (t * h.momentum_decay))
    after = b1 * (1 - 0.5 * 0.96 ** ((t + 1) * h.momentum_decay))
    product *= mu
    now, then = lr * (1 - mu) / (1 - product), lr * after / (1 - product * after)
    root = 1 / math.sqrt(unbiased(b2, t))
    return b1, 1 - b1, b2, 1 - b2, now, then, root, positive(h.eps), 1 - lr * decoupled, coupled, product


@per_iteration(NAdam, carry={"product": 1.0})
def _nadam(h, t, product) -> NAdamStep:
    return NAdamStep(*nadam_scalars(h, t, product, 0.0, h.weight_decay))


@per_iteration(NAdam, carry={"product": 1.0}, decoupled_weight_decay=True)
def _nadam_decoupled(h, t, product) -> NAdamStep:
    return NAdamStep(*nadam_scalars(h, t, product, h.weight_decay, 0.0))


@update_rule(NAdamStep, slots=("m", "v"))
def nadam(h, x, g, m, v):
    """One element of NAdam and NAdamW."""
    m, v = moments(h, g, m, v)
    return h.shrink * x - (h.now * g + h.then * m) / (math.sqrt(v) * h.root + h.eps), m, v


@coasting(NAdamStep)
def _coasting(low, high, m, v):
    return last_steps(high.b1, low.b2, high.then, math.sqrt(v) * low.root + low.eps, low.eps, m)
