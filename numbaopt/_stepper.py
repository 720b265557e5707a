"""Stepper: one update at a time, for those who own the loop."""

from __future__ import annotations

from itertools import combinations
from operator import index
from typing import Any

import numpy as np

from ._errors import name_of
from ._options import Options, as_method
from ._sparse import elements, rows
from ._stepper_part import Part, owner

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
        As for `minimize`, but that a name without `lr` has the method's default rate; one for each array where there
        are several.
    nonfinite : {"stop", "skip", "ignore"}
        What a gradient with a NaN or inf does: raise FloatingPointError before anything is updated, leave the step
        out and count it in `skipped`, or go into the update unseen (which saves one pass over the gradient).
    workers : int, optional
        Threads (numba's setting); -1 for all.
    state_dtype : {"float32", "bfloat16"}, optional
        How the state is stored, instead of in the dtype of x, as for `minimize`: in half or a quarter of the memory,
        bfloat16 rounded stochastically (in `state_dict` as the uint16 of its bits). Not with sparse gradients.

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

    def __init__(
        self,
        x: Any,
        method: Any = "adam",
        *,
        nonfinite: str = "stop",
        workers: int | None = None,
        state_dtype: str | None = None,
    ):
        if nonfinite not in NONFINITE:
            raise ValueError(f"nonfinite={nonfinite!r} must be one of {', '.join(map(repr, NONFINITE))}.")
        options = Options(workers=workers, state_dtype=state_dtype)
        self.x, self.t, self.skipped = x, 0, 0
        self._nonfinite, self._checks = nonfinite, nonfinite != "ignore"
        self._given = {"nonfinite": nonfinite, "workers": workers, "state_dtype": state_dtype}
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
        owners = frozenset(map(owner, arrays.values()))
        self._parts = {
            name: Part(_label(name), array, as_method(methods[name]), options, owners) for name, array in arrays.items()
        }
        self._only = None if several else self._parts[None]

    def __reduce__(self) -> tuple:
        """For copies and pickles: what it was made of, and its state; compiled code is found again."""
        state = self.state_dict()
        methods = {name: part["method"] for name, part in state["parts"].items()}
        if self._only is not None:
            return _again, (self.x, methods[None], self._given, state)
        return _again, (self.x, methods if isinstance(self.x, dict) else list(methods.values()), self._given, state)

    def step(self, gradient: Any) -> Any:
        """Update x by `gradient`: an array like x, a list or dict of arrays like x, or a function.

        A function takes no arguments and returns the pair (value, gradient); its value is returned. In place of any
        array, a scipy.sparse array or a pair (indices, values), where values[k] belongs to x[indices[k]] and what is
        there twice is added up, does what zeros everywhere else do, at the cost of the coordinates that it has: other
        elements of x stay behind until `flush`, or until their gradient comes.
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

    def _step_all(self, gradient: Any, t: int) -> Part | None:
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

    def flush(self, indices: Any = None) -> None:
        """Bring x[indices], or all of x, up to date after steps with sparse gradients.

        An objective must not read an element of x that is behind. Where x is a list or dict, so is `indices`, with
        None for all of an array. What is behind: nothing, with SparseAdam, and with Adagrad, Adadelta, RMSprop and SGD
        without momentum and weight decay.
        """
        several = indices is not None and self._only is None
        wanted = _like_x("indices", indices, self._parts) if several else dict.fromkeys(self._parts, indices)
        found = {
            name: None if wanted[name] is None else elements(rows(part.name, wanted[name], part.x), part.x)
            for name, part in self._parts.items()
        }
        for name, part in self._parts.items():
            part.flush(self.t, found[name])

    def ask(self) -> Any:
        """Where the next gradient is wanted: x itself."""
        return self.x

    tell = step

    @property
    def answer(self) -> Any:
        """The point that the method gives as its answer, a copy: x, but for methods that average their iterates."""
        self.flush()
        points = {name: part.answer() for name, part in self._parts.items()}
        if isinstance(self.x, dict):
            return points
        return points[None] if self._only is not None else list(points.values())

    def state_dict(self) -> dict[str, Any]:
        """All that a step depends on but x, as copies: numbers, NumPy arrays and method objects; it pickles.

        x is brought up to date first.
        """
        self.flush()
        parts = {name: part.state_dict() for name, part in self._parts.items()}
        return {"t": self.t, "skipped": self.skipped, "parts": parts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave: x must be of the same shapes and dtypes, and is not changed.

        The methods are part of the state and come from it, whatever the `Stepper` was made with, unlike in torch.
        """
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
            part.load(loaded[name])
        self.t, self.skipped = t, skipped


def _again(x: Any, method: Any, given: dict[str, Any], state: dict[str, Any]) -> Stepper:
    """The `Stepper` that was copied or pickled."""
    stepper = Stepper(x, method, **given)
    stepper.load_state_dict(state)
    return stepper


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
