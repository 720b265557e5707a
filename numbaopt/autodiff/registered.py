"""Derivatives that users give for their own functions."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from numba.extending import is_jitted

from .._compile import jit_user
from .._errors import name_of

VJP: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
"""Compiled function -> compiled function that gives its vector-Jacobian product."""


def own_derivative(function: Any) -> Any:
    """What a user has registered for a function, or None."""
    return VJP.get(function) if is_jitted(function) else None


def declare(function: Any, vjp: Callable) -> None:
    """Note it, compiled."""
    if not is_jitted(function):
        raise TypeError(
            f"register_vjp needs a function compiled by numba, but {name_of(function)} is plain Python. Decorate it "
            "with numba.njit."
        )
    if not callable(vjp):
        raise TypeError(f"register_vjp needs a function vjp(g, result, *args), not {vjp!r:.80}.")
    VJP[function] = vjp if is_jitted(vjp) else jit_user(vjp)
