"""A run of a solver inside a user's compiled function: by addresses of code that is compiled, and cached, once.

It is the driver of batches (`drivers.many`) with a batch of one: what the objective raises ends the run, and no more.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any, NamedTuple

import numba
import numpy as np
from numba.core import cgutils, types
from numba.extending import intrinsic

from ._arguments import code_address
from ._batch_space import given_of
from ._compile import bind, jit_user
from ._options import Options
from ._result import FLAT
from ._run import _limits
from ._solver import WORKSPACES, compiled_solver
from ._status import Status
from .autodiff.front import defined
from .drivers import places
from .drivers.evaluation import TO_EVALUATE, Gradient, evaluations
from .drivers.loop import LIMITS, PROGRESS, State
from .drivers.many import loop_address, run_many
from .drivers.objectives import has_residuals
from .drivers.places import DETAILS, Found, Given, Place
from .drivers.solving import solver_state
from .drivers.sweep import Box
from .solvers._covariances import Covariances

RUNNING, GTOL, FTARGET, ROUNDING = (int(s) for s in (Status.RUNNING, Status.GTOL, Status.FTARGET, Status.ROUNDING))


class Outcome(NamedTuple):
    """What a run found."""

    x: Any  # (n,)
    matrix: Any  # (n, n): the covariance, of residuals
    fun: float
    success: bool
    status: int
    nit: int
    nfev: int


class Limits(NamedTuple):
    """What a run must respect, as `drivers.loop.LIMITS` has it."""

    gtol: float
    ftol: float
    xtol: float
    maxiter: int
    maxfev: int


# --- addresses -------------------------------------------------------------------------------------------------------


@intrinsic
def stored(typingctx, args):
    """Address of a copy of the tuple `args` that lasts as long as the calling function; its arrays are the caller's."""

    def codegen(context, builder, sig, values):
        return builder.ptrtoint(cgutils.alloca_once_value(builder, values[0]), cgutils.intp_t)

    return types.intp(args), codegen


def _constant(address: int) -> Any:
    """Compiled code for an address of this process: numba does not cache on disk what has it."""

    @intrinsic
    def constant(typingctx):
        def codegen(context, builder, sig, args):
            return builder.ptrtoint(context.add_dynamic_addr(builder, address, info="numbaopt"), cgutils.intp_t)

        return types.intp(), codegen

    return constant


def _caller(address: int, parameters: tuple) -> Any:
    """Compiled code that calls the code at `address` with a tuple of these types; it returns nothing."""

    @intrinsic
    def call(typingctx, values):
        def codegen(context, builder, sig, args):
            kind = context.call_conv.get_function_type(types.none, parameters).as_pointer()
            pointer = builder.bitcast(context.add_dynamic_addr(builder, address, info="numbaopt"), kind)
            given = cgutils.unpack_tuple(builder, args[0])
            status, _ = context.call_conv.call_function(builder, pointer, types.none, parameters, given)
            with cgutils.if_unlikely(builder, status.is_error):
                context.call_conv.return_status_propagate(builder, status)
            return context.get_dummy_value()

        return types.none(types.Tuple(parameters)), codegen

    return call


# --- what a run works in ---------------------------------------------------------------------------------------------


def _compiled(function: Any) -> Any:
    """A function of the library that Python calls, with those that it calls, for compiled code."""
    function = getattr(function, "py_func", function)
    called = {name: function.__globals__.get(name) for name in function.__code__.co_names}
    own = {name: _compiled(f) for name, f in called.items() if isinstance(getattr(f, "py_func", f), FunctionType)}
    return jit_user(FunctionType(function.__code__, function.__globals__ | own))


@jit_user
def new_state(x0, numbers):
    """As `drivers.solving.solver_state`, with room for `numbers` of the solver."""
    n = x0.size
    progress = np.zeros(1, PROGRESS)
    p = progress[0]
    p.n, p.capacity, p.stage, p.settled, p.nit_kept, p.nit_judged = n, 1, TO_EVALUATE, RUNNING, -1, -1
    p.f = p.f_kept = p.slope_kept = np.inf
    return State(
        np.zeros((3, n), x0.dtype),
        np.zeros((2, n), x0.dtype),
        np.zeros(numbers, x0.dtype),
        np.zeros(2, np.uint64),
        progress,
        np.empty((1, 3)),
        np.empty((0, n), x0.dtype),
        None,
    )


@jit_user
def _limited(given, cost):
    limits = np.zeros(1, LIMITS)
    limit = limits[0]
    limit.gtol, limit.ftol, limit.xtol, limit.ftarget = given.gtol, given.ftol, given.xtol, -np.inf
    limit.patience, limit.maxiter, limit.maxfev = 10, given.maxiter, given.maxfev
    limit.cost = cost
    return limits


