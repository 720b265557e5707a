"""One minimisation by a solver: a whole-vector method, around the same compiled loop whatever `fun` is."""

from __future__ import annotations

import contextlib
import secrets
import warnings
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from ._arguments import packed
from ._callbacks import Callback, python_scalar
from ._compile import bind
from ._compiled_objective import compiled_objective, compiled_value
from ._errors import place_of_user
from ._exact import with_gradient
from ._objective import SCHEMES, Problem
from ._residuals import for_scheme
from ._result import solver_template
from ._run import Run, require_types
from ._second_order import compiled_second, python_second, rows_of_hessian, with_second_order
from ._solver import SOLVERS, compiled_solver
from ._status import Status
from .drivers import threads
from .drivers.solving import solve, solver_state
from .drivers.sweep import Box


def for_solver(
    problem: Problem, hyper: Any, x0: np.ndarray, space: Box | None, hess: Any = None, hessp: Any = None
) -> tuple[Problem, Box]:
    """The problem with what the solver needs of it, and the space that it lives in; errors for what it cannot do."""
    name, solver = type(hyper).__name__, SOLVERS[type(hyper)]
    if solver.needs == "product":
        problem = with_second_order(problem, x0, hess, hessp)
    elif solver.needs == "gradient":
        problem = with_gradient(problem, x0, False)
    elif solver.needs == "residuals":
        if not (problem.jac in (None, "autodiff", *SCHEMES) or callable(problem.jac)):
            raise ValueError(
                f'{name}: jac={problem.jac!r:.80} must be a function, None, "autodiff", "2-point", "3-point" or "cs".'
            )
        problem = problem._replace(fun=for_scheme(problem.fun, problem.jac))
    elif problem.jac is None or callable(problem.jac) or problem.jac in (*SCHEMES, "autodiff"):
        if problem.jac is not None:
            warnings.warn(
                f"{name} does not use gradient information (jac).", RuntimeWarning, stacklevel=place_of_user()
            )
        problem = problem._replace(jac="none")
    low, high = (np.full_like(x0, -np.inf), np.full_like(x0, np.inf)) if space is None else space[1:3]
    endless = np.flatnonzero(~(np.isfinite(low) & np.isfinite(high)))
    if solver.needs_box and endless.size:
        i = endless[0]
        given = "no bounds" if space is None else f"bounds[{i}] = ({low[i]:.6g}, {high[i]:.6g})"
        raise ValueError(
            f"{name} searches a box: it needs finite bounds for every element of x, but there are {given}. Give "
            "bounds=[(low, high), ...], or use CMAES or NelderMead, which take x without bounds."
        )
    if space is None:
        return problem, Box(np.ones_like(x0), np.full_like(x0, -np.inf), np.full_like(x0, np.inf))
    free = space.lower < space.upper
    if not solver.bounded and bool(np.isfinite(space.lower[free]).any() or np.isfinite(space.upper[free]).any()):
        able = ", ".join(sorted(cls.__name__ for cls, other in SOLVERS.items() if other.bounded))
        raise ValueError(f"{name} takes no bounds. Methods that do: {able}, and all update rules.")
    return problem, space


class SolverRun(Run):
    """A `Run` of a solver; `problem` is of what the solver needs: values, gradients or residuals."""

    m = 0  # how many residuals there are
    callback_from_fun: Callback | None = None  # where fun is not compiled

    def _compiled_form(self) -> Any:
        return compiled_solver(self.hyper)

    def _answers(self) -> bool:
        return False

    def _new_state(self, capacity: int) -> Any:
        options = self.options
        seed = secrets.randbits(62) if options.seed is None else options.seed
        self.messages = self.messages | SOLVERS[type(self.hyper)].messages
        m = self.m or rows_of_hessian(self.problem, self.x0)
        return solver_state(self.x0, self.form, m, capacity, options.history_x, seed)

    def _x0_after(self) -> np.ndarray:
        return self.state.x[2]  # where `begin` leaves it alone

    @property
    def has_gradient(self) -> bool:
        """Whether the gradient is known at the points of the run."""
        return self.problem.jac != "none"

    def template(self, status: Status) -> str:
        """What `status` means in a run of a solver."""
        return solver_template(self, status)

    @property
    def extra(self) -> dict[str, Any]:
        """The seed of a solver that draws random numbers; where second derivatives come from, and how often."""
        second, seeded = self.problem.second, SOLVERS[type(self.hyper)].seeded
        found: dict[str, Any] = {"seed": int(self.state.carry[1])} if seeded else {}
        if second is not None:
            found |= {"nhev": int(self.state.progress[0]["nhev"]), "hessian": second.kind}
        return found

    @property
    def slots(self) -> list[str]:
        """A solver's numbers have no names."""
        return []

    def _loop(self, make_objective: Callable, options: dict) -> Any:
        return SolverLoop(make_objective(None), self.form, self.space, self.limits, self.state, self.callback_from_fun)

    def _compiled(self, stack: contextlib.ExitStack) -> Callable[[int | None], Any]:
        args = self.problem.args
        require_types(args)
        args_type = numba.typeof(args)
        address = stack.enter_context(packed(args, args_type))
        make = compiled_value if self.problem.jac == "none" else compiled_objective

        def made(team: int | None) -> Any:
            objective = make(self.problem, self.x0, address, args_type)
            return compiled_second(objective, self.problem, self.x0, args_type)

        return made

    def _plain(self, team: int | None) -> Any:
        objective, callback = python_scalar(self.problem, self.x0, self.space)
        objective, self.callback_from_fun = python_second(objective, callback, self.problem, self.x0)
        return objective


class SolverLoop:
    """Runs `solving.solve`; what a Python `fun` raised in a callback is raised here."""

    def __init__(self, objective: Any, h: Any, space: Any, limits: Any, state: Any, callback: Callback | None):
        self.arguments = (objective, h, space, limits, state)
        self._callback = callback
        self._solve = bind(solve, *self.arguments, 0, 0)
        self._region = threads.region()

    def __call__(self, budget: int, until: int) -> int:
        """About `budget` evaluations of fun, at most to iteration `until`; the status."""
        with self._region:
            status = self._solve(*self.arguments, budget, until)
        if self._callback is not None:
            self._callback.reraise()
        return status

    def use_threads(self, team: int | None) -> bool:
        """Differences are taken by one thread."""
        return False
