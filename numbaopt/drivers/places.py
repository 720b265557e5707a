"""Where the many problems of a batch come from, the workspaces that they are run in, and where their results go."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba.core import cgutils, types
from numba.extending import intrinsic

from .._compile import part, target
from .._memory import is_named
from .._solver import ITERATIONS
from .._status import Status
from .loop import RUNNING, State
from .sweep import Box

INTERRUPTED, RAISED = int(Status.INTERRUPTED), int(Status.RAISED)

DETAILS = np.dtype(
    [
        ("f", "f8"),  # at the last point
        ("slope", "f8"),  # there
        ("slope_kept", "f8"),
        ("poison", "f8"),
        ("nit_kept", "i8"),
        ("skipped", "i8"),
        ("settled", "i8"),
    ],
    align=True,
)
"""What messages about a problem say, of `loop.PROGRESS`."""


class Given(NamedTuple):
    """What the problems start from; arrays with one row serve all."""

    x0: Any  # (B, n)
    scale: Any  # (B or 1, n)
    lower: Any  # (B or 1, n)
    upper: Any  # (B or 1, n)
    fixed: Any  # (B, 1 or 0, n) bool
    slots: Any  # (B, slots, n): where the slots of a rule depend on x0, what they are at first; else None
    residuals: Any  # (B or 0,) how many there are, where that differs


class Found(NamedTuple):
    """What is found."""

    x: Any  # (B, n)
    jac: Any  # (B or 0, n)
    fun: Any  # (B,)
    nit: Any  # (B,)
    nfev: Any  # (B,)
    njev: Any  # (B,)
    status: Any  # (B,)
    details: Any  # (B,) of DETAILS


class Place(NamedTuple):
    """Where a thread works; `fresh` is shared and stays as it is."""

    state: State
    fresh: State
    space: Any  # a Box, or None
    limits: Any


def new_found(x0: np.ndarray, with_jac: bool) -> Found:
    """Room for what is found of problems that start at the rows of `x0`."""
    count, n = x0.shape
    counts = (np.zeros(count, np.int64) for _ in range(3))
    found = Found(
        x0.copy(),
        np.full((count if with_jac else 0, n), np.nan, x0.dtype),
        np.full(count, np.nan),
        *counts,
        np.full(count, RUNNING, np.int64),
        np.zeros(count, DETAILS),
    )
    found.details["nit_kept"] = -1
    found.details["slope"] = found.details["slope_kept"] = found.details["f"] = np.nan
    return found


def new_place(fresh: State, space: Box | None, limits: np.ndarray) -> Place:
    """A workspace for one thread; `fresh` is the state at the start of any of the problems."""
    return Place(_copied(fresh), fresh, _copied(space), limits)


def _copied(value: Any) -> Any:
    if isinstance(value, tuple):
        return type(value)(*map(_copied, value))
    return value.copy() if isinstance(value, np.ndarray) else value


# --- compiled: a workspace, as new -----------------------------------------------------------------------------------


@intrinsic
def copy_row(typingctx, out, i, source, j, n):
    """Copy `n` elements: row `j` of `source` to row `i` of `out`, both contiguous and seen as rows of that length.

    It compiles in a hundredth of the time of an assignment of slices, with all its checks.
    """
    if out.dtype != source.dtype:
        raise TypeError(f"cannot copy {source} to {out}")

    def codegen(context, builder, sig, args):
        to, start = (context.make_array(sig.args[k])(context, builder, args[k]).data for k in (0, 2))
        to, start = (
            builder.gep(to, [builder.mul(args[1], args[4])]),
            builder.gep(start, [builder.mul(args[3], args[4])]),
        )
        cgutils.raw_memcpy(builder, to, start, args[4], context.get_abi_sizeof(context.get_data_type(out.dtype)))

    return types.void(out, types.intp, source, types.intp, types.intp), codegen


@part
def start_at(given, place, b):
    """Make the workspace that of problem `b`, before anything has been evaluated."""
    state, fresh, n = place.state, place.fresh, given.x0.shape[1]
    copy_row(state.progress, 0, fresh.progress, 0, 1)
    copy_row(state.x, 0, fresh.x, 0, fresh.x.size)
    copy_row(state.g, 0, fresh.g, 0, fresh.g.size)
    copy_row(state.x, 0, given.x0, b, n)
    copy_slots(given.slots, state.slots, fresh.slots, b)
    copy_row(state.carry, 0, fresh.carry, 0, fresh.carry.size)
    copy_control(state.tuning, fresh.tuning)
    set_space(place.space, given, b, n)


def copy_slots(own: Any, slots: Any, fresh: Any, b: int) -> None:
    """Let the slots of a rule, or the numbers of a solver, be as they are at the start of problem `b`."""


@target(copy_slots)
def _copy_slots(own, slots, fresh, b):
    def of_all(own, slots, fresh, b):
        copy_row(slots, 0, fresh, 0, fresh.size)

    def of_each(own, slots, fresh, b):
        copy_row(slots, 0, own, b, fresh.size)

    return of_all if isinstance(own, types.NoneType) else of_each


def copy_control(tuning: Any, fresh: Any) -> None:
    """Let what finds lr be as at the start."""


@target(copy_control)
def _copy_control(tuning, fresh):
    def copy(tuning, fresh):
        copy_row(tuning.control, 0, fresh.control, 0, 1)

    return copy if is_named(tuning) else lambda tuning, fresh: None


def set_space(space: Any, given: Given, b: int, n: int) -> None:
    """Let the space be that of problem `b`."""


@target(set_space)
def _set_space(space, given, b, n):
    def fill(space, given, b, n):
        copy_row(space.scale, 0, given.scale, b % given.scale.shape[0], n)
        copy_row(space.lower, 0, given.lower, b % given.lower.shape[0], n)
        copy_row(space.upper, 0, given.upper, b % given.upper.shape[0], n)
        if given.fixed.shape[0] > 0:
            row = b % given.fixed.shape[0]
            for i in range(n):
                if given.fixed[row, i]:
                    space.lower[i] = space.upper[i] = given.x0[b, i]

    return fill if is_named(space) else lambda space, given, b, n: None


# --- compiled: what is left of a problem ------------------------------------------------------------------------------


@part
def report(found, state, best, status, b):
    """Write what was found of problem `b`, whose best point has the value `best`."""
    p, d = state.progress[0], found.details[b]
    d.f, d.slope, d.slope_kept, d.poison = p.f, p.slope, p.slope_kept, p.poison
    d.nit_kept, d.skipped, d.settled = p.nit_kept, p.skipped, p.settled
    found.nit[b], found.nfev[b], found.njev[b] = p.nit, p.nfev, p.njev
    if p.nit_judged >= 0:
        copy_row(found.x, b, state.x, p.kept, p.n)
        found.fun[b] = p.f if p.nit_kept < 0 else best
        if found.jac.shape[0] > 0:
            copy_row(found.jac, b, state.g, p.kept, p.n)
    found.status[b] = INTERRUPTED if status == RUNNING else status


def best_value(h: Any, p: Any, status: int) -> float:
    """The value at the best point, also where a solver has not come to the end of an iteration."""


@target(best_value)
def _best_value(h, p, status):
    def of_solver(h, p, status):
        return p.f if status in (RUNNING, RAISED) and abs(p.f) < np.inf else p.f_kept

    return of_solver if is_solver_type(h) else lambda h, p, status: p.f_kept


def is_solver_type(h: Any) -> bool:
    """Whether `h` is the numba type of a solver."""
    return is_named(h) and h.instance_class in ITERATIONS
