"""Starting points, bounds, scales and fixed coordinates of many problems: one for all, or one for each."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ._bounds import _inside, read_bounds, read_scale, scale_from
from ._groups import coordinates
from .drivers.places import Given
from .drivers.sweep import Box


class Spaces(NamedTuple):
    """Where the problems live; arrays with one row are for all of them."""

    scale: np.ndarray  # (B or 1, n)
    lower: np.ndarray  # (B or 1, n)
    upper: np.ndarray  # (B or 1, n)
    fixed: np.ndarray  # (B, 1 or 0, n) bool

    def box(self, x0: np.ndarray, b: int) -> Box:
        """The space of problem `b`, which starts at row `b` of `x0`."""
        scale, lower, upper = (row_of(values, b).copy() for values in self[:3])
        if len(self.fixed):
            mask = row_of(self.fixed, b)
            lower[mask] = upper[mask] = x0[b, mask]
        return Box(scale, lower, upper)

    def part(self, first: int, last: int) -> Spaces:
        """Those of the problems `first` to `last - 1`."""
        return Spaces(*(values[first:last] if len(values) > 1 else values for values in self))


def row_of(values: np.ndarray, b: int) -> np.ndarray:
    """Row `b`, or the only row."""
    return values[b % len(values)]


def read_points(X0: Any) -> np.ndarray:
    """Starting points as a contiguous matrix of float32 or float64; not copied where it is one."""
    try:
        array = np.asarray(X0)
    except ValueError as error:
        raise ValueError(f"X0 must be an array of shape (B, n), one row for each problem: {error}.") from None
    if array.dtype.kind not in "fiub":
        raise TypeError(f"X0 must be an array of real numbers of shape (B, n), but its dtype is {array.dtype}.")
    if array.ndim != 2:
        hint = ": for a single problem, pass X0[None, :] or use minimize()" if array.ndim == 1 else ""
        raise ValueError(f"X0 must have shape (B, n), one row for each problem, but its shape is {array.shape}{hint}.")
    if array.shape[1] == 0:
        raise ValueError(f"X0 has shape {array.shape}: there is nothing to minimise over.")
    points = np.ascontiguousarray(array, dtype=np.float32 if array.dtype == np.float32 else np.float64)
    for b, i in np.argwhere(~np.isfinite(points))[:1]:
        raise ValueError(f"X0[{b}, {i}] = {points[b, i]} is not finite. Start from finite numbers.")
    return points


def read_spaces(x0: np.ndarray, bounds: Any, x_scale: Any, fixed: Any) -> Spaces | None:
    """The spaces of all problems; None where there are no bounds, scales or fixed coordinates."""
    if bounds is None and x_scale is None and fixed is None:
        return None
    lower, upper = (_inside(edge, x0.dtype, side) for edge, side in zip(_read_edges(bounds, x0), (1, -1), strict=True))
    for b, i in np.argwhere((x0 < lower) | (x0 > upper))[:1]:
        raise ValueError(
            f"X0[{b}, {i}] = {x0[b, i]:.6g} is outside the bounds of problem {b}, [{row_of(lower, b)[i]:.6g}, "
            f"{row_of(upper, b)[i]:.6g}]. Move it inside, for instance by np.clip(X0, lower, upper)."
        )
    return Spaces(_read_scales(x_scale, x0), lower, upper, _read_fixed(fixed, x0))


def _read_edges(bounds: Any, x0: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bounds, each of shape (1, n) or (B, n)."""
    count, n = x0.shape
    if bounds is not None and hasattr(bounds, "lb") and hasattr(bounds, "ub"):
        lower, upper = np.asarray(bounds.lb, float), np.asarray(bounds.ub, float)
        if lower.ndim < 2 and upper.ndim < 2:
            return tuple(edge[None, :] for edge in read_bounds(bounds, n))  # type: ignore[return-value]
    else:
        pairs = np.empty(0) if bounds is None else np.asarray(bounds)
        if pairs.ndim < 3:
            return tuple(edge[None, :] for edge in read_bounds(bounds, n))  # type: ignore[return-value]
        if pairs.shape != (count, n, 2):
            raise ValueError(
                f"bounds has shape {pairs.shape}, but X0 has shape {x0.shape}: give {n} pairs (lower, upper) for all "
                f"problems, or an array of shape ({count}, {n}, 2) with those of each."
            )
        if pairs.dtype == object:
            pairs = np.where(pairs == np.array(None), np.array([-np.inf, np.inf], object), pairs).astype(float)
        lower, upper = pairs[:, :, 0], pairs[:, :, 1]
    return _checked(_broadcast("bounds.lb", lower, x0), _broadcast("bounds.ub", upper, x0))


def _broadcast(name: str, values: np.ndarray, x0: np.ndarray) -> np.ndarray:
    try:
        return np.broadcast_to(values, x0.shape)
    except ValueError:
        raise ValueError(
            f"{name} has shape {values.shape}, but X0 has shape {x0.shape}: they must be the same, or {name} a number, "
            f"or of shape ({x0.shape[1]},) for all problems."
        ) from None


def _checked(lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    wrong = ~(lower <= upper) | (lower == np.inf) | (upper == -np.inf)
    for b, i in np.argwhere(wrong)[:1]:
        raise ValueError(
            f"The bounds of problem {b}, x[{i}], are ({lower[b, i]:.6g}, {upper[b, i]:.6g}): the lower must not be "
            "above the upper, neither may be NaN, and a finite value must be left."
        )
    return lower, upper


def _read_scales(x_scale: Any, x0: np.ndarray) -> np.ndarray:
    """Scales of shape (1, n) or (B, n)."""
    if isinstance(x_scale, str):
        return scale_from(x_scale, x0)
    if np.ndim(x_scale) == 2:
        flat = _broadcast("x_scale", np.asarray(x_scale), x0).reshape(-1)
        return read_scale(flat, x0.reshape(-1)).reshape(x0.shape)
    return read_scale(x_scale, x0[0])[None, :]


def _read_fixed(fixed: Any, x0: np.ndarray) -> np.ndarray:
    """Which coordinates are fixed, of shape (0, n), (1, n) or (B, n)."""
    if fixed is None:
        return np.zeros((0, x0.shape[1]), np.bool_)
    if not isinstance(fixed, slice) and np.ndim(fixed) == 2:
        mask = np.ascontiguousarray(fixed)
        if mask.dtype != np.bool_ or mask.shape != x0.shape:
            raise ValueError(
                f"fixed has shape {mask.shape} and dtype {mask.dtype}, but X0 has shape {x0.shape}: for each problem "
                "its own, it must be a boolean mask of that shape; else a slice, mask or indices for all."
            )
    else:
        mask = np.zeros((1, x0.shape[1]), np.bool_)
        mask[0, coordinates("fixed", fixed, x0.shape[1])] = True
    for b in np.flatnonzero(mask.all(axis=1))[:1]:
        raise ValueError(f"fixed: all of x is fixed in problem {b}, there is nothing to minimise over.")
    return mask


def given_of(x0: np.ndarray, spaces: Spaces | None, slots: np.ndarray | None = None) -> Given:
    """What the driver takes."""
    n = x0.shape[1]
    if spaces is None:
        one = np.ones((1, n), x0.dtype)
        spaces = Spaces(one, -np.inf * one, np.inf * one, np.zeros((0, n), np.bool_))
    scale, lower, upper = (np.ascontiguousarray(values, x0.dtype) for values in spaces[:3])
    return Given(x0, scale, lower, upper, np.ascontiguousarray(spaces.fixed), slots, np.empty(0, np.int64))
