"""Forward code and adjoint of loops.

The adjoint of a loop runs its iterations in the opposite order. Where no array that it reads is written in it, an
iteration is run again before its adjoint, from the variables that it got from the one before; these alone are on a
tape. Other loops put on a tape what each statement overwrites. Where iterations only add to what they share, the
adjoint of each runs right after it: see `fusion`.
"""

from __future__ import annotations

import ast
from typing import Any

from numba.core import types

from .emission import Ahead, Block, Branch, Fused, Pop, Primal, Push, when
from .fusion import may_fuse
from .inference import loops_in
from .sweep import FRAME, TAPE, TOP, Piece, Place, State
from .syntax import all_statements, header_reads, names_assigned, names_read, text_of


def must_tape(state: State, s: Any) -> bool:
    """Whether the iterations of a loop cannot be run again whatever the adjoints need: arrays live longer than one."""
    if any(must_tape(state, inner) for inner in loops_in(s.body)):
        return True
    written = {state.activity.root(v) for v in arrays_written(s.body)}
    for name in names_assigned(s.body):
        if state.kind(name) not in "AIo":
            continue
        if name in s.live_at_start or name in s.live_after or state.activity.root(name) in written:
            return True
    return False


def arrays_written(body: list[ast.stmt]) -> set[str]:
    """Variables to whose elements statements assign."""
    return {
        text_of(s.targets[0].value)
        for s in all_statements(body)
        if isinstance(s, ast.Assign) and isinstance(s.targets[0], ast.Subscript)
    }


def in_conflict(state: State, s: Any, needed: set[str]) -> bool:
    """Whether a loop that is run again reads arrays, needed by adjoints, that it also writes."""
    statements = list(all_statements(s.body))
    read = {v for x in statements for v in _arrays_read(state, x)} | header_reads(s)
    roots = {state.activity.root(v) for v in read}
    written = {v for v in arrays_written(s.body) if state.activity.root(v) in roots}
    return any(name in needed for v in written for name in state.content(v))


def _arrays_read(state: State, s: ast.stmt) -> set[str]:
    """Arrays that a statement reads, its target not counted."""
    names = header_reads(s)
    if isinstance(s, ast.Assign) and isinstance(s.targets[0], ast.Subscript):
        names = names_read(s.value) | names_read(s.targets[0].slice)
    return names


def loop_piece(state: State, s: Any, place: Place, block: Any, taped: bool) -> Piece:
    """Code of a loop; `taped` if its iterations are not run again."""
    state.loops.append(s)
    if place.kind == TOP and place.straight and _fuses(state, s):
        return _fused(state, s, place, block)
    inner = Place(TAPE if taped else FRAME, in_loop=True, in_branch=True, short=place.short, straight=False)
    body = block(state, s.body, inner)
    count = _Count(state, s)
    overwritten = _targets(s) if taped else sorted(names_assigned([s]))
    saved = [state.saved(v, place, s) for v in overwritten]
    forward = [line for p in saved for line in p.forward] + count.setup(counted_too=True)
    restore = [line for p in reversed(saved) for line in p.backward]
    keep = [] if taped else carried(state, s)
    left = [] if taped else [(v, state.tape(state.types.variables[v], _own(state, s))) for v in inner.captured]
    leave: list = [Branch(s.stop, [Primal("break")], [])] if s.stop else []
    leave += [] if s.body else [Primal("pass")]
    times = "" if count.counted else f"len({text_of(s.iter)})"
    forward.append(Block(loop_header(s), [*count.step(), Push(keep), *body.forward, Push(left), *leave], times=times))
    inverse = [*count.position(), Pop(left), Pop(keep), *body.again, *body.backward]
    backward: list = [Block(count.reversed_header(), inverse, any_order=count.header())]
    if place.kind == FRAME:
        captures, again = _left_behind(state, s, place, count)
        again = [line for p in saved for line in p.again] + count.setup(counted_too=False) + again
        return Piece(forward + captures, again, backward + restore)
    if place.kind == TAPE:
        entries = [(v, state.tape(types.int64)) for v in count.variables]
        return Piece([*forward, Push(entries)], [], [Pop(entries), *backward, *restore])
    return Piece(forward, [], backward + restore)


def _fuses(state: State, s: Any) -> bool:
    return id(s) not in state.alone and may_fuse(s, state.kind, state.activity.active, state.activity.of_class)


