"""Jacobian and covariance at the solution of a fit by Levenberg-Marquardt, computed where its workspace is."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .._compile import inlined_part, kernel, part
from .._memory import borrow, line, matrix, row, vector
from ..drivers.many import finishing
from ..drivers.solving import Iterate
from ..drivers.sweep import owned
from ..linear.least_squares import inverse_of_square
from ..linear.vectors import copy
from ._linearised import factorise_columns, fit_of, jacobian_with_weights


class Covariances(NamedTuple):
    """What is computed, and of what."""

    matrices: Any  # (B, n, n)
    points: Any  # (B,) how many values are not missing
    absolute: int  # whether the residuals are in units of their standard deviations


@finishing(Covariances)
def covariances(after, objective, h, box, limit, s, b):
    """pcov = (J^T J)^-1 * 2 cost / (points - n), J that of the solution; inf where it cannot be had."""
    n = s.x.size
    C = matrix(row(borrow(after.matrices), b, n * n), n, n)
    exists, spare = covariance_at(objective, h, box, s, C), after.points[b] - n
    factor = 1.0 if after.absolute != 0 else 2 * s.p.f / spare if spare > 0 else np.inf
    if spare < 0 or not exists or factor == np.inf:
        for i in range(n):
            for k in range(n):
                C[i, k] = np.inf
    else:
        for i in range(n):
            for k in range(n):
                C[i, k] *= factor


@part
def covariance_at(objective, h, box, s, C):
    """C = (J^T J)^-1 at the point of a finished run, whose J is still factorised; whether it exists."""
    w, held = fit_of(s.work, s.x.size, objective.m), False
    for i in range(s.x.size):
        held = held or (w.norms[i] == 0 and box.lower[i] < box.upper[i])
    if held:
        njev, nfev = s.p.njev, s.p.nfev
        jacobian_with_weights(h, objective, box, s, w)
        factorise_columns(w)
        s.p.njev, s.p.nfev = njev, nfev
    return inverse_gram(box, w, C)


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
    factorise_columns(w)
    return inverse_gram(box, w, C)


@inlined_part
def inverse_gram(box, w, C):
    """C = (J^T J)^-1 of the factorised J; whether it exists."""
    for i in range(w.D.size):
        if w.norms[i] == 0 and box.lower[i] < box.upper[i]:
            return False
    return inverse_of_square(w.R, w.order, w.norms, w.S, C)
