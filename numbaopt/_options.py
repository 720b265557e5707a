"""The options of `minimize`: their defaults, their ranges, and the errors for what is not among them."""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import NoneType
from typing import Any

import numba
import numpy as np

from ._batches import LARGEST_SEED, MOST_SAMPLES, with_batch_defaults
from ._objective import GRADIENTS
from ._rule import (
    can_be_tuned,
    compiled_form,
    innermost,
    is_method_class,
    method_class,
    method_names,
    needs_sums,
)
from ._solver import SOLVERS, Solver, is_solver, solver_class, solver_names
from .drivers.groups import STATE_DTYPES
from .rules.dog import around
from .schedules.auto import Auto, is_auto
from .schedules.plateau import is_plateau


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
    groups: Any = None
    fixed: Any = None
    state_dtype: str | None = None
    nonfinite: str = "stop"
    history: bool | int = False
    history_x: bool = False
    keep: str = "best"
    disp: bool = False
    workers: int | None = None
    callback_every: int | None = None
    gradient: str | None = None
    jit: bool = False
    checkpoint: Any = None
    checkpoint_every: float = 10.0
    resume: Any = None
    batch_size: int | None = None
    n_samples: int | None = None
    shuffle: bool = True
    seed: int | None = None
    maxepoch: int | None = None
    evaluate_every: int | None = None
    variance_reduction: str | None = None
    snapshot_every: int | None = None

    def __post_init__(self) -> None:
        for name in ("gtol", "ftol", "xtol", "maxtime"):
            self._require_number(name, 0, "a number >= 0, or None to switch it off")
        self._require_number("ftarget", -math.inf, "a number, or None to switch it off")
        self._require_integer("maxiter", 0)
        self._require_integer("maxfev", 1, none=True)
        self._require_integer("patience", 1)
        self._require_integer("callback_every", 1, none=True)
        for name in ("batch_size", "evaluate_every", "snapshot_every"):
            self._require_integer(name, 1, none=True)
        self._require_integer("n_samples", 1, none=True, most=MOST_SAMPLES)
        self._require_integer("maxepoch", 0, none=True)
        self._require_integer("seed", 0, none=True, most=LARGEST_SEED)
        for name in ("history_x", "disp", "jit", "shuffle"):
            if getattr(self, name) in (0, 1):  # as scipy takes them
                object.__setattr__(self, name, bool(getattr(self, name)))
            if not isinstance(getattr(self, name), (bool, np.bool_)):
                raise TypeError(f"{name}={getattr(self, name)!r} must be True or False.")
        if not isinstance(self.history, bool):
            self._require_integer("history", 0)
        if self.history_x and not self.history:
            object.__setattr__(self, "history", True)
        if self.keep not in ("best", "last"):
            raise ValueError(f'keep={self.keep!r} must be "best" or "last".')
        if self.nonfinite not in ("stop", "skip"):
            raise ValueError(f'nonfinite={self.nonfinite!r} must be "stop" or "skip".')
        if self.state_dtype not in (None, *STATE_DTYPES):
            raise ValueError(f"state_dtype={self.state_dtype!r} must be None or one of {_listed(STATE_DTYPES)}.")
        if self.gradient is not None and self.gradient not in GRADIENTS:
            raise ValueError(f"gradient={self.gradient!r} must be one of {_listed(GRADIENTS)}.")
        self._require_number("checkpoint_every", 0, "a number of seconds >= 0")
        if self.checkpoint_every is None:
            raise TypeError("checkpoint_every=None must be a number of seconds >= 0.")
        if self.checkpoint is not None and not _is_path(self.checkpoint):
            raise TypeError(f"checkpoint={self.checkpoint!r:.80} must be the path of a file, or None.")
        if isinstance(self.resume, (bool, np.bool_)):
            object.__setattr__(self, "resume", True if self.resume else None)
        elif self.resume is not None and not _is_path(self.resume):
            raise TypeError(f"resume={self.resume!r:.80} must be True, False or the path of a checkpoint.")
        if self.resume is True and self.checkpoint is None:
            raise ValueError("resume=True goes on from the file that checkpoint names; give checkpoint, or its path.")
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

    def _require_integer(self, name: str, least: int, none: bool = False, most: int | None = None) -> None:
        value = getattr(self, name)
        if none and value is None:
            return
        text = f"an integer >= {least}" if most is None else f"an integer in [{least}, {most}]"
        text += ", or None" if none else ""
        if isinstance(value, (bool, str)) or not _is_integer(value):
            raise TypeError(f"{name}={value!r} must be {text}.")
        if value < least or (most is not None and value > most):
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


