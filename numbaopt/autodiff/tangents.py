"""Forward mode: the function with tangents, derivatives along k directions, carried beside its values.

Statements stay in their order. Beside each assignment to a variable that depends on what is differentiated stands the
assignment of its k tangents; nothing is recorded.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import Any

from .activity import Activity
from .array_tangents import tangents_of_call
from .elements import COUNTERS, arrays_read, indexed, loops, other_shapes
from .emission import Block, Branch
from .inference import Types
from .loops import loop_header
from .partials import Partials
from .refusal import refuse
from .stretching import guarded, note_short
from .syntax import Names, copied, names_read, text_of

MARKS = ("_t", "_dot", "_tangent", "_x_")


class Tangents:
    """`block` gives the code of statements with `count` tangents of every active variable."""

    def __init__(self, types_: Types, activity: Activity, names: Names, count: int):
        self.types, self.activity, self.names = types_, activity, names
        self.each = range(count)
        self.short: set[str] = set()  # vectors that may be of length 1
        self.mark = next(m for m in MARKS if not any(re.search(rf"{m}\d+$", n) for n in names.taken))

    def of(self, name: str, c: int) -> str:
        """The variable that has the tangent number c of a variable."""
        return f"{name}{self.mark}{c}"

    def kind(self, name: str) -> str:
        """Kind of a variable."""
        return self.types.kind_of_name(name)

    def block(self, body: list[ast.stmt]) -> list:
        """Code of statements."""
        return [line for s in body for line in self._statement(s)]

    def _statement(self, s: Any) -> list:
        if isinstance(s, ast.Assign):
            name = s.targets[0].id if isinstance(s.targets[0], ast.Name) else ""
            if name:
                note_short(self, name, s.value)
            return _ASSIGNMENTS[s.form](self, name, s.value) if name else self._store(s)  # type: ignore[attr-defined]
        if isinstance(s, ast.If):
            return [Branch(text_of(s.test), self.block(s.body) or ["pass"], self.block(s.orelse))]
        if isinstance(s, (ast.For, ast.While)):
            leave = [Block(f"if {s.stop}:", ["break"])] if s.stop else []  # type: ignore[union-attr]
            return [Block(loop_header(s), [*self.block(s.body), *leave] or ["pass"])]
        if isinstance(s, ast.Expr) and isinstance(s.value.func, ast.Attribute):  # type: ignore[attr-defined]
            return self._append(s.value)
        return [] if isinstance(s, ast.Pass) else [text_of(s)]

    def _append(self, call: Any) -> list:
        """An array onto a stack."""
        stack, array = call.func.value.id, call.args[0].id
        active = stack in self.activity.active
        return [text_of(call), *(f"{self.of(stack, c)}.append({self.of(array, c)})" for c in self.each if active)]

    def _stack(self, name: str, e: Any) -> list:
        return [f"{v} = {text_of(e)}" for v in (name, *(self.of(name, c) for c in self.each))]

    def _plain(self, name: str, e: Any) -> list:
        return [f"{name} = {text_of(e)}"]

    # --- numbers -----------------------------------------------------------------------------------------------------

    def leaf(self, part: Any, c: int) -> str:
        """The tangent of a variable, of an element or of a view."""
        mirrored = copied(part)
        variable = viewed(mirrored)
        variable.id = self.of(variable.id, c)
        return text_of(mirrored)

    def zero(self, ty: Any) -> str:
        """A zero of the type of a number, or of the elements of an array."""
        return "np.float32(0.0)" if str(getattr(ty, "dtype", ty)) == "float32" else "0.0"

    def _number(self, e: Any, ty: Any, primal: str, tangent: Callable[[int], str]) -> list:
        """`primal` becomes the value of `e`, and tangent(c) its tangents; all of them are computed from old values."""
        first = primal.isidentifier() and primal not in names_read(e)
        r = primal if first else self.names.new("r")
        partials = Partials(self.activity, self.names, self.leaf, self.zero(ty), whole=e, result=r).taken(e)
        tangents = [f"{tangent(c)} = {partials.tangent(c)}" for c in self.each]
        return [f"{r} = {text_of(e)}", *partials.lines, *tangents, *([] if first else [f"{primal} = {r}"])]

    def _scalar(self, name: str, e: Any) -> list:
        return self._number(e, self.types.variables[name], name, lambda c: self.of(name, c))

    def _sum(self, name: str, e: Any) -> list:
        """v = np.sum or np.mean of an expression of vectors, in one loop; or of an array."""
        source, ty = e.args[0], self.types.variables[name]
        totals = [self.names.new("total") for _ in self.each]
        arrays = arrays_read(self.types, source)
        size = f"{arrays[0]}.size"

        def total(c: int, at: str) -> str:
            return f"{totals[c]} += "

        if self.types.of(source).ndim == 1:
            longest = f"max({', '.join(f'{v}.size' for v in arrays)})"
            plain = self._elements(source, [size], total)
            tests = other_shapes(self.types, source, arrays[0], 1)
            size = longest if tests else size
            lines: list = [f"{t} = {self.zero(ty)}" for t in totals]
            lines += guarded(
                self, source, tests, plain, lambda: self._elements(source, [longest], total, stretched=True)
            )
        else:
            active = source.id in self.activity.active
            lines = [f"{t} = {f'np.sum({self.of(source.id, c)})' if active else '0.0'}" for c, t in enumerate(totals)]
        scale = f" / {size}" if e.func.attr == "mean" else ""
        return [*lines, f"{name} = {text_of(e)}", *(f"{self.of(name, c)} = {t}{scale}" for c, t in enumerate(totals))]

    # --- arrays ------------------------------------------------------------------------------------------------------

    def _elements(
        self, e: Any, lengths: list[str], into: Callable[[int, str], str], stretched: bool = False, values: str = ""
    ) -> list:
        """Loops over all elements of an expression of arrays, as many as `lengths` say; its own go to `values`."""
        if len(lengths) > 3:
            refuse(e, "an expression of arrays with more than 3 dimensions", "write loops")
        at = [self.names.new(c) for c in COUNTERS[: len(lengths)]]
        element = indexed(self.types, at, stretched)

        def tangent(part: Any, c: int) -> str:
            own = self.of(part.id, c)
            return element(part.id, own) if self.types.kind(part) in "AI" else own

        partials = Partials(self.activity, self.names, tangent, self.zero(self.types.of(e)), element=element).taken(e)
        place = ", ".join(at)
        value = [f"{values}[{place}] = {partials.value(e)}"] if values else []
        tangents = (f"{into(c, place)}{partials.tangent(c)}" for c in self.each)
        return loops(at, lengths, [*partials.lines, *value, *tangents])

    def _array_of(self, e: Any, like: str, ndim: int) -> tuple[list, list[str]]:
        """Code for new arrays with the tangents of an expression of arrays, in the shape of `like`; their names."""
        new = [self.names.new("tangent") for _ in self.each]
        if not self.activity.is_active(e):
            return [f"{t} = np.zeros_like({like})" for t in new], new
        lines: list = [f"{t} = np.empty_like({like})" for t in new]
        self.types.variables.setdefault(like, self.types.of(e))
        tests = other_shapes(self.types, e, like, ndim)

        def filled(stretched: bool) -> list:
            lengths = [f"{like}.shape[{d}]" for d in range(ndim)]
            return self._elements(e, lengths, lambda c, at: f"{new[c]}[{at}] = ", stretched)

        if not tests or ndim == 1:
            return lines + guarded(self, e, tests, filled(False), lambda: filled(True)), new
        return [*lines, Branch(" or ".join(tests), filled(True), filled(False))], new

    def _elementwise(self, name: str, e: Any) -> list:
        value, ty, arrays = self.names.new(f"{name}_new"), self.types.variables[name], arrays_read(self.types, e)
        if len(arrays) == 1 and ty.ndim == self.types.variables[arrays[0]].ndim == 1 and self.activity.is_active(e):
            lines, new = self._at_once(e, value, ty, arrays[0])
        else:
            lines, new = self._array_of(e, value, ty.ndim)
            lines = [f"{value} = {text_of(e)}", *lines]
        rest = [f"{self.of(name, c)} = {t}" for c, t in enumerate(new)]
        return [*lines, *rest, f"{name} = {value}"]

    def _at_once(self, e: Any, value: str, ty: Any, array: str) -> tuple[list, list[str]]:
        """An expression of one vector with its tangents, in one loop: what both need is computed once."""
        new = [self.names.new("tangent") for _ in self.each]
        lines = [f"{each} = np.empty({array}.size, np.{ty.dtype})" for each in (value, *new)]
        return lines + self._elements(e, [f"{array}.size"], lambda c, at: f"{new[c]}[{at}] = ", values=value), new

    def _alias(self, name: str, e: Any) -> list:
        """v = u and v = view of u: the tangents are the same views of its tangents."""
        if viewed(e).id in self.types.variables:
            lines = [f"{self.of(name, c)} = {self.leaf(e, c)}" for c in self.each]
        else:  # a global array, which is a constant
            lines = [f"{self.of(name, c)} = np.zeros_like({text_of(e)})" for c in self.each]
        return [*lines, f"{name} = {text_of(e)}"]

    def _fresh(self, name: str, e: Any) -> list:
        """A new array that does not depend on what is differentiated."""
        zero = (
            f"np.zeros_like({name})" if self.types.kind_of_name(name) == "A" else self.zero(self.types.variables[name])
        )
        return [f"{name} = {text_of(e)}", *(f"{self.of(name, c)} = {zero}" for c in self.each)]

    def _rule(self, name: str, e: Any) -> list:
        """v = a function of whole arrays."""
        if not self.activity.is_active(e):
            return self._fresh(name, e)
        r = self.names.new("r")
        new = [self.names.new("tangent") for _ in self.each]
        before, tangents = tangents_of_call(self, e, r)
        lines = [*before, *(f"{t} = {text}" for t, text in zip(new, tangents, strict=True))]
        rest = [f"{self.of(name, c)} = {t}" for c, t in enumerate(new)]
        return [f"{r} = {text_of(e)}", *lines, *rest, f"{name} = {r}"]

    # --- elements ----------------------------------------------------------------------------------------------------

    def _store(self, s: Any) -> list:
        """u[...] = value."""
        target, e = s.targets[0], s.value
        place = text_of(target)
        if target.value.id not in self.activity.active:
            return [text_of(s)]
        element = self.types.variables[target.value.id].dtype
        if not s.whole:
            return self._number(e, element, place, lambda c: self.leaf(target, c))
        at = target.slice.elts if isinstance(target.slice, ast.Tuple) else [target.slice]
        ndim = sum(isinstance(i, ast.Slice) for i in at) + self.types.variables[target.value.id].ndim - len(at)
        if self.types.kind(e) not in "AI":
            numbers = [self.names.new("tangent") for _ in self.each]
            lines = self._number(e, element, place, lambda c: numbers[c])
            return [*lines, *(f"fill_{ndim}d({self.leaf(target, c)}, {t})" for c, t in enumerate(numbers))]
        like = self.names.new("part")
        lines, new = self._array_of(e, like, ndim)
        copies = [f"copy_{ndim}d({self.leaf(target, c)}, {t})" for c, t in enumerate(new)]
        return [f"{like} = {place}", *lines, text_of(s), *copies]


def viewed(e: Any) -> ast.Name:
    """The variable in a view of it."""
    while not isinstance(e, ast.Name):
        if isinstance(e, ast.Call):
            e = e.func.value if e.method else e.args[0]  # type: ignore[attr-defined]
        else:
            e = e.value
    return e


_ASSIGNMENTS: dict[str, Callable[[Tangents, str, Any], list]] = {
    "plain": Tangents._plain,
    "scalar": Tangents._scalar,
    "sum": Tangents._sum,
    "elementwise": Tangents._elementwise,
    "alias": Tangents._alias,
    "fresh": Tangents._fresh,
    "rule": Tangents._rule,
    "stack": Tangents._stack,
}
