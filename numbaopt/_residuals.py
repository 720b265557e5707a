"""A user's vector of residuals with its Jacobian, as one objective for compiled solvers."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba.core import types
from numba.core.errors import NumbaError

from . import autodiff
from ._arguments import load_args
from ._callbacks import Callback
from ._compile import compiles_nopython, user_part
from ._compiled_objective import Code, _compiled, _own_x, _remembered
from ._errors import name_of, numba_refusal
from ._exact import not_compiled
from ._inspection import return_type
from ._objective import SCHEMES, Problem
from .autodiff.front import defined
from .autodiff.jacobians import tangent_function
from .drivers.evaluation import ComplexStep, evaluations, partial, scratch
from .drivers.objectives import PythonResiduals, ResidualDifferences, Residuals

MOST_AT_ONCE = 8
"""Columns of a Jacobian that one pass gives: more take longer to compile, fewer evaluate the function more often."""

IN_PYTHON = ("3-point", "cs")
"""Schemes of Jacobians that are for functions that are not compiled."""

JACOBIAN = """
{given} = load_args(args, args_type)
seeds = np.zeros(({count}, x.size), x.dtype)
for j in range(0, x.size, {count}):
    last = min({count}, x.size - j)
    for k in range(last):
        seeds[k, j + k] = 1
    found = tangents({arguments}, {seeds})
    for k in range(last):
        seeds[k, j + k] = 0
    put(found[0], r)
    for k in range(r.size):
        {stored}
return 0.0
"""
"""Fills J, of shape (n, m), some rows at a time, and r."""


# --- compiled --------------------------------------------------------------------------------------------------------


def compiled_residuals(problem: Problem, x: np.ndarray, address: int, args_type: Any, m: int) -> Any:
    """The residuals, m of them, as a NamedTuple of addresses of compiled code."""
    return residual_objective(*residual_codes(problem, x, args_type), address, m, callable(problem.jac))


def residual_objective(residuals: Code, jacobian: Code | None, address: int, m: int, given: bool) -> Any:
    """The same of compiled codes; `given`: the Jacobian is the user's, and comes without the residuals."""
    if jacobian is None:
        return ResidualDifferences(residuals.address, address, m)
    return Residuals(residuals.address, jacobian.address, address, m, int(not given))


def residual_codes(problem: Problem, x: np.ndarray, args_type: Any) -> tuple[Code, Code | None]:
    """The compiled residuals, and their Jacobian; None where that is taken by differences."""
    vector = types.Array(numba.typeof(x).dtype, 1, "C")
    residuals = _residual_code(problem.fun, vector, args_type)
    if problem.jac == "2-point":
        return residuals, None
    make = _jacobian_code if callable(problem.jac) else exact_code
    return residuals, make(problem, vector, args_type, x.size)


def _put_residuals(found, r):
    if found.size != r.size:
        raise ValueError("fun must return as many residuals at every x")
    for k in range(r.size):
        r[k] = found[k]


def _put_jacobian(found, J):
    if found.shape[0] != J.shape[1] or found.shape[1] != J.shape[0]:
        raise ValueError("jac must return a matrix with a row for each residual and a column for each element of x")
    for k in range(J.shape[1]):
        for i in range(J.shape[0]):
            J[i, k] = found[k, i]


_put_residuals_compiled, _put_jacobian_compiled = user_part(_put_residuals), user_part(_put_jacobian)


def _residual_code(fun: Any, vector: Any, args_type: Any) -> Code:
    own, put = _own_x(fun), _put_residuals_compiled

    def make() -> Code:
        require_residuals(return_type(fun, (vector, *args_type), "fun"), fun)

        def residuals(x, r, args):
            put(fun(own(x), *load_args(args, args_type)), r)
            return 0.0

        return _compiled(fun, residuals, types.float64, vector, vector, types.intp)

    return _remembered((fun,), ("residuals", vector, args_type), make)


def count_code(fun: Any, vector: Any, args_type: Any) -> Code:
    """Compiled code that returns how many residuals there are."""
    own = _own_x(fun)

    def make() -> Code:
        require_residuals(return_type(fun, (vector, *args_type), "fun"), fun)

        def count(x, args):
            return float(fun(own(x), *load_args(args, args_type)).size)

        return _compiled(fun, count, types.float64, vector, types.intp)

    return _remembered((fun,), ("number of residuals", vector, args_type), make)


def require_residuals(ty: Any, fun: Any) -> None:
    """An error unless `ty`, which `fun` returns, is a vector of real numbers."""
    if not (isinstance(ty, types.Array) and ty.ndim == 1 and isinstance(ty.dtype, (types.Float, types.Integer))):
        raise TypeError(f"{name_of(fun)} must return a vector of residuals, a 1-d array of real numbers, not {ty}.")


def _jacobian_code(problem: Problem, vector: Any, args_type: Any, n: int) -> Code:
    jac, put = problem.jac, _put_jacobian_compiled
    own = _own_x(jac)

    def make() -> Code:
        ty = return_type(jac, (vector, *args_type), "jac")
        if not (isinstance(ty, types.Array) and ty.ndim == 2):
            raise TypeError(f"{name_of(jac)} must return a matrix of shape (residuals, elements of x), not {ty}.")

        def jacobian(x, r, J, args):
            put(jac(own(x), *load_args(args, args_type)), J)
            return 0.0

        return _compiled(jac, jacobian, types.float64, vector, vector, matrix_of(vector), types.intp)

    return _remembered((jac,), ("jacobian", vector, args_type), make)


