"""minimize(), least_squares() and curve_fit() inside your own compiled functions, parallel loops included.

They are called in code that `numba.njit` compiles, with compiled objectives, and run the very code of
`numbaopt.minimize`, `least_squares` and `curve_fit`: none of it is compiled again for your function. No Python runs,
and they raise nothing: `status` and `success` say how it went.

A function that calls them has addresses of this process in it: numba warns that it cannot cache it on disk.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numba
import numpy as np
from numba.core import errors, types
from numba.extending import overload

from ._compile import compiling
from ._compiled_objective import compiled_objective, compiled_value
from ._exact import with_gradient_for
from ._inside import Limits, compiled_run, stored
from ._models import loader, model_code
from ._objective import Problem
from ._options import as_method
from ._residual_run import warn_of_differences
from ._residuals import compiled_residuals, with_jacobian
from ._solver import SOLVERS
from .drivers.objectives import LOSSES, ResidualDifferences, Residuals
from .solvers.levenberg_marquardt import LevenbergMarquardt

__all__ = ["Fit", "Minimum", "curve_fit", "least_squares", "minimize"]

METHODS = ("l-bfgs-b", "bfgs", "cg", "nelder-mead")
ENDLESS = np.iinfo(np.int64).max


class Minimum(NamedTuple):
    """What `minimize` found."""

    x: Any  # (n,)
    fun: float
    success: bool
    status: int  # a `numbaopt.Status`
    nit: int
    nfev: int


class Fit(NamedTuple):
    """What `curve_fit` and `least_squares` found; its first two are what scipy's `curve_fit` returns."""

    popt: Any  # (n,) the parameters
    pcov: Any  # (n, n) their covariance; inf where there is none
    cost: float  # half the sum of squares of the weighted residuals, or of their loss
    success: bool
    status: int  # a `numbaopt.Status`
    nit: int
    nfev: int


def minimize(
    fun: Callable,
    x0: Any,
    args: tuple = (),
    method: str = "l-bfgs-b",
    jac: Any = None,
    bounds: Any = None,
    maxiter: int = 10_000,
    maxfev: int = ENDLESS,
    gtol: float = 1e-7,
    ftol: float = 1e-15,
) -> Minimum:
    """Minimise a compiled function of a vector, inside compiled code.

    Parameters
    ----------
    fun : compiled function
        `fun(x, *args) -> number`.
    x0 : ndarray, shape (n,), float64 or float32
        Where to start; points outside the bounds are moved to them.
    args : tuple
        Further arguments of `fun`.
    method : {"l-bfgs-b", "bfgs", "cg", "nelder-mead"}
        A constant of your code.
    jac : compiled function, "2-point", "3-point", "inplace" or None
        As in `numbaopt.minimize`: None is the exact gradient where `fun` can be differentiated, else "2-point".
    bounds : pair (lower, upper), optional
        Numbers, or arrays of shape (n,).
    maxiter, maxfev : int
        Iterations and evaluations at most.
    gtol, ftol : float
        As in `numbaopt.minimize`; below 0: off. Nelder-Mead has its own tests instead of gtol.

    Returns
    -------
    Minimum
        x, fun, success, status (a `numbaopt.Status`), nit, nfev.

    Raises
    ------
    numba.TypingError
        Where your function is compiled: something that was given is of the wrong kind.

    Examples
    --------
    >>> import numba, numpy as np
    >>> from numbaopt import nopython
    >>> @numba.njit
    ... def distance(x, centre):
    ...     return ((x - centre) ** 2).sum()
    >>> @numba.njit
    ... def nearest(centres):
    ...     out = np.empty_like(centres)
    ...     for b in range(len(centres)):
    ...         out[b] = nopython.minimize(distance, np.zeros(2), (centres[b],)).x
    ...     return out
    >>> nearest(np.array([[1.0, 2.0], [3.0, 4.0]])).round(6).tolist()
    [[1.0, 2.0], [3.0, 4.0]]

    Notes
    -----
    There is no `x_scale`: x is as it is. That an exact gradient is right is not checked at x0.
    """
    raise _outside("minimize")


def least_squares(
    fun: Callable,
    x0: Any,
    args: tuple = (),
    jac: Any = None,
    bounds: Any = None,
    loss: str = "linear",
    maxiter: int = 10_000,
    maxfev: int = ENDLESS,
) -> Fit:
    """Minimise half the sum of squares of a compiled vector of residuals, inside compiled code.

    Parameters
    ----------
    fun : compiled function
        `fun(x, *args)` returns the residuals, of shape (m,); it is called once at x0 to know m.
    x0, args, bounds, maxiter, maxfev
        As in `minimize`.
    jac : compiled function, "2-point" or None
        `jac(x, *args)` of shape (m, n); None is the exact Jacobian where `fun` can be differentiated.
    loss : {"linear", "soft_l1", "huber", "cauchy", "arctan"}
        A constant of your code.

    Returns
    -------
    Fit
        popt, pcov (scaled by the residual variance), cost, success, status, nit, nfev.
    """
    raise _outside("least_squares")


