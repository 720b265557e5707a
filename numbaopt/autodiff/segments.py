"""Loops over `numbaopt.checkpoint(range(...))`: in segments, of which only the start is recorded.

The adjoint of a segment runs it again from its start, now recording what its iterations need. With T iterations in
segments of sqrt(T) that is sqrt(T) starts and sqrt(T) iterations at a time, for one more evaluation of the loop.
"""

from __future__ import annotations

import copy
from typing import Any

from .emission import Block, Branch, Pop, Primal, Push, When
from .loops import arrays_written, carried, loop_piece
from .refusal import refuse
from .sweep import TOP, Piece, Place, State
from .syntax import expression, names_assigned, text_of
from .tangents import Tangents


def checkpointed_loop(state: State, s: Any, place: Place, block: Any) -> Piece:
    """Code of such a loop."""
    _check(state, s, place)
    state.loops.append(s)
    overwritten = sorted(names_assigned([s]))
    saved = [state.saved(v, place, s) for v in overwritten]
    count, length, number = state.temporary("count"), state.temporary("length"), state.temporary("segment")
    segment = copy.copy(s)
    segment.iter = expression(_segment_range(s, count, length, number))
    segment.live_after = s.live_after | s.live_at_start
    start, back = _start(state, s)
    piece = loop_piece(
        state, segment, Place(TOP, in_loop=True, in_branch=True, straight=False), block, taped=id(s) in state.on_tape
    )
    primal = _always(Tangents(state.types, state.activity, state.names, 0).block([segment]))
    segments = f"(({count} + {length} - 1) // {length})"
    forward = [
        *(line for p in saved for line in p.forward),
        Primal(f"{count} = len({text_of(s.iter)})"),
        Primal(f"{length} = int(np.sqrt({count})) + 1"),
        Block(f"for {number} in range({segments}):", [*start, *primal]),
    ]
    backward = [
        Block(f"for {number} in range({segments} - 1, -1, -1):", [*back, *piece.forward, *piece.backward]),
        *(line for p in reversed(saved) for line in p.backward),
    ]
    return Piece(forward, [], backward)


def _always(nodes: list) -> list:
    """The same, of which nothing is left out."""
    new: list = []
    for n in nodes:
        if isinstance(n, Block):
            new.append(n._replace(body=_always(n.body)))
        else:
            new.append(Branch(n.test, _always(n.yes), _always(n.no)) if isinstance(n, Branch) else Primal(n))
    return new


def _check(state: State, s: Any, place: Place) -> None:
    if place.kind != TOP or place.in_loop:
        refuse(s, "a loop with checkpoint() inside another loop", "use it for the outer one")
    if s.stop:
        refuse(s, "`break` or `return` in a loop with checkpoint()", "use a plain range")
    for name in sorted(names_assigned(s.body) & (s.live_at_start | s.live_after)):
        if state.kind(name) not in "fi":
            refuse(
                s,
                f"the array `{name}`, which a loop with checkpoint() assigns and a later iteration or statement reads",
                f"assign its elements: `{name}[:] = ...`",
            )


def _segment_range(s: Any, count: str, length: str, number: str) -> str:
    """The range of a segment of the loop."""
    arguments = [text_of(a) for a in s.iter.args]
    start = arguments[0] if len(arguments) > 1 else "0"
    step = arguments[2] if len(arguments) > 2 else "1"
    last = f"min({count}, ({number} + 1) * {length})"
    return f"range({start} + {number} * {length} * ({step}), {start} + {last} * ({step}), {step})"


def _start(state: State, s: Any) -> tuple[list, list]:
    """Code that records where a segment starts, and code that goes back there."""
    numbers = carried(state, s)
    forward: list = [Push(numbers)]
    backward: list = [Pop(numbers)]
    roots = {state.activity.root(v) for v in arrays_written(s.body)}
    inside = names_assigned(s.body)
    arrays = [v for v in sorted(state.types.variables) if state.kind(v) in "AI" and state.activity.root(v) in roots]
    for v in arrays:
        if v in inside or v not in s.live_at_start | s.live_after:
            continue
        ty = state.types.variables[v]
        tape, guard = state.tape(ty.dtype), state.content(v)
        top = f"{tape}_top"
        forward.append(When(guard, [f"{tape} = push_{ty.ndim}d({tape}, {top}, {v})", f"{top} += {v}.size"]))
        backward.insert(0, When(guard, [f"{top} -= {v}.size", f"pop_{ty.ndim}d({tape}, {top}, {v})"]))
    return forward, backward
