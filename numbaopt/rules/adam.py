"""Adam, with coupled weight decay and AMSGrad as torch has them; its scalars serve AdamW too."""

import math
from typing import NamedTuple

from .._compile import inlined
from .._rule import Rate, coasting, hyperparameters, per_iteration, update_rule
from ..schedules import learning_rate


@hyperparameters
class Adam(NamedTuple):
    """Adam: steps of about `lr` in every coordinate, by the first and second moments of the gradient.

    ::

        g    = grad f(x) + weight_decay * x
        m    = beta1 * m + (1 - beta1) * g
        v    = beta2 * v + (1 - beta2) * g^2
        vmax = max(vmax, v)                                      amsgrad only; it then takes the place of v below
        x    = x - lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)

    Parameters
    ----------
    lr : float or schedule
        Learning rate, >= 0: the length of a step in each coordinate, in the units of x (of x / x_scale).
    betas : (float, float), each of them a number or a schedule
        Decay rates of the two moments, in [0, 1).
    eps : float
        Added to the root of the second moment, >= 0; where both are 0 there is no step (torch makes NaN of it).
    weight_decay : float or schedule
        Coupled decay (L2 penalty weight_decay / 2 * |x|^2 added to the objective), >= 0.
    amsgrad : bool
        Use the largest second moment so far.
    maximize : bool
        Maximise the objective.

    Raises
    ------
    TypeError, ValueError
        A hyper-parameter is of the wrong kind or out of its range.

    Examples
    --------
    >>> import numbaopt
    >>> res = numbaopt.minimize(lambda x: ((x - 3) ** 2).sum(), [0.0, 0.0], method=numbaopt.Adam(lr=0.1))
    >>> res.success, res.x.round(3).tolist()
    (True, [3.0, 3.0])

    Notes
    -----
    Kingma and Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, Algorithm 1; Reddi, Kale and Kumar, "On the
    Convergence of Adam and Beyond", ICLR 2018, Algorithm 2. Defaults and arithmetic are those of `torch.optim.Adam`;
    like torch, AMSGrad takes the maximum of the second moment before its bias is corrected, unlike its paper, which
    corrects no bias at all. Where a beta is a schedule, 1 - beta^t is that of the current beta, as with
    `optax.inject_hyperparams`.
    """

    lr: Rate = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    amsgrad: bool = False
    maximize: bool = False


class AdamStep(NamedTuple):
    """Scalars of one iteration."""

    b1: float  # beta1
    c1: float  # 1 - beta1
    b2: float  # beta2
    c2: float  # 1 - beta2
    step: float  # lr / (1 - beta1^t)
    root: float  # 1 / sqrt(1 - beta2^t)
    eps: float
    shrink: float  # 1 - lr * decoupled decay
    weight_decay: float  # coupled decay


AMSGradStep = NamedTuple("AMSGradStep", list(AdamStep.__annotations__.items()))  # type: ignore[misc]
AMSGradStep.__doc__ = "The same scalars, for the rule with a third slot."


@inlined
def unbiased(beta, t):
    """1 - beta^t, rounded as torch does (expm1 would be more exact, and differ from it in the 14th digit).

    Where beta^t <= exp(-t (1 - beta)) is lost in rounding, the power, a third of an iteration on two parameters, is
    not taken.
    """
    return 1 - beta**t if t * (1 - beta) < 40 else 1.0


@inlined
def positive(eps):
    """`eps`, or the smallest normal number of float32 in place of less: 0 / (sqrt(0) + eps) is 0 then, and not NaN."""
    return max(eps, 1.1754943508222875e-38)


@inlined
def adam_scalars(h, t, decoupled, coupled):
    """Values of the fields of `AdamStep`."""
    b1, b2 = h.betas
    lr = learning_rate(h.lr, t)
    step, root = lr / unbiased(b1, t), 1 / math.sqrt(unbiased(b2, t))
    return b1, 1 - b1, b2, 1 - b2, step, root, positive(h.eps), 1 - lr * decoupled, coupled


@per_iteration(Adam)
def _adam(h, t) -> AdamStep:
    return AdamStep(*adam_scalars(h, t, 0.0, h.weight_decay))


@per_iteration(Adam, amsgrad=True)
def _amsgrad(h, t) -> AMSGradStep:
    return AMSGradStep(*adam_scalars(h, t, 0.0, h.weight_decay))


@inlined
def moments(h, g, m, v):
    """The running means of g and g^2."""
    return h.b1 * m + h.c1 * g, h.b2 * v + h.c2 * g * g


@inlined
def moved(h, x, m, v):
    """x after the decoupled decay and the step."""
    return h.shrink * x - h.step * m / (math.sqrt(v) * h.root + h.eps)


@update_rule(AdamStep, slots=("m", "v"))
def adam(h, x, g, m, v):
    """One element of Adam and AdamW."""
    m, v = moments(h, g, m, v)
    return moved(h, x, m, v), m, v


@update_rule(AMSGradStep, slots=("m", "v", "vmax"))
def amsgrad(h, x, g, m, v, vmax):
    """One element of Adam and AdamW with amsgrad=True."""
    m, v = moments(h, g, m, v)
    vmax = max(vmax, v)
    return moved(h, x, m, vmax), m, v, vmax


@inlined
def last_steps(b1, b2, step, denominator, eps, m):
    """Bound of the sum of all steps to come with g = 0: m decays by b1, the denominator by sqrt(b2) and not below eps.

    The steps are a geometric series, or less, whose ratio is b1 / sqrt(b2), or b1 where the denominator is eps.
    """
    ratio = b1 / math.sqrt(b2)
    if ratio < 1:
        return step * abs(m) / denominator * ratio / (1 - ratio)
    return step * abs(m) / eps * b1 / (1 - b1)


@coasting(AdamStep)
def _adam_coasting(low, high, m, v):
    return last_steps(high.b1, low.b2, high.step, math.sqrt(v) * low.root + low.eps, low.eps, m)


@coasting(AMSGradStep)
def _amsgrad_coasting(low, high, m, v, vmax):
    return last_steps(high.b1, 1.0, high.step, math.sqrt(vmax) * low.root + low.eps, low.eps, m)
