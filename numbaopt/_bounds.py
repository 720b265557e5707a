"""Bounds and scales as the arrays of a `Box`."""

from __future__ import annotations

from typing import Any

import numpy as np

from .drivers.sweep import Box


def make_space(x0: np.ndarray, bounds: Any, x_scale: Any, name: str = "x0") -> Box | None:
    """The space that the iterate lives in: None where there are neither bounds nor scales; `name` is that of x0."""
    if bounds is None and x_scale is None:
        return None
    lower, upper = read_bounds(bounds, x0.size)
    scale = read_scale(x_scale, x0)
    lower, upper = _inside(lower, x0.dtype, +1), _inside(upper, x0.dtype, -1)
    outside = np.flatnonzero((x0 < lower) | (x0 > upper))
    if outside.size:
        i = outside[0]
        raise ValueError(
            f"{name}[{i}] = {x0[i]:.6g} is outside its bounds [{lower[i]:.6g}, {upper[i]:.6g}]. "
            f"Move it inside, for instance by np.clip({name}, lower, upper)."
        )
    return Box(scale, lower, upper)


def read_bounds(bounds: Any, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bounds, of shape (n,), from `scipy.optimize.Bounds` or n pairs; None is no bound."""
    if bounds is None:
        return np.full(n, -np.inf), np.full(n, np.inf)
    if hasattr(bounds, "lb") and hasattr(bounds, "ub"):
        lower, upper = _vector("lb", bounds.lb, n), _vector("ub", bounds.ub, n)
    else:
        lower, upper = _from_pairs(bounds, n)
    for i in range(n):
        if np.isnan(lower[i]) or np.isnan(upper[i]):
            raise ValueError(f"bounds[{i}] = ({lower[i]}, {upper[i]}) has a NaN; use None or inf for no bound.")
        if lower[i] > upper[i]:
            raise ValueError(f"bounds[{i}] = ({lower[i]:.6g}, {upper[i]:.6g}): the lower bound is above the upper.")
        if lower[i] == np.inf or upper[i] == -np.inf:
            raise ValueError(f"bounds[{i}] = ({lower[i]}, {upper[i]}) leaves no finite value.")
    return lower, upper


def _from_pairs(bounds: Any, n: int) -> tuple[np.ndarray, np.ndarray]:
    try:
        pairs = [tuple(pair) for pair in bounds]
    except TypeError:
        raise TypeError(
            f"bounds = {bounds!r:.80} must be a scipy.optimize.Bounds or a sequence of pairs (lower, upper)."
        ) from None
    if len(pairs) != n or any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"bounds must have {n} pairs (lower, upper), one for each element of x0; got {bounds!r:.80}.")
    try:
        lower = np.array([-np.inf if low is None else low for low, _ in pairs], dtype=float)
        upper = np.array([np.inf if high is None else high for _, high in pairs], dtype=float)
    except (TypeError, ValueError):
        raise TypeError(f"bounds must be pairs of numbers, with None for no bound; got {bounds!r:.80}.") from None
    return lower, upper


def _vector(name: str, values: Any, n: int) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    if array.ndim > 1 or array.size not in (1, n):
        raise ValueError(f"bounds.{name} has shape {array.shape}; it must be a number or have shape ({n},) as x0 has.")
    return np.broadcast_to(array.reshape(-1), (n,)).copy()


def _inside(edge: np.ndarray, dtype: Any, direction: int) -> np.ndarray:
    """`edge` in `dtype`, rounded into the interval, so that no float32 point is outside a float64 bound."""
    rounded = edge.astype(dtype)
    wrong = (rounded < edge) if direction > 0 else (rounded > edge)
    return np.where(wrong, np.nextafter(rounded, dtype.type(direction * np.inf)), rounded)


def read_scale(x_scale: Any, x0: np.ndarray) -> np.ndarray:
    """Scales of shape (n,): from numbers, or from x0 (see `scale_from`)."""
    if x_scale is None:
        return np.ones_like(x0)
    if isinstance(x_scale, str):
        return scale_from(x_scale, x0)
    try:
        scale = np.asarray(x_scale, dtype=x0.dtype)
    except (TypeError, ValueError):
        raise TypeError(f"x_scale={x_scale!r:.80} must be {SCALES}.") from None
    if scale.ndim > 1 or scale.size not in (1, x0.size):
        raise ValueError(f"x_scale has shape {scale.shape}; it must be a number or have shape ({x0.size},) as x0 has.")
    if not np.all((scale > 0) & np.isfinite(scale)):
        raise ValueError(f"x_scale={x_scale!r:.80} must be finite and > 0 in every element.")
    return np.broadcast_to(scale.reshape(-1), x0.shape).copy()


FEW, FAR, ROUNDED = 50, 100.0, 1e-12
SCALES = 'numbers > 0, "x0" or "auto"'


def scale_from(x_scale: str, x0: np.ndarray) -> np.ndarray:
    """Scales by starting points of shape (n,) or (B, n): |x0| with 1 for zeros ("x0"), or that where it helps ("auto").

    Sizes that differ widely say what the parameters of a model are like. Those of many random numbers differ too, and
    say nothing: with them as scales L-BFGS needs many times its iterations.
    """
    if x_scale not in ("x0", "auto"):
        raise ValueError(f"x_scale={x_scale!r} must be {SCALES}.")
    one, size = x0.dtype.type(1), np.abs(x0)
    if x_scale == "x0":
        return np.where(size == 0, one, size)
    largest = size.max(axis=-1, keepdims=True, initial=0)
    zero = size <= ROUNDED * largest
    smallest = np.where(zero, np.inf, size).min(axis=-1, keepdims=True, initial=np.inf)
    far = (largest > FAR * smallest) & (x0.shape[-1] <= FEW)
    return np.where(zero | ~far, one, size)
