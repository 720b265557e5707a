"""Generated code as a tree, of which only what the adjoints need becomes text.

A value that is saved, recomputed or put on a tape is emitted only where it is `needed`: read by code that is emitted.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable
from typing import Any, NamedTuple


class Block(NamedTuple):
    """`for ...:` or `while ...:` with a body; not emitted without one."""

    header: str
    body: list


class Branch(NamedTuple):
    """`if test:` with two bodies; not emitted where both are empty."""

    test: str
    yes: list
    no: list


class When(NamedTuple):
    """Code that is emitted where one of the names is needed."""

    names: tuple[str, ...]
    body: list


class Push(NamedTuple):
    """Those of the variables that are needed go onto tapes; each has the name of its tape."""

    variables: list[tuple[str, str]]


class Pop(NamedTuple):
    """They come back, in the opposite order."""

    variables: list[tuple[str, str]]


class Check(NamedTuple):
    """`found()` is called where one of the names is needed: it refuses."""

    names: tuple[str, ...]
    found: Any


def when(name: str, *lines: Any) -> When:
    """Lines for a name that may be needed."""
    return When((name,), list(lines))


class Emitted:
    """Lines of text for a tree of code, given the names that are needed."""

    def __init__(self, needed: set[str]):
        self.needed, self.tapes = needed, set[str]()

    def lines(self, code: Iterable[Any], indent: int = 0) -> list[str]:
        """The text."""
        out: list[str] = []
        for node in code:
            if isinstance(node, str):
                out.append("    " * indent + node)
            elif isinstance(node, Block):
                body = self.lines(node.body, indent + 1)
                out += ["    " * indent + node.header, *body] if body else []
            elif isinstance(node, Branch):
                out += self._branch(node, indent)
            elif isinstance(node, When):
                out += self.lines(node.body, indent) if self._wanted(node.names) else []
            elif isinstance(node, Check):
                if self._wanted(node.names):
                    node.found()
            else:
                for tape, names in self._by_tape(node.variables):
                    self.tapes.add(tape)
                    make = _pushed if isinstance(node, Push) else _popped
                    out += self.lines(make(tape, names), indent)
        return out

    def _wanted(self, names: tuple[str, ...]) -> bool:
        return any(name in self.needed for name in names)

    def _branch(self, node: Branch, indent: int) -> list[str]:
        pad = "    " * indent
        yes, no = self.lines(node.yes, indent + 1), self.lines(node.no, indent + 1)
        if yes and no:
            return [f"{pad}if {node.test}:", *yes, f"{pad}else:", *no]
        if yes:
            return [f"{pad}if {node.test}:", *yes]
        return (
            [f"{pad}if not {node.test}:" if node.test.isidentifier() else f"{pad}if not ({node.test}):", *no]
            if no
            else []
        )

    def _by_tape(self, variables: list[tuple[str, str]]) -> list[tuple[str, list[str]]]:
        tapes: dict[str, list[str]] = {}
        for name, tape in variables:
            if name in self.needed:
                tapes.setdefault(tape, []).append(name)
        return list(tapes.items())


def top_of(tape: str) -> str:
    """The variable that says how much is on a tape."""
    return f"{tape}_top"


def _pushed(tape: str, names: list[str]) -> list[Any]:
    top = top_of(tape)
    grow = Block(f"if {top} + {len(names)} > {tape}.size:", [f"{tape} = grown({tape})"])
    return [grow, *(f"{_slot(tape, i)} = {name}" for i, name in enumerate(names)), f"{top} += {len(names)}"]


def _popped(tape: str, names: list[str]) -> list[str]:
    return [f"{top_of(tape)} -= {len(names)}", *(_from_slot(tape, i, name) for i, name in enumerate(names))]


def _slot(tape: str, i: int) -> str:
    return f"{tape}[{top_of(tape)}]" if i == 0 else f"{tape}[{top_of(tape)} + {i}]"


def _from_slot(tape: str, i: int, name: str) -> str:
    return f"{name} = {_slot(tape, i)}" + (" != 0" if tape.endswith("flags") else "")


_ABOUT = {"shape", "size", "ndim", "dtype"}
_ABOUT_CALLS = {"len", "zeros_like", "empty_like"}


@functools.lru_cache(maxsize=65536)
def names_in(line: str) -> frozenset[str]:
    """Names that a line reads; with `[]` appended where it may read what is in an array."""
    text = line.strip()
    if text.startswith("else"):
        return frozenset()
    tree = ast.parse(text + " pass" if text.endswith(":") else text)
    about = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in _ABOUT and isinstance(node.value, ast.Name):
            about.add(id(node.value))
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in _ABOUT_CALLS and node.args:
                about.add(id(node.args[0]))
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            about.add(id(node.value))
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found.add(node.id)
            if id(node) not in about:
                found.add(f"{node.id}[]")
    return frozenset(found)


def reads(lines: Iterable[str]) -> set[str]:
    """Names that lines read."""
    return {name for line in lines for name in names_in(line)}


def needed_names(forward: list, backward: list, shadows: set[str]) -> set[str]:
    """The names that the backward sweep needs, and the shadows that the forward sweep must make for it."""
    needed: set[str] = set()
    while True:
        emitted = Emitted(needed)
        found = reads(emitted.lines(backward))
        found |= reads(Emitted(needed).lines(forward)) & shadows
        if found <= needed:
            return needed
        needed = needed | found
