"""LARS: momentum, with steps as long as x."""

from typing import NamedTuple

from .._compile import inlined
from .._dispatch import fields
from .._parameters import POSITIVE
from .._rule import Rate, hyperparameters, per_iteration, summed, update_rule, with_sums
from ..schedules import learning_rate
from .lamb import square, trust_ratio


@hyperparameters(
    conflict=lambda h: "nesterov needs momentum > 0" if h.nesterov and not h.momentum else "",
    trust_coefficient=POSITIVE,
)
class LARS(NamedTuple):
    """LARS: gradient descent with momentum, and gradients scaled to the length of x.

    ::

        g = grad f(x) + weight_decay * x
        r = trust_coefficient * ||x|| / (||g|| + eps)            1 if either norm is 0
        b = momentum * b + lr * r * g
        x = x - b                                                nesterov: x - (lr * r * g + momentum * b)

    Parameters
    ----------
    lr : float or schedule
        Learning rate, >= 0: with trust_coefficient, the length of what a gradient adds to the momentum, relative to
        that of x (of x / x_scale).
    momentum : float
        Decay rate of the sum of gradients, in [0, 1).
    weight_decay : float
        Coupled decay (L2 penalty weight_decay / 2 * |x|^2 added to the objective), >= 0.
    trust_coefficient : float
        The other factor of the length, > 0.
    eps : float
        Added to the norm of the gradient, >= 0.
    nesterov : bool
        Nesterov's momentum; it needs momentum > 0.
    maximize : bool
        Maximise the objective.

    Raises
    ------
    TypeError, ValueError
        A hyper-parameter is of the wrong kind or out of its range, or nesterov without momentum.

    Examples
    --------
    >>> import numbaopt
    >>> method = numbaopt.LARS(lr=numbaopt.schedules.ExponentialDecay(10.0, gamma=0.97))
    >>> res = numbaopt.minimize(lambda x: ((x - 3) ** 2).sum(), [1.0, 1.0], method=method)
    >>> res.success, res.x.round(3).tolist()
    (True, [3.0, 3.0])

    Notes
    -----
    You, Gitman and Ginsburg, "Large Batch Training of Convolutional Networks", arXiv:1708.03888, Algorithm 1, with all
    coordinates as one layer. Defaults and arithmetic are those of `optax.lars`: the ratio has the norm of the gradient
    with its decay, where the paper has the sum of both norms, and a norm of 0 leaves the gradient as it is, without
    trust_coefficient. The norms are those of x / x_scale and of the gradient in it; they cost a second pass.

    Use it when good steps are a fraction of the size of x, as with the weights of a network in large batches; not when
    the minimum may be near x = 0, nor for an exact one without a schedule that brings lr down.
    """

    lr: Rate = 1.0
    momentum: float = 0.9
    weight_decay: float = 0.0
    trust_coefficient: float = 1e-3
    eps: float = 0.0
    nesterov: bool = False
    maximize: bool = False


class LARSScalars(NamedTuple):
    """Scalars of one iteration before its sums."""

    lr: float
    momentum: float
    direct: float  # what of the gradient x moves along: 0, or 1 with nesterov
    along: float  # and what of the momentum: 1, or momentum with nesterov
    weight_decay: float  # coupled decay
    trust_coefficient: float
    eps: float


LARSStep = NamedTuple("LARSStep", [*LARSScalars.__annotations__.items(), ("step", float)])  # type: ignore[misc]
LARSStep.__doc__ = "The same, and lr times the ratio of the norms."


@inlined
def lars_scalars(h, t, direct, along):
    """Values of the fields of `LARSScalars`."""
    return learning_rate(h.lr, t), h.momentum, direct, along, h.weight_decay, h.trust_coefficient, h.eps


@per_iteration(LARS)
def _lars(h, t) -> LARSScalars:
    return LARSScalars(*lars_scalars(h, t, 0.0, 1.0))


@per_iteration(LARS, nesterov=True)
def _nesterov(h, t) -> LARSScalars:
    return LARSScalars(*lars_scalars(h, t, 1.0, h.momentum))


@summed(LARSScalars, "xx", "gg")
def _squares(h, x, g, b):
    return square(x), square(g)


@with_sums(LARSScalars)
def _step(h, xx, gg) -> LARSStep:
    return LARSStep(*fields(h), h.lr * trust_ratio(xx, gg, h.trust_coefficient, h.eps))


@update_rule(LARSStep, slots=("b",))
def lars(h, x, g, b):
    """One element of LARS."""
    g = h.step * g
    b = h.momentum * b + g
    return x - (h.direct * g + h.along * b), b
