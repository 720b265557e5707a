"""What kernels need beneath numba's surface: bare pointers, unchecked element access, bit casts.

Each intrinsic is the code generator of one operation.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

# --- arrays as bare pointers -----------------------------------------------------------------------------------------

# An array in numba counts its references, atomically, wherever it is taken out of a tuple or passed on: ten times what
# an iteration on two parameters costs. `borrow` leaves only pointers, which is sound for the length of a call, as the
# caller owns the arrays.


def _borrowed(ty: Any) -> Any:
    if isinstance(ty, types.Array):
        return ty.dtype if isinstance(ty.dtype, types.Record) else types.CPointer(ty.dtype)
    if is_named(ty):
        return named([_borrowed(t) for t in ty], ty.instance_class)
    return ty


def is_named(ty: Any) -> bool:
    """Whether `ty` is the numba type of a NamedTuple."""
    return isinstance(ty, (types.NamedTuple, types.NamedUniTuple))


def named(members: list, cls: type) -> Any:
    """The numba type of a NamedTuple of class `cls` with members of those types, as numba itself chooses it."""
    if members and len(set(members)) == 1:
        return types.NamedUniTuple(members[0], len(members), cls)
    return types.NamedTuple(members, cls)


@intrinsic
def borrow(typingctx, owner):
    """`owner`, an array or a NamedTuple with arrays in it, with each array as a pointer to its first element.

    An array of records becomes its first record; what is not an array stays.
    """

    def codegen(context, builder, sig, args):
        return convert(context, builder, owner, args[0])

    def convert(context, builder, ty, value):
        if isinstance(ty, types.Array):
            return context.make_array(ty)(context, builder, value).data
        if is_named(ty):
            members = zip(ty, cgutils.unpack_tuple(builder, value), strict=True)
            return context.make_tuple(builder, _borrowed(ty), [convert(context, builder, t, v) for t, v in members])
        return value

    return _borrowed(owner)(owner), codegen


def lent(context: Any, builder: Any, ty: Any, value: Any) -> Any:
    """The LLVM value of type `ty` with arrays that own nothing."""
    if isinstance(ty, types.Array):
        array = context.make_array(ty)(context, builder, value)
        array.meminfo = cgutils.get_null_value(array.meminfo.type)
        array.parent = cgutils.get_null_value(array.parent.type)
        return array._getvalue()
    if isinstance(ty, types.BaseTuple):
        members = zip(ty, cgutils.unpack_tuple(builder, value), strict=True)
        return context.make_tuple(builder, ty, [lent(context, builder, t, v) for t, v in members])
    if context.enable_nrt:
        context.nrt.incref(builder, ty, value)
    return value


@intrinsic
def address_of(typingctx, array):
    """Address of the first element of `array`."""

    def codegen(context, builder, sig, args):
        data = context.make_array(array)(context, builder, args[0]).data
        return builder.ptrtoint(data, context.get_value_type(types.intp))

    return types.intp(array), codegen


@intrinsic
def row(typingctx, pointer, i, n):
    """Pointer to row `i` of a C-contiguous matrix with rows of `n` elements."""

    def codegen(context, builder, sig, args):
        return builder.gep(args[0], [builder.mul(args[1], args[2], flags=["nsw"])], inbounds=True)

    return pointer(pointer, types.intp, types.intp), codegen


@intrinsic
def reinterpreted(typingctx, pointer, like):
    """The same address as a pointer to numbers of the type of `like`."""
    returned = types.CPointer(like)

    def codegen(context, builder, sig, args):
        return builder.bitcast(args[0], context.get_value_type(returned))

    return returned(pointer, like), codegen


@intrinsic
def vector(typingctx, pointer, n):
    """The array of `n` elements at `pointer`; it owns nothing."""
    returned = types.Array(pointer.dtype, 1, "C")

    def codegen(context, builder, sig, args):
        return array_value(context, builder, returned, args[0], args[1])

    return returned(pointer, types.intp), codegen


@intrinsic
def matrix(typingctx, pointer, n, m):
    """The C-contiguous array of shape (n, m) at `pointer`; it owns nothing."""
    returned = types.Array(pointer.dtype, 2, "C")

    def codegen(context, builder, sig, args):
        view = context.make_array(returned)(context, builder)
        itemsize = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(returned.dtype)))
        strides = [builder.mul(args[2], itemsize), itemsize]
        context.populate_array(
            view, data=args[0], shape=[args[1], args[2]], strides=strides, itemsize=itemsize, meminfo=None
        )
        return view._getvalue()

    return returned(pointer, types.intp, types.intp), codegen


@intrinsic
def line(typingctx, array, i):
    """Row `i` of a C-contiguous matrix, as an array that owns nothing."""
    returned = types.Array(array.dtype, 1, "C")

    def codegen(context, builder, sig, args):
        source = context.make_array(array)(context, builder, args[0])
        _, m = cgutils.unpack_tuple(builder, source.shape)
        data = builder.gep(source.data, [builder.mul(args[1], m, flags=["nsw"])], inbounds=True)
        return array_value(context, builder, returned, data, m)

    return returned(array, types.intp), codegen


@intrinsic
def tail(typingctx, array, first):
    """The elements of a contiguous vector from number `first` on, as an array that owns nothing."""

    def codegen(context, builder, sig, args):
        source = context.make_array(array)(context, builder, args[0])
        (size,) = cgutils.unpack_tuple(builder, source.shape)
        data = builder.gep(source.data, [args[1]], inbounds=True)
        return array_value(context, builder, returned, data, builder.sub(size, args[1]))

    returned = types.Array(array.dtype, 1, "C")
    return returned(array, types.intp), codegen


def array_value(context: Any, builder: Any, ty: Any, data: Any, n: Any) -> Any:
    """The LLVM value of an array of type `ty` that has `n` elements at `data` and owns nothing."""
    view = context.make_array(ty)(context, builder)
    itemsize = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(ty.dtype)))
    context.populate_array(view, data=data, shape=[n], strides=[itemsize], itemsize=itemsize, meminfo=None)
    return view._getvalue()


# --- elements of the arrays of a sweep -------------------------------------------------------------------------------

# The gradient and every slot have a memory scope of their own; all else (x and where it goes, scale and bounds) shares
# one, as x may be updated in place. It tells LLVM that they do not overlap; else it would not vectorise a sweep.
_MAIN = "main"
_GRADIENT = "gradient"
_MAX_SLOTS = 8
_SCOPES = [_MAIN, _GRADIENT, *(f"slot{k}" for k in range(_MAX_SLOTS))]


def _annotate(builder: Any, instruction: Any, scope: str) -> None:
    module = builder.module
    domain = module.add_metadata([ir.MetaDataString(module, "numbaopt sweep")])
    nodes = {s: module.add_metadata([ir.MetaDataString(module, f"numbaopt {s}"), domain]) for s in _SCOPES}
    instruction.set_metadata("alias.scope", module.add_metadata([nodes[scope]]))
    instruction.set_metadata("noalias", module.add_metadata([nodes[s] for s in _SCOPES if s != scope]))


def _fetch(scope: str) -> Any:
    def fetch(typingctx, pointer, i):
        def codegen(context, builder, sig, args):
            value = builder.load(builder.gep(args[0], [args[1]], inbounds=True))
            _annotate(builder, value, scope)
            return value

        return pointer.dtype(pointer, types.intp), codegen

    return intrinsic(fetch)


fetch = _fetch(_MAIN)
"""`pointer[i]`."""

fetch_gradient = _fetch(_GRADIENT)
"""`g[i]`; the gradient overlaps nothing that is written."""


@intrinsic
def put(typingctx, pointer, i, value):
    """`pointer[i] = value`."""

    def codegen(context, builder, sig, args):
        store = builder.store(args[2], builder.gep(args[0], [args[1]], inbounds=True))
        _annotate(builder, store, _MAIN)

    return types.void(pointer, types.intp, pointer.dtype), codegen


# Slots may be stored in fewer bits than x has: in float32, or in the upper half of a float32 (bfloat16), as uint16.


@intrinsic(prefer_literal=True)
def fetch_slots(typingctx, slots, count, n, i, like):
    """`(slots[0, i], ..., slots[count - 1, i])` of a matrix with rows of `n` elements, in the type of `like`.

    `count` is a literal.
    """
    rows = count.literal_value
    if rows > _MAX_SLOTS:
        raise ValueError(f"a rule may have at most {_MAX_SLOTS} slots, not {rows}")
    returned = types.UniTuple(like, rows)

    def codegen(context, builder, sig, args):
        values = []
        for k in range(rows):
            stored = builder.load(_slot(builder, args[0], k, args[2], args[3]))
            _annotate(builder, stored, f"slot{k}")
            values.append(_widened(context, builder, stored, slots.dtype, like))
        return context.make_tuple(builder, sig.return_type, values)

    return returned(slots, count, types.intp, types.intp, like), codegen


@intrinsic
def put_slots(typingctx, slots, n, i, values):
    """`slots[k, i] = values[k + 1]` for every k: `values` is what a rule returned, x first."""

    def codegen(context, builder, sig, args):
        new, *rest = cgutils.unpack_tuple(builder, args[3])
        for k, value in enumerate(rest):
            ty = sig.args[3][k + 1]
            if slots.dtype == types.uint16:
                noise = _noise(context, builder, k, args[2], context.cast(builder, new, values[0], types.float32))
                value = _narrowed(builder, context.cast(builder, value, ty, types.float32), noise)
            else:
                value = context.cast(builder, value, ty, slots.dtype)
            store = builder.store(value, _slot(builder, args[0], k, args[1], args[2]))
            _annotate(builder, store, f"slot{k}")

    return types.void(slots, types.intp, types.intp, values), codegen


def _widened(context: Any, builder: Any, stored: Any, ty: Any, wanted: Any) -> Any:
    if ty == types.uint16:
        bits = builder.shl(builder.zext(stored, _I32), ir.Constant(_I32, 16))
        stored, ty = builder.bitcast(bits, ir.FloatType()), types.float32
    return context.cast(builder, stored, ty, wanted)


def _narrowed(builder: Any, value: Any, noise: Any) -> Any:
    """The upper half of a float32, rounded up with the probability that makes the mean right.

    Without that, a mean with beta = 0.999, which changes by less than half a unit of 8 bits at a time, would stand
    still. Inf stays inf, NaN stays NaN.
    """
    bits = builder.bitcast(value, _I32)
    finite = builder.fcmp_ordered("ord", value, builder.fsub(value, value))
    rounded = builder.add(bits, builder.select(finite, noise, ir.Constant(_I32, 0)))
    return builder.trunc(builder.lshr(rounded, ir.Constant(_I32, 16)), ir.IntType(16))


def _noise(context: Any, builder: Any, k: int, i: Any, new: Any) -> Any:
    """16 bits, hashed from what changes at every step (x) and between elements and slots; the same in every run."""
    bits = builder.bitcast(new, _I32)
    place = builder.mul(builder.trunc(i, _I32), ir.Constant(_I32, 0x9E3779B1))
    h = builder.xor(bits, builder.add(place, ir.Constant(_I32, (k + 1) * 0x85EBCA6B & 0xFFFFFFFF)))
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):  # Wellons' lowbias32
        h = builder.mul(builder.xor(h, builder.lshr(h, ir.Constant(_I32, shift))), ir.Constant(_I32, factor))
    return builder.lshr(h, ir.Constant(_I32, 16))


_I32 = ir.IntType(32)


def _slot(builder: Any, slots: Any, k: int, n: Any, i: Any) -> Any:
    first = builder.mul(ir.Constant(n.type, k), n, flags=["nsw"])
    return builder.gep(builder.gep(slots, [first], inbounds=True), [i], inbounds=True)


@intrinsic
def cast_fields(typingctx, h, like):
    """The NamedTuple of numbers `h`, and those in it, with every number cast to what the pointer `like` points at."""

    def casted(ty):
        return named([casted(t) for t in ty], ty.instance_class) if is_named(ty) else like.dtype

    def codegen(context, builder, sig, args):
        def convert(ty, value):
            if not is_named(ty):
                return context.cast(builder, value, ty, like.dtype)
            fields = zip(ty, cgutils.unpack_tuple(builder, value), strict=True)
            return context.make_tuple(builder, casted(ty), [convert(t, v) for t, v in fields])

        return convert(h, args[0])

    return casted(h)(h, like), codegen


@intrinsic
def put_fields(typingctx, pointer, h):
    """Write the numbers of the NamedTuple `h`, all of them of the type that is pointed at, and of those in it."""

    def codegen(context, builder, sig, args):
        numbers = _numbers(builder, h, args[1])
        for k, number in enumerate(numbers):
            builder.store(number, builder.gep(args[0], [ir.Constant(ir.IntType(64), k)], inbounds=True))

    return types.void(pointer, h), codegen


def _numbers(builder: Any, ty: Any, value: Any) -> list:
    """The LLVM values of the numbers in a NamedTuple."""
    if not is_named(ty):
        return [value]
    members = zip(ty, cgutils.unpack_tuple(builder, value), strict=True)
    return [number for t, member in members for number in _numbers(builder, t, member)]


@intrinsic
def fetch_fields(typingctx, pointer, h):
    """What `put_fields` wrote for a NamedTuple of the type of `h`."""

    def codegen(context, builder, sig, args):
        count = iter(range(1 << 30))

        def fetch(ty):
            if is_named(ty):
                return context.make_tuple(builder, ty, [fetch(t) for t in ty])
            return builder.load(builder.gep(args[0], [ir.Constant(ir.IntType(64), next(count))], inbounds=True))

        return fetch(h)

    return h(pointer, h), codegen


# --- x and the slots of one element as a tuple ------------------------------------------------------------------------


@intrinsic
def cast_tuple(typingctx, values, like):
    """The tuple of numbers `values`, each cast to what the pointer `like` points at."""
    returned = types.UniTuple(like.dtype, len(values))

    def codegen(context, builder, sig, args):
        numbers = zip(cgutils.unpack_tuple(builder, args[0]), values, strict=True)
        return context.make_tuple(builder, returned, [context.cast(builder, v, ty, like.dtype) for v, ty in numbers])

    return returned(values, like), codegen


@intrinsic(prefer_literal=True)
def unit(typingctx, like, count, k):
    """A tuple of `count`, a literal, numbers of the type that is pointed at: 1 in place `k` and 0 elsewhere."""
    returned = types.UniTuple(like.dtype, count.literal_value)

    def codegen(context, builder, sig, args):
        one, zero = context.get_constant(like.dtype, 1.0), context.get_constant(like.dtype, 0.0)
        places = [builder.icmp_signed("==", args[2], ir.Constant(args[2].type, j)) for j in range(returned.count)]
        return context.make_tuple(builder, returned, [builder.select(here, one, zero) for here in places])

    return returned(like, count, types.intp), codegen


@intrinsic
def prefetch(typingctx, pointer, i):
    """Ask for the cache line of `pointer[i]`, which is soon to be changed."""

    def codegen(context, builder, sig, args):
        i32, byte = ir.IntType(32), ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, i32, i32, i32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        address = builder.bitcast(builder.gep(args[0], [args[1]]), byte)
        builder.call(function, [address, i32(1), i32(3), i32(1)])  # to write, into all levels, data

    return types.void(pointer, types.intp), codegen


# --- tuples of float64: what is carried between iterations, and sums --------------------------------------------------


@intrinsic(prefer_literal=True)
def fetch_tuple(typingctx, pointer, count):
    """The first `count` numbers, a literal, behind `pointer`."""
    returned = types.UniTuple(pointer.dtype, count.literal_value)

    def codegen(context, builder, sig, args):
        index = [ir.Constant(ir.IntType(64), k) for k in range(returned.count)]
        values = [builder.load(builder.gep(args[0], [k], inbounds=True)) for k in index]
        return context.make_tuple(builder, returned, values)

    return returned(pointer, count), codegen


@intrinsic
def put_tuple(typingctx, pointer, values):
    """`pointer[k] = values[k]` for every k."""

    def codegen(context, builder, sig, args):
        for k, (value, ty) in enumerate(zip(cgutils.unpack_tuple(builder, args[1]), values, strict=True)):
            address = builder.gep(args[0], [ir.Constant(ir.IntType(64), k)], inbounds=True)
            builder.store(context.cast(builder, value, ty, pointer.dtype), address)

    return types.void(pointer, values), codegen


@intrinsic(prefer_literal=True)
def no_sums(typingctx, count):
    """A tuple of `count`, a literal, zeros in float64."""
    returned = types.UniTuple(types.float64, count.literal_value)

    def codegen(context, builder, sig, args):
        return context.make_tuple(builder, returned, [ir.Constant(ir.DoubleType(), 0.0)] * returned.count)

    return returned(count), codegen


def _adding(*flags: str) -> Any:
    def add(typingctx, totals, terms):
        def codegen(context, builder, sig, args):
            if flags:
                context.active_code_library.adds_in_any_order = True  # see `_pipelines`
            pairs = zip(*(cgutils.unpack_tuple(builder, arg) for arg in args), terms, strict=True)
            values = [builder.fadd(t, context.cast(builder, v, ty, types.float64), flags=flags) for t, v, ty in pairs]
            return context.make_tuple(builder, totals, values)

        return totals(totals, terms), codegen

    return intrinsic(add)


add_tuples = _adding()
"""`totals` + `terms`, element by element, in float64."""

add_terms = _adding("reassoc")
"""The same where the order of additions is free, so that LLVM can vectorise a loop of them."""


# --- magnitudes as integers ------------------------------------------------------------------------------------------

# For IEEE floats without their sign bit the order of the bit patterns is the order of the values, with inf above all
# numbers and NaN above inf: one integer maximum gives a norm and says whether all was finite, and it is vectorised.


def _integer(bits: int) -> Any:
    return types.int64 if bits == 64 else types.int32


@intrinsic
def magnitude(typingctx, value):
    """The bit pattern of |value| as an integer of the same width: ordered as the magnitudes, NaN on top."""
    integer = _integer(value.bitwidth)

    def codegen(context, builder, sig, args):
        bits = builder.bitcast(args[0], ir.IntType(value.bitwidth))
        return builder.and_(bits, ir.Constant(bits.type, (1 << (value.bitwidth - 1)) - 1))

    return integer(value), codegen


@intrinsic
def from_magnitude(typingctx, bits, like):
    """The float, as float64, whose `magnitude` in the type that the pointer `like` points at is `bits`."""
    width = like.dtype.bitwidth

    def codegen(context, builder, sig, args):
        narrow = context.cast(builder, args[0], bits, _integer(width))
        if width == 64:
            return builder.bitcast(narrow, ir.DoubleType())
        return builder.fpext(builder.bitcast(narrow, ir.FloatType()), ir.DoubleType())

    return types.float64(bits, like), codegen


@intrinsic
def add_poison(typingctx, poison, value):
    """`poison` + (value - value): stays 0 over finite values, NaN from the first other one.

    The sum may be reordered, which changes nothing here and lets LLVM vectorise it.
    """

    def codegen(context, builder, sig, args):
        return builder.fadd(args[0], builder.fsub(args[1], args[1]), flags=["reassoc"])

    return poison(poison, value), codegen
