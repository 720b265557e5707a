"""RAdam: Adam that warms up by itself. Only its scalars differ from Adam's."""

import math
from typing import NamedTuple

from .._compile import inlined
from .._rule import Rate, hyperparameters, per_iteration
from ..schedules import learning_rate
from .adam import AdamStep, positive, unbiased


@hyperparameters
class RAdam(NamedTuple):
    """RAdam: Adam whose steps are shortened while few gradients are in the second moment.

    ::

        g   = grad f(x) + weight_decay * x                       coupled decay
        x   = x - lr * weight_decay * x                          decoupled_weight_decay, in place of it
        m   = beta1 * m + (1 - beta1) * g
        v   = beta2 * v + (1 - beta2) * g^2
        R   = 2 / (1 - beta2) - 1
        rho = R - 2 * t * beta2^t / (1 - beta2^t)                how many gradients v is worth
        r   = sqrt((rho - 4) * (rho - 2) * R / ((R - 4) * (R - 2) * rho))
        x   = x - lr * r * m / (1 - beta1^t) * sqrt(1 - beta2^t) / (sqrt(v) + eps)       rho > 5
        x   = x - lr * m / (1 - beta1^t)                                                 rho <= 5

    Parameters
    ----------
    lr : float or schedule
        Learning rate, >= 0: in the first iterations (5 with the default beta2) the length of a step over that of the
        gradient, then the length of a step in each coordinate, in the units of x (of x / x_scale).
    betas : (float, float)
        Decay rates of the two moments, in [0, 1); with beta2 <= 2/3, rho is never above 5.
    eps : float
        Added to the root of the second moment, >= 0; where both are 0 there is no step (torch makes NaN of it).
    weight_decay : float
        Coupled decay (L2 penalty weight_decay / 2 * |x|^2 added to the objective), or decoupled decay, >= 0.
    decoupled_weight_decay : bool
        Take the weight decay out of the moments, as `AdamW` does.
    maximize : bool
        Maximise the objective.

    Raises
    ------
    TypeError, ValueError
        A hyper-parameter is of the wrong kind or out of its range.

    Examples
    --------
    >>> import numbaopt
    >>> res = numbaopt.minimize(lambda x: ((x - 3) ** 2).sum(), [0.0, 0.0], method=numbaopt.RAdam(lr=0.1))
    >>> res.success, res.x.round(3).tolist()
    (True, [3.0, 3.0])

    Notes
    -----
    Liu, Jiang, He, Chen, Liu, Gao and Han, "On the Variance of the Adaptive Learning Rate and Beyond", ICLR 2020,
    Algorithm 2, which asks for rho > 4. Defaults and arithmetic are those of `torch.optim.RAdam`: it asks for rho > 5
    and adds eps to the root before its bias is corrected. `optax.radam` has rho >= 5 and adds eps after that.

    Use it when Adam's first steps do harm and no warm-up is wanted, not when the gradient at x0 may be huge: the first
    steps are plain gradient descent with momentum.
    """

    lr: Rate = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    decoupled_weight_decay: bool = False
    maximize: bool = False


@inlined
def radam_scalars(h, t, decoupled, coupled):
    """Values of the fields of `AdamStep`, whose denominator sqrt(v) * root + eps becomes 1 where rho <= 5."""
    b1, b2 = h.betas
    lr = learning_rate(h.lr, t)
    step, part = lr / unbiased(b1, t), unbiased(b2, t)
    last = 2 / (1 - b2) - 1  # R
    rho = last - 2 * t * (1 - part) / part
    if rho > 5:
        step *= math.sqrt((rho - 4) * (rho - 2) * last / ((last - 4) * (last - 2) * rho)) * math.sqrt(part)
        root, eps = 1.0, positive(h.eps)
    else:
        root, eps = 0.0, 1.0
    return b1, 1 - b1, b2, 1 - b2, step, root, eps, 1 - lr * decoupled, coupled


@per_iteration(RAdam)
def _radam(h, t) -> AdamStep:
    return AdamStep(*radam_scalars(h, t, 0.0, h.weight_decay))


@per_iteration(RAdam, decoupled_weight_decay=True)
def _radam_decoupled(h, t) -> AdamStep:
    return AdamStep(*radam_scalars(h, t, h.weight_decay, 0.0))
