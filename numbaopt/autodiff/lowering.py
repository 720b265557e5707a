"""Active statements in the few forms that have adjoints; each gets an attribute `form`. The rest stays as it is.

scalar      v = expression of numbers and elements of arrays
elementwise v = expression of whole arrays, element by element
sum         v = np.sum or np.mean of such an expression
alias       v = another array, or a view of one
rule        v = a function in `array_rules`, of variables
store       u[...] = scalar or elementwise expression
stack       v = [an array], a list to append arrays to, in generated gradients
plain       anything, not differentiated
"""

from __future__ import annotations

import ast
from typing import Any

from numba.core import types

from .activity import ALLOCATIONS, Activity
from .array_rules import RULES
from .derivatives import OPERATOR_NAMES
from .fancy import Chosen, augmented, chooses, stored
from .inference import Types
from .numba_typing import kind
from .parsing import MISSING, resolved
from .recognition import PRODUCTS, Recognition
from .refusal import placed, refuse
from .registered import own_derivative
from .syntax import OPERATORS, Names, assign, copied, expression, indices, load, walk

Statements = list[ast.stmt]


class Lowered(Recognition):
    """`body` has the lowered statements."""

    def __init__(self, body: Statements, types_: Types, activity: Activity, names: Names, stacks: bool):
        self.stacks = stacks  # lists of arrays: in generated gradients
        super().__init__(types_, activity)
        self.names = names
        self.viewer: str | None = None  # variable that is about to become a view of what is given a name
        self.body = self.block(body)

    def block(self, body: Statements) -> Statements:
        """Lowered statements for statements."""
        return [new for s in body for new in self.statement(s)]

    def statement(self, s: Any) -> Statements:
        """Lowered statements for a statement."""
        self.current = s
        before: Statements = []
        if isinstance(s, ast.AugAssign):
            return self._augmented(s)
        if isinstance(s, ast.Assign):
            target = s.targets[0]
            if isinstance(target, ast.Subscript):
                self._simple_target(target, before)
                if chooses(self.types, target):
                    loop = stored(self, s, before)
                    return before + self.block(loop)
                self._store(s, before)
            else:
                self._assignment(s, before)
            return [*before, s]
        if isinstance(s, (ast.If, ast.While)):
            s.body, s.orelse = self.block(s.body), self.block(s.orelse)
        elif isinstance(s, ast.For):
            call: Any = s.iter
            call.args = [self._bound(a, before, "bound") if _needs_name(a) else a for a in call.args]
            self.types.variables.setdefault(s.target.id, types.int64)  # type: ignore[attr-defined]
            s.body = self.block(s.body)
        return [*before, s]

    # --- statements --------------------------------------------------------------------------------------------------

    def _augmented(self, s: ast.AugAssign) -> Statements:
        """`t op= e` is `t = t op e`, for an array in place."""
        before: Statements = []
        target: Any = s.target
        if isinstance(target, ast.Name):
            ty = self.types.variables[target.id]
            if kind(ty) in "AI":
                target = placed(ast.Subscript(value=load(target.id), slice=ast.Slice(), ctx=ast.Store()), s)
        else:
            self._simple_target(target, before)
            if chooses(self.types, target):
                return augmented(self, s, before)
            ty = self._element_type(target)
        value = copied(target)
        value.ctx = ast.Load()
        if isinstance(s.target, ast.Name) and isinstance(target, ast.Subscript):
            value = placed(load(s.target.id), s)
        self.types.give(value, ty)
        result = placed(ast.BinOp(left=value, op=s.op, right=s.value), s)
        whole = kind(self.types.of(s.value)) in "AI" and kind(ty) not in "AI"
        self.types.give(result, self.types.of(s.value) if whole else ty)
        return before + self.statement(placed(ast.Assign(targets=[target], value=result), s))

    def _element_type(self, target: ast.Subscript) -> Any:
        array = self.types.of(target.value)
        if not isinstance(array, types.Array):
            refuse(target, f"assignment into a {array}", "use an array")
        at = indices(target)
        if any(self.types.kind(i) != "i" for i in at if not isinstance(i, ast.Slice)):
            refuse(target, f"assignment to `{ast.unparse(target)}`", "use integers and slices as indices")
        fixed = sum(not isinstance(i, ast.Slice) for i in at)
        return array.dtype if fixed == array.ndim else types.Array(array.dtype, array.ndim - fixed, "A")

    def _simple_target(self, target: ast.Subscript, before: Statements) -> None:
        """The target as variable[indices that are numbers and names]."""
        if not isinstance(target.value, ast.Name):
            target.value = self._bound(target.value, before, "target")

        def simple(e: Any) -> Any:
            return self._bound(e, before, "at") if e is not None and _needs_name(e) else e

        at = indices(target)
        for i, index in enumerate(at):
            if isinstance(index, ast.Slice):
                index.lower, index.upper, index.step = simple(index.lower), simple(index.upper), simple(index.step)
            else:
                at[i] = self._bound(index, before, "at") if self.types.kind(index) == "I" else simple(index)
        target.slice = at[0] if len(at) == 1 else placed(ast.Tuple(elts=at, ctx=ast.Load()), target)

    def _store(self, s: Any, before: Statements) -> None:
        target = s.targets[0]
        element = self._element_type(target)
        s.form, s.whole = "store", kind(element) in "AI"
        name = target.value.id
        if name not in self.activity.active:
            return
        if self.activity.is_active(s.value):
            if not s.whole or self.types.kind(s.value) == "f":
                s.value = self.scalar(s.value, before)
            else:
                s.value = self.elementwise(s.value, before)
        elif s.whole and self.types.kind(s.value) in "AI":
            s.value = self.elementwise(s.value, before)

    def _assignment(self, s: Any, before: Statements) -> None:
        name, value = s.targets[0].id, s.value
        ty = self.types.variables.get(name, types.undefined)
        if name not in self.activity.active:
            s.form = "plain"
        elif kind(ty) == "f":
            if self._is_sum(value):
                s.form, s.value = "sum", self._sum(value, before)
            else:
                s.value = self.scalar(value, before, top=True)
                s.form = "rule" if self._has_rule(s.value) else "scalar"
        elif kind(ty) == "A":
            view = self._is_view(value)
            self.viewer = name if view else None
            s.value = self._array(value, before)
            self.viewer = None
            s.form = "alias" if view else self._form(s.value)
        elif self.stacks and isinstance(ty, types.List) and isinstance(value, ast.List):
            s.form = "stack"
        else:
            refuse(
                s,
                f"`{name}`, of type {ty}, which depends on the parameters",
                "use numbers, arrays of floats and tuples",
            )

    # --- expressions -------------------------------------------------------------------------------------------------

    def _bound(self, e: Any, before: Statements, wish: str = "part") -> Any:
        """A variable that has the value of `e`."""
        if isinstance(e, ast.Name) and e.id in self.types.variables:
            return e
        name = self.names.new(wish)
        self.types.variables[name] = ty = self.types.of(e)
        if self.activity.is_active(e):
            self.activity.active.add(name)
        if kind(ty) in "AI":
            self._note_alias(name, e)
        current, viewer, self.viewer = self.current, self.viewer, None
        before += self.statement(placed(assign(name, e), e))
        self.current, self.viewer = current, viewer
        return self.types.give(placed(load(name), e), ty)

    def _note_alias(self, name: str, e: Any) -> None:
        for source in self.activity.sources(e):
            self.activity.merge(name, source)
        if self.viewer is not None and self.types.kind(e) == "A":
            self.activity.merge(name, self.viewer)
        if any(v in self.activity.active for v in self.activity.of_class(name)) and self.types.kind(e) == "A":
            self.activity.active.add(name)

    def scalar(self, e: Any, before: Statements, top: bool = False) -> Any:
        """An active number as operators and table functions of numbers and elements of array variables."""
        if not self.activity.is_active(e) or isinstance(e, ast.Name):
            return e
        if self._is_sum(e):
            return self._bound(e, before, "sum")
        if self._is_extreme_of_array(e):
            e.func = placed(expression(f"np.{e.func.id}"), e)
        if self._has_rule(e):
            e = self._rule(e, before)
            return e if top else self._bound(e, before, "number")
        if isinstance(e, ast.BinOp):
            if self.types.kind(e.left) == "o" or self.types.kind(e.right) == "o":
                refuse(e, f"`{ast.unparse(e)}` of {self.types.of(e.left)} and {self.types.of(e.right)}")
            e.left, e.right = self.scalar(e.left, before), self.scalar(e.right, before)
            if OPERATORS[type(e.op)] in OPERATOR_NAMES:
                return e
        if isinstance(e, ast.UnaryOp) and isinstance(e.op, (ast.USub, ast.UAdd)):
            e.operand = self.scalar(e.operand, before)
            return e
        if isinstance(e, ast.Subscript) and isinstance(self.types.of(e.value), types.Array):
            self._simple_target(e, before)
            return e
        if isinstance(e, ast.Call) and self._is_elementary(e):
            e.args = [self.scalar(a, before) for a in e.args]
            return e
        return self._unknown(e)

    def _unknown(self, e: Any) -> Any:
        if isinstance(e, ast.Call):
            if e.keywords:
                refuse(
                    e, f"`{ast.unparse(e.func)}` with keyword arguments", "pass positional arguments or write it out"
                )
            refuse(e, f"no derivative is known for `{ast.unparse(e.func)}`", "write it out with operators and loops")
        refuse(e, f"the expression `{ast.unparse(e)}`", "write it with operators, indices and known functions")

    def _sum(self, e: Any, before: Statements) -> Any:
        name, target = self.activity.callee(e)
        source: Any = e.args[0] if target is not None else e.func.value
        if self.types.kind(source) not in "AI":
            refuse(e, f"the sum of {self.types.of(source)}", "sum an array")
        if self.types.of(source).ndim == 1:
            source = self.elementwise(source, before)
        else:
            source = self._bound(source, before)
        new = placed(ast.Call(func=expression(f"np.{name}"), args=[source], keywords=[]), e)
        return self.types.give(new, self.types.of(e))

    def _array(self, e: Any, before: Statements) -> Any:
        if isinstance(e, ast.Name):
            return e
        if not self.activity.is_active(e) and not self.activity.sources(e) and not self._is_view(e):
            return e  # a new array
        if self._has_rule(e):
            return self._rule(e, before)
        if self._is_view(e):
            return self._view(e, before)
        if self.is_elementwise(e):
            return self.elementwise(e, before)
        return self._unknown(e)

    def elementwise(self, e: Any, before: Statements) -> Any:
        """An array as operators and table functions of variables."""
        if not self.is_elementwise(e):
            if isinstance(e, ast.Name) and e.id in self.types.variables:
                return e
            constant = isinstance(e, ast.Constant) or (
                isinstance(e, ast.UnaryOp) and isinstance(e.operand, ast.Constant)
            )
            return e if constant else self._bound(e, before)
        if isinstance(e, ast.BinOp):
            e.left, e.right = self.elementwise(e.left, before), self.elementwise(e.right, before)
        elif isinstance(e, ast.UnaryOp):
            e.operand = self.elementwise(e.operand, before)
        elif isinstance(e, ast.Compare):
            e.left = self.elementwise(e.left, before)
            e.comparators = [self.elementwise(e.comparators[0], before)]
        else:
            e.args = [self.elementwise(a, before) for a in e.args]
        return e

    # --- functions of whole arrays -----------------------------------------------------------------------------------

    def _view(self, e: Any, before: Statements) -> Any:
        """A view of a variable."""
        if isinstance(e, ast.Subscript):
            self._simple_target(e, before)
            return e
        if isinstance(e, ast.Attribute):
            e.value = self._bound(e.value, before)
            return e
        name, target = self.activity.callee(e)
        e.method = method = target is None
        source: Any = self._bound(e.func.value if method else e.args[0], before)
        if name == "transpose" and len(e.args) > (0 if method else 1):
            refuse(e, "a transpose with axes", "use `.T`")
        if name in ("reshape", "ravel", "ascontiguousarray") and self.types.of(source).layout != "C":
            refuse(e, f"`{name}` of an array that may be a copy or a view", "apply it to `a.copy()`")
        if method:
            e.func.value = source
        else:
            e.args[0] = source
        e.args = [self._bound(a, before) if _needs_name(a) and not isinstance(a, ast.Tuple) else a for a in e.args]
        return e

    def _rule(self, e: Any, before: Statements) -> Any:
        """A call with a rule as np.name(variables)."""
        ty = self.types.of(e)
        if isinstance(e, ast.BinOp):
            e.left, e.right = self._bound(e.left, before), self._bound(e.right, before)
            return e
        if isinstance(e, ast.Subscript):
            self._simple_target(e, before)
            e.chosen = Chosen(self, e)  # type: ignore[attr-defined]
            return e
        name, target = self.activity.callee(e)
        e.method, e.rule = target is None, name  # whatever name the function was imported by
        e.vjp = self._vjp(target)
        if name in ALLOCATIONS and name not in RULES:
            return e
        arguments = [*e.args] if target is not None else [e.func.value, *e.args]
        if name in PRODUCTS and len(arguments) == 2:
            if name == "vdot" and any(getattr(self.types.of(a), "ndim", 0) != 1 for a in arguments):
                refuse(e, "np.vdot of matrices", "use np.sum(a * b)")
            product = placed(ast.BinOp(left=arguments[0], op=ast.MatMult(), right=arguments[1]), e)
            return self._rule(self.types.give(product, ty), before)
        if target is None:
            e.func.value = self._bound(e.func.value, before)
        e.args = [self._part(a, before) for a in e.args]
        for keyword in e.keywords:
            keyword.value = self._part(keyword.value, before)
        return e

    def _vjp(self, target: Any) -> str:
        """A name for the derivative that the user gave for a function, or ""."""
        vjp, environment = own_derivative(target), self.types.environment
        known = next((name for name, value in environment.items() if value is vjp), None) if vjp is not None else ""
        if known is None:
            known = self.names.new(f"vjp_of_{target.__name__}")
            environment[known] = vjp
        return known

    def _part(self, e: Any, before: Statements) -> Any:
        if isinstance(e, (ast.List, ast.Tuple)):
            e.elts = [self._part(p, before) for p in e.elts]
            return e
        constant = isinstance(e, ast.Constant) or (isinstance(e, ast.UnaryOp) and isinstance(e.operand, ast.Constant))
        known = isinstance(e, ast.Attribute) and resolved(e, self.types.environment, self.types.local) is not MISSING
        return e if constant or known else self._bound(e, before)


def _needs_name(e: Any) -> bool:
    """Whether evaluating `e` later could give something else than now, or cost more than reading a variable."""
    return any(isinstance(n, (ast.Subscript, ast.Call)) and not _about(n) for n in walk(e))


def _about(n: ast.AST) -> bool:
    """x.shape[0] and len(x)."""
    if isinstance(n, ast.Subscript):
        return isinstance(n.value, ast.Attribute) and n.value.attr == "shape" and isinstance(n.value.value, ast.Name)
    return isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "len"
