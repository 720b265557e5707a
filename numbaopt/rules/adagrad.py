"""Adagrad: steps that become shorter by all gradients that have been."""

import math
from typing import NamedTuple

from .._parameters import NONNEGATIVE
from .._rule import Rate, coasting, hyperparameters, per_iteration, update_rule
from ..schedules import learning_rate
from .adam import positive


@hyperparameters(lr_decay=NONNEGATIVE)
class Adagrad(NamedTuple):
    """Adagrad: the gradient over the root of the sum of the squares of all gradients so far.

    ::

        v = initial_accumulator_value                            before the first iteration
        g = grad f(x) + weight_decay * x
        v = v + g^2
        x = x - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(v) + eps)

    Parameters
    ----------
    lr : float or schedule
        Learning rate, >= 0: the length of the first step in each coordinate, in the units of x (of x / x_scale); steps
        of a constant gradient fall as 1 / sqrt(t), so lr is to be about the distance to the minimum.
    lr_decay : float
        How fast lr falls besides, >= 0.
    weight_decay : float
        Coupled decay (L2 penalty weight_decay / 2 * |x|^2 added to the objective), >= 0.
    initial_accumulator_value : float
        Where the sum of squares starts, >= 0.
    eps : float
        Added to the root, >= 0; where both are 0 there is no step (torch makes NaN of it).
    maximize : bool
        Maximise the objective.

    Raises
    ------
    TypeError, ValueError
        A hyper-parameter is of the wrong kind or out of its range.

    Examples
    --------
    >>> import numbaopt
    >>> res = numbaopt.minimize(lambda x: ((x - 3) ** 2).sum(), [0.0, 0.0], method=numbaopt.Adagrad(lr=1))
    >>> res.success, res.x.round(3).tolist()
    (True, [3.0, 3.0])

    Notes
    -----
    Duchi, Hazan and Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization", JMLR 12,
    2011, Figure 1, with the diagonal of the matrix. Defaults and arithmetic are those of `torch.optim.Adagrad`, which
    has eps outside the root and adds the decays. `optax.adagrad` starts the sum at 0.1 and has eps inside the root.

    Use it when gradients are sparse or noisy and the objective is convex, not when the minimum is far from x0 in units
    of lr: the steps become short before they arrive.
    """

    lr: Rate = 1e-2
    lr_decay: float = 0.0
    weight_decay: float = 0.0
    initial_accumulator_value: float = 0.0
    eps: float = 1e-10
    maximize: bool = False


class AdagradStep(NamedTuple):
    """Scalars of one iteration."""

    lr: float  # lr / (1 + (t - 1) * lr_decay)
    eps: float
    weight_decay: float  # coupled decay


@per_iteration(Adagrad)
def _adagrad(h, t) -> AdagradStep:
    return AdagradStep(learning_rate(h.lr, t) / (1 + (t - 1) * h.lr_decay), positive(h.eps), h.weight_decay)


@update_rule(AdagradStep, slots=("v",), start={"v": lambda h, x: h.initial_accumulator_value})
def adagrad(h, x, g, v):
    """One element of Adagrad."""
    v = v + g * g
    return x - h.lr * g / (math.sqrt(v) + h.eps), v


@coasting(AdagradStep)
def _coasting(low, high, v):
    return 0.0
