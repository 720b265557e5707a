"""BFGS: the inverse Hessian learned from the gradients, as a dense matrix, for up to some thousand unknowns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._compile import part
from .._solver import begin, iteration, solver, workspace
from ..drivers.solving import ROUNDING, RUNNING, accept
from ..linear.vectors import dot, scaled_norm
from ._line_search import LONGEST, Wolfe, search

WOLFE = Wolfe(1e-4, 0.9, 0.1)


@solver(bounded=False)
class BFGS(NamedTuple):
    """The quasi-Newton method of Broyden, Fletcher, Goldfarb and Shanno; n^2 numbers of memory, n^2 work a step.

    ::

        d = -H g;  x' = x + t d, with t that satisfies the strong Wolfe conditions
        s = x' - x, y = g' - g, rho = 1 / s.y
        H' = (I - rho s y^T) H (I - rho y s^T) + rho s s^T             if s.y > 0

    The first H is D^2 / |D g|, where D are the scales of x (`x_scale`); when the first pair is known, it is
    D^2 s.y / |D y|^2 (equation 6.20).

    Raises
    ------
    ValueError
        By `minimize` where there are bounds.

    Notes
    -----
    J. Nocedal and S. J. Wright, Numerical Optimization, 2nd edition, 2006, algorithm 6.1. Where no step along d lowers
    `fun`, H starts anew once before the run ends. scipy's BFGS has no equation 6.20, and stops there at once.

    Examples
    --------
    >>> import numba, numbaopt
    >>> @numba.njit
    ... def rosenbrock(x):
    ...     return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
    >>> res = numbaopt.minimize(rosenbrock, [-1.2, 1.0], method="bfgs")
    >>> res.success, res.x.round(4).tolist()
    (True, [1.0, 1.0])
    """


@workspace(BFGS)
def _(h, n, m):
    return n * n + 3 * n + 2


@part
def parts_of(work, n):
    """H, the direction, room for s and for H y, and two numbers: the pairs that are in H, and the length of steps."""
    k = n * n
    return (
        work[:k].reshape(n, n),
        work[k : k + n],
        work[k + n : k + 2 * n],
        work[k + 2 * n : k + 3 * n],
        work[k + 3 * n :],
    )


@begin(BFGS)
def _(h, objective, box, limit, s):
    H, _, _, _, own = parts_of(s.work, s.x.size)
    norm = scaled_norm(box.scale, s.g)
    own[1] = 1 / norm if norm > 0 else 1
    start(H, box, own)


@part
def start(H, box, own):
    """H = D^2 times the length of steps."""
    H[:] = 0
    for i in range(H.shape[0]):
        H[i, i] = own[1] * box.scale[i] * box.scale[i]
    own[0] = 0


@iteration(BFGS)
def _(h, objective, box, limit, s):
    H, d, step, Hy, own = parts_of(s.work, s.x.size)
    f = s.p.f
    while True:
        slope, t = descend(H, s.g, d), 0.0
        if slope < 0:
            t, f, _ = search(objective, box, limit, s, d, slope, 1.0, LONGEST, WOLFE)
        if t > 0:
            break
        if own[0] == 0 or s.p.nfev + limit.cost > limit.maxfev:
            return ROUNDING if own[0] == 0 else RUNNING
        start(H, box, own)
    if f == -np.inf:
        s.p.f = f
        return RUNNING
    learn(H, box, s, step, Hy, own, t, slope)
    accept(s, f)
    return RUNNING


@part
def descend(H, g, d):
    """d = -H g; d.g."""
    for i in range(g.size):
        d[i] = -dot(H[i], g)
    return dot(d, g)


@part
def learn(H, box, s, step, Hy, own, t, slope):
    """H with the pair of the step to the trial point, where that has curvature."""
    n, sy, yy = s.x.size, 0.0, 0.0
    for i in range(n):
        step[i] = s.trial[i] - s.x[i]
        y = s.trial_g[i] - s.g[i]
        sy += step[i] * y
        yy += (box.scale[i] * y) ** 2
    if not (sy > -np.finfo(s.x.dtype).eps * t * slope and yy < np.inf):
        if own[0] == 0:  # no curvature at all yet: longer steps
            own[1] *= t
            start(H, box, own)
        return
    if own[0] == 0:
        own[1] = sy / yy
        start(H, box, own)
    own[0] += 1
    for i in range(n):
        s.g[i] = s.trial_g[i] - s.g[i]  # y; the old gradient is not needed any more
    for i in range(n):
        Hy[i] = dot(H[i], s.g)
    a = (1 + dot(s.g, Hy) / sy) / sy
    for i in range(n):
        u, v, row = a * step[i] - Hy[i] / sy, step[i] / sy, H[i]
        for j in range(n):  # H + (1 + y.Hy / s.y) s s^T / s.y - (Hy s^T + s Hy^T) / s.y
            row[j] += u * step[j] - v * Hy[j]
