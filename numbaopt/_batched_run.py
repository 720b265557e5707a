"""One minimisation of a finite sum over minibatches: what differs from any other."""

from __future__ import annotations

import contextlib
import inspect
import secrets
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ._batches import steps_per_epoch
from ._errors import name_of
from ._objective import Problem, plain_objective
from ._options import Options
from ._run import Run, require_types
from ._status import Status
from .drivers import slices
from .drivers.batches import (
    DECISION,
    RESULT,
    Batches,
    CompiledBatchLoop,
    PythonBatchLoop,
    begin,
    evaluate_all,
    new_batches,
    reopen,
)

MESSAGES = {
    Status.MAXITER: (
        "Stopped after {nit} steps, {nepoch} whole epochs; the largest element of the {projected}gradient on all "
        "samples is {slope:.3g}, gtol is {gtol}. Raise `maxepoch` or `maxiter` if fun was still falling. "
    ),
    Status.FTOL: (
        "Converged: in {patience} evaluations on all samples the best fun improved by less than ftol = {ftol:.3g}, "
        "relative. If the noise of the batches held it up, a schedule that lets `lr` fall gets lower."
    ),
    Status.XTOL: (
        "Converged: between {patience} evaluations on all samples no step moved x by more than xtol = {xtol:.3g}, "
        "relative."
    ),
    Status.MAXFEV: (
        "Stopped: another step, and the evaluation on all samples that ends a run, would pass maxfev = {maxfev} "
        "evaluations of fun, each on one batch. Raise `maxfev`."
    ),
}
"""What `result.message` says where a status has to do with batches."""

NOISE = (
    "Where it hovers, the noise of the batches holds it up: let `lr` fall by a schedule, take larger batches, or "
    'variance_reduction="svrg".'
)
NO_NOISE = "Where it hovers, a smaller `lr`, or one that falls by a schedule, gets lower."


class BatchedRun(Run):
    """A `Run` whose fun takes `idx`, the samples of a batch, after x (after the gradient for jac="inplace")."""

    def __init__(self, problem: Problem, x0: np.ndarray, hyper: Any, options: Options, space: Any, callback: Any):
        _require_idx(problem)
        n_samples, batch_size = int(options.n_samples or 0), int(options.batch_size or 0)
        _warn_of_missing_samples(problem, n_samples)
        self.batches = new_batches(
            x0.size,
            x0.dtype,
            n_samples,
            batch_size,
            options.shuffle,
            secrets.randbits(62) if options.seed is None else options.seed,
            options.evaluate_every or 0,
            options.snapshot_every or 0,
        )
        self.args, self.steps = problem.args, steps_per_epoch(n_samples, batch_size)
        self._gradients = np.empty((2, x0.size), x0.dtype)
        super().__init__(problem._replace(args=self._arguments(problem)), x0, hyper, options, space, callback)
        hint = NO_NOISE if options.variance_reduction else NOISE
        self.messages = MESSAGES | {Status.MAXITER: MESSAGES[Status.MAXITER] + hint}
        self.walker = self.state._replace(g=self._gradients)
        self.batches.progress["address"] = 0  # which a checkpoint has of another process
        self._limit()

    def _arguments(self, problem: Problem) -> Any:
        """idx before the user's own arguments."""
        if not problem.compiled:
            return _WithBatch(self.batches, problem.args)
        require_types(problem.args)
        idx = self.batches.window[:]
        idx.flags.writeable = False
        return (idx, *problem.args)

    def _limit(self) -> None:
        """The limits of a run that ends with an evaluation on all samples."""
        limits, cost = self.limits[0], self.watch.cost
        if self.answers:
            limits["maxfev"] -= (self.steps - 1) * cost
        limits["cost"] = cost * ((2 if self.options.snapshot_every else 1) + self.steps)
        if self.options.maxepoch is not None:
            limits["maxiter"] = min(limits["maxiter"], self.options.maxepoch * self.steps)
        limits["record_every"] = int(bool(self.options.history))

    def _loop(self, make_objective: Callable, options: dict) -> Any:
        kind = CompiledBatchLoop if self.problem.compiled else PythonBatchLoop
        states = self.state, self.walker, self.batches
        loop = kind(make_objective, self.form, self.space, self.limits, *states, options)
        if not self.resumed:
            begin(self.state, self.batches)
        elif self._standing() == Status.RUNNING:
            reopen(self.state, self.batches)
        return loop

    @property
    def more_arrays(self) -> dict[str, np.ndarray]:
        """The gradients of batches, and all that tells where the run is in them."""
        return {"gradients": self._gradients, **{f"batches.{k}": v for k, v in self.batches._asdict().items()}}

    @property
    def taken_in(self) -> bool:
        """Whether what the last evaluation found has been taken in."""
        return bool(self.batches.progress["waits"][0] != RESULT)

    def _standing(self) -> Status:
        ended = self.batches.progress["waits"][0] == DECISION
        return super()._standing() if ended else Status.RUNNING

    def _run(self, loop: Any) -> Status:
        try:
            status = slices.run(loop, self.walker, self.history, self.watch, self._check_start, self._standing())
        except BaseException:
            with contextlib.suppress(BaseException):  # fun may have raised, and may again; a second Ctrl-C ends it
                self._conclude(loop)
            raise
        if status != Status.NONFINITE:
            self._conclude(loop)
        return status

    def _conclude(self, loop: Any) -> None:
        """Judge the point where the run is, if it was left between two evaluations on all samples."""
        p = self.state.progress[0]
        if p["poison"] == 0 and 0 <= self.batches.progress["nit_judged"][0] < p["nit"]:
            self._evaluate_current(loop)
            slices.collect(self.state, self.history)

    def _evaluate_current(self, loop: Any) -> None:
        evaluate_all(loop, self.state, self.batches)

    def _plain_value(self) -> Callable:
        samples = np.arange(self.batches.order.size)
        return plain_objective(self._of_value()._replace(args=(samples, *self.args)), self.x0).value

    @property
    def extra(self) -> dict[str, Any]:
        """Epochs that are over, and the seed."""
        b = self.batches.progress[0]
        return {"nepoch": int(b["nepoch"]), "seed": int(b["seed"])}


