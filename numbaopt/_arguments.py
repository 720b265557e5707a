"""A user's arguments behind one address, and calls of compiled code by address: intrinsics, like those of `_memory`."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from ._compile import bind, kernel
from ._memory import array_value, lent

# --- a user's arguments behind one address ---------------------------------------------------------------------------

# A loop that had the types of `args` in its signature would be compiled again for every new kind of data. The loop is
# given an address instead, and the wrapper around the objective, which is compiled for each anyway, knows the types.


@intrinsic
def _store_args(typingctx, buffer, args):
    def codegen(context, builder, sig, values):
        data = context.make_array(sig.args[0])(context, builder, values[0]).data
        context.nrt.incref(builder, sig.args[1], values[1])
        builder.store(values[1], builder.bitcast(data, values[1].type.as_pointer()))

    return types.void(buffer, args), codegen


@intrinsic
def _release_args(typingctx, buffer, args):
    def codegen(context, builder, sig, values):
        data = context.make_array(sig.args[0])(context, builder, values[0]).data
        stored = builder.load(builder.bitcast(data, values[1].type.as_pointer()))
        context.nrt.decref(builder, sig.args[1], stored)

    return types.void(buffer, args), codegen


@intrinsic
def load_args(typingctx, address, args_type):
    """The tuple of type `args_type` that `packed` put at `address`, or what a `BatchArgs` makes of what is there.

    Its arrays own nothing: numba does not release what a function holds when that raises.
    """
    ty = args_type.instance_type
    stored = getattr(ty, "stored", ty)

    def codegen(context, builder, sig, values):
        pointer = builder.inttoptr(values[0], context.get_value_type(stored).as_pointer())
        if stored is not ty:
            return ty.load(context, builder, pointer)
        return lent(context, builder, ty, builder.load(pointer))

    return getattr(ty, "seen", ty)(types.intp, args_type), codegen


@intrinsic
def lend(typingctx, value):
    """`value` with arrays that own nothing: no references are counted, nor lost where code that holds them raises."""
    return value(value), lambda context, builder, sig, args: lent(context, builder, value, args[0])


BATCH = types.Array(types.int64, 1, "C", readonly=True)


@intrinsic
def resize_first(typingctx, address, count):
    """Let the first of the arguments that `packed` put at `address`, of type `BATCH`, have `count` elements."""

    def codegen(context, builder, sig, args):
        pointer = builder.inttoptr(args[0], context.get_value_type(BATCH).as_pointer())
        array = context.make_array(BATCH)(context, builder, ref=pointer)
        array.nitems = args[1]
        array.shape = cgutils.pack_array(builder, [args[1]])

    return types.void(types.intp, types.intp), codegen


@functools.lru_cache(maxsize=256)
def _size(ty: Any) -> int:
    context = cpu_target.target_context
    return context.get_abi_sizeof(context.get_value_type(ty))


@kernel
def _store(buffer, args):
    """Put `args` into `buffer`, which then owns a reference to each array."""
    _store_args(buffer, args)


@kernel
def _release(buffer, args):
    """Give back the references of `buffer`; `args` is there for its type."""
    _release_args(buffer, args)


@contextmanager
def packed(args: tuple, args_type: Any) -> Iterator[int]:
    """Address of `args`, of numba type `args_type`, in the form that `load_args` reads, for the length of the block."""
    if not args:
        yield 0
        return
    buffer = np.empty(_size(args_type), np.uint8)
    store, release = bind(_store, buffer, args), bind(_release, buffer, args)
    store(buffer, args)
    try:
        yield buffer.ctypes.data
    finally:
        release(buffer, args)


# --- calls by address ------------------------------------------------------------------------------------------------


def _caller(returned: Any) -> Any:
    def call(typingctx, address, n, values):
        parameters = [types.Array(t.dtype, 1, "C") if isinstance(t, types.CPointer) else t for t in values]

        def codegen(context, builder, sig, args):
            pointer_type = context.call_conv.get_function_type(returned, parameters).as_pointer()
            pointer = builder.inttoptr(args[0], pointer_type)
            given = [
                array_value(context, builder, parameter, value, args[1]) if isinstance(ty, types.CPointer) else value
                for parameter, ty, value in zip(parameters, values, cgutils.unpack_tuple(builder, args[2]), strict=True)
            ]
            status, result = context.call_conv.call_function(builder, pointer, returned, parameters, given)
            with cgutils.if_unlikely(builder, status.is_error):
                context.call_conv.return_status_propagate(builder, status)
            return context.get_dummy_value() if returned is types.none else result

        return returned(types.intp, types.intp, values), codegen

    return intrinsic(call)


call_real = _caller(types.float64)
"""`f(*values) -> float64` at an address; pointers are passed as arrays of `n` elements. What it raises propagates."""

call_integer = _caller(types.int64)
"""`f(*values) -> int64` at an address: a loop, for a kernel that is not to be compiled around each anew."""

call_nothing = _caller(types.none)
"""`f(*values)` at an address, which returns nothing."""

call_complex = _caller(types.complex128)
"""`f(*values) -> complex128` at an address: an objective at a complex point."""


@intrinsic
def call_c(typingctx, address, value):
    """`f(value) -> double` of C at an address."""

    def codegen(context, builder, sig, args):
        double = context.get_value_type(types.float64)
        pointer = builder.inttoptr(args[0], ir.FunctionType(double, [double]).as_pointer())
        return builder.call(pointer, [args[1]])

    return types.float64(types.intp, types.float64), codegen


def code_address(dispatcher: Any, signature: tuple) -> int:
    """Address of the code that `dispatcher` compiled for `signature`, for the callers above."""
    result = dispatcher.overloads[signature]
    return result.library.get_pointer_to_function(result.fndesc.llvm_func_name)
