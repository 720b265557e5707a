"""One minimisation by sparse gradients: what differs from any other. An iteration costs what its coordinates cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._compile import bind
from ._errors import name_of
from ._objective import Problem, value_and_gradient
from ._options import Options
from ._run import Run
from ._sparse import Deferred, SparseGradient, is_sparse, sparse_gradient, stays
from ._status import Status
from .drivers.evaluation import TO_EVALUATE, TO_MOVE
from .drivers.loop import RUNNING, State, judge_slope_once

NOT_OFFERED = ("x_scale", "xtol", "groups", "fixed", "state_dtype", "history_x", "checkpoint", "resume")
"""Options that concern all of x in each iteration."""


class SparseLoop:
    """Runs the iterations on one x, in place; `evaluate` gives value and gradient there.

    x[0] and g[0] of the state are the point where the run is, and g[0] is not filled: `gradient` is its gradient.
    """

    def __init__(self, evaluate: Callable, form: Any, limits: Any, state: State):
        self._evaluate, self._form, self._x, self._progress = evaluate, form, state.x[0], state.progress[0]
        self._deferred = Deferred("x", form, self._x, state.slots, state.carry)
        self._judge_arguments = limits, state
        self._judge = bind(judge_slope_once, *self._judge_arguments)
        self.gradient = self._left = SparseGradient(np.empty(0, np.int64), np.empty(0, self._x.dtype))
        self._before = self._left.values  # what the last move has left: x at the coordinates in `_left`, its gradient

    def __call__(self, budget: int, until: int) -> int:
        """`budget` evaluations of fun, at most to iteration `until`; the status."""
        p = self._progress
        for _ in range(budget):
            if p["stage"] == TO_MOVE:
                if p["nit"] >= until or p["rows"] == p["capacity"]:
                    return RUNNING
                self._move()
            p["f"], found = self._evaluate()
            self.gradient = self._deferred.merged(found)
            p["slope"] = np.abs(self.gradient.values).max(initial=0)
            p["nfev"] += 1
            p["njev"] += 1
            p["stage"] = TO_MOVE
            status = self._judge(*self._judge_arguments)
            if status != RUNNING:
                return status
        return RUNNING

    def _move(self) -> None:
        p, (indices, values) = self._progress, self.gradient
        self._left, self._before = self.gradient, self._x[indices]
        p["stage"] = TO_EVALUATE
        p["nit"] += 1  # before: Ctrl-C in a long step is raised when the step is done
        self._deferred.step(self._form, int(p["nit"]), SparseGradient(indices.copy(), values.copy()))
        p["poison"] = 0.0 if np.isfinite(self._x[indices]).all() else np.nan

    def go_back(self) -> None:
        """Take back a move to a point that is not kept: one that is not finite, or not evaluated."""
        p = self._progress
        if 0 <= p["nit_kept"] < p["nit"]:
            self._x[self._left.indices] = self._before
            self.gradient = self._left

    def use_threads(self, team: int | None) -> bool:
        """Python code is not called by several threads."""
        return False


class SparseRun(Run):
    """A `Run` whose gradients are sparse; `start` is value and gradient at x0, where they are known."""

    def __init__(
        self,
        problem: Problem,
        x0: np.ndarray,
        hyper: Any,
        options: Options,
        space: Any,
        callback: Any,
        start: tuple[float, Any] | None,
    ):
        _require_offered(hyper, options, space)
        super().__init__(problem, x0, hyper, options, None, callback)
        self.gradient += ", sparse"
        self._start, self._x = start, self.state.x[0].view()
        self._x.flags.writeable = False
        self._sparse_loop: SparseLoop | None = None

    def _evaluated(self) -> tuple[float, SparseGradient]:
        """Value and gradient where the run is, in the sense of minimising."""
        start, self._start = self._start, None
        f, given = start or value_and_gradient(self.problem, lambda: self._x)
        if not is_sparse(given):
            raise TypeError(
                f"{name_of(self.problem.differentiated)} returned a sparse gradient at x0, and later {given!r:.80}. "
                "Let all be sparse: (indices, values), or a scipy.sparse array."
            )
        found = sparse_gradient("x", given, self.state.x[0])
        return self.sign * f, found if self.sign > 0 else found._replace(values=-found.values)

    def _loop(self, make_objective: Callable, options: dict) -> Any:
        self._sparse_loop = SparseLoop(self._evaluated, self.form, self.limits, self.state)
        return self._sparse_loop

    def _run(self, loop: Any) -> Status:
        try:
            return super()._run(loop)
        finally:
            loop.go_back()
            g = self.state.g[0]
            g[:] = 0
            g[loop.gradient.indices] = loop.gradient.values

    def _shown(self, state: Any) -> tuple[np.ndarray, Callable[[], Any]]:
        loop: Any = self._sparse_loop
        return self._x, lambda: (loop.gradient.indices.copy(), self.sign * loop.gradient.values)


def _require_offered(hyper: Any, options: Options, space: Any) -> None:
    """An error that says what to do, where the method or an option needs all coordinates in each iteration."""
    bounded = space is not None and bool(np.isfinite(space.lower).any() or np.isfinite(space.upper).any())
    given = [
        name for name in NOT_OFFERED if not (getattr(options, name) is None or getattr(options, name) is False)
    ] + ["bounds"] * bounded
    if given:
        raise ValueError(
            f"{given[0]} is not offered with sparse gradients, where an iteration sees few coordinates. Leave it out, "
            "return dense gradients, or own the loop (numbaopt.Stepper)."
        )
    if options.keep == "best":
        raise ValueError(
            'keep="best" is not offered with sparse gradients, as it would copy all of x. Leave it out: the last '
            "finite point is returned."
        )
    if not stays(hyper):
        raise ValueError(
            f"{hyper} also moves coordinates that have no gradient, and fun would read them before they have been "
            'moved. Use method="sparseadam", or Adagrad, Adadelta, RMSprop or SGD without momentum and weight decay; '
            "or own the loop: numbaopt.Stepper takes sparse gradients with other methods, and Stepper.flush(indices) "
            "brings up to date what is to be read."
        )
