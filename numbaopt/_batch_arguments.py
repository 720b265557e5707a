"""The arguments of many problems: some that all share, and some of which each problem has its own item.

Compiled code gets them by one address, like those of a single problem, but the wrapper around `fun` finds the number of
the problem there too, and gives `fun` the items of that: numbers, or views that own nothing. The code of `fun` is the
same for all problems and for all batches of the same types.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from ._arguments import lent

_I64 = ir.IntType(64)


class BatchStoppedError(RuntimeError):
    """What ends the evaluation of an objective, in compiled code, once the batch is to stop."""


# --- in compiled code -------------------------------------------------------------------------------------------------


class BatchArgs(types.Type):
    """The type of the arguments of many problems, in place of a tuple type: `load_args` asks it for those of one.

    `stored` is what lies at the address: the number of the problem, the address of a word that is not 0 when all is to
    stop, the shared arguments, and the data of each batch argument. `seen` is the tuple that `fun` gets; `proved` says
    that code which takes it writes to nothing that is shared.
    """

    def __init__(self, stored: Any, shared: tuple, items: tuple, proved: bool):
        self.stored, self.items, self.proved = stored, items, proved
        self.seen = types.BaseTuple.from_types((*shared, *items))
        super().__init__(f"BatchArgs({stored}, {self.seen})")

    def __iter__(self) -> Any:
        return iter(self.seen)

    def __len__(self) -> int:
        return len(self.seen)

    def load(self, context: Any, builder: Any, pointer: Any) -> Any:
        """Code that makes the tuple `seen`."""
        b, stop, shared, batches = cgutils.unpack_tuple(builder, builder.load(pointer))
        flag = builder.load_atomic(builder.inttoptr(stop, _I64.as_pointer()), "monotonic", 8)
        with cgutils.if_unlikely(builder, builder.icmp_signed("!=", flag, _I64(0))):
            context.call_conv.return_user_exc(builder, BatchStoppedError, ("the batch was stopped",))
        values = cgutils.unpack_tuple(builder, shared)
        values = [lent(context, builder, t, v) for t, v in zip(self.stored[2], values, strict=True)]
        stored = zip(self.items, self.stored[3], cgutils.unpack_tuple(builder, batches), strict=True)
        values += [_item(context, builder, ty, kind, data, b) for ty, kind, data in stored]
        return context.make_tuple(builder, self.seen, values)


def _item(context: Any, builder: Any, ty: Any, kind: Any, value: Any, b: Any) -> Any:
    """Item `b`, of type `ty`, of the array or the ragged list `value`."""
    if isinstance(kind, types.BaseTuple):
        return _ragged_item(context, builder, ty, kind, value, b)
    array = context.make_array(kind)(context, builder, value)
    strides = cgutils.unpack_tuple(builder, array.strides)
    data = cgutils.pointer_add(builder, array.data, builder.mul(b, strides[0]))
    if kind.ndim == 1:
        return context.unpack_value(builder, ty, data)
    view = context.make_array(ty)(context, builder)
    shape = cgutils.unpack_tuple(builder, array.shape)[1:]
    context.populate_array(view, data=data, shape=shape, strides=strides[1:], itemsize=array.itemsize, meminfo=None)
    return view._getvalue()


def _ragged_item(context: Any, builder: Any, ty: Any, kind: Any, value: Any, b: Any) -> Any:
    """The contiguous array whose address and shape are in row `b` of the table of a ragged list."""
    table = context.make_array(kind[0])(context, builder, cgutils.unpack_tuple(builder, value)[0])
    first = builder.mul(b, _I64(ty.ndim + 1))
    row = [builder.load(builder.gep(table.data, [builder.add(first, _I64(k))])) for k in range(ty.ndim + 1)]
    view = context.make_array(ty)(context, builder)
    data = builder.inttoptr(row[0], context.get_data_type(ty.dtype).as_pointer())
    size = _I64(context.get_abi_sizeof(context.get_data_type(ty.dtype)))
    shape, strides = row[1:], [size]
    for extent in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], extent))
    context.populate_array(view, data=data, shape=shape, strides=strides, itemsize=size, meminfo=None)
    return view._getvalue()


@intrinsic
def set_problem(typingctx, address, b):
    """Let the arguments at `address` be those of problem `b`."""

    def codegen(context, builder, sig, args):
        builder.store(args[1], builder.inttoptr(args[0], _I64.as_pointer()))

    return types.void(types.intp, types.intp), codegen


# --- what the user gave -----------------------------------------------------------------------------------------------


class Ragged:
    """A list of arrays of one dtype and one number of dimensions, each contiguous; the arrays are not copied."""

    def __init__(self, arrays: list):
        self.arrays = arrays
        rows = [(a.__array_interface__["data"][0], *a.shape) for a in arrays]
        self.table = np.array(rows, np.int64).reshape(len(arrays), arrays[0].ndim + 1)

    def __len__(self) -> int:
        return len(self.arrays)

    def __getitem__(self, index: Any) -> Any:
        return Ragged(self.arrays[index]) if isinstance(index, slice) else self.arrays[index]

    def __reduce__(self) -> Any:
        return Ragged, (self.arrays,)

    @property
    def item_type(self) -> Any:
        """Numba's type of an item."""
        like = self.arrays[0]
        readonly = any(not a.flags.writeable for a in self.arrays)
        return types.Array(numba.from_dtype(like.dtype), like.ndim, "C", readonly=readonly)


