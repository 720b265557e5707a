"""What the user gave (fun, jac, args) as one objective that the loop can evaluate, compiled or plain.

The objective is always minimised: under `maximize` value and gradient change sign here and nowhere else.
"""

from __future__ import annotations

import contextlib
import dis
import inspect
import math
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
from numba.core import errors, types

from ._compile import compiles_nopython, compiling, inlined, jit_user, target, user_kernel
from ._errors import numba_refusal
from ._memory import code_address, load_args
from .drivers.evaluation import ComplexStep, Gradient, ThreePoint, TwoPoint, complex_dtype

SCHEMES = {"2-point": TwoPoint, "3-point": ThreePoint, "cs": ComplexStep}
GRADIENTS = (*SCHEMES, "inplace")
"""Names that `jac` and the option `gradient` take."""


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
    if jac not in SCHEMES:
        return Gradient(_gradient_code(fun, jac, vector, args_type, sign).address, address)
    value = _value_code(fun, vector, args_type, sign, complex_result=False)
    if team is not None and value.parallel:
        raise TypeError(f"{_name(fun)} uses several threads itself")
    if jac != "cs":
        return SCHEMES[jac](value.address, address, team)
    plane = types.Array(numba.from_dtype(np.dtype(complex_dtype(x))), 1, "C")
    complex_value = _value_code(fun, plane, args_type, sign, complex_result=True)
    return ComplexStep(value.address, address, team, complex_value.address)


def _value_code(fun: Any, vector: Any, args_type: Any, sign: float, complex_result: bool) -> Code:
    own = _own_x(fun)

    def make() -> Code:
        _require_number(_return_type(fun, (vector, *args_type), "fun"), complex_result, fun)

        def value(x, args):
            return sign * as_number(fun(own(x), *load_args(args, args_type)))

        return _compiled(fun, value, types.complex128 if complex_result else types.float64, vector, types.intp)

    return _remembered((fun,), ("value", vector, args_type, sign), make)


def _gradient_code(fun: Any, jac: Any, vector: Any, args_type: Any, sign: float) -> Code:
    own = _own_x(fun)

    def make() -> Code:
        fill = _fill_compiled
        if jac == "inplace":
            _require_number(_return_type(fun, (vector, vector, *args_type), "fun"), False, fun)

            def gradient(x, g, args):
                f = sign * as_number(fun(own(x), g, *load_args(args, args_type)))
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
                f, derivative = fun(own(x), *load_args(args, args_type))
                fill(g, derivative, sign)
                return sign * as_number(f)

        else:
            _require_number(_return_type(fun, (vector, *args_type), "fun"), False, fun)
            _require_gradient(_return_type(jac, (vector, *args_type), "jac"), jac)
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


def writes_to_first_argument(function: Callable) -> bool:
    """Whether the code of a function writes to its first argument by `x[...] = ` or `x *= `.

    Not seen are writes by the functions that it calls; where the name is given another value, none are looked for.
    """
    instructions = [i for i in dis.get_instructions(function) if i.opname not in ("CACHE", "EXTENDED_ARG")]
    name = next(iter(function.__code__.co_varnames[: function.__code__.co_argcount]), None)

    def in_place(k: int) -> bool:
        return instructions[k].opname == "BINARY_OP" and instructions[k].argrepr.endswith("=")

    stores = [k for k, i in enumerate(instructions) if i.opname == "STORE_FAST" and i.argval == name]
    if not all(in_place(k - 1) for k in stores):
        return False
    loads = ("LOAD_FAST", "LOAD_FAST_BORROW")
    for k, instruction in enumerate(instructions):
        if instruction.opname in ("STORE_SUBSCR", "STORE_SLICE"):
            before = [i for i in instructions[max(0, k - 5) : k] if i.opname.startswith("LOAD_FAST")]
            container = instructions[k - 2] if instruction.opname == "STORE_SUBSCR" else instructions[k - 3]
            if container.opname == "BUILD_SLICE" or instructions[k - 1].opname == "BUILD_SLICE":
                container = before[0] if before else container
            if container.opname in loads and container.argval == name:
                return True
    return bool(stores)


def _compiled(fun: Any, wrapper: Callable, returned: Any, *parameters: Any) -> Code:
    try:
        with compiling():
            dispatcher = user_kernel(wrapper)
            dispatcher.compile(returned(*parameters))
    except errors.NumbaError as error:
        raise numba_refusal("fun", fun, error) from error
    return Code(dispatcher, parameters)


def _return_type(function: Any, arguments: tuple, role: str) -> Any:
    """The type that numba infers for `function(*arguments)`; what numba refuses becomes a short TypeError."""
    from numba.core.registry import cpu_target

    try:
        with compiling():
            signature = cpu_target.typing_context.resolve_function_type(types.Dispatcher(function), arguments, {})
    except Exception as error:  # not all that numba raises is a NumbaError
        _require_arguments(function, len(arguments), role)
        raise numba_refusal(role, function, error) from error
    if signature is None:
        raise TypeError(f"numba finds no way to call {role} {_name(function)} with ({_plain(arguments)}).")
    return types.unliteral(signature.return_type)


def _require_arguments(function: Any, count: int, role: str) -> None:
    """An error that counts arguments, where their number is wrong."""
    signature = inspect.signature(function.py_func)
    try:
        signature.bind(*range(count))
    except TypeError as error:
        raise TypeError(
            f"{role} is {_name(function)[:-2]}{signature}, but it is called with {count} arguments, x and what `jac` "
            f"and `args` add to it ({error})."
        ) from None


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


def directional_mismatch(
    value: Callable, x: np.ndarray, f: float, g: np.ndarray, space: Any
) -> tuple[float, float] | None:
    """The derivative along a fixed random direction, by `g` and by a central difference of `value`, where they differ.

    The direction has the size of x in each element; elements that are too near to a bound stay where they are. The
    difference is allowed an error of a thousandth of what the derivative changes by within the step, which is all
    that there is at a minimum.
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
    size = max(abs(difference), abs(exact), abs(ahead + behind - 2 * f) / h)
    if not math.isfinite(difference) or abs(exact - difference) <= noise + 1e-3 * size:
        return None
    return exact, difference