def resolve(method: Any, options: dict[str, Any] | None, sparse: bool = False) -> tuple[Any, Options]:
    """The hyper-parameter object and the options that `method` and `options` stand for.

    With `sparse` they are for sparse gradients: no lr="auto", and the last point unless another is asked for.
    """
    if not isinstance(options, (Mapping, NoneType)):
        raise TypeError(f"options={options!r:.80} must be a dict, such as {{'lr': 0.01}}.")
    given = dict(options or {})
    hyper_class, hyper = _method(method)
    unknown = [name for name in given if name not in OPTION_NAMES and name not in hyper_class._fields]
    if unknown:
        raise ValueError(_unknown_option(unknown[0], hyper_class))
    chosen = {name: given.pop(name) for name in list(given) if name in hyper_class._fields}
    if is_solver(hyper_class):
        _require_no(NOT_FOR_SOLVERS, given, hyper_class)
        _require_meaning(SOLVERS[hyper_class], given)
        given = SOLVERS[hyper_class].options | given
    seed = given.pop("seed", None) if is_solver(hyper_class) else None
    given = with_batch_defaults(given)
    if seed is not None:
        given["seed"] = seed
    if sparse:
        given.setdefault("keep", "last")
    if hyper is None:
        hyper = _made(hyper_class, chosen)
        found = hyper if "weight_decay" in chosen else _without_decay(hyper, given)
        if isinstance(method, str) and "lr" not in chosen and not _untunable(found, given, sparse):
            hyper = found._replace(lr="auto")
    elif chosen:
        name = next(iter(chosen))
        raise ValueError(
            f"{name} is given both by the method object {hyper} and by options={{{name!r}: {chosen[name]!r}}}. "
            f"Put it into the object: {hyper_class.__name__}({name}={chosen[name]!r})."
        )
    if is_auto(innermost(hyper, "lr")):
        if reason := _untunable(hyper, given, sparse):
            raise ValueError(f"{hyper}: lr must be a number or a schedule, as {reason}.")
        if _is_noisy(hyper, given):
            hyper = around(hyper)
            given.setdefault("keep", "last")
        else:
            given.setdefault("gtol", TUNED_GTOL)
    elif is_plateau(innermost(hyper, "lr")):
        unfit = [name for name in ("batch_size", "groups") if given.get(name) is not None]
        if unfit or sparse:
            where = unfit[0] if unfit else "a sparse gradient"
            raise ValueError(f"{hyper}: ReduceOnPlateau is not offered with {where}. Give a number or a schedule.")
    return hyper, Options(**given)


def _untunable(hyper: Any, given: dict[str, Any], sparse: bool) -> str:
    """Why lr="auto" is not possible, or ""."""
    name = type(hyper).__name__
    if "lr" not in hyper._fields:
        inside = ": numbaopt.DoG around the method inside it finds one" if "inner" in hyper._fields else ""
        return f"{name} has none of its own{inside}"
    if sparse:
        return "it learns from whole gradients, and jac returns sparse ones"
    if given.get("groups") is not None:
        return "groups have rates of their own"
    form = compiled_form(hyper._replace(lr=1.0))
    if not can_be_tuned(form):
        return f"{name} cannot start anew, or lr is not the size of its steps"
    if _is_noisy(hyper, given):
        if given.get("state_dtype") is not None:
            return "what finds it keeps an average, which needs the precision of x, not state_dtype"
        return f"{name} needs sums over all coordinates, and so does what finds it" if needs_sums(form) else ""
    if _decays(hyper):
        return "weight_decay is no part of fun, by which steps are judged: give weight_decay=0 and add it to fun"
    if given.get("keep") == "last":
        return 'it goes on from the best point, and keep="last" asks for the last'
    return ""


def _decays(hyper: Any) -> bool:
    return getattr(hyper, "weight_decay", 0) != 0


def _without_decay(hyper: Any, given: dict[str, Any]) -> Any:
    """`hyper` with its default of `weight_decay` off where steps are judged by fun alone."""
    return hyper._replace(weight_decay=0.0) if _decays(hyper) and not _is_noisy(hyper, given) else hyper


