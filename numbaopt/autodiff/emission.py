"""Generated code as a tree: what adjoints do not need is left out, the rest becomes text.

A value that is saved, recomputed or put on a tape is emitted only where it is `needed`: read by code that is emitted.
`cleaning` then follows the order in which things run, and leaves out more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from .facts import facts


class Primal(str):
    """A line of the user's function in the forward sweep: it always runs."""

    __slots__ = ()


class Block(NamedTuple):
    """`for ...:` or `while ...:` with a body; not emitted without one."""

    header: str
    body: list
    any_order: str = ""  # the header to use where the order of the iterations does not matter
    times: str = ""  # how often it runs, where that is known before


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
    key: int = 0  # which Pop they come back in


class Pop(NamedTuple):
    """They come back, in the opposite order."""

    variables: list[tuple[str, str]]
    key: int = 0


class Check(NamedTuple):
    """`found()` is called where one of the names is needed: it refuses."""

    names: tuple[str, ...]
    found: Any


class Ahead(NamedTuple):
    """A loop of which each iteration may be followed by its adjoint at once, as it runs without that."""

    header: str
    forward: list
    loop: int  # which


class Fused(NamedTuple):
    """Such a loop with the adjoints, where they would run otherwise: see `fusion`."""

    header: str
    forward: list
    backward: list
    kept: dict[str, str]  # variables that the adjoints leave as they were, and those that bring them back at the end
    loop: int
    times: str


def when(name: str, *lines: Any) -> When:
    """Lines for a name that may be needed."""
    return When((name,), list(lines))


class Tree:
    """The nodes that are left, given the names that are needed: lines, Block, Branch, Push, Pop, Ahead and Fused."""

    def __init__(self, needed: set[str]):
        self.needed = needed

    def of(self, code: Iterable[Any]) -> list:
        """The nodes."""
        out: list = []
        for node in code:
            if isinstance(node, str):
                out.append(node)
            elif isinstance(node, When):
                out += self.of(node.body) if self._wanted(node.names) else []
            elif isinstance(node, Check):
                if self._wanted(node.names):
                    node.found()
            elif isinstance(node, (Push, Pop)):
                variables = [v for v in node.variables if v[0] in self.needed]
                out += [type(node)(variables, id(node.variables))] if variables else []
            elif isinstance(node, Branch):
                out.append(Branch(node.test, self.of(node.yes), self.of(node.no)))
            elif isinstance(node, Fused):
                out.append(node._replace(forward=self.of(node.forward), backward=self.of(node.backward)))
            elif isinstance(node, Ahead):
                out.append(node._replace(forward=self.of(node.forward)))
            else:
                body = self.of(node.body)
                out += [node._replace(body=body)] if body else []
        return out

    def _wanted(self, names: tuple[str, ...]) -> bool:
        return any(name in self.needed for name in names)


def inside(node: Any) -> tuple[list, ...]:
    """The lists of nodes in a node."""
    if isinstance(node, Block):
        return (node.body,)
    if isinstance(node, Branch):
        return node.yes, node.no
    if isinstance(node, Fused):
        return node.forward, node.backward
    return (node.forward,) if isinstance(node, Ahead) else ()


def header(node: Any) -> str:
    """The line that a node begins with."""
    return f"if {node.test}:" if isinstance(node, Branch) else node.header


def read_by(nodes: list) -> set[str]:
    """Names that nodes read."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, str):
            found |= facts(node).reads
        elif isinstance(node, Push):
            found |= {name for name, _ in node.variables}
        elif not isinstance(node, Pop):
            found |= facts(header(node)).reads
            for part in inside(node):
                found |= read_by(part)
    return found


def needed_names(forward: list, backward: list, shadows: set[str]) -> set[str]:
    """The names that the backward sweep needs, and the shadows that the forward sweep must make for it."""
    needed: set[str] = set()
    while True:
        tree = Tree(needed)
        ahead, back = tree.of(forward), tree.of(backward)
        found = _read_by_adjoints(back) | (read_by(ahead) & shadows)
        if found <= needed:
            return needed
        needed = needed | found


def _read_by_adjoints(nodes: list) -> set[str]:
    """What nodes of the backward sweep read; of a fused loop only its adjoints belong to that."""
    found: set[str] = set()
    for node in nodes:
        found |= _read_by_adjoints(node.backward) if isinstance(node, Fused) else read_by([node])
    return found
