"""One minimisation of a sum of squares: what differs from any other."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from ._arguments import packed
from ._compile import bind, compiling
from ._errors import place_of_user
from ._objective import Problem
from ._residuals import compiled_residuals, in_python, plain_residuals, python_residuals, with_jacobian
from ._run import require_types
from ._solver_run import SolverRun
from .solvers._covariances import at_solution
from .solvers._linearised import residuals_of
from .solvers.robust_losses import rho


class ResidualRun(SolverRun):
    """A `SolverRun` whose fun returns residuals; fun and jac of the result are those of half the sum of squares."""

    def __init__(self, problem: Problem, x0: np.ndarray, *more: Any, m: int | None = None):
        self.m = self._count(problem, x0) if m is None else m
        self.J, self.covariance = np.empty((x0.size, self.m), x0.dtype), np.empty((x0.size, x0.size), x0.dtype)
        self.full_rank = False
        super().__init__(self._chosen(problem, x0), x0, *more)

    def _count(self, problem: Problem, x0: np.ndarray) -> int:
        """How many residuals there are."""
        with compiling():
            return plain_residuals(problem.fun, x0.copy(), problem.args).size

    def _chosen(self, problem: Problem, x0: np.ndarray) -> Problem:
        """The problem with its Jacobian, and a warning where a compiled one is not exact."""
        if problem.label:  # chosen before
            return problem
        if not problem.compiled:
            return in_python(problem)
        require_types(problem.args)
        problem, why = with_jacobian(problem, x0, numba.typeof(problem.args))
        return problem._replace(label=warn_of_differences(why)) if why else problem

    def _compiled(self, stack: contextlib.ExitStack) -> Callable[[int | None], Any]:
        args_type = numba.typeof(self.problem.args)
        address = stack.enter_context(packed(self.problem.args, args_type))
        return lambda team: compiled_residuals(self.problem, self.x0, address, args_type, self.m)

    def _plain(self, team: int | None) -> Any:
        objective, self.callback_from_fun = python_residuals(self.problem, self.x0, self.space, self.m)
        return objective

    def _plain_residuals(self) -> Callable[[np.ndarray], np.ndarray]:
        """The residuals as a Python function of x alone."""
        fun, args = self.problem.fun, self.problem.args
        return lambda x: plain_residuals(fun, x, args)

    def _plain_value(self) -> Callable:
        residuals, loss, C = self._plain_residuals(), self.form.loss, self.hyper.f_scale

        def cost(x: np.ndarray) -> float:
            return 0.5 * C * C * math.fsum(rho.py_func(loss, float(r / C) ** 2)[0] for r in residuals(x))

        return cost

    @property
    def residuals(self) -> np.ndarray:
        """Those at the point that is returned, with their weights."""
        return residuals_of(self.state.slots, self.x0.size, self.m)

    def _finish(self, loop: Any) -> None:
        objective, h, space, _, state = loop.arguments
        njev, nfev = (int(state.progress[name][0]) for name in ("njev", "nfev"))
        given = objective, h, space, state, self.J, self.covariance
        self.full_rank = bool(bind(at_solution, *given)(*given))
        state.progress["njev"], state.progress["nfev"] = njev, nfev
        if self.callback_from_fun is not None:
            self.callback_from_fun.reraise()


def warn_of_differences(why: str) -> str:
    """Say that a compiled function has no exact Jacobian, and why; how its gradient is then named."""
    warnings.warn(
        f'{why}\n  The Jacobian is taken by differences, jac="2-point", which has 8 digits. Say so to be rid of this '
        "warning.",
        RuntimeWarning,
        stacklevel=place_of_user(),
    )
    return f"2-point, as {why.splitlines()[0]}"
