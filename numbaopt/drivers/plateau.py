"""The learning rate of a run with `ReduceOnPlateau`: what torch's scheduler keeps, and its step."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .._compile import kernel
from .._memory import is_named

CONTROL = np.dtype(
    [
        ("lr", "f8"),
        ("best", "f8"),  # fun
        ("bad", "i8"),  # evaluations since then, or since lr was reduced
        ("cooling", "i8"),  # evaluations that do not count yet
        ("factor", "f8"),
        ("patience", "i8"),
        ("threshold", "f8"),
        ("absolute", "i8"),  # whether threshold is
        ("cooldown", "i8"),
        ("lr_min", "f8"),
        ("eps", "f8"),
    ],
    align=True,
)
"""What changes, and the parameters."""


class Plateau(NamedTuple):
    """What a run with `ReduceOnPlateau` has besides."""

    control: Any  # (1,) of CONTROL


def new_plateau(schedule: Any) -> Plateau:
    """The beginning of `schedule`, a `ReduceOnPlateau` in compiled form."""
    s, control = schedule, np.zeros(1, CONTROL)
    control[0] = (s.lr, np.inf, 0, 0, s.factor, s.patience, s.threshold, s.threshold_mode, s.cooldown, s.lr_min, s.eps)
    return Plateau(control)


def is_plateau_type(ty: Any) -> bool:
    """Whether the numba type `ty` is that of a `Plateau`."""
    return is_named(ty) and ty.instance_class is Plateau


@kernel
def observe(c, f):
    """Take in the value f, and reduce the rate if that is due."""
    if f < (c.best - c.threshold if c.absolute != 0 else c.best * (1.0 - c.threshold)):
        c.best, c.bad = f, 0
    else:
        c.bad += 1
    if c.cooling > 0:
        c.cooling -= 1
        c.bad = 0
    if c.bad > c.patience:
        lr = max(c.lr * c.factor, c.lr_min)
        if c.lr - lr > c.eps:
            c.lr = lr
        c.cooling, c.bad = c.cooldown, 0
