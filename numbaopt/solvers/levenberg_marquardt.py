"""Levenberg-Marquardt: the method for sums of squares."""

import math
from typing import Any, NamedTuple

import numpy as np

from .._compile import part
from .._memory import borrow, integers, vector
from .._parameters import NONNEGATIVE, POSITIVE, Range, unchecked
from .._solver import begin, form, iteration, solver, workspace
from .._status import Status
from ..drivers.objectives import LOSSES, jacobian_at, residuals_at
from ..drivers.solving import FTOL, GTOL, ROUNDING, RUNNING, XTOL, accept, exhausted
from ..linear.least_squares import dot, factorise, model_change, norm, scaled_norm, trust_region_step
from .robust_losses import cost_of, reweighted

ROUND = {
    Status.GTOL: "Converged: every column of the Jacobian is orthogonal to the residuals to within gtol.",
    Status.FTOL: "Converged: neither the last step nor the model of the next one lowers the cost by a fraction of ftol.",
    Status.XTOL: "Converged: the trust region is smaller than xtol times the size of x.",
    Status.ROUNDING: (
        "Stopped: no step lowers the cost any more, but the residuals are not orthogonal to the Jacobian; the largest "
        "element of the {projected}gradient is {slope:.3g}. Is the Jacobian right? If jac is a difference, give an "
        "exact one."
    ),
    Status.MAXITER: (
        "Stopped after maxiter = {maxiter} iterations; the largest element of the {projected}gradient is {slope:.3g}. "
        "Raise `maxiter`, or start nearer to the solution."
    ),
    Status.MAXFEV: "Stopped after {maxfev} evaluations of the residuals (maxfev). Raise it, or start nearer.",
}


@solver(
    needs="residuals",
    names=("lm",),
    options={"gtol": None},
    messages=ROUND,
    ftol=NONNEGATIVE,
    xtol=NONNEGATIVE,
    gtol=NONNEGATIVE,
    factor=POSITIVE,
    f_scale=POSITIVE,
    loss=Range(f"be one of {', '.join(LOSSES)}", lambda v: False, accepts=lambda v: v in LOSSES),
)
class LevenbergMarquardt(NamedTuple):
    """Levenberg-Marquardt in a trust region, for a `fun` that returns a vector of residuals r.

    ::

        minimise  cost = 1/2 sum r_k^2        within the bounds
        (J^T J + lambda D^2) p = -J^T r       |D p| <= delta, lambda >= 0
        x = P(x + p)                          if the cost falls by at least 1e-4 of what the model predicts

    Parameters
    ----------
    ftol : float
        Tolerance on the relative fall of the cost, done and predicted.
    xtol : float
        Tolerance on the trust region relative to |D x|.
    gtol : float
        Tolerance on the cosine of the angle between the residuals and any column of J: free of units.
    factor : float
        First trust region: factor * |D x0|, or factor where that is 0.
    loss : {"linear", "soft_l1", "huber", "cauchy", "arctan"}
        cost = f_scale^2 / 2 * sum rho((r_k / f_scale)^2), with the rho of `scipy.optimize.least_squares`.
    f_scale : float
        Size of a residual from which on it is taken for an outlier.
    geodesic : bool
        Second-order correction of steps along the geodesic, at one more evaluation of the residuals in each.

    Raises
    ------
    TypeError, ValueError
        A hyper-parameter is of the wrong kind or out of its range.

    Examples
    --------
    >>> import numba, numpy as np, numbaopt
    >>> @numba.njit
    ... def residuals(b, t, y):
    ...     return b[0] * np.exp(-b[1] * t) - y
    >>> t = np.linspace(0, 4, 50)
    >>> res = numbaopt.minimize(residuals, [1.0, 1.0], args=(t, 3 * np.exp(-0.5 * t)), method="lm")
    >>> res.success, res.x.round(6).tolist()
    (True, [3.0, 0.5])

    Notes
    -----
    More, "The Levenberg-Marquardt Algorithm: Implementation and Theory" (1978), as in MINPACK's lmder: QR with pivoting,
    lambda by Newton's method on 1/|D p|, D the largest lengths that the columns of J have had. Bounds, which lmder has
    not: a variable at a bound that the gradient pushes against stays there, steps are projected, and judged by the
    model at the projected step. Robust losses by Triggs et al. (1999), as in scipy. Geodesic acceleration: Transtrum
    and Sethna, "Improvements to the Levenberg-Marquardt algorithm" (2012), equation 15, alpha = 0.75.
    """

    ftol: float = 1e-12
    xtol: float = 1e-10
    gtol: float = 1e-10
    factor: float = 100.0
    loss: Any = "linear"
    f_scale: float = 1.0
    geodesic: bool = False


@form(LevenbergMarquardt)
def _(h):
    values = h._asdict() | {"loss": LOSSES.index(h.loss)}
    return unchecked(type(h), values.values())


# --- what it keeps ---------------------------------------------------------------------------------------------------


class Fit(NamedTuple):
    """The parts of the workspace; R, order and f hold the factorised Jacobian at x."""

    order: Any  # (n,) int64: the columns of J, as R has them
    r: Any  # (m,) residuals at x
    trial_r: Any  # (m,)
    f: Any  # (m,) residuals with the weights of the loss; then Q^T f
    J: Any  # (n, m) transposed; used up by the factorisation
    R: Any  # (n, n)
    S: Any  # (n, n) R with damping
    D: Any  # (n,) scale of each variable
    norms: Any  # (n,)
    y: Any  # (n,)
    damping: Any  # (n,)
    p: Any  # (n,) the step is -p
    numbers: Any  # (2,) delta, lambda