def read_batch_args(given: Any, count: int) -> tuple:
    """Arrays with a leading axis and ragged lists, of `count` items each."""
    given = given if isinstance(given, tuple) else (given,)
    read = tuple(_read(f"batch_args[{k}]", value) for k, value in enumerate(given))
    for k, value in enumerate(read):
        if len(value) != count:
            shape = f"shape {value.shape}" if isinstance(value, np.ndarray) else f"{len(value)} arrays"
            raise ValueError(
                f"batch_args[{k}] has {shape}, which is {len(value)} items, but X0 has {count} rows: each problem "
                "takes one item. What all problems share belongs into `args`."
            )
    return read


def _read(name: str, value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype == object:
        value = list(value)
    if isinstance(value, (list, tuple)) and value and any(np.ndim(item) > 0 for item in value):
        return _read_list(name, value)
    array = np.ascontiguousarray(value) if np.ndim(value) else np.asarray(value)
    if array.ndim == 0 or array.dtype == object:
        raise TypeError(
            f"{name}, a {type(value).__name__}, must be an array with one row for each problem, or a list of arrays; "
            "what all problems share belongs into `args`."
        )
    return array


def _read_list(name: str, value: Sequence) -> Ragged:
    arrays = [np.asarray(item) for item in value]
    if len({a.dtype for a in arrays}) > 1:
        common = np.result_type(*{a.dtype for a in arrays})
        arrays = [a.astype(common) for a in arrays]
    if arrays[0].dtype == object:
        raise TypeError(f"{name} has items that are no arrays of numbers, such as {value[0]!r:.60}.")
    for b, a in enumerate(arrays):
        if a.ndim != arrays[0].ndim:
            raise ValueError(
                f"{name}[{b}] has shape {a.shape}, but {name}[0] has shape {arrays[0].shape}: the arrays of a list may "
                "differ in length, not in their number of dimensions."
            )
    return Ragged([np.ascontiguousarray(a) for a in arrays])


def batch_values(shared: tuple, batches: tuple, stop: int) -> tuple:
    """What is stored at the address, for problem 0; `stop` is the address of the word that ends all."""
    return 0, stop, shared, tuple((b.table,) if isinstance(b, Ragged) else b for b in batches)


def batch_type(shared: tuple, batches: tuple, readonly: Any = None) -> BatchArgs:
    """The type of such arguments; `readonly` makes one of a type that proves that nothing shared is written to."""
    kinds = map(numba.typeof, batch_values(shared, batches, 0)[2:])
    stored = types.BaseTuple.from_types((types.int64, types.int64, *kinds))
    items = tuple(b.item_type if isinstance(b, Ragged) else _item_type(numba.typeof(b)) for b in batches)
    shared_types = tuple(ty if readonly is None else readonly(ty) for ty in stored[2])
    return BatchArgs(stored, shared_types, items, readonly is not None)


def _item_type(ty: Any) -> Any:
    return ty.dtype if ty.ndim == 1 else ty.copy(ndim=ty.ndim - 1)
