"""The whole function in few kinds of statement: assignments of one name or element, if, for over range, while.

Helpers are inlined, conditional expressions become `if`, tuples are taken apart into variables.
"""

from __future__ import annotations

import ast
import builtins
import copy
import inspect
import re
from types import ModuleType
from typing import Any

import numba
import numpy as np

from .checkpoint import checkpoint
from .control_flow import Returns, with_loop_flags
from .derivatives import HELPERS
from .inlining import Inlined, Renamed, may_modify
from .parsing import MISSING, Parsed, is_helper, resolved
from .refusal import placed, refuse
from .registered import own_derivative
from .syntax import Names, all_statements, assign, expression, load, names_assigned, outside_loops

Statements = list[ast.stmt]
RESERVED = re.compile(r"(loop\d+_)?tape|value$")
"""Names of generated variables that are not asked for."""
IMPURE = {"numpy.random", "random", "time"}
"""Modules of functions that do not give the same twice."""
MUTATING = {
    *("append", "extend", "insert", "pop", "remove", "clear", "reverse", "sort", "update", "setdefault", "popitem"),
    *("add", "discard", "put", "partition", "resize", "fill"),
}
"""Methods that change their object."""


class Desugared:
    """The body of a function in core statements; `result` is the name of what it returns.

    With `stacks`, lists of arrays may be appended to and popped from, as generated gradients do.
    """

    def __init__(self, parsed: Parsed, given: list[str], stacks: bool = False):
        self.stacks = stacks
        self.environment: dict[str, Any] = {"np": np, **HELPERS}
        self.names = Names(parsed.locals | set(self.environment) | set(dir(builtins)) | {"value"})
        self.inlined = Inlined(self.names, self.environment)
        self.tuples: dict[str, list[str]] = {}
        own, body = self._with_free_names(parsed)
        self.local = set(own.values())
        self.parameters = [own[p] for p in given]
        defaults: Statements = [
            placed(assign(own[p], self.inlined.constant(parsed.defaults[p], p)), parsed.definition)
            for p in parsed.parameters
            if p not in given
        ]
        self.result = self.names.new("result")
        self.body = self.block(defaults + self._without_returns(body, self.result, "returned", parsed.definition))

    def _with_free_names(self, parsed: Parsed) -> tuple[dict[str, str], Statements]:
        """The function's locals, renamed where generated code has that name, and its body."""
        own = {v: self.names.new(v) if v in self.environment or RESERVED.match(v) else v for v in parsed.locals}
        renamed = Renamed(dict(own), parsed.environment, self.environment, self.names)
        return own, [renamed.visit(s) for s in copy.deepcopy(parsed.body)]

    def _without_returns(self, body: Statements, result: str, flag: str, definition: Any) -> Statements:
        returns = [n for s in body for n in ast.walk(s) if isinstance(n, ast.Return)]
        if all(r.value is None for r in returns):
            body = [*body, placed(ast.Return(value=None), definition)]

        def assigned(s: ast.Return) -> Statements:
            return [] if s.value is None else [placed(assign(result, s.value), s)]

        self.local |= {result, flag}
        return Returns(self.names.new(flag), assigned).removed(body, definition)

    # --- statements --------------------------------------------------------------------------------------------------

    def block(self, body: Statements) -> Statements:
        """Core statements for statements."""
        return [core for s in body for core in self.statement(s)]

    def statement(self, s: Any) -> Statements:
        """Core statements for a statement."""
        kind = getattr(self, f"_{type(s).__name__.lower()}", None)
        if kind is None:
            refuse(s, f"a `{type(s).__name__.lower()}` statement", "rewrite it with assignments, if, for and while")
        return kind(s)

    def _pass(self, s: ast.Pass) -> Statements:
        return []

    def _raise(self, s: ast.Raise) -> Statements:
        return [s]

    def _assert(self, s: ast.Assert) -> Statements:
        before: Statements = []
        s.test = self.flat(s.test, before)
        return [*before, s]

    def _annassign(self, s: ast.AnnAssign) -> Statements:
        return [] if s.value is None else self._assign(placed(ast.Assign(targets=[s.target], value=s.value), s))

    def _expr(self, s: ast.Expr) -> Statements:
        call = s.value
        if isinstance(call, ast.Constant):
            return []
        if isinstance(call, ast.Call):
            target = resolved(call.func, self.environment, self.local)
            if target is print:
                before: Statements = []
                call.args = [self.flat(a, before) for a in call.args]
                return [*before, s]
            if is_helper(target):
                before = []
                self.flat(call, before, alone=True)
                return before
            if self.stacks and isinstance(call.func, ast.Attribute) and call.func.attr == "append":
                return [s]
            if isinstance(call.func, ast.Attribute) and call.func.attr == "fill" and len(call.args) == 1:
                everything = ast.Subscript(value=call.func.value, slice=ast.Slice(), ctx=ast.Store())
                return self._assign(placed(ast.Assign(targets=[everything], value=call.args[0]), s))
        return refuse(s, "a call whose result is not used: what it changes is not known", "assign what it returns")

    def _assign(self, s: ast.Assign) -> Statements:
        if len(s.targets) > 1:
            name = self._local("chained")
            each = [placed(ast.Assign(targets=[t], value=load(name)), s) for t in s.targets]
            return self.block([placed(assign(name, s.value), s), *each])
        target = s.targets[0]
        before: Statements = []
        value = self.flat(s.value, before, alone=True)
        if isinstance(target, (ast.Tuple, ast.List)):
            return before + self._unpacked(target, value, s)
        if isinstance(target, ast.Name):
            if isinstance(value, ast.Tuple):
                return before + self._tuple(target.id, value, s)
            if target.id in self.tuples:
                refuse(s, f"`{target.id}` is a tuple in one place and not in another", "use two names")
        elif isinstance(target, ast.Subscript):
            self._index(target, before)
        else:
            refuse(s, f"assignment to `{ast.unparse(target)}`")
        return [*before, placed(ast.Assign(targets=[target], value=value), s)]

    def _index(self, target: ast.Subscript, before: Statements) -> None:
        target.slice = self.flat(target.slice, before)
        target.value = self.flat(target.value, before)

    def _tuple(self, name: str, value: ast.Tuple, s: ast.stmt) -> Statements:
        """`name = (a, b)` gives name_0 = a, name_1 = b."""
        parts = self.tuples.get(name)
        if parts is None:
            parts = self.tuples[name] = [self._local(f"{name}_{i}") for i in range(len(value.elts))]
        if len(parts) != len(value.elts):
            refuse(s, f"`{name}` is a tuple of different lengths", "use two names")
        targets = ast.Tuple(elts=[ast.Name(id=p, ctx=ast.Store()) for p in parts], ctx=ast.Store())
        return self._unpacked(placed(targets, s), value, s)

    def _unpacked(self, targets: Any, value: ast.expr, s: ast.stmt) -> Statements:
        if any(isinstance(t, ast.Starred) for t in targets.elts):
            refuse(s, "a starred target", "index the sequence")
        if isinstance(value, ast.Tuple):
            if len(value.elts) != len(targets.elts):
                refuse(s, f"{len(value.elts)} values for {len(targets.elts)} names")
            read = {n.id for e in value.elts for n in ast.walk(e) if isinstance(n, ast.Name)}
            plain = all(isinstance(t, ast.Name) for t in targets.elts) and not read & names_assigned([s])
            bound = {t.id for t in targets.elts if isinstance(t, ast.Name)}
            if plain and not read & bound:
                parts = list(zip(targets.elts, value.elts, strict=True))
                return self.block([placed(ast.Assign(targets=[t], value=v), s) for t, v in parts])
            held = [self._local("part") for _ in value.elts]
            first = [placed(assign(h, v), s) for h, v in zip(held, value.elts, strict=True)]
        else:
            whole = self._local("parts")
            held = []
            first = [placed(assign(whole, value), s)]
        sources: list[ast.expr] = (
            [load(h) for h in held] if held else [expression(f"{whole}[{i}]") for i in range(len(targets.elts))]
        )
        return first + self.block(
            [placed(ast.Assign(targets=[t], value=v), s) for t, v in zip(targets.elts, sources, strict=True)]
        )

    def _augassign(self, s: ast.AugAssign) -> Statements:
        before: Statements = []
        s.value = self.flat(s.value, before, alone=True)
        if isinstance(s.target, ast.Subscript):
            self._index(s.target, before)
        elif not isinstance(s.target, ast.Name) or s.target.id in self.tuples:
            refuse(s, f"augmented assignment to `{ast.unparse(s.target)}`")
        return [*before, s]

    def _if(self, s: ast.If) -> Statements:
        before: Statements = []
        test = self.flat(s.test, before)
        body = self.block(s.body) or [placed(ast.Pass(), s)]
        return [*before, placed(ast.If(test=test, body=body, orelse=self.block(s.orelse)), s)]

    def _while(self, s: ast.While) -> Statements:
        before: Statements = []
        test = self.flat(copy.deepcopy(s.test), before)
        if before:  # what the test needs is computed anew for each iteration
            leave = ast.If(test=ast.UnaryOp(op=ast.Not(), operand=s.test), body=[ast.Break()], orelse=[])
            return self._loop(placed(ast.While(ast.Constant(True), [placed(leave, s), *s.body], s.orelse), s))
        s.test = test
        return self._loop(s)

    def _for(self, s: ast.For) -> Statements:
        s.checkpointed = self._is_checkpoint(s.iter)  # type: ignore[attr-defined]
        if s.checkpointed:  # type: ignore[attr-defined]
            s.iter = s.iter.args[0]  # type: ignore[attr-defined]
        call = s.iter
        target = resolved(call.func, self.environment, self.local) if isinstance(call, ast.Call) else MISSING
        if target is builtins.range or target is numba.prange:
            before: Statements = []
            assert isinstance(call, ast.Call)
            arguments = [self.flat(a, before) for a in call.args]
            if not isinstance(s.target, ast.Name):
                refuse(s, "this loop variable")
            s.iter = placed(ast.Call(func=load("range"), args=arguments, keywords=[]), call)
            return before + self._loop(s)
        index = self._local("index")
        setup: Statements = []
        binding, lengths = self._each(s.target, s.iter, index, setup)
        length = lengths[0] if len(lengths) == 1 else f"min({', '.join(lengths)})"
        s.body = binding + s.body
        s.target = placed(ast.Name(id=index, ctx=ast.Store()), s)
        s.iter = placed(expression(f"range({length})"), s.iter)
        return setup + self._loop(s)

    def _is_checkpoint(self, e: ast.expr) -> bool:
        if not isinstance(e, ast.Call) or resolved(e.func, self.environment, self.local) is not checkpoint:
            return False
        inner = resolved(e.args[0].func, self.environment, self.local) if isinstance(e.args[0], ast.Call) else None
        if inner is not builtins.range:
            refuse(e, f"`{ast.unparse(e)}`", "write checkpoint(range(...))")
        return True

    def _each(self, target: Any, source: Any, index: str, setup: Statements) -> tuple[Statements, list[str]]:
        """Bindings of the loop variables of an iteration, and the lengths of what is iterated over."""
        call = resolved(source.func, self.environment, self.local) if isinstance(source, ast.Call) else MISSING
        if call is builtins.enumerate and len(source.args) == 1 and isinstance(target, ast.Tuple):
            binding, lengths = self._each(target.elts[1], source.args[0], index, setup)
            return [placed(ast.Assign(targets=[target.elts[0]], value=load(index)), source), *binding], lengths
        if call is builtins.zip and isinstance(target, ast.Tuple) and len(target.elts) == len(source.args):
            parts = [self._each(t, a, index, setup) for t, a in zip(target.elts, source.args, strict=True)]
            return [s for binding, _ in parts for s in binding], [n for _, lengths in parts for n in lengths]
        if isinstance(source, (ast.Tuple, ast.List)) or (isinstance(source, ast.Call) and call is not MISSING):
            refuse(source, f"iteration over `{ast.unparse(source)}`", "use `for i in range(...)`")
        name = self._local("sequence")
        setup += self.block([placed(assign(name, source), source)])
        value = expression(f"{name}[{index}]")
        return [placed(ast.Assign(targets=[target], value=value), source)], [f"len({name})"]

    def _loop(self, s: Any) -> Statements:
        if s.orelse:
            refuse(s.orelse[0], "`else` of a loop", "set a flag before `break`")
        body = s.body
        stop, skip = self._local("stop"), self._local("skip")
        kinds = {type(n) for n in outside_loops(body)}
        flags = [flag for flag, kind in ((stop, ast.Break), (skip, ast.Continue)) if kind in kinds]
        if flags:
            reset: Statements = [placed(assign(flag, ast.Constant(False)), s) for flag in flags]
            body = reset + with_loop_flags(body, stop, skip)
        s.stop = stop if stop in flags else None
        s.body = self.block(body)
        return [s]

    # --- expressions -------------------------------------------------------------------------------------------------

    def flat(self, e: Any, before: Statements, alone: bool = False) -> Any:
        """`e` without conditional expressions and helpers; what it needs goes into `before`.

        `alone`: nothing of the statement is evaluated before `e`, so that a helper in it may modify arrays.
        """
        return _Flattening(self, before, _evaluated_first(e) if alone else None).visit(e)

    def call(self, call: ast.Call, helper: Any, before: Statements, alone: bool) -> Any:
        """The result of a helper, whose body goes into `before`."""
        binding, body, result, flag = self.inlined.bound(call, helper)
        if may_modify(body) and not alone:
            refuse(
                call,
                f"{helper.__name__}() may modify an array, inside a larger expression",
                f"give it a statement of its own: `r = {helper.__name__}(...)`",
            )
        self.inlined.active.append(helper)
        self.local |= names_assigned([*binding, *body])
        before += self.block(binding)
        before += self.block(self._without_returns(body, result, flag, call))
        self.inlined.active.pop()
        if not any(result in names_assigned([s]) or result in self.tuples for s in all_statements(before)):
            return placed(ast.Constant(None), call)
        return self.flat(placed(load(result), call), before)

    def _local(self, wish: str) -> str:
        name = self.names.new(wish)
        self.local.add(name)
        return name


