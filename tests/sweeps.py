"""The package's update sweep as tests call it: one iteration on NumPy arrays."""

from __future__ import annotations

from typing import Any

from numbaopt._compile import bind
from numbaopt._rule import compiled_form
from numbaopt.drivers.sweep import step


def sweep_once(
    hyper: Any, t: int, x: Any, g: Any, slots: Any, out: Any = None, space: Any = None, team: Any = None
) -> float:
    """Iteration t, in place where `out` is None; what `maximize` means to the objective is done to g here."""
    g = -g if hyper.maximize else g
    arguments = (compiled_form(hyper), float(t), space, x, g, slots, out, team)
    return bind(step, *arguments)(*arguments)
