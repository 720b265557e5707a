"""The package's update sweep as tests call it: one iteration on NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from numbaopt._compile import bind
from numbaopt._rule import compiled_form, innermost, slot_names, start_carry, start_slots
from numbaopt.drivers.step import step


def sweep_once(
    hyper: Any, t: int, x: Any, g: Any, state: Any, out: Any = None, space: Any = None, team: Any = None
) -> float:
    """Iteration t with the slots and carried numbers `state`, in place where `out` is None.

    What `maximize` means to the objective is done to g here.
    """
    g = -g if innermost(hyper, "maximize") else g
    arguments = (compiled_form(hyper), float(t), space, x, g, *state, out, team)
    return bind(step, *arguments)(*arguments)


def new_state(hyper: Any, x0: Any, space: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """The slots and the carried numbers of a method that starts at x0."""
    form = compiled_form(hyper)
    slots = np.zeros((len(slot_names(form)), x0.size), x0.dtype)
    start_slots(form, x0 if space is None else x0 / space.scale, slots)
    return slots, np.array(start_carry(form))
