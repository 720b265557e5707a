"""Calls that cost more than a load from memory get variables of their own in loops.

Where the tape is short, the adjoint of an iteration then takes their values from it instead of calling again.
"""

from __future__ import annotations

import ast
from typing import Any

from .activity import Activity
from .derivatives import UNARY, elementary
from .inference import Types
from .numba_typing import kind
from .refusal import placed
from .syntax import Names, assign, load

CHEAP = {
    *("sqrt", "square", "reciprocal", "abs", "deg2rad", "rad2deg", "negative", "positive", "float", "sign"),
    *("floor", "ceil", "trunc", "rint"),
}
COSTLY = (set(UNARY) - CHEAP) | {"hypot", "arctan2", "logaddexp"}


def is_costly(e: Any, activity: Activity) -> bool:
    """Whether `e` is a call of a function of numbers that costs more than a load from memory."""
    return isinstance(e, ast.Call) and elementary(activity.callee(e)[1]) in COSTLY


def split_costly(body: list[ast.stmt], types_: Types, activity: Activity, names: Names) -> None:
    """In all loops, calls inside larger expressions that are differentiated become statements before them."""
    _Split(types_, activity, names).block(body, in_loop=False)


class _Split:
    def __init__(self, types_: Types, activity: Activity, names: Names):
        self.types, self.activity, self.names = types_, activity, names

    def block(self, body: list[ast.stmt], in_loop: bool) -> None:
        for s in list(body):
            if isinstance(s, (ast.If, ast.For, ast.While)):
                inside = in_loop or not isinstance(s, ast.If)
                self.block(s.body, inside)
                self.block(s.orelse, inside)
            elif in_loop and isinstance(s, ast.Assign) and s.form == "scalar":  # type: ignore[attr-defined]
                before: list[ast.stmt] = []
                s.value = self._parts(s.value, before, top=True)
                at = next(i for i, x in enumerate(body) if x is s)
                body[at:at] = before

    def _parts(self, e: Any, before: list[ast.stmt], top: bool = False) -> Any:
        """`e` with variables for the calls in it."""
        if isinstance(e, ast.BinOp):
            e.left, e.right = self._parts(e.left, before), self._parts(e.right, before)
        elif isinstance(e, ast.UnaryOp):
            e.operand = self._parts(e.operand, before)
        elif isinstance(e, ast.Call):
            e.args = [self._parts(a, before) for a in e.args]
            if not top and is_costly(e, self.activity) and kind(self.types.of(e)) == "f":
                return self._named(e, before)
        return e

    def _named(self, e: ast.Call, before: list[ast.stmt]) -> ast.Name:
        name = self.names.new("call")
        self.types.variables[name] = ty = self.types.of(e)
        s: Any = placed(assign(name, e), e)
        s.form = "plain"
        if self.activity.is_active(e):
            self.activity.active.add(name)
            s.form = "scalar"
        before.append(s)
        new: Any = placed(load(name), e)
        return self.types.give(new, ty)