def _evaluated_first(e: Any) -> Any:
    """The part of an expression that is evaluated before all others."""
    while isinstance(e, (ast.Subscript, ast.Attribute, ast.BinOp)):
        e = e.left if isinstance(e, ast.BinOp) else e.value
    return e


class _Flattening(ast.NodeTransformer):
    """Expressions without what needs statements."""

    def __init__(self, desugared: Desugared, before: Statements, alone: Any):
        self.desugared, self.before, self.alone = desugared, before, alone

    def visit_IfExp(self, node: ast.IfExp) -> Any:
        name = self.desugared._local("either")
        yes, no = placed(assign(name, node.body), node.body), placed(assign(name, node.orelse), node.orelse)
        choice = placed(ast.If(test=node.test, body=[yes], orelse=[no]), node)
        self.before += self.desugared.statement(choice)
        return self.visit(placed(load(name), node))

    def visit_BoolOp(self, node: ast.BoolOp) -> Any:
        if not any(self._needs_statements(v) for v in node.values[1:]):
            return self.generic_visit(node)
        name = self.desugared._local("both")
        first = placed(assign(name, node.values[0]), node)
        rest = node.values[1] if len(node.values) == 2 else placed(ast.BoolOp(op=node.op, values=node.values[1:]), node)
        test = load(name) if isinstance(node.op, ast.And) else ast.UnaryOp(op=ast.Not(), operand=load(name))
        more = placed(ast.If(test=test, body=[placed(assign(name, rest), node)], orelse=[]), node)
        self.before += self.desugared.block([first, more])
        return placed(load(name), node)

    def _needs_statements(self, node: ast.AST) -> bool:
        return any(isinstance(n, ast.IfExp) or self._helper(n) is not None for n in ast.walk(node))

    def _helper(self, node: ast.AST) -> Any:
        if not isinstance(node, ast.Call):
            return None
        target = resolved(node.func, self.desugared.environment, self.desugared.local)
        return target if is_helper(target) and own_derivative(target) is None else None

    def visit_Call(self, node: ast.Call) -> Any:
        alone = node is self.alone
        self._repeatable(node)
        self.generic_visit(node)
        helper = self._helper(node)
        known = resolved(node.func, self.desugared.environment, self.desugared.local)
        if own_derivative(known) is not None:
            return self._positional(node, known)
        if helper is not None and self.desugared.inlined.source_of(helper) is None:
            why = str(self.desugared.inlined.parsed[helper]).splitlines()[0].split("(): ", 1)[-1]
            refuse(node, f"{helper.__name__}(): {why.rstrip('.')}", "put it into a file")
        return node if helper is None else self.desugared.call(node, helper, self.before, alone)

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

    def _repeatable(self, node: ast.Call) -> None:
        owner = node.func.value if isinstance(node.func, ast.Attribute) else node.func
        found = resolved(owner, self.desugared.environment, self.desugared.local)
        home = found.__name__ if isinstance(found, ModuleType) else getattr(found, "__module__", None) or ""
        if home in IMPURE:
            refuse(node, f"`{ast.unparse(node.func)}`: it gives something else each time", "pass its result in `args`")
        target = resolved(node.func, self.desugared.environment, self.desugared.local)
        method = node.func.attr if target is MISSING and isinstance(node.func, ast.Attribute) else ""
        changes = method in MUTATING and not (method == "pop" and self.desugared.stacks)
        into = any(k.arg == "out" for k in node.keywords)
        if changes or into or (isinstance(target, np.ufunc) and len(node.args) > target.nin):
            refuse(node, f"`{ast.unparse(node)}`, which changes an array or a list", "assign a new one")

    def visit_Name(self, node: ast.Name) -> Any:
        parts = self.desugared.tuples.get(node.id)
        if parts is None or not isinstance(node.ctx, ast.Load):
            return node
        return placed(ast.Tuple(elts=[load(p) for p in parts], ctx=ast.Load()), node)

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        self.generic_visit(node)
        i: Any = node.slice
        if isinstance(i, ast.UnaryOp) and isinstance(i.op, ast.USub) and isinstance(i.operand, ast.Constant):
            i = ast.Constant(-i.operand.value)  # type: ignore[operator]
        known = isinstance(node.value, ast.Tuple) and isinstance(i, ast.Constant) and isinstance(i.value, int)
        return node.value.elts[i.value] if known and i.value < len(node.value.elts) else node  # type: ignore[attr-defined]

    def visit_Lambda(self, node: ast.Lambda) -> Any:
        return node

    def visit_ListComp(self, node: Any) -> Any:
        if self._needs_statements(node):
            refuse(node, "a comprehension that calls a helper", "write a loop")
        return node

    visit_GeneratorExp = visit_SetComp = visit_DictComp = visit_ListComp  # noqa: N815

    def visit_NamedExpr(self, node: ast.NamedExpr) -> Any:
        refuse(node, "an assignment inside an expression", "make it a statement")
