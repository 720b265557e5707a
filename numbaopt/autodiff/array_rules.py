"""Adjoints of NumPy's functions of whole arrays: one rule per function.

A rule gets a `Call` and returns lines that add to the shadows of the arguments, given `g`, the derivative with respect
to the result: a number, or an array of the shape of the result.
"""

from __future__ import annotations

from . import arrangements, linear_algebra, reductions
from .rules_of_arrays import RULES, Call
from .syntax import text_of

VIEWS = {
    *("reshape", "ravel", "transpose", "asarray", "ascontiguousarray"),
    *("flip", "fliplr", "flipud", "expand_dims", "swapaxes", "pop"),
}
"""Functions whose result is a view of their argument, under the conditions that `lowering` checks."""

matmul = linear_algebra.matmul


def own(c: Call, vjp: str) -> list[str]:
    """r = a function with a derivative that the user gave."""
    parts = c.new("parts")
    called = f"{parts} = {vjp}({', '.join([c.g, c.result, *(text_of(a) for a in c.arguments)])})"
    one = len(c.arguments) == 1
    lines = []
    for i, a in enumerate(c.arguments):
        part = parts if one else f"{parts}[{i}]"
        lines += c.lines((a, f"add_{c.ndim(a)}d({{s}}, {part})" if c.ndim(a) else f"{{s}} += {part}"))
    return [called, *lines] if lines else []


__all__ = ["RULES", "VIEWS", "Call", "arrangements", "linear_algebra", "matmul", "own", "reductions"]
