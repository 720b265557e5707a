"""Takes sums into one element of an array out of loops: added up in a variable, they need no memory on the way.

In an innermost loop over a range `a[k] += e`, where k stays the same, becomes `total += e`, and `a[k] += total` comes
behind the loop, only where the range is not empty: k may be no element otherwise. All that the loop may do with memory
that such an `a` could share is to add to it, so that the order does not matter.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from .derivatives import BINARY, SAME, UNARY
from .facts import facts, names_of
from .syntax import Names, expression, walk

_SUM = re.compile(r"( +)(\w+)\[([^\[\]()]+)\] ([+-])= (.+)")
_ELEMENTWISE = {*UNARY, *BINARY, *SAME, "bool", "float", "int", "len", "over", "half_over", "third_over"}
_HOMES = {"np", "math"}
_ARITHMETIC = (ast.Name, ast.Constant, ast.Attribute, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop)


class Kinds(NamedTuple):
    """What is known of variables, by name."""

    primal: Callable[[str], bool]  # a variable of the user's function: it shares no memory with derivatives
    integer: Callable[[str], bool]  # one integer
    number: Callable[[str], bool | None]  # one number; None where that is not known
    dimensions: Callable[[str], int]  # of an array of derivatives in float64; else 0


def sums_outside(lines: list[str], kinds: Kinds) -> list[str]:
    """The lines of a function's body with such sums taken out of loops."""
    out: list[str] = []
    names = Names(names_of(lines))
    k = 0
    while k < len(lines):
        end = _end_of(lines, k)
        if lines[k].lstrip().startswith("for ") and _is_simple(lines[k:end], kinds):
            out += _without_sums(lines[k:end], kinds, names)
            k = end
        else:
            out.append(lines[k])
            k += 1
    return out


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())


def _end_of(lines: list[str], k: int) -> int:
    """The line behind the block of line k."""
    end = k + 1
    while end < len(lines) and _depth(lines[end]) > _depth(lines[k]):
        end += 1
    return end


def _is_simple(loop: list[str], kinds: Kinds) -> bool:
    """Whether a loop has no other in it, and can neither read nor overwrite derivatives in memory."""
    texts = [line.strip() for line in loop if line.strip() != "else:"]
    if any(text.startswith(("for ", "while ", "return", "elif ", "break", "continue")) for text in texts[1:]):
        return False
    known = [facts(text) for text in texts]
    if any(f.calls or any(n.endswith("[]") and not kinds.primal(n[:-2]) for n in f.writes) for f in known):
        return False
    assigned = {name for f in known for name in f.writes - f.reads}
    for text in texts[1:]:
        tree = ast.parse(text + " pass" if text.endswith(":") else text)
        if not all(_is_plain(node, kinds.primal) for node in walk(tree)):
            return False
        for name in _bare_names(tree):
            number = kinds.number(name)
            if number is False or (number is None and name not in assigned):
                return False
    return True


def _bare_names(node: ast.AST) -> Iterator[str]:
    """Names that are read as a whole, not for an element or for what is known about them."""
    if isinstance(node, ast.Name):
        if isinstance(node.ctx, ast.Load):
            yield node.id
    elif isinstance(node, ast.Subscript):
        yield from _bare_names(node.slice)
    elif isinstance(node, ast.Attribute):
        home = isinstance(node.value, ast.Name) and node.value.id in _HOMES
        if not home and node.attr not in ("shape", "size", "ndim"):
            yield from _bare_names(node.value)
    else:
        for part in node.args if isinstance(node, ast.Call) else ast.iter_child_nodes(node):
            yield from _bare_names(part)


def _is_plain(node: ast.AST, primal: Callable[[str], bool]) -> bool:
    """Whether a part of a line reads no element of an array of derivatives, and makes one number of no array."""
    if isinstance(node, ast.Call):
        f = node.func
        if isinstance(f, ast.Attribute):
            return isinstance(f.value, ast.Name) and f.value.id in _HOMES and f.attr in _ELEMENTWISE
        return isinstance(f, ast.Name) and f.id in _ELEMENTWISE
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        array = node.value
        if isinstance(array, ast.Attribute):
            return array.attr == "shape"
        return isinstance(array, ast.Name) and primal(array.id)
    return not isinstance(node, (ast.MatMult, ast.Starred, ast.Lambda, ast.comprehension))


def _without_sums(loop: list[str], kinds: Kinds, names: Names) -> list[str]:
    header, body = loop[0], loop[1:]
    known = [facts(line) for line in loop if line.strip() != "else:"]
    bound = {name for f in known for name in f.writes | f.adds}
    test = _is_run(header, bound)
    if not test:
        return loop
    depth, sums = _depth(body[0]), dict[str, str]()
    for k, line in enumerate(body):
        found = _SUM.fullmatch(line)
        if not found or len(found[1]) != depth:
            continue
        indent, array, index, sign, value = found.groups()
        if array in bound or ":" in index or kinds.dimensions(array) != index.count(",") + 1:
            continue
        used = {n.id for n in walk(expression(f"({index},)")) if isinstance(n, ast.Name)}
        if used & bound or not all(map(kinds.integer, used)):
            continue
        place = f"{array}[{index}]"
        if place not in sums:
            sums[place] = names.new("total")
        body[k] = f"{indent}{sums[place]} {sign}= {value}"
    pad = " " * _depth(header)
    before = [f"{pad}{total} = 0.0" for total in sums.values()]
    after = [f"{pad}if {test}:"] if sums else []
    after += [f"{pad}    {place} += {total}" for place, total in sums.items()]
    return [*before, header, *body, *after]


def _is_run(header: str, bound: set[str]) -> str:
    """The test whether a loop is run at all, for behind it; "" where that cannot be told."""
    loop: Any = ast.parse(header.strip() + " pass").body[0]
    call = loop.iter
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "range"):
        return ""
    for node in (n for argument in call.args for n in walk(argument)):
        shape = isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute) and node.value.attr == "shape"
        if not (shape or isinstance(node, _ARITHMETIC)) or (isinstance(node, ast.Name) and node.id in bound):
            return ""
    given = [ast.unparse(argument) for argument in call.args]
    if len(given) == 3:
        step = given.pop()
        if not step.lstrip("-").isdigit():
            return ""
        given = given[::-1] if step.startswith("-") else given
    return f"{given[-1]} > {given[0] if len(given) > 1 else 0}"
