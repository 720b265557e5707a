"""The options of `minimize`: their defaults, their ranges, and the errors for what is not among them."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import NoneType
from typing import Any

import numba
import numpy as np

from ._objective import GRADIENTS
from ._rule import can_be_tuned, compiled_form, is_method_class, method_class, method_names
from .schedules.auto import is_auto


@dataclass(frozen=True)
class Options:
    """What every method understands; `numbaopt.minimize` documents each."""

    maxiter: int = 10_000
    maxfev: int | None = None
    maxtime: float | None = None
    gtol: float | None = 1e-5
    ftol: float | None = None
    xtol: float | None = None
    patience: int = 10
    ftarget: float | None = None
    x_scale: Any = None
    history: bool | int = False
    history_x: bool = False
    keep: str = "best"
    disp: bool = False
    workers: int | None = None
    callback_every: int | None = None
    gradient: str | None = None
    jit: bool = False

    def __post_init__(self) -> None:
        for name in ("gtol", "ftol", "xtol", "maxtime"):
            self._require_number(name, 0, "a number >= 0, or None to switch it off")
        self._require_number("ftarget", -math.inf, "a number, or None to switch it off")
        self._require_integer("maxiter", 0)
        self._require_integer("maxfev", 1, none=True)
        self._require_integer("patience", 1)
        self._require_integer("callback_every", 1, none=True)
        for name in ("history_x", "disp", "jit"):
            if not isinstance(getattr(self, name), (bool, np.bool_)):
                raise TypeError(f"{name}={getattr(self, name)!r} must be True or False.")
        if not isinstance(self.history, bool):
            self._require_integer("history", 0)
        if self.history_x and not self.history:
            object.__setattr__(self, "history", True)
        if self.keep not in ("best", "last"):
            raise ValueError(f'keep={self.keep!r} must be "best" or "last".')
        if self.gradient is not None and self.gradient not in GRADIENTS:
            raise ValueError(f"gradient={self.gradient!r} must be one of {_listed(GRADIENTS)}.")
        if self.workers is not None:
            object.__setattr__(self, "workers", self._workers())

    def _require_number(self, name: str, least: float, text: str) -> None:
        value = getattr(self, name)
        if value is None:
            return
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise TypeError(f"{name}={value!r} must be {text}.") from None
        if not number >= least:
            raise ValueError(f"{name}={value!r} must be {text}.")

    def _require_integer(self, name: str, least: int, none: bool = False) -> None:
        value = getattr(self, name)
        if none and value is None:
            return
        text = f"an integer >= {least}" + (", or None" if none else "")
        if isinstance(value, (bool, str)) or not _is_integer(value):
            raise TypeError(f"{name}={value!r} must be {text}.")
        if value < least:
            raise ValueError(f"{name}={value!r} must be {text}.")
        object.__setattr__(self, name, min(int(value), 2**62))

    def _workers(self) -> int:
        most = numba.config.NUMBA_NUM_THREADS
        if isinstance(self.workers, bool) or not _is_integer(self.workers):
            raise TypeError(f"workers={self.workers!r} must be an integer in [1, {most}], or -1 for {most}.")
        if self.workers == -1:
            return most
        if not 1 <= int(self.workers or 0) <= most:
            raise ValueError(
                f"workers={self.workers!r} must be in [1, {most}], or -1 for {most}, the threads that numba was "
                "started with (environment variable NUMBA_NUM_THREADS)."
            )
        return int(self.workers or 0)


TUNED_GTOL = 1e-7
"""`gtol` with lr="auto", whose last digits are cheap: at 1e-5 the fun of one problem in ten is not yet right."""

OPTION_NAMES = tuple(f.name for f in fields(Options))


def resolve(method: Any, options: dict[str, Any] | None) -> tuple[Any, Options]:
    """The hyper-parameter object and the options that `method` and `options` stand for."""
    if not isinstance(options, (Mapping, NoneType)):
        raise TypeError(f"options={options!r:.80} must be a dict, such as {{'lr': 0.01}}.")
    given = dict(options or {})
    hyper_class, hyper = _method(method)
    unknown = [name for name in given if name not in OPTION_NAMES and name not in hyper_class._fields]
    if unknown:
        raise ValueError(_unknown_option(unknown[0], hyper_class))
    chosen = {name: given.pop(name) for name in list(given) if name in hyper_class._fields}
    if hyper is None:
        hyper = hyper_class(**chosen)
        if isinstance(method, str) and "lr" not in chosen and "lr" in hyper._fields:
            tuned = hyper._replace(lr="auto")
            hyper = tuned if can_be_tuned(compiled_form(tuned)) else hyper
    elif chosen:
        name = next(iter(chosen))
        raise ValueError(
            f"{name} is given both by the method object {hyper} and by options={{{name!r}: {chosen[name]!r}}}. "
            f"Put it into the object: {hyper_class.__name__}({name}={chosen[name]!r})."
        )
    if is_auto(getattr(hyper, "lr", None)):
        if not can_be_tuned(compiled_form(hyper)):
            raise ValueError(
                f"{hyper}: lr must be a number or a schedule, as {hyper_class.__name__} cannot start anew."
            )
        given.setdefault("gtol", TUNED_GTOL)
    return hyper, Options(**given)


def as_method(method: Any) -> Any:
    """The hyper-parameter object that a name, a class or an object stands for."""
    hyper_class, hyper = _method(method)
    return hyper_class() if hyper is None else hyper


def _method(method: Any) -> tuple[Any, Any]:
    """Class and, if `method` is one, object of the hyper-parameters."""
    if isinstance(method, str):
        found = method_class(method)
        if found is None:
            nearest = _nearest(method.lower(), method_names())
            raise ValueError(f"Unknown method {method!r}. Known: {_listed(method_names())}.{nearest}")
        return found, None
    if is_method_class(method):
        return method, None
    if is_method_class(type(method)):
        return type(method), method
    raise TypeError(
        f"method={method!r:.80} must be a name ({_listed(method_names())}), or a hyper-parameter object or class "
        "such as numbaopt.Adam(lr=0.01)."
    )


def _unknown_option(name: str, hyper_class: Any) -> str:
    known = (*OPTION_NAMES, *hyper_class._fields)
    return (
        f"Unknown option {name!r} for method {hyper_class.__name__.lower()!r}.{_nearest(name, known)} "
        f"Options: {_listed(OPTION_NAMES)}. Hyper-parameters: {_listed(hyper_class._fields)}."
    )


def _nearest(name: Any, known: Any) -> str:
    close = difflib.get_close_matches(str(name), known, 1)
    return f" Did you mean {close[0]!r}?" if close else ""


def _listed(names: Any) -> str:
    return ", ".join(repr(n) for n in names)


def _is_integer(value: Any) -> bool:
    try:
        return int(value) == value
    except (TypeError, ValueError, OverflowError):
        return False
