"""jac="autodiff" and jac=None: the exact gradient of a compiled objective, where it can be had and is right at x0."""

from __future__ import annotations

import warnings
from typing import Any

import numba
import numpy as np
from numba.core import types

from . import autodiff
from ._compile import compiles_nopython, compiling
from ._errors import name_of
from ._objective import Problem


class WrongGradientError(ValueError):
    """The exact gradient is not that of the function, along a random direction at x0."""

    def __init__(self, fun: Any, exact: float, difference: float):
        super().__init__(
            f"The autodiff gradient of {name_of(fun)} is wrong at x0: along a random direction it gives the derivative "
            f"{exact:.9g}, a central difference {difference:.9g}. If the function is smooth there, this is a bug of "
            'numbaopt: please report it. Use jac="3-point", or your own gradient.'
        )


def with_gradient(problem: Problem, x0: np.ndarray, batched: bool) -> Problem:
    """The problem with its exact gradient, where that is asked for or, with jac=None, possible."""
    if problem.jac is None and not compiles_nopython(problem.fun):
        return problem._replace(jac="2-point")
    if problem.jac not in (None, "autodiff"):
        return problem
    required = problem.jac == "autodiff"
    if not compiles_nopython(problem.fun):
        raise TypeError(
            f'jac="autodiff" needs a function compiled by numba, but {name_of(problem.fun)} is plain Python. Decorate it '
            'with numba.njit, or give options={"jit": True}.'
        )
    try:
        gradient = autodiff.inplace(problem.fun, _types(problem, x0, batched))
    except autodiff.NotCompiled:
        if required:
            raise
        return problem._replace(jac="2-point")  # whose errors are of fun itself
    except autodiff.NotDifferentiable as refusal:
        if required:
            raise
        return by_differences(problem, str(refusal))
    return Problem(gradient, "inplace", problem.args, problem.sign, problem.fun, "autodiff", not required)


def by_differences(problem: Problem, why: str) -> Problem:
    """The problem with differences instead, and a warning that says why."""
    fun = problem.value or problem.fun
    warnings.warn(
        f'{why}\n  The gradient is taken by differences, jac="2-point", which is slower and has 8 digits. Say so to be '
        "rid of this warning.",
        RuntimeWarning,
        stacklevel=4,
    )
    return Problem(fun, "2-point", problem.args, problem.sign, None, f"2-point, as {why.splitlines()[0]}")


def _types(problem: Problem, x0: np.ndarray, batched: bool) -> tuple:
    """Numba's types of the arguments of fun."""
    vector = types.Array(numba.typeof(x0).dtype, 1, "C")
    samples = (types.Array(types.int64, 1, "C"),) if batched else ()
    try:
        return vector, *samples, *(numba.typeof(a) for a in problem.args)
    except Exception:  # numba has several for it
        raise autodiff.NotCompiled("an argument has no numba type") from None


def compile_value(problem: Problem, x0: np.ndarray, batched: bool) -> None:
    """Compile fun itself, so that the time that this takes is not counted as running."""
    with compiling():
        problem.value.compile(_types(problem, x0, batched))
