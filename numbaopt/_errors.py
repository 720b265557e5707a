"""Errors that a user can act on: numba's hundred lines in three, and results that survive an exception."""

from __future__ import annotations

import inspect
import linecache
import os
import re
import sys
from typing import Any


def name_of(function: Any) -> str:
    """`name()`, for messages."""
    return f"{getattr(function, '__name__', type(function).__name__)}()"


def place_of_user() -> int:
    """The `stacklevel` for `warnings.warn` by which it names the first line outside this package."""
    frame, level, own = sys._getframe(1), 1, os.path.dirname(__file__) + os.sep
    while frame.f_back is not None and frame.f_code.co_filename.startswith(own):
        frame, level = frame.f_back, level + 1
    return level


class SparseGradientError(TypeError):
    """A gradient is sparse where a dense one was looked for.

    `start` is the pair (value, gradient) of that evaluation, or None where none was made.
    """

    def __init__(self, function: Any, start: tuple[float, Any] | None = None):
        self.start = start
        super().__init__(
            f"{name_of(function)} returns a sparse gradient, which only minimize() without batch_size, from x0 on, "
            "and Stepper take. Let it return an array."
        )


def numba_refusal(role: str, function: Any, error: Exception) -> TypeError:
    """A TypeError of three lines: what cannot be compiled, the line in the user's file, the reason."""
    source = getattr(function, "py_func", function)
    name = getattr(source, "__name__", repr(source))
    file, line = _place(source, error)
    text = linecache.getline(file, line).strip() if file else ""
    reason = _reason(str(error))
    remedy = "Rewrite that line with what numba supports, or pass a plain Python function without the option jit."
    if helper := re.search(r"Untyped global name '(\w+)'.*<class 'function'>", reason):
        remedy = f"Decorate {helper[1]}() with numba.njit: compiled code calls compiled functions only."
    return TypeError(f"numba cannot compile {role} {name}(): {reason}\n  {file}, line {line}: {text}\n  {remedy}")


def _place(source: Any, error: Exception) -> tuple[str, int]:
    """File and line of what numba refused: the innermost that it names in the user's own file."""
    try:
        file, (_, first) = inspect.getsourcefile(source) or "", inspect.getsourcelines(source)
    except (TypeError, OSError):
        return "<unknown file>", 0
    named = re.findall(rf'File "[^"]*{re.escape(os.path.basename(file))}", line (\d+)', str(error))
    loc = getattr(error, "loc", None)
    if named:
        return file, int(named[0])
    return file, loc.line if loc is not None else first


def _reason(message: str) -> str:
    """The sentence of numba's message that says what is wrong."""
    lines = [line.strip() for line in re.sub(r"\x1b\[[0-9;]*m", "", message).splitlines()]
    frame = re.compile(r"$|Failed in|During:|File |- Resolution|There are|raised from|<source")
    said = [line for line in lines if not frame.match(line)] or lines
    call = next((line for line in lines if line.startswith(">>> ")), "")
    reason = said[0].rstrip(":.") + (f": {call[4:]}" if said[0].endswith("signature:") else "")
    return reason + "."


def attach_result(error: BaseException, result: Any) -> None:
    """Leave what was found so far on an exception that is on its way out, as `.result`."""
    try:
        error.result = result  # type: ignore[attr-defined]
        error.add_note("numbaopt: the best point so far is in the attribute .result of this exception.")
    except AttributeError:  # a class with __slots__
        pass
