"""What users call: Jacobians, Hessians and their products with vectors, as compiled functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba.core import types

from .._compile import compiling, user_part
from .._errors import name_of
from . import columns
from .files import loaded
from .forward import generate_tangents
from .front import by_types, compiled, defined, generated_for, gradient_function, numbers_of, once, parameters_of
from .generation import Generated, generate
from .numba_typing import kind
from .refusal import NotDifferentiable

MOST_AT_ONCE = 32
"""Beyond that it is a mistake: compiling takes minutes."""


def tangent_function(fun: Any, argument_types: tuple, argnums: tuple[int, ...], count: int) -> Any:
    """`fun` with tangents, compiled: see `generate_tangents`."""

    key = "tangents", argument_types, argnums, count
    return once(fun, key, lambda: compiled(fun, _tangents_for(fun, argument_types, argnums, count)))


def _tangents_for(fun: Any, argument_types: tuple, argnums: tuple[int, ...], count: int) -> Generated:
    """The text of `fun` with tangents, made once."""

    def make() -> Generated:
        with compiling():
            return generate_tangents(fun, argument_types, argnums, count)

    return once(fun, ("text of tangents", argument_types, argnums, count), make)


def _weighted_function(fun: Any, argument_types: tuple, argnum: int) -> Any:
    """The gradient of a weighted sum of what `fun` returns, compiled: see `generate`."""

    def make() -> Any:
        with compiling():
            return compiled(fun, generate(fun, argument_types, (argnum,), weighted=True))

    return once(fun, ("weighted", argument_types, argnum), make)


def _second_order_function(fun: Any, argument_types: tuple, argnum: int, count: int) -> Any:
    """The gradient of `fun` with tangents, compiled: forward mode of the text of reverse mode."""

    def make() -> Any:
        gradient, _ = loaded(generated_for(fun, argument_types, (argnum,)))
        x = argument_types[argnum]
        array = isinstance(x, types.Array)
        given = (*argument_types, types.Array(x.dtype, x.ndim, "C")) if array else argument_types
        with compiling():
            return compiled(fun, generate_tangents(gradient, given, (argnum,), count, gradient=True))

    return once(fun, ("second", argument_types, argnum, count), make)


def jacobian(fun: Callable, argnums: int | tuple[int, ...] = 0, mode: str | None = None, at_once: int = 4) -> Any:
    """A compiled function that returns the exact Jacobian of `fun`, a function that returns an array.

    J[i, j] is the derivative of element i of the result by element j of the argument. Forward mode costs one to three
    evaluations of `fun` for every `at_once` columns, reverse mode two to four for every row.

    Parameters
    ----------
    fun : callable
        A function of numbers and arrays that returns an array of floats, as in `value_and_grad`; or a number, whose
        Jacobian is its gradient.
    argnums : int or tuple of int
        Which arguments to differentiate by: floats or arrays of floats.
    mode : {None, "forward", "reverse"}
        None takes forward mode unless the result is a number, or forward mode takes more passes than the result has
        elements. To name one saves compiling the other.
    at_once : int
        Columns in a pass of forward mode. The number of parameters is fastest, up to about 8: more take longer to
        compile, fewer evaluate the function more often.

    Returns
    -------
    callable
        `J(*args)`, an array of the shape of the result followed by that of the argument; with a tuple of `argnums` a
        tuple of arrays. The arguments stay as they were.

    Raises
    ------
    numbaopt.autodiff.NotDifferentiable
        On the first call with arguments of given types, for what cannot be differentiated, with its place in the file.

    Examples
    --------
    >>> import numba, numpy as np, numbaopt
    >>> @numba.njit
    ... def residuals(b, t, y):
    ...     return b[0] * np.exp(-b[1] * t) - y
    >>> t = np.array([0.0, 1.0, 2.0])
    >>> numbaopt.jacobian(residuals)(np.array([2.0, 1.0]), t, np.ones(3)).round(4).tolist()
    [[1.0, 0.0], [0.3679, -0.7358], [0.1353, -0.5413]]
    """
    if mode not in (None, "forward", "reverse"):
        raise ValueError(f'mode={mode!r} must be None, "forward" or "reverse".')
    by, several = numbers_of(argnums), not isinstance(argnums, int)
    count = _columns_at_once(at_once)

    def body(given: tuple) -> Any:
        names = parameters_of(fun, len(given))
        if not several:
            return _jacobian_by(fun, given, by[0], mode, count)
        parts = [user_part(_jacobian_by(fun, given, i, mode, count)) for i in by]
        results = ", ".join(f"part{k}({', '.join(names)})" for k in range(len(parts)))
        functions = {f"part{k}": part for k, part in enumerate(parts)}
        return defined(names, [f"return ({results},)"], **functions)

    return by_types(fun, "jacobian", "The Jacobian of", body)


def _jacobian_by(fun: Any, given: tuple, i: int, mode: str | None, count: int) -> Any:
    """The Jacobian by argument i, as a Python function."""
    names = parameters_of(fun, len(given))
    arguments, number = ", ".join(names), kind(given[i]) == "f"
    if number:
        function = tangent_function(fun, given, (i,), 1)
        return defined(names, [f"return function({arguments}, 1.0)[1]"], function=function)
    returned = _tangents_for(fun, given, (i,), count).returned
    if kind(returned) in "fi" and mode != "forward":
        lines = [f"g = np.empty({names[i]}.shape, {names[i]}.dtype)", f"function({arguments}, g)", "return g"]
        return defined(names, lines, function=gradient_function(fun, given, (i,)))
    tangents = tangent_function(fun, given, (i,), count)
    if kind(returned) in "fi":
        return defined(names, columns.gradient_lines(names[i], given[i], arguments, count), tangents=tangents)
    if kind(returned) != "A":
        raise NotDifferentiable(
            f"autodiff: {name_of(fun)} returns several things, or none that is a number or an array of floats.\n"
            "  Instead: give jacobian() a function that returns one array."
        )
    weighted = None if mode == "forward" else _weighted_or_none(fun, given, i, required=mode == "reverse")
    by_rows = None if weighted is None else "True" if mode else f"{count} * r.size < {names[i]}.size - {count}"
    lines = columns.jacobian_lines(names[i], given[i], returned, arguments, count, by_rows)
    return defined(names, lines, tangents=tangents, weighted=weighted)


def _weighted_or_none(fun: Any, given: tuple, i: int, required: bool) -> Any:
    """Reverse mode; what it cannot do, forward mode may."""
    try:
        return _weighted_function(fun, given, i)
    except NotDifferentiable:
        if required:
            raise
        return None


def hvp(fun: Callable, argnums: int = 0) -> Any:
    """A compiled function that returns the exact product of the Hessian of `fun` with a vector.

    H p is the derivative of the gradient along p, forward mode of reverse mode: at the cost of four to eight
    evaluations of `fun`, whatever the number of parameters.

    Parameters
    ----------
    fun : callable
        A function of numbers and arrays that returns a number, as in `value_and_grad`.
    argnums : int
        Which argument to differentiate by: a float or an array of floats.

    Returns
    -------
    callable
        `f(x, p, *args)`, of the shape of x: scipy's `hessp`. The vector p stands after the argument that it belongs to.

    Raises
    ------
    numbaopt.autodiff.NotDifferentiable
        On the first call with arguments of given types, for what cannot be differentiated, with its place in the file.

    Examples
    --------
    >>> import numba, numpy as np, numbaopt
    >>> @numba.njit
    ... def rosenbrock(x):
    ...     return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
    >>> numbaopt.hvp(rosenbrock)(np.array([-1.0, 2.0]), np.array([1.0, 0.0])).tolist()
    [402.0, 400.0]
    """
    i = _one(argnums)

    def body(given: tuple) -> Any:
        given = (*given[: i + 1], *given[i + 2 :])
        names = parameters_of(fun, len(given))
        tangents = _second_order_function(fun, given, i, 1)
        arguments = ", ".join(names)
        lines = columns.product_lines(names[i], arguments)
        if kind(given[i]) == "f":
            lines = [f"return tangents({arguments}, p)[3]"]
        return defined(_with_p(names, i), lines, tangents=tangents)

    return by_types(fun, "hvp", "The product of a vector with the Hessian of", body, lambda names: _with_p(names, i))


def hessian(fun: Callable, argnums: int = 0, at_once: int = 4) -> Any:
    """A compiled function that returns the exact Hessian of `fun`.

    Its columns are derivatives of the gradient, some at once: forward mode of reverse mode.

    Parameters
    ----------
    fun, argnums
        As in `hvp`.
    at_once
        As in `jacobian`.

    Returns
    -------
    callable
        `H(*args)`, symmetric, of the shape of the argument twice: (n, n) for a vector.

    Raises
    ------
    numbaopt.autodiff.NotDifferentiable
        On the first call with arguments of given types, for what cannot be differentiated, with its place in the file.

    Examples
    --------
    >>> import numba, numpy as np, numbaopt
    >>> @numba.njit
    ... def rosenbrock(x):
    ...     return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
    >>> numbaopt.hessian(rosenbrock)(np.array([-1.0, 2.0])).tolist()
    [[402.0, 400.0], [400.0, 200.0]]
    """
    i, count = _one(argnums), _columns_at_once(at_once)

    def body(given: tuple) -> Any:
        names = parameters_of(fun, len(given))
        arguments = ", ".join(names)
        if kind(given[i]) == "f":
            tangents = _second_order_function(fun, given, i, 1)
            return defined(names, [f"return tangents({arguments}, 1.0)[3]"], tangents=tangents)
        tangents = _second_order_function(fun, given, i, count)
        return defined(names, columns.hessian_lines(names[i], given[i], arguments, count), tangents=tangents)

    return by_types(fun, "hessian", "The Hessian of", body)


def _columns_at_once(at_once: Any) -> int:
    if not isinstance(at_once, int) or not 1 <= at_once <= MOST_AT_ONCE:
        raise ValueError(f"at_once={at_once!r} must be a number of columns from 1 to {MOST_AT_ONCE}.")
    return at_once


def _one(argnums: Any) -> int:
    if not isinstance(argnums, int):
        raise TypeError(f"argnums={argnums!r} must be one number: of the argument to differentiate by twice.")
    return numbers_of(argnums)[0]


def _with_p(names: list[str], i: int) -> list[str]:
    """The parameters with the vector after that number i."""
    return [*names[: i + 1], "p", *names[i + 1 :]]
