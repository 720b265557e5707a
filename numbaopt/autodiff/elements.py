"""Expressions of arrays, element by element: which element of an operand belongs to an element of the result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .emission import Block
from .inference import Types
from .syntax import names_read

COUNTERS = ("i", "j", "k")


def indexed(types_: Types, at: list[str], stretched: bool = False) -> Callable[[str, str], str]:
    """Text of the element of an array, or of its companion; with `stretched`, axes may have length 1."""

    def element(name: str, text: str = "") -> str:
        text = text or name
        own = types_.variables[name].ndim
        index = at[len(at) - own :]
        if stretched:
            index = [f"{a} % {text}.shape[{d}]" for d, a in enumerate(index)]
        return f"{text}[{', '.join(index) or '()'}]"

    return element


def arrays_read(types_: Types, e: Any) -> list[str]:
    """The arrays that an expression reads."""
    return sorted(v for v in names_read(e) if v in types_.variables and types_.kind_of_name(v) in "AI")


def other_shapes(types_: Types, e: Any, g: str, ndim: int) -> list[str]:
    """Tests of which one is true where an array of the expression is stretched to the shape of `g`."""
    arrays = [v for v in arrays_read(types_, e) if v != g]
    dims = {v: types_.variables[v].ndim for v in arrays}
    return [f"{v}.shape[{d}] != {g}.shape[{ndim - dims[v] + d}]" for v in arrays for d in range(dims[v])]


def loops(at: list[str], lengths: list[str], body: list) -> list:
    """`body` for all elements."""
    for counter, length in reversed(list(zip(at, lengths, strict=True))):
        body = [Block(f"for {counter} in range({length}):", body)]
    return body
