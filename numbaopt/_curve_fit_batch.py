"""curve_fit_batch(): one model fitted to many curves at once, with the covariance of each."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from ._batch_chunks import run_in_chunks
from ._batch_space import read_points, read_spaces
from ._batch_task import run_task
from ._compile import compile_seconds
from ._curve_fit import compiled_model, settings_of
from ._executors import require_executor
from ._fit_data import read_curves, read_limits, read_p0
from ._fit_task import FitBatchResult, Fits, FitTask
from ._objective import Problem


def curve_fit_batch(
    f: Callable,
    xdata: Any,
    Y: Any,
    P0: Any = None,
    sigma: Any = None,
    absolute_sigma: bool = False,
    bounds: Any = (-np.inf, np.inf),
    method: Any = None,
    jac: Any = None,
    *,
    fixed: Any = None,
    nan_policy: str | None = None,
    workers: int | None = None,
    executor: Any = None,
    chunk_size: int | None = None,
    **kwargs: Any,
) -> FitBatchResult:
    """Fit one model to many curves by least squares, on all threads: B curves of m points, n parameters each.

    ::

        minimise  1/2 sum_k ((f(xdata, *p_b)_k - Y_bk) / sigma_bk)^2          for each b, within the bounds
        pcov_b = (J^T J)^-1 * s^2,    s^2 = 1 with absolute_sigma, else  sum of squares / (points - n)

    Parameters
    ----------
    f : callable
        The model `f(xdata, a, b, ...)`, which returns an array of shape (m,): as in `curve_fit`.
    xdata : array_like
        Of shape (m,), or (k, m) for k independent variables: for all curves; or for each its own, of shape (B, m) or
        (B, k, m).
    Y : array_like, shape (B, m)
        A row for each curve. float32 makes fits in single precision, unless P0 is in double.
    P0 : array_like, shape (n,) or (B, n), optional
        Where to start, for all curves or for each. Default: 1 for each parameter, or a point between the bounds.
    sigma : float, or array_like of shape (m,) or (B, m), optional
        Standard deviations, > 0, for all curves or for each.
    absolute_sigma : bool
        Whether sigma is in the units of Y; else only its proportions count.
    bounds : pair of array_like, or scipy.optimize.Bounds
        Lower and upper bounds: numbers, of shape (n,), or (B, n) for each curve its own.
    method : {None, "lm", "trf", "dogbox"} or LevenbergMarquardt
        As in `curve_fit`.
    jac : callable, "autodiff", "2-point", "3-point", "cs" or None
        As in `curve_fit`.
    fixed : slice, mask, indices or mask of shape (B, n), optional
        Parameters that stay as in P0.
    nan_policy : {None, "raise", "omit"}
        "omit": NaN in Y is a missing value. Else an error.
    workers : int, optional
        Threads; all by default.
    executor, chunk_size
        As in `minimize_batch`.
    **kwargs
        Hyper-parameters of `LevenbergMarquardt` (ftol, xtol, gtol, loss, f_scale, factor, geodesic) and the options
        maxiter, maxfev (also max_nfev), maxtime, x_scale, disp.

    Returns
    -------
    FitBatchResult
        popt (B, n), pcov (B, n, n), perr (B, n), chisq, points, success, status, nit, nfev, njev of shape (B,);
        `message_of(b)`; printed, a summary. pcov is inf where the Jacobian is singular or there are too few points.

    Raises
    ------
    TypeError, ValueError
        Something that was given is of the wrong kind, shape or range; found before anything runs.
    KeyboardInterrupt
        With what is done as `.result`.

    Examples
    --------
    >>> import numpy as np, numbaopt
    >>> def decay(t, amplitude, rate):
    ...     return amplitude * np.exp(-rate * t)
    >>> t = np.linspace(0, 4, 50)
    >>> Y = decay(t, 3.0, np.array([[0.5], [1.0], [2.0]]))
    >>> result = numbaopt.curve_fit_batch(decay, t, Y)
    >>> result.popt.round(4).tolist()
    [[3.0, 0.5], [3.0, 1.0], [3.0, 2.0]]
    """
    started, compiled_before = time.perf_counter(), compile_seconds()
    lower, upper = read_limits(bounds)
    data = read_curves(xdata, Y, sigma, nan_policy, P0)
    count, m = data.y.shape
    p0 = read_points(_starts(f, P0, lower, upper, count, data.y.dtype))
    n = p0.shape[1]
    hyper, settings = settings_of(method, {**kwargs, "workers": workers, "fixed": fixed})
    if m < n:
        raise TypeError(f"There are fewer data points ({m}, as Y has shape {data.y.shape}) than parameters ({n}).")
    shared, batches, order = data.arguments()
    if count:
        f, jac = compiled_model(f, jac, data.x[0] if data.own_x else data.x, p0[0])
    spaces = read_spaces(p0, SimpleNamespace(lb=lower, ub=upper), settings.x_scale, settings.fixed) if count else None
    fits = Fits(
        f, p0, shared, batches, method, jac, spaces, {}, order, m, bool(absolute_sigma), data.points, hyper, settings
    )
    task = FitTask(Problem(f, jac, shared, 1.0), fits, spaces, hyper, settings, False, False, chunk_size)
    elsewhere = None
    if executor is not None:
        require_executor(executor)
        elsewhere = functools.partial(run_in_chunks, task, executor=executor, size=chunk_size)
    result: Any = run_task(task, started, compiled_before, elsewhere)
    if settings.disp:
        print(result)
    return result


def _starts(f: Any, P0: Any, lower: Any, upper: Any, count: int, dtype: Any) -> np.ndarray:
    """Where each curve starts."""
    start = np.asarray(read_p0(f, P0, lower, upper) if P0 is None or np.ndim(P0) < 2 else P0)
    if start.ndim == 1:
        start = np.broadcast_to(start, (count, start.size))
    if len(start) != count:
        raise ValueError(f"P0 has shape {start.shape}, but Y has {count} rows: one start for each, or one for all.")
    return start.astype(dtype)
