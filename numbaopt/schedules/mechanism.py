"""How a schedule is declared, checked, evaluated, and brought into compiled code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba.core import types

from .._compile import selects, target
from .._parameters import NONNEGATIVE, Range, unchecked, validated
from .functions import Compiled, Plain, call_compiled, call_plain, is_function, number_from

_RATES: dict[Any, Callable] = {Compiled: call_compiled, Plain: call_plain}


# --- declaring -------------------------------------------------------------------------------------------------------


def schedule(conflict: Callable[[Any], str] = lambda s: "", **ranges: Range) -> Callable[[type], type]:
    """Class decorator of a schedule; `ranges` are those of its parameters (a finite number by default).

    `conflict` says what is wrong with parameters that are right one by one, or "".
    """
    return validated({"lr": NONNEGATIVE, **ranges}, conflict=conflict)


def rate(cls: type) -> Callable[[Callable], Callable]:
    """Declare the scalar function `(schedule, t) -> lr` of the schedule class `cls`; t counts from 1."""

    def declare(function: Callable) -> Callable:
        _RATES[cls] = getattr(function, "py_func", function)
        selects(cls, function)
        return function

    return declare


# --- checking --------------------------------------------------------------------------------------------------------


def is_schedule(value: Any) -> bool:
    """Whether `value` can stand where a number is asked for without being one."""
    return type(value) in _RATES or is_function(value)


def scheduled(allowed: Range) -> Range:
    """The range of a parameter that is a number in `allowed`, or a schedule whose first value is one."""
    return Range(f"{allowed.text} or a schedule", allowed.holds, start=_first)


def _first(value: Any) -> float | None:
    return at(value, 1.0) if is_schedule(value) else None


# --- evaluating ------------------------------------------------------------------------------------------------------


def at(value: Any, t: float) -> Any:
    """What `value` is at iteration `t`: a number stays, a schedule gives one, a tuple is taken element by element.

    >>> from numbaopt.schedules import ExponentialDecay
    >>> at(0.1, 7.0), at(ExponentialDecay(0.1, gamma=0.5), 3.0), at(lambda t: 1 / t, 4.0)
    (0.1, 0.025, 0.25)
    >>> at((ExponentialDecay(0.8, gamma=0.5), 0.999), 2.0)
    (0.4, 0.999)
    """
    if isinstance(value, (Compiled, Plain)):
        value = value.function
    if type(value) in _RATES:
        return _RATES[type(value)](value, t)
    if is_function(value):
        return number_from(value, t)
    if isinstance(value, tuple):
        return unchecked(type(value), (at(element, t) for element in value))
    return value


learning_rate = at
"""`at`, by the name under which a rule asks for its `lr`."""


@target(at)
def _at(value, t):
    cls = getattr(value, "instance_class", None)
    function = _RATES.get(cls)
    if function is not None:
        return function  # not a dispatcher: a schedule that contains another of its class would call itself
    if not has_schedule(value):
        return lambda value, t: value
    if cls is not None:
        return lambda value, t: cls(*at(value[0:], t))
    return lambda value, t: (at(value[0], t), *at(value[1:], t))


def has_schedule(ty: Any) -> bool:
    """Whether the numba type `ty` is that of a schedule, or of a tuple with one in it."""
    return isinstance(ty, types.BaseTuple) and (
        getattr(ty, "instance_class", None) in _RATES or any(has_schedule(element) for element in ty)
    )
