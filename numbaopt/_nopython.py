"""The compiled bodies of `numbaopt.nopython`."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from typing import Any

import numba
import numpy as np
from numba.core import errors, types
from numba.extending import overload

from ._compile import compiling, jit_user
from ._compiled_objective import compiled_objective, compiled_value
from ._exact import with_gradient_for
from ._inside import Limits, compiled_run, stored
from ._models import element, loader, model_code
from ._objective import Problem
from ._options import as_method
from ._residual_run import warn_of_differences
from ._residuals import compiled_residuals, residual_objective, with_jacobian
from ._solver import SOLVERS
from .drivers.objectives import LOSSES
from .nopython import ENDLESS, Fit, Minimum, curve_fit, least_squares, minimize
from .solvers.levenberg_marquardt import LevenbergMarquardt

METHODS = ("l-bfgs-b", "bfgs", "cg", "nelder-mead")


@overload(minimize, prefer_literal=True)
def _minimize(
    fun,
    x0,
    args=(),
    method="l-bfgs-b",
    jac=None,
    bounds=None,
    maxiter=10_000,
    maxfev=ENDLESS,
    gtol=1e-7,
    ftol=1e-15,
):
    name = _constant("method", method, METHODS)
    x, args_type = _sample("x0", x0), tuple(_type(args))
    problem = Problem(_function("fun", fun), _derivative(jac, ("autodiff", "2-point", "3-point", "inplace")), (), 1.0)
    hyper = as_method(name)
    with _clear_errors():
        if SOLVERS[type(hyper)].needs == "value":
            objective = compiled_value(problem, x, 0, types.Tuple(args_type))
        else:
            if problem.jac in (None, "autodiff"):
                problem = with_gradient_for(problem, (_vector(x), *args_type))
            objective = compiled_objective(problem, x, 0, types.Tuple(args_type))
        run = compiled_run(objective, hyper, x.dtype, problem.scheme)

    def body(
        fun,
        x0,
        args=(),
        method="l-bfgs-b",
        jac=None,
        bounds=None,
        maxiter=10_000,
        maxfev=ENDLESS,
        gtol=1e-7,
        ftol=1e-15,
    ):
        lower, upper = limited(x0, bounds)
        o = run(
            within(x0, lower, upper), lower, upper, stored(args), 0, 0, 0, Limits(gtol, ftol, -1.0, maxiter, maxfev)
        )
        return Minimum(o.x, o.fun, o.success, o.status, o.nit, o.nfev)

    return body


@overload(least_squares, prefer_literal=True)
def _least_squares(fun, x0, args=(), jac=None, bounds=None, loss="linear", maxiter=10_000, maxfev=ENDLESS):
    hyper = LevenbergMarquardt(loss=_constant("loss", loss, LOSSES))
    x, args_type = _sample("x0", x0), types.Tuple(tuple(_type(args)))
    problem = Problem(_function("fun", fun), _derivative(jac), (), 1.0)
    with _clear_errors():
        problem, why = with_jacobian(problem, x, args_type)
        if why:
            warn_of_differences(why)
        run = compiled_run(compiled_residuals(problem, x, 0, args_type, 3), hyper, x.dtype)

    def body(fun, x0, args=(), jac=None, bounds=None, loss="linear", maxiter=10_000, maxfev=ENDLESS):
        lower, upper = limited(x0, bounds)
        start = within(x0, lower, upper)
        m = fun(start, *args).size
        o = run(start, lower, upper, stored(args), m, m, 0, Limits(-1.0, -1.0, -1.0, maxiter, maxfev))
        return Fit(o.x, o.matrix, o.fun, o.success, o.status, o.nit, o.nfev)

    return body


@overload(curve_fit, prefer_literal=True)
def _curve_fit(
    f,
    xdata,
    ydata,
    p0=None,
    sigma=None,
    absolute_sigma=False,
    bounds=None,
    jac=None,
    maxiter=10_000,
    maxfev=ENDLESS,
):
    model, y = _function("f", f), _sample("ydata", ydata)
    n = len(inspect.signature(model.py_func).parameters) - 1
    if not _is_none(p0) and _sample("p0", p0).dtype != y.dtype:
        raise errors.TypingError(f"p0 is {_type(p0)}, but ydata is {_type(ydata)}: they must be of one precision.")
    data = types.Tuple((_type(xdata), _type(ydata), _vector(y)))
    with _clear_errors():
        code = model_code(model, _derivative(jac), _vector(y), n, loader(data), tuple(data))
        if code.why:
            warn_of_differences(code.why)
        objective = residual_objective(code.residuals, code.jacobian, 0, 3, isinstance(jac, types.Dispatcher))
        run = compiled_run(objective, LevenbergMarquardt(), y.dtype)
    ones = np.ones(n, y.dtype)

    @jit_user
    def fitted(x0, data, lower, upper, absolute, limits):
        start, m = within(x0, lower, upper), data[1].size
        return run(start, lower, upper, stored(data), m, m, absolute, limits)

    def body(
        f,
        xdata,
        ydata,
        p0=None,
        sigma=None,
        absolute_sigma=False,
        bounds=None,
        jac=None,
        maxiter=10_000,
        maxfev=ENDLESS,
    ):
        x0 = given_or(p0, ones)
        if x0.size != n:
            raise ValueError("p0 must have an element for each parameter of f")
        lower, upper = limited(x0, bounds)
        data = (xdata, ydata, weights(ydata, sigma))
        o = fitted(x0, data, lower, upper, int(absolute_sigma), Limits(-1.0, -1.0, -1.0, maxiter, maxfev))
        return Fit(o.x, o.matrix, o.fun, o.success, o.status, o.nit, o.nfev)

    return body


# --- what arguments are ----------------------------------------------------------------------------------------------


def _type(given: Any) -> Any:
    """The numba type of an argument of an overload, which may be a default."""
    given = given.value if isinstance(given, types.Omitted) else given
    given = given if isinstance(given, types.Type) else numba.typeof(given)
    return types.unliteral(given)


def _is_none(given: Any) -> bool:
    return isinstance(_type(given), types.NoneType)


def _sample(name: str, given: Any) -> np.ndarray:
    """An array of the precision of an argument, which must be a vector of floats."""
    ty = _type(given)
    if not (isinstance(ty, types.Array) and ty.ndim == 1 and isinstance(ty.dtype, types.Float)):
        raise errors.TypingError(f"{name} must be a vector of floats, but it is {ty}.")
    return np.zeros(2, numba.np.numpy_support.as_dtype(ty.dtype))


def _vector(x: np.ndarray) -> Any:
    return types.Array(numba.typeof(x).dtype, 1, "C")


def _function(name: str, given: Any) -> Any:
    if not isinstance(given, types.Dispatcher):
        raise errors.TypingError(f"{name} must be a function compiled by numba.njit, but it is {given}.")
    return given.dispatcher


def _derivative(given: Any, schemes: tuple = ("autodiff", "2-point")) -> Any:
    if isinstance(given, types.Dispatcher):
        return given.dispatcher
    return None if _is_none(given) else _constant("jac", given, schemes)


def _constant(name: str, given: Any, known: tuple) -> Any:
    given = given.value if isinstance(given, types.Omitted) else getattr(given, "literal_value", given)
    if given not in known:
        raise errors.TypingError(f"{name} must be a constant, one of {', '.join(map(repr, known))}; it is {given}.")
    return given


@contextlib.contextmanager
def _clear_errors() -> Iterator[None]:
    """What is wrong with an objective, as an error of typing, which numba shows."""
    try:
        with compiling():
            yield
    except (TypeError, ValueError) as error:
        raise errors.TypingError(str(error)) from error


# --- compiled: arrays of what is given -------------------------------------------------------------------------------


def given_or(given: Any, default: Any) -> Any:
    """`given`, or `default` where that is None."""


@overload(given_or)
def _given_or(given, default):
    return (lambda given, default: default) if _is_none(given) else (lambda given, default: given)


def limited(x0: Any, bounds: Any) -> Any:
    """Lower and upper bounds, each of the shape of x0."""


@overload(limited)
def _limited(x0, bounds):
    def without(x0, bounds):
        return np.full_like(x0, -np.inf), np.full_like(x0, np.inf)

    def within(x0, bounds):
        lower, upper = np.empty_like(x0), np.empty_like(x0)
        for i in range(x0.size):
            lower[i], upper[i] = element(bounds[0], i), element(bounds[1], i)
        return lower, upper

    return without if _is_none(bounds) else within


@jit_user
def within(x0, lower, upper):
    """A copy of x0 inside the bounds."""
    x = np.empty(x0.size, x0.dtype)
    for i in range(x.size):
        x[i] = min(max(x0[i], lower[i]), upper[i])
    return x


def weights(y: Any, sigma: Any) -> Any:
    """1 / sigma, of the shape of y."""


@overload(weights)
def _weights(y, sigma):
    def of_deviations(y, sigma):
        w = np.empty(y.size, y.dtype)
        for k in range(w.size):
            w[k] = 1 / element(sigma, k)
        return w

    return (lambda y, sigma: np.ones(y.size, y.dtype)) if _is_none(sigma) else of_deviations
