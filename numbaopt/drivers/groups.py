"""Parts of x with hyper-parameters of their own: one method, a table of its numbers, and the runs of each group.

Compiled code does not depend on how many groups there are: it takes the types from one of them and the numbers, row by
row, from a table. A run is a stretch of coordinates of one group: (group, first, behind the last).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from .._compile import target
from .._memory import is_named
from .._parameters import unchecked
from .._rule import answer, has_readout, layers, start_carry, start_slots


class Groups(NamedTuple):
    """Hyper-parameters in compiled form: those of one group for their types, and all groups' numbers."""

    template: Any
    table: Any  # (groups, numbers of a method), float64
    runs: Any  # (runs, 3)


class GroupSteps(NamedTuple):
    """The steps of one iteration: that of one group for its types, and all groups' numbers."""

    template: Any
    table: Any  # (groups, numbers of a step), float64
    runs: Any


# --- in Python -------------------------------------------------------------------------------------------------------


def grouped(forms: list, owner: np.ndarray) -> Groups:
    """Methods in compiled form, all of one type, and the group of each coordinate, as one."""
    edges = np.flatnonzero(np.diff(owner)) + 1
    first, behind = np.append(0, edges), np.append(edges, owner.size)
    runs = np.column_stack([owner[first], first, behind]).astype(np.int64)
    return Groups(forms[0], np.array([_leaves(form) for form in forms]), runs)


def members(hyper: Any, n: int) -> list[tuple[Any, Any]]:
    """Each method in compiled form, and the coordinates that it moves."""
    if not isinstance(hyper, Groups):
        return [(hyper, slice(0, n))]
    found = []
    for k, row in enumerate(hyper.table):
        index = np.concatenate([np.arange(lo, hi) for owner, lo, hi in hyper.runs if owner == k] or [np.arange(0)])
        found.append((_with_leaves(hyper.template, iter(row)), index))
    return found


def one_of(hyper: Any) -> Any:
    """A method of which all groups have the type."""
    return hyper.template if isinstance(hyper, Groups) else hyper


STATE_DTYPES = {"float32": np.float32, "bfloat16": np.uint16}


def stored_as(name: str | None, x: np.ndarray, hyper: Any) -> Any:
    """The dtype of the slots: that of x, or what `name` says of a method that keeps moments and no points."""
    if name is None:
        return x.dtype
    points = [slot for h, _, _, rule in layers(hyper) for slot, first in rule.start.items() if np.ndim(first(h, x[:1]))]
    if points or has_readout(hyper):
        method = type(hyper).__name__
        raise ValueError(f"state_dtype={name!r}: {method} keeps points in its state, which need the precision of x.")
    return STATE_DTYPES[name]


def begin(hyper: Any, x: np.ndarray, slots: np.ndarray) -> np.ndarray:
    """Fill `slots` for a run that starts at `x`; the numbers that are carried, group after group."""
    carry: list[float] = []
    for form, index in members(hyper, x.size):
        own = np.zeros((len(slots), x[index].size), x.dtype)
        start_slots(form, x[index], own)
        slots[:, index] = own if slots.dtype != np.uint16 else own.astype(np.float32).view(np.uint32) >> 16
        carry += start_carry(form)
    return np.array(carry, dtype=np.float64)


def answer_of(hyper: Any, x: np.ndarray, slots: np.ndarray) -> np.ndarray:
    """The point that the method gives as its answer."""
    point = x.copy()
    for form, index in members(hyper, x.size):
        point[index] = answer(form, x[index], slots[:, index])
    return point


def _leaves(value: Any) -> list[float]:
    """The numbers in nested tuples, integers as the float of the same bits."""
    if isinstance(value, tuple):
        return [leaf for element in value for leaf in _leaves(element)]
    if value is None:
        return []
    return [float(np.int64(value).view(np.float64)) if type(value) is int else float(value)]


def _with_leaves(value: Any, leaves: Any) -> Any:
    """`value` with other numbers."""
    if isinstance(value, tuple):
        return unchecked(type(value), [_with_leaves(element, leaves) for element in value])
    if value is None:
        return None
    leaf = next(leaves)
    return int(np.float64(leaf).view(np.int64)) if type(value) is int else type(value)(leaf)


# --- compiled --------------------------------------------------------------------------------------------------------


@intrinsic
def leaf_count(typingctx, value):
    """How many numbers there are in nested tuples."""
    count = len(_paths(value))
    return types.intp(value), lambda context, builder, sig, args: context.get_constant(types.intp, count)


@intrinsic
def put_leaves(typingctx, pointer, value):
    """Write the numbers in nested tuples behind one another."""

    def codegen(context, builder, sig, args):
        for k, (path, ty) in enumerate(_paths(value)):
            leaf = builder.extract_value(args[1], path) if path else args[1]
            if isinstance(ty, types.Integer):
                leaf = builder.bitcast(context.cast(builder, leaf, ty, types.int64), ir.DoubleType())
            else:
                leaf = context.cast(builder, leaf, ty, types.float64)
            builder.store(leaf, builder.gep(args[0], [ir.Constant(ir.IntType(64), k)], inbounds=True))

    return types.void(pointer, value), codegen


@intrinsic
def fetch_leaves(typingctx, template, pointer):
    """Nested tuples like `template` with the numbers behind `pointer`."""

    def codegen(context, builder, sig, args):
        position = iter(range(len(_paths(template))))

        def build(ty):
            if isinstance(ty, types.BaseTuple):
                return context.make_tuple(builder, ty, [build(element) for element in ty])
            if isinstance(ty, types.NoneType):
                return context.get_dummy_value()
            k = ir.Constant(ir.IntType(64), next(position))
            leaf = builder.load(builder.gep(args[1], [k], inbounds=True))
            if isinstance(ty, types.Integer):
                return context.cast(builder, builder.bitcast(leaf, ir.IntType(64)), types.int64, ty)
            return context.cast(builder, leaf, types.float64, ty)

        return build(template)

    return template(template, pointer), codegen


def _paths(ty: Any, path: tuple = ()) -> list[tuple[tuple, Any]]:
    """Where the numbers of nested tuples of type `ty` are, and their types."""
    if isinstance(ty, types.BaseTuple):
        return [leaf for k, element in enumerate(ty) for leaf in _paths(element, (*path, k))]
    return [] if isinstance(ty, types.NoneType) else [(path, ty)]


def is_groups(ty: Any, cls: type) -> bool:
    """Whether `ty` is the numba type of `Groups` or `GroupSteps`, whichever `cls` is."""
    return is_named(ty) and ty.instance_class is cls


def parts(h: Any) -> Any:
    """A step, or the template, table and runs of several: what a parallel loop takes."""


@target(parts)
def _parts(h):
    if is_groups(h, GroupSteps):
        return lambda h: (h.template, h.table, h.runs)
    return lambda h: (h, None, None)


def whole(template: Any, table: Any, runs: Any) -> Any:
    """The reverse of `parts`."""


@target(whole)
def _whole(template, table, runs):
    if isinstance(table, types.NoneType):
        return lambda template, table, runs: template
    return lambda template, table, runs: GroupSteps(template, table, runs)
