"""Elements chosen by arrays: `u[idx]`, `u[mask]`, `M[:, idx]`, `M[i, idx]` and `M[idx, jdx]`, read and assigned.

An assignment becomes a loop over the chosen elements. It goes through them in the order in which numba does, so that of
elements chosen twice the last value stays; and `u[idx] += v` reads all of them before it assigns any, as numba does.
"""

from __future__ import annotations

import ast
from typing import Any

from numba.core import types

from .emission import Block
from .refusal import placed, refuse
from .rules_of_arrays import Call
from .syntax import assign, copied, expression, indices, walk

Statements = list[ast.stmt]


class Chosen:
    """The index of a subscript in which at least one array chooses elements; all parts of it are simple."""

    def __init__(self, lowered: Any, e: ast.Subscript):
        self.types, self.node, self.at = lowered.types, e, indices(e)
        array = self.types.of(e.value)
        advanced = [n for n, i in enumerate(self.at) if not isinstance(i, ast.Slice)]
        self.choosing = [n for n in advanced if self.types.kind(self.at[n]) == "I"]
        slices = [n for n, i in enumerate(self.at) if isinstance(i, ast.Slice)]
        self.ndim = array.ndim - len(advanced) + 1
        self.axis = sum(n < advanced[0] for n in slices)
        self.mask = self.types.of(self.at[self.choosing[0]]).dtype == types.boolean
        self._check(array, advanced)

    def _check(self, array: Any, advanced: list[int]) -> None:
        several = len(self.choosing) > 1
        odd = any(self.types.kind(self.at[n]) not in "iI" for n in advanced)
        vectors = all(self.types.of(self.at[n]).ndim == 1 for n in self.choosing)
        apart = advanced != list(range(advanced[0], advanced[-1] + 1))
        masks = [n for n in self.choosing if self.types.of(self.at[n]).dtype == types.boolean]
        if odd or not vectors or apart or (several and masks) or not isinstance(array, types.Array):
            refuse(
                self.node,
                f"elements chosen by `{ast.unparse(self.node.slice)}`",
                "choose along one axis by a vector of integers or booleans, or write a loop",
            )

    @property
    def first(self) -> str:
        """The array that chooses."""
        return self.at[self.choosing[0]].id

    def element(self, array: str, positions: list[str]) -> str:
        """Text of what is chosen by these positions."""
        at = [ast.unparse(i) for i in self.at]
        for n, position in zip(self.choosing, positions, strict=True):
            at[n] = position
        return f"{array}[{', '.join(at)}]"

    def positions(self, counter: str) -> list[str]:
        """Texts of the positions that are chosen in the iteration with that number."""
        return [counter if self.mask else f"{self.at[n].id}[{counter}]" for n in self.choosing]

    def part(self, array: str, counter: str, ndim: int) -> str:
        """Text of the part, of an array like the result or with fewer axes, that belongs to that choice."""
        axis = self.axis - (self.ndim - ndim)
        return array if axis < 0 else f"{array}[{', '.join([':'] * axis + [counter])}]"


def chooses(types_: Any, e: ast.Subscript) -> bool:
    """Whether an array chooses elements in a subscript."""
    return any(not isinstance(i, ast.Slice) and types_.kind(i) == "I" for i in indices(e))


# --- read ------------------------------------------------------------------------------------------------------------


def gather(c: Call) -> list[Any]:
    """Of `a[...]`: the derivative of each part of the result goes to where it was taken from."""
    a, chosen = c.node.value, c.node.chosen
    shadow = c.shadow(a)
    if shadow is None:
        return []
    if c.ndim(a) == 1:
        return [f"{'mask' if chosen.mask else 'gather'}_adjoint({shadow}, {chosen.first}, {c.g})"]
    k = c.new("k")
    p = c.new("p") if chosen.mask else k
    target, part = chosen.element(shadow, chosen.positions(k)), chosen.part(c.g, p, chosen.ndim)
    line = f"{target} += {part}" if chosen.ndim == 1 else f"add_{chosen.ndim - 1}d({target}, {part})"
    over = f"for {k} in range({chosen.first}.shape[0]):"
    if not chosen.mask:
        return [*_same_lengths(chosen), Block(over, [line])]
    return [f"{p} = 0", Block(over, [Block(f"if {chosen.first}[{k}]:", [line, f"{p} += 1"])])]


def _same_lengths(chosen: Chosen) -> list[Any]:
    others = [chosen.at[n].id for n in chosen.choosing[1:]]
    message = "autodiff: arrays of different lengths choose elements"
    return [
        Block(f"if {other}.shape[0] != {chosen.first}.shape[0]:", [f"raise ValueError({message!r})"])
        for other in others
    ]


# --- assigned --------------------------------------------------------------------------------------------------------