def matrix_of(vector: Any) -> Any:
    """The type of a matrix of the same numbers."""
    return types.Array(vector.dtype, 2, "C")


def exact_code(problem: Problem, vector: Any, args_type: Any, n: int) -> Code:
    """The Jacobian by automatic differentiation; `NotDifferentiable` where that cannot be done."""
    fun, count = problem.fun, columns_at_once(n)

    def make() -> Code:
        tangents = tangent_function(fun, (vector, *args_type), (0,), count)
        names = [f"a{i}" for i in range(len(args_type))]
        parts = {
            "given": "".join(f"{name}, " for name in names) or "_",
            "arguments": ", ".join(["x", *names]),
            "seeds": ", ".join(f"seeds[{c}]" for c in range(count)),
            "stored": "\n        ".join(
                f"if last > {c}:\n            J[j + {c}, k] = found[{c + 1}][k]" for c in range(count)
            ),
        }
        lines = JACOBIAN.format(count=count, **parts).strip().splitlines()
        body = defined(
            ["x", "r", "J", "args"],
            lines,
            load_args=load_args,
            args_type=args_type,
            tangents=tangents,
            put=_put_residuals_compiled,
        )
        return _compiled(fun, body, types.float64, vector, vector, matrix_of(vector), types.intp)

    return _remembered((fun,), ("exact jacobian", vector, args_type, count), make)


def columns_at_once(n: int) -> int:
    """How many of n columns to take in each pass: passes of equal size."""
    return math.ceil(n / math.ceil(n / MOST_AT_ONCE))


def with_jacobian(problem: Problem, x: np.ndarray, args_type: Any) -> tuple[Problem, str]:
    """The problem with its Jacobian chosen, and why it is not exact, or ""."""
    if problem.jac not in (None, "autodiff"):
        return problem, ""
    vector = types.Array(numba.typeof(x).dtype, 1, "C")
    require_residuals(return_type(problem.fun, (vector, *args_type), "fun"), problem.fun)
    try:
        exact_code(problem, vector, args_type, x.size)
    except autodiff.NotDifferentiable as refusal:
        if problem.jac == "autodiff":
            raise
        return problem._replace(jac="2-point"), str(refusal)
    return problem._replace(jac="autodiff"), ""


# --- in Python -------------------------------------------------------------------------------------------------------


def plain_residuals(fun: Callable, x: np.ndarray, args: tuple) -> np.ndarray:
    """The residuals that a Python function returned, as a vector of real numbers."""
    found = np.atleast_1d(np.asarray(fun(x, *args)))
    if found.ndim != 1 or found.dtype.kind not in ("fiubc" if x.dtype.kind == "c" else "fiub"):
        raise TypeError(
            f"{name_of(fun)} must return a vector of residuals, a 1-d array of real numbers, not shape {found.shape}, "
            f"dtype {found.dtype}."
        )
    return found


def python_residuals(problem: Problem, x0: np.ndarray, space: Any, m: int) -> tuple[Any, Callback]:
    """The residuals, m of them, with their Jacobian, and the callback that must live as long."""
    fun, jac, args = problem.fun, problem.jac, problem.args
    x, r, J = np.empty_like(x0), np.empty(m, x0.dtype), np.empty((x0.size, m), x0.dtype)
    scheme = None if callable(jac) else SCHEMES[jac]

    def residuals(at: np.ndarray) -> np.ndarray:
        found = plain_residuals(fun, at.copy(), args)
        if found.size != m:
            raise ValueError(f"{name_of(fun)} returned {found.size} residuals, but {m} at x0.")
        return found

    def evaluate(what: float) -> float:
        if what == 0:
            r[:] = residuals(x)
        elif scheme is None:
            found = np.asarray(jac(x.copy(), *args))
            if found.shape != (m, x.size):
                raise ValueError(f"{name_of(jac)} must return shape ({m}, {x.size}), not {found.shape}.")
            J[:] = found.T
        else:  # a vector in place of the number that such a scheme is written for
            by_complex = scheme is ComplexStep  # which needs no residuals at x
            values = scheme(residuals, 0, None, *([residuals] if by_complex else []))
            at, here = scratch(values, x), None if by_complex else residuals(x)
            for i in range(x.size):
                J[i] = partial(values, space, at, i, here)
        return 0.0

    callback = Callback(evaluate)
    cost = 0 if scheme is None else evaluations(scheme, x.size) - (scheme is ComplexStep)
    return PythonResiduals(callback.address, x, r, J, cost, m), callback


def in_python(problem: Problem) -> Problem:
    """The problem with its Jacobian chosen, where that is not compiled."""
    if problem.jac == "autodiff":
        raise not_compiled(problem.fun)
    return problem if problem.jac is not None else problem._replace(jac="2-point")


def for_scheme(fun: Callable, jac: Any) -> Callable:
    """`fun`; where Jacobians are taken in Python, by "3-point" and "cs", as a Python function that calls it."""
    if jac not in IN_PYTHON or not compiles_nopython(fun):
        return fun
    return functools.wraps(fun, updated=())(lambda *args: _called(fun, args))


def _called(fun: Any, args: tuple) -> Any:
    """What a compiled function returns for these arguments; where numba does not take them, an error that says why."""
    try:
        return fun(*args)
    except NumbaError as error:
        refusal = numba_refusal("the function of complex numbers", fun, error)
        raise TypeError(f'{refusal}\n  jac="cs" calls it with complex numbers: use jac="3-point".') from error
