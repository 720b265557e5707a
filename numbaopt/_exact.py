"""jac="autodiff" and jac=None: the exact gradient of a compiled objective, where it can be had and is right at x0."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import numba
import numpy as np
from numba.core import types

from . import autodiff
from ._compile import compiles_nopython
from ._errors import name_of, place_of_user
from ._inspection import require_number, return_type
from ._objective import Problem


class WrongGradientError(ValueError):
    """The exact gradient is not that of the function, along a random direction at x0."""

    def __init__(self, fun: Any, exact: float, difference: float):
        super().__init__(
            f"The autodiff gradient of {name_of(fun)} is wrong at x0: along a random direction it gives the derivative "
            f"{exact:.9g}, a central difference {difference:.9g}. If the function is smooth there, a derivative given "
            'to register_vjp is wrong, or this is a bug of numbaopt: please report it. Use jac="3-point", or your own '
            "gradient."
        )


def with_gradient(problem: Problem, x0: np.ndarray, batched: bool) -> Problem:
    """The problem with its exact gradient, where that is asked for or, with jac=None, possible."""
    if problem.jac is None and not compiles_nopython(problem.fun):
        return problem._replace(jac="2-point")
    if problem.jac not in (None, "autodiff"):
        return problem
    if not compiles_nopython(problem.fun):
        raise not_compiled(problem.fun)
    given = types_of_arguments(problem, x0, batched)
    if given is None or not _takes(problem.fun, len(given)):
        return problem._replace(jac="2-point")  # the error is the same for any gradient
    return with_gradient_for(problem, given)


def not_compiled(fun: Any) -> TypeError:
    """What is to be raised where an exact derivative of a plain function is asked for."""
    return TypeError(
        f'jac="autodiff" needs a function compiled by numba, but {name_of(fun)} is plain Python. Decorate it with '
        'numba.njit, or give minimize() options={"jit": True}.'
    )


def with_gradient_for(problem: Problem, given: tuple) -> Problem:
    """The same for a compiled fun, with arguments of those types."""
    required = problem.jac == "autodiff"
    returned = return_type(problem.fun, given, "fun")
    require_number(returned, False, problem.fun)
    if isinstance(returned, types.Array) and not required:  # of one element, which is only known when it is there
        return problem._replace(jac="2-point")
    try:
        gradient = autodiff.inplace(problem.fun, given)
    except autodiff.NotDifferentiable as refusal:
        if required:
            raise
        return by_differences(problem, str(refusal))
    return Problem(gradient, "inplace", problem.args, problem.sign, problem.fun, "autodiff", not required)


def _takes(fun: Any, count: int) -> bool:
    """Whether `fun` can be called with that many arguments."""
    try:
        inspect.signature(getattr(fun, "py_func", fun), follow_wrapped=False).bind(*range(count))
    except TypeError:
        return False
    return True


def by_differences(problem: Problem, why: str) -> Problem:
    """The problem with differences instead, and a warning that says why."""
    fun = problem.value or problem.fun
    warnings.warn(
        f'{why}\n  The gradient is taken by differences, jac="2-point", which is slower and has 8 digits. Say so to be '
        "rid of this warning.",
        RuntimeWarning,
        stacklevel=place_of_user(),
    )
    return problem._replace(
        fun=fun, jac="2-point", value=None, label=f"2-point, as {why.splitlines()[0]}", optional=False
    )


def types_of_arguments(problem: Problem, x0: np.ndarray, batched: bool) -> tuple | None:
    """Numba's types of the arguments of fun, if they have any."""
    vector = types.Array(numba.typeof(x0).dtype, 1, "C")
    samples = (types.Array(types.int64, 1, "C"),) if batched else ()
    try:
        return vector, *samples, *(numba.typeof(a) for a in problem.args)
    except Exception:  # numba has several for it
        return None
