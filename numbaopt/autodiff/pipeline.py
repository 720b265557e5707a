"""How numba compiles generated text: as it compiles anything, but it does not look for the same operation twice.

Both use numba's private interfaces: see also `numba_typing`.
"""

from __future__ import annotations

import operator
from typing import Any

from numba.core import types
from numba.core.compiler import Compiler
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.lowering import Lower
from numba.core.typed_passes import NativeLowering

from .numba_typing import Remembering

_INSTRUCTIONS = {operator.add: "fadd", operator.sub: "fsub", operator.mul: "fmul", operator.truediv: "fdiv"}


class _Lower(Lower):
    """Writes the one instruction for arithmetic of float64 without asking for the implementations of an operator.

    The same instruction, at a tenth of the time; but for a division, whose implementation first looks for a zero: with
    `error_model="numpy"` nothing follows from that.
    """

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
    """The `pipeline_class` of generated gradients; only with `error_model="numpy"`."""

    def __init__(self, typingctx: Any, *args: Any):
        super().__init__(Remembering(typingctx), *args)

    def define_pipelines(self) -> list:
        """numba's passes with that one."""
        [usual] = super().define_pipelines()
        manager = PassManager("numbaopt_gradient")
        for which, description in usual.passes:
            manager.add_pass(_Lowering if which is NativeLowering else which, description)
        manager.finalize()
        return [manager]
