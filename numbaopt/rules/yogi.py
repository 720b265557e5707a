"""Yogi: Adam whose second moment changes by as much as a gradient weighs, however large it was."""

from typing import NamedTuple

from .._rule import Rate, hyperparameters, per_iteration, update_rule
from .adam import AdamStep, adam_scalars, moved
from .lion import with_sign


@hyperparameters
class Yogi(NamedTuple):
    """Yogi: Adam with a second moment that forgets large gradients slowly.

    ::

        m = v = initial_accumulator_value                        before the first iteration
        g = grad f(x) + weight_decay * x
        m = beta1 * m + (1 - beta1) * g
        v = v - (1 - beta2) * sign(v - g^2) * g^2
        x = x - lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)

    Parameters
    ----------
    lr : float or schedule
        Learning rate, >= 0: the length of a step in each coordinate, in the units of x (of x / x_scale).
    betas : (float, float)
        Decay rates of the two moments, in [0, 1).
    eps : float
        Added to the root of the second moment, >= 0: gradients much smaller than eps make short steps.
    initial_accumulator_value : float
        Both moments at the start, >= 0.
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
    >>> res = numbaopt.minimize(lambda x: ((x - 3) ** 2).sum(), [0.0, 0.0], method=numbaopt.Yogi(lr=0.1))
    >>> res.success, res.x.round(3).tolist()
    (True, [3.0, 3.0])

    Notes
    -----
    Zaheer et al., "Adaptive Methods for Nonconvex Optimization", NeurIPS 2018, Algorithm 2. Defaults and arithmetic are
    those of `optax.yogi`, with its start of both moments and its correction of their bias, which the paper has not
    (TensorFlow's starts m at 0 and adds eps before the correction).

    Use it when gradients are rare or come in bursts, after which Adam would take too long steps; not when they fall by
    orders of magnitude on the way to the minimum, where a second moment that forgets slowly makes short steps.
    """

    lr: Rate = 1e-2
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-3
    initial_accumulator_value: float = 1e-6
    weight_decay: float = 0.0
    maximize: bool = False


YogiStep = NamedTuple("YogiStep", list(AdamStep.__annotations__.items()))  # type: ignore[misc]
YogiStep.__doc__ = "The scalars of Adam, for another rule."


@per_iteration(Yogi)
def _yogi(h, t) -> YogiStep:
    return YogiStep(*adam_scalars(h, t, 0.0, h.weight_decay))


def _first(h, x):
    return h.initial_accumulator_value


@update_rule(YogiStep, slots=("m", "v"), start={"m": _first, "v": _first})
def yogi(h, x, g, m, v):
    """One element of Yogi."""
    m = h.b1 * m + h.c1 * g
    v = v - with_sign(h.c2 * g * g, v - g * g)
    return moved(h, x, m, v), m, v
