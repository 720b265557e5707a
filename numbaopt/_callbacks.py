"""A Python objective that compiled solvers can call: a C callback that reads x from one array and fills others.

What it raises, Ctrl-C included, cannot pass through compiled code: it is kept, every further call gives NaN without
calling `fun`, so that the solver soon gives up, and `reraise` raises it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from ._objective import Problem, plain_objective, plain_value
from .drivers.evaluation import TO_EVALUATE, TO_MOVE, evaluate, evaluations
from .drivers.loop import PROGRESS
from .drivers.objectives import PythonGradient, PythonValue

_SIGNATURE = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)
WHATEVER_IT_TAKES = 1 << 60


class Callback:
    """`function(what)` as C code at `address`."""

    def __init__(self, function: Callable[[float], float]):
        self.function = function
        self._error: BaseException | None = None
        self._code = _SIGNATURE(self._call)
        self.address = int(ctypes.cast(self._code, ctypes.c_void_p).value or 0)

    def _call(self, what: float) -> float:
        if self._error is not None:
            return np.nan
        try:
            return self.function(what)
        except BaseException as error:
            self._error = error
            return np.nan

    def reraise(self) -> None:
        """Raise what the function raised, if anything."""
        if self._error is not None:
            error, self._error = self._error, None
            raise error


def python_scalar(problem: Problem, x0: np.ndarray, space: Any) -> tuple[Any, Callback]:
    """The objective, with its gradient if there is one, and the callback that must live as long."""
    fun, args, sign = problem.fun, problem.args, problem.sign
    x = np.empty_like(x0)
    if problem.jac == "none":
        callback = Callback(lambda what: sign * plain_value(fun(x.copy(), *args), fun))
        return PythonValue(callback.address, x), callback
    objective, g, record = plain_objective(problem, x0), np.empty_like(x0), np.zeros(1, PROGRESS)[0]

    def gradient(what: float) -> float:
        record["stage"], record["done"] = TO_EVALUATE, 0
        while record["stage"] != TO_MOVE:
            evaluate(objective, space, x, g, x.size, record, WHATEVER_IT_TAKES)
        return float(record["f"])

    callback = Callback(gradient)
    return PythonGradient(callback.address, x, g, evaluations(type(objective), x.size)), callback
