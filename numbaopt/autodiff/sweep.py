"""The two sweeps: each statement gives code that runs forward, and code that brings its adjoint.

Before the adjoint of a statement runs, every variable that adjoints need has the value that it had after the statement;
after it, the value from before. How a value comes back depends on where the statement is:

TOP    not in a loop: from a local variable
FRAME  in a loop whose iterations are run again, without writing to arrays, before their adjoint: from a local variable
TAPE   in any other loop: from a tape
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from numba.core import types

from .activity import Activity
from .emission import Check, Pop, Push, When, when
from .inference import Types
from .numba_typing import kind
from .refusal import refuse
from .syntax import Names, names_assigned, names_read

TOP, FRAME, TAPE = "top", "frame", "tape"


class Piece(NamedTuple):
    """Code of a statement: `forward` runs once; `again` runs it in a frame; `backward` is the adjoint."""

    forward: list
    again: list
    backward: list


@dataclass
class Place:
    """Where a statement is."""

    kind: str
    seen: set[str] = field(default_factory=set)  # variables of which earlier adjoints here may need the value
    captured: list[str] = field(default_factory=list)  # what loops inside a frame leave behind for it
    in_loop: bool = False
    in_branch: bool = False  # or in a loop: what is assigned may not be
    short: bool = False  # in a loop after each iteration of which the tapes are empty again
    straight: bool = True  # not in a branch, nor in a loop whose adjoint runs by itself


class State:
    """What all parts of the generator share."""

    def __init__(
        self, types_: Types, activity: Activity, names: Names, suffix: str, on_tape: set[int], alone: set[int]
    ):
        self.types, self.activity, self.names, self.suffix = types_, activity, names, suffix
        self.alone = alone  # ids of the loops whose adjoint has to run by itself
        self.on_tape = on_tape  # ids of the loops whose iterations cannot be run again
        self.lists: dict[str, str] = {}  # list of references -> variable whose references it keeps
        self.declared: set[str] = set()  # arrays that may be read before they are assigned
        self.definite: set[str] = set(types_.parameters)
        self.loops: list[Any] = []
        self.flag = types.boolean
        self.shadows: set[str] = set()
        self.short: set[str] = set()  # vectors that were made with one element
        self.fused: set[int] = set()  # ids of the loops whose adjoint runs iteration by iteration

    def shadow(self, name: str) -> str:
        """The variable that has the derivative with respect to `name`."""
        self.shadows.add(name + self.suffix)
        return name + self.suffix

    def is_shadow(self, name: str) -> bool:
        """Whether a variable, or what is in an array, is a derivative."""
        return name.removesuffix("[]") in self.shadows

    def kind(self, name: str) -> str:
        """Kind of a variable."""
        return self.types.kind_of_name(name)

    def root(self, content: str) -> str:
        """The same for all `v[]` that may share memory."""
        name = content[:-2]
        if name in self.types.variables:
            return f"{self.activity.root(name)}[]"
        if name.endswith(self.suffix):
            return f"{self.activity.root(name[: -len(self.suffix)])}{self.suffix}[]"
        return content

    def content(self, name: str) -> tuple[str, ...]:
        """What is needed when an adjoint reads elements of an array, or of one that shares its memory."""
        return tuple(f"{v}[]" for v in sorted(self.activity.of_class(name)))

    def tape(self, ty: Any, loop: str = "") -> str:
        """The tape for values of a type."""
        if ty == types.boolean:
            return f"{loop}tape_of_flags"
        if isinstance(ty, types.Integer):
            return f"{loop}tape_of_integers"
        return f"{loop}tape32" if ty == types.float32 else f"{loop}tape"

    def temporary(self, wish: str, ty: Any = types.int64) -> str:
        """A new variable."""
        name = self.names.new(wish)
        self.types.variables[name] = ty
        return name

    # --- saving what a statement overwrites --------------------------------------------------------------------------

    def saved(self, name: str, place: Place, s: Any) -> Piece:
        """Code around an assignment to `name` that brings its old value back."""
        if place.kind != TAPE and name not in place.seen and name not in _read_by(s):
            return Piece([], [], [])
        shape = self.kind(name)
        if shape == "o":
            return self._unsavable(name, s)
        array = shape in "AI"
        if array and name not in self.definite:
            self.declared.add(name)
        variables = [name]
        if array and name in self.activity.active:
            variables.append(self.shadow(name))
        if place.kind == TAPE:
            return self._on_tape(variables, array)
        save, restore = [], []
        for v in variables:
            kept = self.names.new(f"{v}_before")
            if not array:
                self.types.variables[kept] = self.types.variables[name]
            save.append(when(kept, f"{kept} = {v}"))
            restore.append(when(v, f"{v} = {kept}"))
        return Piece(save, [], restore) if place.kind == TOP else Piece([], save, restore)

    def _on_tape(self, variables: list[str], array: bool) -> Piece:
        if not array:
            entry = [(variables[0], self.tape(self.types.variables[variables[0]]))]
            return Piece([Push(entry)], [], [Pop(entry)])
        save, restore = [], []
        for v in variables:
            kept = next((name for name, of in self.lists.items() if of == v), None) or self.names.new(f"{v}_list")
            self.lists[kept] = v
            save.append(when(v, f"{kept}.append({v})"))
            restore.append(when(v, f"{v} = {kept}.pop()"))
        return Piece(save, [], restore[::-1])

    def _unsavable(self, name: str, s: Any) -> Piece:
        def found() -> None:
            ty = self.types.variables.get(name)
            refuse(s, f"`{name}`, of type {ty}, is assigned again while it is needed", "use another name")

        return Piece([], [], [Check((name,), found)])

    def saved_content(self, target: ast.Subscript, text: str, whole: bool, place: Place) -> Piece:
        """Code around an assignment to elements of an array that brings their old values back."""
        name = target.value.id  # type: ignore[attr-defined]
        array = self.types.variables[name]
        guard = self.content(name)
        if kind(array) == "o":
            refuse(target, f"assignment into {array}", "use arrays of numbers")
        ndim = self.dimensions(target)
        if not place.in_loop:
            kept = self.names.new(f"{name}_part")
            if not whole:
                self.types.variables[kept] = array.dtype
                return Piece([When(guard, [f"{kept} = {text}"])], [], [When(guard, [f"{text} = {kept}"])])
            back = f"copy_{ndim}d({text}, {kept})"
            return Piece([When(guard, [f"{kept} = {text}.copy()"])], [], [When(guard, [back])])
        tape = self.tape(array.dtype)
        if not whole:
            value = self.temporary("old", array.dtype)
            entry = [(value, tape)]
            put, take = Push(entry), Pop(entry)
            forward = When(guard, [f"{value} = {text}", put])
            return Piece([forward], [], [When(guard, [take, f"{text} = {value}"])])
        top = f"{tape}_top"
        forward = When(guard, [f"{tape} = push_{ndim}d({tape}, {top}, {text})", f"{top} += {text}.size"])
        backward = When(guard, [f"{top} -= {text}.size", f"pop_{ndim}d({tape}, {top}, {text})"])
        return Piece([forward], [], [backward])

    def dimensions(self, target: ast.Subscript) -> int:
        """Dimensions of `u[...]`."""
        array = self.types.variables[target.value.id]  # type: ignore[attr-defined]
        at = target.slice.elts if isinstance(target.slice, ast.Tuple) else [target.slice]
        return array.ndim - sum(not isinstance(i, ast.Slice) for i in at)


def _read_by(s: Any) -> set[str]:
    """What the adjoint of a statement may read of the state before it."""
    if isinstance(s, (ast.For, ast.While)):
        return set()
    return names_read(s.value) if isinstance(s, ast.Assign) else set()


def note(place: Place, s: Any) -> None:
    """Adjoints of earlier statements now may need what `s` reads and assigns."""
    place.seen |= names_read(s) | names_assigned([s])
