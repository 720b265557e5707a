"""The user's compiled functions as one objective for the compiled loop: wrappers with one signature, by address."""

from __future__ import annotations

import contextlib
import inspect
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
from numba.core import errors, types

from ._arguments import code_address, load_args
from ._compile import compiles_nopython, compiling, inlined, jit_user, target, user_kernel, user_part
from ._errors import name_of, numba_refusal
from ._inspection import require_gradient, require_number, require_pair, return_type, writes_to_first_argument
from ._objective import SCHEMES, Problem
from .drivers.evaluation import ComplexStep, Gradient, complex_dtype
from .drivers.objectives import Value


class Code(NamedTuple):
    """A compiled wrapper around a user's function."""

    dispatcher: Any
    signature: tuple
    versions: Any = ()  # of the user's functions in it

    @property
    def address(self) -> int:
        """Where it is."""
        return code_address(self.dispatcher, self.signature)

    @property
    def parallel(self) -> bool:
        """Whether there is a parallel loop in it, or in anything that it calls."""
        return bool(self.dispatcher.overloads[self.signature].reload_init)


# --- what is compiled once --------------------------------------------------------------------------------------------


def jitted(fun: Any) -> Any:
    """The plain function `fun` compiled by numba, once for the values of the globals and closure that it reads."""
    if compiles_nopython(fun):
        return fun
    if not inspect.isfunction(fun):
        raise TypeError(f"The option jit compiles functions, but {fun!r:.80} is a {type(fun).__name__}.")
    read = inspect.getclosurevars(fun)
    frozen = [*read.nonlocals.items(), *read.globals.items()]
    memory = _memory_of(fun)
    if "jit" not in memory or not _same(memory["jit"][1], frozen):
        memory["jit"] = jit_user(fun), frozen
    return memory["jit"][0]


def _same(some: list, others: list) -> bool:
    """Whether two lists of (name, value) have the same names and the very same values."""
    pairs = zip(some, others, strict=False)
    return len(some) == len(others) and all(a[0] == b[0] and a[1] is b[1] for a, b in pairs)


def _memory_of(owner: Any) -> dict:
    """What has been compiled for the function `owner`; it is kept with it, so that a second run compiles nothing.

    Decorators copy the attributes of a function to another one: what is not the owner's own does not count.
    """
    memory = getattr(owner, "__dict__", {}).get("_numbaopt")
    if memory is None or memory["owner"]() is not owner:
        memory = {"owner": weakref.ref(owner)}
        with contextlib.suppress(AttributeError):  # a builtin: nowhere to keep it
            owner._numbaopt = memory
    return memory


def _remembered(functions: tuple, key: tuple, make: Callable[[], Code]) -> Code:
    """`make()`, or what it gave before for the first of `functions`, unless one has been recompiled since."""
    memory = _memory_of(functions[0])
    code = memory.get(key)
    if code is None or any(a is not b for a, b in zip(code.versions, _versions(functions), strict=True)):
        code = make()
        memory[key] = code = code._replace(versions=_versions(functions))
    return code


def _versions(functions: tuple) -> list:
    """One object for each dispatcher, another one when it has forgotten its code, as `recompile` makes it do."""
    return [next(iter(function.overloads.values()), None) for function in functions]


# --- the wrappers -----------------------------------------------------------------------------------------------------


def as_number(result: Any) -> Any:
    """The number in what a compiled objective returned: a number, a 0-d or a size-1 array."""


@target(as_number)
def _as_number(result):
    if not isinstance(result, types.Array):
        return lambda result: result
    if result.ndim == 0:
        return lambda result: result[()]

    def only(result):
        if result.size != 1:
            raise ValueError("fun must return a number, but it returned an array that has not exactly 1 element")
        return result.flat[0]

    return only


def _fill(g, gradient, sign):
    if gradient.size != g.size:
        raise ValueError("the gradient must have as many elements as x")
    for i in range(g.size):
        g[i] = sign * gradient[i]


_fill_compiled = user_part(_fill)


