"""The tangent of an expression of numbers: its derivatives with respect to what it is made of, then sums of products.

The derivatives are the same for every tangent; so with several of them, each costs a product and a sum for each part.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from .emission import Branch
from .expressions import ExpressionAdjoint
from .syntax import text_of


class Partials(ExpressionAdjoint):
    """`lines` that compute the derivatives of one expression, after `taken`.

    `tangent_of(leaf, c)` is the text of the tangent number c of a variable or element.
    """

    def __init__(self, activity: Any, names: Any, tangent_of: Callable[[Any, int], str], zero: str, **options: Any):
        super().__init__(activity, names, str, **options)
        self.tangent_of, self.zero = tangent_of, zero
        self.leaves: dict[str, Any] = {}  # variable that has the derivative -> leaf
        self._of_leaf: dict[str, str] = {}

    def taken(self, e: Any) -> Partials:
        """All derivatives of `e`."""
        self.pull(e, "1.0")
        self._tidy()
        return self

    def tangent(self, c: int) -> str:
        """The tangent number c of the expression."""
        terms = [_times(self.factors.get(d, d), self.tangent_of(leaf, c)) for d, leaf in self.leaves.items()]
        return " + ".join(terms) or self.zero

    def pull(self, e: Any, g: str) -> None:
        """Add `g` to the derivative with respect to a leaf, or go on to the parts of `e`."""
        if g == "0.0" or not self.activity.is_active(e):
            return
        if isinstance(e, (ast.Name, ast.Subscript)):
            written = text_of(e)
            if written not in self._of_leaf:
                self._of_leaf[written] = name = self.names.new("d")
                self.leaves[name] = e
            self.after.append(f"{self._of_leaf[written]} += {g}")
        else:
            super().pull(e, g)

    def _tidy(self) -> None:
        """`d = g` where there is one term; numbers and names need no variable."""
        self.factors: dict[str, str] = {}
        start = []
        for d in self.leaves:
            added = [line for line in _all_lines(self.after) if line.startswith(f"{d} += ")]
            if len(added) > 1 or added[0] not in self.after:
                start.append(f"{d} = {self.zero}")
                continue
            g = added[0].split(" += ", 1)[1]
            at = self.after.index(added[0])
            if _is_atom(g):
                self.factors[d] = g
                del self.after[at]
            else:
                self.after[at] = f"{d} = {g}"
        self.after = start + self.after

    @property
    def lines(self) -> list[Any]:
        """The code, in order."""
        return [*self.before, *self.after]


def _all_lines(code: list[Any]) -> list[str]:
    """The lines in a tree of code."""
    found: list[str] = []
    for node in code:
        if isinstance(node, Branch):
            found += _all_lines(node.yes) + _all_lines(node.no)
        elif isinstance(node, str):
            found.append(node)
    return found


def _is_atom(text: str) -> bool:
    bare = text.removeprefix("-")
    return bare.isidentifier() or bare.replace(".", "", 1).isdigit()


def _times(d: str, tangent: str) -> str:
    if d == "1.0":
        return tangent
    return f"-{tangent}" if d == "-1.0" else f"{d} * {tangent}"
