"""Tangents of NumPy's functions of whole arrays: what a small change of the arguments does to the result."""

from __future__ import annotations

import ast
import copy
from typing import Any

from .array_rules import RULES, Call
from .refusal import refuse
from .syntax import expression, load, text_of

OF_PARTS = {"array", "concatenate", "hstack", "vstack", "stack", "column_stack"}
"""Functions that put numbers and arrays together: linear."""
LINEAR = {
    *("sum", "mean", "cumsum", "diff", "copy", "flatten", "full", "full_like", "take", "trace", "diag", "append"),
    *("roll", "repeat", "triu", "tril", "linspace"),
}
"""Linear functions of the floats among their arguments."""
BILINEAR = {"outer", "matmul", "kron", "convolve", "cross"}
EACH_FOR_ITSELF = {"clip"}
"""Functions of each element: the adjoint of the change is the change of the result."""
TANGENTS: dict[str, str] = {
    "inv": "-({r} @ {da} @ {r})",
    "sort": "{da}[np.argsort({a})]",
    "cofactors": "cofactors_tangent({a}, {r}, {da})",
    "cumprod": "cumprod_tangent({a}, {da})",
    "cholesky": "cholesky_tangent({r}, {da})",
    "signed_log_of_det": "np.array([0.0, np.trace(np.linalg.solve({a}, {da}))])",
}
"""Of one array {a}, changed by {da}; {r} is the result."""


def tangents_of_call(owner: Any, e: Any, r: str) -> tuple[list[Any], list[str]]:
    """Lines to run first, and the tangents of a function of variables as text; `r` is a variable with its value."""
    name, arguments = _name(e), _arguments(e)
    if getattr(e, "vjp", ""):
        return _own(owner, e, r)
    _check(owner, e, name, arguments)
    if name in LINEAR | OF_PARTS | BILINEAR | {"[]", "solve"}:
        return [], [_linear(owner, e, name, r, c) for c in owner.each]
    if owner.types.kind(e) == "f":
        return _by_gradient(owner, e, r)
    if name in EACH_FOR_ITSELF:
        return _by_adjoint(owner, e, r)
    if name == "interp":
        return _interpolated(owner, e, r)
    if name not in TANGENTS or len(arguments) != 1 or e.keywords:
        refuse(e, f"`{text_of(e)}` in forward mode", "write it out with loops, or use reverse mode")
    a = arguments[0]
    return [], [TANGENTS[name].format(a=text_of(a), da=_change(owner, a, c), r=r) for c in owner.each]


def _check(owner: Any, e: Any, name: str, arguments: list[Any]) -> None:
    """Refuse arguments that would be taken for constants, or for what they are not."""
    mirrored = name in LINEAR | OF_PARTS | BILINEAR
    floats = [
        k
        for k in getattr(e, "keywords", [])
        if owner.activity.is_active(k.value) or (mirrored and owner.types.kind(k.value) in "fA")
    ]
    whole = name in ("linspace", "append") and any(owner.types.kind(a) in "iI" for a in arguments[:2])
    fixed = {"clip": arguments[1:], "interp": arguments[1:2]}.get(name, [])
    if floats or whole or any(owner.activity.is_active(a) for a in fixed):
        refuse(e, f"`{text_of(e)}` in forward mode", "pass floats by position, or use reverse mode")


def _linear(owner: Any, e: Any, name: str, r: str, c: int) -> str:
    arguments = _arguments(e)
    if name == "[]" or name in OF_PARTS:
        return _called(e, {0: _of(owner, arguments[0], c)})
    if name in LINEAR:
        floats = [i for i, a in enumerate(arguments) if owner.types.kind(a) in "fA"]
        return _called(e, {i: _of(owner, arguments[i], c) for i in floats})
    if name == "solve":  # A r = b: A dr = db - dA r
        matrix, b = arguments
        return f"np.linalg.solve({text_of(matrix)}, {_change(owner, b, c)} - {_change(owner, matrix, c)} @ {r})"
    active = [i for i, a in enumerate(arguments) if _has_tangent(owner, a)]
    return " + ".join(_called(e, {i: _of(owner, arguments[i], c)}) for i in active)


def _own(owner: Any, e: Any, r: str) -> tuple[list[Any], list[str]]:
    """Of a function with a derivative that the user gave."""
    if owner.types.kind(e) != "f":
        refuse(e, f"`{text_of(e)}`, an array with a derivative of its own, in forward mode", "use reverse mode")
    parts = owner.names.new("parts")
    first = f"{parts} = {e.vjp}({', '.join(['1.0', r, *(text_of(a) for a in e.args)])})"
    gradients = [(a, f"{parts}[{i}]" if len(e.args) > 1 else parts) for i, a in enumerate(e.args)]
    return [first], _products(owner, [(a, d) for a, d in gradients if _has_tangent(owner, a)])


