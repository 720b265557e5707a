"""What the user gave (fun, jac, args) as one objective that the loop can evaluate, compiled or plain.

The objective is always minimised: under `maximize` value and gradient change sign here and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
from numba.core import types

from ._compile import compiles_nopython, compiling, jit_user, target, user_kernel
from ._errors import numba_refusal
from ._memory import code_address, load_args
from .drivers.evaluation import ComplexStep, Gradient, ThreePoint, TwoPoint, complex_dtype

SCHEMES = {"2-point": TwoPoint, "3-point": ThreePoint, "cs": ComplexStep}
GRADIENTS = (*SCHEMES, "inplace")
"""Names that `jac` and the option `gradient` take."""


class Problem(NamedTuple):
    """A function with its gradient and arguments, as the user gave them."""

    fun: Any
    jac: Any  # a callable, True, or one of GRADIENTS
    args: tuple
    sign: float  # -1 to maximise

    @property
    def gradient(self) -> str:
        """How the gradient is obtained, in a word or two."""
        if isinstance(self.jac, str):
            return self.jac
        return "jac=True" if self.jac is True else f"jac={getattr(self.jac, '__name__', type(self.jac).__name__)}"

    @property
    def scheme(self) -> type:
        """The kind of objective that the drivers see."""
        return SCHEMES.get(self.jac, Gradient) if isinstance(self.jac, str) else Gradient

    @property
    def compiled(self) -> bool:
        """Whether the compiled loop can call it: all functions in it are compiled by numba."""
        return compiles_nopython(self.fun) and (not callable(self.jac) or compiles_nopython(self.jac))


def scipy_unwrapped(fun: Any, jac: Any) -> tuple[Any, Any]:
    """What the user gave to scipy: with jac=True, scipy hands on its memoizing wrapper and a method of it."""
    owner: Any = getattr(jac, "__self__", None)
    if owner is fun and type(owner).__name__ == "MemoizeJac":
        return owner.fun, True
    return fun, jac


def jitted(fun: Callable) -> Any:
    """The plain function `fun` compiled by numba, once per function."""
    if compiles_nopython(fun):
        return fun
    return _remembered(fun, "jit", lambda: jit_user(fun))


def _remembered(owner: Any, key: Any, make: Callable[[], Any]) -> Any:
    """`make()`, kept with the function `owner` so that a second run with it compiles nothing and both die together."""
    try:
        memory = owner.__dict__.setdefault("_numbaopt", {})
    except AttributeError:  # a bound method or a builtin: nowhere to keep it
        return make()
    if key not in memory:
        memory[key] = make()
    return memory[key]


# --- compiled --------------------------------------------------------------------------------------------------------


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


_fill_compiled = user_kernel(_fill)


def compiled_objective(problem: Problem, x: np.ndarray, address: int, args_type: Any, team: Any = None) -> Any:
    """The objective as a NamedTuple of addresses of compiled code, for the compiled loop.

    With a `team` of threads the arguments are compiled as read-only, which proves that `fun` may be called by several
    threads at once; a TypingError says that it may not.
    """
    fun, jac, _, sign = problem
    vector = types.Array(numba.typeof(x).dtype, 1, "C")
    if jac in SCHEMES:
        value = _value_code(fun, vector, args_type, sign, complex_result=False)
        if jac != "cs":
            return SCHEMES[jac](value, address, team)
        plane = types.Array(numba.from_dtype(np.dtype(complex_dtype(x))), 1, "C")
        return ComplexStep(value, address, team, _value_code(fun, plane, args_type, sign, complex_result=True))
    return Gradient(_gradient_code(fun, jac, vector, args_type, sign), address)


def _value_code(fun: Any, vector: Any, args_type: Any, sign: float, complex_result: bool) -> int:
    def make() -> Any:
        _require_number(_return_type(fun, (vector, *args_type), "fun"), complex_result, fun)

        def value(x, args):
            return sign * as_number(fun(x, *load_args(args, args_type)))

        return _compiled(value, types.complex128 if complex_result else types.float64, vector, types.intp)

    return code_address(*_remembered(fun, ("value", vector, args_type, sign), make))


def _gradient_code(fun: Any, jac: Any, vector: Any, args_type: Any, sign: float) -> int:
    def make() -> Any:
        fill = _fill_compiled
        if jac == "inplace":
            _require_number(_return_type(fun, (vector, vector, *args_type), "fun"), False, fun)

            def gradient(x, g, args):
                f = sign * as_number(fun(x, g, *load_args(args, args_type)))
                if sign != 1.0:
                    for i in range(g.size):
                        g[i] = sign * g[i]
                return f

        elif jac is True:
            pair = _return_type(fun, (vector, *args_type), "fun")
            if not (isinstance(pair, types.BaseTuple) and len(pair) == 2):
                raise TypeError(f"jac=True: {_name(fun)} must return the pair (value, gradient), not {_plain(pair)}.")
            _require_number(pair[0], False, fun)
            _require_gradient(pair[1], fun)

            def gradient(x, g, args):
                f, derivative = fun(x, *load_args(args, args_type))
                fill(g, derivative, sign)
                return sign * as_number(f)

        else:
            _require_number(_return_type(fun, (vector, *args_type), "fun"), False, fun)
            _require_gradient(_return_type(jac, (vector, *args_type), "jac"), jac)

            def gradient(x, g, args):
                given = load_args(args, args_type)
                fill(g, jac(x, *given), sign)
                return sign * as_number(fun(x, *given))

        return _compiled(gradient, types.float64, vector, vector, types.intp)

    return code_address(*_remembered(fun, ("gradient", jac, vector, args_type, sign), make))


def _compiled(function: Callable, returned: Any, *parameters: Any) -> tuple[Any, tuple]:
    with compiling():
        dispatcher = user_kernel(function)
        dispatcher.compile(returned(*parameters))
    return dispatcher, parameters


def _return_type(function: Any, arguments: tuple, role: str) -> Any:
    """The type that numba infers for `function(*arguments)`; what numba refuses becomes a short TypeError."""
    from numba.core.registry import cpu_target

    try:
        with compiling():
            signature = cpu_target.typing_context.resolve_function_type(types.Dispatcher(function), arguments, {})
    except Exception as error:  # not all that numba raises is a NumbaError
        raise numba_refusal(role, function, error) from error
    if signature is None:
        raise TypeError(f"numba finds no way to call {role} {_name(function)} with ({_plain(arguments)}).")
    return types.unliteral(signature.return_type)


def _require_number(ty: Any, complex_result: bool, function: Any) -> None:
    scalar = ty.dtype if isinstance(ty, types.Array) else ty
    allowed = (types.Number, types.Boolean) if complex_result else (types.Float, types.Integer, types.Boolean)
    if not isinstance(scalar, allowed):
        hint = " (is a `return` missing?)" if isinstance(ty, types.NoneType) else ""
        pair = isinstance(ty, types.BaseTuple) and len(ty) == 2
        hint = " (give jac=True if it returns value and gradient)" if pair else hint
        raise TypeError(f"{_name(function)} must return a number, but it returned {_plain(ty)}{hint}.")


def _require_gradient(ty: Any, function: Any) -> None:
    real = isinstance(ty, types.Array) and ty.ndim == 1 and isinstance(ty.dtype, (types.Float, types.Integer))
    if not real:
        raise TypeError(f"the gradient from {_name(function)} must be a 1-d array of real numbers, not {_plain(ty)}.")


def _name(function: Any) -> str:
    return f"{getattr(function, '__name__', type(function).__name__)}()"


def _plain(ty: Any) -> str:
    """A numba type, or a tuple of them, in words that a user of NumPy knows."""
    if isinstance(ty, tuple):
        return ", ".join(_plain(t) for t in ty)
    if isinstance(ty, types.NoneType):
        return "None"
    if isinstance(ty, types.UnicodeType):
        return "a string"
    if isinstance(ty, types.Array):
        return f"a {ty.ndim}-d array of {ty.dtype}"
    if isinstance(ty, types.BaseTuple):
        return f"a tuple ({', '.join(_plain(t) for t in ty)})"
    if isinstance(ty, types.Complex):
        return f"a complex number ({ty})"
    return str(ty)


# --- plain Python ----------------------------------------------------------------------------------------------------


def plain_objective(problem: Problem, x: np.ndarray) -> Any:
    """The same objective as Python functions, for the Python loop."""
    fun, jac, args, sign = problem

    def value(x: np.ndarray) -> float:
        return sign * plain_value(fun(x.copy(), *args), fun)

    def complex_value(z: np.ndarray) -> complex:
        return sign * complex(np.asarray(fun(z.copy(), *args)).item())

    if jac in SCHEMES:
        if jac == "cs":
            return ComplexStep(value, 0, None, complex_value)
        return SCHEMES[jac](value, 0, None)

    def gradient(x: np.ndarray, g: np.ndarray) -> float:
        if jac == "inplace":
            f = plain_value(fun(x, g, *args), fun)
        elif jac is True:
            pair = fun(x.copy(), *args)
            if not (isinstance(pair, tuple) and len(pair) == 2):
                raise TypeError(f"jac=True: {_name(fun)} must return the pair (value, gradient), not {pair!r:.80}.")
            f = plain_value(pair[0], fun)
            g[...] = plain_gradient(pair[1], fun, x.size)
        else:
            f = plain_value(fun(x.copy(), *args), fun)
            g[...] = plain_gradient(jac(x.copy(), *args), jac, x.size)
        if sign != 1.0:
            np.multiply(g, sign, out=g)
        return sign * f

    return Gradient(gradient, 0)


def plain_value(result: Any, function: Any) -> float:
    """The number that a Python objective returned, as a float."""
    hint = " (is a `return` missing?)" if result is None else ""
    pair = isinstance(result, tuple) and len(result) == 2
    hint = " (give jac=True if it returns value and gradient)" if pair else hint
    complaint = f"{_name(function)} must return a number, but it returned {result!r:.80}{hint}."
    if isinstance(result, (float, int)):
        return float(result)
    if result is None or pair or isinstance(result, (str, bytes)):
        raise TypeError(complaint)
    try:
        array = np.asarray(result)
    except Exception:
        raise TypeError(complaint) from None
    if array.size != 1 and array.dtype.kind in "fiubc":
        raise ValueError(f"{_name(function)} must return a number, but it returned an array of shape {array.shape}.")
    if array.dtype.kind not in "fiub":
        raise TypeError(complaint)
    return float(array.item())


def plain_gradient(result: Any, function: Any, n: int) -> np.ndarray:
    """The gradient that a Python function returned, as an array of n real numbers."""
    array = np.asarray(result)
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"the gradient from {_name(function)} must be an array of real numbers, not {result!r:.80} "
            f"(dtype {array.dtype})."
        )
    if n == 1 and array.ndim == 0:
        array = array.reshape(1)
    if array.shape != (n,):
        raise ValueError(f"the gradient from {_name(function)} must have shape ({n},) as x has, not {array.shape}.")
    return array


# --- checking a complex step -----------------------------------------------------------------------------------------


def directional_mismatch(value: Callable, x: np.ndarray, g: np.ndarray, space: Any) -> tuple[float, float] | None:
    """The derivative along a fixed random direction, by `g` and by a central difference of `value`, where they differ.

    The direction has the size of x in each element; elements that are too near to a bound stay where they are.
    """
    typical = np.ones_like(x) if space is None else space.scale
    direction = np.random.default_rng(0).standard_normal(x.size) * np.where(x == 0, typical, np.abs(x))
    h = float(np.cbrt(np.finfo(x.dtype).eps))
    if space is not None:
        room = (x - h * np.abs(direction) >= space.lower) & (x + h * np.abs(direction) <= space.upper)
        direction *= room
    ahead, behind = (value((x + s * h * direction).astype(x.dtype)) for s in (1, -1))
    difference = (ahead - behind) / (2 * h)
    exact = float(g @ direction)
    noise = 10 * np.finfo(x.dtype).eps * max(abs(ahead), abs(behind)) / h
    if not math.isfinite(difference) or abs(exact - difference) <= noise + 1e-3 * max(abs(difference), abs(exact)):
        return None
    return exact, difference
