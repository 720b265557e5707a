"""Around any rule: gradients without their mean."""

from typing import Any, NamedTuple

import numpy as np

from .._dispatch import scalar_rule
from .._rule import hyperparameters, per_iteration, summed, update_rule, with_sums


@hyperparameters
class Centralized(NamedTuple):
    """Any rule, with the mean over all coordinates taken out of the gradient.

    ::

        g = g - mean(g)
        x = the update of the inner rule by g

    Parameters
    ----------
    inner : method
        The rule, for instance `Adam(lr=0.1)`.

    Raises
    ------
    TypeError, ValueError
        The inner rule is no method, or needs sums over all coordinates, as LAMB does: only one pass of sums is made.

    Examples
    --------
    >>> import numbaopt
    >>> method = numbaopt.Centralized(numbaopt.Adam(lr=0.1))
    >>> res = numbaopt.minimize(lambda x: ((x - [2, 4]) ** 2).sum(), [3.0, 3.0], method=method)
    >>> res.success, res.x.round(3).tolist()
    (True, [2.0, 4.0])

    Notes
    -----
    Yong et al., "Gradient Centralization: A New Optimization Technique for Deep Neural Networks", ECCV 2020, equation
    1, with all coordinates as one column; `optax.centralize` leaves vectors as they are. The rule and the mean see the
    gradient of scaled variables, g * x_scale, and a coupled weight decay of the inner rule is part of it, as in the
    authors' code.

    Use it when the sum of x is to stay as it is (with a rule that is linear in the gradient, such as SGD), or is right
    already; not otherwise, as the minimum is not found where the sum of x must change.
    """

    inner: Any


class CentralizedScalars(NamedTuple):
    """Scalars of one iteration before its sums: none."""

    inner: Any


class CentralizedStep(NamedTuple):
    """Scalars of one iteration."""

    mean: float  # of the gradient
    inner: Any


@per_iteration(Centralized)
def _centralized(h, t, inner) -> CentralizedScalars:
    return CentralizedScalars(inner)


@summed(CentralizedScalars, "total", "count")
def _gradient(h, x, g, *slots):
    return np.float64(g), 1.0


@with_sums(CentralizedScalars)
def _mean(h, total, count) -> CentralizedStep:
    return CentralizedStep(total / count, h.inner)


@update_rule(CentralizedStep)
def centralized(h, x, g, *slots):
    """One element of Centralized."""
    return scalar_rule(h.inner, x, g - h.mean, slots)