@jit_user
def new_found(x0):
    n = x0.size
    return Found(
        x0.copy().reshape(1, n),
        np.empty((0, n), x0.dtype),
        np.full(1, np.nan),
        np.zeros(1, np.int64),
        np.zeros(1, np.int64),
        np.zeros(1, np.int64),
        np.full(1, RUNNING),
        np.zeros(1, DETAILS),
    )


@jit_user
def workplace(x0, lower, upper, numbers, limits):
    """What the driver of many problems needs for one: place, what is given, room for what is found, control."""
    n, one = x0.size, np.ones(x0.size, x0.dtype)
    edges = one.reshape(1, n), lower.reshape(1, n), upper.reshape(1, n)
    given = Given(x0.reshape(1, n), *edges, np.zeros((0, n), np.bool_), None, np.empty(0, np.int64))
    state = new_state(x0, numbers)
    place = Place(state, state, Box(one.copy(), lower.copy(), upper.copy()), limits)
    return place, given, new_found(x0), np.zeros(24, np.int64)


@jit_user
def told(found, matrix):
    """As `_batch_result.converged` has it."""
    status, fun = found.status[0], found.fun[0]
    flat = found.details[0].slope_kept <= FLAT * max(1.0, abs(fun))
    success = GTOL <= status <= FTARGET or (status == ROUNDING and flat)
    return Outcome(found.x[0], matrix, fun, success, status, found.nit[0], found.nfev[0])


def _maker(sample: Any) -> Any:
    """Compiled code that makes an objective like `sample` with other arguments, and so many residuals."""
    constants, values = {}, []
    for name, value in zip(type(sample)._fields, sample, strict=True):
        if name in ("args", "m") or value is None:
            values.append(name if value is not None else "None")
        else:
            constants[name] = _constant(value)
            values.append(f"{name}()" if name != "both" else str(value))
    text = [f"return Kind({', '.join(values)})"]
    return jit_user(defined(["args", "m"], text, Kind=type(sample), **constants))


class Driver(NamedTuple):
    """The compiled driver of many problems, for objectives of one kind and a method."""

    loop: int  # address of the method's loop
    many: int  # address of `run_many`
    parameters: tuple  # the types that it takes


def driver(objective: Any, form: Any, dtype: Any) -> Driver:
    """The driver for objectives like this one and a method in compiled form."""
    x, one = np.zeros((1, 2), dtype), np.ones(2, dtype)
    state = solver_state(x[0], form, 3, 1, False)
    place = Place(state, state, Box(one, -np.inf * one, np.inf * one), _limits(Options(), 1.0))
    after = Covariances(np.zeros((1, 2, 2), dtype), np.zeros(1, np.int64), 0) if has_residuals(objective) else None
    loop = loop_address(objective, form, place, None)
    found, control = places.new_found(x, False), np.zeros(24, np.int64)
    given = loop, objective, form, None, place, given_of(x, None), found, after, 0, control
    bind(run_many, *given)
    parameters = tuple(map(numba.typeof, given))
    return Driver(loop, code_address(run_many, parameters), parameters)


def compiled_run(sample: Any, hyper: Any, dtype: Any, scheme: type = Gradient) -> Any:
    """`run(x0, lower, upper, address, m, points, absolute, limits) -> Outcome`, for compiled code.

    `sample` is the objective, with any arguments and number of residuals; `address` is that of the arguments.
    `scheme` says what a gradient costs.
    """
    least, more = evaluations(scheme, 0), evaluations(scheme, 1) - evaluations(scheme, 0)
    form = compiled_solver(hyper)
    loop, many, parameters = driver(sample, form, dtype)
    call, loop_at = _caller(many, parameters), _constant(loop)
    objective, numbers = _maker(sample), _compiled(WORKSPACES[type(form)])

    @jit_user
    def run(x0, lower, upper, address, m, points, absolute, limits):
        n = x0.size
        own = _limited(limits, least + n * more)
        place, given, found, control = workplace(x0, lower, upper, numbers(form, n, m), own)
        matrix = np.full((n, n), np.inf, x0.dtype)
        after = finish(matrix, points, absolute)
        call((loop_at(), objective(address, m), form, None, place, given, found, after, 0, control))
        return told(found, matrix)

    if has_residuals(sample):

        @jit_user
        def finish(matrix, points, absolute):
            counts = np.full(1, points)
            return Covariances(matrix.reshape(1, *matrix.shape), counts, absolute)

    else:

        @jit_user
        def finish(matrix, points, absolute):
            return None

    return run
