"""Each update rule as whole-vector NumPy, written from its paper and torch's documentation, and the cases that test it.

A rule is `update(h, t, x, g, *slots) -> (x, *slots)`: iteration t (from 1) with the hyper-parameters h, an object whose
`lr` is a number. Nothing here is the package's code; a new rule needs a function here and a line in `CASES`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from numbaopt import Adadelta, Adam, AdamW


def adadelta(h, t, x, g, s, a):
    """Zeiler (2012), Algorithm 1, with torch's lr and weight decay."""
    g = -g if h.maximize else g
    g = g + h.weight_decay * x
    s = h.rho * s + (1 - h.rho) * g**2
    d = np.sqrt(a + h.eps) / np.sqrt(s + h.eps) * g
    a = h.rho * a + (1 - h.rho) * d**2
    return x - h.lr * d, s, a


def adam(h, t, x, g, m, v, *vmax):
    """Kingma and Ba (2015), Algorithm 1, with torch's coupled weight decay and AMSGrad."""
    g = -g if h.maximize else g
    g = g + h.weight_decay * x
    return adam_without_decay(h, t, x, g, m, v, *vmax)


def adamw(h, t, x, g, m, v, *vmax):
    """Loshchilov and Hutter (2019), Algorithm 2, with the decay multiplied by lr, as torch has it."""
    g = -g if h.maximize else g
    x = x - h.lr * h.weight_decay * x
    return adam_without_decay(h, t, x, g, m, v, *vmax)


def adam_without_decay(h, t, x, g, m, v, *vmax):
    """The moments, their correction for bias, the step."""
    b1, b2 = h.betas
    m = b1 * m + (1 - b1) * g
    v = b2 * v + (1 - b2) * g**2
    m_hat = m / (1 - b1**t)
    if h.amsgrad:
        vmax = (np.maximum(vmax[0], v),)
        v_hat = vmax[0] / (1 - b2**t)
    else:
        v_hat = v / (1 - b2**t)
    return x - h.lr * m_hat / (np.sqrt(v_hat) + h.eps), m, v, *vmax


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


def plain_update(case: Case, t: int, x: np.ndarray, g: np.ndarray, slots: Any) -> tuple:
    """One update in float64; a schedule in `case.hyper` must have been replaced by the number of iteration t."""
    return case.update(case.hyper, t, *(np.asarray(array, np.float64) for array in (x, g, *slots)))


def boxed_update(case: Case, t: int, x: Any, g: Any, slots: Any, scale: Any, lower: Any, upper: Any) -> tuple:
    """The update of z = x / scale, then x is clipped; coupled decay acts on x and g in the user's units."""
    h = case.hyper
    gradient = -g if h.maximize else g
    if case.coupled:
        gradient, h = gradient + h.weight_decay * x, h._replace(weight_decay=0.0)
    z, *slots = case.update(h._replace(maximize=False), t, x / scale, gradient * scale, *slots)
    return np.clip(z * scale, lower, upper), *slots


def trajectory(
    case: Case, x0: Any, gradient: Callable, steps: int, update: Callable = plain_update, **space: Any
) -> np.ndarray:
    """x_0, ..., x_steps in float64, of shape (steps + 1, n); `gradient` is a function of (t, x) with t from 1."""
    x = np.asarray(x0, np.float64)
    slots = [np.zeros_like(x)] * case.slots
    points = [x]
    for t in range(1, steps + 1):
        x, *slots = update(case, t, x, gradient(t, x), slots, **space)
        points.append(x)
    return np.array(points)
