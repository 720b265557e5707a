"""The whole function in few kinds of statement: assignments of one name or element, if, for over range, while.

Helpers are inlined, conditional expressions become `if`, tuples are taken apart into variables.
"""

from __future__ import annotations

import ast
import builtins
import math
import re
from typing import Any

import numpy as np

from .checkpoint import checkpoint
from .closures import extracted, lambda_of, note
from .control_flow import Returns, with_loop_flags
from .derivatives import HELPERS
from .flattening import LONGEST_CHOICE, Flattening, evaluated_first
from .inlining import Inlined, Renamed, may_modify
from .iteration import RANGES, called, collected, inner_range, over_range, sequences
from .parsing import Parsed, is_helper, resolved
from .refusal import placed, refuse
from .syntax import Names, all_statements, assign, copied, expression, load, names_assigned, outside_loops, walk

Statements = list[ast.stmt]
RESERVED = re.compile(r"(loop\d+_)?tape|value$")
"""Names of generated variables that are not asked for."""


class Desugared:
    """The body of a function in core statements; `result` is the name of what it returns.

    `generated`: the function is a generated gradient. What it calls in `runtime` is inlined then, and lists of arrays
    may be appended to and popped from.
    """

    def __init__(self, parsed: Parsed, given: list[str], generated: bool = False):
        self.generated = generated
        self.environment: dict[str, Any] = {"np": np, "math": math, **HELPERS}
        self.names = Names(parsed.locals | set(self.environment) | set(dir(builtins)) | {"value"})
        self.inlined = Inlined(self.names, self.environment)
        self.tuples: dict[str, list[str]] = {}
        self.functions: dict[str, Parsed] = {}  # made inside the function
        self.sequences: set[str] = set()  # lists that are only read
        self.inside = 0  # in code for parts of expressions of which other parts come before
        own, body = self._with_free_names(parsed)
        self.local = set(own.values())
        body = self._without_definitions(body)
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
        return own, [renamed.visit(s) for s in copied(parsed.body)]

    def _without_definitions(self, body: Statements) -> Statements:
        """`body` without the functions made in it."""
        body = extracted(body, self.functions)
        self.sequences |= sequences(body, self.environment, self.local | names_assigned(body))
        return body

    def _without_returns(self, body: Statements, result: str, flag: str, definition: Any) -> Statements:
        returns = [n for s in body for n in walk(s) if isinstance(n, ast.Return)]
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
            if is_helper(target) or (isinstance(call.func, ast.Name) and call.func.id in self.functions):
                before = []
                self.flat(call, before, alone=True)
                return before
            if self.generated and isinstance(call.func, ast.Attribute) and call.func.attr == "append":
                return [s]
            if isinstance(call.func, ast.Attribute) and call.func.attr == "fill" and len(call.args) == 1:
                everything = ast.Subscript(value=call.func.value, slice=ast.Slice(), ctx=ast.Store())
                return self._assign(placed(ast.Assign(targets=[everything], value=call.args[0]), s))
            if isinstance(call.func, ast.Attribute) and call.func.attr == "sort" and not call.args + call.keywords:
                array: Any = call.func.value
                everything = ast.Subscript(value=array, slice=ast.Slice(), ctx=ast.Store())
                ordered = ast.Call(func=expression("np.sort"), args=[copied(array)], keywords=[])
                return self._assign(placed(ast.Assign(targets=[everything], value=ordered), s))
        return refuse(s, "a call whose result is not used: what it changes is not known", "assign what it returns")

    def _assign(self, s: ast.Assign) -> Statements:
        if len(s.targets) > 1:
            name = self._local("chained")
            each = [placed(ast.Assign(targets=[t], value=load(name)), s) for t in s.targets]
            return self.block([placed(assign(name, s.value), s), *each])
        target = s.targets[0]
        before: Statements = []
        if isinstance(target, ast.Name) and isinstance(s.value, (ast.Lambda, ast.Name)) and self._is_function(s.value):
            return self._named_function(target.id, s.value)
        value = self._list_read_only(target, s.value, before) or self.flat(s.value, before, alone=True)
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

    def _is_function(self, value: Any) -> bool:
        return isinstance(value, ast.Lambda) or value.id in self.functions

    def _named_function(self, name: str, value: Any) -> Statements:
        """Only its calls are code."""
        found = lambda_of(name, value) if isinstance(value, ast.Lambda) else self.functions[value.id]
        note(self.functions, name, found)
        return []

    def _list_read_only(self, target: Any, value: Any, before: Statements) -> Any:
        """An array or a tuple for a list that nothing changes; None for anything else."""
        if not isinstance(target, ast.Name) or target.id not in self.sequences:
            return None
        if isinstance(value, ast.List):
            parts = placed(ast.Tuple(elts=value.elts, ctx=ast.Load()), value)
            return self.flat(parts, before) if 0 < len(value.elts) <= LONGEST_CHOICE else None
        return collected(self, value, before) if isinstance(value, ast.ListComp) else None

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
            read = {n.id for e in value.elts for n in walk(e) if isinstance(n, ast.Name)}
            plain = all(isinstance(t, ast.Name) for t in targets.elts) and not read & names_assigned([s])
            bound = {t.id for t in targets.elts if isinstance(t, ast.Name)}
            if plain and not read & bound:
                parts = list(zip(targets.elts, value.elts, strict=True))
                return self.block([placed(ast.Assign(targets=[t], value=v), s) for t, v in parts])
            held = [self._local("part") for _ in value.elts]
            first = self.block([placed(assign(h, v), s) for h, v in zip(held, value.elts, strict=True)])
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
        test = self.flat(copied(s.test), before)
        if before:  # what the test needs is computed anew for each iteration
            leave = ast.If(test=ast.UnaryOp(op=ast.Not(), operand=s.test), body=[ast.Break()], orelse=[])
            return self._loop(placed(ast.While(ast.Constant(True), [placed(leave, s), *s.body], s.orelse), s))
        s.test = test
        return self._loop(s)

    def _for(self, s: ast.For) -> Statements:
        s.checkpointed = called(self, s.iter) is checkpoint  # type: ignore[attr-defined]
        if s.checkpointed:  # type: ignore[attr-defined]
            s.iter = inner_range(self, s.iter)
        call = s.iter
        if called(self, call) in RANGES:
            before: Statements = []
            assert isinstance(call, ast.Call)
            arguments = [self.flat(a, before) for a in call.args]
            if not isinstance(s.target, ast.Name):
                refuse(s, "this loop variable")
            s.iter = placed(ast.Call(func=load("range"), args=arguments, keywords=[]), call)
            return before + self._loop(s)
        return over_range(self, s)

    def _loop(self, s: Any) -> Statements:
        if any(isinstance(n, ast.Return) for e in s.orelse for n in walk(e)):
            refuse(s.orelse[0], "`return` in the `else` of a loop", "set a flag before `break`")
        body = s.body
        stop, skip = self._local("stop"), self._local("skip")
        kinds = {type(n) for n in outside_loops(body)}
        flags = [flag for flag, kind in ((stop, ast.Break), (skip, ast.Continue)) if kind in kinds]
        if flags:
            reset: Statements = [placed(assign(flag, ast.Constant(False)), s) for flag in flags]
            body = reset + with_loop_flags(body, stop, skip)
        s.stop = stop if stop in flags else None
        s.body = self.block(body)
        if not s.orelse:
            return [s]
        unless: Statements = s.orelse
        if s.stop:
            unless = [placed(ast.If(test=expression(f"not {stop}"), body=s.orelse, orelse=[]), s)]
        s.orelse = []
        first: Statements = (
            [placed(assign(stop, ast.Constant(False)), s)] if s.stop else []
        )  # for a loop that never runs
        return [*first, s, *self.block(unless)]

    # --- expressions -------------------------------------------------------------------------------------------------

    def flat(self, e: Any, before: Statements, alone: bool = False) -> Any:
        """`e` without conditional expressions and helpers; what it needs goes into `before`.

        `alone`: nothing of the statement is evaluated before `e`, so that a helper in it may modify arrays.
        """
        return Flattening(self, before, evaluated_first(e) if alone else None).visit(e)

    def ahead(self, body: Statements, alone: bool) -> Statements:
        """Core statements for what runs before the rest of an expression, of which it may not modify anything."""
        self.inside += not alone
        core = self.block(body)
        self.inside -= not alone
        return core

    def call(self, call: ast.Call, helper: Any, parsed: Parsed, before: Statements, alone: bool) -> Any:
        """The result of a helper, whose body goes into `before`."""
        binding, body, result, flag = self.inlined.bound(call, helper, parsed)
        modifies = may_modify(body)
        body = self._without_definitions(body)
        if modifies and (not alone or self.inside):
            refuse(
                call,
                f"{parsed.name}() may modify an array, inside a larger expression",
                f"give it a statement of its own: `r = {parsed.name}(...)`",
            )
        self.inlined.active.append(helper)
        self.local |= names_assigned([*binding, *body])
        before += self.block(binding)
        before += self.ahead(self._without_returns(body, result, flag, call), alone)
        self.inlined.active.pop()
        if not any(result in names_assigned([s]) or result in self.tuples for s in all_statements(before)):
            return placed(ast.Constant(None), call)
        return self.flat(placed(load(result), call), before)

    def _local(self, wish: str) -> str:
        name = self.names.new(wish)
        self.local.add(name)
        return name
