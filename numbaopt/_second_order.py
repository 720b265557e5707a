"""Second derivatives for solvers that use them: hessp, hess, exact products of a compiled `fun`, or differences."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numba.core import errors, types

from ._arguments import load_args
from ._callbacks import Callback
from ._compile import compiles_nopython, compiling, user_part
from ._compiled_objective import _compiled, _own_x, _remembered
from ._errors import name_of
from ._exact import types_of_arguments, with_gradient
from ._objective import Problem
from .autodiff import NotDifferentiable, hvp
from .autodiff.front import once
from .drivers.evaluation import Gradient
from .drivers.objectives import Curved, CurvedByMatrix, PythonCurved

DIFFERENCES = "differences of the gradient"


class SecondOrder(NamedTuple):
    """Where products of the Hessian with a vector come from."""

    kind: str  # "hessp", "hess", "autodiff", or DIFFERENCES
    function: Any = None


def with_second_order(problem: Problem, x0: np.ndarray, hess: Any, hessp: Any) -> Problem:
    """The problem with its gradient and with what gives its second derivatives."""
    for name, given in (("hess", hess), ("hessp", hessp)):
        if given is not None and not callable(given) and not (name == "hess" and isinstance(given, str)):
            raise TypeError(f"{name}={given!r:.80} must be a function, or None.")
    fun = problem.fun
    problem = with_gradient(problem, x0, False)
    if hessp is not None or callable(hess):
        second = SecondOrder("hess", hess) if hessp is None else SecondOrder("hessp", hessp)
        problem = problem._replace(second=second)
        if problem.compiled and problem.scheme is not Gradient:
            raise ValueError(f"{second.kind} is of use beside an exact gradient only: give jac.")
        return problem
    exact = problem.label == "autodiff" or callable(problem.jac)
    return problem._replace(second=_exact_product(problem, fun, x0) if exact else SecondOrder(DIFFERENCES))


def _exact_product(problem: Problem, fun: Any, x0: np.ndarray) -> SecondOrder:
    """That of a compiled fun, where it can be differentiated twice."""
    given = types_of_arguments(problem, x0, False) if compiles_nopython(fun) else None
    if given is None:
        return SecondOrder(DIFFERENCES)

    def make() -> Any:
        product = hvp(fun)
        with compiling():
            product.compile((given[0], given[0], *given[1:]))
        return product

    try:
        return SecondOrder("autodiff", once(fun, ("product", given), make))
    except (NotDifferentiable, errors.NumbaError):
        return SecondOrder(DIFFERENCES)


def rows_of_hessian(problem: Problem, x0: np.ndarray) -> int:
    """How many rows of the Hessian the solver keeps."""
    return x0.size if problem.second is not None and problem.second.kind == "hess" and problem.compiled else 0


# --- compiled ---------------------------------------------------------------------------------------------------------


def _fill_product(out, product, sign):
    if product.size != out.size:
        raise ValueError("hessp must return as many elements as x has")
    for i in range(out.size):
        out[i] = sign * product[i]


def _fill_matrix(H, hessian, n, sign):
    if hessian.shape != (n, n):
        raise ValueError("hess must return an array of shape (n, n), where n is the size of x")
    for i in range(n):
        for j in range(n):
            H[i * n + j] = sign * hessian[i, j]


_fill_product_compiled = user_part(_fill_product)
_fill_matrix_compiled = user_part(_fill_matrix)


def compiled_second(objective: Any, problem: Problem, x0: np.ndarray, args_type: Any) -> Any:
    """The compiled objective with its second derivatives, if it has any; without, they are differences."""
    second = problem.second
    if second is None or second.function is None:
        return objective
    vector = types.Array(numba.typeof(x0).dtype, 1, "C")
    make = _hessian_code if second.kind == "hess" else _product_code
    kind = CurvedByMatrix if second.kind == "hess" else Curved
    return kind(objective.gradient, objective.args, make(second.function, vector, args_type, problem.sign).address)


def _product_code(hessp: Any, vector: Any, args_type: Any, sign: float) -> Any:
    own, fill = _own_x(hessp), _fill_product_compiled

    def make() -> Any:
        def product(x, v, out, args):
            fill(out, hessp(own(x), v, *load_args(args, args_type)), sign)
            return 0.0

        return _compiled(hessp, product, types.float64, vector, vector, vector, types.intp)

    return _remembered((hessp,), ("product", vector, args_type, sign), make)


def _hessian_code(hess: Any, vector: Any, args_type: Any, sign: float) -> Any:
    own, fill = _own_x(hess), _fill_matrix_compiled

    def make() -> Any:
        def hessian(x, H, args):
            fill(H, hess(own(x), *load_args(args, args_type)), x.size, sign)
            return 0.0

        return _compiled(hess, hessian, types.float64, vector, vector, types.intp)

    return _remembered((hess,), ("hessian", vector, args_type, sign), make)


# --- plain Python -----------------------------------------------------------------------------------------------------


def python_second(objective: Any, callback: Callback, problem: Problem, x0: np.ndarray) -> tuple[Any, Callback]:
    """The same for an objective behind a callback, and the callback that takes the place of the old one."""
    second = problem.second
    if second is None or second.function is None:
        return objective, callback
    v, out, product = np.empty_like(x0), np.empty_like(x0), _python_product(problem, second)
    value = callback.function

    def both(what: float) -> float:
        if what == 0.0:
            return value(what)
        out[:] = product(objective.x, v)
        return 0.0

    callback = Callback(both)
    return PythonCurved(callback.address, objective.x, objective.g, objective.cost, v, out), callback


def _python_product(problem: Problem, second: SecondOrder) -> Any:
    """`product(x, v)`; a Hessian is evaluated once at each x."""
    function, args, sign = second.function, problem.args, problem.sign
    known: list = [None, None]

    def by_matrix(x: np.ndarray, v: np.ndarray) -> np.ndarray:
        if known[0] is None or not np.array_equal(known[0], x):
            matrix = np.asarray(function(x.copy(), *args))
            if matrix.shape != (x.size, x.size):
                raise ValueError(
                    f"the Hessian from {name_of(function)} must have shape {(x.size, x.size)}, not {matrix.shape}."
                )
            known[:] = x.copy(), matrix
        return sign * (known[1] @ v)

    def by_function(x: np.ndarray, v: np.ndarray) -> np.ndarray:
        product = np.asarray(function(x.copy(), v.copy(), *args))
        if product.shape != x.shape:
            raise ValueError(f"the product from {name_of(function)} must have shape {x.shape}, not {product.shape}.")
        return sign * product

    return by_matrix if second.kind == "hess" else by_function
