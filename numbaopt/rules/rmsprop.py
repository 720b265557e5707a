"""RMSprop: the gradient over its root mean square, also centered and with momentum."""

import math
from typing import NamedTuple

from .._compile import inlined
from .._rule import Rate, coasting, hyperparameters, per_iteration, update_rule
from ..schedules import learning_rate
from .adam import positive


@hyperparameters
class RMSprop(NamedTuple):
    """RMSprop: steps of about `lr` in every coordinate, by the root mean square of the gradient.

    ::

        g = grad f(x) + weight_decay * x
        v = alpha * v + (1 - alpha) * g^2
        m = alpha * m + (1 - alpha) * g                          centered only
        d = g / (sqrt(v) + eps)                                  not centered
        d = g / (sqrt(max(v - m^2, 0)) + eps)                    centered
        b = momentum * b + d                                     with momentum; it then takes the place of d below
        x = x - lr * d

    Parameters
    ----------
    lr : float or schedule
        Learning rate, >= 0: the length of a step in each coordinate, in the units of x (of x / x_scale).
    alpha : float
        Decay rate of the averages, in [0, 1].
    eps : float
        Added to the root, >= 0; where both are 0 there is no step (torch makes NaN of it).
    weight_decay : float
        Coupled decay (L2 penalty weight_decay / 2 * |x|^2 added to the objective), >= 0.
    momentum : float
        How much of the step before is kept, in [0, 1).
    centered : bool
        Divide by the standard deviation of the gradient. Where the gradient is the same for a hundred iterations that
        is 0, and steps are as long as `eps` lets them be.
    maximize : bool
        Maximise the objective.

    Raises
    ------
    TypeError, ValueError
        A hyper-parameter is of the wrong kind or out of its range.

    Examples
    --------
    >>> import numbaopt
    >>> method = numbaopt.RMSprop(lr=numbaopt.schedules.ExponentialDecay(0.1, gamma=0.98))
    >>> res = numbaopt.minimize(lambda x: ((x - 3) ** 2).sum(), [0.0, 0.0], method=method)
    >>> res.success, res.x.round(3).tolist()
    (True, [3.0, 3.0])

    Notes
    -----
    Hinton, "Neural Networks for Machine Learning", 2012, lecture 6e; centered: Graves, "Generating Sequences With
    Recurrent Neural Networks", arXiv:1308.0850, equations 38 to 45. Defaults and arithmetic are those of
    `torch.optim.RMSprop`: eps is outside the root, lr outside the momentum, and no bias is corrected, so that the first
    step is 1 / sqrt(1 - alpha) times lr. Unlike torch, where rounding can make v - m^2 negative and its root NaN, the
    variance stays >= 0. `optax.rmsprop` has alpha = 0.9 and eps inside the root.

    Use it when the sizes of gradients drift, with a schedule that lets `lr` fall, not with a constant lr when the
    answer must be exact: near a minimum it goes to and fro by about lr.
    """

    lr: Rate = 1e-2
    alpha: float = 0.99
    eps: float = 1e-8
    weight_decay: float = 0.0
    momentum: float = 0.0
    centered: bool = False
    maximize: bool = False


class RMSpropStep(NamedTuple):
    """Scalars of one iteration."""

    lr: float
    alpha: float
    c: float  # 1 - alpha
    eps: float
    weight_decay: float  # coupled decay
    momentum: float


MomentumStep = NamedTuple("MomentumStep", list(RMSpropStep.__annotations__.items()))  # type: ignore[misc]
MomentumStep.__doc__ = "The same scalars, for the rule with momentum."
CenteredStep = NamedTuple("CenteredStep", list(RMSpropStep.__annotations__.items()))  # type: ignore[misc]
CenteredStep.__doc__ = "The same scalars, for the centered rule."
CenteredMomentumStep = NamedTuple("CenteredMomentumStep", list(RMSpropStep.__annotations__.items()))  # type: ignore[misc]
CenteredMomentumStep.__doc__ = "The same scalars, for the centered rule with momentum."


@inlined
def rmsprop_scalars(h, t, momentum):
    """Values of the fields of `RMSpropStep`."""
    return learning_rate(h.lr, t), h.alpha, 1 - h.alpha, positive(h.eps), h.weight_decay, momentum


@per_iteration(RMSprop)
def _rmsprop(h, t) -> RMSpropStep:
    return RMSpropStep(*rmsprop_scalars(h, t, 0.0))


@per_iteration(RMSprop, momentum=True)
def _momentum(h, t) -> MomentumStep:
    return MomentumStep(*rmsprop_scalars(h, t, h.momentum))


@per_iteration(RMSprop, centered=True)
def _centered(h, t) -> CenteredStep:
    return CenteredStep(*rmsprop_scalars(h, t, 0.0))


@per_iteration(RMSprop, momentum=True, centered=True)
def _centered_momentum(h, t) -> CenteredMomentumStep:
    return CenteredMomentumStep(*rmsprop_scalars(h, t, h.momentum))


@inlined
def scaled(h, g, v):
    """The gradient over its root mean square, and the mean square."""
    v = h.alpha * v + h.c * g * g
    return g / (math.sqrt(v) + h.eps), v


@inlined
def standardised(h, g, v, m):
    """The gradient over its standard deviation, the mean square and the mean."""
    v = h.alpha * v + h.c * g * g
    m = h.alpha * m + h.c * g
    variance = max(v, m * m) - m * m  # max(v - m^2, 0)
    return g / (math.sqrt(variance) + h.eps), v, m


@update_rule(RMSpropStep, slots=("v",))
def rmsprop(h, x, g, v):
    """One element of RMSprop."""
    d, v = scaled(h, g, v)
    return x - h.lr * d, v


@update_rule(MomentumStep, slots=("v", "b"))
def momentum(h, x, g, v, b):
    """One element of RMSprop with momentum."""
    d, v = scaled(h, g, v)
    b = h.momentum * b + d
    return x - h.lr * b, v, b


@update_rule(CenteredStep, slots=("v", "m"))
def centered(h, x, g, v, m):
    """One element of RMSprop, centered."""
    d, v, m = standardised(h, g, v, m)
    return x - h.lr * d, v, m


@update_rule(CenteredMomentumStep, slots=("v", "b", "m"))
def centered_momentum(h, x, g, v, b, m):
    """One element of RMSprop, centered, with momentum."""
    d, v, m = standardised(h, g, v, m)
    b = h.momentum * b + d
    return x - h.lr * b, v, b, m


@coasting(RMSpropStep)
def _coasting(low, high, v):
    return 0.0


@coasting(CenteredStep)
def _centered_coasting(low, high, v, m):
    return 0.0


@coasting(MomentumStep)
def _momentum_coasting(low, high, v, b):
    return high.lr * abs(b) * high.momentum / (1 - high.momentum)


@coasting(CenteredMomentumStep)
def _centered_momentum_coasting(low, high, v, b, m):
    return high.lr * abs(b) * high.momentum / (1 - high.momentum)
