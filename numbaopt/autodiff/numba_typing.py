"""Types of a function's variables by numba itself: its pipeline, run up to type inference.

This and `_pipelines` are the places that use numba's private interfaces.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType
from typing import Any

from numba.core import compiler, registry, types
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import FunctionPass, PassManager, register_pass
from numba.core.typed_passes import NopythonTypeInference
from numba.core.untyped_passes import InlineClosureLikes

from .._pipelines import Remembering


class _Typed(Exception):  # noqa: N818
    """Carries the types out of the pipeline, which goes no further."""

    def __init__(self, typemap: dict, returned: Any):
        self.typemap, self.returned = typemap, returned


@register_pass(mutates_CFG=False, analysis_only=True)
class _Stop(FunctionPass):
    _name = "numbaopt_stop_after_typing"

    def __init__(self) -> None:
        FunctionPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        raise _Typed(dict(state.typemap), state.return_type)


class _TypeOnly(CompilerBase):
    def define_pipelines(self) -> list:
        usual = DefaultPassBuilder.define_untyped_pipeline(self.state, "numbaopt_typing")
        manager = PassManager("numbaopt_typing")
        closures = any(isinstance(c, CodeType) for c in self.state.func_id.code.co_consts)
        for which, description in usual.passes:
            if closures or which is not InlineClosureLikes:
                manager.add_pass(which, description)
        manager.add_pass(NopythonTypeInference, "type inference")
        manager.add_pass(_Stop, "stop")
        manager.finalize()
        return [manager]


_NJIT = {"nopython": True, "boundscheck": None}


def inferred(function: Callable, argument_types: tuple) -> tuple[dict[str, list], Any]:
    """All types that each variable of a Python function has, and the type that it returns."""
    target = registry.cpu_target
    target.typing_context.refresh()
    target.target_context.refresh()
    flags = compiler.Flags()  # of `njit` alone: numba finds again what it compiled for the user's function
    target.options.parse_as_flags(flags, _NJIT)
    try:
        compiler.compile_extra(
            Remembering(target.typing_context),
            target.target_context,
            function,
            argument_types,
            None,
            flags,
            {},
            None,
            _TypeOnly,
        )
    except _Typed as typed:
        found: dict[str, list] = {}
        for versioned, ty in typed.typemap.items():
            found.setdefault(versioned.split(".")[0], []).append(ty)
        return found, typed.returned
    raise RuntimeError("numba's type inference ended in an unexpected way")


def plain(ty: Any) -> Any:
    """The type without the literal value."""
    return ty.literal_type if isinstance(ty, types.Literal) else ty


def unified(found: list) -> Any:
    """One type for all versions of a variable; `types.undefined` where there is none."""
    found = [plain(t) for t in found]
    if all(t == found[0] for t in found):
        return found[0]
    kinds = {kind(t) for t in found}
    if kinds <= {"f", "i"}:
        if kinds == {"i"}:
            return types.boolean if all(t == types.boolean for t in found) else types.int64
        floats = {t for t in found if kind(t) == "f"}
        return floats.pop() if floats == {types.float32} and "i" not in kinds else types.float64
    if kinds in ({"A"}, {"I"}) and len({(t.ndim, t.dtype) for t in found}) == 1:
        layouts = {t.layout for t in found}
        readonly = any(not t.mutable for t in found)
        layout = layouts.pop() if len(layouts) == 1 else "A"
        return types.Array(found[0].dtype, found[0].ndim, layout, readonly=readonly)
    return types.undefined


def kind(ty: Any) -> str:
    """f: float, i: integer or bool, A: array of floats, I: array of integers or bools, o: anything else."""
    ty = plain(ty)
    if isinstance(ty, types.Float):
        return "f"
    if isinstance(ty, (types.Integer, types.Boolean)):
        return "i"
    if isinstance(ty, types.Array):
        if isinstance(ty.dtype, types.Float):
            return "A"
        return "I" if isinstance(ty.dtype, (types.Integer, types.Boolean)) else "o"
    return "o"
