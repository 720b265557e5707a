"""Robust losses of residuals, as scipy.optimize.least_squares defines them.

cost = C^2 / 2 * sum rho((r / C)^2)                             C: f_scale

A large residual counts less than by its square. Each loss is a row of the table below: rho(z), rho'(z), rho''(z).
"""

import math

from .._compile import part
from ..drivers.objectives import LOSSES
from ..linear.vectors import copy, dot

LINEAR, SOFT_L1, HUBER, CAUCHY, ARCTAN = range(len(LOSSES))


@part
def rho(loss, z):
    """A loss and its two derivatives at z, a squared residual."""
    if loss == SOFT_L1:  # 2 (sqrt(1 + z) - 1)
        t = 1 + z
        return 2 * (math.sqrt(t) - 1), 1 / math.sqrt(t), -0.5 / (t * math.sqrt(t))
    if loss == HUBER:  # z, from 1 on 2 sqrt(z) - 1
        return (z, 1.0, 0.0) if z <= 1 else (2 * math.sqrt(z) - 1, 1 / math.sqrt(z), -0.5 / (z * math.sqrt(z)))
    if loss == CAUCHY:  # ln(1 + z)
        t = 1 + z
        return math.log1p(z), 1 / t, -1 / (t * t)
    if loss == ARCTAN:  # arctan(z)
        t = 1 + z * z
        return math.atan(z), 1 / t, -2 * z / (t * t)
    return z, 1.0, 0.0


@part
def cost_of(loss, C, r):
    """C^2 / 2 * sum rho((r / C)^2); inf where a residual is not finite."""
    total = 0.0
    if loss == LINEAR:
        total = 0.5 * dot(r, r)
    else:
        for k in range(r.size):
            total += rho(loss, (r[k] / C) ** 2)[0]
        total *= 0.5 * C * C
    return total if total == total else math.inf


@part
def reweighted(loss, C, r, J, f, least):
    """Scale J, and put into f the scaled residuals, so that J^T f and J^T J are gradient and Gauss-Newton Hessian.

    w = rho' + 2 rho'' (r / C)^2,     J_k *= sqrt(w),     f_k = r_k rho' / sqrt(w)
    Triggs et al. (1999), equations 10 and 11; w is kept positive, at least `least`, as in scipy.
    """
    if loss == LINEAR:
        copy(r, f)
        return
    for k in range(r.size):
        z = (r[k] / C) ** 2
        _, first, second = rho(loss, z)
        w = math.sqrt(max(first + 2 * second * z, least))
        f[k] = r[k] * first / w
        for i in range(J.shape[0]):
            J[i, k] *= w