def _fused(state: State, s: Any, place: Place, block: Any) -> Piece:
    """Code of a loop whose adjoint runs iteration by iteration."""
    state.fused.add(id(s))
    body = block(state, s.body, Place(TOP, in_branch=True, short=True))
    saved = [state.saved(v, place, s) for v in sorted(names_assigned([s]))]
    lasting = sorted(v for v in names_assigned(s.body) if v in s.live_at_start or v in s.live_after)
    kept = {v: state.temporary(f"{v}_last", state.types.variables[v]) for v in lasting}
    keep = [f"{last} = {v}" for v, last in kept.items()]
    put_back = [f"{v} = {last}" for v, last in kept.items()]
    once = [*body.forward, *([] if s.body else [Primal("pass")])]
    ahead = Ahead(loop_header(s), once, id(s))
    times = f"len({text_of(s.iter)})"
    fused = Fused(loop_header(s), [*once, *keep], [*body.backward, *put_back], kept, id(s), times)
    before = [line for p in saved for line in p.forward]
    return Piece([*before, ahead], [], [fused, *(line for p in reversed(saved) for line in p.backward)])


def loop_header(s: Any) -> str:
    """The first line of a loop."""
    return f"for {_targets(s)[0]} in {text_of(s.iter)}:" if isinstance(s, ast.For) else f"while {text_of(s.test)}:"


def _targets(s: Any) -> list[str]:
    return [text_of(s.target)] if isinstance(s, ast.For) else []


def _own(state: State, s: Any) -> str:
    """Prefix of the tapes of a loop."""
    return f"loop{state.loops.index(s)}_"


def carried(state: State, s: Any) -> list[tuple[str, str]]:
    """Numbers that an iteration gets from the one before."""
    assigned = names_assigned(s.body) - set(_targets(s))
    names = sorted(v for v in assigned & s.live_at_start if state.kind(v) in "fi")
    return [(v, state.tape(state.types.variables[v], _own(state, s))) for v in names]


def _left_behind(state: State, s: Any, place: Place, count: _Count) -> tuple[list, list]:
    """What a loop in a frame leaves for what comes after it: kept instead of running the loop again."""
    captures, again = [], []
    for name in sorted(names_assigned([s]) & s.live_after):
        if state.kind(name) not in "fi":
            continue
        left = state.temporary(f"{name}_after", state.types.variables[name])
        captures.append(when(left, f"{left} = {name}"))
        again.append(when(name, f"{name} = {left}"))
        place.captured.append(left)
    if count.counted:
        place.captured.append(count.n)
    return captures, again


class _Count:
    """How often a loop runs, and the loop variable in each iteration."""

    def __init__(self, state: State, s: Any):
        self.s = s
        self.n = state.temporary("count")
        self.counted = isinstance(s, ast.While) or s.stop is not None
        self.variables = [self.n]
        self.start = self.step_size = ""
        if isinstance(s, ast.For):
            arguments = [text_of(a) for a in s.iter.args]  # type: ignore[attr-defined]
            self.start = arguments[0] if len(arguments) > 1 else "0"
            self.step_size = arguments[2] if len(arguments) > 2 else "1"
            self._fixed: list[str] = []
            if not _number(self.start):
                self._fixed.append(f"{(first := state.temporary('start'))} = {self.start}")
                self.start = first
                self.variables.append(first)
            if not _number(self.step_size):
                self._fixed.append(f"{(step := state.temporary('step'))} = {self.step_size}")
                self.step_size = step
                self.variables.append(step)
        self.plain = isinstance(s, ast.For) and self.start == "0" and self.step_size == "1"
        self.r = state.names.new("back")

    def setup(self, counted_too: bool) -> list:
        """Before the loop."""
        lines: list = []
        if isinstance(self.s, ast.For):
            lines += [when(line.split(" = ")[0], line) for line in self._fixed]
            if not self.counted:
                lines.append(when(self.n, f"{self.n} = len({text_of(self.s.iter)})"))
        if self.counted and counted_too:
            lines.append(when(self.n, f"{self.n} = 0"))
        return lines

    def step(self) -> list:
        """In each iteration, forward."""
        return [when(self.n, f"{self.n} += 1")] if self.counted else []

    def reversed_header(self) -> str:
        """The loop of the adjoints."""
        return f"for {self.s.target.id if self.plain else self.r} in range({self.n} - 1, -1, -1):"

    def header(self) -> str:
        """The same, in the order of the function's loop; none for a loop that cannot be counted before."""
        return f"for {self.s.target.id if self.plain else self.r} in range({self.n}):"

    def position(self) -> list:
        """The loop variable of an iteration, backward."""
        if self.plain or isinstance(self.s, ast.While):
            return []
        i, step = self.s.target.id, self.step_size
        offset = self.r if step == "1" else f"{self.r} * {step}"
        return [when(i, f"{i} = {offset}" if self.start == "0" else f"{i} = {self.start} + {offset}")]


def _number(text: str) -> bool:
    return text.lstrip("-").isdigit()
