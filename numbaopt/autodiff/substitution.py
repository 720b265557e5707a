"""Values that are used once are put where they are used, and copies of variables are replaced by the variables.

Each variable costs numba more than the operation that gives it: the type of it, code that keeps it and that drops it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .cleaning import Root
from .emission import Block, Branch, Pop, Push, header, inside
from .facts import PURE, facts
from .syntax import enclosed
from .versions import NAME, all_written, is_opaque, names_in_opaque

LONGEST = 200
"""Characters of a line to which something is added."""
_NUMBER = re.compile(r"\d+\.\d*(e-?\d+)?")
_INTEGER = re.compile(r"-?\d+")  # numba has other types of results for those that stand in an expression
_NO_ARRAYS = PURE | {"np", "math"}


@dataclass
class Value:
    """What a variable has been assigned."""

    name: str
    text: str
    atom: bool  # a name or a number
    reads: set[str]
    home: list
    at: int  # its place there


class Substituted:
    """`nodes` with values where they are used.

    `kept` are variables that have a value from elsewhere, or are read elsewhere.
    """

    def __init__(
        self, nodes: list, kept: set[str], number: Callable[[str], bool], known: Callable[[str], bool], root: Root
    ):
        self.number, self.known, self.root = number, known, root
        self.kept = kept | names_in_opaque(nodes)
        self.uses: Counter[str] = Counter()
        self.assigned: Counter[str] = Counter()
        self._count(nodes)
        self.nodes = self._list(nodes, {})

    def _count(self, nodes: list) -> None:
        for node in nodes:
            if isinstance(node, (Push, Pop)):
                (self.uses if isinstance(node, Push) else self.assigned).update(name for name, _ in node.variables)
                continue
            text = node if isinstance(node, str) else header(node)
            f = facts(text)
            self.assigned.update(n for names in (f.writes, f.adds) for n in names)
            self.uses.update(NAME.findall(f.value if f.name and not f.adds else text))
            if isinstance(node, Block):
                self.uses.update(NAME.findall(node.times))
            for part in inside(node):
                self._count(part)

    # --- nodes -------------------------------------------------------------------------------------------------------

    def _list(self, nodes: list, values: dict[str, Value]) -> list:
        out: list = []
        for node in nodes:
            if isinstance(node, str):
                self._line(node, values, out)
                continue
            if isinstance(node, Push):
                node = node._replace(variables=[(self._pushed(v, values), tape) for v, tape in node.variables])
            elif isinstance(node, Branch):
                test, names = self._replaced(node.test, values), _atoms(values)
                node = Branch(test, self._list(node.yes, dict(names)), self._list(node.no, dict(names)))
            elif isinstance(node, Block):
                node = self._loop(node, values)
            self._forget(values, all_written([node]))
            out.append(node)
        found: list = []
        for node in out:
            if node is not None and not self._comes_back(node, found):
                found.append(node)
        return found

    def _loop(self, node: Block, values: dict[str, Value]) -> Block:
        written, head, times = all_written([node]), node.header, node.times
        if head.startswith("for "):
            start, rest = head.split(" in ", 1)
            times = self._replaced(times, _atoms(values))
            head = f"{start} in {self._replaced(rest, values)}"
        same = _atoms(values)
        self._forget(same, written)
        if not head.startswith("for "):
            head = self._replaced(head, same)
        return node._replace(header=head, times=times, body=self._list(node.body, same))

    def _line(self, line: str, values: dict[str, Value], out: list) -> None:
        f = facts(line)
        if is_opaque(line) or (not f.name and any(not n.endswith("[]") for n in f.writes | f.adds)):
            self._forget(values, set(f.writes | f.adds))
            self.kept |= {n for n in f.reads if not n.endswith("[]")}
            out.append(line)
            return
        reads, written = set(f.reads), set(f.writes | f.adds)
        if f.name:
            value = self._replaced(f.value, values, reads)
            new = f"{f.name} {'+=' if f.adds else '='} {value}"
        else:
            value, new = "", self._replaced(line, values, reads, written)
        if f.name and value == f.name:
            self.uses[value] -= 1
            return
        self._forget(values, written)
        out.append(type(line)(new))
        if f.name and not f.adds and f.name not in reads:
            self._note(Value(f.name, value, _is_atom(value), reads, out, len(out) - 1), values)

    def _comes_back(self, line: Any, out: list) -> bool:
        """Whether a line only assigns what the node before it took from a tape, which then does so itself."""
        if not out or not isinstance(out[-1], Pop) or not isinstance(line, str) or is_opaque(line):
            return False
        target, _, value = line.partition(" = ")
        f = facts(line)
        taken = dict(out[-1].variables)
        if value not in taken or self.uses[value] != 1 or self.assigned[value] != 1 or value in self.kept:
            return False
        if f.calls or f.adds or taken.keys() & set(NAME.findall(target)):
            return False
        out[-1] = out[-1]._replace(variables=[(target if v == value else v, tape) for v, tape in taken.items()])
        return True

    # --- values ------------------------------------------------------------------------------------------------------

    def _note(self, v: Value, values: dict[str, Value]) -> None:
        if v.name in self.kept or self.assigned[v.name] != 1 or _INTEGER.fullmatch(v.text):
            return
        if v.atom or (self.uses[v.name] == 1 and self.number(v.name) and len(v.text) < LONGEST):
            v.reads = {self._content(n) if n.endswith("[]") else n for n in v.reads} - {""}
            values[v.name] = v

    def _content(self, name: str) -> str:
        """One name for all arrays that may share memory, "?" where that is not known, "" for what is no array."""
        own = name[:-2]
        if self.number(own) or own in _NO_ARRAYS:
            return ""
        return self.root(name) if self.known(own) else "?[]"

    def _forget(self, values: dict[str, Value], written: set[str]) -> None:
        """The values that are others after something has been written."""
        if not values or not written:
            return
        names = {self._content(n) if n.endswith("[]") else n for n in written} - {""}
        contents = any(n.endswith("[]") for n in names)
        for name, v in list(values.items()):
            unknown = contents and ("?[]" in v.reads or ("?[]" in names and any(n.endswith("[]") for n in v.reads)))
            if unknown or names & v.reads:
                del values[name]

    def _pushed(self, name: str, values: dict[str, Value]) -> str:
        v = values.get(name)
        return self._used(v) if v is not None and (v.atom or self.uses[name] == 1) else name

    def _replaced(
        self, text: str, values: dict[str, Value], reads: set[str] | None = None, written: set[str] | None = None
    ) -> str:
        """The text with the values; what it reads and writes then."""
        if not values:
            return text
        length = len(text)

        def value_of(found: re.Match) -> str:
            nonlocal length
            v = values.get(found[0])
            if v is None or (not v.atom and (self.uses[v.name] != 1 or length + len(v.text) > LONGEST)):
                return found[0]
            length += len(v.text)
            if reads is not None:
                reads.difference_update({v.name, f"{v.name}[]"})
                reads.update(v.reads)
            if written is not None and f"{v.name}[]" in written:
                written.add(f"{v.text}[]")
            return self._used(v) if found[0] == text else enclosed(self._used(v))

        return NAME.sub(value_of, text)

    def _used(self, v: Value) -> str:
        """The text of a value, which is used once more."""
        self.uses[v.name] -= 1
        if v.atom:
            self.uses[v.text] += 1
        if self.uses[v.name] == 0:
            v.home[v.at] = None
            if v.atom:
                self.uses[v.text] -= 1
        return v.text


def _atoms(values: dict[str, Value]) -> dict[str, Value]:
    return {name: v for name, v in values.items() if v.atom}


def _is_atom(text: str) -> bool:
    return (text.isidentifier() and text not in ("True", "False", "None")) or bool(_NUMBER.fullmatch(text))
