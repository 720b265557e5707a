"""The references that the package must agree with: the mechanism, and the cases that test it.

The rules are whole-vector NumPy in `reference_torch.py` and `reference_beyond.py`, written from their papers. Nothing
there is the package's code; a new rule needs a function there and a line in `CASES`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from reference_torch import adadelta, adam, adamw

from numbaopt import Adadelta, Adam, AdamW


class Case(NamedTuple):
    """A hyper-parameter object and the reference that it must agree with."""

    name: str
    hyper: Any
    update: Callable
    slots: int
    coupled: bool = True  # weight decay is added to the gradient


CASES = [
    Case("adadelta", Adadelta(), adadelta, 2),
    Case("adadelta_tuned", Adadelta(lr=0.5, rho=0.95, eps=1e-4), adadelta, 2),
    Case("adadelta_decay_maximize", Adadelta(lr=2.0, weight_decay=0.1, maximize=True), adadelta, 2),
    Case("adam", Adam(lr=0.01), adam, 2),
    Case("adam_tuned", Adam(lr=0.1, betas=(0.7, 0.95), eps=1e-3), adam, 2),
    Case("adam_decay", Adam(lr=0.03, weight_decay=0.1), adam, 2),
    Case("adam_maximize", Adam(lr=0.01, maximize=True), adam, 2),
    Case("adam_amsgrad", Adam(lr=0.02, betas=(0.9, 0.9), amsgrad=True), adam, 3),
    Case("adam_amsgrad_decay_maximize", Adam(weight_decay=0.5, amsgrad=True, maximize=True), adam, 3),
    Case("adamw", AdamW(), adamw, 2, coupled=False),
    Case("adamw_decay_maximize", AdamW(lr=0.05, weight_decay=0.3, maximize=True), adamw, 2, coupled=False),
    Case("adamw_no_decay", AdamW(lr=0.01, weight_decay=0), adamw, 2, coupled=False),
    Case("adamw_amsgrad", AdamW(lr=0.02, betas=(0.8, 0.9), amsgrad=True), adamw, 3, coupled=False),
]


def start(case: Case, x0: Any, scale: Any = 1.0) -> list:
    """The slots before the first iteration, as `case.update` takes them: the arrays, then a dict of scalars if any."""
    z = np.asarray(x0, np.float64) / scale
    if hasattr(case.update, "inner"):
        own = case.update.start(case.hyper, z)
        arrays = sum(not isinstance(array, dict) for array in own)
        inner = case._replace(hyper=case.hyper.inner, update=case.update.inner, slots=case.slots - arrays)
        return [*start(inner, z), *own]
    if hasattr(case.update, "start"):
        return case.update.start(case.hyper, z)
    return [np.zeros_like(z)] * case.slots


def plain_update(case: Case, t: int, x: np.ndarray, g: np.ndarray, slots: Any) -> tuple:
    """One update in float64; a schedule in `case.hyper` must have been replaced by the number of iteration t."""
    arrays = (array if isinstance(array, dict) else np.asarray(array, np.float64) for array in (x, g, *slots))
    return case.update(case.hyper, t, *arrays)


def boxed_update(case: Case, t: int, x: Any, g: Any, slots: Any, scale: Any, lower: Any, upper: Any) -> tuple:
    """The update of z = x / scale, then x is clipped; coupled decay acts on x and g in the user's units.

    An element whose bounds are equal stays, and is in no sum.
    """
    h = getattr(case.hyper, "inner", case.hyper)
    gradient, h = -g if h.maximize else g, h._replace(maximize=False)
    if case.coupled:
        gradient, h = gradient + h.weight_decay * x, h._replace(weight_decay=0.0)
    if hasattr(case.hyper, "inner"):
        h = case.hyper._replace(inner=h)
    z = x / scale
    free = np.broadcast_to(np.less(lower, upper), z.shape)
    parts = [slot if isinstance(slot, dict) else slot[free] for slot in slots]
    z[free], *parts = case.update(h, t, z[free], (gradient * scale)[free], *parts)
    moved = []
    for slot, part in zip(slots, parts, strict=True):
        moved.append(part if isinstance(part, dict) else slot.copy())
        if not isinstance(part, dict):
            moved[-1][free] = part
    return np.clip(z * scale, lower, upper), *moved


def trajectory(
    case: Case, x0: Any, gradient: Callable, steps: int, update: Callable = plain_update, **space: Any
) -> np.ndarray:
    """x_0, ..., x_steps in float64, of shape (steps + 1, n); `gradient` is a function of (t, x) with t from 1."""
    x = np.asarray(x0, np.float64)
    slots, points = start(case, x, space.get("scale", 1.0)), [x]
    for t in range(1, steps + 1):
        x, *slots = update(case, t, x, gradient(t, x), slots, **space)
        points.append(x)
    return np.array(points)
