"""SGD: steps along the gradient, with torch's momentum."""

from typing import NamedTuple

from .._parameters import CLOSED_FRACTION
from .._rule import Rate, coasting, hyperparameters, per_iteration, update_rule
from ..schedules import learning_rate


def _conflict(h):
    wrong = h.nesterov and (h.momentum == 0 or h.dampening > 0)
    return "nesterov needs momentum > 0 and dampening = 0" if wrong else ""


@hyperparameters(conflict=_conflict, dampening=CLOSED_FRACTION)
class SGD(NamedTuple):
    """SGD: gradient descent, with a heavy ball or Nesterov's momentum if `momentum` is not 0.

    ::

        g = grad f(x) + weight_decay * x
        b = g                                                    t = 1
        b = momentum * b + (1 - dampening) * g                   t > 1
        x = x - lr * b                                           without nesterov; b is g without momentum
        x = x - lr * (g + momentum * b)                          nesterov

    Parameters
    ----------
    lr : float or schedule
        Learning rate, >= 0: the length of a step over that of the gradient, less than 2 / (the largest curvature).
    momentum : float
        How much of the step before is kept, in [0, 1).
    dampening : float
        What the momentum leaves out of the gradient, in [0, 1]; the first step is not dampened.
    weight_decay : float
        Coupled decay (L2 penalty weight_decay / 2 * |x|^2 added to the objective), >= 0.
    nesterov : bool
        Step along the gradient and the new momentum; needs `momentum` > 0 and `dampening` = 0.
    maximize : bool
        Maximise the objective.

    Raises
    ------
    TypeError, ValueError
        A hyper-parameter is of the wrong kind or out of its range, or `nesterov` is set without momentum or with
        dampening.

    Examples
    --------
    >>> import numbaopt
    >>> method = numbaopt.SGD(lr=0.1, momentum=0.5)
    >>> res = numbaopt.minimize(lambda x: ((x - 3) ** 2).sum(), [0.0, 0.0], method=method)
    >>> res.success, res.x.round(3).tolist()
    (True, [3.0, 3.0])

    Notes
    -----
    Polyak, "Some methods of speeding up the convergence of iteration methods", 1964, equation 9; Sutskever, Martens,
    Dahl and Hinton, "On the importance of initialization and momentum in deep learning", ICML 2013, equations 3 and 4.
    Defaults and arithmetic are those of `torch.optim.SGD`: unlike both papers it has lr outside the momentum, and the
    point that Nesterov's momentum looks ahead to is x itself. `optax.sgd` has no dampening.

    Use it when all parameters have about the same curvature, or `x_scale` makes it so, not when curvatures are unknown
    or differ by orders of magnitude.
    """

    lr: Rate = 1e-3
    momentum: float = 0.0
    dampening: float = 0.0
    weight_decay: float = 0.0
    nesterov: bool = False
    maximize: bool = False


class SGDStep(NamedTuple):
    """Scalars of one iteration."""

    lr: float
    weight_decay: float  # coupled decay


class MomentumStep(NamedTuple):
    """The same with momentum."""

    lr: float
    momentum: float
    c: float  # 1 - dampening; 1 in the first iteration
    weight_decay: float


class NesterovStep(NamedTuple):
    """The same with Nesterov's momentum, which is not dampened."""

    lr: float
    momentum: float
    weight_decay: float


@per_iteration(SGD)
def _sgd(h, t) -> SGDStep:
    return SGDStep(learning_rate(h.lr, t), h.weight_decay)


@per_iteration(SGD, momentum=True)
def _momentum(h, t) -> MomentumStep:
    return MomentumStep(learning_rate(h.lr, t), h.momentum, 1 - h.dampening if t > 1 else 1.0, h.weight_decay)


@per_iteration(SGD, momentum=True, nesterov=True)
def _nesterov(h, t) -> NesterovStep:
    return NesterovStep(learning_rate(h.lr, t), h.momentum, h.weight_decay)


@update_rule(SGDStep)
def sgd(h, x, g):
    """One element of SGD."""
    return (x - h.lr * g,)


@update_rule(MomentumStep, slots=("b",))
def momentum(h, x, g, b):
    """One element of SGD with momentum."""
    b = h.momentum * b + h.c * g
    return x - h.lr * b, b


@update_rule(NesterovStep, slots=("b",))
def nesterov(h, x, g, b):
    """One element of SGD with Nesterov's momentum."""
    b = h.momentum * b + g
    return x - h.lr * (g + h.momentum * b), b


@coasting(SGDStep)
def _sgd_coasting(low, high):
    return 0.0


@coasting(MomentumStep)
@coasting(NesterovStep)
def _momentum_coasting(low, high, b):
    return high.lr * abs(b) * high.momentum / (1 - high.momentum)
