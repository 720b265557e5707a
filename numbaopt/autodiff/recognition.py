"""Which of the forms of `lowering` an expression has."""

from __future__ import annotations

import ast
from typing import Any

from .activity import ALLOCATIONS, Activity
from .array_rules import RULES, VIEWS
from .derivatives import BINARY, OPERATOR_NAMES, UNARY, elementary
from .fancy import chooses
from .inference import Types
from .refusal import placed
from .registered import own_derivative
from .syntax import OPERATORS, copied

SUMS = {"sum", "mean"}
PRODUCTS = {"dot", "vdot", "matmul"}


class Recognition:
    """What is known of expressions by their types and by what they depend on."""

    def __init__(self, types_: Types, activity: Activity):
        self.types, self.activity = types_, activity

    def _form(self, e: Any) -> str:
        if isinstance(e, ast.Name) or self._is_view(e):
            return "alias"
        if not self.activity.is_active(e):
            return "fresh"
        return "rule" if self._has_rule(e) else "elementwise"

    def _is_sum(self, e: Any) -> bool:
        """Whether `e` is the sum or mean over all of an array."""
        if not isinstance(e, ast.Call) or self.types.kind(e) != "f":
            return False
        name, target = self.activity.callee(e)
        if name not in SUMS:
            return False
        return not e.keywords and ((len(e.args) == 1 and target is not None) or (not e.args and target is None))

    def _is_extreme_of_array(self, e: Any) -> bool:
        """max(a) and min(a), which are np.max(a) and np.min(a)."""
        if not isinstance(e, ast.Call) or len(e.args) != 1 or self.types.kind(e.args[0]) != "A" or e.keywords:
            return False
        return self.types.of(e.args[0]).ndim == 1 and self.activity.callee(e)[1] in (max, min)

    def is_elementwise(self, e: Any) -> bool:
        """Whether `e` is computed element by element from arrays."""
        if self.types.kind(e) not in "AI":
            return False
        if isinstance(e, ast.BinOp):
            return OPERATORS[type(e.op)] in OPERATOR_NAMES
        if isinstance(e, ast.UnaryOp):
            return isinstance(e.op, (ast.USub, ast.UAdd))
        if isinstance(e, ast.Compare):
            return len(e.ops) == 1
        return isinstance(e, ast.Call) and self._is_elementary(e)

    def _is_elementary(self, e: ast.Call) -> bool:
        name = elementary(self.activity.callee(e)[1])
        if name is None or e.keywords:
            return False
        if name in ("maximum", "minimum") and len(e.args) > 2 and isinstance(e.func, ast.Name):
            first = placed(ast.Call(func=copied(e.func), args=e.args[:-1], keywords=[]), e)
            e.args = [self.types.give(first, self.types.of(e)), e.args[-1]]
            return self._is_elementary(first)
        count = 1 if name in UNARY else 2 if name in BINARY else 3
        if name == "float" and len(e.args) == 1 and self.types.kind(e.args[0]) not in "fiAI":
            return False
        return len(e.args) == count

    def _is_view(self, e: Any) -> bool:
        if isinstance(e, ast.Subscript):
            return self.types.kind(e) == "A" and not chooses(self.types, e)
        if isinstance(e, ast.Attribute):
            return e.attr == "T"
        return isinstance(e, ast.Call) and self.activity.callee(e)[0] in VIEWS

    def _has_rule(self, e: Any) -> bool:
        if isinstance(e, ast.BinOp):
            return isinstance(e.op, ast.MatMult)
        if isinstance(e, ast.Subscript):
            return self.types.kind(e) == "A" and chooses(self.types, e)
        if not isinstance(e, ast.Call) or self._is_sum(e):
            return False
        name, target = self.activity.callee(e)
        if target is not None and elementary(target) is not None:
            return False
        if own_derivative(target) is not None:
            return True
        return name in RULES or name in PRODUCTS or (name in ALLOCATIONS and self.types.kind(e) == "A")
