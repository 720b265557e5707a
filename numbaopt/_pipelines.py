"""How numba compiles what is ours: as it compiles anything, without work that our code does not need.

- It does not look for the same overload of one of its functions twice, nor for the instruction of a float operation.
- It makes machine code of kernels only. numba makes it of every function, and optimises each again in every other that
  calls it; a part of a kernel is never run by itself, so it is linked into the kernel as it is, and optimised there.
  Only where sums may be added in any order it is optimised first, which settles the order for all that call it.
- It does not count references to arrays in parts that allocate none: their arrays belong to others.

Half of what compiling a kernel of many parts takes. This and `autodiff.numba_typing` use numba's private interfaces.
"""

from __future__ import annotations

import contextlib
import ctypes
import operator
from types import BuiltinFunctionType, ModuleType
from typing import Any

import numpy as np
from numba._dynfunc import make_function
from numba.core import errors, ir, types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.lowering import Lower
from numba.core.typed_passes import NativeLowering
from numba.core.typing import Context, signature
from numba.np.arrayobj import _empty_nd_impl

from ._memory import lent

# --- what numba knows already ----------------------------------------------------------------------------------------


class Remembering(Context):
    """The typing context of numba's CPU target, which does not look for the same overload of its functions again.

    It is equal to that: numba finds what it has compiled for a function and types by them and the context.
    """

    __slots__ = ("_shared",)

    def __init__(self, shared: Context):  # no `super().__init__()`: it has the state of the other, not one of its own
        object.__setattr__(self, "__dict__", shared.__dict__)
        self._shared = getattr(shared, "_shared", shared)

    def __eq__(self, other: object) -> bool:
        return getattr(other, "_shared", other) is self._shared

    def __hash__(self) -> int:
        return hash(self._shared)

    def resolve_function_type(self, func: Any, args: Any, kws: Any) -> Any:
        """The signature for these types of arguments."""
        if not isinstance(func, (types.Function, types.BoundFunction)):  # a user's may be compiled anew
            return super().resolve_function_type(func, args, kws)
        if _makes_vector(func, args) and not kws:
            return signature(types.Array(args[1].dtype, 1, "C"), *args)
        key = func, args, tuple(sorted(kws.items()))
        found = _signatures.get(key)
        if found is None:
            found = super().resolve_function_type(func, args, kws)
            if found is not None:
                if len(_signatures) >= MOST_SIGNATURES:
                    _signatures.clear()
                _signatures[key] = found
        return found

    def resolve_value_type(self, val: Any) -> Any:
        """The type of a constant, or of what a global name stands for."""
        if not isinstance(val, _STATELESS):
            return super().resolve_value_type(val)
        found = _stateless.get(val)
        if found is None:
            found = _stateless[val] = super().resolve_value_type(val)
        return found


_STATELESS = (BuiltinFunctionType, ModuleType, np.ufunc)
"""What numba looks for among its types of values, in vain, before it looks among its functions."""

_stateless: dict[Any, Any] = {}
MOST_SIGNATURES = 20_000
_signatures: dict[Any, Any] = {}


_INSTRUCTIONS = {operator.add: "fadd", operator.sub: "fsub", operator.mul: "fmul", operator.truediv: "fdiv"}


def _makes_vector(func: Any, args: tuple) -> bool:
    """Whether a call is `np.empty(size, dtype)`."""
    if getattr(func, "typing_key", None) is not np.empty or len(args) != 2:
        return False
    return isinstance(args[0], types.Integer) and isinstance(args[1], types.DTypeSpec)


class _Lower(Lower):
    """Writes what has one meaning without asking for implementations: arithmetic of float64, vectors of np.empty.

    The same instructions, at a tenth of the time; but for a division, whose implementation first looks for a zero: with
    `error_model="numpy"` nothing follows from that. np.empty would be compiled as a function of its own.
    """

    def _lower_call_normal(self, fnty: Any, expr: Any, signature: Any) -> Any:
        if not _makes_vector(fnty, signature.args):
            return super()._lower_call_normal(fnty, expr, signature)
        size = self.context.cast(self.builder, self.loadvar(expr.args[0].name), signature.args[0], types.intp)
        return _empty_nd_impl(self.context, self.builder, signature.return_type, (size,))._getvalue()

    def lower_binop(self, resty: Any, expr: Any, op: Any) -> Any:
        signature, name = self.fndesc.calltypes[expr], _INSTRUCTIONS.get(op)
        if name is None or resty != types.float64 or self._of_other_types(signature):
            return super().lower_binop(resty, expr, op)
        values = [
            self.context.cast(self.builder, self.loadvar(v.name), self.typeof(v.name), types.float64)
            for v in (expr.lhs, expr.rhs)
        ]
        return getattr(self.builder, name)(*values)

    def _of_other_types(self, signature: Any) -> bool:
        return signature.return_type != types.float64 or tuple(signature.args) != (types.float64, types.float64)