def _is_noisy(hyper: Any, given: dict[str, Any]) -> bool:
    """Whether lr="auto" is not to compare values of fun."""
    auto = innermost(hyper, "lr")
    return given.get("batch_size") is not None or (isinstance(auto, Auto) and auto.noisy)


NOT_FOR_SOLVERS = ("groups", "state_dtype", "batch_size", "keep", "nonfinite")
"""Options that only update rules understand."""


def _require_no(names: tuple[str, ...], given: dict[str, Any], hyper_class: Any) -> None:
    for name in names:
        if given.get(name) is not None:
            raise ValueError(
                f"{name}={given[name]!r:.80} is an option of update rules such as Adam; {hyper_class.__name__} works "
                "on x as a whole and has no use for it."
            )


def _require_meaning(solver: Solver, given: dict[str, Any]) -> None:
    """An error for a tolerance that is never tested, and for a seed of what is not random."""
    name = solver.cls.__name__
    if solver.needs == "value" and given.get("gtol") is not None:
        own = ", ".join(solver.tolerances)
        raise ValueError(
            f"gtol={given['gtol']!r} is a tolerance on the gradient, which {name} does not have; it has {own}."
        )
    if not solver.seeded and given.get("seed") is not None:
        raise ValueError(f"seed={given['seed']!r}: {name} draws no random numbers. Leave it out.")


def with_tol(method: Any, options: dict[str, Any] | None, tol: Any) -> dict[str, Any] | None:
    """The options, with the tolerances of the method (gtol for most) from `tol` where they have none."""
    if tol is None:
        return options
    try:
        valid = float(tol) >= 0
    except (TypeError, ValueError):
        valid = False
    if not valid:
        raise ValueError(f"tol={tol!r} must be a number >= 0.")
    cls = _method(method)[0]
    names = SOLVERS[cls].tolerances if is_solver(cls) else ("gtol",)
    return dict.fromkeys(names, tol) | dict(options or {})


def as_method(method: Any) -> Any:
    """The hyper-parameter object that a name, a class or an object stands for."""
    hyper_class, hyper = _method(method)
    return _made(hyper_class, {}) if hyper is None else hyper


def _made(hyper_class: Any, chosen: dict[str, Any]) -> Any:
    missing = [n for n in hyper_class._fields if n not in chosen and n not in hyper_class._field_defaults]
    if missing:
        name, example = hyper_class.__name__, ", ".join(f"{n}=..." for n in missing)
        raise TypeError(f"{name} needs {', '.join(missing)}: pass method=numbaopt.{name}({example}).")
    return hyper_class(**chosen)


def _method(method: Any) -> tuple[Any, Any]:
    """Class and, if `method` is one, object of the hyper-parameters."""
    if isinstance(method, str):
        found, names = method_class(method) or solver_class(method), method_names() + solver_names()
        if found is None:
            raise ValueError(f"Unknown method {method!r}. Known: {_listed(names)}.{_nearest(method.lower(), names)}")
        return found, None
    if is_method_class(method) or is_solver(method):
        return (method, None) if isinstance(method, type) else (type(method), method)
    if is_method_class(type(method)):
        return type(method), method
    known = _listed(method_names() + solver_names())
    raise TypeError(
        f"method={method!r:.80} must be a name ({known}), or a hyper-parameter object or class such as "
        "numbaopt.Adam(lr=0.01)."
    )


def _unknown_option(name: str, hyper_class: Any) -> str:
    known = (*OPTION_NAMES, *hyper_class._fields)
    return (
        f"Unknown option {name!r} for method {hyper_class.__name__.lower()!r}.{_nearest(name, known)} "
        f"Options: {_listed(OPTION_NAMES)}. Hyper-parameters: {_listed(hyper_class._fields)}."
    )


ELSEWHERE = {"learning_rate": "lr", "beta1": "betas", "beta2": "betas", "b1": "betas", "b2": "betas"}
"""Names that other libraries have."""


def _nearest(name: Any, known: Any) -> str:
    close = [ELSEWHERE[name]] if ELSEWHERE.get(name) in known else difflib.get_close_matches(str(name), known, 1)
    return f" Did you mean {close[0]!r}?" if close else ""


def _listed(names: Any) -> str:
    return ", ".join(repr(n) for n in names)


def _is_path(value: Any) -> bool:
    return isinstance(value, (str, os.PathLike)) and str(value) != ""


def _is_integer(value: Any) -> bool:
    try:
        return int(value) == value
    except (TypeError, ValueError, OverflowError):
        return False
