"""Sparse gradients: what the user may give as one, and the deferred updates of a `Stepper` that gets them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse

from ._compile import bind
from ._dispatch import leaves_alone, scalar_rule, step_scalars, still_to_go
from ._rule import compiled_form, innermost, needs_sums, slot_names, start_carry, step_size
from .drivers.sparse import Log, catch_up, first_wrong, merge, sparse_step
from .schedules import at

LEAST_ROWS, MOST_ROWS = 4_096, 1 << 20
"""Iterations in a log: n within these limits, so that bringing all coordinates up to date costs little per step."""


class SparseGradient(NamedTuple):
    """Values at coordinates of the flattened x; both arrays are ours to change."""

    indices: np.ndarray  # int64, in range
    values: np.ndarray  # in the dtype of x


# --- what the user gave ----------------------------------------------------------------------------------------------


def is_sparse(gradient: Any, shape: tuple[int, ...] = (2,)) -> bool:
    """Whether `gradient` is meant as a sparse one: a scipy.sparse object, or a pair that is no row of numbers for x.

    Where x may have the shape (2,), the first of a pair must be a vector of integers, empty or not.
    """
    if type(gradient) is np.ndarray:
        return False
    if issparse(gradient):
        return True
    if not (isinstance(gradient, tuple) and len(gradient) == 2):
        return False
    if shape[:1] != (2,):
        return True
    first = np.asarray(gradient[0])
    return first.ndim == 1 and (first.size == 0 or first.dtype.kind in "iu")


def sparse_gradient(name: str, gradient: Any, x: np.ndarray) -> SparseGradient:
    """A scipy.sparse object or a pair (indices, values), checked, for the array x."""
    if not (x.flags.c_contiguous and x.flags.aligned):
        raise ValueError(f"{name} must be C-contiguous and aligned for sparse gradients: pass {name}.copy().")
    if issparse(gradient):
        if gradient.shape != x.shape and gradient.shape != (1, *x.shape):
            raise ValueError(f"The gradient of {name} has shape {gradient.shape}; it must have {x.shape}, as {name}.")
        found = gradient.tocoo()
        flat = np.ravel_multi_index(found.coords, found.shape)
        return SparseGradient(flat.astype(np.int64), _as_values(name, found.data, x.dtype))
    indices, values = rows(name, gradient[0], x), _as_values(name, gradient[1], x.dtype)
    shape = (indices.size, *x.shape[1:])
    if values.shape != shape:
        raise ValueError(f"The values in the gradient of {name} have shape {values.shape}; they must have {shape}.")
    return SparseGradient(elements(indices, x), values.reshape(-1))


def rows(name: str, indices: Any, x: np.ndarray) -> np.ndarray:
    """Indices along the first axis of x, checked, as a new array."""
    array = np.asarray(indices)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise TypeError(
            f"The indices in the gradient of {name} must be a vector of integers, not of shape {array.shape} and dtype "
            f"{array.dtype}. A sparse gradient is a pair (indices, values) or a scipy.sparse array."
        )
    found = array.astype(np.int64)
    size = len(x) if x.ndim else 0
    wrong = bind(first_wrong, found, size)(found, size)
    if wrong >= 0:
        raise IndexError(f"Index {array[wrong]} in the gradient of {name}, at position {wrong}, is not in [0, {size}).")
    return found


def elements(indices: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Coordinates of the flattened x in the rows `indices`."""
    width = x.size // len(x)
    return indices if width == 1 else (indices[:, None] * width + np.arange(width)).reshape(-1)


def _as_values(name: str, values: Any, dtype: Any) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"The values in the gradient of {name} must be real numbers, not of dtype {array.dtype}.")
    return array.astype(dtype)


# --- rules -----------------------------------------------------------------------------------------------------------