@register_pass(mutates_CFG=True, analysis_only=False)
class _Lowering(NativeLowering):
    _name = "numbaopt_lowering"

    @property
    def lowering_class(self) -> type:
        """What writes the instructions."""
        return _Lower


class Quick(Compiler):
    """The `pipeline_class` of our kernels and of generated gradients; only with `error_model="numpy"`."""

    lowering: type = _Lowering

    def __init__(self, typingctx: Any, *args: Any):
        super().__init__(Remembering(typingctx), *args)

    def define_pipelines(self) -> list:
        """numba's passes with that one."""
        [usual] = super().define_pipelines()
        manager = PassManager("numbaopt")
        for which, description in usual.passes:
            manager.add_pass(self.lowering if which is NativeLowering else which, description)
        manager.finalize()
        return [manager]


# --- code without machine code ---------------------------------------------------------------------------------------


_ALLOCATIONS = "NRT_MemInfo_alloc", "NRT_MemInfo_new", "NRT_Allocate"


class _Fragment(JITCodeLibrary):
    """Code that is linked into other code, and never run by itself."""

    adds_in_any_order = False

    def _optimize_final_module(self) -> None:
        """Left to what it is linked into; but a sum is to be added in the same order wherever it is called."""
        if self.adds_in_any_order:
            super()._optimize_final_module()

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True

    def allocates(self) -> bool:
        """Whether this, or what it calls, allocates memory."""
        return any(f.name.startswith(_ALLOCATIONS) for f in self._final_module.functions)


_NOT_CALLABLE = ctypes.cast(ctypes.pythonapi.PyErr_BadArgument, ctypes.c_void_p).value


def _entry(library: Any, fndesc: Any, env: Any) -> Any:
    """What numba's tables have for Python to call, which raises a TypeError."""
    library._ensure_finalized()
    return make_function(fndesc.lookup_module(), fndesc.qualname, "", _NOT_CALLABLE, env, (library,))


@register_pass(mutates_CFG=True, analysis_only=False)
class _LinkedLowering(_Lowering):
    _name = "numbaopt_linked_lowering"

    def run_pass(self, state: Any) -> bool:
        """numba's pass into a `_Fragment`."""
        context = state.targetctx  # of this compilation alone
        state.library = _Fragment(context.codegen(), state.func_id.func_qualname)
        context.get_executable = _entry
        return super().run_pass(state)


class Linked(Quick):
    """The `pipeline_class` of what is only called from compiled code."""

    lowering = _LinkedLowering


class _PartLower(_Lower):
    """Returns arrays that own nothing, where references are not counted: a caller may count."""

    def lower_inst(self, inst: Any) -> None:
        if isinstance(inst, ir.Return) and not self.context.enable_nrt:
            name = inst.value.name
            self.storevar(lent(self.context, self.builder, self.typeof(name), self.loadvar(name)), name)
        super().lower_inst(inst)


@register_pass(mutates_CFG=True, analysis_only=False)
class _PartLowering(_LinkedLowering):
    _name = "numbaopt_part_lowering"

    @property
    def lowering_class(self) -> type:
        """What writes the instructions."""
        return _PartLower

    def run_pass(self, state: Any) -> bool:
        """The same, without counting references where it does not allocate."""
        state.targetctx.enable_nrt = False
        with contextlib.suppress(errors.NumbaRuntimeError):  # it allocates itself
            super().run_pass(state)
            if not state.library.allocates():
                return True
        state.targetctx.enable_nrt = True
        return super().run_pass(state)


class Part(Linked):
    """The `pipeline_class` of what only kernels call, whose arrays others own."""

    lowering = _PartLowering
