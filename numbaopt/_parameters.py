"""NamedTuples that check their values when they are made: hyper-parameters and schedules.

A NamedTuple is what compiled code can take apart; `validated` adds that a value out of range is an error that
names object, value and range, whichever way the tuple was made (call, `_make`, `_replace`, unpickling).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple


class Range(NamedTuple):
    """The values that a parameter may have: the text for people, the test for the machine.

    `start(value)` is the number that is tested for a value that is none itself and passes as it is (a schedule), or
    None. With `many`, a tuple of such numbers is meant, of any length but 0. What `accepts` holds for is no number and
    passes untested.
    """

    text: str
    holds: Callable[[float], bool]
    start: Callable[[Any], float | None] = lambda value: None
    many: bool = False
    accepts: Callable[[Any], bool] = lambda value: False


NONNEGATIVE = Range("be a finite number >= 0", lambda v: 0 <= v < math.inf)
POSITIVE = Range("be a finite number > 0", lambda v: 0 < v < math.inf)
FRACTION = Range("be in [0, 1)", lambda v: 0 <= v < 1)
CLOSED_FRACTION = Range("be in [0, 1]", lambda v: 0 <= v <= 1)
FINITE = Range("be a finite number", math.isfinite)


def validated(
    ranges: dict[str, Range],
    conflict: Callable[[Any], str] = lambda values: "",
) -> Callable:
    """Class decorator: every field is checked against its range in `ranges` (`FINITE` where it has none).

    Fields whose default is a bool stay bool, fields whose default is a tuple become tuples of floats of the same
    length, all others floats, or what their range says. `conflict` says what is wrong with values that are right one by
    one, or "".
    """

    def decorate(cls: Any) -> Any:
        make_tuple = cls.__new__

        def check(name: str, value: Any) -> Any:
            default = cls._field_defaults.get(name)
            given = f"{cls.__name__}({name}={value!r})"
            allowed = ranges.get(name, FINITE)
            if allowed.accepts(value):
                return value
            if isinstance(default, bool):
                return _flag(given, name, value)
            if isinstance(default, tuple) or allowed.many:
                return _floats(given, name, value, None if allowed.many else len(default), allowed)
            return _float(given, name, value, allowed)

        def checked_new(klass: Any, *args: Any, **kwargs: Any) -> Any:
            raw = make_tuple(klass, *args, **kwargs)
            values = make_tuple(klass, *(check(name, value) for name, value in zip(cls._fields, raw, strict=True)))
            if complaint := conflict(values):
                raise ValueError(f"{values}: {complaint}.")
            return values

        checked_new.__wrapped__ = make_tuple  # type: ignore[attr-defined]  # the signature that help() shows
        cls.__new__ = checked_new
        cls._make = classmethod(lambda klass, values: klass(*values))
        cls.__reduce__ = lambda self: (type(self), tuple(self))
        return cls

    return decorate


def unchecked(cls: Any, values: Iterable[Any]) -> Any:
    """A tuple of class `cls` with `values` as they are."""
    return tuple.__new__(cls, values)


def _flag(given: str, name: str, value: Any) -> bool:
    if value not in (True, False):
        raise TypeError(f"{given}: {name} must be True or False.")
    return bool(value)


def _floats(given: str, name: str, value: Any, length: int | None, allowed: Range) -> tuple[float, ...]:
    values = tuple(value) if isinstance(value, Iterable) and not isinstance(value, str) else ()
    if len(values) != (length or max(len(values), 1)):
        raise TypeError(f"{given}: {name} must be a tuple of {length or 'one or more'} numbers.")
    return tuple(_float(given, f"{name}[{i}]", v, allowed) for i, v in enumerate(values))


def _float(given: str, name: str, value: Any, allowed: Range) -> Any:
    try:
        start = allowed.start(value)
    except Exception as error:
        error.add_note(f"{given}: {name} must {allowed.text}.")
        raise
    if start is not None:
        if not allowed.holds(start):
            raise ValueError(f"{given}: {name} must {allowed.text}, but it is {start:g} at t = 1.")
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{given}: {name} must {allowed.text}.") from None
    if not allowed.holds(number):
        raise ValueError(f"{given}: {name} must {allowed.text}.")
    return number
