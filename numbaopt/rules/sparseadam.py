"""SparseAdam: Adam for gradients that are 0 but in a few coordinates; the others are left as they are."""

import math
from typing import NamedTuple

from .._rule import Rate, hyperparameters, leaves_alone, per_iteration, update_rule
from ..schedules import learning_rate
from .adam import positive, unbiased


@hyperparameters
class SparseAdam(NamedTuple):
    """SparseAdam: Adam on the coordinates that a sparse gradient has; all others keep x and their moments.

    ::

        for each coordinate of the gradient, a given 0 included:
            m = m + (1 - beta1) * (g - m)
            v = v + (1 - beta2) * (g^2 - v)
            x = x - lr * sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + eps)

    `Stepper.step` takes sparse gradients, and so does `minimize` where `jac` returns them. A dense gradient has all
    coordinates: the rule is then Adam with eps before the correction of the bias.

    Parameters
    ----------
    lr : float or schedule
        Learning rate, >= 0: the length of a step in each coordinate, in the units of x (of x / x_scale).
    betas : (float, float), each of them a number or a schedule
        Decay rates of the two moments, in [0, 1).
    eps : float
        Added to the root of the second moment, >= 0; where both are 0 there is no step.
    maximize : bool
        Maximise the objective.

    Raises
    ------
    TypeError, ValueError
        A hyper-parameter is of the wrong kind or out of its range.

    Examples
    --------
    >>> import numpy as np, numbaopt
    >>> x = np.array([3.0, -2.0, 1.0])
    >>> stepper = numbaopt.Stepper(x, numbaopt.SparseAdam(lr=0.1))
    >>> for _ in range(500):
    ...     stepper.step(([0, 1], 2 * x[:2]))
    >>> x.round(3).tolist()
    [0.0, -0.0, 1.0]

    Notes
    -----
    Defaults and arithmetic are those of `torch.optim.SparseAdam`. t counts all steps, not those of the coordinate; a
    coordinate that comes rarely has young moments whose bias is hardly corrected. `AdamW`, given the same sparse
    gradients, does what it does with zeros in the other places.
    """

    lr: Rate = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    maximize: bool = False


class SparseAdamStep(NamedTuple):
    """Scalars of one iteration."""

    c1: float  # 1 - beta1
    c2: float  # 1 - beta2
    step: float  # lr * sqrt(1 - beta2^t) / (1 - beta1^t)
    eps: float


@per_iteration(SparseAdam)
def _sparseadam(h, t) -> SparseAdamStep:
    b1, b2 = h.betas
    step = learning_rate(h.lr, t) * math.sqrt(unbiased(b2, t)) / unbiased(b1, t)
    return SparseAdamStep(1 - b1, 1 - b2, step, positive(h.eps))


@update_rule(SparseAdamStep, slots=("m", "v"))
def sparseadam(h, x, g, m, v):
    """One element of SparseAdam."""
    m = m + h.c1 * (g - m)
    v = v + h.c2 * (g * g - v)
    return x - h.step * (m / (math.sqrt(v) + h.eps)), m, v


leaves_alone(SparseAdamStep)
