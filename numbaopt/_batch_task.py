"""A batch of problems from what was asked for to the result: compiled on threads, or one after the other."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import OptimizeResult

from ._batch_progress import progress_of
from ._batch_result import BatchResult, Story, converged
from ._batch_run import Batch, Watch, Work
from ._batch_single import error_of, run_singly
from ._batch_space import Spaces, given_of
from ._compile import compile_seconds
from ._compiled_objective import compiled_objective, compiled_value, is_parallel
from ._errors import attach_result
from ._exact import WrongGradientError, by_differences, with_gradient
from ._objective import Problem
from ._run import Run, require_types
from ._solver import SOLVERS, is_solver
from ._solver_run import SolverRun, for_solver
from ._status import Status
from .drivers.groups import begin
from .drivers.places import Found, Given, new_found
from .schedules.functions import reraise

TRIED = 8
"""Problems whose starting points are tried for the comparison of an exact gradient with a difference."""


class Task(NamedTuple):
    """What was asked for, read."""

    problem: Problem  # with the shared arguments only
    singles: Any  # `Singles`, or what is like it
    spaces: Spaces | None
    hyper: Any
    settings: Any
    with_jac: bool
    checked: bool = False  # whether the gradient has been compared with a difference already
    chunk_size: int | None = None  # problems that an executor gets at a time

    def problem_of(self, b: int, problem: Problem | None = None) -> Problem:
        """The problem, or one made of it, with all arguments of problem `b`."""
        items = tuple(values[b] for values in self.singles.batches)
        return (problem or self.problem)._replace(args=(*self.singles.args, *items))

    def run_of(self, b: int, problem: Problem) -> Run:
        """A single run of problem `b`, that has not begun."""
        x0 = self.singles.x0[b]
        space = None if self.spaces is None else self.spaces.box(self.singles.x0, b)
        if is_solver(self.hyper):
            _, space = for_solver(problem, self.hyper, x0, space)
        return self.new_run(self.problem_of(b, problem), x0, self.hyper, self.settings, space, None)

    def new_run(self, *given: Any) -> Run:
        """A run of the kind that the problems need."""
        return (SolverRun if is_solver(self.hyper) else Run)(*given)

    def with_gradient(self) -> Problem:
        """The problem, with the items of the first, and with the gradient that the method needs."""
        problem, x0 = self.problem_of(0), self.singles.x0
        if not is_solver(self.hyper):
            return with_gradient(problem, x0[0], False)
        b, spaces = 0, self.spaces
        if spaces is not None:  # any that has bounds where it must not, or has none where it must, for the error of it
            finite = np.isfinite(spaces.lower), np.isfinite(spaces.upper)
            wrong = ~(finite[0] & finite[1])
            if not SOLVERS[type(self.hyper)].needs_box:
                wrong = (finite[0] | finite[1]) & (spaces.lower < spaces.upper)
            b = int(wrong.any(axis=1).argmax())
        return for_solver(problem, self.hyper, x0[b], None if spaces is None else spaces.box(x0, b))[0]

    def objective(self, problem: Problem, args_type: Any) -> tuple[Any, bool]:
        """The compiled objective without its arguments, and whether it uses several threads itself."""
        x0, compiled = self.singles.x0, compiled_value if problem.jac == "none" else compiled_objective
        return compiled(problem, x0[0], 0, args_type), is_parallel(problem, x0[0], args_type)

    def counts(self) -> np.ndarray:
        """How many residuals each problem has, of shape (B,); empty where that does not differ."""
        return np.empty(0, np.int64)

    def new_finish(self) -> Any:
        """Room for what is computed of each finished problem beyond its result, see `drivers.many`; or None."""
        return None

    def take_single(self, finish: Any, b: int, result: OptimizeResult) -> None:
        """Note in `finish` what a single run has beyond its result."""

    def result(self, finish: Any, **values: Any) -> BatchResult:
        """The result of these values."""
        return BatchResult(**values)


def run_task(
    task: Task, started: float, compiled_before: float, elsewhere: Callable[[Told], None] | None = None
) -> BatchResult:
    """Run it, here or by `elsewhere`; what is raised has the result so far."""
    x0 = task.singles.x0
    found = new_found(x0, task.with_jac)
    told = Told(task, found)
    try:
        if len(x0) and elsewhere is not None:
            elsewhere(told)
        elif len(x0):
            with progress_of(len(x0), task.settings.disp) as progress:
                maxtime = np.inf if task.settings.maxtime is None else float(task.settings.maxtime)
                _run(task, told, Watch(maxtime, progress))
    except BaseException as error:
        found.status[found.status == Status.RUNNING] = Status.INTERRUPTED
        if isinstance(error, KeyboardInterrupt) or found.nfev.any():
            attach_result(error, told.result(started, compiled_before))
        raise
    return told.result(started, compiled_before)


class Told:
    """What becomes known in a run beside what is found of each problem."""

    def __init__(self, task: Task, found: Found):
        self.task, self.found, self.finish = task, found, task.new_finish()
        self.gradient, self.workers = task.problem.gradient or "", 1
        self.story: Story | None = None
        self.errors: dict[int, str] = {}
        self.messages: dict[int, str] = {}

    def take(self, part: BatchResult, low: int, high: int) -> None:
        """Take in the result of the problems `low` to `high - 1`, which were run as a batch of their own."""
        found, here = self.found, slice(low, high)
        self.story = part._story
        sign = self.story.sign if self.story else 1.0
        found.fun[here] = sign * part.fun
        if part.jac is not None:
            found.jac[here] = sign * part.jac
        for name in ("x", "nit", "nfev", "njev", "status"):
            getattr(found, name)[here] = getattr(part, name)
        found.details[here] = part._details
        for own, theirs in zip(self.finish or (), part._finish or (), strict=True):
            if np.ndim(own) > 0 and len(own) == len(found.fun):
                own[here] = theirs
        self.errors |= {low + b: text for b, text in part.errors.items()}
        self.messages |= {low + b: text for b, text in part._messages.items()}

    def result(self, started: float, compiled_before: float) -> BatchResult:
        """The result, at any time."""
        found, hyper = self.found, self.task.hyper
        compiled = compile_seconds() - compiled_before
        seconds = max(0.0, time.perf_counter() - started - compiled)
        sign = self.story.sign if self.story else 1.0
        success = converged(found, sign)
        if sign != 1.0:
            for values in (found.fun, found.jac):
                np.multiply(values, sign, out=values)
        return self.task.result(
            self.finish,
            x=found.x,
            fun=found.fun,
            jac=found.jac if self.task.with_jac and (self.story is None or self.story.has_gradient) else None,
            success=success,
            status=found.status,
            nit=found.nit,
            nfev=found.nfev,
            njev=found.njev,
            method=type(hyper).__name__.lower(),
            hyperparameters=hyper,
            gradient=self.gradient,
            time=OptimizeResult(compile=compiled, run=seconds),
            workers=self.workers,
            errors=self.errors,
            _details=found.details,
            _story=self.story,
            _messages=self.messages,
        )


def _run(task: Task, told: Told, watch: Watch) -> None:
    """Run all problems, compiled where that is possible."""
    problem = task.with_gradient()
    run = task.run_of(0, problem)
    told.gradient, told.story = run.gradient, _story(task, run)
    if problem.compiled and not run.answers:
        _run_compiled(task, problem, run, told, watch)
        for b in np.flatnonzero(told.found.status == Status.RAISED)[:1]:
            text = error_of(task.singles, int(b))
            told.errors |= {int(b): text} if text else {}
    else:
        told.story = told.story._replace(sign=1.0)
        told.messages, told.errors = run_singly(
            task.singles, told.found, watch.maxtime, watch.progress, functools.partial(task.take_single, told.finish)
        )


def chosen_gradient(task: Task) -> tuple[Any, str]:
    """What `jac` is to be for the problems of a task, compared with differences, and how the gradient is then named."""
    problem = task.with_gradient()
    run = task.run_of(0, problem)
    if not problem.compiled or run.answers:
        return task.problem.jac, run.gradient
    try:
        _check_start(task, problem, _work(task, problem, run, new_found(task.singles.x0, False)))
    except WrongGradientError as wrong:
        if not problem.optional:
            raise
        problem = by_differences(problem, str(wrong))
    if problem.jac == "none":  # a method without gradients
        return task.problem.jac, problem.gradient
    return "autodiff" if problem.label == "autodiff" else problem.jac, problem.gradient


def _story(task: Task, run: Run) -> Story:
    spaces = task.spaces
    bounded = spaces is not None and bool(np.isfinite(spaces.lower).any() or np.isfinite(spaces.upper).any())
    return Story(run.hyper, run.options, run.limits, run.sign, run.messages, bounded, run.has_gradient, run.extra)


# --- compiled ---------------------------------------------------------------------------------------------------------


def _run_compiled(task: Task, problem: Problem, run: Run, told: Told, watch: Watch) -> None:
    require_types(task.singles.args)
    work = _work(task, problem, run, told.found, told.finish)
    if not task.checked:
        try:
            _check_start(task, problem, work)
        except WrongGradientError as wrong:
            if not problem.optional:
                raise
            problem = by_differences(problem, str(wrong))
            run = task.run_of(0, problem)
            told.gradient, told.story = run.gradient, _story(task, run)
            work = _work(task, problem, run, told.found, told.finish)
    batch = Batch(work, task.settings.workers)
    told.workers = batch.workers
    try:
        batch.run(watch)
    finally:
        reraise(run.form)


def _work(task: Task, problem: Problem, run: Run, found: Found, finish: Any = None) -> Work:
    make = functools.partial(task.objective, problem)
    slots = None if is_solver(task.hyper) else _own_slots(task, run)
    given = given_of(task.singles.x0, task.spaces, slots)._replace(residuals=task.counts())
    measure = None if is_solver(task.hyper) or task.settings.xtol is None else 1
    args, batches = task.singles.args, task.singles.batches
    return Work(make, run.form, measure, run.state, run.space, run.limits, given, found, finish, args, batches)


def _own_slots(task: Task, run: Run) -> np.ndarray | None:
    """The slots of a rule at the start of each problem, where they depend on x0."""
    x0, slots = task.singles.x0, run.state.slots
    anywhere = np.zeros_like(slots)
    begin(run.form, np.full_like(x0[0], np.nan), anywhere)
    if not np.isnan(anywhere).any():
        return None
    own = np.zeros((len(x0), *slots.shape), slots.dtype)
    for b in range(len(x0)):
        begin(run.form, x0[b] if task.spaces is None else x0[b] / task.spaces.box(x0, b).scale, own[b])
    return own


def _check_start(task: Task, problem: Problem, work: Work) -> None:
    """What only an evaluation at a starting point tells: that of the first problem that has a finite value there."""
    count = min(TRIED, len(task.singles.x0))
    limits = work.limits.copy()
    limits["maxiter"] = 0
    given = Given(*(None if values is None else values[:count] for values in work.given))
    batches = tuple(values[:count] for values in work.batches)
    found = new_found(given.x0, True)
    tried = work._replace(given=given, found=found, limits=limits, batches=batches)
    Batch(tried, task.settings.workers).run(Watch(np.inf, None))
    for b in np.flatnonzero((found.status != Status.RAISED) & np.isfinite(found.fun))[:1]:
        run = task.run_of(b, problem)
        run.state.g[0] = found.jac[b]
        run.state.x[:] = found.x[b] if run.has_gradient else run.x0  # the methods that do without move at once
        run.state.progress["f_kept"] = found.fun[b]
        run._check_start()
