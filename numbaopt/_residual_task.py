"""Many sums of squares as a task of the batch driver: where fun of `minimize_batch` returns residuals."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ._batch_arguments import Ragged, batch_type
from ._batch_task import Task
from ._compile import compiling
from ._objective import Problem
from ._residual_run import ResidualRun, warn_of_differences
from ._residuals import compiled_residuals, in_python, plain_residuals, residual_codes, with_jacobian
from ._run import _read_only


class ResidualTask(Task):
    """A `Task` whose fun returns residuals, in each problem as many as its own arguments make."""

    @functools.cached_property
    def _counts(self) -> np.ndarray:
        singles = self.singles
        counts = np.ones(len(singles.x0), np.int64)
        alike = not any(isinstance(values, Ragged) or values.dtype.kind in "iu" for values in singles.batches)
        for b, x0 in enumerate(singles.x0):
            try:
                with compiling():
                    found = plain_residuals(self.problem.fun, x0.copy(), self.problem_of(b).args)
            except Exception:  # the run of this problem will say so
                continue
            if alike:  # arguments of the same shapes, and no numbers that could be lengths
                return np.full_like(counts, found.size)
            counts[b] = found.size
        return counts

    def counts(self) -> np.ndarray:
        """How many residuals each problem has, of shape (B,); one where fun raises."""
        return self._counts

    def new_run(self, *given: Any) -> ResidualRun:
        """A single run, with room for the residuals of any problem."""
        return ResidualRun(*given, m=int(self._counts.max()))

    def with_gradient(self) -> Problem:
        """The problem with its Jacobian named, and compiled where that is possible."""
        problem, singles = super().with_gradient(), self.singles
        if not problem.compiled:
            problem = in_python(problem)
            return problem._replace(label=problem.gradient)
        try:
            problem, why = with_jacobian(problem, singles.x0[0], batch_type(singles.args, singles.batches, _read_only))
        except TypeError:  # fun may write to what it is given
            problem, why = with_jacobian(problem, singles.x0[0], batch_type(singles.args, singles.batches))
        if why:
            warn_of_differences(why)
        return problem._replace(label=f"2-point, as {why.splitlines()[0]}" if why else problem.gradient)

    def objective(self, problem: Problem, args_type: Any) -> tuple[Any, bool]:
        """The compiled residuals without their arguments, and whether they use several threads themselves."""
        x = self.singles.x0[0]
        codes = residual_codes(problem, x, args_type)
        objective = compiled_residuals(problem, x, 0, args_type, int(self._counts.max()))
        return objective, any(code is not None and code.parallel for code in codes)
