"""What the drivers call to run a method: each function finds, by the types of its arguments, what `_rule` registered.

Every function has a Python body, and compiled ones that numba chooses at compile time. A method in a driver is two
NamedTuples: `hyper`, its hyper-parameters in compiled form, and `h`, the scalars of one iteration.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.core import cgutils, types
from numba.extending import intrinsic

from ._compile import inlined, target
from ._memory import named
from ._rule import (
    CARRIED,
    COASTING,
    GRADIENTS,
    LEAVES_ALONE,
    RULES,
    SUMS,
    Scalars,
    flag_names,
    scalars_of,
    step_class,
)
from .schedules import at

# --- Python values and numba types, looked at alike ------------------------------------------------------------------


def _class(h: Any) -> type:
    return getattr(h, "instance_class", type(h))


def member(h: Any, name: str) -> Any:
    """The field `name` of a NamedTuple, or its type; None where there is none."""
    fields = getattr(h, "fields", None) or h._fields
    return tuple(h)[tuple(fields).index(name)] if name in fields else None


def _scalars(hyper: Any) -> Scalars:
    absent = (None, types.none)
    set_flags = frozenset(name for name in flag_names(_class(hyper)) if member(hyper, name) not in absent)
    return scalars_of(_class(hyper), set_flags)


def carry_count(hyper: Any) -> int:
    """How many numbers a method, or its type, carries between iterations."""
    inner = member(hyper, "inner")
    return len(_scalars(hyper).carry) + (0 if inner is None else carry_count(inner))


def slot_count(h: Any) -> int:
    """How many slots the rule of a step, of its scalars, or of the type of one of them has."""
    inner = member(h, "inner")
    return len(RULES[step_class(_class(h))].slots) + (0 if inner is None else slot_count(inner))


def sum_count(h: Any) -> int:
    """How many sums the scalars `h`, or their type, need; 0 where they are a step as they are."""
    if _class(h) in SUMS:
        return len(SUMS[_class(h)].names)
    inner = member(h, "inner")
    return 0 if inner is None else sum_count(inner)


# --- once per iteration, in float64 ----------------------------------------------------------------------------------


def step_scalars(hyper: Any, t: float, carry: tuple = ()) -> Any:
    """Scalars of iteration `t` (from 1) of a method, from what is carried.

    The function of the method gets numbers: its schedules are evaluated first.
    """
    scalars = _scalars(hyper)
    own = len(scalars.carry)
    inner = () if member(hyper, "inner") is None else (step_scalars(hyper.inner, t, carry[own:]),)
    return scalars.function(at(hyper, t), t, *inner, *carry[:own])


@target(step_scalars)
def _step_scalars(hyper, t, carry=()):
    scalars = _scalars(hyper)
    function, own = inlined(scalars.function), len(scalars.carry)
    if member(hyper, "inner") is None:
        if own == 0:
            return lambda hyper, t, carry=(): function(at(hyper, t), t)
        return lambda hyper, t, carry=(): function(at(hyper, t), t, *carry)
    if carry_count(hyper) == 0:
        return lambda hyper, t, carry=(): function(at(hyper, t), t, step_scalars(hyper.inner, t, carry))
    return lambda hyper, t, carry=(): function(at(hyper, t), t, step_scalars(hyper.inner, t, carry[own:]), *carry[:own])


def terms(h: Any, x: float, g: float, slots: tuple) -> tuple:
    """What one element adds to the sums of the scalars `h`."""
    if _class(h) in SUMS:
        return SUMS[_class(h)].terms(h, x, g, *slots)
    return terms(h.inner, x, gradient_inside(h, x, g), slots[len(RULES[_class(h)].slots) :])


@target(terms)
def _terms(h, x, g, slots):
    if _class(h) in SUMS:
        function = inlined(SUMS[_class(h)].terms)
        return lambda h, x, g, slots: function(h, x, g, *slots)
    own = len(RULES[_class(h)].slots)
    return lambda h, x, g, slots: terms(h.inner, x, gradient_inside(h, x, g), slots[own:])


def finished(h: Any, sums: tuple) -> Any:
    """The step of the scalars `h` and their sums."""
    if _class(h) in SUMS:
        return SUMS[_class(h)].finish(h, *sums)
    return h._replace(inner=finished(h.inner, sums)) if sums else h


@target(finished)
def _finished(h, sums):
    if _class(h) in SUMS:
        function = inlined(SUMS[_class(h)].finish)
        return lambda h, sums: function(h, *sums)
    if sum_count(h) == 0:
        return lambda h, sums: h
    return lambda h, sums: _with_inner(h, finished(h.inner, sums))


def fields(h: Any) -> tuple:
    """The fields of a NamedTuple as a tuple, so that compiled code can write `Step(*fields(h), more)`."""
    return tuple(h)


@target(fields)
def _fields(h):
    return lambda h: _unnamed(h)


@intrinsic
def _unnamed(typingctx, h):
    returned = types.Tuple(tuple(h))

    def codegen(context, builder, sig, args):
        return context.make_tuple(builder, returned, cgutils.unpack_tuple(builder, args[0]))

    return returned(h), codegen


@intrinsic
def _with_inner(typingctx, h, inner):
    """The NamedTuple `h` with another field `inner`."""
    returned = _replaced(h, inner)

    def codegen(context, builder, sig, args):
        return _replace(context, builder, h, args[0], inner, args[1])

    return returned(h, inner), codegen


def _replaced(ty: Any, inner: Any) -> Any:
    return named([inner if name == "inner" else t for name, t in zip(ty.fields, ty, strict=True)], ty.instance_class)


def _replace(context: Any, builder: Any, ty: Any, value: Any, inner_type: Any, inner: Any) -> Any:
    values = cgutils.unpack_tuple(builder, value)
    values[ty.fields.index("inner")] = inner
    return context.make_tuple(builder, _replaced(ty, inner_type), values)


# numba's parallel loops take tuples of numbers, and no tuples in tuples: a step goes into one as its layers, and is put
# together again inside.


@intrinsic(prefer_literal=True)
def layer(typingctx, h, k):
    """The step `k` (a literal) levels inside `h`, with 0 in place of the one inside it; None where there is none."""
    path, ty = [], h
    for _ in range(k.literal_value):
        inner = None if ty is types.none else member(ty, "inner")
        if inner is None:
            return types.none(h, k), lambda context, builder, sig, args: context.get_dummy_value()
        path.append(ty.fields.index("inner"))
        ty = inner
    number = next((t for t in ty if isinstance(t, types.Float)), types.float64)
    whole = member(ty, "inner") is None
    returned = ty if whole else _replaced(ty, number)

    def codegen(context, builder, sig, args):
        value = builder.extract_value(args[0], path) if path else args[0]
        zero = context.get_constant(number, 0.0)
        return value if whole else _replace(context, builder, ty, value, number, zero)

    return returned(h, k), codegen


def together(outer: Any, middle: Any, innermost: Any) -> Any:
    """The step whose layers these are; None where there is none."""


@target(together)
def _together(outer, middle, innermost):
    if isinstance(middle, types.NoneType):
        return lambda outer, middle, innermost: outer
    if isinstance(innermost, types.NoneType):
        return lambda outer, middle, innermost: _with_inner(outer, middle)
    return lambda outer, middle, innermost: _with_inner(outer, _with_inner(middle, innermost))


def carried(h: Any) -> tuple:
    """The numbers of a step that the next iteration gets."""
    own = tuple(float(getattr(h, name)) for name in CARRIED[_class(h)])
    return own if member(h, "inner") is None else own + carried(h.inner)


@target(carried)
def _carried(h):
    return lambda h: _carried_fields(h)


@intrinsic
def _carried_fields(typingctx, h):
    """`carried`, from the fields whose names are registered, those of inner steps behind."""

    def paths(ty):
        own = [(ty.fields.index(name),) for name in CARRIED[ty.instance_class]]
        inner = member(ty, "inner")
        k = None if inner is None else ty.fields.index("inner")
        return own if inner is None else own + [(k, *path) for path in paths(inner)]

    returned = types.UniTuple(types.float64, len(paths(h)))

    def codegen(context, builder, sig, args):
        values = [builder.extract_value(args[0], path) for path in paths(h)]
        return context.make_tuple(builder, returned, values)

    return returned(h), codegen


# --- once per element, in the dtype of x -----------------------------------------------------------------------------


def scalar_rule(h: Any, x: float, g: float, slots: tuple) -> tuple:
    """New `(x, *slots)` of one element, by the rule that the type of `h` selects."""
    if _class(h) in GRADIENTS:
        return scalar_rule(h.inner, x, gradient_inside(h, x, g), slots)
    return RULES[_class(h)].update(h, x, g, *slots)


@target(scalar_rule)
def _scalar_rule(h, x, g, slots):
    if _class(h) in GRADIENTS:
        return lambda h, x, g, slots: scalar_rule(h.inner, x, gradient_inside(h, x, g), slots)
    rule = inlined(RULES[_class(h)].update)
    return lambda h, x, g, slots: rule(h, x, g, *slots)


def gradient_inside(h: Any, x: float, g: float) -> float:
    """The gradient that the rule inside another one sees."""
    return GRADIENTS[_class(h)](h, x, g) if _class(h) in GRADIENTS else g


@target(gradient_inside)
def _gradient_inside(h, x, g):
    if _class(h) not in GRADIENTS:
        return lambda h, x, g: g
    function = inlined(GRADIENTS[_class(h)])
    return lambda h, x, g: function(h, x, g)


def decayed_gradient(h: Any, x: float, g: float) -> float:
    """g + weight_decay * x for a step that has coupled decay, else g."""
    decay = member(h, "weight_decay")
    if decay is not None:
        return g + decay * x
    return g if member(h, "inner") is None else decayed_gradient(h.inner, x, g)


@target(decayed_gradient)
def _decayed_gradient(h, x, g):
    if member(h, "weight_decay") is not None:
        return lambda h, x, g: g + h.weight_decay * x
    if member(h, "inner") is not None:
        return lambda h, x, g: decayed_gradient(h.inner, x, g)
    return lambda h, x, g: g


def decayed(h: Any, x: float) -> float:
    """x after the decoupled decay of a step that has it, in a field `shrink`, else x."""
    shrink = member(h, "shrink")
    if shrink is not None:
        return shrink * x
    return x if member(h, "inner") is None else decayed(h.inner, x)


@target(decayed)
def _decayed(h, x):
    if member(h, "shrink") is not None:
        return lambda h, x: h.shrink * x
    if member(h, "inner") is not None:
        return lambda h, x: decayed(h.inner, x)
    return lambda h, x: x


def leaves_alone(h: Any) -> bool:
    """Whether the rule of a step, or of its type, does nothing to a coordinate without a gradient."""
    return _class(h) in LEAVES_ALONE


def still_to_go(low: Any, high: Any, slots: tuple) -> float:
    """Bound of how far x still goes without a gradient, but for its decay by a factor; inf where none is known.

    Coupled decay is a gradient to all slots.
    """
    function = COASTING.get(_class(low))
    if function is None or (slots and member(low, "weight_decay")):
        return np.inf
    return function(low, high, *slots)


@target(still_to_go)
def _still_to_go(low, high, slots):
    if _class(low) not in COASTING:
        return lambda low, high, slots: np.inf
    function = inlined(COASTING[_class(low)])
    if len(slots) == 0 or member(low, "weight_decay") is None:
        return lambda low, high, slots: function(low, high, *slots)
    return lambda low, high, slots: np.inf if high.weight_decay != 0 else function(low, high, *slots)
