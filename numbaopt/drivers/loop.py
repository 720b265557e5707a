"""The loop, written once: move, evaluate, judge; resumable after any evaluation, allocation-free, any rule, any space.

Everything that the loop needs to go on is in a `State`. Two buffers hold x, two its gradient: one is the point that is
kept (the best, or the last), the other is for the next. The step away from the kept point is written into the other
buffer, every other step is made in place, so that keeping the best point copies nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .._compile import inlined_part, kernel, part, target
from .._memory import borrow, fetch, is_named, put, row
from .._rule import slot_names
from .._status import Status
from .evaluation import TO_EVALUATE, TO_MOVE, evaluate
from .groups import begin, one_of, stored_as
from .plateau import is_plateau_type, observe
from .step import iteration
from .sweep import steepness, sweep
from .tuning import Tuning, corrected, learn, new_tuning, start_anew, tried_anew, unexplained, with_rate

LIMITS = np.dtype(
    [
        ("gtol", "f8"),  # a tolerance below 0 is switched off
        ("ftol", "f8"),
        ("xtol", "f8"),
        ("ftarget", "f8"),
        ("patience", "i8"),
        ("maxiter", "i8"),
        ("maxfev", "i8"),
        ("cost", "i8"),  # evaluations of fun per iteration
        ("keep_last", "i8"),
        ("skip", "i8"),  # whether points that are not finite are thrown away, and do not end the run
        ("record_every", "i8"),  # iterations between two rows of the history; 0: none
    ],
    align=True,
)
"""What a run must respect."""

PROGRESS = np.dtype(
    [
        ("n", "i8"),  # size of x
        ("nit", "i8"),
        ("nfev", "i8"),
        ("njev", "i8"),
        ("nhev", "i8"),  # Hessians, or products with them
        ("stage", "i8"),  # what is to be done next
        ("done", "i8"),  # partial derivatives taken at the current point
        ("current", "i8"),  # index of the buffer of the current point
        ("kept", "i8"),  # index of the buffer of the kept point
        ("f", "f8"),
        ("slope", "f8"),  # inf-norm of the projected gradient
        ("f_kept", "f8"),
        ("slope_kept", "f8"),
        ("nit_kept", "i8"),
        ("nit_judged", "i8"),
        ("f_mark", "f8"),  # the value that ftol measures progress from
        ("idle_f", "i8"),  # iterations without progress in f
        ("idle_x", "i8"),  # iterations without progress in x
        ("poison", "f8"),  # NaN once an element of x is not finite
        ("largest", "f8"),  # max |x|, if xtol is on
        ("change", "f8"),  # max |change of x|, if xtol is on
        ("rows", "i8"),  # rows of the history that wait to be collected
        ("capacity", "i8"),  # rows that there is room for
        ("record_x", "i8"),  # whether the history has x
        ("skipped", "i8"),  # points that were not finite and were thrown away
        ("settled", "i8"),  # the status that followed from the choice of the kept point
    ],
    align=True,
)
"""What has happened so far."""


class State(NamedTuple):
    """All that changes during a run."""

    x: Any  # (2, n)
    g: Any  # (2, n)
    slots: Any  # (number of slots, n)
    carry: Any  # (numbers that the rule carries from iteration to iteration,)
    progress: Any  # (1,) of PROGRESS
    history: Any  # (capacity, 3): nit, f, slope
    history_x: Any  # (capacity, n), or (0, n)
    tuning: Any  # a `Tuning` with lr="auto", a `Plateau` with `ReduceOnPlateau`, else None


def new_progress(n: int, capacity: int, record_x: bool) -> np.ndarray:
    """The progress of a run that has not begun."""
    progress = np.zeros(1, PROGRESS)
    progress["n"], progress["capacity"], progress["record_x"] = n, capacity, record_x
    progress["stage"], progress["settled"] = TO_EVALUATE, RUNNING
    progress["f"] = progress["f_kept"] = progress["slope_kept"] = np.inf
    progress["nit_kept"] = progress["nit_judged"] = -1
    return progress


def new_state(x0: Any, hyper: Any, space: Any, state_dtype: Any, capacity: int, record_x: bool) -> State:
    """State of a run of `hyper` that starts at `x0`, of shape (n,), with room for `capacity` rows of history."""
    n = x0.size
    state = State(
        x=np.empty((2, n), x0.dtype),
        g=np.empty((2, n), x0.dtype),
        slots=np.zeros((len(slot_names(one_of(hyper))), n), stored_as(state_dtype, x0, one_of(hyper))),
        carry=np.empty(0),
        progress=new_progress(n, capacity, record_x),
        history=np.empty((capacity, 3)),
        history_x=np.empty((capacity if record_x else 0, n), x0.dtype),
        tuning=new_tuning(x0, hyper),
    )
    state.x[0] = x0
    return state._replace(carry=begin(hyper, x0 if space is None else x0 / space.scale, state.slots))


RUNNING = int(Status.RUNNING)
GTOL = int(Status.GTOL)
FTOL = int(Status.FTOL)
XTOL = int(Status.XTOL)
FTARGET = int(Status.FTARGET)
MAXITER = int(Status.MAXITER)
MAXFEV = int(Status.MAXFEV)
NONFINITE = int(Status.NONFINITE)
ROUNDING = int(Status.ROUNDING)


# --- the steps; compiled, `state`, `limits` and `space` are what `borrow` makes of them ------------------------------


@inlined_part
def move(hyper, space, state, measure, team):
    """One update, away from the current point."""
    p = state.progress
    step_away(hyper, space, state, state.tuning, measure, team)
    p.nit += 1  # after what a compiled schedule may raise
    p.stage = TO_EVALUATE


def step_away(hyper: Any, space: Any, state: Any, tuning: Any, measure: Any, team: Any) -> None:
    """The update of a new iteration, by the rule alone or with its rate and direction tuned."""


@target(step_away)
def _step_away(hyper, space, state, tuning, measure, team):
    def plain(hyper, space, state, tuning, measure, team):
        p, n = state.progress, state.progress.n
        x, g = row(state.x, p.current, n), row(state.g, p.current, n)
        h = iteration(at_rate(hyper, tuning), p.nit + 1, space, x, g, state.slots, state.carry, n, team)
        if p.kept == p.current:
            p.current = 1 - p.current
            found = sweep(h, space, x, g, state.slots, row(state.x, p.current, n), n, measure, team)
        else:
            found = sweep(h, space, x, g, state.slots, None, n, measure, team)
        p.poison, p.largest, p.change = found

    def tuned(hyper, space, state, tuning, measure, team):
        p, n, c = state.progress, state.progress.n, tuning.control
        x, g = row(state.x, p.kept, n), row(state.g, p.kept, n)
        p.current = 1 - p.kept
        out = row(state.x, p.current, n)
        for again in range(2):
            unexplained(tuning, space, x, g, n)
            h = with_rate(hyper, c.lr)
            h = iteration(h, p.nit + 1 - c.begun, space, x, tuning.d, state.slots, state.carry, n, team)
            sweep(h, space, x, tuning.d, state.slots, out, n, None, team)
            p.poison, p.largest, p.change = corrected(tuning, space, x, g, out, n)
            if again == 1 or c.slope < 0:
                break
            start_anew(tuning, state.slots, state.carry, n, p.nit)

    return tuned if _is_tuning(tuning) else plain


def _is_tuning(ty: Any) -> bool:
    return is_named(ty) and ty.instance_class is Tuning


def at_rate(hyper: Any, tuning: Any) -> Any:
    """`hyper` with the rate of a `Plateau`, or as it is."""


@target(at_rate)
def _at_rate(hyper, tuning):
    if is_plateau_type(tuning):
        return lambda hyper, tuning: with_rate(hyper, tuning.control.lr)
    return lambda hyper, tuning: hyper


def follow(tuning: Any, f: float) -> None:
    """Let a `Plateau` see the value of an iterate."""


@target(follow)
def _follow(tuning, f):
    if is_plateau_type(tuning):
        return lambda tuning, f: observe(tuning.control, f)
    return lambda tuning, f: None


@inlined_part
def judge(space, limit, state, team):
    """Take in the value and gradient of the current point: keep it if it is the best, and say whether to stop."""
    p, n = state.progress, state.progress.n
    p.slope = steepness(space, row(state.x, p.current, n), row(state.g, p.current, n), n, team)
    return judge_slope(limit, state)


@inlined_part
def judge_slope(limit, state):
    """`judge` where the slope is known."""
    p = state.progress
    p.nit_judged = p.nit
    p.settled = settle(limit, state, state.tuning)
    if p.settled == NONFINITE:
        return NONFINITE
    if limit.record_every > 0 and p.nit % limit.record_every == 0:
        record(state.history, state.history_x, state.x, p)
    count_idle(p, limit)
    return verdict(p, limit)


def settle(limit: Any, state: Any, tuning: Any) -> int:
    """Which point is kept and which is current from here on; the status that follows from that alone."""


@target(settle)
def _settle(limit, state, tuning):
    def plain(limit, state, tuning):
        p = state.progress
        if not is_finite(p):
            if limit.skip == 0 or p.nit == 0 or p.f == -np.inf:
                return NONFINITE
            p.skipped += 1
            go_back(p)
            return RUNNING
        follow(tuning, p.f)
        if limit.keep_last != 0 or p.f <= p.f_kept:
            p.kept, p.f_kept, p.slope_kept, p.nit_kept = p.current, p.f, p.slope, p.nit
        return RUNNING

    def tuned(limit, state, tuning):
        p, n = state.progress, state.progress.n
        finite = is_finite(p)
        if p.f == -np.inf:  # lower than all: there is no minimum, and no shorter step will do
            return NONFINITE
        lower = finite and (p.f < p.f_kept or (p.f == p.f_kept and p.slope < p.slope_kept))
        exhausted = False
        if p.nit > 0:
            x, g = row(state.x, p.kept, n), row(state.g, p.kept, n)
            trial = row(state.x, p.current, n), row(state.g, p.current, n)
            exhausted = learn(tuning, x, g, *trial, n, p.f_kept, finite, lower)
            if exhausted:
                exhausted = not tried_anew(tuning, state.slots, state.carry, n, p.nit, p.f_kept)
        elif not finite:
            return NONFINITE
        if not finite:
            p.skipped += 1
        if lower:
            p.kept, p.f_kept, p.slope_kept, p.nit_kept = p.current, p.f, p.slope, p.nit
        else:
            go_back(p)
        return ROUNDING if exhausted else RUNNING

    return tuned if _is_tuning(tuning) else plain


@inlined_part
def is_finite(p):
    """Whether the current point, its value and its gradient are finite."""
    return abs(p.f) < np.inf and p.slope < np.inf and p.poison == 0


@inlined_part
def go_back(p):
    """Make the kept point the current one."""
    p.current, p.f, p.slope, p.poison = p.kept, p.f_kept, p.slope_kept, 0.0


@inlined_part
def count_idle(p, limit):
    """Count the iterations without progress, up to the current point."""
    if p.nit == 0 or p.f < p.f_mark - limit.ftol * abs(p.f_mark):
        p.f_mark = p.f
        p.idle_f = 0
    else:
        p.idle_f += 1
    if p.nit > 0 and p.change <= limit.xtol * p.largest:
        p.idle_x += 1
    else:
        p.idle_x = 0


@inlined_part
def verdict(p, limit):
    """The status that the stopping tests give for the current point; it changes nothing."""
    if p.slope <= limit.gtol:
        return GTOL
    if p.f <= limit.ftarget:
        return FTARGET
    if limit.ftol >= 0 and p.idle_f >= limit.patience:
        return FTOL
    if limit.xtol >= 0 and p.idle_x >= limit.patience:
        return XTOL
    if p.settled != RUNNING:
        return p.settled
    if p.nit >= limit.maxiter:
        return MAXITER
    if p.nfev + limit.cost > limit.maxfev:
        return MAXFEV
    return RUNNING


@part
def record(history, history_x, x, p):
    """Add a row to the history; who runs the loop collects the rows before there is no room."""
    put(history, 3 * p.rows, np.float64(p.nit))
    put(history, 3 * p.rows + 1, p.f)
    put(history, 3 * p.rows + 2, p.slope)
    if p.record_x != 0:
        source, target = row(x, p.current, p.n), row(history_x, p.rows, p.n)
        for i in range(p.n):
            put(target, i, fetch(source, i))
    p.rows += 1


@kernel
def advance(objective, hyper, space, limits, state, measure, team, budget, until):
    """Go on for about `budget` evaluations of fun, at most to iteration `until`; RUNNING where that is reached."""
    box, limit, st = borrow(space), borrow(limits), borrow(state)
    p, n = st.progress, st.progress.n
    while budget > 0:
        if p.stage == TO_MOVE:
            if p.nit >= until or p.rows == p.capacity:
                return RUNNING
            move(hyper, box, st, measure, team)
        budget -= evaluate(objective, box, row(st.x, p.current, n), row(st.g, p.current, n), n, p, budget)
        if p.stage == TO_MOVE:
            status = judge(box, limit, st, team)
            if status != RUNNING:
                return status
    return RUNNING


# --- the same steps one by one, for an objective that is not compiled ------------------------------------------------


@kernel
def move_once(hyper, space, state, measure, team):
    """`move` on arrays."""
    move(hyper, borrow(space), borrow(state), measure, team)


@kernel
def judge_once(space, limits, state, team):
    """`judge` on arrays."""
    return judge(borrow(space), borrow(limits), borrow(state), team)


@kernel
def judge_slope_once(limits, state):
    """`judge_slope` on arrays."""
    return judge_slope(borrow(limits), borrow(state))
