"""One minimisation of a sum of squares: what differs from any other."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from ._arguments import packed
from ._compile import compiling
from ._objective import Problem
from ._residuals import compiled_residuals, differences, plain_residuals, python_residuals, with_jacobian
from ._run import require_types
from ._solver_run import SolverRun


class ResidualRun(SolverRun):
    """A `SolverRun` whose fun returns residuals; fun and jac of the result are those of half the sum of squares."""

    def __init__(self, problem: Problem, x0: np.ndarray, *more: Any):
        with compiling():
            self.start = plain_residuals(problem.fun, x0.copy(), problem.args)
        self.m = self.start.size
        super().__init__(self._chosen(problem, x0), x0, *more)

    def _chosen(self, problem: Problem, x0: np.ndarray) -> Problem:
        """The problem with its Jacobian, and a warning where a compiled one is not exact."""
        if not problem.compiled:
            return problem if callable(problem.jac) else problem._replace(jac="2-point")
        require_types(problem.args)
        problem, why = with_jacobian(problem, x0, numba.typeof(problem.args))
        if why:
            warnings.warn(
                f'{why}\n  The Jacobian is taken by differences, jac="2-point", which has 8 digits. Say so to be rid of '
                "this warning.",
                RuntimeWarning,
                stacklevel=4,
            )
        return problem

    def _compiled(self, stack: contextlib.ExitStack) -> Callable[[int | None], Any]:
        args_type = numba.typeof(self.problem.args)
        address = stack.enter_context(packed(self.problem.args, args_type))
        return lambda team: compiled_residuals(self.problem, self.x0, address, args_type, self.m)

    def _plain(self, team: int | None) -> Any:
        objective, self.callback_from_fun = python_residuals(self.problem, self.x0, self.space, self.m)
        return objective

    def _check_start(self) -> None:
        """Compare the exact gradient with one by differences of the residuals, along a random direction."""
        if self.problem.jac != "autodiff":
            return
