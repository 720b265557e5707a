"""curve_fit() and least_squares(): fits with scipy's signatures, exact Jacobians and compiled loops."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from scipy.optimize import Bounds, OptimizeResult, OptimizeWarning

from ._bounds import make_space
from ._compile import compile_seconds, compiles_nopython
from ._compiled_objective import jitted
from ._curve_run import CurveRun
from ._errors import attach_result, name_of, place_of_user
from ._fit_data import read_data, read_limits, read_p0
from ._fit_plan import quick_fit, remember
from ._groups import with_fixed
from ._inspection import return_type
from ._minimize import read_x0
from ._objective import SCHEMES, Problem
from ._options import Options
from ._residual_run import ResidualRun
from ._residuals import IN_PYTHON, for_scheme
from ._result import assemble
from ._solver_run import for_solver
from ._status import Status
from .solvers.levenberg_marquardt import LevenbergMarquardt

METHODS = (None, "lm", "trf", "dogbox")
UNBOUNDED = (-np.inf, np.inf)


def curve_fit(
    f: Callable,
    xdata: Any,
    ydata: Any,
    p0: Any = None,
    sigma: Any = None,
    absolute_sigma: bool = False,
    check_finite: bool | None = None,
    bounds: Any = UNBOUNDED,
    method: Any = None,
    jac: Any = None,
    *,
    full_output: bool = False,
    nan_policy: str | None = None,
    **kwargs: Any,
) -> tuple:
    """Fit a model to data by least squares, with scipy's signature and results.

    ::

        minimise  1/2 sum ((f(xdata, *p) - ydata) / sigma)^2         within the bounds
        pcov = (J^T J)^-1 * s^2,    s^2 = 1 with absolute_sigma, else  sum of squares / (m - n)

    Parameters
    ----------
    f : callable
        The model `f(xdata, a, b, ...)`, which returns an array of shape (m,). A function compiled by `numba.njit`, or
        a plain one of numbers, arrays and NumPy, which is compiled when it is first fitted; where numba cannot do
        that, a RuntimeWarning says why, and it is called as it is.
    xdata : array_like or object
        Passed on to `f`: usually of shape (m,), or (k, m) for k independent variables.
    ydata : array_like, shape (m,)
        What the model should give.
    p0 : array_like, shape (n,), optional
        Where to start. Default: 1 for each parameter, or a point between the bounds. float32 makes it a fit in single
        precision.
    sigma : float, array_like of shape (m,) or (m, m), optional
        Standard deviations of ydata, > 0, or their covariance matrix.
    absolute_sigma : bool
        Whether sigma is in the units of ydata; else only its proportions count.
    check_finite : bool, optional
        Whether to refuse data that are not finite (True).
    bounds : pair of array_like, or scipy.optimize.Bounds
        Lower and upper bounds; equal ones hold a parameter.
    method : {None, "lm", "trf", "dogbox"} or LevenbergMarquardt
        All names stand for Levenberg-Marquardt, which takes bounds and robust losses here.
    jac : callable, "autodiff", "2-point", "3-point", "cs" or None
        `jac(xdata, *p)`, of shape (m, n). None: exact, by automatic differentiation, where f is compiled and that is
        possible, else "2-point"; with "autodiff" an error else. "3-point" has more digits than "2-point", and "cs", for
        an f that takes complex parameters, all; both call f from Python.
    full_output : bool
        Return (popt, pcov, infodict, mesg, ier) as scipy does; infodict has nfev, fvec and the whole `result`.
    nan_policy : {None, "raise", "omit"}
        What to do with NaN in the data.
    **kwargs
        Hyper-parameters of `LevenbergMarquardt` (ftol, xtol, gtol, loss, f_scale, factor, geodesic) and the options
        maxiter, maxfev (also max_nfev), maxtime, x_scale.

    Returns
    -------
    popt : ndarray, shape (n,)
        The parameters.
    pcov : ndarray, shape (n, n)
        Their covariance, from the Jacobian at popt; inf, with an OptimizeWarning, where it is singular or m <= n.

    Raises
    ------
    ValueError, TypeError
        Something that was given is of the wrong kind, shape or range.
    RuntimeError
        No minimum was found; `.result` of the error has the best point.

    Examples
    --------
    >>> import numpy as np, numbaopt
    >>> def model(t, amplitude, rate, offset):
    ...     return amplitude * np.exp(-rate * t) + offset
    >>> t = np.linspace(0, 4, 50)
    >>> y = model(t, 2.5, 1.3, 0.5) + 0.01 * np.cos(7 * t)
    >>> popt, pcov = numbaopt.curve_fit(model, t, y)
    >>> popt.round(2).tolist(), bool((np.sqrt(np.diag(pcov)) < 0.01).all())
    ([2.5, 1.3, 0.5], True)

    Notes
    -----
    A fit that succeeds is at a minimum: the tolerances are tighter than scipy's, and a point at which a parameter has
    lost all influence on the model is no success.
    """
    by_default = bounds is UNBOUNDED and not (kwargs or method or full_output or nan_policy or check_finite is not None)
    if by_default and (quick := quick_fit(f, xdata, ydata, p0, sigma, absolute_sigma, jac)) is not None:
        return quick
    started, compiled_before = time.perf_counter(), compile_seconds()
    data = read_data(xdata, ydata, sigma, check_finite is not False, nan_policy)
    lower, upper = read_limits(bounds)
    p0 = read_x0(read_p0(f, p0, lower, upper), "p0")
    hyper, options = settings_of(method, kwargs)
    if data.y.size < p0.size:
        raise TypeError(
            f"There are fewer data points ({data.y.size}) than parameters ({p0.size}). Give more points, or hold "
            "parameters by equal bounds."
        )
    f, jac = compiled_model(f, jac, data.x, p0)
    y, w = data.y.astype(p0.dtype), data.w.astype(p0.dtype)
    run = _executed(CurveRun, Problem(f, jac, (data.x, y, w), 1.0), p0, hyper, options, (lower, upper), "p0")
    status = run.status
    result = assemble(run, status, time.perf_counter() - started, compile_seconds() - compiled_before)
    if not result.success:
        error = RuntimeError(f"Optimal parameters not found: {result.message}")
        error.result = result  # type: ignore[attr-defined]
        raise error
    pcov = _scaled_covariance(run, absolute_sigma)
    if by_default:
        remember(f, jac, run)
    if full_output:
        info = {"nfev": result.nfev, "fvec": run.residuals, "result": result}
        return result.x, pcov, info, result.message, 1
    return result.x, pcov


def _scaled_covariance(run: Any, absolute_sigma: bool) -> np.ndarray:
    """The covariance of the parameters, inf with a warning where it cannot be estimated."""
    n, p = run.x0.size, run.state.progress[0]
    if run.full_rank and absolute_sigma:
        return run.covariance
    if run.full_rank and run.m > n:
        return run.covariance * run.covariance.dtype.type(2 * p["f"] / (run.m - n))
    warnings.warn("Covariance of the parameters could not be estimated", OptimizeWarning, stacklevel=place_of_user())
    return np.full((n, n), np.inf, run.covariance.dtype)


def compiled_model(f: Any, jac: Any, xdata: Any, p0: np.ndarray) -> tuple[Any, Any]:
    """The model and its Jacobian, compiled if numba can do that; else both as they are, and a warning that says why."""
    if not callable(f):
        raise TypeError(f"f must be callable, not {f!r:.80}.")
    if not (jac is None or callable(jac) or (isinstance(jac, str) and jac in ("autodiff", *SCHEMES))):
        raise ValueError(f'jac={jac!r:.80} must be a function, "autodiff", "2-point", "3-point", "cs" or None.')
    if jac in IN_PYTHON:
        return for_scheme(f, jac), jac
    given = [f, jac] if callable(jac) else [f]
    if all(compiles_nopython(function) for function in given):
        return f, jac
    try:
        compiled = [jitted(function) for function in given]
        types = numba.typeof(xdata), *[numba.typeof(p0).dtype] * p0.size
        for function, role in zip(compiled, ("f", "jac"), strict=False):
            return_type(function, types, role)
    except Exception as refusal:  # numba has several for what it cannot type
        if jac == "autodiff":
            raise TypeError(f'jac="autodiff" needs a model that numba compiles: {refusal}') from refusal
        warnings.warn(
            f"{refusal}\n  The fit goes on with {name_of(f)} as plain Python, which is slower, and has no exact "
            "Jacobian unless jac gives it.",
            RuntimeWarning,
            stacklevel=place_of_user(),
        )
        return (f, jac) if not compiles_nopython(f) else (f.py_func, jac)
    return compiled[0], compiled[1] if callable(jac) else jac


def least_squares(
    fun: Callable,
    x0: Any,
    jac: Any = None,
    bounds: Any = (-np.inf, np.inf),
    method: Any = None,
    ftol: float | None = 1e-8,
    xtol: float | None = 1e-8,
    gtol: float | None = 1e-8,
    x_scale: Any = None,
    loss: str = "linear",
    f_scale: float = 1.0,
    max_nfev: int | None = None,
    verbose: int = 0,
    args: Any = (),
    callback: Callable | None = None,
    **kwargs: Any,
) -> OptimizeResult:
    """Minimise a sum of squares of residuals, with scipy's signature and results.

    ::

        minimise  cost = C^2 / 2 * sum rho((r_k(x) / C)^2)           within the bounds; C = f_scale

    Parameters
    ----------
    fun : callable
        `fun(x, *args)` returns the residuals, of shape (m,). Compiled by `numba.njit` the whole fit runs compiled.
    x0 : array_like, shape (n,)
        Where to start. float32 stays float32.
    jac : callable, "autodiff", "2-point", "3-point", "cs" or None
        `jac(x, *args)`, of shape (m, n). None: exact, by automatic differentiation, where fun is compiled and that is
        possible, else "2-point"; with "autodiff" an error else. "3-point" has more digits than "2-point", and "cs", for
        a fun that takes complex x, all; both call fun from Python.
    bounds : pair of array_like, or scipy.optimize.Bounds
        Lower and upper bounds; equal ones hold a variable.
    method : {None, "lm", "trf", "dogbox"} or LevenbergMarquardt
        All names stand for Levenberg-Marquardt, which takes bounds and robust losses here.
    ftol, xtol, gtol, loss, f_scale
        See `LevenbergMarquardt`; None switches a tolerance off. The tolerances are scipy's, those of `curve_fit` are
        tighter.
    x_scale : array_like, optional
        Typical sizes of the variables, for steps of differences. The method finds its own scales.
    max_nfev : int, optional
        Evaluations of the residuals, those for differences included.
    verbose : int
        Print progress where it is above 0.
    args : tuple
        Further arguments of `fun` and `jac`.
    callback : callable, optional
        As in `numbaopt.minimize`.
    **kwargs
        factor, geodesic (see `LevenbergMarquardt`), maxiter, maxtime.

    Returns
    -------
    scipy.optimize.OptimizeResult
        x, cost, fun (residuals), jac (m, n), grad, optimality (largest element of the projected gradient), active_mask,
        nfev, njev, nit, status (a `numbaopt.Status`), message, success; and `covariance`, (J^T J)^-1, or None where J
        has not full rank.

    Raises
    ------
    ValueError, TypeError
        Something that was given is of the wrong kind, shape or range.
    Exception
        What `fun`, `jac` and `callback` raise, with the best point so far as `.result`.

    Examples
    --------
    >>> import numba, numpy as np, numbaopt
    >>> @numba.njit
    ... def rosenbrock(x):
    ...     return np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]])
    >>> res = numbaopt.least_squares(rosenbrock, [-1.2, 1.0])
    >>> res.success, res.x.round(6).tolist()
    (True, [1.0, 1.0])
    """
    started, compiled_before = time.perf_counter(), compile_seconds()
    given = {"ftol": ftol or 0.0, "xtol": xtol or 0.0, "gtol": gtol or 0.0, "loss": loss, "f_scale": f_scale}
    given = {} if isinstance(method, LevenbergMarquardt) else given
    given |= {"x_scale": x_scale, "max_nfev": max_nfev, "disp": verbose > 0}
    hyper, options = settings_of(method, given | kwargs)
    if not callable(fun):
        raise TypeError(f"fun must be callable, not {fun!r:.80}.")
    args = args if isinstance(args, tuple) else (args,)
    x0 = read_x0(x0)
    problem = Problem(fun, jac, args, 1.0)
    run = _executed(ResidualRun, problem, x0, hyper, options, read_limits(bounds), "x0", callback)
    result = assemble(run, run.status, time.perf_counter() - started, compile_seconds() - compiled_before)
    result.update(cost=result.fun, fun=run.residuals, grad=result.jac, jac=run.J.T)
    space = run.space
    result.optimality = float(run.state.progress["slope"][0])
    result.active_mask = np.where(result.x <= space.lower, -1, np.where(result.x >= space.upper, 1, 0))
    result.covariance = run.covariance if run.full_rank else None
    return result


def settings_of(method: Any, given: dict[str, Any]) -> tuple[LevenbergMarquardt, Options]:
    """The method and the options that keywords stand for."""
    given = {name: value for name, value in given.items() if value is not None}
    if "max_nfev" in given:
        given["maxfev"] = given.pop("max_nfev")
    if isinstance(method, LevenbergMarquardt):
        hyper, own = method, {}
    elif method in METHODS:
        own = {name: given.pop(name) for name in list(given) if name in LevenbergMarquardt._fields}
        hyper = LevenbergMarquardt(**own)
    else:
        raise ValueError(f"method={method!r:.80} must be one of {METHODS}, or a LevenbergMarquardt object.")
    known = ("maxiter", "maxfev", "maxtime", "x_scale", "disp", "workers", "fixed")
    unknown = [name for name in given if name not in known]
    if unknown:
        names = ", ".join([*LevenbergMarquardt._fields, *known])
        raise TypeError(f"unexpected keyword {unknown[0]!r}; known: {names}.")
    return hyper, Options(gtol=None, **given)


def _executed(
    kind: Any,
    problem: Problem,
    x0: np.ndarray,
    hyper: Any,
    options: Options,
    bounds: Any,
    name: str,
    callback: Any = None,
) -> Any:
    """A run that is over, with its `status`; what it raises has the result so far. `name` is what x0 is called."""
    started, compiled_before = time.perf_counter(), compile_seconds()
    limits = Bounds(*(np.broadcast_to(b, x0.shape) for b in bounds))
    space = with_fixed(make_space(x0, limits, options.x_scale, name), x0, options.fixed)
    problem, space = for_solver(problem, hyper, x0, space)
    run = kind(problem, x0, hyper, options, space, callback)
    try:
        run.status = run.execute()
    except BaseException as error:
        if run.found_something or isinstance(error, KeyboardInterrupt):
            seconds, compiled = time.perf_counter() - started, compile_seconds() - compiled_before
            attach_result(error, assemble(run, Status.INTERRUPTED, seconds, compiled))
        raise
    return run
