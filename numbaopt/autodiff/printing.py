"""Text of generated code, and how its tapes are kept long enough."""

from __future__ import annotations

from typing import Any

from .emission import Branch, Pop, Push, inside
from .facts import facts


def top_of(tape: str) -> str:
    """The variable that says how much is on a tape."""
    return f"{tape}_top"


class Text:
    """Lines for nodes; `tapes` has the names of the tapes that they use.

    `too_short` is what runs where a tape is too short; else it gets longer.
    """

    def __init__(self, too_short: str = "") -> None:
        self.tapes, self.too_short = set[str](), too_short

    def _room_for(self, tape: str, least: str) -> list[str]:
        """The tape with at least so many words."""
        return [f"if {least} > {tape}.size:", f"    {self.too_short or f'{tape} = grown({tape}, {least})'}"]

    def lines(self, nodes: list, indent: int = 0, reserved: frozenset[str] = frozenset()) -> list[str]:
        """The text; the `reserved` tapes are long enough already."""
        pad = "    " * indent
        out: list[str] = []
        for node in nodes:
            if isinstance(node, str):
                out.append(pad + node)
            elif isinstance(node, Push):
                for tape, names in _by_tape(node).items():
                    room = [] if tape in reserved else self._room_for(tape, f"{top_of(tape)} + {len(names)}")
                    out += self._indented([*room, *_pushed(tape, names)], indent)
            elif isinstance(node, Pop):
                for tape, names in _by_tape(node).items():
                    out += [pad + line for line in _popped(tape, names)]
            elif isinstance(node, Branch):
                out += self._branch(node, indent)
            else:
                out += self._loop(node, indent)
        return out

    def _indented(self, lines: list[str], indent: int) -> list[str]:
        return ["    " * indent + line for line in lines]

    def _loop(self, node: Any, indent: int) -> list[str]:
        body = [part for nodes in inside(node) for part in nodes]
        self.tapes |= {tape for n in body if isinstance(n, (Push, Pop)) for _, tape in n.variables}
        room = _room(body) if getattr(node, "times", "") else {}
        count = getattr(node, "times", "")
        before = []
        for tape, words in room.items():
            least = f"{top_of(tape)} + {count}" if words == 1 else f"{top_of(tape)} + {words} * {count}"
            before += self._room_for(tape, least)
        lines = self.lines(body, indent + 1, frozenset(room))
        return [*self._indented([*before, node.header], indent), *lines] if lines else []

    def _branch(self, node: Branch, indent: int) -> list[str]:
        pad = "    " * indent
        yes, no = self.lines(node.yes, indent + 1), self.lines(node.no, indent + 1)
        self.tapes |= {t for n in [*node.yes, *node.no] if isinstance(n, (Push, Pop)) for _, t in n.variables}
        if yes:
            return [f"{pad}if {node.test}:", *yes, *([f"{pad}else:", *no] if no else [])]
        negated = f"not {node.test}" if node.test.isidentifier() else f"not ({node.test})"
        return [f"{pad}if {negated}:", *no] if no else []


def _room(body: list) -> dict[str, int]:
    """How much each iteration puts on the tapes to which nothing else in the body goes."""
    found: dict[str, int] = {}
    for node in body:
        if isinstance(node, Push):
            for tape, names in _by_tape(node).items():
                found[tape] = found.get(tape, 0) + len(names)
    elsewhere = {tape for node in body if not isinstance(node, (Push, Pop)) for tape in _tapes_in(node)}
    return {tape: words for tape, words in found.items() if tape not in elsewhere}


def _tapes_in(node: Any) -> set[str]:
    if isinstance(node, (Push, Pop)):
        return {tape for _, tape in node.variables}
    if isinstance(node, str):
        return {n for n in facts(node).reads if not n.endswith("[]")}
    return {tape for part in inside(node) for n in part for tape in _tapes_in(n)}


def _by_tape(node: Any) -> dict[str, list[str]]:
    tapes: dict[str, list[str]] = {}
    for name, tape in node.variables:
        tapes.setdefault(tape, []).append(name)
    return tapes


def _pushed(tape: str, names: list[str]) -> list[str]:
    return [*(f"{_slot(tape, i)} = {name}" for i, name in enumerate(names)), f"{top_of(tape)} += {len(names)}"]


def _popped(tape: str, names: list[str]) -> list[str]:
    return [f"{top_of(tape)} -= {len(names)}", *(_from_slot(tape, i, name) for i, name in enumerate(names))]


def _slot(tape: str, i: int) -> str:
    return f"{tape}[{top_of(tape)}]" if i == 0 else f"{tape}[{top_of(tape)} + {i}]"


def _from_slot(tape: str, i: int, name: str) -> str:
    return f"{name} = {_slot(tape, i)}" + (" != 0" if tape.endswith("flags") else "")
