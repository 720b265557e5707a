"""The loop around a solver: iterations of a whole-vector method, resumable after any of them, allocation-free."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .._compile import inlined, kernel, part, target
from .._memory import borrow, row, vector
from .._solver import BEGINS, ITERATIONS, WORKSPACES
from .._status import Status
from ..linear.vectors import copy
from .evaluation import TO_EVALUATE, TO_MOVE
from .loop import State, count_idle, new_progress, record, verdict
from .objectives import evaluate, has_gradient, has_residuals
from .sweep import owned, steepness

RUNNING = int(Status.RUNNING)
NONFINITE = int(Status.NONFINITE)
ROUNDING = int(Status.ROUNDING)
GTOL = int(Status.GTOL)
FTOL = int(Status.FTOL)
XTOL = int(Status.XTOL)
FLAT = int(Status.FLAT)


class Iterate(NamedTuple):
    """What a solver works on."""

    x: Any  # (n,) the best point so far; its value is p.f
    g: Any  # (n,) the gradient there
    trial: Any  # (n,) room for another point
    trial_g: Any  # (n,) and its gradient
    work: Any  # (k,) all else that the solver keeps
    random: Any  # (1,) state of the random numbers, uint64
    p: Any  # the progress: nit, nfev, f, ...


def solver_state(x0: Any, h: Any, m: int, capacity: int, record_x: bool, seed: int = 0) -> State:
    """State of a run of the solver `h` that starts at `x0`, of shape (n,), with m residuals."""
    n = x0.size
    state = State(
        x=np.zeros((3, n), x0.dtype),  # the best point, a trial, and the one before
        g=np.zeros((2, n), x0.dtype),
        slots=np.zeros(WORKSPACES[type(h)](h, n, m), x0.dtype),
        carry=np.full(2, seed, np.uint64),  # the state of the random numbers, and where it began
        progress=new_progress(n, capacity, record_x),
        history=np.empty((capacity, 3)),
        history_x=np.empty((capacity if record_x else 0, n), x0.dtype),
        tuning=None,
    )
    state.x[0] = x0
    return state


# --- what solvers are made of, by the type of their hyper-parameters --------------------------------------------------


def begin(h: Any, objective: Any, box: Any, limit: Any, s: Iterate) -> None:
    """What a solver does when x0 has been evaluated."""


_begin = target(begin, vanishes=False)(
    lambda h, objective, box, limit, s: BEGINS.get(h.instance_class, lambda h, objective, box, limit, s: None)
)


def iterate(h: Any, objective: Any, box: Any, limit: Any, s: Iterate) -> int:
    """One iteration of a solver; its status."""


_iterate = target(iterate, vanishes=False)(lambda h, objective, box, limit, s: ITERATIONS[h.instance_class])


# --- the loop --------------------------------------------------------------------------------------------------------


@kernel
def solve(objective, h, space, limits, state, budget, until):
    """Go on for about `budget` evaluations of fun, at most to iteration `until`; RUNNING where that is reached."""
    limit, st = borrow(limits), borrow(state)
    p, n = st.progress, st.progress.n
    box, x, g = owned(borrow(space), n), vector(row(st.x, 0, n), n), vector(row(st.g, 0, n), n)
    before = vector(row(st.x, 2, n), n)
    trial, trial_g = vector(row(st.x, 1, n), n), vector(row(st.g, 1, n), n)
    s = Iterate(x, g, trial, trial_g, vector(st.slots, state.slots.size), vector(st.carry, 1), p)
    if p.stage == TO_EVALUATE:
        evaluate_start(objective, box, s)
        copy(s.x, before)  # where x0 was, whatever `begin` finds
        begin(h, objective, box, limit, s)
        status = taken_in(objective, box, limit, s, RUNNING)
        p.stage = TO_MOVE
        if limit.record_every > 0:
            record(st.history, st.history_x, st.x, p)
        if status != RUNNING:
            return status
        budget -= p.nfev
    while budget > 0 and p.nit < until and p.rows < p.capacity:
        nfev = p.nfev
        if limit.xtol >= 0:
            copy(s.x, before)
        status = iterate(h, objective, box, limit, s)
        p.nit += 1
        if limit.xtol >= 0:
            measure(s.x, before, p)
        budget -= max(p.nfev - nfev, 1)
        status = taken_in(objective, box, limit, s, status)
        if limit.record_every > 0 and p.nit % limit.record_every == 0:
            record(st.history, st.history_x, st.x, p)
        if status != RUNNING:
            return status
    return RUNNING


def evaluate_start(objective: Any, box: Any, s: Iterate) -> None:
    """Value and gradient at x0, which is inside the bounds; of residuals, the solver's `begin` makes them."""


@target(evaluate_start)
def _evaluate_start(objective, box, s):
    def number(objective, box, s):
        s.p.f = evaluate(objective, box, s.x, s.g, s.p)

    return (lambda objective, box, s: None) if has_residuals(objective) else number


@part
def taken_in(objective, box, limit, s, status):
    """Judge the point that an iteration ended at: the status that follows."""
    p = s.p
    p.slope = slope_of(objective, box, s)
    p.nit_judged = p.nit
    if not abs(p.f) < np.inf or p.slope == np.inf:
        return NONFINITE
    p.f_kept, p.slope_kept, p.nit_kept = p.f, p.slope, p.nit
    count_idle(p, limit)
    p.settled = status
    return verdict(p, limit)


def slope_of(objective: Any, box: Any, s: Iterate) -> float:
    """Inf-norm of the projected gradient; NaN where there is no gradient, inf where that is not finite."""


@target(slope_of)
def _slope_of(objective, box, s):
    if not has_gradient(objective):
        return lambda objective, box, s: np.nan

    def slope(objective, box, s):
        size = steepness(borrow(box), borrow(s.x), borrow(s.g), s.x.size, None)
        return size if size < np.inf else np.inf

    return slope


@part
def measure(x, before, p):
    """The largest element of x, and of its change."""
    p.largest = p.change = 0.0
    for i in range(x.size):
        p.largest, p.change = max(p.largest, abs(x[i])), max(p.change, abs(x[i] - before[i]))


# --- for solvers ------------------------------------------------------------------------------------------------------


@inlined
def accept(s, f):
    """Make the trial point, of value f, the best one, with its gradient."""
    copy(s.trial, s.x)
    copy(s.trial_g, s.g)
    s.p.f = f


@part
def tried(objective, box, s):
    """fun at the trial point, inf for NaN; the point becomes the best one where it is better than that, and finite.

    Where fun is -inf the driver ends the run, and the best finite point is returned.
    """
    f = evaluate(objective, box, s.trial, s.trial_g, s.p)
    if abs(f) < np.inf:
        if not s.p.f <= f:  # also where that is NaN, as it may be at x0
            accept(s, f)
        return f
    if f < 0:
        if abs(s.p.f) < np.inf:
            s.p.f_kept, s.p.nit_kept = s.p.f, s.p.nit
        s.p.f = f
        return f
    return np.inf


@inlined
def exhausted(limit, p):
    """Whether no more evaluations are allowed."""
    return p.nfev >= limit.maxfev


@part
def count_free(box, n):
    """How many elements of x may move."""
    count = 0
    for i in range(n):
        if box.lower[i] < box.upper[i]:
            count += 1
    return count


@inlined
def step_from(x, length, d, box, out):
    """`out` = P(x + length * d), inside the bounds."""
    for i in range(x.size):
        out[i] = min(max(x[i] + length * d[i], box.lower[i]), box.upper[i])