def compiled_objective(problem: Problem, x: np.ndarray, address: int, args_type: Any, team: Any = None) -> Any:
    """The objective as a NamedTuple of addresses of compiled code, for the compiled loop.

    With a `team` of threads the arguments are compiled as read-only, which proves that `fun` may be called by several
    threads at once; a TypingError says that it may not.
    """
    fun, jac, _, sign = problem[:4]
    vector = types.Array(numba.typeof(x).dtype, 1, "C")
    if jac not in SCHEMES:
        return Gradient(_gradient_code(fun, jac, vector, args_type, sign).address, address)
    value = _value_code(fun, vector, args_type, sign, complex_result=False)
    if team is not None and value.parallel:
        raise TypeError(f"{name_of(fun)} uses several threads itself")
    if jac != "cs":
        return SCHEMES[jac](value.address, address, team)
    plane = types.Array(numba.from_dtype(np.dtype(complex_dtype(x))), 1, "C")
    complex_value = _value_code(fun, plane, args_type, sign, complex_result=True)
    return ComplexStep(value.address, address, team, complex_value.address)


def compiled_value(problem: Problem, x: np.ndarray, address: int, args_type: Any) -> Value:
    """The objective without a gradient."""
    vector = types.Array(numba.typeof(x).dtype, 1, "C")
    return Value(_value_code(problem.fun, vector, args_type, problem.sign, complex_result=False).address, address)


def is_parallel(problem: Problem, x: np.ndarray, args_type: Any) -> bool:
    """Whether the objective, compiled as `compiled_objective` or `compiled_value` do, uses several threads itself."""
    fun, jac, _, sign = problem[:4]
    vector = types.Array(numba.typeof(x).dtype, 1, "C")
    if jac in SCHEMES or jac == "none":
        return _value_code(fun, vector, args_type, sign, complex_result=False).parallel
    return _gradient_code(fun, jac, vector, args_type, sign).parallel


def _value_code(fun: Any, vector: Any, args_type: Any, sign: float, complex_result: bool) -> Code:
    own = _own_x(fun)

    def make() -> Code:
        require_number(return_type(fun, (vector, *args_type), "fun"), complex_result, fun)

        def value(x, args):
            return sign * as_number(fun(own(x), *load_args(args, args_type)))

        return _compiled(fun, value, types.complex128 if complex_result else types.float64, vector, types.intp)

    return _remembered((fun,), ("value", vector, args_type, sign), make)


def _gradient_code(fun: Any, jac: Any, vector: Any, args_type: Any, sign: float) -> Code:
    own = _own_x(fun)

    def make() -> Code:
        fill = _fill_compiled
        if jac == "inplace":
            require_number(return_type(fun, (vector, vector, *args_type), "fun"), False, fun)

            def gradient(x, g, args):
                f = sign * as_number(fun(own(x), g, *load_args(args, args_type)))
                if sign != 1.0:
                    for i in range(g.size):
                        g[i] = sign * g[i]
                return f

        elif jac is True:
            require_pair(return_type(fun, (vector, *args_type), "fun"), fun)

            def gradient(x, g, args):
                f, derivative = fun(own(x), *load_args(args, args_type))
                fill(g, derivative, sign)
                return sign * as_number(f)

        else:
            require_number(return_type(fun, (vector, *args_type), "fun"), False, fun)
            require_gradient(return_type(jac, (vector, *args_type), "jac"), jac)
            own_jac = _own_x(jac)

            def gradient(x, g, args):
                given = load_args(args, args_type)
                fill(g, jac(own_jac(x), *given), sign)
                return sign * as_number(fun(own(x), *given))

        return _compiled(fun, gradient, types.float64, vector, vector, types.intp)

    functions = (fun, jac) if callable(jac) else (fun,)
    return _remembered(functions, ("gradient", jac, vector, args_type, sign), make)


_itself = inlined(lambda x: x)
_copied = inlined(lambda x: x.copy())


def _own_x(function: Any) -> Any:
    """What to pass as x: the loop's own, or a copy for a function whose code writes to its first argument."""
    return _copied if writes_to_first_argument(function.py_func) else _itself


def _compiled(fun: Any, wrapper: Callable, returned: Any, *parameters: Any) -> Code:
    try:
        with compiling():
            dispatcher = user_kernel(wrapper)
            dispatcher.compile(returned(*parameters))
    except errors.NumbaError as error:
        raise numba_refusal("fun", fun, error) from error
    return Code(dispatcher, parameters)
