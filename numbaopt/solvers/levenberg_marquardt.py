"""Levenberg-Marquardt: the method for sums of squares."""

import math
from typing import Any, NamedTuple

import numpy as np

from .._compile import inlined_part, kernel, part
from .._memory import borrow, integers, line, matrix, row, vector
from .._parameters import NONNEGATIVE, POSITIVE, Range, unchecked
from .._solver import begin, form, iteration, solver, workspace
from .._status import Status
from ..drivers.objectives import LOSSES, gives_both, jacobian_at, residuals_at
from ..drivers.solving import FLAT, FTOL, GTOL, RUNNING, XTOL, Iterate, exhausted
from ..drivers.sweep import owned
from ..linear.least_squares import (
    damped_solution,
    factorise,
    inverse_of_square,
    model_change,
    rotate,
    scaled_norm,
    trust_region_step,
)
from ..linear.vectors import clear, copy, dot, norm
from .robust_losses import cost_of, reweighted

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
    a: Any  # (n,) geodesic acceleration
    bent: Any  # (m,) second derivative of the residuals along the step


DELTA, LAMBDA = 0, 1

LOST = 1e-14
"""Length of a column of J, relative to the largest that it has had, at which its variable does nothing any more."""


@workspace(LevenbergMarquardt)
def _(h, n, m):
    return 2 * n + 4 * m + n * m + 2 * n * n + 6 * n + 2


@inlined_part
def fit_of(work, n, m):
    """The workspace by its parts."""
    at = borrow(work)
    order, r, trial_r, f = vector(integers(at), n), part_of(at, 2 * n, m), part_of(at, 2 * n + m, m), 2 * n + 2 * m
    bent, at = part_of(at, f + m, m), at
    J = matrix(row(at, f + 2 * m, 1), n, m)
    end = f + 2 * m + n * m
    R, S = matrix(row(at, end, 1), n, n), matrix(row(at, end + n * n, 1), n, n)
    end += 2 * n * n
    D, norms, y = part_of(at, end, n), part_of(at, end + n, n), part_of(at, end + 2 * n, n)
    damping, p, a = part_of(at, end + 3 * n, n), part_of(at, end + 4 * n, n), part_of(at, end + 5 * n, n)
    numbers = part_of(at, end + 6 * n, 2)
    return Fit(order, r, trial_r, part_of(at, f, m), J, R, S, D, norms, y, damping, p, numbers, a, bent)


@inlined_part
def part_of(pointer, first, size):
    """The vector of `size` elements from number `first` on."""
    return vector(row(pointer, first, 1), size)


def residuals_of(work, n, m):
    """The residuals at x that a workspace has."""
    return work[2 * n : 2 * n + m].copy()


# --- the method ------------------------------------------------------------------------------------------------------


@begin(LevenbergMarquardt)
def lm_begin(h, objective, box, limit, s):
    """Residuals, Jacobian and the first trust region."""
    w = fit_of(s.work, s.x.size, objective.m)
    evaluate(objective, box, s.x, w.r, w.J, s.p, True)
    s.p.f = cost_of(h.loss, h.f_scale, w.r)
    linearise(h, objective, box, s, w, True)
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
        project_step(box, s, w.p)
        size = scaled_norm(w.D, w.p)
        along, square = model_change(w.R, w.order, w.f, w.p)
        predicted = along - 0.5 * square
        if par == 0 and predicted <= h.ftol * cost:
            return settled(FTOL, w)
        if par == 0 and size <= h.xtol * scaled_norm(w.D, s.x):
            return settled(XTOL, w)
        if h.geodesic is not None:
            bend(objective, s, w, par)
            project_step(box, s, w.p)
        evaluate(objective, box, s.trial, w.trial_r, w.J, s.p, h.geodesic is None)
        trial_cost = cost_of(h.loss, h.f_scale, w.trial_r)
        fall = cost - trial_cost
        ratio = fall / predicted if predicted > 0 else -1.0
        if s.p.nit == 0:
            delta = min(delta, size)
        if ratio <= 0.25:
            shrink = 0.5 if fall >= 0 else max(0.5 * along / (along - fall), 0.1)
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
def linearise(h, objective, box, s, w, may):
    """J at x, its gradient, and its factorisation without the variables that their bounds hold."""
    n = s.x.size
    if not (may and gives_both(objective)):
        jacobian_at(objective, box, s.x, w.r, w.J, s.p)
    weigh(h, box, s, w)
    for i in range(n):
        at_low, at_high = s.x[i] <= box.lower[i], s.x[i] >= box.upper[i]
        if (at_low and s.g[i] >= 0) or (at_high and s.g[i] <= 0):
            clear(line(w.J, i))
        w.norms[i] = norm(line(w.J, i))
        if w.D[i] == 0 or (w.norms[i] > w.D[i]):
            w.D[i] = w.norms[i] if w.norms[i] > 0 else w.D[i]
    for i in range(n):
        if w.D[i] == 0:
            w.D[i] = 1
    copy(w.norms, w.damping)
    factorise(w.J, w.f, w.R, w.order, w.norms)
    copy(w.damping, w.norms)


