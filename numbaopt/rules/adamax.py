"""Adamax: Adam with the largest recent gradient in place of the root of the second moment."""

from typing import NamedTuple

from .._rule import Rate, hyperparameters, per_iteration, update_rule
from ..schedules import learning_rate
from .adam import positive, unbiased


@hyperparameters
class Adamax(NamedTuple):
    """Adamax: steps of at most about `lr` in every coordinate, by the first moment and the largest recent gradient.

    ::

        g = grad f(x) + weight_decay * x
        m = beta1 * m + (1 - beta1) * g
        u = max(beta2 * u, |g| + eps)
        x = x - lr / (1 - beta1^t) * m / u

    Parameters
    ----------
    lr : float or schedule
        Learning rate, >= 0: the largest step in each coordinate, in the units of x (of x / x_scale).
    betas : (float, float)
        Decay rates of the moment and of the largest gradient, in [0, 1).
    eps : float
        Added to |g|, >= 0; where both are 0 there is no step (torch makes NaN of it).
    weight_decay : float
        Coupled decay (L2 penalty weight_decay / 2 * |x|^2 added to the objective), >= 0.
    maximize : bool
        Maximise the objective.

    Raises
    ------
    TypeError, ValueError
        A hyper-parameter is of the wrong kind or out of its range.

    Examples
    --------
    >>> import numbaopt
    >>> res = numbaopt.minimize(lambda x: ((x - 3) ** 2).sum(), [0.0, 0.0], method=numbaopt.Adamax(lr=0.1))
    >>> res.success, res.x.round(3).tolist()
    (True, [3.0, 3.0])

    Notes
    -----
    Kingma and Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, Algorithm 2. Defaults and arithmetic are
    those of `torch.optim.Adamax`, which adds eps to |g|, inside the maximum, as `optax.adamax` does; the paper has
    none.

    Use it when some gradients are far larger than the rest, not when their size falls quickly: u forgets by a factor
    beta2 an iteration.
    """

    lr: Rate = 2e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    maximize: bool = False


class AdamaxStep(NamedTuple):
    """Scalars of one iteration."""

    b1: float  # beta1
    c1: float  # 1 - beta1
    b2: float  # beta2
    step: float  # lr / (1 - beta1^t)
    eps: float
    weight_decay: float  # coupled decay


@per_iteration(Adamax)
def _adamax(h, t) -> AdamaxStep:
    b1, b2 = h.betas
    return AdamaxStep(b1, 1 - b1, b2, learning_rate(h.lr, t) / unbiased(b1, t), positive(h.eps), h.weight_decay)


@update_rule(AdamaxStep, slots=("m", "u"))
def adamax(h, x, g, m, u):
    """One element of Adamax."""
    m = h.b1 * m + h.c1 * g
    u = max(h.b2 * u, abs(g) + h.eps)
    return x - h.step * m / u, m, u