def stays(hyper: Any) -> bool:
    """Whether a method moves no coordinate that has no gradient, whatever was before: then none is ever behind."""
    given = hyper._replace(lr=1.0) if "lr" in hyper._fields else hyper
    first = at(given, 1.0)
    form = compiled_form(first)
    if needs_sums(form):
        return False
    h, count = step_scalars(form, 1.0, tuple(start_carry(form))), len(slot_names(form))
    if leaves_alone(h):
        return True
    if (
        innermost(hyper, "weight_decay") or first != given
    ):  # another schedule than that of lr: what it does is not known
        return False
    return bool(still_to_go(h, h, (1.0,) * count) == 0 and scalar_rule(h, 1.0, 0.0, (0.0,) * count)[0] == 1)


# --- updates ---------------------------------------------------------------------------------------------------------


class Deferred:
    """The updates of one array that are not made yet: a coordinate catches up when its gradient comes, or on demand.

    Up to date means: what the dense update would have made of it by now.
    """

    def __init__(self, name: str, form: Any, x: np.ndarray, slots: np.ndarray, carry: np.ndarray):
        if needs_sums(form):
            raise ValueError(
                f"{type(form).__name__} takes no sparse gradient for {name}: its steps depend on all coordinates. Give "
                "the dense gradient."
            )
        self._form, self._x, self._slots, self._carry = form, x, slots, carry
        self._entry: Callable | None = None  # of `sparse_step`, for this form
        self._merge: Callable | None = None
        self._tiny = float(np.finfo(x.dtype).eps) / 8
        self._last = np.zeros(x.size, np.int64)
        self._base = -1  # the iteration up to which all coordinates are up to date at least; -1: there is none before
        self._most = min(max(x.size, LEAST_ROWS), MOST_ROWS)
        numbers, width = step_size(form), 1 + len(slot_names(form))
        rows, decay = np.empty((LEAST_ROWS // 4, numbers), x.dtype), np.zeros((LEAST_ROWS // 4 + 1, 2 * width))
        self._log = Log(rows, decay, np.empty((1, numbers), x.dtype), np.empty((1, numbers), x.dtype))

    def step(self, form: Any, t: int, gradient: SparseGradient) -> None:
        """Iteration `t`, with the hyper-parameters of that iteration; `gradient` is used up."""
        if form is not self._form:
            self._form, self._entry = form, None
        if self._base < 0:
            self._base = t - 1
        if t - 1 - self._base == len(self._log.rows):
            self._make_room(t - 1)
        indices, values = gradient
        array, before = (self._x, self._slots, self._carry, self._last, self._log), np.empty_like(indices)
        given = (self._form, t, self._base, self._tiny, *array, indices, values, before)
        self._entry = self._entry or bind(sparse_step, *given)
        self._entry(*given)

    def merged(self, gradient: SparseGradient) -> SparseGradient:
        """`gradient`, which is used up, with what is there twice added up."""
        given = (*gradient, np.empty_like(gradient.indices), self._last)
        self._merge = self._merge or bind(merge, *given)
        count = self._merge(*given)
        return SparseGradient(gradient.indices[:count], gradient.values[:count])

    def flush(self, t: int, indices: np.ndarray | None = None) -> None:
        """Bring the coordinates `indices`, or all, to the end of iteration `t`."""
        if self._base < 0 or t == self._base:
            return
        array = (self._x, self._slots, self._carry.copy(), self._last, self._log)
        given = (self._form, t, self._base, self._tiny, *array, indices)
        bind(catch_up, *given)(*given)
        if indices is None:
            self._base = t

    def skip(self, t: int) -> None:
        """Note that a dense step, after a `flush`, has brought all coordinates to the end of iteration `t`."""
        self._base = t

    def _make_room(self, t: int) -> None:
        capacity, (rows, decay, low, high) = len(self._log.rows), self._log
        if capacity >= self._most:
            self.flush(t)
            return
        self._log = Log(
            np.concatenate([rows, np.empty_like(rows)]), np.concatenate([decay, np.empty_like(decay[1:])]), low, high
        )
