"""Expressions without what needs statements: helpers, conditional expressions, comprehensions, tuples."""

from __future__ import annotations

import ast
import inspect
from types import ModuleType
from typing import Any

import numpy as np

from .closures import lambda_of
from .derivatives import HELPERS
from .parsing import MISSING, is_helper, resolved
from .refusal import placed, refuse
from .registered import own_derivative
from .rules_of_arrays import RULES
from .syntax import assign, copied, expression, load, walk

Statements = list[ast.stmt]
IMPURE = {"numpy.random", "random", "time"}
"""Modules of functions that do not give the same twice."""
MUTATING = {
    *("append", "extend", "insert", "pop", "remove", "clear", "reverse", "sort", "update", "setdefault", "popitem"),
    *("add", "discard", "put", "partition", "resize", "fill"),
}
"""Methods that change their object."""
LONGEST_CHOICE = 16
"""Tuples up to this length may be indexed by what is known only when the program runs."""


def evaluated_first(e: Any) -> Any:
    """The part of an expression that is evaluated before all others."""
    while isinstance(e, (ast.Subscript, ast.Attribute, ast.BinOp)):
        e = e.left if isinstance(e, ast.BinOp) else e.value
    return e


class Flattening(ast.NodeTransformer):
    """`visit` gives the expression; what has to run before it is in `before`."""

    def __init__(self, desugared: Any, before: Statements, alone: Any):
        self.desugared, self.before, self.alone = desugared, before, alone

    def _resolved(self, node: Any) -> Any:
        return resolved(node, self.desugared.environment, self.desugared.local)

    def _named(self, wish: str, e: Any) -> Any:
        """A variable that has the value of `e`."""
        if isinstance(e, (ast.Name, ast.Constant)):
            return e
        name = self.desugared._local(wish)
        self.before += self.desugared.block([placed(assign(name, e), e)])
        return placed(load(name), e)

    # --- conditions --------------------------------------------------------------------------------------------------

    def visit_IfExp(self, node: ast.IfExp) -> Any:
        name = self.desugared._local("either")
        yes, no = placed(assign(name, node.body), node.body), placed(assign(name, node.orelse), node.orelse)
        choice = placed(ast.If(test=node.test, body=[yes], orelse=[no]), node)
        self.before += self.desugared.ahead([choice], node is self.alone)
        return self.visit(placed(load(name), node))

    def visit_BoolOp(self, node: ast.BoolOp) -> Any:
        if not any(self._needs_statements(v) for v in node.values[1:]):
            return self.generic_visit(node)
        name = self.desugared._local("both")
        first = placed(assign(name, node.values[0]), node)
        rest = node.values[1] if len(node.values) == 2 else placed(ast.BoolOp(op=node.op, values=node.values[1:]), node)
        test = load(name) if isinstance(node.op, ast.And) else ast.UnaryOp(op=ast.Not(), operand=load(name))
        more = placed(ast.If(test=test, body=[placed(assign(name, rest), node)], orelse=[]), node)
        self.before += self.desugared.ahead([first, more], node is self.alone)
        return placed(load(name), node)

    def _needs_statements(self, node: ast.AST) -> bool:
        return any(isinstance(n, (ast.IfExp, ast.ListComp)) or self._becomes_statements(n) for n in walk(node))

    def _becomes_statements(self, node: ast.AST) -> bool:
        if not isinstance(node, ast.Call):
            return isinstance(node, ast.Subscript) and self._is_tuple(node.value)
        if self._local_function(node.func) is not None or self._helper(node) is not None:
            return True
        return self._resolved(node.func) in (sum, divmod, np.linalg.slogdet)

    def _is_tuple(self, e: Any) -> bool:
        return isinstance(e, ast.Tuple) or (isinstance(e, ast.Name) and e.id in self.desugared.tuples)

    # --- calls -------------------------------------------------------------------------------------------------------

    def _helper(self, node: ast.AST) -> Any:
        if not isinstance(node, ast.Call):
            return None
        target = self._resolved(node.func)
        if not is_helper(target) or own_derivative(target) is not None:
            return None
        ours = any(target is h for h in HELPERS.values())
        return None if ours and (not self.desugared.generated or target.__name__ in RULES) else target

    def _local_function(self, e: Any) -> Any:
        """The function made inside the function that `e` is, or None."""
        if isinstance(e, ast.Lambda):
            return lambda_of(self.desugared.names.new("lambda_"), e)
        return self.desugared.functions.get(e.id) if isinstance(e, ast.Name) else None

    def visit_Call(self, node: ast.Call) -> Any:
        alone = node is self.alone
        self._repeatable(node)
        local, helper = self._local_function(node.func), self._helper(node)
        if self._collects(node):
            return self._of_comprehension(node)
        node.args = self._spread([self._argument(a, local or helper) for a in node.args])
        for keyword in node.keywords:
            keyword.value = self._argument(keyword.value, local or helper)
        if local is not None:
            return self.desugared.call(node, local, local, self.before, alone)
        node.func = self.visit(node.func)
        if helper is None:
            return self._known(node)
        parsed = self.desugared.inlined.source_of(helper)
        if parsed is None:
            self.desugared.inlined.refuse_without_source(node, helper)
        return self.desugared.call(node, helper, parsed, self.before, alone)

    def _argument(self, e: Any, called: Any) -> Any:
        """An argument; functions that are passed to helpers are inlined there."""
        function = isinstance(e, ast.Lambda) or (isinstance(e, ast.Name) and e.id in self.desugared.functions)
        return e if function and called is not None else self.visit(e)

    def _spread(self, arguments: list[Any]) -> list[Any]:
        """f(*t) for a tuple t whose length is known."""
        new: list[Any] = []
        for a in arguments:
            known = isinstance(a, ast.Starred) and isinstance(a.value, ast.Tuple)
            new += a.value.elts if known else [a]
        return new

    def _known(self, node: ast.Call) -> Any:
        """Calls of functions that give tuples, or take them."""
        target = self._resolved(node.func)
        if own_derivative(target) is not None:
            return self._positional(node, target)
        if target is np.asarray and node.args and isinstance(node.args[0], (ast.List, ast.Tuple)):
            node.func = placed(expression("np.array"), node)
        if node.keywords or not node.args:
            return node
        first: Any = node.args[0]
        if target is divmod and len(node.args) == 2:
            a, b = (self._named("part", p) for p in node.args)
            return placed(ast.Tuple([ast.BinOp(a, ast.FloorDiv(), b), ast.BinOp(a, ast.Mod(), b)], ast.Load()), node)
        if target is np.linalg.slogdet:
            both: Any = self._named("signed_log", placed(ast.Call(load("signed_log_of_det"), [first], []), node))
            return placed(ast.Tuple([expression(f"{both.id}[{i}]") for i in range(2)], ast.Load()), node)
        if target is len and isinstance(first, ast.Tuple):
            return placed(ast.Constant(len(first.elts)), node)
        if target in (max, min) and len(node.args) == 1 and isinstance(first, (ast.Tuple, ast.List)) and first.elts:
            return self._of_parts(node, first.elts)
        if target is sum:
            return self._sum(node)
        return node

    def _positional(self, node: ast.Call, function: Any) -> ast.Call:
        """The call of a function with a derivative of its own, without keywords."""
        signature = inspect.signature(function.py_func)
        try:
            given = signature.bind(*node.args, **{str(k.arg): k.value for k in node.keywords}).arguments
        except TypeError as error:
            refuse(node, f"{function.__name__}(): {error}")
        constant = self.desugared.inlined.constant
        node.args = [
            given[name] if name in given else placed(constant(p.default, name), node)
            for name, p in signature.parameters.items()
        ]
        node.keywords = []
        return node

    def _collects(self, node: ast.Call) -> bool:
        """Whether it is a function of a list that is made in its argument."""
        known = any(self._resolved(node.func) is f for f in (np.array, np.asarray, sum, max, min))
        return known and not node.keywords and len(node.args) == 1 and isinstance(node.args[0], ast.ListComp)

    def _of_comprehension(self, node: ast.Call) -> Any:
        from .iteration import collected

        if self._resolved(node.func) is sum:
            return self._sum(node)
        self.desugared.inside += 1
        array = collected(self.desugared, node.args[0], self.before)
        self.desugared.inside -= 1
        if self._resolved(node.func) in (np.array, np.asarray):
            return array
        name = "np.max" if self._resolved(node.func) is max else "np.min"
        return placed(ast.Call(expression(name), [array], []), node)

    def _of_parts(self, node: ast.Call, parts: list[Any]) -> Any:
        """max((a, b)) is max(a, b)."""
        if len(parts) == 1:
            return parts[0]
        return placed(ast.Call(node.func, parts, []), node)

    def _sum(self, node: ast.Call) -> Any:
        """sum(a) is a loop."""
        total = self.desugared._local("total")
        term = self.desugared._local("term")
        start = node.args[1] if len(node.args) > 1 else ast.Constant(0)
        more = ast.AugAssign(target=ast.Name(id=total, ctx=ast.Store()), op=ast.Add(), value=load(term))
        loop = ast.For(target=ast.Name(id=term, ctx=ast.Store()), iter=node.args[0], body=[more], orelse=[])
        self.before += self.desugared.ahead([placed(assign(total, start), node), placed(loop, node)], False)
        return placed(load(total), node)

    def _repeatable(self, node: ast.Call) -> None:
        owner = node.func.value if isinstance(node.func, ast.Attribute) else node.func
        found = self._resolved(owner)
        home = found.__name__ if isinstance(found, ModuleType) else getattr(found, "__module__", None) or ""
        if home in IMPURE:
            refuse(node, f"`{ast.unparse(node.func)}`: it gives something else each time", "pass its result in `args`")
        target = self._resolved(node.func)
        method = node.func.attr if target is MISSING and isinstance(node.func, ast.Attribute) else ""
        changes = method in MUTATING and not (method == "pop" and self.desugared.generated)
        into = any(k.arg == "out" for k in node.keywords)
        if changes or into or (isinstance(target, np.ufunc) and len(node.args) > target.nin):
            refuse(node, f"`{ast.unparse(node)}`, which changes an array or a list", "assign a new one")

    # --- tuples ------------------------------------------------------------------------------------------------------

    def visit_Name(self, node: ast.Name) -> Any:
        if isinstance(node.ctx, ast.Load) and node.id in self.desugared.functions:
            refuse(node, f"the function `{node.id}` as a value", "call it, or pass it to a compiled helper")
        parts = self.desugared.tuples.get(node.id)
        if parts is None or not isinstance(node.ctx, ast.Load):
            return node
        return placed(ast.Tuple(elts=[self.visit(placed(load(p), node)) for p in parts], ctx=ast.Load()), node)

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        self.generic_visit(node)
        if not isinstance(node.value, ast.Tuple) or isinstance(node.slice, ast.Tuple):
            return node
        parts, i = node.value.elts, node.slice
        if isinstance(i, ast.Slice):
            bounds = [_whole_number(b) for b in (i.lower, i.upper, i.step) if b is not None]
            if None in bounds:
                refuse(node, "a part of a tuple that depends on a variable", "use an array")
            given = [None if b is None else _whole_number(b) for b in (i.lower, i.upper, i.step)]
            return placed(ast.Tuple(elts=parts[slice(*given)], ctx=ast.Load()), node)
        known = _whole_number(i)
        if known is None:
            return self._chosen(node, parts)
        return parts[known] if -len(parts) <= known < len(parts) else node

    def _chosen(self, node: ast.Subscript, parts: list[Any]) -> Any:
        """t[i]: `if` for each i."""
        if not 0 < len(parts) <= LONGEST_CHOICE:
            refuse(node, f"a tuple of {len(parts)} elements with an index that is a variable", "use an array")
        i = self._named("at", node.slice)
        name = self.desugared._local("choice")
        self.before += self.desugared.block([choice(placed(ast.Name(name, ast.Store()), node), parts, i.id, node)])
        return self.visit(placed(load(name), node))

    # --- the rest ----------------------------------------------------------------------------------------------------

    def visit_Lambda(self, node: ast.Lambda) -> Any:
        return node

    def visit_ListComp(self, node: Any) -> Any:
        if self._needs_statements(ast.Tuple([node.elt, *node.generators])):
            refuse(node, "a list that calls a helper", "make it an array: `np.array([... for ...])`")
        return node

    visit_GeneratorExp = visit_SetComp = visit_DictComp = visit_ListComp  # noqa: N815

    def visit_NamedExpr(self, node: ast.NamedExpr) -> Any:
        refuse(node, "an assignment inside an expression", "make it a statement")


def choice(target: Any, parts: list[Any], index: str, node: ast.AST, from_the_end: bool = True) -> Any:
    """`target = parts[index]` as a chain of `if`; negative indices count from the end."""
    count = len(parts)
    chain: Any = None
    for n in reversed(range(count)):
        each = placed(ast.Assign(targets=[copied(target)], value=parts[n]), node)
        if chain is None:
            chain = each
        else:
            test = expression(f"{index} == {n}" + (f" or {index} == {n - count}" if from_the_end else ""))
            chain = placed(ast.If(test=test, body=[each], orelse=[chain]), node)
    return chain


def _whole_number(e: Any) -> int | None:
    try:
        value = ast.literal_eval(e)
    except (ValueError, TypeError):
        return None
    return value if type(value) is int else None
