"""Many sums of squares as a task of the batch driver: where fun of `minimize_batch` returns residuals."""

from __future__ import annotations

import functools
from typing import Any

import numba
import numpy as np
from numba.core import types

from ._arguments import call_real, packed
from ._batch_arguments import batch_type, batch_values, set_problem
from ._batch_task import Task
from ._compile import bind, kernel, part
from ._inspection import return_type
from ._memory import borrow, row
from ._objective import Problem
from ._residual_run import ResidualRun, warn_of_differences
from ._residuals import count_code, in_python, residual_codes, residual_objective, with_jacobian
from ._run import _read_only

SOME = 1024
"""Problems between two looks at whether Ctrl-C was pressed, while residuals are counted."""


class ResidualTask(Task):
    """A `Task` whose fun returns residuals, in each problem as many as its own arguments make."""

    @functools.cached_property
    def _args_type(self) -> Any:
        """The type of the compiled arguments; one that proves that fun writes to nothing shared, if that is so."""
        args, batches, x0 = self.singles.args, self.singles.batches, self.singles.x0
        proving = batch_type(args, batches, _read_only)
        try:
            return_type(self.problem.fun, (_vector(x0), *proving), "fun")
        except TypeError:
            return batch_type(args, batches)
        return proving

    @functools.cached_property
    def _counts(self) -> np.ndarray:
        """By a call of the compiled fun where each problem starts; what that raises, the run of the problem says."""
        x0, args_type = self.singles.x0, self._args_type
        counts, go_on = np.ones(len(x0), np.int64), np.zeros(1, np.int64)
        code = count_code(self.problem.fun, _vector(x0), args_type)
        values = batch_values(self.singles.args, self.singles.batches, go_on.ctypes.data)
        with packed(values, args_type.stored) as address:
            for low in range(0, len(x0), SOME):
                given = code.address, x0, address, counts, low, min(low + SOME, len(x0))
                bind(count_some, *given)(*given)
        return counts

    def counts(self) -> np.ndarray:
        """How many residuals each problem has, of shape (B,); one where fun raises."""
        return self._counts

    def new_run(self, *given: Any) -> ResidualRun:
        """A single run; a compiled one has room for the residuals of any problem."""
        return ResidualRun(*given, m=int(self._counts.max()) if given[0].compiled else 1)

    def with_gradient(self) -> Problem:
        """The problem with its Jacobian named, and compiled where that is possible."""
        problem = super().with_gradient()
        if not problem.compiled:
            problem = in_python(problem)
            return problem._replace(label=problem.gradient)
        problem, why = with_jacobian(problem, self.singles.x0[0], self._args_type)
        return problem._replace(label=warn_of_differences(why) if why else problem.gradient)

    def objective(self, problem: Problem, args_type: Any) -> tuple[Any, bool]:
        """The compiled residuals without their arguments, and whether they use several threads themselves."""
        x = self.singles.x0[0]
        residuals, jacobian = residual_codes(problem, x, args_type)
        objective = residual_objective(residuals, jacobian, 0, int(self._counts.max()), callable(problem.jac))
        return objective, residuals.parallel or (jacobian is not None and jacobian.parallel)


def _vector(x0: np.ndarray) -> Any:
    return types.Array(numba.typeof(x0).dtype, 1, "C")


@kernel
def count_some(count, x0, address, counts, low, high):
    """Put the number of residuals of the problems from `low` to `high` - 1 into `counts`, where fun does not raise."""
    for b in range(low, high):
        set_problem(address, b)
        counts[b] = counted(count, row(borrow(x0), b, x0.shape[1]), x0.shape[1], address)


@part
def counted(count, x, n, address):
    """How many residuals there are; 1 where fun raises."""
    found = 1
    try:
        found = int(call_real(count, n, (x, address)))
    except Exception:
        found = 1
    return found
