"""Each value gets a variable of its own, where it does not leave the list of nodes that gives it.

numba makes versions of every variable that is assigned twice, each at the cost of two passes over the function. And
what is assigned once can be put where it is used: see `substitution`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from .cleaning import exposed
from .emission import Block, Branch, Pop, Push, header, inside
from .facts import facts
from .syntax import Names, enclosed

NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*(?!\w|=(?!=))")
"""A variable or function in a line; no attribute, no keyword argument."""
_UNCLEAR = ("'", '"', "lambda", "random")


def renamed(text: str, names: dict[str, str]) -> str:
    """The text with other names."""
    return NAME.sub(lambda found: names.get(found[0], found[0]), text) if names else text


def is_opaque(line: str) -> bool:
    """Whether names in a line need not be variables, or not those of the function."""
    return any(part in line for part in _UNCLEAR) or " for " in line.lstrip()


def names_in_opaque(nodes: list) -> set[str]:
    """Names in such lines."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, (Push, Pop)):
            continue
        if is_opaque(text := node if isinstance(node, str) else header(node)):
            found.update(NAME.findall(text))
        for part in inside(node):
            found |= names_in_opaque(part)
    return found


def all_written(nodes: Iterable[Any]) -> set[str]:
    """The variables that nodes assign, and `v[]` for arrays into which they write."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, Pop):
            found.update(name for name, _ in node.variables)
        elif not isinstance(node, Push):
            f = facts(node if isinstance(node, str) else header(node))
            found |= f.writes | f.adds
            for part in inside(node):
                found |= all_written(part)
    return found


class Versions:
    """`nodes` in which those `numbers` that are not read after their list have variables of their own."""

    def __init__(
        self, nodes: list, read_at_end: set[str], at_start: set[str], number: Callable[[str], bool], names: Names
    ):
        self.number, self.names = number, names
        self.fixed = names_in_opaque(nodes)
        self.assigned = set(at_start)
        self.nodes = self._list(nodes, read_at_end, {}) if _regular(nodes) else nodes

    def _list(self, nodes: list, after: set[str], current: dict[str, str]) -> list:
        mixed = self._not_alone(nodes)
        last = {v: at for at, node in enumerate(nodes) for v in _assigned(node)}
        current, out = dict(current), []
        for at, (node, live) in enumerate(zip(nodes, _live_after(nodes, after), strict=True)):

            def new(v: str, at: int = at) -> str:
                if v in mixed or v in self.fixed or not self.number(v):
                    return v
                if at == last[v] and v in after:
                    current.pop(v, None)
                    return v
                known = v in self.assigned or v in after
                self.names.taken.add(v)
                current[v] = self.names.number(v) if known else v
                return current[v]

            out.append(self._node(node, live, current, new))
            self.assigned |= _assigned(out[-1])
        return out

    def _not_alone(self, nodes: list) -> set[str]:
        """What is assigned by other nodes than lines of its own."""
        return all_written(n for n in nodes if not _assigned(n))

    def _node(self, node: Any, live: set[str], current: dict[str, str], new: Callable[[str], str]) -> Any:
        if isinstance(node, str):
            return type(node)(self._line(node, current, new))
        if isinstance(node, Push):
            return node._replace(variables=[(current.get(v, v), tape) for v, tape in node.variables])
        if isinstance(node, Pop):
            return node._replace(variables=[(new(v), tape) for v, tape in node.variables])
        if isinstance(node, Branch):
            yes, no = self._list(node.yes, live, current), self._list(node.no, live, current)
            return Branch(renamed(node.test, current), yes, no)
        assert isinstance(node, Block)
        end = live | facts(node.header).reads | exposed(node.body)
        times = renamed(node.times, current)
        return node._replace(
            header=renamed(node.header, current), times=times, body=self._list(node.body, end, current)
        )

    def _line(self, line: str, current: dict[str, str], new: Callable[[str], str]) -> str:
        f = facts(line)
        if is_opaque(line) or not f.name:
            return line if is_opaque(line) else renamed(line, current)
        value, old = renamed(f.value, current), current.get(f.name, f.name)
        name = new(f.name)
        if not f.adds:
            return f"{name} = {value}"
        return f"{name} += {value}" if name == old else f"{name} = {old} + {enclosed(value)}"


def _assigned(node: Any) -> set[str]:
    """What a node assigns, if nothing else."""
    if isinstance(node, str):
        return {f.name} if (f := facts(node)).name else set()
    return {name for name, _ in node.variables} if isinstance(node, Pop) else set()


def _regular(nodes: list) -> bool:
    """Whether only the last node of a loop may leave it: what is live before others is what the following ones read."""
    for node in nodes:
        if isinstance(node, str):
            if node.strip() in ("break", "continue") or node.lstrip().startswith("return"):
                return False
        elif isinstance(node, Block):
            last = node.body[-1] if node.body else None
            leaves = isinstance(last, Branch) and last.yes == ["break"] and not last.no
            if not _regular(node.body[:-1] if leaves else node.body):
                return False
        elif not all(_regular(part) for part in inside(node)):
            return False
    return True


def _live_after(nodes: list, after: set[str]) -> list[set[str]]:
    """What is read after each of the nodes."""
    found = [after]
    for node in reversed(nodes[1:]):
        found.append(exposed([node], found[-1]))
    return found[::-1][: len(nodes)]
