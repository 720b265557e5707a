"""What can be known of a user's compiled function before it is called: its result, whether it writes to x."""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable
from typing import Any

from numba.core import types

from ._compile import compiling
from ._errors import SparseGradientError, name_of, numba_refusal


def return_type(function: Any, arguments: tuple, role: str) -> Any:
    """The type that numba infers for `function(*arguments)`; what numba refuses becomes a short TypeError."""
    from numba.core.registry import cpu_target

    try:
        with compiling():
            signature = cpu_target.typing_context.resolve_function_type(types.Dispatcher(function), arguments, {})
    except Exception as error:  # not all that numba raises is a NumbaError
        _require_arguments(function, len(arguments), role)
        raise numba_refusal(role, function, error) from error
    if signature is None:
        raise TypeError(f"numba finds no way to call {role} {name_of(function)} with ({_plain(arguments)}).")
    return types.unliteral(signature.return_type)


def _require_arguments(function: Any, count: int, role: str) -> None:
    """An error that counts arguments, where their number is wrong."""
    signature = inspect.signature(function.py_func)
    try:
        signature.bind(*range(count))
    except TypeError as error:
        raise TypeError(
            f"{role} is {name_of(function)[:-2]}{signature}, but it is called with {count} arguments, x and what `jac` "
            f"and `args` add to it ({error})."
        ) from None


def require_number(ty: Any, complex_result: bool, function: Any) -> None:
    """An error unless `ty`, which `function` returns, is that of a number."""
    scalar = ty.dtype if isinstance(ty, types.Array) else ty
    allowed = (types.Number, types.Boolean) if complex_result else (types.Float, types.Integer, types.Boolean)
    if not isinstance(scalar, allowed):
        hint = " (is a `return` missing?)" if isinstance(ty, types.NoneType) else ""
        pair = isinstance(ty, types.BaseTuple) and len(ty) == 2
        hint = " (give jac=True if it returns value and gradient)" if pair else hint
        raise TypeError(f"{name_of(function)} must return a number, but it returned {_plain(ty)}{hint}.")


def require_gradient(ty: Any, function: Any) -> None:
    """An error unless `ty`, which `function` returns, is that of a vector; a special one for a sparse gradient."""
    pair = isinstance(ty, types.BaseTuple) and len(ty) == 2
    if pair and isinstance(ty[0], types.Array) and isinstance(ty[0].dtype, types.Integer):
        raise SparseGradientError(function)
    real = isinstance(ty, types.Array) and ty.ndim == 1 and isinstance(ty.dtype, (types.Float, types.Integer))
    if not real:
        raise TypeError(f"the gradient from {name_of(function)} must be a 1-d array of real numbers, not {_plain(ty)}.")


def require_pair(ty: Any, function: Any) -> None:
    """An error unless `ty` is a pair of value and gradient."""
    if not (isinstance(ty, types.BaseTuple) and len(ty) == 2):
        raise TypeError(f"jac=True: {name_of(function)} must return the pair (value, gradient), not {_plain(ty)}.")
    require_number(ty[0], False, function)
    require_gradient(ty[1], function)


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
