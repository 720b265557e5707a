"""What lines of generated text read and write."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable
from typing import NamedTuple

from .derivatives import BINARY, SAME, UNARY
from .syntax import walk

_ABOUT = {"shape", "size", "ndim", "dtype"}
_ABOUT_CALLS = {"len", "zeros_like", "empty_like"}
_HOMES = {"np", "math"}
_METHODS = {"copy", "sum", "reshape", "ravel", "transpose", "astype", "mean"}
PURE = (
    {"bool", "float", "int", "len", "range", "round"}
    | {*UNARY, *BINARY, *SAME}
    | {"sign", "over", "half_over", "third_over", "power_da", "power_db", "sinc_derivative", "digamma"}
)
"""Functions that only return a value: `inlining` sees to it that these names mean nothing else."""


class Facts(NamedTuple):
    """Of a line or a header; `v[]` is what is in the array v."""

    reads: frozenset[str]
    writes: frozenset[str]
    adds: frozenset[str]  # what is only incremented
    name: str  # the variable that the line assigns or increments, if it does nothing else
    value: str  # what it assigns or adds
    calls: bool  # of functions that may do more than return a value


@functools.lru_cache(maxsize=65536)
def facts(line: str) -> Facts:
    """The facts of a line."""
    text = line.strip()
    tree = ast.parse(text + " pass" if text.endswith(":") else text)
    s = tree.body[0]
    nodes = walk(tree)
    reads, (writes, adds) = _reads(nodes), _written(nodes)
    if isinstance(s, ast.AugAssign) and not isinstance(s.op, (ast.Add, ast.Sub)):
        reads |= writes
    calls = _calls(nodes)
    name = value = ""
    if isinstance(s, (ast.Assign, ast.AugAssign)):
        target = s.targets[0] if isinstance(s, ast.Assign) else s.target
        plain = len(s.targets) == 1 if isinstance(s, ast.Assign) else isinstance(s.op, ast.Add)
        if isinstance(target, ast.Name) and plain and not calls:
            name, value = target.id, text.split("=", 1)[1].strip()
    if calls:  # may write into what it gets
        writes = writes | {f"{n}[]" for n in reads if not n.endswith("[]")}
    return Facts(frozenset(reads), frozenset(writes), frozenset(adds), name, value, calls)


def _reads(nodes: list[ast.AST]) -> set[str]:
    about = set()
    for node in nodes:
        if isinstance(node, ast.Attribute) and node.attr in _ABOUT and isinstance(node.value, ast.Name):
            about.add(id(node.value))
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in _ABOUT_CALLS and node.args:
                about.add(id(node.args[0]))
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            about.add(id(node.value))
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found.add(node.id)
            if id(node) not in about:
                found.add(f"{node.id}[]")
    return found


def _written(nodes: list[ast.AST]) -> tuple[set[str], set[str]]:
    writes: set[str] = set()
    adds: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.AugAssign):
            base = _stored(node.target)
            (adds if isinstance(node.op, (ast.Add, ast.Sub)) and base else writes).add(base)
        elif isinstance(node, (ast.Assign, ast.For)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            writes |= {_stored(t) for t in targets}
    return writes, adds


def _stored(target: ast.expr) -> str:
    if isinstance(target, ast.Name):
        return target.id
    while isinstance(target, (ast.Subscript, ast.Attribute)):
        target = target.value
    return f"{target.id}[]" if isinstance(target, ast.Name) else "?"


def _calls(nodes: list[ast.AST]) -> bool:
    """Whether something is called that may do more than return a value: anything but functions of numpy and math."""
    for node in nodes:
        if not isinstance(node, ast.Call):
            continue
        home = node.func
        while isinstance(home, ast.Attribute):
            home = home.value
        if isinstance(home, ast.Name) and (home.id in _HOMES or (home is node.func and home.id in PURE)):
            continue
        if isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS:
            continue
        return True
    return any(isinstance(node, (ast.Raise, ast.Assert)) for node in nodes)


def names_of(lines: Iterable[str]) -> set[str]:
    """Every variable and function in the lines."""
    found: set[str] = set()
    for line in lines:
        if not line.lstrip().startswith("else"):
            f = facts(line.strip())
            found.update(name.removesuffix("[]") for names in (f.reads, f.writes, f.adds) for name in names)
    return found
