"""The simplex method of Nelder and Mead, with coefficients that depend on the dimension, and restarts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._compile import inlined, part
from .._parameters import NONNEGATIVE, unchecked
from .._solver import begin, form, iteration, solver, workspace
from .._status import Status
from ..drivers.solving import RUNNING, XTOL, count_free, exhausted, tried

LAST, RESTARTS, HEAD = 0, 1, 2
"""What is kept: the value at the last collapse of the simplex, how many there were; the size of this head."""

MESSAGES = {
    Status.XTOL: (
        "Converged: the simplex is within xatol = {hyper.xatol:.3g} + rtol = {hyper.rtol:.3g}, relative, its values "
        "within fatol = {hyper.fatol:.3g}, and a new simplex around the best point found nothing lower."
    )
}


@solver(
    needs="value",
    names=("nelder-mead", "simplex"),
    messages=MESSAGES,
    tolerances=("xatol", "fatol", "rtol"),
    xatol=NONNEGATIVE,
    fatol=NONNEGATIVE,
    rtol=NONNEGATIVE,
)
class NelderMead(NamedTuple):
    """Nelder-Mead: a simplex of n + 1 points walks downhill by reflections; it needs values of fun only.

    ::

        worst point x_w, centroid c of the others;   x(t) = c + t (c - x_w)
        x(1) better than the best:          x_w <- the better of x(1), x(1 + 2/n)             expand
        better than the second worst:       x_w <- x(1)                                       reflect
        better than the worst / not:        x_w <- x(psi) / x(-psi) if lower, psi = 3/4 - 1/(2n)    contract
        else:                               x_j <- x_best + (1 - 1/n) (x_j - x_best)          shrink

    The simplex has collapsed when for all its points |x_j - x_best| <= xatol + rtol |x_best| in each element and
    |f_j - f_best| <= fatol + rtol |f_best|. As it may collapse where there is no minimum, a new one is then built
    around the best point, and the run is a success only when such a one has collapsed without an improvement.

    Parameters
    ----------
    adaptive : bool
        Coefficients as above, of Gao and Han; False: those of n = 2, which are Nelder and Mead's own.
    xatol, fatol : float
        Absolute tolerances on the size of the simplex and of the differences of its values; both must hold.
    rtol : float
        Relative tolerance that is added to both; 0 for scipy's test. Never below 4 machine epsilons.
    restart : bool
        Whether to restart the collapsed simplex. False: stop there, as scipy does, at half of the evaluations.

    Raises
    ------
    ValueError
        A tolerance is negative or not finite.

    Notes
    -----
    Nelder and Mead, "A simplex method for function minimization", The Computer Journal 7 (1965); the coefficients are
    of Gao and Han, "Implementing the Nelder-Mead simplex algorithm with adaptive parameters", Computational
    Optimization and Applications 51 (2012), section 3. The first simplex, the tests and the bounds, onto which points
    are clipped, are scipy's (5 % of each element, 0.00025 for zeros), but a point of the first simplex that would be
    outside lies to the other side of x0. That a collapsed simplex is restarted is of Kelley, "Detection and remediation
    of stagnation in the Nelder-Mead algorithm", SIAM J. Optimization 10 (1999); he judges by a simplex gradient and
    starts a small simplex along it, here it is any collapse, and a simplex of a tenth of the first's size. Points where
    fun is NaN or inf are the worst. For more than about 10 parameters other methods are better.

    Examples
    --------
    >>> import numbaopt
    >>> def fun(x):
    ...     return abs(x[0] - 1) + (x[1] + 2) ** 2
    >>> res = numbaopt.minimize(fun, [0.0, 0.0], method="nelder-mead")
    >>> res.success, [round(float(v), 6) for v in res.x]
    (True, [1.0, -2.0])
    """

    adaptive: bool = True
    xatol: float = 1e-8
    fatol: float = 1e-12
    rtol: float = 1e-8
    restart: bool = True


@form(NelderMead)
def _(h):
    return unchecked(NelderMead, map(float, h))  # flags too: one compilation for all


@workspace(NelderMead)
def _(h, n, m):
    return HEAD + (n + 1) * n + (n + 1) + 2 * n  # points, values, centroid, reflected point


@begin(NelderMead)
def _(h, objective, box, limit, s):
    s.work[LAST] = np.inf
    build(objective, box, limit, s, 1.0)


@iteration(NelderMead)
def _(h, objective, box, limit, s):
    w, n = s.work, s.x.size
    count = count_free(box, n) + 1
    if collapsed(h, w, n, count):
        return restarted(h, objective, box, limit, s)
    best, worst = lowest(w, n, count), highest(w, n, count, -1)
    centre(w, n, count, worst)
    step(h, objective, box, limit, s, count, best, worst)
    return RUNNING


# --- where things are in `work`: point j at HEAD + j n, then the values, the centroid, the reflected point ------------


@inlined
def values(n):
    return HEAD + (n + 1) * n


@inlined
def centroid(n):
    return HEAD + (n + 1) * (n + 1)


@inlined
def reflected(n):
    return HEAD + (n + 1) * (n + 1) + n


@part
def store(w, j, x, f):
    """Let the j-th point be x, of value f."""
    n = x.size
    for i in range(n):
        w[HEAD + j * n + i] = x[i]
    w[values(n) + j] = f


@part
def lowest(w, n, count):
    """Index of the best point."""
    F, best = values(n), 0
    for j in range(1, count):
        if w[F + j] < w[F + best]:
            best = j
    return best


@part
def highest(w, n, count, but):
    """Index of the worst point, that of index `but` left out; the last of equal ones."""
    F, worst = values(n), -1
    for j in range(count):
        if j != but and (worst < 0 or w[F + j] >= w[F + worst]):
            worst = j
    return worst


# --- the simplex -----------------------------------------------------------------------------------------------------


@part
def build(objective, box, limit, s, size):
    """A simplex of the best point and, for each element that may move, one with 1.05 of it, or 0.00025 for 0."""
    w, n, j = s.work, s.x.size, 1
    store(w, 0, s.x, s.p.f if s.p.f < np.inf else np.inf)
    for i in range(n):
        if box.lower[i] == box.upper[i]:
            continue
        for k in range(n):
            s.trial[k] = w[HEAD + k]  # not s.x, which may change
        xi = s.trial[i]
        edge = size * (0.05 * xi if xi != 0 else 0.00025 * box.scale[i])
        if not box.lower[i] <= xi + edge <= box.upper[i]:
            edge = -edge
        s.trial[i] = min(max(xi + edge, box.lower[i]), box.upper[i])
        f = np.inf if exhausted(limit, s.p) else tried(objective, box, s)
        store(w, j, s.trial, f)
        j += 1


@part
def collapsed(h, w, n, count):
    """Whether the simplex and the differences of its values are within the tolerances, or it within rounding."""
    F, best, least = values(n), lowest(w, n, count), 4 * np.finfo(w.dtype).eps
    rtol, tiny = max(h.rtol, least), True
    level = w[F + highest(w, n, count, -1)] - w[F + best] <= h.fatol + rtol * abs(w[F + best])
    for j in range(count):
        for i in range(n):
            size = abs(w[HEAD + best * n + i])
            d = abs(w[HEAD + j * n + i] - w[HEAD + best * n + i])
            tiny = tiny and d <= least * size
            if d > h.xatol + rtol * size or not (level or tiny):
                return False
    return True


@part
def restarted(h, objective, box, limit, s):
    """Converged, where the last restart has found nothing lower; else a new simplex around the best point."""
    f, rtol = s.p.f, max(h.rtol, 4 * np.finfo(s.work.dtype).eps)
    if h.restart == 0 or s.work[LAST] - f <= h.fatol + rtol * abs(f):
        return XTOL
    s.work[LAST] = f
    s.work[RESTARTS] += 1
    build(objective, box, limit, s, -0.1 if s.work[RESTARTS] % 2 == 1 else 0.1)
    return RUNNING


@part
def centre(w, n, count, worst):
    """The mean of all points but the worst."""
    for i in range(n):
        total = 0.0
        for j in range(count):
            if j != worst:
                total += w[HEAD + j * n + i]
        w[centroid(n) + i] = total / (count - 1)


@part
def at(objective, box, s, t, worst):
    """fun at x(t) = c + t (c - x_worst), clipped onto the bounds; the point is in `trial`."""
    w, n = s.work, s.x.size
    for i in range(n):
        xi = (1 + t) * w[centroid(n) + i] - t * w[HEAD + worst * n + i]
        s.trial[i] = min(max(xi, box.lower[i]), box.upper[i])
    return tried(objective, box, s)


@part
def step(h, objective, box, limit, s, count, best, worst):
    """Replace the worst point by a better one, or shrink the simplex."""
    w, n, F = s.work, s.x.size, values(s.x.size)
    f_best, f_worst = w[F + best], w[F + worst]
    f_second = w[F + highest(w, n, count, worst)]
    k = max(count - 1, 2) if h.adaptive != 0 else 2
    f = at(objective, box, s, 1.0, worst)
    if f < f_best:
        t = 1 + 2 / k
    elif f < f_second:
        store(w, worst, s.trial, f)
        return
    else:
        t = 0.75 - 0.5 / k if f < f_worst else 0.5 / k - 0.75
    for i in range(n):
        w[reflected(n) + i] = s.trial[i]
    there = np.inf if exhausted(limit, s.p) else at(objective, box, s, t, worst)
    if there < min(f, f_worst) or (there == f and f < f_worst and t < 1):
        store(w, worst, s.trial, there)
    elif t > 1 or (exhausted(limit, s.p) and f < f_worst):
        store(w, worst, w[reflected(n) : reflected(n) + n], f)
    else:
        shrink(objective, box, limit, s, count, best, 1 - 1 / k)


@part
def shrink(objective, box, limit, s, count, best, sigma):
    """Move all points towards the best one, as far as evaluations are left."""
    w, n = s.work, s.x.size
    for j in range(count):
        if j == best or exhausted(limit, s.p):
            continue
        for i in range(n):
            xi = w[HEAD + best * n + i]
            s.trial[i] = min(max(xi + sigma * (w[HEAD + j * n + i] - xi), box.lower[i]), box.upper[i])
        store(w, j, s.trial, tried(objective, box, s))
