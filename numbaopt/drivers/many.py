"""Many problems by one kernel: each of some threads takes the next one until none are left.

A thread runs the loop of a single problem (`loop.advance`, or `solving.solve`) in a workspace of its own that is made
as new for each problem, so that the results are those of single runs, to the bit, whichever thread had which problem.
Nothing is allocated, and what an objective raises ends its own problem only.

What is to be done with each finished problem beyond reporting it, while its workspace is there (such as a covariance
from the Jacobian in `s.work`), is declared for the class of a NamedTuple of arrays that it fills::

    class Covariance(NamedTuple):
        matrices: Any                         # (B, n, n)

    @finishing(Covariance)
    def _(after, objective, h, box, limit, s, b):  # `s` is a `solving.Iterate`, of update rules None
        after.matrices[b] = ...
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba.core import types
from numba.extending import intrinsic

from .._arguments import call_integer, code_address, lend
from .._batch_arguments import set_problem
from .._compile import bind, kernel, part, selects, target
from .._memory import borrow, row, vector
from .._solver import ITERATIONS
from .._status import Status
from .loop import RUNNING, advance
from .objectives import ResidualDifferences, Residuals
from .places import Given, Place, best_value, is_solver_type, report, start_at
from .slices import NEVER
from .solving import Iterate, solve
from .sweep import owned

RAISED = int(Status.RAISED)

SLICE = 4096
"""Evaluations between two looks at whether to stop. An objective with `BatchArgs` looks at each by itself."""

NEXT, STOP, DONE = 0, 8, 16
"""Where the numbers are in the array that the threads share, each in a cache line of its own: the next problem, whether
to stop, and how many problems are done."""

# --- between the threads ----------------------------------------------------------------------------------------------


@intrinsic
def add_atomically(typingctx, control, k, amount):
    """Add `amount` to `control[k]` at once; what it was before."""

    def codegen(context, builder, sig, args):
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        return builder.atomic_rmw("add", builder.gep(data, [args[1]]), args[2], "monotonic")

    return types.int64(control, types.intp, types.int64), codegen


@intrinsic
def seen_now(typingctx, control, k):
    """`control[k]`, which another thread may change at any time."""

    def codegen(context, builder, sig, args):
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        return builder.load_atomic(builder.gep(data, [args[1]]), "monotonic", 8)

    return types.int64(control, types.intp), codegen


# --- one problem ------------------------------------------------------------------------------------------------------


def go_on(loop: int, objective: Any, h: Any, place: Place, measure: Any) -> int:
    """Run a slice of the loop at the address `loop`; the status.

    By address, what runs many problems is compiled once for all methods, and the loop of a method is the very code that
    `minimize` calls.
    """


@target(go_on)
def _go_on(loop, objective, h, place, measure):
    def of_solver(loop, objective, h, place, measure):
        given = (objective, h, place.space, place.limits, place.state, np.int64(SLICE), np.int64(NEVER))
        return call_integer(loop, 0, given)

    def of_rule(loop, objective, h, place, measure):
        given = (objective, h, place.space, place.limits, place.state, measure, None, np.int64(SLICE), np.int64(NEVER))
        return call_integer(loop, 0, given)

    return of_solver if is_solver_type(h) else of_rule


def loop_address(objective: Any, h: Any, place: Place, measure: Any) -> int:
    """Where the compiled loop of a method for these is."""
    solving = type(h) in ITERATIONS
    given = (objective, h, place.space, place.limits, place.state, *(() if solving else (measure, None)), SLICE, NEVER)
    dispatcher = solve if solving else advance
    bind(dispatcher, *given)
    return code_address(dispatcher, tuple(map(numba.typeof, given)))


@part
def outcome(loop, objective, h, place, measure, control):
    """Run a problem to its end; the status, RUNNING where all is to stop."""
    status = RUNNING
    try:
        while status == RUNNING and seen_now(control, STOP) == 0:
            status = go_on(loop, objective, h, place, measure)
    except Exception:
        status = RUNNING if seen_now(control, STOP) != 0 else RAISED
    return status


def sized(objective: Any, given: Given, b: int) -> Any:
    """The objective with the number of residuals that problem `b` has."""


@target(sized)
def _sized(objective, given, b):
    def exact(objective, given, b):
        m = objective.m if given.residuals.size == 0 else given.residuals[b]
        return Residuals(objective.residuals, objective.jacobian, objective.args, m, objective.both)

    def differences(objective, given, b):
        m = objective.m if given.residuals.size == 0 else given.residuals[b]
        return ResidualDifferences(objective.residuals, objective.args, m)

    forms = {Residuals: exact, ResidualDifferences: differences}
    return forms.get(objective.instance_class, lambda objective, given, b: objective)


FINISHES: dict[type, Callable] = {}


def finishing(cls: type) -> Callable[[Callable], Callable]:
    """Declare `(after, objective, h, box, limit, s, b)`: what is done with each finished problem (see above)."""

    def declare(function: Callable) -> Callable:
        FINISHES[cls] = function
        selects(cls, function)
        return function

    return declare


def finish(after: Any, objective: Any, h: Any, place: Place, b: int) -> None:
    """What is declared for `after`, where problem `b` has ended by itself."""


def _finish(after, objective, h, place, b):
    if isinstance(after, types.NoneType):
        return lambda after, objective, h, place, b: None
    function = part(FINISHES[after.instance_class])

    def of_rule(after, objective, h, place, b):
        function(after, objective, h, place.space, borrow(place.limits), None, b)

    def of_solver(after, objective, h, place, b):
        limit, st = borrow(place.limits), borrow(place.state)
        p, n = st.progress, st.progress.n
        x, g = vector(row(st.x, 0, n), n), vector(row(st.g, 0, n), n)
        trial, trial_g = vector(row(st.x, 1, n), n), vector(row(st.g, 1, n), n)
        s = Iterate(x, g, trial, trial_g, vector(st.slots, place.state.slots.size), vector(st.carry, 1), p)
        function(after, objective, h, owned(borrow(place.space), n), limit, s, b)

    return of_solver if is_solver_type(h) else of_rule


target(finish, vanishes=False)(_finish)


@part
def finished(after, objective, h, place, b):
    """`finish`; whether it went well."""
    well = True
    try:
        finish(after, objective, h, place, b)
    except Exception:
        well = False
    return well


# --- all of them ------------------------------------------------------------------------------------------------------


@kernel
def run_many(loop, objective, h, measure, place, given, found, after, address, control):
    """Run one problem after the other until none are left or all is to stop.

    `loop` is the address of the method's loop, see `loop_address`; `address` that of the arguments of this thread,
    where the number of the problem is set; 0: there are none.
    """
    h, place, given, found, after, shared = lend(h), lend(place), lend(given), lend(found), lend(after), lend(control)
    count = given.x0.shape[0]
    b = add_atomically(shared, NEXT, 1)
    while b < count and seen_now(shared, STOP) == 0:
        if address != 0:
            set_problem(address, b)
        start_at(given, place, b)
        own = sized(objective, given, b)
        status = outcome(loop, own, h, place, measure, shared)
        if status != RUNNING and status != RAISED and not finished(after, own, h, place, b):
            status = RUNNING if seen_now(shared, STOP) != 0 else RAISED
        report(found, place.state, best_value(h, place.state.progress[0], status), status, b)
        add_atomically(shared, DONE, 1)
        b = add_atomically(shared, NEXT, 1)
