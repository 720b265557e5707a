"""The data of a fit as the user gave them: checked, and as arrays with a weight for each point."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from ._errors import name_of


class FitData(NamedTuple):
    """What a model is fitted to."""

    x: Any  # whatever the model takes first
    y: np.ndarray  # (m,)
    w: np.ndarray  # (m,): 1 / sigma; or (m, m): the inverse of the lower Cholesky factor of a covariance


def read_data(xdata: Any, ydata: Any, sigma: Any, check_finite: bool, nan_policy: str | None) -> FitData:
    """Data in double precision; a ValueError names what is wrong with them."""
    if nan_policy not in (None, "raise", "omit"):
        raise ValueError(f"nan_policy={nan_policy!r} must be None, 'raise' or 'omit'.")
    y = _numbers("ydata", ydata)
    if y.ndim != 1:
        raise ValueError(f"ydata has shape {y.shape}; it must have one dimension. Pass ydata.ravel().")
    if y.size == 0:
        raise ValueError("ydata is empty: there is nothing to fit.")
    x = xdata
    if isinstance(xdata, (list, tuple, np.ndarray)) or np.isscalar(xdata):
        x = np.ascontiguousarray(_numbers("xdata", xdata))
    w = read_weights(sigma, y.size)
    missing = np.isnan(y)
    if isinstance(x, np.ndarray) and x.dtype.kind == "f":
        bad = np.isnan(x) if nan_policy == "omit" else ~np.isfinite(x)
        if nan_policy == "omit" and x.ndim and x.shape[-1] == y.size:
            missing = missing | bad.reshape(-1, y.size).any(axis=0)
        elif check_finite and bad.any():
            raise ValueError(f"xdata has {bad.sum()} values that are not finite. nan_policy='omit' leaves out NaN.")
    if nan_policy == "omit" and missing.any():
        if w.ndim == 2:
            raise ValueError(
                "nan_policy='omit' does not go with a matrix sigma: leave the points out of both yourself."
            )
        keep = ~missing
        y, w = y[keep], w[keep]
        x = np.ascontiguousarray(x[..., keep]) if isinstance(x, np.ndarray) and x.shape[-1:] == keep.shape else x
    if check_finite and not np.isfinite(y).all():
        k = int(np.flatnonzero(~np.isfinite(y))[0])
        raise ValueError(f"ydata[{k}] = {y[k]} is not finite. nan_policy='omit' leaves out NaN.")
    return FitData(x, np.ascontiguousarray(y), w)


def _numbers(name: str, values: Any) -> np.ndarray:
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "fiub":
            array = array.astype(np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be an array of real numbers, not {values!r:.80}.") from None
    return array.astype(np.float64)


def read_weights(sigma: Any, m: int) -> np.ndarray:
    """1 / sigma for each of m points, or the inverse of the Cholesky factor of a covariance matrix."""
    if sigma is None:
        return np.ones(m)
    sigma = _numbers("sigma", sigma)
    if sigma.shape == (m, m) and m > 1:
        try:
            return np.ascontiguousarray(solve_triangular(cholesky(sigma, lower=True), np.eye(m), lower=True))
        except np.linalg.LinAlgError:
            raise ValueError("sigma is a matrix, but not positive definite: it must be a covariance.") from None
    if sigma.size == 1:
        sigma = np.full(m, sigma.item())
    if sigma.shape != (m,):
        raise ValueError(f"sigma has shape {sigma.shape}; for ydata of shape ({m},) it must be ({m},) or ({m}, {m}).")
    bad = np.flatnonzero(~(sigma > 0))
    if bad.size:
        raise ValueError(f"sigma[{bad[0]}] = {sigma[bad[0]]:g} must be > 0: it is the standard deviation of a point.")
    return 1 / sigma


class Curves(NamedTuple):
    """What a model is fitted to, for many curves."""

    x: np.ndarray  # for all, or with a row for each
    y: np.ndarray  # (B, m)
    w: np.ndarray  # (m,) for all, or (B, m): 1 / sigma, 0 where a value is missing
    own_x: bool  # whether x has a row for each
    points: np.ndarray  # (B,) how many values each has

    def arguments(self) -> tuple[tuple, tuple, tuple[int, ...]]:
        """What all share, what each has, and where x, y and w are among those."""
        shared: list = []
        own: list = []
        for name, value, each in (("x", self.x, self.own_x), ("y", self.y, True), ("w", self.w, self.w.ndim == 2)):
            (own if each else shared).append((name, value))
        names = [name for name, _ in shared + own]
        order = tuple(names.index(name) for name in "xyw")
        return tuple(value for _, value in shared), tuple(value for _, value in own), order


def read_curves(xdata: Any, Y: Any, sigma: Any, nan_policy: str | None, P0: Any) -> Curves:
    """Data of many curves in one precision; a ValueError names what is wrong with them."""
    if nan_policy not in (None, "raise", "omit"):
        raise ValueError(f"nan_policy={nan_policy!r} must be None, 'raise' or 'omit'.")
    single = getattr(Y, "dtype", None) == np.float32 and getattr(P0, "dtype", np.float32) == np.float32
    dtype = np.float32 if single else np.float64
    y, x = np.ascontiguousarray(_real("Y", Y), dtype), np.ascontiguousarray(_real("xdata", xdata), dtype)
    if y.ndim != 2:
        raise ValueError(f"Y has shape {y.shape}; it must have shape (B, m), a row for each curve.")
    count, m = y.shape
    own_x = x.ndim > 1 and x.shape[0] == count
    if x.ndim == 0 or x.shape[-1] != m or x.ndim > 3 or (x.ndim == 3 and not own_x):
        raise ValueError(
            f"xdata has shape {x.shape}, but Y has shape {y.shape}: give ({m},) or (k, {m}) for all curves, or "
            f"({count}, {m}) or ({count}, k, {m}) with those of each."
        )
    w = _weights_of_curves(sigma, y).astype(dtype)
    points, finite = np.full(count, m), np.isfinite(y)
    if not finite.all():
        missing = np.isnan(y)
        if nan_policy != "omit" and missing.any():
            raise ValueError(f"Y[{_first(missing)}] is NaN. nan_policy='omit' takes NaN for missing values.")
        points, finite, w = m - missing.sum(axis=1), finite | missing, np.where(missing, 0, w).astype(dtype)
    for name, values, right in (("Y", y, finite), ("xdata", x, np.isfinite(x))):
        if not right.all():
            raise ValueError(f"{name}[{_first(~right)}] = {values[~right][0]} is not finite.")
    return Curves(x, y, w, own_x, points)


def _first(where: np.ndarray) -> str:
    """The place of the first that is true."""
    return ", ".join(str(i) for i in np.argwhere(where)[0])


def _real(name: str, values: Any) -> np.ndarray:
    try:
        array = np.asarray(values)
        return array if array.dtype.kind in "fiub" else array.astype(np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be an array of real numbers, not {values!r:.80}.") from None


def _weights_of_curves(sigma: Any, y: np.ndarray) -> np.ndarray:
    """1 / sigma, of shape (m,) or (B, m)."""
    sigma = np.ones(1) if sigma is None else _real("sigma", sigma)
    if sigma.shape not in ((), (1,), y.shape[1:], y.shape):
        raise ValueError(
            f"sigma has shape {sigma.shape}; for Y of shape {y.shape} it must be a number, or have shape "
            f"({y.shape[1]},) or {y.shape}."
        )
    if not (sigma > 0).all():
        place = tuple(int(i) for i in np.argwhere(~(np.atleast_1d(sigma) > 0))[0])
        raise ValueError(f"sigma{list(place)} must be > 0: it is the standard deviation of a point.")
    return 1 / sigma if sigma.shape == y.shape else np.broadcast_to(1 / sigma, y.shape[1:])


def read_p0(f: Callable, p0: Any, lower: np.ndarray | float, upper: np.ndarray | float) -> np.ndarray:
    """Where to start: what is given, or 1 for each parameter of `f`, moved between its bounds as scipy does."""
    if p0 is not None:
        return np.atleast_1d(p0)
    parameters = list(inspect.signature(getattr(f, "py_func", f), follow_wrapped=False).parameters.values())
    if any(p.kind is p.VAR_POSITIONAL for p in parameters) or len(parameters) < 2:
        raise ValueError(f"Unable to determine number of fit parameters from the signature of {name_of(f)}: give p0.")
    n = len(parameters) - 1
    if np.ndim(lower) > 1 or np.ndim(upper) > 1:
        raise ValueError("Give P0: bounds of each curve do not say where to start.")
    lower, upper = np.broadcast_to(lower, n).astype(float), np.broadcast_to(upper, n).astype(float)
    start = np.ones(n)
    for i in range(n):
        low, high = np.isfinite(lower[i]), np.isfinite(upper[i])
        if low and high:
            start[i] = 0.5 * (lower[i] + upper[i])
        elif low or high:
            start[i] = lower[i] + 1 if low else upper[i] - 1
    return start


def read_limits(bounds: Any) -> tuple[Any, Any]:
    """Lower and upper bounds in scipy's forms for fits: a pair of arrays or numbers, or `Bounds`."""
    if hasattr(bounds, "lb") and hasattr(bounds, "ub"):
        return bounds.lb, bounds.ub
    try:
        lower, upper = bounds
        return np.asarray(lower, dtype=float), np.asarray(upper, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"bounds={bounds!r:.80} must be a pair (lower, upper) of numbers or arrays.") from None
