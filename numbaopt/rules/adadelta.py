"""Adadelta: steps whose length is learnt from the steps before, in the units of x."""

import math
from typing import NamedTuple

from .._rule import Rate, coasting, hyperparameters, per_iteration, update_rule
from ..schedules import learning_rate


@hyperparameters
class Adadelta(NamedTuple):
    """Adadelta: the root mean square of past steps over that of past gradients.

    ::

        g = grad f(x) + weight_decay * x
        s = rho * s + (1 - rho) * g^2
        d = sqrt(a + eps) / sqrt(s + eps) * g
        a = rho * a + (1 - rho) * d^2                            without lr
        x = x - lr * d

    Parameters
    ----------
    lr : float or schedule
        Factor of the step, >= 0; 1 is the paper's rule.
    rho : float
        Decay rate of the two averages, in [0, 1].
    eps : float
        Added inside both roots, >= 0; sqrt(eps) is about the length of the first steps, and they grow from there:
        with parameters of size 1 and more a larger eps (1e-3) saves thousands of iterations.
    weight_decay : float or schedule
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
    >>> res = numbaopt.minimize(lambda x: ((x - 3) ** 2).sum(), [0.0, 0.0], method=numbaopt.Adadelta(eps=1e-3))
    >>> res.success, res.x.round(3).tolist()
    (True, [3.0, 3.0])

    Notes
    -----
    Zeiler, "ADADELTA: An Adaptive Learning Rate Method", arXiv:1212.5701, Algorithm 1. Defaults and arithmetic are
    those of `torch.optim.Adadelta`, which adds `lr` and `weight_decay` and has rho = 0.9 (0.95 in the paper).
    """

    lr: Rate = 1.0
    rho: float = 0.9
    eps: float = 1e-6
    weight_decay: float = 0.0
    maximize: bool = False


class AdadeltaStep(NamedTuple):
    """Scalars of one iteration."""

    lr: float
    rho: float
    c: float  # 1 - rho
    eps: float
    weight_decay: float  # coupled decay


@per_iteration(Adadelta)
def _adadelta(h, t) -> AdadeltaStep:
    return AdadeltaStep(learning_rate(h.lr, t), h.rho, 1 - h.rho, h.eps, h.weight_decay)


@update_rule(AdadeltaStep, slots=("s", "a"))
def adadelta(h, x, g, s, a):
    """One element of Adadelta."""
    s = h.rho * s + h.c * g * g
    d = math.sqrt(a + h.eps) / math.sqrt(s + h.eps) * g
    a = h.rho * a + h.c * d * d
    return x - h.lr * d, s, a


@coasting(AdadeltaStep)
def _coasting(low, high, s, a):
    return 0.0
