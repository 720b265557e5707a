"""A user's own function of t as a schedule: compiled code gets its address, so that no loop is compiled for it.

A function that numba compiled to `float64(float64)` is called as it is, and what it raises propagates. Any other
callable is called by Python from a C callback, which takes the GIL by itself; an exception cannot leave C, so it is
kept, the callback returns NaN from there on, which ends the run, and who runs the loop raises it (`reraise`).
"""

from __future__ import annotations

import ctypes
import math
from typing import Any, NamedTuple

from numba.core import types

from .._arguments import call_c, call_real, code_address
from .._compile import compiles_nopython
from .._errors import name_of
from .._parameters import unchecked

_SIGNATURE = (types.float64,)
_C_FUNCTION = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)


class Address(NamedTuple):
    """All that compiled code sees of a function: its type selects how it is called."""

    address: int


class Compiled(Address):
    """The code of a function that numba compiled, with that `function`."""

    function: Any


class Plain(Address):
    """A C callback that calls the Python `function`, and what that has raised."""

    function: Any
    code: Any
    error: BaseException | None


def is_function(value: Any) -> bool:
    """Whether `value` can be called with t: a class or a method object such as `Adam()` is not meant for that."""
    return callable(value) and not isinstance(value, (type, tuple))


def number_from(function: Any, t: float) -> float:
    """`function(t)` as a float."""
    result = function(t)
    try:
        number = float(result)
    except (TypeError, ValueError):
        raise TypeError(_not(function, t, "a number", result)) from None
    if number < 0 and t > 1:  # at t = 1 it is checked with the name of what it is a schedule of; NaN ends the run
        raise ValueError(_not(function, t, "a number >= 0", result))
    return number


def _not(function: Any, t: float, what: str, result: Any) -> str:
    return f"The schedule {name_of(function)} must return {what}, but at t = {t:g} it returned {result!r:.80}."


def by_address(value: Any) -> Any:
    """`value` with each function in it, at any depth of tuples, as what compiled code can call."""
    if is_function(value):
        return _compiled(value) or _plain(value)
    if isinstance(value, tuple) and not isinstance(value, Address):
        return unchecked(type(value), map(by_address, value))
    return value


def _compiled(function: Any) -> Compiled | None:
    if not compiles_nopython(function):
        return None
    code = function.overloads.get(_SIGNATURE)  # compiled when its value at t = 1 was checked, if that is allowed
    if code is None or code.signature.return_type != types.float64:
        return None
    made = Compiled(code_address(function, _SIGNATURE))
    made.function = function
    return made


def _plain(function: Any) -> Plain:
    def call(t: float) -> float:
        if made.error is None:
            try:
                return number_from(function, t)
            except BaseException as error:  # KeyboardInterrupt as well: ctypes would print it and go on
                made.error = error
        return math.nan

    code = _C_FUNCTION(call)
    made = Plain(ctypes.cast(code, ctypes.c_void_p).value or 0)
    made.function, made.code, made.error = function, code, None
    return made


def reraise(value: Any) -> None:
    """Raise what a function in `value`, a tuple from `by_address`, has raised."""
    if isinstance(value, Plain) and value.error is not None:
        raise value.error
    if isinstance(value, tuple):
        for element in value:
            reraise(element)


def holds_function(value: Any) -> bool:
    """Whether there is a function in `value`, a tuple from `by_address`."""
    return isinstance(value, Address) or (isinstance(value, tuple) and any(map(holds_function, value)))


def call_compiled(s, t):
    """The value of a `Compiled`, in compiled code."""
    return call_real(s.address, 0, (t,))


def call_plain(s, t):
    """The value of a `Plain`, in compiled code."""
    return call_c(s.address, t)