@inlined_part
def jacobian_with_weights(h, objective, box, s, w):
    """J at x with the weights of the loss, and the weighted residuals; the gradient goes to s.g."""
    jacobian_at(objective, box, s.x, w.r, w.J, s.p)
    weigh(h, box, s, w)


@inlined_part
def weigh(h, box, s, w):
    """Give J and the residuals the weights of the loss; the gradient goes to s.g."""
    reweighted(h.loss, h.f_scale, w.r, w.J, w.f, np.finfo(w.J.dtype).eps)
    for i in range(s.x.size):
        if box.lower[i] == box.upper[i]:
            clear(line(w.J, i))
        s.g[i] = dot(line(w.J, i), w.f)


@kernel
def at_solution(objective, h, space, state, J, C):
    """Fill J, transposed, and C = (J^T J)^-1 at the point of a finished run; whether the latter exists.

    J has the weights of the loss. Variables at a bound count as free, those whose bounds are equal have variance 0.
    """
    st, n = borrow(state), state.x.shape[1]
    box, x, g = owned(borrow(space), n), vector(row(st.x, 0, n), n), vector(row(st.g, 0, n), n)
    s = Iterate(x, g, x, g, vector(st.slots, state.slots.size), vector(st.carry, 1), st.progress)
    w = fit_of(s.work, n, objective.m)
    jacobian_with_weights(h, objective, box, s, w)
    for i in range(n):
        copy(line(w.J, i), line(J, i))
    factorise_all(w)
    return inverse_gram(box, w, C)


@part
def factorise_all(w):
    """Factorise J with all its columns, those of variables at a bound too; J is used up."""
    for i in range(w.D.size):
        w.norms[i] = w.damping[i] = norm(line(w.J, i))
    factorise(w.J, w.f, w.R, w.order, w.norms)
    copy(w.damping, w.norms)


@inlined_part
def inverse_gram(box, w, C):
    """C = (J^T J)^-1 of the factorised J; whether it exists."""
    for i in range(w.D.size):
        if w.norms[i] == 0 and box.lower[i] < box.upper[i]:
            return False
    return inverse_of_square(w.R, w.order, w.norms, w.S, C)


@part
def covariance_at(objective, h, box, s, C):
    """C = (J^T J)^-1 at the point of a finished run, whose J is still factorised; whether it exists."""
    w, held = fit_of(s.work, s.x.size, objective.m), False
    for i in range(s.x.size):
        held = held or (w.norms[i] == 0 and box.lower[i] < box.upper[i])
    if held:
        njev, nfev = s.p.njev, s.p.nfev
        jacobian_with_weights(h, objective, box, s, w)
        factorise_all(w)
        s.p.njev, s.p.nfev = njev, nfev
    return inverse_gram(box, w, C)


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
    """trial = P(x - p), and p what that really is."""
    for i in range(p.size):
        s.trial[i] = min(max(s.x[i] - p[i], box.lower[i]), box.upper[i])
        p[i] = s.x[i] - s.trial[i]


@part
def bend(objective, s, w, par):
    """Add half the geodesic acceleration to the step: p -= a / 2 where |D a| <= 0.75 |D p|.

    (J^T J + par D^2) a = -J^T r_vv, r_vv the second derivative of the residuals along the step v = -p.
    """
    n, h = w.p.size, 0.1
    for sign in (1, -1):
        for i in range(n):
            s.trial[i] = s.x[i] - sign * h * w.p[i]
        residuals_at(objective, s.trial, w.bent if sign > 0 else w.trial_r, s.p)
    for k in range(w.r.size):
        w.bent[k] = -(w.bent[k] - 2 * w.r[k] + w.trial_r[k]) / (h * h)
    rotate(w.J, w.bent)
    for i in range(n):
        w.damping[i] = math.sqrt(par) * w.D[i]
    damped_solution(w.R, w.order, w.damping, w.bent, w.S, w.y, w.a)
    if scaled_norm(w.D, w.a) <= 0.75 * scaled_norm(w.D, w.p):
        for i in range(n):
            w.p[i] -= 0.5 * w.a[i]


@inlined_part
def converged(h, s, w, cost, fall, predicted, ratio):
    """The tests of MINPACK after a step, where ftol and xtol are at least the rounding."""
    eps = np.finfo(s.x.dtype).eps
    ftol, xtol = max(h.ftol, eps), max(h.xtol, eps)
    if abs(fall) <= ftol * cost and predicted <= ftol * cost and ratio <= 2:
        return settled(FTOL, w)
    if w.numbers[DELTA] <= xtol * scaled_norm(w.D, s.x):
        return settled(XTOL, w)
    return RUNNING


@inlined_part
def settled(status, w):
    """`status`, unless a variable that had influence on the residuals has lost all of it: that is no minimum."""
    for i in range(w.D.size):
        if 0 < w.norms[i] < LOST * w.D[i]:
            return FLAT
    return status
