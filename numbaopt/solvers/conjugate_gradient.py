"""Nonlinear conjugate gradients: three vectors of memory, for smooth functions of very many variables."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._compile import part
from .._memory import add_terms, no_sums
from .._solver import begin, iteration, solver, workspace
from ..drivers.solving import ROUNDING, RUNNING, accept
from ..linear.vectors import dot, scaled_norm
from ._line_search import LONGEST, Wolfe, search

WOLFE = Wolfe(1e-4, 0.1, 1e-3)

ETA = 0.5
"""beta is at least this part of d.g' / |d|^2, which keeps d from becoming the old one."""


@solver(bounded=False, names=("conjugate-gradient",))
class CG(NamedTuple):
    """Nonlinear conjugate gradients with the beta of Dai and Kou.

    ::

        x' = x + t d, with t that satisfies the strong Wolfe conditions;  y = g' - g
        beta = (y - d |y|^2 / d.y).g' / d.y, at least d.g' / |d|^2 / 2
        d' = -g' + beta d

    in the variables x / D, where D are the scales of x (`x_scale`). The first step is 1 / |g| long, a later one is
    first tried at t d.g / d'.g', where the slopes of both are the same to first order.

    Raises
    ------
    ValueError
        By `minimize` where there are bounds.

    Notes
    -----
    Y.-H. Dai and C.-X. Kou, "A nonlinear conjugate gradient algorithm with an optimal property and an improved Wolfe
    line search", SIAM Journal on Optimization 23(1), 2013: their beta of tau = s.y / |s|^2, which is also that of W. W.
    Hager and H. Zhang (2005) with a factor 1 in place of 2; with the line search of the other solvers here, and
    without their restarts. d starts anew along -g where it is no direction of descent, or no step along it lowers
    `fun`; the run ends where none along -g does. scipy's CG has the beta of Polak and Ribiere.

    Examples
    --------
    >>> import numba, numbaopt
    >>> @numba.njit
    ... def rosenbrock(x):
    ...     return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
    >>> res = numbaopt.minimize(rosenbrock, [-1.2, 1.0], method="cg")
    >>> res.success, res.x.round(4).tolist()
    (True, [1.0, 1.0])
    """


@workspace(CG)
def _(h, n, m):
    return n + 2


@part
def parts_of(work, n):
    """The direction, and two numbers: the step to try first, and iterations since d was -g."""
    return work[:n], work[n:]


@begin(CG)
def _(h, objective, box, limit, s):
    d, own = parts_of(s.work, s.x.size)
    norm = scaled_norm(box.scale, s.g)
    own[0] = 1 / norm if norm > 0 else 1
    downhill(d, s.g, box)


@part
def downhill(d, g, box):
    """d = -D^2 g."""
    for i in range(g.size):
        d[i] = -box.scale[i] * box.scale[i] * g[i]


@iteration(CG)
def _(h, objective, box, limit, s):
    d, own = parts_of(s.work, s.x.size)
    f = s.p.f
    while True:
        slope, t = dot(d, s.g), 0.0
        if slope < 0:
            t, f, _ = search(objective, box, limit, s, d, slope, own[0], LONGEST * own[0], WOLFE)
        if t > 0:
            break
        if own[1] == 0 or s.p.nfev + limit.cost > limit.maxfev:
            return ROUNDING if own[1] == 0 else RUNNING
        norm = scaled_norm(box.scale, s.g)
        own[0], own[1] = 1 / norm if norm > 0 else 1, 0
        downhill(d, s.g, box)
    if f == -np.inf:
        s.p.f = f
        return RUNNING
    after = turned(box, s, d)
    own[1] += 1
    if not after < 0:
        downhill(d, s.trial_g, box)
        after, own[1] = dot(d, s.trial_g), 0
    if after < 0:
        own[0] = t * min(slope / after, 10.0)
    accept(s, f)
    return RUNNING


@part
def turned(box, s, d):
    """The next direction in place of d; its slope at the trial point. The products are of x / D and D g."""
    sums = no_sums(5)
    for i in range(d.size):
        scale = box.scale[i]
        e, g, y = d[i] / scale, scale * s.trial_g[i], scale * (s.trial_g[i] - s.g[i])
        sums = add_terms(sums, (e * y, y * g, y * y, e * g, e * e))
    dy, yg, yy, dg, dd = sums
    if not dy > 0:
        return 0.0
    beta = max((yg - yy * dg / dy) / dy, ETA * dg / dd)
    total = no_sums(1)
    for i in range(d.size):
        d[i] = beta * d[i] - box.scale[i] * box.scale[i] * s.trial_g[i]
        total = add_terms(total, (d[i] * s.trial_g[i],))
    return total[0]
