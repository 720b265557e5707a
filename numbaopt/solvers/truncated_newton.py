"""Newton's method with conjugate gradients inside a trust region: few evaluations, and products with the Hessian."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._compile import part
from .._memory import add_terms, borrow, no_sums
from .._solver import begin, iteration, solver, workspace
from ..drivers.objectives import evaluate, hessian_at, product_at
from ..drivers.solving import ROUNDING, RUNNING, accept, step_from
from ..linear.vectors import dot, largest

ACCEPTED, BAD, GOOD = 1e-4, 0.25, 0.75
"""Part of the decrease that the model promises: for a step to be taken, and for the radius to shrink and grow."""

RADIUS, FIRST, FRESH = 0, 1, 2
"""What is in `own`: the radius, |g| at x0, and whether x is the point of the Hessian."""


@solver(needs="product", bounded=False, names=("newton-cg", "truncatednewton", "trust-ncg"))
class NewtonCG(NamedTuple):
    """Truncated Newton: the quadratic model is minimised by conjugate gradients, within a radius that is adapted.

    ::

        minimise  m(z) = g.z + z.H z / 2  over |z / D| <= radius
        until |D (g + H z)| <= min(0.5, sqrt(|D g| / |D g_0|)) |D g|, or z meets the radius,
        or a direction d with d.H d <= 0 is found, along which z then goes to the radius
        ratio = (fun(x) - fun(x + z)) / -m(z);  x' = x + z if ratio > 0.0001
        radius' = |z / D| / 4 if ratio < 0.25, twice the radius if ratio > 0.75 and z meets it

    D are the scales of x (`x_scale`). H enters by its products with vectors: from `hessp` or `hess`; for a compiled
    `fun` with neither exactly, at the cost of four to eight evaluations of `fun` each (`numbaopt.hvp`); else by a
    difference of two gradients. `hessian` of the result says which, and `nhev` how many products (Hessians, for a
    compiled `hess`) there were; differences count in `nfev`.

    Raises
    ------
    ValueError
        By `minimize` where there are bounds, or `hess` or `hessp` but no exact gradient of a compiled `fun`.

    Notes
    -----
    T. Steihaug, "The conjugate gradient method and trust regions in large scale optimization", SIAM Journal on
    Numerical Analysis 20(3), 1983; J. Nocedal and S. J. Wright, Numerical Optimization, 2nd edition, 2006, algorithms
    4.1 and 7.2. It is what scipy calls trust-ncg; scipy's Newton-CG searches along a line instead. The first radius is
    max(1, |x0 / D|). Where the values at both ends differ by their rounding alone, a step is taken if the largest
    element of the gradient falls. The run ends with no success where neither does, or the radius is 0 beside x.

    Examples
    --------
    >>> import numba, numbaopt
    >>> @numba.njit
    ... def rosenbrock(x):
    ...     return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
    >>> res = numbaopt.minimize(rosenbrock, [-1.2, 1.0], method="newton-cg")
    >>> res.success, res.x.round(6).tolist(), res.hessian
    (True, [1.0, 1.0], 'autodiff')
    """


@workspace(NewtonCG)
def _(h, n, m):
    return 4 * n + 3 + n * m


@begin(NewtonCG)
def _(h, objective, box, limit, s):
    own = s.work[4 * s.x.size :]
    own[RADIUS] = max(1.0, norm(s.x, box))
    own[FIRST] = np.sqrt(inner(s.g, s.g, box, 1))


@part
def inner(a, b, box, power):
    """a.b of two steps by x / D (power -1), or of two gradients (power 1)."""
    total = no_sums(1)
    for i in range(a.size):
        weight = box.scale[i] if power > 0 else 1 / box.scale[i]
        total = add_terms(total, (weight * a[i] * (weight * b[i]),))
    return total[0]


@iteration(NewtonCG)
def _(h, objective, box, limit, s):
    n = s.x.size
    z, r, own, H = s.work[:n], s.work[n : 2 * n], s.work[4 * n :], borrow(s.work[4 * n + 3 :])
    if own[FRESH] == 0:
        hessian_at(objective, s.x, H, s.p)
        own[FRESH] = 1
    curved = step_within(objective, box, limit, s, np.float64(own[RADIUS]), own, H)
    length = norm(z, box)
    promised = -(dot(s.g, z) + dot(r, z)) / 2  # as H z = r - g
    if not promised > 0 or s.p.nfev + limit.cost > limit.maxfev:
        return RUNNING if s.p.nfev + limit.cost > limit.maxfev else ROUNDING
    step_from(s.x, 1.0, z, box, s.trial)
    f = evaluate(objective, box, s.trial, s.trial_g, s.p)
    if f == -np.inf:
        s.p.f = f
        return RUNNING
    ratio = agreement(s, f, promised)
    if ratio < BAD:
        own[RADIUS] = length / 4
    elif ratio > GOOD and length > 0.99 * own[RADIUS]:
        own[RADIUS] = min(own[RADIUS] * (2 if curved else 10), np.finfo(s.x.dtype).max / 10)
    if ratio > ACCEPTED:
        accept(s, f)
        own[FRESH] = 0
        return RUNNING
    tiny = np.finfo(s.x.dtype).eps
    lost = length <= tiny * norm(s.x, box) or promised <= tiny * abs(s.p.f) or own[RADIUS] == 0
    return ROUNDING if lost else RUNNING


@part
def agreement(s, f, promised):
    """The decrease of fun at the trial point over that of the model; -1 where the point is bad."""
    if not (abs(f) < np.inf and largest(s.trial_g) < np.inf and abs(dot(s.trial_g, s.trial_g)) < np.inf):
        return -1.0
    if abs(f - s.p.f) <= 4 * np.finfo(s.x.dtype).eps * abs(s.p.f):
        return 0.5 if largest(s.trial_g) < (1.0 if f <= s.p.f else 0.5) * largest(s.g) else -1.0
    return (s.p.f - f) / promised


@part
def step_within(objective, box, limit, s, radius, own, H):
    """z, and r = g + H z: algorithm 7.2; whether only positive curvature was met."""
    n = s.x.size
    z, r, d, Hd = s.work[:n], s.work[n : 2 * n], s.work[2 * n : 3 * n], s.work[3 * n : 4 * n]
    for i in range(n):
        z[i], r[i] = 0, s.g[i]
        d[i] = -box.scale[i] * box.scale[i] * r[i]
    rr = inner(r, r, box, 1)
    enough = min(0.5, np.sqrt(np.sqrt(rr) / own[FIRST])) * np.sqrt(rr)
    for _ in range(2 * n + 10):
        product_at(objective, box, s.x, s.g, H, d, Hd, (s.trial, s.trial_g), s.p)
        bend = dot(d, Hd)
        if not abs(bend) < np.inf:
            return True
        t = rr / bend if bend > 0 else np.inf
        end = to_radius(z, d, box, radius)
        for i in range(n):
            z[i] += min(t, end) * d[i]
            r[i] += min(t, end) * Hd[i]
        if t >= end:
            return bend > 0
        before, rr = rr, inner(r, r, box, 1)
        if np.sqrt(rr) <= enough or s.p.nfev + 2 * limit.cost > limit.maxfev:
            break
        for i in range(n):
            d[i] = rr / before * d[i] - box.scale[i] * box.scale[i] * r[i]
    return True


@part
def to_radius(z, d, box, radius):
    """t > 0 with |(z + t d) / D| = radius, without squares of the radius, which may be as long as x can get."""
    size, along = norm(d, box), inner(z, d, box, -1)
    c, part_of = along / size / radius, norm(z, box) / radius
    root = np.sqrt(c * c + max(1 - part_of * part_of, 0.0))
    return radius / size * (max(1 - part_of * part_of, 0.0) / (c + root) if c > 0 else root - c)


@part
def norm(a, box):
    """|a / D|, which only overflows where the result does."""
    size = 0.0
    for i in range(a.size):
        size = max(size, abs(a[i] / box.scale[i]))
    total = no_sums(1)
    for i in range(a.size):
        total = add_terms(total, ((a[i] / box.scale[i] / size) ** 2,))
    return size * np.sqrt(total[0]) if size > 0 else 0.0