def _by_gradient(owner: Any, e: Any, r: str) -> tuple[list[Any], list[str]]:
    """Of a function that returns a number: its gradient, by the rule of reverse mode, times the tangents."""
    gradients = {a.id: owner.names.new("gradient") for a in _arguments(e) if _has_tangent(owner, a)}
    of = {a.id: a for a in _arguments(e) if _has_tangent(owner, a)}
    zeros = [f"{d} = {_zeros(owner, of[name])}" for name, d in gradients.items()]
    lines = _rule(owner, e, r, "1.0", lambda a: gradients.get(a.id) if isinstance(a, ast.Name) else None)
    return [*zeros, *lines], _products(owner, [(of[name], d) for name, d in gradients.items()])


def _by_adjoint(owner: Any, e: Any, r: str) -> tuple[list[Any], list[str]]:
    """Of a function of each element: the rule of reverse mode for the first argument."""
    a, lines, new = _arguments(e)[0], [], []
    for c in owner.each:
        new.append(owner.names.new("tangent"))
        lines.append(f"{new[c]} = {_zeros(owner, a)}")
        lines += _rule(owner, e, r, owner.of(a.id, c), lambda other, t=new[c]: t if other is a else None)
    return lines, new


def _interpolated(owner: Any, e: Any, r: str) -> tuple[list[Any], list[str]]:
    """np.interp(x, places, values) with a vector x: by the slope there, and linear in the values."""
    x, _, values = _arguments(e)
    lines, new = _by_adjoint(owner, e, r) if _has_tangent(owner, x) else ([], ["" for _ in owner.each])
    if _has_tangent(owner, values):
        linear = [_called(e, {2: _of(owner, values, c)}) for c in owner.each]
        new = [f"{t} + {more}" if t else more for t, more in zip(new, linear, strict=True)]
    return lines, new


def _rule(owner: Any, e: Any, r: str, g: str, shadow: Any) -> list[Any]:
    """The adjoint of the call."""
    arguments = _arguments(e)
    return RULES[e.rule](
        Call(e, arguments, g, r, shadow, lambda a: getattr(owner.types.of(a), "ndim", 0), owner.names.new)
    )


def _products(owner: Any, gradients: list[tuple[Any, str]]) -> list[str]:
    """The tangents of a number with these derivatives."""

    def total(c: int) -> str:
        each = [(owner.types.kind(a), f"{d} * {owner.of(a.id, c)}") for a, d in gradients]
        return " + ".join(f"np.sum({text})" if kind == "A" else text for kind, text in each)

    return [total(c) for c in owner.each]


def _has_tangent(owner: Any, a: Any) -> bool:
    return isinstance(a, ast.Name) and a.id in owner.activity.active


def _zeros(owner: Any, a: Any) -> str:
    return f"np.zeros({text_of(a)}.shape)" if owner.types.kind(a) in "AI" else "0.0"


def _name(e: Any) -> str:
    if isinstance(e, ast.BinOp):
        return "matmul"
    return "[]" if isinstance(e, ast.Subscript) else e.rule


def _arguments(e: Any) -> list[Any]:
    if isinstance(e, ast.BinOp):
        return [e.left, e.right]
    if isinstance(e, ast.Subscript):
        return [e.value, e.slice]
    return [e.func.value, *e.args] if e.method else list(e.args)


def _called(e: Any, replaced: dict[int, ast.expr]) -> str:
    """The text of the call with other arguments."""
    new = copy.copy(e)
    arguments = [replaced.get(i, a) for i, a in enumerate(_arguments(e))]
    if isinstance(e, ast.BinOp):
        new.left, new.right = arguments
        return f"({text_of(new)})"
    if isinstance(e, ast.Subscript):
        new.value, new.slice = arguments
        return text_of(new)
    new.func = copy.copy(e.func)
    if e.method:
        new.func.value, *new.args = arguments
    else:
        new.args = arguments
    return text_of(new)


def _of(owner: Any, a: Any, c: int) -> ast.expr:
    """The tangent of an argument or of the parts of a sequence; zeros where there is none."""
    if isinstance(a, (ast.List, ast.Tuple)):
        return type(a)(elts=[_of(owner, part, c) for part in a.elts], ctx=ast.Load())
    return load(owner.of(a.id, c)) if _has_tangent(owner, a) else expression(_zeros(owner, a))


def _change(owner: Any, a: Any, c: int) -> str:
    return text_of(_of(owner, a, c))
