"""Adjoints of NumPy's functions of whole arrays: one rule per function.

A rule gets a `Call` and returns lines that add to the shadows of the arguments, given `g`, the derivative with respect
to the result: a number, or an array of the shape of the result.
"""

from __future__ import annotations

from . import arrangements, linear_algebra, reductions
from .rules_of_arrays import RULES, Call

VIEWS = {
    *("reshape", "ravel", "transpose", "asarray", "ascontiguousarray"),
    *("flip", "fliplr", "flipud", "expand_dims", "swapaxes"),
}
"""Functions whose result is a view of their argument, under the conditions that `lowering` checks."""

matmul = linear_algebra.matmul

__all__ = ["RULES", "VIEWS", "Call", "arrangements", "linear_algebra", "matmul", "reductions"]
