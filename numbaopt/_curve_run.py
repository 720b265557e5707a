"""One fit of a model to data: what differs from any other sum of squares."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from ._arguments import packed
from ._compile import compiling
from ._errors import name_of
from ._models import loader, model_code, plain_residuals_of
from ._objective import Problem
from ._residual_run import ResidualRun, warn_of_differences
from ._residuals import in_python, python_residuals, residual_objective


class CurveRun(ResidualRun):
    """A fit: the problem's fun is the model, its args are (xdata, y, weights)."""

    def _count(self, problem: Problem, x0: np.ndarray) -> int:
        f, _, (xdata, y, _) = problem[:3]
        with compiling():
            values = np.asarray(f(xdata, *x0))
        if values.shape not in ((), y.shape):
            given = f"xdata of shape {xdata.shape}" if isinstance(xdata, np.ndarray) else "xdata"
            raise ValueError(
                f"{name_of(f)} returned values of shape {values.shape} for {given}, but ydata has shape {y.shape}."
            )
        return y.size

    def _chosen(self, problem: Problem, x0: np.ndarray) -> Problem:
        if problem.label:  # chosen before
            return problem
        if not problem.compiled:
            return in_python(problem)
        args_type = numba.typeof(problem.args)
        vector = numba.types.Array(numba.typeof(x0).dtype, 1, "C")
        self._code = model_code(problem.fun, problem.jac, vector, x0.size, loader(args_type), tuple(args_type))
        if self._code.why:
            return problem._replace(label=warn_of_differences(self._code.why))
        return problem._replace(label="autodiff" if problem.jac is None else "")

    def _compiled(self, stack: contextlib.ExitStack) -> Callable[[int | None], Any]:
        address = stack.enter_context(packed(self.problem.args, numba.typeof(self.problem.args)))
        return lambda team: self.objective(address)

    def objective(self, address: int) -> Any:
        """The compiled residuals, of data at an address."""
        residuals, jacobian, _ = self._code
        return residual_objective(residuals, jacobian, address, self.m, callable(self.problem.jac))

    def _plain_residuals(self) -> Callable[[np.ndarray], np.ndarray]:
        f, _, (xdata, y, w) = self.problem[:3]
        return plain_residuals_of(f, xdata, y, w)

    def _plain(self, team: int | None) -> Any:
        _, jac, (xdata, _, w) = self.problem[:3]
        as_residuals = self.problem._replace(fun=self._plain_residuals(), args=())
        if callable(jac):

            def weighted(p: np.ndarray) -> np.ndarray:
                J = np.asarray(jac(xdata, *p))
                return np.where(w[:, None] == 0, 0, w[:, None] * J) if w.ndim == 1 else w @ J

            as_residuals = as_residuals._replace(jac=weighted)
        objective, self.callback_from_fun = python_residuals(as_residuals, self.x0, self.space, self.m)
        return objective
