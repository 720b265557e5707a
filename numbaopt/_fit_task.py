"""Many fits as a task of the batch driver: what differs from many problems of minimize()."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numba
import numpy as np
from numba.core import types

from ._batch_arguments import batch_type
from ._batch_result import BatchResult
from ._batch_task import Task
from ._curve_run import CurveRun
from ._models import ModelCode, loader, model_code
from ._objective import Problem
from ._residual_run import warn_of_differences
from ._residuals import in_python, residual_objective
from ._result import assemble
from ._run import _read_only
from ._solver_run import for_solver
from ._status import Status
from .solvers._covariances import Covariances


@dataclass(repr=False)
class FitBatchResult(BatchResult):
    """The results of B fits of n parameters: a `BatchResult` whose fun is half the sum of squares, and

    Attributes
    ----------
    popt : ndarray, shape (B, n)
        The parameters: `x`.
    pcov : ndarray, shape (B, n, n)
        Their covariances; inf where the Jacobian is singular, or where there are too few points.
    perr : ndarray, shape (B, n)
        Their standard deviations.
    chisq : ndarray, shape (B,)
        Sums of squared weighted residuals; of the loss, where that is not linear.
    points : ndarray, shape (B,)
        How many values of each curve are not missing.
    """

    @property
    def popt(self) -> np.ndarray:
        """The parameters."""
        return self.x

    @property
    def pcov(self) -> np.ndarray:
        """Their covariances."""
        return self._finish.matrices

    @property
    def perr(self) -> np.ndarray:
        """Their standard deviations."""
        return np.sqrt(np.diagonal(self.pcov, axis1=1, axis2=2))

    @property
    def chisq(self) -> np.ndarray:
        """Sums of squares."""
        return 2 * self.fun

    @property
    def points(self) -> np.ndarray:
        """How many values of each curve are not missing."""
        return self._finish.points

    def __getitem__(self, b: int) -> Any:
        one = super().__getitem__(b)
        one.popt, one.pcov, one.chisq = one.x, self.pcov[b].copy(), float(self.chisq[b])
        return one


class Fits(NamedTuple):
    """What was asked for, as the batch driver reads it."""

    fun: Any
    x0: np.ndarray  # (B, n)
    args: tuple
    batches: tuple
    method: Any
    jac: Any
    spaces: Any
    options: dict
    order: tuple[int, ...]  # where xdata, y and weights are among args and batches
    m: int  # values in a curve
    absolute: bool
    points: np.ndarray  # (B,) values that are not missing
    hyper: Any
    settings: Any

    def data(self, b: int) -> tuple:
        """(xdata, y, weights) of curve `b`."""
        given = (*self.args, *(values[b] for values in self.batches))
        return tuple(given[i] for i in self.order)

    def part(self, low: int, high: int) -> Fits:
        """Those of the curves `low` to `high - 1` alone."""
        spaces = None if self.spaces is None else self.spaces.part(low, high)
        batches = tuple(values[low:high] for values in self.batches)
        return self._replace(x0=self.x0[low:high], batches=batches, spaces=spaces, points=self.points[low:high])

    def evaluate(self, b: int) -> None:
        """Call the model where curve `b` starts."""
        self.fun(self.data(b)[0], *self.x0[b])

    def run(self, b: int, **more: Any) -> Any:
        """A single fit of curve `b`."""
        x0, settings = self.x0[b], replace(self.settings, **more)
        box = None if self.spaces is None else self.spaces.box(self.x0, b)
        problem, space = for_solver(Problem(self.fun, self.jac, self.data(b), 1.0), self.hyper, x0, box)
        run = CurveRun(problem, x0, self.hyper, settings, space, None)
        result = assemble(run, run.execute(), 0.0, 0.0)
        spare = int(self.points[b]) - x0.size
        known = run.full_rank and (self.absolute or spare > 0)
        factor = 1.0 if self.absolute else 2 * result.fun / max(spare, 1)
        result.pcov = run.covariance * factor if known else np.full_like(run.covariance, np.inf)
        return result


class FitTask(Task):
    """A `Task` of fits; its problem's fun is the model."""

    def problem_of(self, b: int, problem: Problem | None = None) -> Problem:
        """The problem, or one made of it, with (xdata, y, weights) of curve `b`."""
        return (problem or self.problem)._replace(args=self.singles.data(b))

    def new_run(self, *given: Any) -> CurveRun:
        """A single fit."""
        return CurveRun(*given)

    def with_gradient(self) -> Problem:
        """The problem with its Jacobian named, and compiled where that is possible."""
        problem = self.problem
        if not problem.compiled:
            problem = in_python(problem)
            return problem._replace(label=problem.gradient)
        singles, why = self.singles, ""
        with contextlib.suppress(TypeError):
            why = self._code(problem, batch_type(singles.args, singles.batches, _read_only)).why
        if why:
            return problem._replace(jac="2-point", label=warn_of_differences(why))
        return problem._replace(label="autodiff" if problem.jac is None else problem.gradient)

    def _code(self, problem: Problem, args_type: Any) -> ModelCode:
        x0, order = self.singles.x0, self.singles.order
        vector = types.Array(numba.typeof(x0).dtype, 1, "C")
        data = tuple(tuple(args_type)[i] for i in order)
        return model_code(problem.fun, problem.jac, vector, x0.shape[1], loader(args_type, order), data)

    def objective(self, problem: Problem, args_type: Any) -> tuple[Any, bool]:
        """The compiled residuals without their arguments, and whether they use several threads themselves."""
        residuals, jacobian, _ = self._code(problem, args_type)
        objective = residual_objective(residuals, jacobian, 0, self.singles.m, callable(problem.jac))
        return objective, residuals.parallel or (jacobian is not None and jacobian.parallel)

    def new_finish(self) -> Covariances:
        """Room for the covariances."""
        count, n = self.singles.x0.shape
        matrices = np.full((count, n, n), np.inf, self.singles.x0.dtype)
        return Covariances(matrices, self.singles.points, int(self.singles.absolute))

    def take_single(self, finish: Covariances, b: int, result: Any) -> None:
        """Note the covariance of a single fit."""
        finish.matrices[b] = result.pcov

    def result(self, finish: Covariances, **values: Any) -> FitBatchResult:
        """The result of these values; a curve with fewer values than parameters is no success."""
        n = self.singles.x0.shape[1]
        for b in np.flatnonzero(finish.points < n):
            values["success"][b], values["status"][b] = False, Status.FLAT
            values["_messages"][int(b)] = (
                f"There are fewer values ({finish.points[b]}) than parameters ({n}): many parameters fit equally well."
            )
        return FitBatchResult(**values, _finish=finish)
