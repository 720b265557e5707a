"""Lion: every step has the length lr in every coordinate."""

from typing import NamedTuple

from .._compile import inlined
from .._rule import Rate, hyperparameters, per_iteration, update_rule
from ..schedules import learning_rate


@hyperparameters
class Lion(NamedTuple):
    """Lion: steps of exactly `lr`, by the sign of a running mean of the gradient.

    ::

        x = x - lr * weight_decay * x
        x = x - lr * sign(beta1 * m + (1 - beta1) * g)           sign(0) = 0
        m = beta2 * m + (1 - beta2) * g

    Parameters
    ----------
    lr : float or schedule
        Learning rate, >= 0: the length of a step in each coordinate, in the units of x (of x / x_scale).
    betas : (float, float)
        Weight of the running mean in the sign, and its decay rate, in [0, 1).
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
    >>> method = numbaopt.Lion(lr=numbaopt.schedules.ExponentialDecay(0.1, gamma=0.99))
    >>> res = numbaopt.minimize(lambda x: ((x - 3) ** 2).sum(), [0.0, 0.0], method=method)
    >>> res.success, res.x.round(3).tolist()
    (True, [3.0, 3.0])

    Notes
    -----
    Chen et al., "Symbolic Discovery of Optimization Algorithms", NeurIPS 2023, Algorithm 2, with the decay applied
    first; defaults and arithmetic are those of the authors' implementation (optax's default decay is 1e-3).

    The steps never become shorter by themselves. Use it when the sizes of the gradients mean nothing, or memory for
    one array and no more is there; not for the exact minimum of a function without a schedule that brings lr down.
    """

    lr: Rate = 1e-4
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    maximize: bool = False


class LionStep(NamedTuple):
    """Scalars of one iteration."""

    lr: float
    b1: float  # beta1
    c1: float  # 1 - beta1
    b2: float  # beta2
    c2: float  # 1 - beta2
    shrink: float  # 1 - lr * weight_decay


@per_iteration(Lion)
def _lion(h, t) -> LionStep:
    b1, b2 = h.betas
    lr = learning_rate(h.lr, t)
    return LionStep(lr, b1, 1 - b1, b2, 1 - b2, 1 - lr * h.weight_decay)


@inlined
def with_sign(size, u):
    """size * sign(u); NaN where u is."""
    return size if u > 0 else -size if u < 0 else u


@update_rule(LionStep, slots=("m",))
def lion(h, x, g, m):
    """One element of Lion."""
    x = h.shrink * x - with_sign(h.lr, h.b1 * m + h.c1 * g)
    return x, h.b2 * m + h.c2 * g
