"""Levenberg-Marquardt: the method for sums of squares."""

import math
from typing import Any, NamedTuple

import numpy as np

from .._compile import inlined_part, part
from .._parameters import NONNEGATIVE, POSITIVE, Range, unchecked
from .._solver import begin, form, iteration, solver, workspace
from .._status import Status
from ..drivers.objectives import LOSSES, gives_both, jacobian_at, residuals_at
from ..drivers.solving import FLAT, FTOL, GTOL, ROUNDING, RUNNING, XTOL, exhausted
from ..linear.least_squares import damped_solution, model_change, rotate, trust_region_step
from ..linear.vectors import copy, scaled_norm
from ._linearised import DELTA, LAMBDA, fit_of, linearise, numbers_of
from .robust_losses import cost_of

MESSAGES = {
    Status.GTOL: "Converged: every column of the Jacobian is orthogonal to the residuals to within gtol.",
    Status.FTOL: "Converged: the last step, or the model of the next one, lowers the cost by less than ftol, relative.",
    Status.XTOL: "Converged: the next step, or the trust region, is smaller than xtol times the size of x.",
    Status.ROUNDING: (
        "Stopped: no step lowers the cost any more, but the residuals are not orthogonal to the Jacobian; the largest "
        "element of the {projected}gradient is {slope:.3g}. Is the Jacobian right? If jac is a difference, give an "
        "exact one."
    ),
    Status.FLAT: (
        "Stopped: a variable has lost all influence on the residuals, which is no minimum: the steps led to where the "
        "model is flat. Start nearer to the solution, give `bounds`, or a smaller first step (`factor`)."
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
    messages=MESSAGES,
    ftol=NONNEGATIVE,
    xtol=NONNEGATIVE,
    gtol=NONNEGATIVE,
    factor=POSITIVE,
    f_scale=POSITIVE,
    conflict=lambda h: "geodesic goes with loss='linear' only" if h.geodesic and h.loss != "linear" else "",
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
        Second-order correction of steps, at two more evaluations of the residuals in each: fewer steps in long curved
        valleys. With loss="linear".

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
    More, "The Levenberg-Marquardt Algorithm: Implementation and Theory" (1978), as in MINPACK's lmder: pivoted QR,
    lambda by Newton's method on 1/|D p|, D the largest lengths that the columns of J have had. Bounds, which lmder has
    not: a variable at a bound that the gradient pushes against stays there, steps are projected, and judged by the
    model at the projected step. Robust losses by Triggs et al. (1999), as in scipy. Geodesic acceleration: Transtrum
    and Sethna, "Improvements to the Levenberg-Marquardt algorithm" (2012), equation 15, alpha = 0.75.
    """

    ftol: float = 1e-14
    xtol: float = 1e-8
    gtol: float = 1e-10
    factor: float = 1.0
    loss: Any = "linear"
    f_scale: float = 1.0
    geodesic: bool = False


@form(LevenbergMarquardt)
def _(h):
    values = h._asdict() | {"loss": LOSSES.index(h.loss)}
    return unchecked(type(h), values.values())


LOST = 1e-14
"""Length of a column of J, relative to the largest that it has had, at which its variable does nothing any more."""


@workspace(LevenbergMarquardt)
def _(h, n, m):
    return numbers_of(n, m)


# --- the method ------------------------------------------------------------------------------------------------------


@begin(LevenbergMarquardt)
def lm_begin(h, objective, box, limit, s):
    """Residuals, Jacobian and the first trust region."""
    w = fit_of(s.work, s.x.size, objective.m)
    evaluate(objective, box, s.x, w.r, w.J, s.p, h.geodesic is None)
    s.p.f = cost_of(h.loss, h.f_scale, w.r)
    linearise(h, objective, box, s, w, h.geodesic is None)
    size = scaled_norm(w.D, s.x)
    w.numbers[DELTA] = h.factor * size if size > 0 else h.factor


@iteration(LevenbergMarquardt)
def lm(h, objective, box, limit, s):
    """Steps in a shrinking trust region until one lowers the cost."""
    w, cost = fit_of(s.work, s.x.size, objective.m), s.p.f
    if cost == 0 or orthogonal(w, s.g, math.sqrt(2 * cost), h.gtol):
        return settled(GTOL, w)
    while True:
        delta, par = w.numbers[DELTA], w.numbers[LAMBDA]
        par = trust_region_step(w.R, w.order, w.D, w.f, delta, par, w.S, w.y, w.damping, w.p)
        whole = project_step(box, s, w.p)
        size = scaled_norm(w.D, w.p)
        along, square = model_change(w.R, w.order, w.f, w.p)
        predicted = along - 0.5 * square
        if whole and par == 0 and predicted <= h.ftol * cost:
            return settled(FTOL, w)
        if whole and par == 0 and size <= h.xtol * scaled_norm(w.D, s.x):
            return settled(XTOL, w)
        if h.geodesic is not None:
            bend(objective, box, s, w, par)
            project_step(box, s, w.p)
        evaluate(objective, box, s.trial, w.trial_r, w.J, s.p, h.geodesic is None)
        trial_cost = cost_of(h.loss, h.f_scale, w.trial_r)
        fall = cost - trial_cost
        ratio = fall / predicted if predicted > 0 else -1.0
        if s.p.nit == 0:
            delta = min(delta, size)
        if ratio <= 0.25:
            shrink = 0.5 if fall >= 0 else max(0.5 * along / (along - fall), 0.1) if along > 0 else 0.1
            delta, par = shrink * min(delta, 10 * size), par / shrink
        elif par == 0 or ratio >= 0.75:
            delta, par = 2 * size, 0.5 * par
        w.numbers[DELTA], w.numbers[LAMBDA] = delta, par
        if ratio >= 1e-4:
            copy(w.trial_r, w.r)
            copy(s.trial, s.x)
            s.p.f = trial_cost
            linearise(h, objective, box, s, w, h.geodesic is None)
        status = converged(h, s, w, cost, fall, predicted, ratio)
        if status != RUNNING or ratio >= 1e-4 or exhausted(limit, s.p):
            return status


@inlined_part
def evaluate(objective, box, x, r, J, p, may):
    """The residuals at x; with the Jacobian where they come together and that `may` be: most steps are accepted."""
    if may and gives_both(objective):
        jacobian_at(objective, box, x, r, J, p)
        p.nfev += 1
    else:
        residuals_at(objective, x, r, p)


@inlined_part
def orthogonal(w, g, size, gtol):
    """Whether every column of J that is not held is orthogonal to the residuals."""
    steepest = 0.0
    for i in range(g.size):
        if w.norms[i] > 0:
            steepest = max(steepest, abs(g[i]) / w.norms[i])
    return steepest <= gtol * size


@inlined_part
def project_step(box, s, p):
    """trial = P(x - p), and p what that really is; whether that is all of p."""
    whole = True
    for i in range(p.size):
        wanted = s.x[i] - p[i]
        s.trial[i] = min(max(wanted, box.lower[i]), box.upper[i])
        whole = whole and s.trial[i] == wanted
        p[i] = s.x[i] - s.trial[i]
    return whole


@part
def bend(objective, box, s, w, par):
    """Add half the geodesic acceleration to the step: p -= a / 2 where |D a| <= 0.75 |D p|.

    (J^T J + par D^2) a = -J^T r_vv, r_vv the second derivative of the residuals along the step v = -p, taken by
    differences; where those would leave the bounds the step stays straight.
    """
    n, h = w.p.size, 0.1
    for i in range(n):
        reach = h * abs(w.p[i])
        if s.x[i] - reach < box.lower[i] or s.x[i] + reach > box.upper[i]:
            return
    for sign in (1, -1):
        for i in range(n):
            s.trial[i] = s.x[i] - sign * h * w.p[i]
        residuals_at(objective, s.trial, w.bent if sign > 0 else w.trial_r, s.p)
    for k in range(w.r.size):
        w.bent[k] = -(w.bent[k] - 2 * w.r[k] + w.trial_r[k]) / (h * h)
    rotate(w.J, w.order, w.bent)
    for i in range(n):
        w.damping[i] = math.sqrt(par) * w.D[i]
    damped_solution(w.R, w.order, w.damping, w.bent, w.S, w.y, w.a)
    if scaled_norm(w.D, w.a) <= 0.75 * scaled_norm(w.D, w.p):
        for i in range(n):
            w.p[i] -= 0.5 * w.a[i]


@inlined_part
def converged(h, s, w, cost, fall, predicted, ratio):
    """The tests of MINPACK after a step, where ftol and xtol are at least the rounding.

    MINPACK counts it as convergence too when one step after the other disappoints until the trust region is xtol. With
    a wrong Jacobian that happens anywhere: so it counts only where J is orthogonal to the residuals to within what
    rounding of those, and of x, can do.
    """
    eps = np.finfo(s.x.dtype).eps
    ftol, xtol = max(h.ftol, eps), max(h.xtol, eps)
    if abs(fall) <= ftol * cost and abs(predicted) <= ftol * cost and ratio <= 2:
        return settled(FTOL, w)
    if w.numbers[DELTA] <= xtol * scaled_norm(w.D, s.x):
        size = math.sqrt(2 * cost)
        noise = 100 * math.sqrt(eps) + 10 * eps * scaled_norm(w.norms, s.x) / size
        return settled(XTOL if ratio >= 0.25 or orthogonal(w, s.g, size, noise) else ROUNDING, w)
    return RUNNING


@inlined_part
def settled(status, w):
    """`status`, unless a variable that had influence on the residuals has lost all of it: that is no minimum."""
    for i in range(w.D.size):
        if 0 < w.norms[i] < LOST * w.D[i]:
            return FLAT
    return status
