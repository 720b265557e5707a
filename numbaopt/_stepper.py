"""Stepper: one update at a time, for those who own the loop."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np

from ._compile import bind
from ._options import as_method
from ._rule import answer, compiled_form, innermost, slot_names, start_carry, start_slots
from ._sparse import Deferred, SparseGradient, elements, is_sparse, rows, sparse_gradient
from .drivers import threads
from .drivers.step import step
from .drivers.sweep import all_finite
from .schedules import at
from .schedules.functions import holds_plain

NONFINITE = ("stop", "skip", "ignore")


class Stepper:
    """Update arrays in place by gradients that come from elsewhere: `minimize` with the loop left to you.

    ::

        for t = 1, 2, ...:   x, state = rule(x, gradient, state, t)

    Parameters
    ----------
    x : ndarray, or list or dict of ndarray
        What is updated, in place: of any shape, float32 or float64, contiguous or not (then it costs a copy more).
        Several arrays are one problem; each has its own state, and a rule that takes sums over all coordinates
        (LAMB's trust ratio) takes them for each array.
    method : str, class or hyper-parameter object, or a list or dict of them
        As for `minimize`; one for each array where there are several.
    nonfinite : {"stop", "skip", "ignore"}
        What a gradient with a NaN or inf does: raise FloatingPointError before anything is updated, leave the step
        out and count it in `skipped`, or go into the update unseen (which saves one pass over the gradient).
    workers : int, optional
        Threads; numba's own setting by default.

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
        self.x, self.t, self.skipped = x, 0, 0
        self._names = _names(x)
        methods = method if isinstance(method, (list, dict)) else dict.fromkeys(self._names, method)
        given = _by_name("x", x, self._names)
        chosen = _by_name("method", methods, self._names) if isinstance(method, (list, dict)) else methods
        self._parts = [
            _Part(_label("x", name, x), given[name], as_method(chosen[name]), workers) for name in self._names
        ]
        self._nonfinite = nonfinite

    def step(self, gradient: Any) -> float | None:
        """Update x by `gradient`: an array like x, a list or dict of arrays like x, or a function.

        A function takes no arguments and returns the pair (value, gradient); its value is returned. In place of any
        array, a scipy.sparse array or a pair (indices, values), where values[k] belongs to x[indices[k]] and what is
        there twice is added up, does what zeros everywhere else do, at the cost of the coordinates that it has: other
        elements of x stay behind until `flush`, or until their gradient comes.
        """
        value = None
        if callable(gradient):
            value, gradient = gradient()
        if len(self._parts) == 1 and self._names == [None]:
            gradients = [self._parts[0].flat(gradient)]
        else:
            by_name = _by_name("gradient", gradient, self._names)
            gradients = [part.flat(by_name[name]) for part, name in zip(self._parts, self._names, strict=True)]
        if self._nonfinite != "ignore":
            bad = [part for part, g in zip(self._parts, gradients, strict=True) if not part.is_finite(g)]
            if bad and self._nonfinite == "skip":
                self.skipped += 1
                return value
            if bad:
                raise FloatingPointError(
                    f"The gradient of {bad[0].name} is not finite in step {self.t + 1}; nothing was updated. Use a "
                    'smaller lr, clip the gradient, or pass nonfinite="skip" to leave such steps out.'
                )
        for part in self._parts:
            part.check_schedules(self.t + 1.0)
        self.t += 1
        for part, g in zip(self._parts, gradients, strict=True):
            part.update(float(self.t), g)
        return value

    def flush(self, indices: Any = None) -> None:
        """Bring x[indices], or all of x, up to date after steps with sparse gradients.

        An objective must not read an element of x that is behind. Where x is a list or dict, so is `indices`, with
        None for all of an array. What is behind: nothing, with SparseAdam, and with Adagrad, Adadelta, RMSprop and SGD
        without momentum and weight decay.
        """
        wanted = dict.fromkeys(self._names) if indices is None else _by_name("indices", indices, self._names)
        found = [
            None if wanted[name] is None else elements(rows(part.name, wanted[name], part.x), part.x)
            for part, name in zip(self._parts, self._names, strict=True)
        ]
        for part, coordinates in zip(self._parts, found, strict=True):
            part.flush(self.t, coordinates)

    def ask(self) -> Any:
        """Where the next gradient is wanted: x itself."""
        return self.x

    tell = step

    @property
    def answer(self) -> Any:
        """The point that the method gives as its answer, a copy: x, but for methods that average their iterates."""
        self.flush()
        points = [part.answer() for part in self._parts]
        if isinstance(self.x, dict):
            return dict(zip(self._names, points, strict=True))
        return points if isinstance(self.x, (list, tuple)) else points[0]

    def state_dict(self) -> dict[str, Any]:
        """All that a step depends on but x, as copies: numbers, NumPy arrays and method objects; it pickles.

        x is brought up to date first.
        """
        self.flush()
        return {"t": self.t, "skipped": self.skipped, "parts": [part.state_dict() for part in self._parts]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave: x must be of the same shapes, and is not changed."""
        try:
            t, skipped, parts = int(state["t"]), int(state["skipped"]), list(state["parts"])
        except (TypeError, KeyError, ValueError):
            raise ValueError("state must be what Stepper.state_dict() returned.") from None
        if len(parts) != len(self._parts):
            raise ValueError(f"state has {len(parts)} arrays, but x has {len(self._parts)}.")
        loaded = [part.checked(given) for part, given in zip(self._parts, parts, strict=True)]
        for part, given in zip(self._parts, loaded, strict=True):
            part.use(given)
            part.deferred = None
        self.t, self.skipped = t, skipped


class _State(NamedTuple):
    """What a part keeps from step to step."""

    method: Any
    slots: np.ndarray
    carry: np.ndarray


class _Part:
    """One array, its method and its state."""

    def __init__(self, name: str, x: Any, method: Any, workers: int | None):
        self.name, self.x, self.workers = name, _checked_array(name, x), workers
        self.order: Literal["C", "F"] = "F" if x.flags.f_contiguous and not x.flags.c_contiguous else "C"
        view = x.reshape(-1, order=self.order)
        self.deferred: Deferred | None = None
        self.in_place = np.may_share_memory(view, x)
        self.work = view
        form = compiled_form(method)
        slots = np.zeros((len(slot_names(form)), x.size), x.dtype)
        start_slots(form, view, slots)
        self.use(_State(method, slots, np.array(start_carry(form))))

    def use(self, state: _State) -> None:
        """Go on from `state`."""
        self.state, form = state, compiled_form(state.method)
        self.sign = -1 if innermost(state.method, "maximize") else 1
        team = threads.sweep_team(self.x.size, self.workers)
        self._calls_python = holds_plain(form)
        self._form, self._after, self._team = form, (state.slots, state.carry, None, team), team
        self._step = bind(step, form, 1.0, None, self.work, self.work, *self._after)
        self._finite = bind(all_finite, self.work, team)

    def flat(self, gradient: Any) -> Any:
        """The gradient as a vector of x's dtype and order, not copied where it is one, or as a `SparseGradient`."""
        g, x = gradient, self.x
        if type(g) is not np.ndarray or g.dtype != x.dtype:
            if is_sparse(g, x.shape):
                sparse = sparse_gradient(self.name, g, x)
                if self.deferred is None:
                    self.deferred = Deferred(self.name, self._form, self.work, *self.state[1:])
                return sparse._replace(values=-sparse.values) if self.sign < 0 else sparse
            g = _as_gradient(self.name, g, x.dtype)
        if g.shape != x.shape:
            raise ValueError(
                f"The gradient of {self.name} has shape {g.shape}; it must have {x.shape}, as {self.name}."
            )
        if g.ndim != 1 or not g.flags.c_contiguous:
            g = np.ascontiguousarray(g.reshape(-1, order=self.order))
        return -g if self.sign < 0 else g

    def is_finite(self, g: Any) -> bool:
        if isinstance(g, SparseGradient):
            return bool(np.isfinite(g.values).all())
        if self._team is None:
            return self._finite(g, None)
        if threads.sweep_team(self.x.size, self.workers) != self._team:  # this process was forked from one with threads
            self.use(self.state)
        with threads.region():
            return self._finite(g, self._team)

    def check_schedules(self, t: float) -> None:
        """Raise what a Python function among the hyper-parameters raises, before it can do harm."""
        if self._calls_python:
            at(self.state.method, t)

    def update(self, t: float, g: Any) -> None:
        if isinstance(g, SparseGradient) and self.deferred is not None:
            self.deferred.step(int(t), g)
            return
        if self.deferred is not None:
            self.deferred.flush(int(t) - 1)
            self.deferred.skip(int(t))
        if not self.in_place:
            self.work[:] = self.x.reshape(-1, order=self.order)
        if self._team is None:
            self._step(self._form, t, None, self.work, g, *self._after)
        else:
            with threads.region():
                self._step(self._form, t, None, self.work, g, *self._after)
        if not self.in_place:
            self.x[...] = self.work.reshape(self.x.shape, order=self.order)

    def flush(self, t: int, indices: np.ndarray | None) -> None:
        if self.deferred is not None:
            self.deferred.flush(t, indices)

    def answer(self) -> np.ndarray:
        flat = self.x.reshape(-1, order=self.order)
        point = answer(compiled_form(self.state.method), flat, self.state.slots)
        return np.array(point, self.x.dtype).reshape(self.x.shape, order=self.order)

    def state_dict(self) -> dict[str, Any]:
        names = slot_names(compiled_form(self.state.method))
        slots = {name: row.copy() for name, row in zip(names, self.state.slots, strict=True)}
        return {"method": self.state.method, "slots": slots, "carry": self.state.carry.copy()}

    def checked(self, given: Any) -> _State:
        """What `state_dict` gave, if it fits this array."""
        method = given["method"]
        form = compiled_form(as_method(method))
        names, shape = slot_names(form), (self.x.size,)
        found = {name: np.asarray(row) for name, row in given["slots"].items()}
        if list(found) != names:
            raise ValueError(f"The state of {self.name} has slots {list(found)}; {method} needs {names}.")
        for name, row in found.items():
            if row.shape != shape:
                raise ValueError(f"Slot {name!r} of {self.name} has shape {row.shape}; it must have {shape}.")
        slots = np.array([*found.values()], self.x.dtype).reshape(len(names), self.x.size)
        carry = np.array(given["carry"], float)
        if carry.shape != (len(start_carry(form)),):
            raise ValueError(f"The state of {self.name} carries {carry.size} numbers, not those of {method}.")
        return _State(method, slots, carry)


# --- what the user gave ----------------------------------------------------------------------------------------------


def _names(x: Any) -> list:
    if isinstance(x, dict):
        return list(x)
    return list(range(len(x))) if isinstance(x, (list, tuple)) else [None]


def _label(what: str, name: Any, x: Any) -> str:
    return what if name is None else f"{what}[{name!r}]"


def _by_name(what: str, values: Any, names: list) -> dict:
    """`values`, a dict or list (or one thing alone) like x, as a dict."""
    if names == [None]:
        return {None: values}
    found = values if isinstance(values, dict) else None
    if isinstance(values, (list, tuple)):
        found = dict(zip(names, values, strict=False)) if len(values) == len(names) else {}
    if found is None or set(found) != set(names):
        keys = ", ".join(map(repr, names))
        raise ValueError(f"{what} must have one item for each array of x ({keys}); got {values!r:.80}.")
    return found


def _checked_array(name: str, x: Any) -> np.ndarray:
    if not isinstance(x, np.ndarray):
        raise TypeError(
            f"{name} must be a NumPy array, as it is updated in place, not {type(x).__name__}. Pass np.array(x), or "
            "tensor.numpy() of a tensor on the CPU."
        )
    if x.dtype not in (np.float32, np.float64):
        raise TypeError(f"{name} must be float32 or float64, not {x.dtype}: pass {name}.astype(float).")
    if not x.flags.writeable:
        raise ValueError(f"{name} is read-only, and is to be updated in place: pass a copy.")
    if x.size == 0:
        raise ValueError(f"{name} is empty: there is nothing to update.")
    return x


def _as_gradient(name: str, gradient: Any, dtype: Any) -> np.ndarray:
    array = np.asarray(gradient)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"The gradient of {name} must be real numbers, not {type(gradient).__name__} {gradient!r:.80}.")
    return array.astype(dtype)
