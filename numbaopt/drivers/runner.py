"""The two ways to run the loop: compiled from end to end, or step by step around a Python objective."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import cached_property
from typing import Any

from .._compile import bind
from . import threads
from .evaluation import TO_MOVE, Gradient, evaluate
from .loop import RUNNING, State, advance, judge_once, move_once


class CompiledLoop:
    """Runs `loop.advance` on an objective that is compiled code; the loop calls nothing of Python's.

    `make_objective(team)` gives the objective, with its differences taken by `team` threads if it is not None; it
    raises TypeError where the objective cannot be called by several threads at once.
    """

    def __init__(self, make_objective: Callable, hyper: Any, space: Any, limits: Any, state: State, options: dict):
        self._make_objective = make_objective
        self._arguments: tuple = (hyper, space, limits, state, options["measure"], options["team"])
        self._use(make_objective(None))

    def _use(self, objective: Any) -> None:
        self._objective = objective
        self._advance = bind(advance, objective, *self._arguments, 0, 0)
        self._region = threads.region()

    def __call__(self, budget: int, until: int) -> int:
        """About `budget` evaluations of fun, at most to iteration `until`; the status."""
        with self._region:
            return self._advance(self._objective, *self._arguments, budget, until)

    def use_threads(self, team: int | None) -> bool:
        """Take differences by a team of threads, or by one if None; whether that could be done.

        It cannot where `fun` may write to its arguments. The results are the same to the bit.
        """
        if isinstance(self._objective, Gradient):
            return False
        try:
            self._use(self._make_objective(team))
        except TypeError:
            return False
        return True


class PythonLoop:
    """Runs the same iterations around an objective in Python: the update and the tests are compiled, fun is not."""

    def __init__(self, make_objective: Callable, hyper: Any, space: Any, limits: Any, state: State, options: dict):
        team = options["team"]
        self._objective, self._space, self._state = make_objective(None), space, state
        self._move_arguments = (hyper, space, state, options["measure"], team)
        self._judge_arguments = (space, limits, state, team)
        self._region = nullcontext() if team is None else threads.region()

    @cached_property
    def _move(self) -> Callable:
        return bind(move_once, *self._move_arguments)  # not before x0 is evaluated: its gradient may be a sparse one

    @cached_property
    def _judge(self) -> Callable:
        return bind(judge_once, *self._judge_arguments)

    def __call__(self, budget: int, until: int) -> int:
        """About `budget` evaluations of fun, at most to iteration `until`; the status."""
        objective, space, state, p = self._objective, self._space, self._state, self._state.progress[0]
        while budget > 0:
            if p["stage"] == TO_MOVE:
                if p["nit"] >= until or p["rows"] == p["capacity"]:
                    return RUNNING
                with self._region:
                    self._move(*self._move_arguments)
            x, g = state.x[p["current"]], state.g[p["current"]]
            budget -= evaluate(objective, space, x, g, x.size, p, budget)
            if p["stage"] == TO_MOVE:
                with self._region:
                    status = self._judge(*self._judge_arguments)
                if status != RUNNING:
                    return status
        return RUNNING

    def use_threads(self, team: int | None) -> bool:
        """Python code is not called by several threads."""
        return False
