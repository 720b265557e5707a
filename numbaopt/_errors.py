"""Errors that a user can act on: numba's hundred lines in three, and results that survive an exception."""

from __future__ import annotations

import inspect
import linecache
import re
from typing import Any


def numba_refusal(role: str, function: Any, error: Exception) -> TypeError:
    """A TypeError of three lines: what cannot be compiled, the line in the user's file, the reason."""
    source = getattr(function, "py_func", function)
    name = getattr(source, "__name__", repr(source))
    file, line = _place(source, str(error))
    text = linecache.getline(file, line).strip() if file else ""
    return TypeError(
        f"numba cannot compile {role} {name}(): {_reason(str(error))}\n"
        f"  {file}, line {line}: {text}\n"
        "  Rewrite that line with what numba supports, or pass a plain Python function without the option jit."
    )


def _place(source: Any, message: str) -> tuple[str, int]:
    """File and line that numba's message points at, the innermost one within the user's own file."""
    try:
        own_file, (_, first) = inspect.getsourcefile(source) or "", inspect.getsourcelines(source)
    except (TypeError, OSError):
        return "<unknown file>", 0
    base = re.escape(own_file.rsplit("/", 1)[-1].rsplit("\\", 1)[-1])
    lines = [int(n) for n in re.findall(rf'File "[^"]*{base}", line (\d+)', message)]
    return own_file, lines[-1] if lines else first


def _reason(message: str) -> str:
    """The sentence of numba's message that says what is wrong."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", message)
    noise = re.compile(
        r"^(Failed in|During:|File |- (Resolution|With argument)|There are|\s*$|Overload|>>> |Known signatures|"
        r"This error|\^|<source|Enable|raised from|No implementation of function Function\(<class)",
    )
    candidates = [line.strip() for line in plain.splitlines() if line.strip() and not noise.match(line.strip())]
    return candidates[0].rstrip(".") + "." if candidates else plain.strip().splitlines()[0]


def attach_result(error: BaseException, result: Any) -> None:
    """Leave what was found so far on an exception that is on its way out, as `.result`."""
    try:
        error.result = result  # type: ignore[attr-defined]
        error.add_note("numbaopt: the best point so far is in the attribute .result of this exception.")
    except AttributeError:  # a class with __slots__
        pass
