"""The evolution strategy with covariance matrix adaptation, CMA-ES."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .._compile import inlined, part, plain
from .._memory import row, vector
from .._parameters import NONNEGATIVE, POSITIVE, Range, unchecked
from .._solver import begin, form, iteration, solver, workspace
from .._status import Status
from ..drivers.random import fill_normal, uniform
from ..drivers.solving import FTOL, ROUNDING, RUNNING, XTOL, exhausted, tried
from ._covariance import AGE, COUNT, DECOMPOSED, HEAD, LAMBDA, NEXT, RUN, SIGMA, learn, parts, span

MESSAGES = {
    Status.FTOL: "Converged: the values of the last generations differ by less than tolfun = {hyper.tolfun:.3g}.",
    Status.XTOL: (
        "Converged: the steps are below tolx = {hyper.tolx:.3g} of the first ones, or below the rounding of x."
    ),
    Status.ROUNDING: (
        "Stopped: the condition number of the covariance matrix has passed tolcond = {hyper.tolcond:.3g}, or what the "
        "precision of x allows. The best point may lie in a very narrow valley: rescale the parameters by `x_scale`, "
        "or start from it again."
    ),
}


@solver(
    needs="value",
    names=("cma-es", "cma"),
    messages=MESSAGES,
    seeded=True,
    tolerances=("tolfun", "tolx"),
    sigma0=POSITIVE._replace(accepts=lambda v: v is None),
    popsize=Range("be an integer >= 4, or None", lambda v: 4 <= v == v // 1, accepts=lambda v: v is None),
    restarts=Range("be an integer in [0, 20]", lambda v: 0 <= v == v // 1 <= 20),
    tolfun=NONNEGATIVE,
    tolx=NONNEGATIVE,
    tolcond=POSITIVE,
)
class CMAES(NamedTuple):
    """CMA-ES: normal random points around a mean; their ranking moves the mean, the step size and the covariance.

    ::

        x_k = m + sigma y_k,  y_k = B D z_k,  z_k ~ N(0, I),  C = B D^2 B^T      k = 1..lambda, sorted by fun(x_k)
        y   = sum_{k <= mu} w_k y_k;          m <- m + sigma y
        p_s <- (1 - c_s) p_s + sqrt(c_s (2 - c_s) mu_eff) C^{-1/2} y
        sigma <- sigma exp(c_s / d_s (|p_s| / E|N(0, I)| - 1))
        p_c <- (1 - c_c) p_c + h_s sqrt(c_c (2 - c_c) mu_eff) y
        C   <- (1 - c_1 - c_mu sum w) C + c_1 p_c p_c^T + c_mu sum_k w_k y_k y_k^T

    The search is in x divided by the first standard deviations, so that sigma = 1 and C = I at the start.

    Parameters
    ----------
    sigma0 : float or None
        First standard deviation of every element, in units of `x_scale`. None: 0.3 of the distance of its bounds where
        both are finite, else 0.3 max(|x0|, x_scale).
    popsize : int or None
        Points of a generation, lambda; None: 4 + floor(3 ln n). More of them make the search more global and slower.
    active : bool
        Also use the worse half, with negative weights, for C.
    restarts : int
        How often to start anew when a run has ended, with twice the points (IPOP): from a random point inside finite
        bounds, else from a normal random one around x0. The best point of all runs is the answer.
    tolfun : float
        Stop when the best values of the last 10 + ceil(30 n / lambda) generations, and all of the last one, differ by
        at most this (and 4 roundings of fun).
    tolx : float
        Stop when the standard deviations, and the path p_c, are this small relative to the first ones.
    tolcond : float
        Stop when the condition number of C is above this, or above 0.02 / machine epsilon.

    Raises
    ------
    ValueError
        A number is out of its range.

    Notes
    -----
    Hansen, "The CMA Evolution Strategy: A Tutorial", arXiv:1604.00772 (2016), figure 6 and table 1, with the
    termination tests TolFun, TolX and ConditionCov of its section B.3; the others are left out. Restarts are of Auger
    and Hansen, "A restart CMA evolution strategy with increasing population size", CEC 2005. Bounds: fun is evaluated
    at points mirrored into the box, as often as needed, while the search goes on with those that were drawn; so fun is
    continued without bounds, and a minimum on a bound is one inside. Points where fun is NaN or inf are the worst; when
    all of a generation are, sigma is halved. C is decomposed by Jacobi rotations that start from the last
    decomposition, which allocates nothing, to a relative precision of 1e-6: that much does not show in samples.
    The random numbers are splitmix64's: `seed` among the options of minimize() gives the same run again.

    Examples
    --------
    >>> import numbaopt
    >>> from numbaopt.problems import rosenbrock
    >>> res = numbaopt.minimize(rosenbrock, [-1.0, 1.0, 2.0], method="cma-es", options={"seed": 1})
    >>> res.success, [round(float(v), 6) for v in res.x]
    (True, [1.0, 1.0, 1.0])
    """

    sigma0: float | None = None
    popsize: int | None = None
    active: bool = True
    restarts: int = 0
    tolfun: float = 1e-12
    tolx: float = 1e-12
    tolcond: float = 1e14


@form(CMAES)
def _(h):
    return unchecked(CMAES, (float(value or 0) for value in h))  # one compilation for all


@inlined
def population(h, k):
    """Points of a generation of the first run."""
    return int(h.popsize) if h.popsize > 0 else 4 + math.floor(3 * math.log(k))


@inlined
def largest(h, n):
    """Points of a generation of the last run."""
    return population(h, n) * 2 ** int(h.restarts)


@workspace(CMAES)
def _(h, n, m):
    most = plain(population)(h, n) * 2 ** int(h.restarts)
    return HEAD + 9 * n + 3 * n * n + 2 * most * n + 3 * most + plain(span)(n, 4)


@begin(CMAES)
def _(h, objective, box, limit, s):
    k = 0
    for i in range(s.x.size):
        if box.lower[i] < box.upper[i]:
            s.work[HEAD + k] = i
            k += 1
        s.trial[i] = s.x[i]  # once for those that stay
    s.work[COUNT] = k
    w = parts(s.work, k, largest(h, s.x.size))
    for j in range(k):
        i = int(w.free[j])
        width, x = box.upper[i] - box.lower[i], s.x[i]
        typical = 0.3 * (width if width < np.inf else max(abs(x), box.scale[i]))
        w.start[j] = x
        w.std[j] = h.sigma0 * box.scale[i] if h.sigma0 > 0 else typical
    new_run(h, box, s, w)
    if k > 0 and not s.p.f < np.inf:  # fun is not finite at x0
        generation(h, objective, box, limit, s, w)


@iteration(CMAES)
def _(h, objective, box, limit, s):
    if s.work[COUNT] == 0:
        return XTOL
    w = parts(s.work, int(s.work[COUNT]), largest(h, s.x.size))
    status = generation(h, objective, box, limit, s, w)
    if status != RUNNING and w.head[RUN] < h.restarts:
        w.head[RUN] += 1
        new_run(h, box, s, w)
        return RUNNING
    return status


# --- a run -----------------------------------------------------------------------------------------------------------


@part
def new_run(h, box, s, w):
    """Begin a run: sigma = 1, C = I, no paths; the mean is x0 in the first and random in others."""
    k, run = w.k, int(w.head[RUN])
    w.head[SIGMA], w.head[LAMBDA] = 1, population(h, max(k, 1)) * 2**run
    w.head[NEXT] = w.head[AGE] = w.head[DECOMPOSED] = 0
    fill_normal(s.random, vector(w.u, k))
    for j in range(k):
        low, high = box.lower[int(w.free[j])], box.upper[int(w.free[j])]
        w.mean[j] = w.start[j]
        if run > 0 and high - low < np.inf:
            w.mean[j] = low + uniform(s.random) * (high - low)
        elif run > 0:
            w.mean[j] += w.std[j] * w.u[j]
        w.p_s[j] = w.p_c[j] = 0
        w.d[j] = 1
        for i in range(k):
            w.C[j * k + i] = w.B[j * k + i] = i == j


@part
def generation(h, objective, box, limit, s, w):
    """Draw, evaluate, rank and learn; its status."""
    size = int(w.head[LAMBDA])
    if w.head[NEXT] == 0:
        draw(s, w, size)
        w.head[NEXT] = 1
    while w.head[NEXT] <= size:
        if exhausted(limit, s.p):
            return RUNNING
        j = int(w.head[NEXT]) - 1
        w.f[j] = value(objective, box, s, w, j)
        w.head[NEXT] += 1
    w.head[NEXT] = 0
    rank(w, size)
    w.best[int(w.head[AGE]) % span(w.k, 4)] = w.f[int(w.order[0])]
    w.head[AGE] += 1
    if w.f[int(w.order[0])] == np.inf:
        w.head[SIGMA] /= 2
        return RUNNING
    learn(w, size, h.active != 0)
    return verdict(h, s, w, size)


@part
def draw(s, w, size):
    """z ~ N(0, I) and y = B D z."""
    k = w.k
    for j in range(size):
        z, y = vector(row(w.Z, j, k), k), vector(row(w.Y, j, k), k)
        fill_normal(s.random, z)
        for i in range(k):
            y[i] = 0
        for p in range(k):
            t = w.d[p] * z[p]
            for i in range(k):
                y[i] += t * w.B[p * k + i]


@part
def value(objective, box, s, w, j):
    """fun at x_j = m + sigma y_j, mirrored into the bounds."""
    k = w.k
    for i in range(k):
        to = int(w.free[i])
        x = mirrored(w.mean[i] + w.head[SIGMA] * w.std[i] * w.Y[j * k + i], box.lower[to], box.upper[to])
        s.trial[to] = min(max(x, box.lower[to]), box.upper[to])
    return tried(objective, box, s)


@part
def mirrored(x, low, high):
    """x folded at the bounds until it is inside."""
    if low <= x <= high:
        return x
    if not high - low < np.inf:
        return 2 * low - x if x < low else 2 * high - x
    width = high - low
    t = (x - low) % (2 * width)
    return low + (t if t <= width else 2 * width - t)


@part
def rank(w, size):
    """`order`: indices by value, by insertion; those of equal value in their order."""
    for j in range(size):
        i = j
        while i > 0 and w.f[int(w.order[i - 1])] > w.f[j]:
            w.order[i] = w.order[i - 1]
            i -= 1
        w.order[i] = j


# --- termination -----------------------------------------------------------------------------------------------------


@part
def verdict(h, s, w, size):
    """TolX, TolFun and ConditionCov."""
    k, sigma, eps = w.k, w.head[SIGMA], np.finfo(w.head.dtype).eps
    done, most, least = True, 0.0, np.inf
    for i in range(k):
        std = math.sqrt(max(w.C[i * k + i], 0))
        seen = 0.2 * sigma * std * w.std[i] > 0.5 * eps * abs(w.mean[i])
        done = done and (not seen or sigma * max(std, abs(w.p_c[i])) < h.tolx)
        most, least = max(most, w.d[i]), min(least, w.d[i])
    if done:
        return XTOL
    if spread(w, size) <= h.tolfun + 4 * eps * abs(s.p.f):
        return FTOL
    if most * most > min(h.tolcond, 0.02 / eps) * least * least:
        return ROUNDING
    return RUNNING


@part
def spread(w, size):
    """How much the best values of the last generations, and all values of the last, differ."""
    age, count = int(w.head[AGE]), span(w.k, size)
    if age < count:
        return np.inf
    low, high = np.inf, -np.inf
    for j in range(size):
        low, high = min(low, w.f[j]), max(high, w.f[j])
    for j in range(age - count, age):
        f = w.best[j % span(w.k, 4)]
        low, high = min(low, f), max(high, f)
    return high - low
