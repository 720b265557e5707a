"""L-BFGS-B: the Hessian learned from the last few gradients, within bounds, for any number of variables."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._compile import part
from .._memory import vector
from .._parameters import Range
from .._solver import begin, iteration, solver, workspace
from ..drivers.solving import ROUNDING, RUNNING, accept
from ..linear.vectors import scaled_norm
from ._cauchy import bounded_step
from ._limited_memory import BOUNDED, CHANGED, COUNT, NEXT, THETA, memory_of, quasi_newton, remember, size
from ._line_search import LONGEST, Wolfe, search

WOLFE = Wolfe(1e-3, 0.9, 0.1)

PAIRS = Range("be an integer in [1, 1000]", lambda m: m == int(m) and 1 <= m <= 1000)


@solver(names=("lbfgs", "l-bfgs-b"), memory=PAIRS)
class LBFGSB(NamedTuple):
    """L-BFGS with bounds: the method to try first on a smooth function.

    ::

        B = theta I - W M W^T, of the last `memory` pairs s = x' - x, y = g' - g;  theta = y.y / s.y
        z: the first minimum of the model g.z + z.B z / 2 along the path P(x - t g), the generalised Cauchy point
        d: its minimum over the variables that are not at a bound there, projected onto the bounds
        x' = x + t d, with t that satisfies the strong Wolfe conditions, tried first at 1

    Without bounds d = -B^-1 g. An iteration costs about 8 memory n multiplications, and within bounds some times that.

    Parameters
    ----------
    memory : int
        Pairs that are kept. More take fewer iterations, each of more time.

    Raises
    ------
    ValueError
        Where `memory` is no integer in [1, 1000].

    Notes
    -----
    R. H. Byrd, P. Lu, J. Nocedal and C. Zhu, "A limited memory algorithm for bound constrained optimization", SIAM
    Journal on Scientific Computing 16(5), 1995, algorithms CP and L-BFGS-B with its direct primal method; J. L. Morales
    and J. Nocedal, "Remark on Algorithm 778", ACM Transactions on Mathematical Software 38(1), 2011, for the
    projection. Differences from the program L-BFGS-B 3.0, which is in scipy: theta of the first iteration is |g|, not
    1, so that the scale of `fun` does not matter; all is in x / D, where D are the scales of x (`x_scale`); sums are in
    float64 for float32 too; points where fun is not finite are stepped back from; there is no tolerance on fun unless
    `ftol` is given; memory is 10 as in scipy (5 in the program).

    Examples
    --------
    >>> import numba, numbaopt
    >>> @numba.njit
    ... def rosenbrock(x):
    ...     return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
    >>> res = numbaopt.minimize(rosenbrock, [-1.2, 1.0], method="l-bfgs-b", bounds=[(None, 0.5), (None, None)])
    >>> res.success, res.x.round(6).tolist()
    (True, [0.5, 0.25])
    """

    memory: int = 10


@workspace(LBFGSB)
def _(h, n, m):
    return size(n, int(h.memory))


@begin(LBFGSB)
def _(h, objective, box, limit, s):
    own = memory_of(s.work, s.x.size, int(h.memory)).own
    for i in range(s.x.size):
        if box.lower[i] < box.upper[i] and (box.lower[i] > -np.inf or box.upper[i] < np.inf):
            own[BOUNDED] = 1
    norm = scaled_norm(box.scale, s.g)
    own[THETA] = norm if norm > 0 else 1


@iteration(LBFGSB)
def _(h, objective, box, limit, s):
    mem = memory_of(s.work, s.x.size, int(h.memory))
    own, d = mem.own, vector(mem.d, s.x.size)
    t, f, slope = 0.0, 0.0, 0.0
    while True:
        if direction(mem, s.x, s.g, box):
            slope, longest = ready(mem, s.x, s.g, box)
            if slope < 0:
                t, f, _ = search(objective, box, limit, s, d, slope, 1.0, longest, WOLFE)
        if t > 0:
            break
        if own[COUNT] == 0 or s.p.nfev + limit.cost > limit.maxfev:
            return ROUNDING if own[COUNT] == 0 else RUNNING
        own[COUNT], own[NEXT], own[CHANGED] = 0, 0, np.inf
    if f == -np.inf:
        s.p.f = f
        return RUNNING
    known = remember(mem, box, s.x, s.g, s.trial, s.trial_g, -np.finfo(s.x.dtype).eps * t * slope)
    if not known and own[COUNT] == 0:  # no curvature at all yet: longer steps
        own[THETA] /= t
    accept(s, f)
    return RUNNING


@part
def direction(mem, x, g, box):
    """d by x / D, and whether it could be found."""
    for i in range(mem.n):
        mem.g[i] = box.scale[i] * g[i]
    if mem.own[BOUNDED] > 0:
        return bounded_step(mem, x, box)
    quasi_newton(mem)
    return True


@part
def ready(mem, x, g, box):
    """d by x; its slope, and the longest step along it that is within the bounds, at least 1.

    Where x + d meets a bound, d goes beyond by its rounding, so that the point, which is projected, is the bound.
    """
    over, longest, slope = 1 + 4 * np.finfo(x.dtype).eps, LONGEST, 0.0
    for i in range(mem.n):
        d = mem.d[i] * box.scale[i]
        if d != 0:
            room = (box.upper[i] if d > 0 else box.lower[i]) - x[i]
            if abs(d) * over >= abs(room):
                d = room * over
            if abs(room) < longest * abs(d):
                longest = room / d
        mem.d[i] = d
        slope += mem.d[i] * g[i]
    return slope, max(longest, 1.0)
