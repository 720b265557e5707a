"""A loop whose iterations only add to what they share may run the adjoint of each iteration right after it.

That saves the second run of the iterations, and tapes. It needs what the loop's sums are multiplied by later before the
loop runs: the lines that compute that are moved before it, where they read nothing that the loop gives.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from .cleaning import Effects, Root, Swept
from .emission import Ahead, Block, Fused
from .facts import facts
from .syntax import all_statements, names_assigned, names_read, text_of, walk


def may_fuse(s: Any, kind: Callable[[str], str], active: set[str], family: Callable[[str], set[str]]) -> bool:
    """Whether the iterations of a loop of the user's function only add to the active numbers that they share."""
    if not isinstance(s, ast.For) or s.stop or not s.body:  # type: ignore[attr-defined]
        return False
    assigned = names_assigned(s.body)
    lasting = assigned & (s.live_at_start | s.live_after)  # type: ignore[attr-defined]
    if any(kind(v) not in "fi" for v in lasting):
        return False
    if any(v not in assigned or v in lasting for array in _stored_into(s.body) for v in family(array)):
        return False
    return all(is_total(s, v) for v in lasting & active)


def _stored_into(body: list[ast.stmt]) -> set[str]:
    return {
        text_of(s.targets[0].value)
        for s in all_statements(body)
        if isinstance(s, ast.Assign) and isinstance(s.targets[0], ast.Subscript)
    }


def is_total(s: Any, name: str) -> bool:
    """Whether a loop only adds to a number."""
    own = [x for x in all_statements(s.body) if isinstance(x, ast.Assign) and name in names_assigned([x])]
    if not all(is_increment(x.value, name) for x in own):
        return False
    reads = sum(
        isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load) for x in s.body for n in walk(x)
    )
    return reads == len(own) and name not in names_read(s.iter)


def is_increment(e: Any, name: str) -> bool:
    """Whether `e` is `name + something` without `name` in it."""
    if not (isinstance(e, ast.BinOp) and isinstance(e.op, (ast.Add, ast.Sub)) and isinstance(e.left, ast.Name)):
        return False
    return e.left.id == name and name not in names_read(e.right)


class Fusion:
    """`nodes` with loops and their adjoints in one; `failed` has the loops for which that cannot be."""

    def __init__(self, nodes: list, read_at_end: set[str], is_shadow: Callable[[str], bool], root: Root):
        self.is_shadow, self.root = is_shadow, root
        swept = Swept(nodes, read_at_end, root)
        self.after, self.failed = swept.after, set[int]()
        self.nodes = self._list(swept.nodes)

    def _list(self, nodes: list) -> list:
        for at in reversed(range(len(nodes))):  # the last loop first, as its adjoint comes first
            if isinstance(nodes[at], Ahead):
                nodes = self._joined(nodes, at)
        return [self._as_loop(n) if isinstance(n, Fused) else n for n in nodes]

    def _as_loop(self, fused: Fused) -> Block:
        back = [f"{v} = {last}" for v, last in fused.kept.items()]
        adjoint = [n for n in fused.backward if n not in back]
        changed = Effects(adjoint, self.root).writes
        adjoint += [line for line in back if facts(line).name in changed]
        return Block(fused.header, self._list([*fused.forward, *adjoint]), times=fused.times)

    def _joined(self, nodes: list, at: int) -> list:
        """One loop with its adjoint in it."""
        ahead = nodes[at]
        end = next((i for i, n in enumerate(nodes) if isinstance(n, Fused) and n.loop == ahead.loop), None)
        if end is None:  # nothing needs its adjoint
            return [*nodes[:at], Block(ahead.header, ahead.forward), *nodes[at + 1 :]]
        parts = self._parted(ahead, nodes[at + 1 : end], nodes[end])
        if parts is None:
            self.failed.add(ahead.loop)
            return nodes
        first, rest = parts
        return [*nodes[:at], *first, nodes[end], *rest, *nodes[end + 1 :]]

    def _parted(self, ahead: Ahead, between: list, fused: Fused) -> tuple[list, list] | None:
        """What of the code between a loop and its adjoint can come before both, and the rest, which can come after.

        None where the adjoint needs something that depends on what the loop gives.
        """
        adjoint, loop = Effects(fused.backward, self.root), Effects([ahead], self.root)
        wanted = {v for v in adjoint.exposed & adjoint.reads if self.is_shadow(v)}
        first, rest = [], []
        for node in reversed(between):
            done = Effects([node], self.root)
            if (done.writes | done.adds) & wanted:
                if done.calls or not _commute(done, loop):
                    return None
                first.append((node, done))
                wanted |= {v for v in done.reads if not v.endswith("[]")}
            else:
                rest.append((node, done))
                if not all(_commute(done, later) for _, later in first):
                    return None
        after = [node for node, _ in reversed(rest)]
        if not self._may_follow(Effects(after, self.root), adjoint, fused):
            return None
        return [node for node, _ in reversed(first)], after

    def _may_follow(self, rest: Effects, adjoint: Effects, fused: Fused) -> bool:
        """Whether what came before the adjoint may come after it, which has the values of its own iteration."""
        needs = {v for v in adjoint.reads & adjoint.exposed if self.is_shadow(v)}
        changes = adjoint.writes - set(fused.kept)
        return not (
            (rest.writes | rest.adds) & needs
            or rest.writes & adjoint.adds
            or (changes | adjoint.adds) & rest.reads & rest.exposed
            or changes & rest.adds
            or changes & rest.writes & self.after.get(fused.loop, set())
        )


def _commute(one: Effects, other: Effects) -> bool:
    """Whether two pieces of code may change places."""
    return not (
        one.writes & (other.reads | other.writes | other.adds)
        or other.writes & (one.reads | one.adds)
        or one.adds & other.reads
        or other.adds & one.reads
        or one.tapes & other.tapes
    )
