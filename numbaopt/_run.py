"""One minimisation: what it is given, the driver that runs it, and what it leaves for the result."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba.core import types
from scipy.optimize import OptimizeResult

from . import _checkpoint
from ._arguments import packed
from ._compiled_objective import compiled_objective
from ._exact import WrongGradientError
from ._groups import method_form
from ._objective import Problem, directional_mismatch, plain_objective
from ._options import Options
from ._rule import has_readout, slot_names
from ._status import MESSAGES, Status
from .drivers import slices, threads
from .drivers.evaluation import TO_EVALUATE, TO_MOVE, evaluations
from .drivers.groups import answer_of, one_of
from .drivers.loop import LIMITS, new_state, verdict
from .drivers.runner import CompiledLoop, PythonLoop
from .schedules.functions import reraise

HISTORY_ROWS = 4096
HISTORY_BYTES = 1 << 24


class Run:
    """Everything about one call of `minimize`; `execute` runs it, the attributes have what was found."""

    def __init__(self, problem: Problem, x0: np.ndarray, hyper: Any, options: Options, space: Any, callback: Any):
        self.problem, self.x0, self.hyper, self.options, self.space = problem, x0, hyper, options, space
        self.sign, self.gradient = problem.sign, problem.gradient
        self.form = self._compiled_form()
        self.limits = _limits(options, problem.sign)
        self.cost = cost = evaluations(problem.scheme, x0.size)
        self.limits["cost"] = cost
        self.answers = self._answers()
        if self.answers:  # one more evaluation at the end
            self.limits["maxfev"] -= cost
        self.history: list = []
        self.answer_value: float | None = None
        self.messages: dict[Status, str] = {}  # where a status means something of its own in this kind of run
        capacity = _history_capacity(options, x0)
        self.state = self._new_state(capacity)
        self.resumed = _checkpoint.resume(self)
        self.watch = slices.Watch(
            maxtime=np.inf if options.maxtime is None else float(options.maxtime),
            callback=None if callback is None else self._calling(callback),
            callback_every=options.callback_every or (0 if problem.compiled else 1),
            disp=_Progress(problem.sign) if options.disp else None,
            save=_checkpoint.saver(self),
            workers=options.workers,
            cost=cost,
        )

    def _compiled_form(self) -> Any:
        """The method as compiled code gets it."""
        return method_form(self.hyper, self.options.groups, self.x0.size)

    def _answers(self) -> bool:
        """Whether the method answers with another point than its last iterate."""
        return has_readout(one_of(self.form))

    def _new_state(self, capacity: int) -> Any:
        """The state at the start, with room for `capacity` rows of history."""
        options = self.options
        return new_state(self.x0, self.form, self.space, options.state_dtype, capacity, options.history_x)

    @property
    def slots(self) -> list[str]:
        """What is kept for each element of x."""
        return slot_names(one_of(self.form))

    def execute(self) -> Status:
        """Run to the end; the state has what was found, also where this raises."""
        with contextlib.ExitStack() as stack:
            options = {
                "measure": None if self.options.xtol is None else 1,
                "team": threads.sweep_team(self.x0.size, self.options.workers),
            }
            make_objective = self._compiled(stack) if self.problem.compiled else self._plain
            loop = self._loop(make_objective, options)
            stack.enter_context(threads.thread_count(self.options.workers))
            try:
                status = self._run(loop)
            finally:
                reraise(self.form)  # what a schedule raised comes first: all that follows is of its NaN
            if self.answers and self.state.progress["nit"][0] > 0:
                self._evaluate_answer(loop)
            self._finish(loop)
            return status

    def _finish(self, loop: Any) -> None:
        """What is left to be computed at the point that is returned."""

    @property
    def more_arrays(self) -> dict[str, np.ndarray]:
        """What a checkpoint has beside the state, by name."""
        return {}

    @property
    def taken_in(self) -> bool:
        """Whether what the last evaluation found has been taken in."""
        p = self.state.progress[0]
        return bool(p["nit_judged"] == p["nit"])

    def _standing(self) -> Status:
        """What the stopping tests say of the point that a resumed run starts from."""
        p, limit = (record.view(np.recarray)[0] for record in (self.state.progress, self.limits))
        return Status(verdict.py_func(p, limit)) if self.resumed and p.stage == TO_MOVE else Status.RUNNING

    def _loop(self, make_objective: Callable, options: dict) -> Any:
        kind = CompiledLoop if self.problem.compiled else PythonLoop
        return kind(make_objective, self.form, self.space, self.limits, self.state, options)

    def _run(self, loop: Any) -> Status:
        return slices.run(loop, self.state, self.history, self.watch, self._check_start, self._standing())

    def _evaluate_current(self, loop: Any) -> None:
        p = self.state.progress[0]
        p["stage"], p["done"] = TO_EVALUATE, 0
        while p["stage"] != TO_MOVE:
            loop(1, int(p["nit"]))

    def _evaluate_answer(self, loop: Callable[[int, int], int]) -> None:
        """Judge the point that the rule gives as its answer, as if it were the next iterate."""
        state, p = self.state, self.state.progress[0]
        x = state.x[p["current"]]
        if self.space is None:
            point = answer_of(self.form, x, state.slots)
        else:
            point = answer_of(self.form, x / self.space.scale, state.slots) * self.space.scale
            point = np.clip(point, self.space.lower, self.space.upper)
        ended = {name: p[name] for name in ("f", "slope")}
        p["current"] = 1 - p["kept"]
        state.x[p["current"]] = point
        p["poison"] = 0.0
        self.limits["record_every"] = 0
        self._evaluate_current(loop)
        self.answer_value = self.problem.sign * float(p["f"])
        for name, value in ended.items():
            p[name] = value

    @property
    def extra(self) -> dict[str, Any]:
        """What the result has beyond that of every run."""
        return {}

    @property
    def has_gradient(self) -> bool:
        """Whether the gradient is known at the points of the run."""
        return True

    def template(self, status: Status) -> str:
        """What `status` means in this kind of run, with fields that `_result.message` fills in."""
        return self.messages.get(status, MESSAGES[status])

    @property
    def bounded(self) -> bool:
        """Whether any element of x has a bound."""
        space = self.space
        return space is not None and bool(np.isfinite(space.lower).any() or np.isfinite(space.upper).any())

    @property
    def found_something(self) -> bool:
        """Whether a finite point has been evaluated."""
        return bool(self.state.progress["nit_kept"][0] >= 0)

    def _plain(self, team: int | None) -> Any:
        return plain_objective(self.problem, self.x0)

    def _compiled(self, stack: contextlib.ExitStack) -> Callable[[int | None], Any]:
        args = self.problem.args
        require_types(args)
        args_type = numba.typeof(args)
        address = stack.enter_context(packed(args, args_type))

        def make(team: int | None) -> Any:
            seen_as = args_type if team is None else _read_only(args_type)
            return compiled_objective(self.problem, self.x0, address, seen_as, team)

        return make

    def _x0_after(self) -> np.ndarray:
        """x0, as its evaluation left it."""
        return self.state.x[0]

    def _check_start(self) -> None:
        """What can only be found out by evaluating at x0."""
        start = self._x0_after()
        if not np.array_equal(start, self.x0):
            i = int(np.flatnonzero(start != self.x0)[0])
            changed = f"x[{i}] from {self.x0[i]:.6g} to {start[i]:.6g}"
            raise ValueError(f"fun changed its argument in place ({changed}). Let it work on a copy: x = x.copy().")
        if self.problem.label == "autodiff":
            self._check_autodiff()
        if self.problem.jac == "cs":
            value, p = self._plain_value(), self.state.progress[0]
            p["nfev"] += 2
            wrong = directional_mismatch(value, self.x0, float(p["f_kept"]), self.state.g[0], self.space)
            if wrong is not None:
                raise ValueError(
                    f"The complex step is wrong for this function: along a random direction it gives the derivative "
                    f"{wrong[0]:.6g}, a central difference {wrong[1]:.6g}. It needs an analytic function: abs, norm, "
                    'var, max, comparisons and, in numba, powers of negative numbers break it. Use jac="3-point".'
                )

    def _check_autodiff(self) -> None:
        p = self.state.progress[0]
        value, f, g = self._plain_value(), float(p["f_kept"]), self.state.g[0]
        p["nfev"] += 2
        try:
            wrong = directional_mismatch(value, self.x0, f, g, self.space, kinks=True)
        except OverflowError:  # an integer among the arguments that compiled code takes only from compiled code
            return
        if wrong is not None:
            raise WrongGradientError(self.problem.value, *wrong)

    def _plain_value(self) -> Callable:
        return plain_objective(self._of_value(), self.x0).value

    def _of_value(self) -> Problem:
        """The problem without its gradient."""
        return self.problem._replace(fun=self.problem.value or self.problem.fun, jac="2-point")

    def _shown(self, state: Any) -> tuple[np.ndarray, Callable[[], Any]]:
        """What a callback gets: x, and what gives its gradient."""
        current = state.progress[0]["current"]
        return state.x[current].copy(), lambda: self.sign * state.g[current]

    def _calling(self, callback: Callable) -> Callable[..., bool]:
        """The user's callback, in either of scipy's forms, as a function that says whether to stop."""
        whole = _takes_intermediate_result(callback)

        def call(state: Any) -> bool:
            p = state.progress[0]
            x, gradient = self._shown(state)
            try:
                if whole:
                    counts = {name: int(p[name]) for name in ("nit", "nfev", "njev")} | self.extra
                    shown = OptimizeResult(x=x, fun=self.sign * float(p["f"]), jac=gradient(), **counts)
                    if not self.has_gradient:
                        del shown.jac, shown.njev
                    callback(intermediate_result=shown)
                else:
                    callback(x)
            except StopIteration:
                return True
            return False

        return call


class _Progress:
    """Prints a line a second."""

    def __init__(self, sign: float):
        self.sign, self.next_line = sign, 1.0

    def __call__(self, state: Any, seconds: float) -> None:
        if seconds >= self.next_line:
            p = state.progress[0]
            slope = "" if np.isnan(p["slope"]) else f" max|gradient| {p['slope']:.3g}"
            print(f"  {seconds:6.1f} s  nit {p['nit']:>9}  fun {self.sign * p['f']:<16.9g}{slope}")
            self.next_line = seconds + 1.0


def _limits(options: Options, sign: float) -> np.ndarray:
    limits = np.zeros(1, LIMITS)
    for name in ("gtol", "ftol", "xtol"):
        value = getattr(options, name)
        limits[name] = -1.0 if value is None else value
    limits["ftarget"] = -np.inf if options.ftarget is None else sign * options.ftarget
    limits["patience"], limits["maxiter"] = options.patience, options.maxiter
    limits["maxfev"] = np.iinfo(np.int64).max if options.maxfev is None else options.maxfev
    limits["keep_last"], limits["skip"] = options.keep == "last", options.nonfinite == "skip"
    limits["record_every"] = int(options.history)
    return limits


def _history_capacity(options: Options, x0: np.ndarray) -> int:
    """Rows that may wait between slices."""
    if not options.history:
        return 1
    return max(2, min(HISTORY_ROWS, HISTORY_BYTES // x0.nbytes)) if options.history_x else HISTORY_ROWS


def require_types(args: tuple) -> None:
    """A TypeError that names the element of `args` that has no numba type."""
    for i, value in enumerate(args):
        try:
            numba.typeof(value)
        except Exception:  # numba has several for it
            raise TypeError(
                f"args[{i}], of type {type(value).__name__}, is nothing that numba can pass to a compiled fun. Pass "
                "arrays, numbers and tuples of them, or make fun a plain Python function."
            ) from None


def _read_only(ty: Any) -> Any:
    """`ty` with all arrays read-only; a TypeError where that proves nothing."""
    if isinstance(ty, types.Array):
        return ty.copy(readonly=True)
    if isinstance(ty, (types.NamedTuple, types.NamedUniTuple)):
        return types.NamedTuple([_read_only(t) for t in ty], ty.instance_class)
    if isinstance(ty, types.BaseTuple):
        return types.Tuple([_read_only(t) for t in ty])
    if isinstance(ty, (types.Number, types.Boolean, types.UnicodeType, types.NoneType)):
        return ty
    raise TypeError(f"{ty} may be written to")


def _takes_intermediate_result(callback: Callable) -> bool:
    try:
        return set(inspect.signature(callback).parameters) == {"intermediate_result"}
    except (TypeError, ValueError):
        return False
