"""Stepper: one update at a time, for those who own the loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import combinations
from operator import index
from typing import Any, Literal, NamedTuple

import numpy as np

from ._compile import bind
from ._errors import name_of
from ._options import Options, as_method
from ._rule import answer, compiled_form, innermost, slot_names, start_carry, start_slots
from .drivers import threads
from .drivers.step import checked_step, step
from .drivers.sweep import all_finite
from .schedules import at
from .schedules.auto import is_auto
from .schedules.functions import holds_function
from .schedules.plateau import is_plateau

NONFINITE = ("stop", "skip", "ignore")


class Stepper:
    """Update arrays in place by gradients that come from elsewhere: `minimize` with the loop left to you.

    ::

        for t = 1, 2, ...:   x, state = rule(x, gradient, state, t)

    Parameters
    ----------
    x : ndarray, or list or dict of ndarray
        What is updated, in place: of any shape, () included, float32 or float64, contiguous or not (then a step costs
        two copies more).
        Several arrays are one problem; each has its own state, and a rule that takes sums over all coordinates
        (LAMB's trust ratio) takes them for each array.
    method : str, class or hyper-parameter object, or a list or dict of them
        As for `minimize`; one for each array where there are several.
    nonfinite : {"stop", "skip", "ignore"}
        What a gradient with a NaN or inf does: raise FloatingPointError before anything is updated, leave the step
        out and count it in `skipped`, or go into the update unseen (which saves one pass over the gradient).
    workers : int, optional
        Threads (numba's setting); -1 for all.

    Attributes
    ----------
    x : ndarray, or list or dict of ndarray
        The arrays that were given.
    t : int
        Number of updates so far.
    skipped : int
        Number of gradients that were left out.

    Raises
    ------
    TypeError, ValueError
        x, a gradient or a hyper-parameter is of the wrong kind, dtype, shape or range.
    FloatingPointError
        A gradient is not finite (see `nonfinite`); nothing was updated.

    Notes
    -----
    A step releases the GIL. One object must not step in two threads at the same time.

    A gradient is read where it is if it is an array like x, in C order (or in the order of x): then a step on ten
    elements takes 2 us. Functions of t among the hyper-parameters are called by Python, once a step, before anything
    is updated.

    Examples
    --------
    >>> import numpy as np, numbaopt
    >>> x = np.array([3.0, -2.0])
    >>> stepper = numbaopt.Stepper(x, method=numbaopt.AdamW(lr=0.1, weight_decay=0))
    >>> for _ in range(500):
    ...     stepper.step(2 * x)
    >>> bool(np.abs(x).max() < 1e-6)
    True

    Several arrays, each with its own method, and a function that gives value and gradients:

    >>> params = {"w": np.ones((2, 3)), "b": np.zeros(2, np.float32)}
    >>> stepper = numbaopt.Stepper(params, {"w": numbaopt.Adam(lr=0.1), "b": numbaopt.Adam(lr=0.01)})
    >>> def closure():
    ...     return float((params["w"] ** 2).sum()), {"w": 2 * params["w"], "b": params["b"]}
    >>> stepper.step(closure)
    6.0
    """

    def __init__(self, x: Any, method: Any = "adam", *, nonfinite: str = "stop", workers: int | None = None):
        if nonfinite not in NONFINITE:
            raise ValueError(f"nonfinite={nonfinite!r} must be one of {', '.join(map(repr, NONFINITE))}.")
        workers = Options(workers=workers).workers
        self.x, self.t, self.skipped = x, 0, 0
        self._nonfinite, self._checks = nonfinite, nonfinite != "ignore"
        several = isinstance(x, (dict, list, tuple))
        arrays = {
            name: _checked_array(_label(name), array) for name, array in (_named(x) if several else {None: x}).items()
        }
        if not arrays:
            raise ValueError("x is empty: there is nothing to update.")
        _require_apart(arrays)
        if isinstance(method, (dict, list)):
            methods = _like_x("method", method, arrays)
        else:
            methods = dict.fromkeys(arrays, method)
        owners = frozenset(map(_owner, arrays.values()))
        self._parts = {
            name: _Part(_label(name), array, as_method(methods[name]), workers, owners)
            for name, array in arrays.items()
        }
        self._only = None if several else self._parts[None]

    def step(self, gradient: Any) -> Any:
        """Update x by `gradient`: an array like x, a list or dict of arrays like x, or a function.

        A function takes no arguments and returns the pair (value, gradient); its value is returned.
        """
        value = None
        if callable(gradient):
            value, gradient = _pair(gradient)
        t = self.t + 1
        if self._only is None:
            bad = self._step_all(gradient, t)
        else:
            part, g = self._only, self._only.flat(gradient)
            form = part.form_at(t)
            self.t = t  # before: Ctrl-C in a long step is raised when the step is done
            bad = None if part.update(form, t, g, self._checks) else part
        if bad is None:
            return value
        self.t = t - 1
        if self._nonfinite == "skip":
            self.skipped += 1
            return value
        raise FloatingPointError(
            f"The gradient of {bad.name} is not finite in step {t}; nothing was updated. Use a smaller lr, clip the "
            'gradient, or pass nonfinite="skip" to leave such steps out.'
        )

    def _step_all(self, gradient: Any, t: int) -> _Part | None:
        """Update all arrays, or none if a gradient is not finite: the array whose gradient that is."""
        parts, given = self._parts.values(), _like_x("gradient", gradient, self._parts)
        gradients = [part.flat(given[name]) for name, part in self._parts.items()]
        if self._checks:
            for part, g in zip(parts, gradients, strict=True):
                if not part.is_finite(g):
                    return part
        forms = [part.form_at(t) for part in parts]
        self.t = t
        for part, form, g in zip(parts, forms, gradients, strict=True):
            part.update(form, t, g, False)
        return None

    def ask(self) -> Any:
        """Where the next gradient is wanted: x itself."""
        return self.x

    tell = step

    @property
    def answer(self) -> Any:
        """The point that the method gives as its answer, a copy: x, but for methods that average their iterates."""
        points = {name: part.answer() for name, part in self._parts.items()}
        if isinstance(self.x, dict):
            return points
        return points[None] if self._only is not None else list(points.values())

    def state_dict(self) -> dict[str, Any]:
        """All that a step depends on but x, as copies: numbers, NumPy arrays and method objects; it pickles."""
        parts = {name: part.state_dict() for name, part in self._parts.items()}
        return {"t": self.t, "skipped": self.skipped, "parts": parts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave: x must be of the same shapes and dtypes, and is not changed."""
        try:
            t, skipped, parts = index(state["t"]), index(state["skipped"]), dict(state["parts"])
            if min(t, skipped) < 0:
                raise ValueError(state)
            states = {name: (part["method"], dict(part["slots"]), part["carry"]) for name, part in parts.items()}
        except (TypeError, KeyError, ValueError):
            raise ValueError("state must be what Stepper.state_dict() returned.") from None
        if set(states) != set(self._parts):
            raise ValueError(f"The state is of arrays {list(states)}, but x has {list(self._parts)}.")
        loaded = {name: part.checked(*states[name]) for name, part in self._parts.items()}
        for name, part in self._parts.items():
            part.use(loaded[name])
        self.t, self.skipped = t, skipped


class _State(NamedTuple):
    """What a part keeps from step to step."""

    method: Any
    slots: np.ndarray
    carry: np.ndarray


class _Part:
    """One array, its method and its state."""

    def __init__(self, name: str, x: np.ndarray, method: Any, workers: int | None, owners: frozenset[int]):
        if is_auto(lr := innermost(method, "lr")) or is_plateau(lr):
            named = "ReduceOnPlateau" if is_plateau(lr) else '"auto"'
            raise ValueError(f"{method}: lr={named} needs the values of fun, which only minimize has. Give a number.")
        self.name, self.x, self._workers, self._owners = name, x, workers, owners
        self._shape, self._dtype = x.shape, x.dtype
        self._order: Literal["C", "F"] = "F" if x.flags.f_contiguous and not x.flags.c_contiguous else "C"
        self._in_place = x.flags.forc and x.flags.aligned
        self._work = x.reshape(-1, order=self._order) if self._in_place else np.empty(x.size, x.dtype)
        form = compiled_form(method)
        slots = np.zeros((len(slot_names(form)), x.size), x.dtype)
        start_slots(form, self._flat_x(), slots)
        self.use(_State(method, slots, np.array(start_carry(form), float)))

    def use(self, state: _State) -> None:
        """Go on from `state`."""
        self._state, self._form = state, compiled_form(state.method)
        self._maximize = bool(innermost(state.method, "maximize"))
        self._evaluates = holds_function(self._form)
        self._team = threads.sweep_team(self.x.size, self._workers)
        self._after = state.slots, state.carry, None, self._team
        self._entries: dict[bool, Callable] = {}  # of `step` and `checked_step`, for hyper-parameters without functions
        self._finite: Callable | None = None

    def _flat_x(self) -> np.ndarray:
        return self.x.reshape(-1, order=self._order)

    def flat(self, gradient: Any) -> np.ndarray:
        """The gradient as a vector of x's dtype and order; not copied where it is one that no update changes."""
        g = gradient
        if type(g) is not np.ndarray or g.dtype != self._dtype:
            g = _as_gradient(self.name, g, self._dtype)
        if g.shape != self._shape:
            raise ValueError(
                f"The gradient of {self.name} has shape {g.shape}; it must have {self._shape}, as {self.name}."
            )
        if g.ndim != 1 or not g.flags.c_contiguous:
            g = np.ascontiguousarray(g.reshape(-1, order=self._order))
        if self._maximize:
            return -g
        return g.copy() if _owner(g) in self._owners else g

    def form_at(self, t: int) -> Any:
        """The hyper-parameters for step `t`, with functions called: what they raise comes before any update."""
        return compiled_form(at(self._state.method, float(t))) if self._evaluates else self._form

    def is_finite(self, g: np.ndarray) -> bool:
        """Whether no element of g is NaN or inf."""
        if self._team is None:
            finite = self._finite = self._finite or bind(all_finite, self._work, None)
            return finite(g, None)
        with self._threads():
            return bind(all_finite, self._work, self._team)(g, self._team)

    def update(self, form: Any, t: int, g: np.ndarray, check: bool) -> bool:
        """Update x by g; with `check`, False and nothing updated where g is not finite."""
        work = self._work
        if not self._in_place:
            work[:] = self._flat_x()
        if self._team is None:
            entry = self._entries.get(check) or self._entry(form, check)
            taken = entry(form, float(t), None, work, g, *self._after)
        else:
            with self._threads():
                entry = self._entries.get(check) or self._entry(form, check)
                taken = entry(form, float(t), None, work, g, *self._after)
        if check and not taken:
            return False
        if not self._in_place:
            self.x[...] = work.reshape(self._shape, order=self._order)
        return True

    def _entry(self, form: Any, check: bool) -> Callable:
        """Compiled code of a step, kept where the types of all steps are the same."""
        entry = bind(checked_step if check else step, form, 1.0, None, self._work, self._work, *self._after)
        if not self._evaluates:
            self._entries[check] = entry
        return entry

    @contextmanager
    def _threads(self) -> Iterator[None]:
        """To be held while a team of threads runs."""
        if threads.sweep_team(self.x.size, self._workers) != self._team:
            self.use(self._state)  # this process was forked from one with threads, or numba was set to another number
        with threads.region(), threads.thread_count(self._workers):
            yield

    def answer(self) -> np.ndarray:
        """The point that the method gives as its answer, a copy."""
        point = answer(compiled_form(self._state.method), self._flat_x(), self._state.slots)
        return np.array(point, self._dtype).reshape(self._shape, order=self._order)

    def state_dict(self) -> dict[str, Any]:
        """Method, slots in the shape of x, and carried numbers."""
        state = self._state
        rows = zip(slot_names(self._form), state.slots, strict=True)
        slots = {name: row.reshape(self._shape, order=self._order).copy() for name, row in rows}
        return {"method": state.method, "slots": slots, "carry": state.carry.copy()}

    def checked(self, method: Any, given: dict, carry: Any) -> _State:
        """What `state_dict` gave, if it fits this array."""
        method = as_method(method)
        form = compiled_form(method)
        names = slot_names(form)
        if list(given) != names:
            raise ValueError(f"The state of {self.name} has slots {list(given)}; {method} needs {names}.")
        slots = np.empty((len(names), self.x.size), self._dtype)
        for row, (name, value) in zip(slots, given.items(), strict=True):
            array = np.asarray(value)
            if (array.shape, array.dtype) != (self._shape, self._dtype):
                raise ValueError(
                    f"Slot {name!r} of {self.name} has shape {array.shape} and dtype {array.dtype}; it must have "
                    f"{self._shape} and {self._dtype}, as {self.name}."
                )
            row[:] = array.reshape(-1, order=self._order)
        numbers = np.array(carry, float)
        if numbers.shape != (len(start_carry(form)),):
            raise ValueError(f"The state of {self.name} carries {numbers.size} numbers, not those of {method}.")
        return _State(method, slots, numbers)


# --- what the user gave ----------------------------------------------------------------------------------------------


def _label(name: Any) -> str:
    return "x" if name is None else f"x[{name!r}]"


def _named(values: Any) -> dict:
    """A dict, or a list by its indices."""
    return values if isinstance(values, dict) else dict(enumerate(values))


def _like_x(what: str, values: Any, names: Any) -> dict:
    """`values`, a dict or list like x, by the names of its arrays."""
    found = _named(values) if isinstance(values, (dict, list, tuple)) else {}
    if set(found) != set(names):
        keys = ", ".join(map(repr, names))
        raise ValueError(f"{what} must have one item for each array of x ({keys}); got {values!r:.80}.")
    return found


def _pair(function: Any) -> tuple:
    """What a closure returns."""
    found = function()
    if not isinstance(found, (tuple, list)) or len(found) != 2:
        raise TypeError(f"{name_of(function)} must return the pair (value, gradient), not {found!r:.80}.")
    return tuple(found)


def _owner(array: np.ndarray) -> int:
    """Identity of what owns the memory of an array."""
    while array.base is not None and isinstance(array.base, np.ndarray):
        array = array.base
    return id(array if array.base is None else array.base)


def _checked_array(name: str, x: Any) -> np.ndarray:
    if not isinstance(x, np.ndarray):
        raise TypeError(
            f"{name} must be a NumPy array, as it is updated in place, not {type(x).__name__}. Pass np.array(x), or "
            "tensor.numpy() of a tensor on the CPU."
        )
    if x.dtype not in (np.float32, np.float64):
        remedy = "." if x.dtype.kind not in "fiub" else f": pass {name}.astype(float)."
        raise TypeError(f"{name} must be float32 or float64, not {x.dtype}{remedy}")
    if not x.flags.writeable:
        raise ValueError(f"{name} is read-only, and is to be updated in place: pass a copy.")
    if x.size == 0:
        raise ValueError(f"{name} is empty: there is nothing to update.")
    return np.asarray(x)  # of a matrix or a masked array: the plain array that it is made of


def _require_apart(arrays: dict) -> None:
    for (first, a), (second, b) in combinations(arrays.items(), 2):
        if np.may_share_memory(a, b) and np.shares_memory(a, b):
            raise ValueError(f"{_label(first)} and {_label(second)} share memory: it would be updated twice.")


def _as_gradient(name: str, gradient: Any, dtype: Any) -> np.ndarray:
    array = np.asarray(gradient)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"The gradient of {name} must be real numbers, not {type(gradient).__name__} {gradient!r:.80}.")
    with np.errstate(over="ignore"):  # inf in float32: what is not finite is seen later
        return array.astype(dtype, copy=False)
