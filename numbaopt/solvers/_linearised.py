"""The workspace of Levenberg-Marquardt: residuals, their Jacobian at x with its factorisation, and the trust region."""

from typing import Any, NamedTuple

import numpy as np

from .._compile import inlined_part, part
from .._memory import borrow, line, matrix, reinterpreted, row, vector
from ..drivers.objectives import gives_both, jacobian_at
from ..linear.least_squares import factorise
from ..linear.vectors import clear, copy, dot_and_square, root_of
from .robust_losses import reweighted


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
"""Where `Fit.numbers` has them."""


def numbers_of(n, m):
    """How many numbers the workspace takes."""
    return 2 * n + 4 * m + n * m + 2 * n * n + 6 * n + 2


@inlined_part
def fit_of(work, n, m):
    """The workspace by its parts."""
    at = borrow(work)
    order = vector(reinterpreted(at, np.int64(0)), n)
    r, trial_r = part_of(at, 2 * n, m), part_of(at, 2 * n + m, m)
    f, bent = part_of(at, 2 * n + 2 * m, m), part_of(at, 2 * n + 3 * m, m)
    end = 2 * n + 4 * m
    J = matrix(row(at, end, 1), n, m)
    end += n * m
    R, S = matrix(row(at, end, 1), n, n), matrix(row(at, end + n * n, 1), n, n)
    end += 2 * n * n
    D, norms, y = part_of(at, end, n), part_of(at, end + n, n), part_of(at, end + 2 * n, n)
    damping, p, a = part_of(at, end + 3 * n, n), part_of(at, end + 4 * n, n), part_of(at, end + 5 * n, n)
    numbers = part_of(at, end + 6 * n, 2)
    return Fit(order, r, trial_r, f, J, R, S, D, norms, y, damping, p, numbers, a, bent)


@inlined_part
def part_of(pointer, first, size):
    """The vector of `size` elements from number `first` on."""
    return vector(row(pointer, first, 1), size)


def residuals_of(work, n, m):
    """The residuals at x that a workspace has."""
    return work[2 * n : 2 * n + m].copy()


@part
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
            w.norms[i] = 0
        if w.D[i] == 0 or (w.norms[i] > w.D[i]):
            w.D[i] = w.norms[i] if w.norms[i] > 0 else w.D[i]
    for i in range(n):
        if w.D[i] == 0:
            w.D[i] = 1
    factorise_columns(w)


@part
def factorise_columns(w):
    """Factorise J, whose columns have the lengths w.norms; J is used up."""
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
    """Give J and the residuals the weights of the loss; the gradient goes to s.g, the lengths of columns to w.norms."""
    reweighted(h.loss, h.f_scale, w.r, w.J, w.f, np.finfo(w.J.dtype).eps)
    for i in range(s.x.size):
        if box.lower[i] == box.upper[i]:
            clear(line(w.J, i))
        s.g[i], square = dot_and_square(line(w.J, i), w.f)
        w.norms[i] = root_of(line(w.J, i), square)
