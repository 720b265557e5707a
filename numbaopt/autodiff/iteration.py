"""Loops over arrays, tuples, `enumerate` and `zip`, and lists made by comprehensions, as loops over `range`."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable
from typing import Any

import numba
import numpy as np
from numba.core import types

from .flattening import choice
from .numba_typing import kind, unified
from .parsing import MISSING, resolved
from .refusal import placed, refuse
from .syntax import assign, expression, load, names_assigned, names_read, walk

Statements = list[ast.stmt]
RANGES = (builtins.range, numba.prange)


def inner_range(desugared: Any, e: Any) -> Any:
    """The range in checkpoint(range(...))."""
    if len(e.args) != 1 or called(desugared, e.args[0]) not in RANGES:
        refuse(e, f"`{ast.unparse(e)}`", "write checkpoint(range(...))")
    return e.args[0]


def called(d: Any, e: Any) -> Any:
    """The function that `e` calls, or MISSING."""
    return resolved(e.func, d.environment, d.local) if isinstance(e, ast.Call) else MISSING


def over_range(d: Any, s: ast.For) -> Statements:
    """`for` over anything as `for` over range, with its variables bound in the body."""
    index = d._local("index")
    setup: Statements = []
    binding, lengths = each(d, s.target, s.iter, index, setup)
    s.body = binding + s.body
    s.target = placed(ast.Name(id=index, ctx=ast.Store()), s)
    s.iter = placed(expression(f"range({_shortest(lengths)})"), s.iter)
    return setup + d._loop(s)


def each(d: Any, target: Any, source: Any, index: str, setup: Statements) -> tuple[Statements, list[str]]:
    """Bindings of the loop variables of an iteration, and the lengths of what is iterated over."""
    call = called(d, source)
    if call is builtins.enumerate and len(source.args) in (1, 2) and isinstance(target, ast.Tuple):
        binding, lengths = each(d, target.elts[1], source.args[0], index, setup)
        number: Any = load(index)
        if len(source.args) == 2:
            number = ast.BinOp(left=source.args[1], op=ast.Add(), right=number)
        return [placed(ast.Assign(targets=[target.elts[0]], value=number), source), *binding], lengths
    if call is builtins.zip and isinstance(target, ast.Tuple) and len(target.elts) == len(source.args):
        parts = [each(d, t, a, index, setup) for t, a in zip(target.elts, source.args, strict=True)]
        return [s for binding, _ in parts for s in binding], [n for _, lengths in parts for n in lengths]
    if call in RANGES:
        return _of_range(d, target, source, index, setup)
    if isinstance(source, ast.Call) and call is not MISSING and call not in (np.array, np.asarray, np.sort, np.arange):
        refuse(source, f"iteration over `{ast.unparse(source)}`", "give it a name, or use `for i in range(...)`")
    found = collected(d, source, setup) if isinstance(source, ast.ListComp) else d.flat(source, setup)
    if isinstance(found, (ast.Tuple, ast.List)):
        return _of_tuple(d, target, found, index, setup)
    name = d._local("sequence")
    setup += d.block([placed(assign(name, found), source)])
    value = expression(f"{name}[{index}]")
    return [placed(ast.Assign(targets=[target], value=value), source)], [f"len({name})"]


def _of_range(d: Any, target: Any, source: Any, index: str, setup: Statements) -> tuple[Statements, list[str]]:
    names = []
    for argument in source.args:
        name = d._local("bound")
        setup += d.block([placed(assign(name, argument), source)])
        names.append(name)
    start = names[0] if len(names) > 1 else ""
    step = f"{index} * {names[2]}" if len(names) > 2 else index
    value = expression(f"{start} + {step}" if start else step)
    return [placed(ast.Assign(targets=[target], value=value), source)], [f"len(range({', '.join(names)}))"]


def _of_tuple(d: Any, target: Any, found: Any, index: str, setup: Statements) -> tuple[Statements, list[str]]:
    """The parts have names, of which each iteration takes one."""
    if not 0 < len(found.elts) <= 16:
        refuse(found, f"iteration over a tuple of {len(found.elts)} elements", "make it an array")
    names = [d._local("part") for _ in found.elts]
    setup += d.block([placed(assign(n, e), found) for n, e in zip(names, found.elts, strict=True)])
    parts = [placed(load(n), found) for n in names]
    return [choice(target, parts, index, found, from_the_end=False)], [str(len(names))]


def _shortest(lengths: list[str]) -> str:
    return lengths[0] if len(lengths) == 1 else f"min({', '.join(lengths)})"


# --- comprehensions --------------------------------------------------------------------------------------------------


def collected(d: Any, comprehension: Any, before: Statements) -> Any:
    """An array with the elements of a list; their type is known after `inference` only."""
    generator, inner = _generator(comprehension), comprehension.elt
    index, array, value = d._local("index"), d._local("collected"), d._local("value")
    binding, lengths = each(d, generator.target, generator.iter, index, before)
    sizes, indices = [d._local("count")], [index]
    before += d.block([placed(assign(sizes[0], expression(_shortest(lengths))), comprehension)])
    element, conditions, inner_loop = inner, generator.ifs, None
    if isinstance(inner, ast.ListComp):
        inner_loop = _inner(d, inner, names_assigned(binding), before)
        sizes.append(inner_loop[1])
        indices.append(inner_loop[0].target.id)
        element, conditions = inner.elt, [*conditions, *_generator(inner).ifs]
        if conditions:
            refuse(comprehension, "a condition in lists inside a list", "write loops")
    made = expression(
        f"np.empty(({', '.join(sizes)}), np.float64)" if len(sizes) > 1 else f"np.empty({sizes[0]}, np.float64)"
    )
    made.collects = value
    position = d._local("position") if conditions else ""
    store = ast.parse(f"{array}[{position or ', '.join(indices)}] = {value}").body[0]
    body: Statements = [assign(value, element), store]
    if conditions:
        test = conditions[0] if len(conditions) == 1 else ast.BoolOp(op=ast.And(), values=conditions)
        body = [ast.If(test=test, body=[*body, *ast.parse(f"{position} += 1").body], orelse=[])]
    if inner_loop is not None:
        inner_loop[0].body += body
        body = [inner_loop[0]]
    target = ast.Name(id=index, ctx=ast.Store())
    loop = ast.For(target=target, iter=expression(f"range({sizes[0]})"), body=[*binding, *body], orelse=[])
    start: Statements = [assign(position, ast.Constant(0))] if conditions else []
    whole: Statements = [assign(array, made), *start, loop]
    before += d.block([placed(s, comprehension) for s in whole])
    if not conditions:
        return placed(load(array), comprehension)
    kept = d._local("kept")
    before += d.block([placed(assign(kept, expression(f"{array}[:{position}]")), comprehension)])
    return placed(load(kept), comprehension)


def _generator(comprehension: Any) -> Any:
    if len(comprehension.generators) > 1:
        refuse(comprehension, "a list with two `for`", "write loops")
    return comprehension.generators[0]


def _inner(d: Any, comprehension: Any, outer: set[str], before: Statements) -> tuple[Any, str]:
    """The loop of a list inside a list, whose length may not depend on where in the outer one it is."""
    generator = _generator(comprehension)
    if names_read(generator.iter) & outer or isinstance(comprehension.elt, ast.ListComp):
        refuse(comprehension, "lists of different lengths, or in three dimensions", "write loops")
    index, count = d._local("index"), d._local("count")
    binding, lengths = each(d, generator.target, generator.iter, index, before)
    before += d.block([placed(assign(count, expression(_shortest(lengths))), comprehension)])
    target = ast.Name(id=index, ctx=ast.Store())
    return ast.For(target=target, iter=expression(f"range({count})"), body=binding, orelse=[]), count


def _collecting(body: Statements) -> list[Any]:
    """The calls that make the arrays of comprehensions."""
    return [n for s in body for n in walk(s) if hasattr(n, "collects")]


def as_integers(body: Statements) -> bool:
    """Make the arrays of comprehensions integers, where there are any: what is used as an index has to be one."""
    calls = _collecting(body)
    for call in calls:
        call.args[1] = expression("np.int64")
    return bool(calls)


def with_element_types(body: Statements, types_of: dict[str, list]) -> bool:
    """Whether arrays for comprehensions got another type, that of their elements, than they had."""
    changed = False
    for call in _collecting(body):
        element = unified(types_of[call.collects])
        if kind(element) not in "fi":
            refuse(call, f"a list whose elements are {element}", "make an array of numbers")
        written = "np.bool_" if element == types.boolean else f"np.{element}"
        changed |= ast.unparse(call.args[1]) != written
        call.args[1] = expression(written)
    return changed


# --- lists that are only read ----------------------------------------------------------------------------------------

_READERS = (len, sum, max, min, enumerate, zip, np.array, np.asarray)


def sequences(body: Statements, environment: dict[str, Any], local: set[str]) -> set[str]:
    """Names of lists that are made once, in one expression, and then indexed, iterated over, or summed up only."""
    nodes = [n for s in body for n in walk(s)]
    made = [n for n in nodes if isinstance(n, ast.Assign) and isinstance(n.value, (ast.ListComp, ast.List))]
    found = {n.targets[0].id for n in made if len(n.targets) == 1 and isinstance(n.targets[0], ast.Name)}
    bound = [n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    read = [n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]
    as_sequence = [e.id for n in nodes for e in _read_by(n, environment, local) if isinstance(e, ast.Name)]
    return {v for v in found if bound.count(v) == 1 and read.count(v) == as_sequence.count(v)}


def _read_by(n: Any, environment: dict[str, Any], local: set[str]) -> Iterable[Any]:
    """What a node reads as a sequence."""
    if isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Load) and not isinstance(n.slice, (ast.Slice, ast.Tuple)):
        return [n.value]
    if isinstance(n, (ast.For, ast.comprehension)):
        return [n.iter]
    if isinstance(n, ast.Call) and any(resolved(n.func, environment, local) is f for f in _READERS):
        return [] if n.keywords else n.args
    return []