def curve_fit(
    f: Callable,
    xdata: Any,
    ydata: Any,
    p0: Any = None,
    sigma: Any = None,
    absolute_sigma: bool = False,
    bounds: Any = None,
    jac: Any = None,
    maxiter: int = 10_000,
    maxfev: int = ENDLESS,
) -> Fit:
    """Fit a compiled model to data by Levenberg-Marquardt, inside compiled code.

    Parameters
    ----------
    f : compiled function
        The model, `f(xdata, a, b, ...)`, of values of shape (m,).
    xdata : whatever the model takes
    ydata : ndarray, shape (m,), float64
    p0 : ndarray, shape (n,), float64, optional
        Where to start; 1 for each parameter by default. Points outside the bounds are moved to them.
    sigma : ndarray, shape (m,), optional
        Standard deviations of ydata.
    absolute_sigma : bool
        Whether they are in the units of ydata.
    bounds, maxiter, maxfev
        As in `minimize`.
    jac : compiled function, "2-point" or None
        `jac(xdata, a, b, ...)` of shape (m, n); None is the exact one where `f` can be differentiated.

    Returns
    -------
    Fit
        popt, pcov, cost, success, status, nit, nfev.

    Examples
    --------
    >>> import numba, numpy as np
    >>> from numbaopt import nopython
    >>> @numba.njit
    ... def decay(t, amplitude, rate):
    ...     return amplitude * np.exp(-rate * t)
    >>> @numba.njit(parallel=True)
    ... def rates(t, Y):
    ...     out = np.empty(len(Y))
    ...     for b in numba.prange(len(Y)):
    ...         out[b] = nopython.curve_fit(decay, t, Y[b], np.array([1.0, 1.0])).popt[1]
    ...     return out
    >>> t = np.linspace(0, 4, 50)
    >>> rates(t, 3 * np.exp(-np.array([[0.5], [1.0], [2.0]]) * t)).round(6).tolist()
    [0.5, 1.0, 2.0]
    """
    raise _outside("curve_fit")


def _outside(name: str) -> TypeError:
    return TypeError(f"numbaopt.nopython.{name} is for code compiled by numba.njit; in Python use numbaopt.{name}.")


# --- compiled --------------------------------------------------------------------------------------------------------


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
    problem = Problem(_function("fun", fun), _derivative(jac), (), 1.0)
    hyper = as_method(name)
    with _clear_errors():
        if SOLVERS[type(hyper)].needs == "value":
            objective = compiled_value(problem, x, 0, types.Tuple(args_type))
        else:
            if problem.jac is None:
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
        if code.jacobian is None:
            objective: Any = ResidualDifferences(code.residuals.address, 0, 3)
        else:
            objective = Residuals(code.residuals.address, code.jacobian.address, 0, 3, int(_is_none(jac)))
        run = compiled_run(objective, LevenbergMarquardt(), y.dtype)
    ones = np.ones(n, y.dtype)

    @numba.njit
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


def _derivative(given: Any) -> Any:
    if isinstance(given, types.Dispatcher):
        return given.dispatcher
    return None if _is_none(given) else _constant("jac", given, ("2-point", "3-point", "inplace"))


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


def edge(bound: Any, i: int) -> Any:
    """The i-th element of a bound, which may be one number for all."""


@overload(edge)
def _edge(bound, i):
    return (lambda bound, i: bound[i]) if isinstance(bound, types.Array) else (lambda bound, i: bound)


def limited(x0: Any, bounds: Any) -> Any:
    """Lower and upper bounds, each of the shape of x0."""


@overload(limited)
def _limited(x0, bounds):
    def without(x0, bounds):
        return np.full_like(x0, -np.inf), np.full_like(x0, np.inf)

    def within(x0, bounds):
        lower, upper = np.empty_like(x0), np.empty_like(x0)
        for i in range(x0.size):
            lower[i], upper[i] = edge(bounds[0], i), edge(bounds[1], i)
        return lower, upper

    return without if _is_none(bounds) else within


@numba.njit
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
            w[k] = 1 / edge(sigma, k)
        return w

    return (lambda y, sigma: np.ones(y.size, y.dtype)) if _is_none(sigma) else of_deviations
