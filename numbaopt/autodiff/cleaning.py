"""Leaves out of generated code what nothing reads, and additions to zero; finds loops that may run in any order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .emission import Ahead, Block, Branch, Fused, Pop, Primal, Push, header, inside
from .facts import facts

Root = Callable[[str], str]


def targets(node: Any) -> set[str]:
    """The variable of a loop."""
    return set(facts(node.header).writes)


class Swept:
    """`nodes` without what is not read; `after` has, for each fused loop, the variables that are read after it.

    `root` gives one name for all arrays that may share memory.
    """

    def __init__(self, nodes: list, read_at_end: set[str], root: Root):
        self.root = root
        self.came_back: dict[int, set[str]] = {}  # of each Push, the variables that are read when they come back
        self.after: dict[int, set[str]] = {}
        self.nodes, self.at_start = self._list(nodes, set(read_at_end))

    def _list(self, nodes: list, live: set[str]) -> tuple[list, set[str]]:
        out: list = []
        for node in reversed(nodes):
            new, live = self._node(node, live)
            out += reversed(new)
        return out[::-1], live

    def _node(self, node: Any, live: set[str]) -> tuple[list, set[str]]:
        if isinstance(node, str):
            return self._line(node, live)
        if isinstance(node, Pop):
            wanted = [v for v in node.variables if v[0] in live]
            self.came_back.setdefault(node.key, set()).update(name for name, _ in wanted)
            wanted = [v for v in node.variables if v[0] in self.came_back[node.key]]
            return [node._replace(variables=wanted)] if wanted else [], live - {name for name, _ in wanted}
        if isinstance(node, Push):
            back = self.came_back.get(node.key, set())
            wanted = [v for v in node.variables if v[0] in back]
            return [node._replace(variables=wanted)] if wanted else [], live | {name for name, _ in wanted}
        if isinstance(node, Branch):
            yes, before_yes = self._list(node.yes, live)
            no, before_no = self._list(node.no, live)
            if not yes and not no:
                return [], live
            return [Branch(node.test, yes, no)], before_yes | before_no | facts(header(node)).reads
        return self._loop(node, live)

    def _line(self, line: str, live: set[str]) -> tuple[list, set[str]]:
        f = facts(line)
        if f.name and f.name not in live and not isinstance(line, Primal):
            return [], live
        if not f.adds and f.name:
            live = live - {f.name}
        return [line], live | f.reads | {n for n in f.adds if not n.endswith("[]")}

    def _loop(self, node: Any, live: set[str]) -> tuple[list, set[str]]:
        if isinstance(node, Fused):
            self.after[node.loop] = set(live)
        own = targets(node)
        always = live | facts(node.header).reads
        start: set[str] = set()
        while True:
            lists, at_start = [], always | (start - own)
            for part in reversed(inside(node)):
                cleaned, at_start = self._list(part, at_start)
                lists.append(cleaned)
            if at_start <= start:
                break
            start = start | at_start
        lists.reverse()
        if isinstance(node, Block):
            if not lists[0]:
                return [], live
            if node.any_order and not own & live and independent(lists[0], live, self.root):
                node = node._replace(header=node.any_order)
            new: Any = node._replace(body=lists[0])
        elif isinstance(node, Ahead):
            new = node._replace(forward=lists[0])
        else:
            new = node._replace(forward=lists[0], backward=lists[1])
        return [new], always | (start - own)


# --- what nodes do ---------------------------------------------------------------------------------------------------


class Effects:
    """Of nodes: what they read, write and only increment, and of the variables what they read before writing it."""

    def __init__(self, nodes: list, root: Root):
        self.reads, self.writes, self.adds, self.tapes = set[str](), set[str](), set[str](), set[str]()
        self.calls = False
        self._collect(nodes)
        self.reads, self.writes, self.adds, self.exposed = (
            {root(name) if name.endswith("[]") else name for name in names}
            for names in (self.reads, self.writes, self.adds, _exposed(nodes))
        )

    def _collect(self, nodes: list) -> None:
        for node in nodes:
            if isinstance(node, (Push, Pop)):
                names = {name for name, _ in node.variables}
                (self.reads if isinstance(node, Push) else self.writes).update(names)
                self.tapes |= {tape for _, tape in node.variables}
                continue
            f = facts(node if isinstance(node, str) else header(node))
            self.reads |= f.reads
            self.writes |= f.writes
            self.adds |= f.adds
            self.calls |= f.calls
            for part in inside(node):
                self._collect(part)


def _exposed(nodes: list, after: set[str] | None = None) -> set[str]:
    """Names whose value from before is read."""
    live = set(after or ())
    for node in reversed(nodes):
        if isinstance(node, str):
            f = facts(node)
            if f.name and not f.adds:
                live.discard(f.name)
            live |= f.reads | f.adds
        elif isinstance(node, Pop):
            live -= {name for name, _ in node.variables}
        elif isinstance(node, Push):
            live |= {name for name, _ in node.variables}
        elif isinstance(node, Branch):
            live = _exposed(node.yes, live) | _exposed(node.no, live) | facts(header(node)).reads
        else:
            body = [n for part in inside(node) for n in part]
            live |= (_exposed(body) - targets(node)) | facts(node.header).reads
    return live


def independent(body: list, after: set[str], root: Root) -> bool:
    """Whether the iterations of a loop may run in any order: they only add to what they share."""
    done = Effects(body, root)
    if done.calls or done.tapes:
        return False
    contents = {name for name in done.writes if name.endswith("[]")}
    written = done.writes - contents
    shared = {name for name in done.adds if name in done.exposed and name not in written}
    if contents or done.reads & done.adds & shared:
        return False
    carried = (written | done.adds) - shared
    return not carried & (done.exposed | after)


# --- additions to zero -----------------------------------------------------------------------------------------------


class Zeroed:
    """`nodes` in which `v += e` is `v = e` where v is known to be zero, as the variables `zero` are at the start."""

    def __init__(self, nodes: list, zero: set[str]):
        self.nodes, _ = self._list(nodes, set(zero))

    def _list(self, nodes: list, zero: set[str]) -> tuple[list, set[str]]:
        out: list = []
        for node in nodes:
            new, zero = self._node(node, zero)
            out += new
        return out, zero

    def _node(self, node: Any, zero: set[str]) -> tuple[list, set[str]]:
        if isinstance(node, str):
            return self._line(node, zero)
        if isinstance(node, Pop):
            return [node], zero - {name for name, _ in node.variables}
        if isinstance(node, Push):
            return [node], zero
        if isinstance(node, Branch):
            yes, after_yes = self._list(node.yes, zero)
            no, after_no = self._list(node.no, zero)
            return [Branch(node.test, yes, no)], after_yes & after_no
        while True:
            lists, end = [], set(zero)
            for part in inside(node):
                cleaned, end = self._list(part, end)
                lists.append(cleaned)
            if zero <= end:
                break
            zero = zero & end
        if isinstance(node, Block):
            return [node._replace(body=lists[0])], zero
        return [node._replace(forward=lists[0], backward=lists[1])], zero

    def _line(self, line: str, zero: set[str]) -> tuple[list, set[str]]:
        f = facts(line)
        if f.name and f.value == "0.0" and not f.adds:
            return ([] if f.name in zero else [line]), zero | {f.name}
        if f.name in zero and f.adds and f.name not in f.reads:
            line = f"{f.name} = {f.value}"
        return [line], zero - f.writes - f.adds
