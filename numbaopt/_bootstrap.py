"""bootstrap(): how well parameters are known, by fits of resampled data as one batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._curve_fit_batch import curve_fit_batch
from ._fit_data import FitData, read_data
from ._fit_task import FitBatchResult

KINDS = ("residuals", "parametric", "pairs")


def bootstrap(
    f: Callable,
    xdata: Any,
    ydata: Any,
    popt: Any,
    sigma: Any = None,
    absolute_sigma: bool = False,
    *,
    n_resamples: int = 1000,
    kind: str = "residuals",
    seed: Any = None,
    **kwargs: Any,
) -> FitBatchResult:
    """Fit a model to many resampled copies of one curve: the spread of their parameters is that of the fit.

    ::

        residuals:   y*_k = f(x, popt)_k + sigma_k * e_i,    e = (r - mean(r)) * sqrt(m / (m - n)),  i drawn with
                     replacement,  r = (ydata - f(x, popt)) / sigma
        parametric:  y*_k = f(x, popt)_k + sigma_k * s * z,    z standard normal,
                     s = 1 with absolute_sigma, else sqrt(sum r^2 / (m - n))
        pairs:       points (x_i, y_i, sigma_i), i drawn with replacement

    Parameters
    ----------
    f : callable
        The model, as in `curve_fit`.
    xdata : array_like, shape (m,) or (k, m)
        As in `curve_fit`.
    ydata : array_like, shape (m,)
        The data.
    popt : array_like, shape (n,)
        The parameters that fit best; all fits start there.
    sigma : float or array_like of shape (m,), optional
        Standard deviations of ydata.
    absolute_sigma : bool
        Whether sigma is in the units of ydata.
    n_resamples : int
        How many fits, > 0.
    kind : {"residuals", "parametric", "pairs"}
        "residuals" supposes that all errors over sigma are alike, "parametric" that they are normal; "pairs" supposes
        neither, and varies which points there are.
    seed : int or numpy.random.Generator, optional
        Makes the result reproducible: the same for any number of threads.
    **kwargs
        Further arguments of `curve_fit_batch`: bounds, fixed, jac, nan_policy, executor, hyper-parameters.

    Returns
    -------
    FitBatchResult
        The fits; popt has shape (n_resamples, n). Take those with `success`: some resamples may determine less.

    Raises
    ------
    TypeError, ValueError
        Something that was given is of the wrong kind, shape or range.

    Examples
    --------
    >>> import numpy as np, numbaopt
    >>> def decay(t, amplitude, rate):
    ...     return amplitude * np.exp(-rate * t)
    >>> t = np.linspace(0, 4, 30)
    >>> y = decay(t, 3.0, 1.0) + 0.1 * np.random.default_rng(1).normal(size=30)
    >>> popt, pcov = numbaopt.curve_fit(decay, t, y)
    >>> fits = numbaopt.bootstrap(decay, t, y, popt, n_resamples=2000, seed=0)
    >>> intervals = np.percentile(fits.popt, [2.5, 97.5], axis=0)
    >>> bool(np.all((intervals[0] < popt) & (popt < intervals[1])))
    True

    Notes
    -----
    Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 9; the factor sqrt(m / (m - n)) is that of
    Davison and Hinkley, "Bootstrap Methods and their Application" (1997), section 6.2, with the mean leverage.
    """
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r} must be one of {', '.join(map(repr, KINDS))}.")
    if not (isinstance(n_resamples, (int, np.integer)) and n_resamples > 0):
        raise ValueError(f"n_resamples={n_resamples!r} must be an integer > 0: how many fits there are to be.")
    data = read_data(xdata, ydata, sigma, True, kwargs.pop("nan_policy", None))
    if data.w.ndim == 2:
        raise ValueError("bootstrap() takes sigma as standard deviations, not as a covariance matrix.")
    best = np.atleast_1d(np.asarray(popt, dtype=float))
    if best.ndim != 1 or data.y.size <= best.size:
        raise ValueError(
            f"There must be more data points than parameters: ydata has shape {np.shape(ydata)}, popt {best.shape}."
        )
    rng = np.random.default_rng(seed)
    if kind == "pairs":
        Y, deviations = _with_repeated_points(data, n_resamples, rng)
        kwargs["nan_policy"] = "omit"
    else:
        Y, deviations = _with_other_errors(f, data, best, absolute_sigma, kind, n_resamples, rng), 1 / data.w
    return curve_fit_batch(f, data.x, Y, best, deviations, absolute_sigma, **kwargs)


def _with_repeated_points(data: FitData, count: int, rng: Any) -> tuple[np.ndarray, np.ndarray]:
    """Points drawn with replacement: one that is there k times has the weight of k, one that is not is missing."""
    m = data.y.size
    times = rng.multinomial(m, np.full(m, 1 / m), size=count)
    return np.where(times > 0, data.y, np.nan), 1 / (data.w * np.sqrt(np.maximum(times, 1)))


def _with_other_errors(
    f: Callable, data: FitData, best: np.ndarray, absolute: bool, kind: str, count: int, rng: Any
) -> np.ndarray:
    """The model's values with errors drawn anew."""
    fitted = np.asarray(f(data.x, *best), dtype=float)
    if fitted.shape != data.y.shape or not np.isfinite(fitted).all():
        raise ValueError(
            f"The model at popt must give finite values of shape {data.y.shape}, like ydata; it gave shape "
            f"{fitted.shape} with {np.sum(~np.isfinite(fitted))} that are not finite."
        )
    m, r = data.y.size, (data.y - fitted) * data.w
    if kind == "residuals":
        errors = rng.choice((r - r.mean()) * np.sqrt(m / (m - best.size)), size=(count, m))
    else:
        errors = rng.standard_normal((count, m)) * (1.0 if absolute else np.sqrt(np.sum(r * r) / (m - best.size)))
    return fitted + errors / data.w