def stored(lowered: Any, s: ast.Assign, before: Statements) -> Statements:
    """The loop for `u[idx] = value`."""
    target: Any = s.targets[0]
    chosen = Chosen(lowered, target)
    value, ndim = s.value, getattr(lowered.types.of(s.value), "ndim", 0)
    if ndim > chosen.ndim:
        refuse(s, f"a value of {ndim} dimensions for elements of {chosen.ndim}")
    root = lowered.activity.root
    if any(root(chosen.at[n].id) == root(target.value.id) for n in chosen.choosing):
        refuse(s, f"elements of `{target.value.id}` chosen by itself", "choose by a copy of it")
    value = _of_its_own(lowered, target.value.id, value, before)
    return placed_all(_loop(lowered, chosen, value, ndim), s)


def augmented(lowered: Any, s: ast.AugAssign, before: Statements) -> Statements:
    """`u[idx] op= value` in the terms of reading and assigning."""
    target: Any = s.target
    chosen, array = Chosen(lowered, target), lowered.types.of(target.value)
    read = copied(target)
    read.ctx = ast.Load()
    for new, old in zip(walk(read), walk(target), strict=True):
        if isinstance(new, ast.expr) and not isinstance(new, ast.Name):
            lowered.types.give(new, lowered.types.of(old))
    lowered.types.give(read, types.Array(array.dtype, chosen.ndim, "C"))
    other = lowered.types.of(s.value)
    quotient = isinstance(s.op, ast.Div) and lowered.types.kind(target.value) == "I"
    wide = quotient or types.float64 in (array.dtype, getattr(other, "dtype", other))
    dtype = types.float64 if wide else array.dtype
    result = placed(ast.BinOp(left=read, op=s.op, right=s.value), s)
    lowered.types.give(result, types.Array(dtype, chosen.ndim, "C"))
    held = lowered._bound(result, before, "chosen")
    return before + lowered.statement(placed(ast.Assign(targets=[target], value=held), s))


def _of_its_own(lowered: Any, name: str, value: Any, before: Statements) -> Any:
    """The value as a constant or a variable, which shares no memory with what is assigned to."""
    if isinstance(value, ast.Constant):
        return value
    roots = {lowered.activity.root(v) for v in lowered.activity.sources(value)}
    if lowered.types.kind(value) in "AI" and lowered.activity.root(name) in roots:
        ty = lowered.types.of(value)
        value = placed(ast.Call(ast.Attribute(lowered._bound(value, before), "copy", ast.Load()), [], []), value)
        lowered.types.give(value, types.Array(ty.dtype, ty.ndim, "C"))
    return lowered._bound(value, before, "values")


def _loop(lowered: Any, chosen: Chosen, value: Any, ndim: int) -> Statements:
    new, variables = lowered.names.new, lowered.types.variables
    node: Any = chosen.node
    k, array = new("k"), node.value.id
    one_each = bool(ndim) and chosen.axis - (chosen.ndim - ndim) >= 0
    counter = new("p") if chosen.mask and one_each else k
    variables[k] = variables[counter] = types.int64
    given: Any = copied(value)
    checks: Statements = []
    if one_each:
        given, checks = _part_of(lowered, chosen, value, ndim, counter)
    positions = [new("at") for _ in chosen.choosing]
    variables.update(dict.fromkeys(positions, types.int64))
    body: Statements = [
        assign(name, expression(text)) for name, text in zip(positions, chosen.positions(k), strict=True)
    ]
    body.append(ast.Assign(targets=[_target(chosen.element(array, positions))], value=given))
    if counter != k:
        body.append(assign(counter, expression(f"{counter} + 1")))
        checks.append(assign(counter, ast.Constant(0)))
    if chosen.mask:
        body = [ast.If(test=expression(f"{chosen.first}[{k}]"), body=body, orelse=[])]
    for n in chosen.choosing[1:]:
        checks.append(_raises(f"{chosen.at[n].id}.shape[0] != {chosen.first}.shape[0]"))
    loop: Any = ast.For(
        target=ast.Name(id=k, ctx=ast.Store()),
        iter=expression(f"range({chosen.first}.shape[0])"),
        body=body,
        orelse=[],
    )
    loop.stop = None
    return [*checks, loop]


def _part_of(lowered: Any, chosen: Chosen, value: Any, ndim: int, counter: str) -> tuple[Any, Statements]:
    """What of the value belongs to a choice, and what must hold for that."""
    axis = chosen.axis - (chosen.ndim - ndim)
    part = expression(chosen.part(value.id, counter, ndim))
    array = lowered.types.of(value)
    lowered.types.give(part, array.dtype if ndim == 1 else types.Array(array.dtype, ndim - 1, "A"))
    count = f"{chosen.first}.sum()" if chosen.mask else f"{chosen.first}.shape[0]"
    return part, [_raises(f"{value.id}.shape[{axis}] != {count}")]


def _target(text: str) -> Any:
    target = expression(text)
    target.ctx = ast.Store()
    return target


def _raises(test: str) -> ast.stmt:
    message = "autodiff: another number of values than of elements that are assigned"
    return ast.parse(f"if {test}:\n    raise ValueError({message!r})").body[0]


def placed_all(statements: Statements, s: ast.stmt) -> Statements:
    """With the place of `s`."""
    return [placed(new, s) for new in statements]
