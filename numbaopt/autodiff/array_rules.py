"""Adjoints of NumPy's functions of whole arrays: one rule per function.

A rule gets a `Call` and returns lines that add to the shadows of the arguments, given `g`, the derivative with respect
to the result: a number, or an array of the shape of the result.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any, NamedTuple

from .refusal import refuse
from .syntax import text_of

VIEWS = {"reshape", "ravel", "transpose", "asarray", "ascontiguousarray", "pop"}
"""Functions whose result is a view of their argument, under the conditions that `lowering` checks."""


class Call(NamedTuple):
    """A call of a function, seen by its rule."""

    node: Any
    arguments: list[Any]  # names, numbers, or lists of them
    g: str
    result: str  # variable that has the result when the rule's lines run
    shadow: Callable[[Any], str | None]  # of an argument; None where it has no derivative
    ndim: Callable[[Any], int]  # of an argument; 0 for a number
    new: Callable[[str], str]  # a name that is not taken

    def lines(self, *pairs: tuple[Any, str]) -> list[str]:
        """Texts for arguments that have a derivative, with {s} for the shadow of the argument."""
        return [text.format(s=self.shadow(a)) for a, text in pairs if self.shadow(a) is not None]


RULES: dict[str, Callable[[Call], list[Any]]] = {}


def rule(*names: str) -> Callable[[Callable], Callable]:
    """Declare the rule of functions by name."""

    def declare(function: Callable) -> Callable:
        RULES.update(dict.fromkeys(names, function))
        return function

    return declare


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


def _only_arguments(c: Call, count: int) -> None:
    if c.node.keywords or len(c.arguments) != count:
        refuse(c.node, f"`{text_of(c.node)}` with these arguments", "write it out with loops")


def matmul(c: Call) -> list[str]:
    """r = a @ b."""
    a, b = c.arguments
    g, (ta, tb) = c.g, (text_of(a), text_of(b))
    match c.ndim(a), c.ndim(b):
        case 1, 1:
            return c.lines((a, f"add_scaled({{s}}, {g}, {tb})"), (b, f"add_scaled({{s}}, {g}, {ta})"))
        case 2, 1:
            return c.lines((a, f"add_outer({{s}}, {g}, {tb})"), (b, f"add_matvec({{s}}, {ta}.T, {g})"))
        case 1, 2:
            return c.lines((a, f"add_matvec({{s}}, {tb}, {g})"), (b, f"add_outer({{s}}, {ta}, {g})"))
        case 2, 2:
            return c.lines((a, f"add_matmat({{s}}, {g}, {tb}.T)"), (b, f"add_matmat({{s}}, {ta}.T, {g})"))
        case _:
            return refuse(c.node, f"`{text_of(c.node)}` of these dimensions", "use vectors and matrices")


@rule("sum", "mean")
def _sum(c: Call) -> list[Any]:
    """Sums over an axis of a matrix, and over all of an array of any dimension."""
    a = c.arguments[0]
    given = [*c.arguments[1:], *(k.value for k in c.node.keywords if k.arg == "axis")]
    if len(given) > 1 or any(k.arg != "axis" for k in c.node.keywords):
        refuse(c.node, f"`{text_of(c.node)}` with these arguments", "sum over one axis")
    mean = "mean" in text_of(c.node.func)
    if not given:
        refuse(c.node, f"`{text_of(c.node)}`", "write a loop")
    axis = text_of(given[0])
    if c.ndim(a) != 2 or axis not in ("0", "1", "-1") or mean:
        refuse(c.node, f"`{text_of(c.node)}`", "np.sum of a matrix with axis=0 or axis=1")
    return c.lines((a, f"add_sum_axis{0 if axis == '0' else 1}({{s}}, {c.g})"))


@rule("prod")
def _prod(c: Call) -> list[str]:
    _vector(c)
    return c.lines((c.arguments[0], f"prod_adjoint({{s}}, {text_of(c.arguments[0])}, {c.g})"))


@rule("max", "min", "amax", "amin")
def _extreme(c: Call) -> list[str]:
    _vector(c)
    return c.lines((c.arguments[0], f"add_at_first({{s}}, {text_of(c.arguments[0])}, {c.result}, {c.g})"))


@rule("var")
def _var(c: Call) -> list[str]:
    """sum (a - mean)^2 / n."""
    _vector(c)
    a = text_of(c.arguments[0])
    return c.lines((c.arguments[0], f"spread_1d({{s}}, {a}, np.mean({a}), 2.0 * {c.g} / {a}.size)"))


@rule("std")
def _std(c: Call) -> list[str]:
    """The root of the variance; 0 where that is 0."""
    _vector(c)
    a = text_of(c.arguments[0])
    return c.lines((c.arguments[0], f"spread_1d({{s}}, {a}, np.mean({a}), over({c.g}, {c.result} * {a}.size))"))


@rule("norm")
def _norm(c: Call) -> list[str]:
    """a / norm(a); 0 at 0."""
    _vector(c)
    return c.lines((c.arguments[0], f"add_scaled({{s}}, over({c.g}, {c.result}), {text_of(c.arguments[0])})"))


@rule("cumsum")
def _cumsum(c: Call) -> list[str]:
    _vector(c)
    return c.lines((c.arguments[0], f"cumsum_adjoint({{s}}, {c.g})"))


@rule("diff")
def _diff(c: Call) -> list[str]:
    _vector(c)
    return c.lines((c.arguments[0], f"add_1d({{s}}[1:], {c.g})"), (c.arguments[0], f"subtract_1d({{s}}[:-1], {c.g})"))


@rule("outer")
def _outer(c: Call) -> list[str]:
    _only_arguments(c, 2)
    u, v = c.arguments
    if c.ndim(u) != 1 or c.ndim(v) != 1:
        refuse(c.node, "np.outer of matrices", "flatten them first")
    return c.lines((u, f"add_matvec({{s}}, {c.g}, {text_of(v)})"), (v, f"add_matvec({{s}}, {c.g}.T, {text_of(u)})"))


@rule("copy", "flatten")
def _copy(c: Call) -> list[str]:
    if len(c.arguments) != 1 or c.node.keywords:
        refuse(c.node, f"`{text_of(c.node)}` with these arguments")
    a = c.arguments[0]
    if "flatten" in text_of(c.node.func) and c.ndim(a) != 1:
        refuse(c.node, "flatten() of a matrix", "use `.copy().ravel()`")
    return c.lines((a, f"add_{c.ndim(a)}d({{s}}, {c.g})"))


@rule("array")
def _array(c: Call) -> list[str]:
    """An array made of numbers."""
    a = c.arguments[0]
    if isinstance(a, ast.Name):
        return c.lines((a, f"add_{c.ndim(a)}d({{s}}, {c.g})"))
    lines: list[str] = []
    for i, part in enumerate(a.elts):
        if isinstance(part, (ast.List, ast.Tuple)):
            for j, number in enumerate(part.elts):
                lines += c.lines((number, f"{{s}} += {c.g}[{i}, {j}]"))
        elif c.ndim(part):
            lines += c.lines((part, f"add_{c.ndim(part)}d({{s}}, {c.g}[{i}])"))
        else:
            lines += c.lines((part, f"{{s}} += {c.g}[{i}]"))
    return lines


@rule("full", "full_like")
def _full(c: Call) -> list[str]:
    return c.lines((c.arguments[1], f"{{s}} += np.sum({c.g})"))


@rule("concatenate", "hstack")
def _concatenate(c: Call) -> list[str]:
    parts = c.arguments[0]
    if len(c.arguments) > 1 or c.node.keywords or not isinstance(parts, (ast.Tuple, ast.List)):
        refuse(c.node, f"`{text_of(c.node)}` with these arguments", "concatenate a tuple of vectors")
    if any(c.ndim(p) != 1 for p in parts.elts):
        refuse(c.node, "concatenation of matrices", "write a loop")
    lines, start = [], "0"
    for p in parts.elts:
        end = f"{start} + {text_of(p)}.size" if start != "0" else f"{text_of(p)}.size"
        lines += c.lines((p, f"add_1d({{s}}, {c.g}[{start}:{end}])"))
        start = end
    return lines


@rule("take")
def _take(c: Call) -> list[str]:
    """a[positions]."""
    _only_arguments(c, 2)
    return gather(c, False)


def gather(c: Call, mask: bool) -> list[str]:
    """Of a vector indexed by an array."""
    a, at = c.arguments
    if c.ndim(a) != 1 or c.ndim(at) != 1:
        refuse(c.node, "elements of a matrix chosen by an array", "write a loop over them")
    return c.lines((a, f"{'mask' if mask else 'gather'}_adjoint({{s}}, {text_of(at)}, {c.g})"))


@rule("solve")
def _solve(c: Call) -> list[str]:
    """r = A^-1 b: b gets A^-T g, A gets -(A^-T g) r^T."""
    _only_arguments(c, 2)
    matrix, b = c.arguments
    if c.ndim(b) != 1:
        refuse(c.node, "np.linalg.solve with several right-hand sides", "solve for one vector at a time")
    u = c.new("u")
    first = f"{u} = np.linalg.solve(np.ascontiguousarray({text_of(matrix)}.T), {c.g})"
    return [first, *c.lines((b, f"add_1d({{s}}, {u})"), (matrix, f"add_outer({{s}}, -{u}, {c.result})"))]


@rule("inv")
def _inv(c: Call) -> list[str]:
    """r = A^-1: -r^T g r^T."""
    _only_arguments(c, 1)
    t = c.new("t")
    product = f"{t} = np.ascontiguousarray(-{c.result}.T) @ {c.g}"
    return [product, *c.lines((c.arguments[0], f"add_matmat({{s}}, {t}, {c.result}.T)"))]


@rule("det")
def _det(c: Call) -> list[str]:
    """g det(A) A^-T."""
    _only_arguments(c, 1)
    a = text_of(c.arguments[0])
    return c.lines((c.arguments[0], f"add_2d({{s}}, {c.g} * {c.result} * np.linalg.inv({a}).T)"))


def _vector(c: Call) -> None:
    _only_arguments(c, 1)
    if c.ndim(c.arguments[0]) != 1:
        refuse(c.node, f"`{text_of(c.node)}` of a matrix", "apply it to `.ravel()` of a C-contiguous array, or loop")