class _WithBatch:
    """The arguments of a Python objective: a copy of the batch as it is when they are unpacked, and the user's own."""

    def __init__(self, batches: Batches, args: tuple):
        self._window, self._progress, self._args = batches.window, batches.progress[0], args

    def __iter__(self) -> Iterator[Any]:
        yield self._window[: self._progress["count"]].copy()
        yield from self._args


def _warn_of_missing_samples(problem: Problem, n_samples: int) -> None:
    """A compiled fun reads behind the end of its arrays where idx has numbers that are too large."""
    shapes = [a.shape for a in problem.args if isinstance(a, np.ndarray) and a.ndim]
    if problem.compiled and shapes and max(map(max, shapes)) < n_samples:
        warnings.warn(
            f"n_samples={n_samples}, but no array in args is as long: their shapes are {', '.join(map(str, shapes))}. "
            "idx has the numbers 0 to n_samples - 1, and compiled code does not look where an array ends.",
            RuntimeWarning,
            stacklevel=4,
        )


def _require_idx(problem: Problem) -> None:
    """An error that shows how fun and jac are called, where they cannot be called so."""
    inplace = isinstance(problem.jac, str) and problem.jac == "inplace"
    for role, function in (("fun", problem.fun), ("jac", problem.jac)):
        if not callable(function):
            continue
        call = f"{role}(x, grad, idx, *args)" if inplace else f"{role}(x, idx, *args)"
        count = len(problem.args) + (3 if inplace else 2)
        try:
            signature = inspect.signature(getattr(function, "py_func", function))
        except (TypeError, ValueError):  # a builtin, or what has none to be seen
            continue
        try:
            signature.bind(*range(count))
        except TypeError as error:
            raise TypeError(
                f"{role} is {name_of(function)[:-2]}{signature}, but with batch_size it is called as {call}, here with "
                f"{count} arguments ({error}). Let it take idx, the samples of a batch, and return the mean over them."
            ) from None
