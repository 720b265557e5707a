"""Which vectors may be of length 1 and meet longer ones: only for these are there loops that stretch them.

Those loops are not vectorised, and take as long to compile as the others. A vector that is not known here and turns out
to be stretched is an error when the gradient runs.
"""

from __future__ import annotations

import ast
from typing import Any

from .emission import Block, Branch
from .syntax import names_read, text_of


def is_short(state: Any, name: str) -> bool:
    """Whether a vector may be of length 1: it was made so, or is an argument that is differentiated."""
    return name in state.short or (name in state.types.parameters and name in state.activity.active)


def note_short(state: Any, name: str, e: Any) -> None:
    """Note what is assigned to a variable."""
    arrays = [v for v in names_read(e) if v in state.types.variables and state.kind(v) in "AI"]
    if isinstance(e, ast.Subscript):
        found = _one_element(e.slice)
    elif isinstance(e, ast.Call) and e.args and not arrays:
        found = text_of(e.args[0]) in ("1", "(1,)")
    elif isinstance(e, ast.Call) and isinstance(e.args[0] if e.args else None, (ast.List, ast.Tuple)):
        found = len(e.args[0].elts) == 1  # type: ignore[attr-defined]
    else:
        found = bool(arrays) and all(v in state.short for v in arrays)
    if found:
        state.short.add(name)


def _one_element(at: Any) -> bool:
    """[:1], [-1:], [2:3], [i : i + 1]."""
    if not isinstance(at, ast.Slice) or at.step is not None:
        return False
    lower, upper = "" if at.lower is None else text_of(at.lower), "" if at.upper is None else text_of(at.upper)
    if not upper:
        return lower == "-1"
    if upper == f"{lower} + 1" or (lower in ("", "0") and upper == "1"):
        return True
    return lower.lstrip("-").isdigit() and upper.lstrip("-").isdigit() and int(upper) == int(lower) + 1


def guarded(state: Any, e: Any, tests: list[str], plain: list, stretched: Any) -> list:
    """`plain`, where the vectors are as long as each other; `stretched()` or an error where they are not."""
    if not tests:
        return plain
    if any(is_short(state, v) for v in names_read(e)):
        return [Branch(" or ".join(tests), stretched(), plain)]
    message = "autodiff: a vector of length 1 meets a longer one; use its element instead"
    return [Block(f"if {' or '.join(tests)}:", [f"raise ValueError({message!r})"]), *plain]
