"""Which variables depend on what is differentiated, and which arrays may share memory."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np
from numba.core import types

from . import runtime_linear_algebra
from .derivatives import elementary
from .inference import Types
from .parsing import MISSING, resolved
from .registered import own_derivative
from .syntax import all_statements, indices, walk

ALLOCATIONS = {
    "zeros",
    "empty",
    "ones",
    "full",
    "zeros_like",
    "empty_like",
    "ones_like",
    "full_like",
    "eye",
    "identity",
}
_PARTS = (ast.expr, ast.keyword)
_TRANSPARENT = (ast.BinOp, ast.UnaryOp, ast.Call, ast.keyword, ast.Tuple, ast.List)
ABOUT = {"shape", "size", "ndim", "dtype", "strides", "itemsize", "nbytes", "flags"}
"""Attributes that are about an array, not what is in it."""
FRESH = ALLOCATIONS | {
    *("copy", "array", "dot", "matmul", "outer", "sum", "mean", "prod", "cumsum", "cumprod", "where", "concatenate"),
    *("arange", "linspace", "stack", "vstack", "hstack", "column_stack", "diff", "sort", "argsort", "astype", "solve"),
    *("inv", "cholesky", "flatten", "power", "repeat", "clip", "max", "min", "kron", "convolve", "interp", "nonzero"),
    *("diag", "cross", "triu", "tril", "append", "take", "hstack", "dstack", "signed_log_of_det"),
    *("searchsorted", "unique", "roll", "var", "std", "norm", "det", "bincount", "histogram", "tile", "full", "round"),
}
"""Functions whose result has memory of its own."""


class Activity:
    """`active` has the names of active variables; `root` is the same for arrays that may share memory."""

    def __init__(self, body: list[ast.stmt], types_: Types, active: set[str]):
        self.types, self.active = types_, set(active)
        self._parent: dict[str, str] = {}
        self._alias_classes(body)
        self._spread(body)

    def callee(self, call: ast.Call) -> tuple[str, Any]:
        """Name and object of the function that is called; the object is None for a method."""
        target = resolved(call.func, self.types.environment, self.types.local)
        if target is not MISSING:
            name = getattr(target, "__name__", "")
            if any(getattr(home, name, None) is target for home in (np, np.linalg, runtime_linear_algebra)):
                return elementary(target) or name, target
            return elementary(target) or "", target
        return (call.func.attr if isinstance(call.func, ast.Attribute) else ""), None

    def root(self, name: str) -> str:
        """The representative of all arrays that may share memory with `name`."""
        while name in self._parent:
            name = self._parent[name]
        return name

    def merge(self, name: str, other: str) -> None:
        """Note that two arrays may share memory."""
        one, two = self.root(name), self.root(other)
        if one != two:
            self._parent[one] = two

    def of_class(self, name: str) -> set[str]:
        """All variables that may share memory with `name`."""
        return {v for v in self.types.variables if self.root(v) == self.root(name)}

    def sources(self, e: Any) -> set[str]:
        """Names of the arrays that the array `e` may share memory with."""
        if isinstance(e, ast.Name):
            return {e.id}
        if isinstance(e, ast.Subscript):
            fancy = any(not isinstance(i, ast.Slice) and self.types.kind(i) == "I" for i in indices(e))
            return set() if fancy else self.sources(e.value)
        if isinstance(e, ast.Attribute):
            return set() if e.attr in ABOUT else self.sources(e.value)
        if isinstance(e, ast.Call):
            name, target = self.callee(e)
            if name in FRESH or elementary(target) is not None or own_derivative(target) is not None:
                return set()
            parts = [*e.args, *(k.value for k in e.keywords)]
            parts += [e.func.value] if isinstance(e.func, ast.Attribute) and target is None else []
            return {v for p in parts for v in self.sources(p)}
        if isinstance(e, (ast.Tuple, ast.List)):
            return {v for p in e.elts for v in self.sources(p)}
        return set()

    def _alias_classes(self, body: list[ast.stmt]) -> None:
        for s in all_statements(body):
            if isinstance(s, ast.Expr) and isinstance(s.value, ast.Call) and isinstance(s.value.func, ast.Attribute):
                self.merge(s.value.func.value.id, s.value.args[0].id)  # type: ignore[attr-defined]  # a stack
            if not (isinstance(s, ast.Assign) and isinstance(s.targets[0], ast.Name)):
                continue
            if isinstance(self.types.of(s.value), (types.Number, types.Boolean)):
                continue
            for source in self.sources(s.value):
                self.merge(s.targets[0].id, source)

    def _spread(self, body: list[ast.stmt]) -> None:
        size = -1
        while size != len(self.active):
            size = len(self.active)
            for s in all_statements(body):
                if not isinstance(s, (ast.Assign, ast.AugAssign)):
                    continue
                if not self.is_active(s.value):
                    continue
                target = s.targets[0] if isinstance(s, ast.Assign) else s.target
                name = base_name(target)
                if name is not None and self.types.kind_of_name(name) not in "iI":
                    self.active.add(name)
            roots = {self.root(v) for v in self.active}
            self.active |= {
                v for v in self.types.variables if self.root(v) in roots and self.types.kind_of_name(v) not in "iI"
            }

    def is_active(self, e: Any) -> bool:
        """Whether the value of `e` depends on what is differentiated."""
        if isinstance(e, ast.Name):
            return e.id in self.active
        if isinstance(e, (ast.Compare, ast.BoolOp, ast.Constant, ast.Slice)) or self.types.kind(e) in "iI":
            return False
        if isinstance(e, ast.Attribute):
            return e.attr not in ABOUT and self.is_active(e.value)
        if isinstance(e, ast.Subscript):
            return self.is_active(e.value)
        if isinstance(e, ast.Call):
            name, target = self.callee(e)
            if name in ALLOCATIONS and target is not None:
                values = [*e.args[1:2], *(k.value for k in e.keywords if k.arg == "fill_value")]
                return name in ("full", "full_like") and any(self.is_active(v) for v in values)
            if target is len:
                return False
        if isinstance(e, _TRANSPARENT):
            return any(self.is_active(part) for part in ast.iter_child_nodes(e) if isinstance(part, _PARTS))
        return any(isinstance(n, ast.Name) and n.id in self.active for n in walk(e))


def base_name(target: Any) -> str | None:
    """The variable that an assignment to `target` goes to."""
    while isinstance(target, (ast.Subscript, ast.Attribute, ast.Call)):
        target = target.func if isinstance(target, ast.Call) else target.value
    return target.id if isinstance(target, ast.Name) else None
