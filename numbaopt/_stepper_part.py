"""One array of a `Stepper`: its method, its state, and the compiled code of its steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import numpy as np

from ._compile import bind
from ._options import Options, as_method
from ._rule import answer, compiled_form, innermost, slot_names, start_carry
from ._sparse import Deferred, SparseGradient, is_sparse, sparse_gradient
from .drivers import threads
from .drivers.groups import begin, stored_as
from .drivers.step import checked_step, step
from .drivers.sweep import all_finite
from .schedules import at
from .schedules.auto import is_auto
from .schedules.functions import holds_function
from .schedules.plateau import is_plateau


class State(NamedTuple):
    """What a part keeps from step to step."""

    method: Any
    slots: np.ndarray
    carry: np.ndarray


class Part:
    """One array, its method and its state."""

    def __init__(self, name: str, x: np.ndarray, method: Any, options: Options, owners: frozenset[int]):
        if is_auto(lr := innermost(method, "lr")) or is_plateau(lr):
            named = "ReduceOnPlateau" if is_plateau(lr) else '"auto"'
            raise ValueError(
                f"{method}: lr={named} needs the values of fun, which only minimize has. Give a number, or use "
                "numbaopt.DoG."
            )
        self.name, self.x, self._workers, self._owners = name, x, options.workers, owners
        self._deferred: Deferred | None = None  # from the first sparse gradient on
        self._shape, self._dtype = x.shape, x.dtype
        self._order: Literal["C", "F"] = "F" if x.flags.f_contiguous and not x.flags.c_contiguous else "C"
        self._in_place = x.flags.forc and x.flags.aligned
        self._work = x.reshape(-1, order=self._order) if self._in_place else np.empty(x.size, x.dtype)
        form = compiled_form(method)
        slots = np.zeros((len(slot_names(form)), x.size), stored_as(options.state_dtype, x, form))
        self.use(State(method, slots, begin(form, self._flat_x(), slots)))

    def use(self, state: State) -> None:
        """Go on from `state`."""
        self._state, self._form = state, compiled_form(state.method)
        self._maximize = bool(innermost(state.method, "maximize"))
        self._evaluates = holds_function(self._form)
        self._team = threads.sweep_team(self.x.size, self._workers)
        self._after = state.slots, state.carry, None, self._team
        self._entries: dict[bool, Callable] = {}  # of `step` and `checked_step`, for hyper-parameters without functions
        self._finite: Callable | None = None

    def load(self, state: State) -> None:
        """Go on from `state`, to which nothing is deferred."""
        self._deferred = None
        self.use(state)

    def _flat_x(self) -> np.ndarray:
        return self.x.reshape(-1, order=self._order)

    def flat(self, gradient: Any) -> Any:
        """The gradient as a vector of x's dtype and order, or as a `SparseGradient`.

        It is not copied where it is a vector that no update changes.
        """
        g = gradient
        if type(g) is not np.ndarray or g.dtype != self._dtype:
            if is_sparse(g, self._shape):
                return self._sparse(g)
            g = _as_gradient(self.name, g, self._dtype)
        if g.shape != self._shape:
            raise ValueError(
                f"The gradient of {self.name} has shape {g.shape}; it must have {self._shape}, as {self.name}."
            )
        if g.ndim != 1 or not g.flags.c_contiguous:
            g = np.ascontiguousarray(g.reshape(-1, order=self._order))
        if self._maximize:
            return -g
        return g.copy() if owner(g) in self._owners else g

    def _sparse(self, gradient: Any) -> SparseGradient:
        found = sparse_gradient(self.name, gradient, self.x)
        if self._state.slots.dtype != self._dtype:
            raise ValueError(f"{self.name}: a sparse gradient needs a state in the dtype of x; leave out state_dtype.")
        if self._deferred is None:
            self._deferred = Deferred(self.name, self._form, self._work, *self._state[1:])
        return found._replace(values=-found.values) if self._maximize else found

    def form_at(self, t: int) -> Any:
        """The hyper-parameters for step `t`, with functions called: what they raise comes before any update."""
        return compiled_form(at(self._state.method, float(t))) if self._evaluates else self._form

    def is_finite(self, g: Any) -> bool:
        """Whether no element of g is NaN or inf."""
        if isinstance(g, SparseGradient):
            return bool(np.isfinite(g.values).all())
        if self._team is None:
            finite = self._finite = self._finite or bind(all_finite, self._work, None)
            return finite(g, None)
        with self._threads():
            return bind(all_finite, self._work, self._team)(g, self._team)

    def update(self, form: Any, t: int, g: Any, check: bool) -> bool:
        """Update x by g; with `check`, False and nothing updated where g is not finite."""
        work = self._work
        if self._deferred is not None:
            if check and not self.is_finite(g):
                return False
            if isinstance(g, SparseGradient):
                self._deferred.step(form, t, g)
                return True
            self._deferred.flush(t - 1)
            self._deferred.skip(t)
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

    def flush(self, t: int, indices: Any = None) -> None:
        """Bring the coordinates `indices` of the flattened x, or all, to the end of iteration `t`."""
        if self._deferred is not None:
            self._deferred.flush(t, indices)

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

    def checked(self, method: Any, given: dict, carry: Any) -> State:
        """What `state_dict` gave, if it fits this array."""
        method = as_method(method)
        form = compiled_form(method)
        names = slot_names(form)
        if list(given) != names:
            raise ValueError(f"The state of {self.name} has slots {list(given)}; {method} needs {names}.")
        slots = np.empty((len(names), self.x.size), stored := self._state.slots.dtype)
        for row, (name, value) in zip(slots, given.items(), strict=True):
            array = np.asarray(value)
            if (array.shape, array.dtype) != (self._shape, stored):
                whose = self.name if stored == self._dtype else f"the state of {self.name} now"
                raise ValueError(
                    f"Slot {name!r} of {self.name} has shape {array.shape} and dtype {array.dtype}; it must have "
                    f"{self._shape} and {stored}, as {whose}."
                )
            row[:] = array.reshape(-1, order=self._order)
        numbers = np.array(carry, float)
        if numbers.shape != (len(start_carry(form)),):
            raise ValueError(f"The state of {self.name} carries {numbers.size} numbers, not those of {method}.")
        return State(method, slots, numbers)


def owner(array: np.ndarray) -> int:
    """Identity of what owns the memory of an array."""
    while array.base is not None and isinstance(array.base, np.ndarray):
        array = array.base
    return id(array if array.base is None else array.base)


def _as_gradient(name: str, gradient: Any, dtype: Any) -> np.ndarray:
    array = np.asarray(gradient)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"The gradient of {name} must be real numbers, not {type(gradient).__name__} {gradient!r:.80}.")
    with np.errstate(over="ignore"):  # inf in float32: what is not finite is seen later
        return array.astype(dtype, copy=False)
