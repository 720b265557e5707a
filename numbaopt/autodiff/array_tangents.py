"""Tangents of NumPy's functions of whole arrays: what a small change of the arguments does to the result."""

from __future__ import annotations

import ast
import copy
from typing import Any

from .refusal import refuse
from .syntax import expression, load, text_of

OF_PARTS = {"array", "concatenate", "hstack", "vstack", "stack", "column_stack"}
"""Functions that put numbers and arrays together: linear."""
LINEAR = {
    *("sum", "mean", "cumsum", "diff", "copy", "flatten", "full", "full_like", "take", "trace", "diag", "flip"),
    *("flipud", "fliplr", "roll", "repeat", "ravel", "reshape", "transpose"),
}
"""Linear functions of the floats among their arguments."""
BILINEAR = {"outer", "dot", "matmul", "kron", "convolve"}
TANGENTS: dict[str, str] = {
    "prod": "prod_tangent({a}, {da})",
    "max": "at_first({a}, {r}, {da})",
    "min": "at_first({a}, {r}, {da})",
    "amax": "at_first({a}, {r}, {da})",
    "amin": "at_first({a}, {r}, {da})",
    "var": "2.0 * covariance({a}, {da})",
    "std": "over(covariance({a}, {da}), {r})",
    "norm": "over(np.sum({a} * {da}), {r})",
    "inv": "-({r} @ {da} @ {r})",
    "det": "{r} * np.trace(np.linalg.solve({a}, {da}))",
    "sort": "{da}[np.argsort({a}, kind='mergesort')]",
}
"""Of one array {a}, changed by {da}; {r} is the result."""


def tangents_of_call(owner: Any, e: Any, r: str) -> tuple[list[str], list[str]]:
    """Lines to run first, and the tangents of a function of variables as text; `r` is a variable with its value."""
    if getattr(e, "vjp", ""):
        return _own(owner, e, r)
    return [], [_tangent(owner, e, r, c) for c in owner.each]


def _own(owner: Any, e: Any, r: str) -> tuple[list[str], list[str]]:
    """Of a function with a derivative that the user gave."""
    if owner.types.kind(e) != "f":
        refuse(e, f"`{text_of(e)}`, an array with a derivative of its own, in forward mode", "use reverse mode")
    parts = owner.names.new("parts")
    first = f"{parts} = {e.vjp}({', '.join(['1.0', r, *(text_of(a) for a in e.args)])})"
    terms = [(f"{parts}[{i}]" if len(e.args) > 1 else parts, a) for i, a in enumerate(e.args)]
    terms = [(part, a) for part, a in terms if owner.activity.is_active(a)]

    def total(c: int) -> str:
        products = [(owner.types.kind(a), f"{part} * {_change(owner, a, c)}") for part, a in terms]
        return " + ".join(f"np.sum({text})" if kind == "A" else text for kind, text in products)

    return [first], [total(c) for c in owner.each]


def _tangent(owner: Any, e: Any, r: str, c: int) -> str:
    arguments = _arguments(e)
    name = _name(e)
    if name == "[]":  # elements chosen by an array
        return _called(e, {0: _of(owner, arguments[0], c)})
    if name in OF_PARTS:
        return _called(e, {0: _of(owner, arguments[0], c)})
    if name in LINEAR:
        floats = [i for i, a in enumerate(arguments) if owner.types.kind(a) in "fA"]
        return _called(e, {i: _of(owner, arguments[i], c) for i in floats})
    active = [i for i, a in enumerate(arguments) if isinstance(a, ast.Name) and a.id in owner.activity.active]
    if name in BILINEAR:
        return " + ".join(_called(e, {i: _of(owner, arguments[i], c)}) for i in active)
    if name == "solve":  # A r = b: A dr = db - dA r
        matrix, b = arguments
        return f"np.linalg.solve({text_of(matrix)}, {_change(owner, b, c)} - {_change(owner, matrix, c)} @ {r})"
    if name not in TANGENTS or len(arguments) != 1 or e.keywords:
        refuse(e, f"`{text_of(e)}` in forward mode", "write it out with loops, or use reverse mode")
    return TANGENTS[name].format(a=text_of(arguments[0]), da=_change(owner, arguments[0], c), r=r)


def _name(e: Any) -> str:
    if isinstance(e, ast.BinOp):
        return "matmul"
    if isinstance(e, ast.Subscript):
        return "[]"
    return e.func.attr if isinstance(e.func, ast.Attribute) else e.func.id


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
    if isinstance(a, ast.Name) and a.id in owner.activity.active:
        return load(owner.of(a.id, c))
    return expression(f"np.zeros({text_of(a)}.shape)" if owner.types.kind(a) in "AI" else "0.0")


def _change(owner: Any, a: Any, c: int) -> str:
    return text_of(_of(owner, a, c))
