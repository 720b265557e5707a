"""Rprop: steps by the signs of the gradient alone."""

import math
from typing import NamedTuple

from .._compile import inlined
from .._parameters import NONNEGATIVE
from .._rule import Rate, hyperparameters, per_iteration, update_rule
from ..schedules import learning_rate


def _conflict(h):
    if not 0 < h.etas[0] < 1 < h.etas[1]:
        return "etas must be two numbers with 0 < etas[0] < 1 < etas[1]"
    return "" if h.step_sizes[0] <= h.step_sizes[1] else "step_sizes[0] must not be above step_sizes[1]"


@hyperparameters(conflict=_conflict, step_sizes=NONNEGATIVE)
class Rprop(NamedTuple):
    """Rprop: each coordinate has its own step, which grows while the sign of the gradient stays and falls if it turns.

    ::

        p = 0, d = lr                                            before the first iteration
        s = sign(g) * sign(p)
        d = d * etas[1] if s > 0, d * etas[0] if s < 0, else d
        d = min(max(d, step_sizes[0]), step_sizes[1])
        g = 0 if s < 0
        x = x - d * sign(g)
        p = g

    Parameters
    ----------
    lr : float or schedule
        The first step of each coordinate, >= 0, in the units of x (of x / x_scale); of a schedule only its first value
        counts.
    etas : (float, float)
        Factors of the step after a change of sign, in (0, 1), and after none, > 1.
    step_sizes : (float, float)
        The smallest and the largest step, >= 0.
    maximize : bool
        Maximise the objective.

    Raises
    ------
    TypeError, ValueError
        A hyper-parameter is of the wrong kind or out of its range, or two that belong together are in the wrong order.

    Examples
    --------
    >>> import numbaopt
    >>> res = numbaopt.minimize(lambda x: ((x - 3) ** 2).sum(), [0.0, 0.0], method=numbaopt.Rprop())
    >>> res.success, res.x.round(3).tolist()
    (True, [3.0, 3.0])

    Notes
    -----
    Riedmiller and Braun, "A direct adaptive method for faster backpropagation learning: the RPROP algorithm", IEEE ICNN
    1993, in the form without backtracking: Igel and Huesken, "Improving the Rprop Learning Algorithm", NC 2000,
    iRprop-. Defaults and arithmetic are those of `torch.optim.Rprop`, but torch takes the sign of g * p, which is lost
    where the product underflows.

    Use it for smooth objectives whose gradients are exact, of whatever size, not for noisy gradients or narrow valleys
    across the axes: one sign that turns by chance halves a step.
    """

    lr: Rate = 1e-2
    etas: tuple[float, float] = (0.5, 1.2)
    step_sizes: tuple[float, float] = (1e-6, 50.0)
    maximize: bool = False


class RpropStep(NamedTuple):
    """Scalars of one iteration."""

    one: float  # 1, in the dtype of x
    down: float  # etas[0]
    up: float  # etas[1]
    low: float  # step_sizes[0]
    high: float  # step_sizes[1]


@per_iteration(Rprop)
def _rprop(h, t) -> RpropStep:
    return RpropStep(1.0, *h.etas, *h.step_sizes)


@inlined
def sign(one, value):
    """1, -1, or `value` where that is 0."""
    return math.copysign(one, value) if value != 0 else value


@update_rule(RpropStep, slots=("p", "d"), start={"d": lambda h, x: learning_rate(h.lr, 1.0)})
def rprop(h, x, g, p, d):
    """One element of Rprop."""
    s = sign(h.one, g) * sign(h.one, p)
    d = d * (h.up if s > 0 else h.down if s < 0 else h.one)
    d = min(max(d, h.low), h.high)
    g = g - g if s < 0 else g
    return x - d * sign(h.one, g), g, d