DELTA, LAMBDA = 0, 1


@workspace(LevenbergMarquardt)
def _(h, n, m):
    return 2 * n + 3 * m + n * m + 2 * n * n + 5 * n + 2


@part
def fit_of(work, n, m):
    """The workspace by its parts."""
    order, at = vector(integers(borrow(work)), n), 2 * n
    r, trial_r, f = work[at : at + m], work[at + m : at + 2 * m], work[at + 2 * m : at + 3 * m]
    at += 3 * m
    J = work[at : at + n * m].reshape((n, m))
    at += n * m
    R, S = work[at : at + n * n].reshape((n, n)), work[at + n * n : at + 2 * n * n].reshape((n, n))
    at += 2 * n * n
    D, norms, y = work[at : at + n], work[at + n : at + 2 * n], work[at + 2 * n : at + 3 * n]
    damping, p, at = work[at + 3 * n : at + 4 * n], work[at + 4 * n : at + 5 * n], at + 5 * n
    return Fit(order, r, trial_r, f, J, R, S, D, norms, y, damping, p, work[at : at + 2])


# --- the method ------------------------------------------------------------------------------------------------------


@begin(LevenbergMarquardt)
def lm_begin(h, objective, box, limit, s):
    """Residuals, Jacobian and the first trust region."""
    w = fit_of(s.work, s.x.size, objective.m)
    residuals_at(objective, s.x, w.r, s.p)
    s.p.f = cost_of(h.loss, h.f_scale, w.r)
    linearise(h, objective, box, s, w)
    size = scaled_norm(w.D, s.x)
    w.numbers[DELTA] = h.factor * size if size > 0 else h.factor


@iteration(LevenbergMarquardt)
def lm(h, objective, box, limit, s):
    """Steps in a shrinking trust region until one lowers the cost."""
    w, cost = fit_of(s.work, s.x.size, objective.m), s.p.f
    if cost == 0 or orthogonal(w, s.g, math.sqrt(2 * cost), h.gtol):
        return GTOL
    while True:
        delta, par = w.numbers[DELTA], w.numbers[LAMBDA]
        par = trust_region_step(w.R, w.order, w.D, w.f, delta, par, w.S, w.y, w.damping, w.p)
        project_step(box, s, w.p)
        size = scaled_norm(w.D, w.p)
        if s.p.nit == 0:
            delta = min(delta, size)
        residuals_at(objective, s.trial, w.trial_r, s.p)
        trial_cost = cost_of(h.loss, h.f_scale, w.trial_r)
        fall = cost - trial_cost
        along, square = model_change(w.R, w.order, w.f, w.p)
        predicted = along - 0.5 * square
        ratio = fall / predicted if predicted > 0 else -1.0
        if ratio <= 0.25:
            shrink = 0.5 if fall >= 0 else max(0.5 * along / (along - fall), 0.1)
            delta, par = shrink * min(delta, 10 * size), par / shrink
        elif par == 0 or ratio >= 0.75:
            delta, par = 2 * size, 0.5 * par
        w.numbers[DELTA], w.numbers[LAMBDA] = delta, par
        if ratio >= 1e-4:
            w.r[:] = w.trial_r
            s.x[:] = s.trial
            s.p.f = trial_cost
            linearise(h, objective, box, s, w)
        status = converged(h, s, w, cost, fall, predicted, ratio)
        if status != RUNNING or ratio >= 1e-4 or exhausted(limit, s.p):
            return status


@part
def linearise(h, objective, box, s, w):
    """J at x, its gradient, and its factorisation without the variables that their bounds hold."""
    n, m = w.J.shape
    jacobian_at(objective, box, s.x, w.r, w.J, s.p)
    reweighted(h.loss, h.f_scale, w.r, w.J, w.f, np.finfo(w.J.dtype).eps)
    for i in range(n):
        s.g[i] = 0 if box.lower[i] == box.upper[i] else dot(w.J[i], w.f, 0, m)
        at_low, at_high = s.x[i] <= box.lower[i], s.x[i] >= box.upper[i]
        if (at_low and s.g[i] >= 0) or (at_high and s.g[i] <= 0):
            w.J[i, :] = 0
        w.norms[i] = norm(w.J[i], 0, m)
        if w.D[i] == 0 or (w.norms[i] > w.D[i]):
            w.D[i] = w.norms[i] if w.norms[i] > 0 else w.D[i]
    for i in range(n):
        w.damping[i] = w.norms[i]
        if w.D[i] == 0:
            w.D[i] = 1
    factorise(w.J, w.f, w.R, w.order, w.norms)
    for i in range(n):
        w.norms[i] = w.damping[i]


@part
def orthogonal(w, g, size, gtol):
    """Whether every column of J that is not held is orthogonal to the residuals."""
    for i in range(g.size):
        if w.norms[i] > 0 and abs(g[i]) > gtol * w.norms[i] * size:
            return False
    return True


@part
def project_step(box, s, p):
    """trial = P(x - p), and p what that really is."""
    for i in range(p.size):
        s.trial[i] = min(max(s.x[i] - p[i], box.lower[i]), box.upper[i])
        p[i] = s.x[i] - s.trial[i]


@part
def converged(h, s, w, cost, fall, predicted, ratio):
    """The tests of MINPACK, where ftol and xtol are at least the rounding."""
    eps = np.finfo(s.x.dtype).eps
    ftol, xtol = max(h.ftol, eps), max(h.xtol, eps)
    if abs(fall) <= ftol * cost and predicted <= ftol * cost and ratio <= 2:
        return FTOL
    if w.numbers[DELTA] <= xtol * scaled_norm(w.D, s.x):
        return XTOL
    return RUNNING
