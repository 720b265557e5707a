"""minimize(): validate, look up, choose a driver, assemble the result. No mathematics."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult

from ._bounds import make_space
from ._compile import compile_seconds
from ._errors import attach_result
from ._objective import GRADIENTS, Problem, jitted, scipy_unwrapped
from ._options import Options, resolve
from ._result import assemble
from ._run import Run
from ._status import Status


def minimize(
    fun: Callable,
    x0: Any,
    args: Any = (),
    method: Any = "adam",
    jac: Any = None,
    hess: Any = None,
    hessp: Any = None,
    bounds: Any = None,
    constraints: Any = (),
    tol: float | None = None,
    callback: Callable | None = None,
    options: dict[str, Any] | None = None,
) -> OptimizeResult:
    """DOC"""
    started, compiled_before = time.perf_counter(), compile_seconds()
    hyper, settings = resolve(method, _with_tol(options, tol))
    _warn_unused(type(hyper).__name__.lower(), hess, hessp, constraints)
    x0 = read_x0(x0)
    problem = read_problem(fun, jac, args, settings, hyper)
    run = Run(problem, x0, hyper, settings, make_space(x0, bounds, settings.x_scale), callback)
    try:
        status = run.execute()
    except BaseException as error:
        status = Status.INTERRUPTED
        attach_result(error, assemble(run, status, time.perf_counter() - started, compile_seconds() - compiled_before))
        raise
    run.state = run.state._replace(slots=None)  # large problems: freed before the result is copied out
    result = assemble(run, status, time.perf_counter() - started, compile_seconds() - compiled_before)
    if settings.disp:
        print(f"{result.message}\n  fun: {result.fun:.9g}  nit: {result.nit}  nfev: {result.nfev}")
    return result


def read_x0(x0: Any) -> np.ndarray:
    """x0 as a contiguous vector of float32 or float64; not copied where it is one."""
    array = np.asarray(x0)
    if array.dtype == object:
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError):
            raise TypeError(f"x0 must be an array of real numbers, not {x0!r:.80}.") from None
    if array.dtype.kind not in "fiub":
        raise TypeError(f"x0 must be real, but its dtype is {array.dtype}. Pass real and imaginary parts as one vector.")
    if array.ndim > 1:
        raise ValueError(
            f"'x0' must only have one dimension, but its shape is {array.shape}. Pass x0.ravel(), and restore the "
            f"shape inside fun by x.reshape{array.shape}."
        )
    if array.size == 0:
        raise ValueError("x0 is empty: there is nothing to minimise over.")
    dtype = np.float32 if array.dtype == np.float32 else np.float64
    vector = np.ascontiguousarray(array, dtype=dtype).reshape(-1)
    bad = np.flatnonzero(~np.isfinite(vector))
    if bad.size:
        raise ValueError(f"x0[{bad[0]}] = {vector[bad[0]]} is not finite. Start from finite numbers.")
    return vector


def read_problem(fun: Any, jac: Any, args: Any, options: Options, hyper: Any) -> Problem:
    """The objective as the user means it, all defaults filled in."""
    fun, jac = scipy_unwrapped(fun, jac)
    if not callable(fun):
        raise TypeError(f"fun must be callable, not {fun!r:.80}.")
    if jac is None or jac is False:
        jac = options.gradient or "2-point"
    elif options.gradient is not None:
        raise ValueError(f"The gradient is given twice: jac={jac!r:.80} and options={{'gradient': {options.gradient!r}}}.")
    if not (jac is True or callable(jac) or jac in GRADIENTS):
        known = ", ".join(repr(name) for name in GRADIENTS)
        raise ValueError(f"jac={jac!r:.80} must be a function, True, None, or one of {known}.")
    if options.jit:
        fun, jac = jitted(fun), jitted(jac) if callable(jac) else jac
    if not isinstance(args, tuple):
        args = (args,)
    return Problem(fun, jac, args, -1.0 if getattr(hyper, "maximize", False) else 1.0)


def _with_tol(options: dict[str, Any] | None, tol: Any) -> dict[str, Any]:
    """The options, with gtol from `tol` where they have none."""
    merged = dict(options or {})
    if tol is not None:
        try:
            valid = float(tol) >= 0
        except (TypeError, ValueError):
            valid = False
        if not valid:
            raise ValueError(f"tol={tol!r} must be a number >= 0.")
        merged.setdefault("gtol", tol)
    return merged


def _warn_unused(method: str, hess: Any, hessp: Any, constraints: Any) -> None:
    """What scipy says where a method cannot use what it was given."""
    if hess is not None:
        warnings.warn(f"Method {method} does not use Hessian information (hess).", RuntimeWarning, stacklevel=3)
    if hessp is not None:
        warnings.warn(
            f"Method {method} does not use Hessian-vector product information (hessp).", RuntimeWarning, stacklevel=3
        )
    if constraints is not None and not (isinstance(constraints, (tuple, list)) and len(constraints) == 0):
        warnings.warn(f"Method {method} cannot handle constraints.", RuntimeWarning, stacklevel=3)
