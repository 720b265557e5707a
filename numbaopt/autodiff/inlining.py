"""Calls of the user's own compiled functions are replaced by their bodies, with names of their own."""

from __future__ import annotations

import ast
import math
from typing import Any

from .derivatives import elementary
from .facts import PURE
from .parsing import Parsed, parse
from .refusal import NotDifferentiable, placed, refuse
from .syntax import Names, assign, copied, load, names_assigned, names_bound, walk

MOST_STATEMENTS = 4000
"""Beyond this, compiling would take minutes."""
MEANT = {*PURE, "math"}
"""Names of which the generated code knows what they mean."""
FRESH = {"zeros", "empty", "ones", "full", "zeros_like", "empty_like", "ones_like", "full_like", "copy", "array"}
"""Calls that give an array of their own."""


class Renamed(ast.NodeTransformer):
    """A helper's tree in the caller's terms: its locals get new names, its globals are found in the caller's."""

    def __init__(self, local: dict[str, Any], environment: dict[str, Any], target: dict[str, Any], names: Names):
        self.local, self.environment, self.target, self.names = local, environment, target, names

    def visit_Name(self, node: ast.Name) -> Any:
        new = self.local.get(node.id)
        if isinstance(new, ast.expr):
            return placed(copied(new), node)
        if new is None:
            new = node.id
            if new in self.environment:
                value = self.environment[new]
                misleading = new in MEANT and elementary(value) is None and value is not math
                if misleading or (new in self.names.taken and self.target.get(new) is not value):
                    new = self.names.new(f"{new}_" if misleading else new)
                self.names.taken.add(new)
                self.target[new] = value
        renamed = ast.copy_location(ast.Name(id=new, ctx=node.ctx), node)
        renamed.origin = node.origin  # type: ignore[attr-defined]
        return renamed

    # --- scopes inside the function: their names become names that nothing else has -----------------------------------

    def visit_Lambda(self, node: ast.Lambda) -> Any:
        node.args.defaults = [self.visit(d) for d in node.args.defaults]
        self._inside(node.args, set(), [node], ["body"])
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        node.name = self.local.get(node.name, node.name)
        node.args.defaults = [self.visit(d) for d in node.args.defaults]
        self._inside(node.args, names_bound(node.body), [node], ["body"])
        return node

    def visit_ListComp(self, node: Any) -> Any:
        first = node.generators[0]
        first.iter = self.visit(first.iter)
        bound = names_bound(g.target for g in node.generators)
        rest = [g for g in node.generators if g is not first]
        self._inside(None, bound, [first, *rest, node], ["target", "ifs", "elt", "key", "value"], rest)
        return node

    visit_GeneratorExp = visit_SetComp = visit_DictComp = visit_ListComp  # noqa: N815

    def _inside(self, args: Any, bound: set[str], nodes: list[Any], fields: list[str], iterated: Any = ()) -> None:
        """Rename what is in the fields of the nodes, where these names are bound."""
        declared = [] if args is None else [*args.posonlyargs, *args.args, *args.kwonlyargs]
        own = {name: self.names.new(name) for name in sorted(bound | {a.arg for a in declared})}
        for a in declared:
            a.arg = own[a.arg]
        outer, self.local = self.local, self.local | own
        for g in iterated:
            g.iter = self.visit(g.iter)
        for node in nodes:
            for field in fields:
                value = getattr(node, field, None)
                if isinstance(value, list):
                    setattr(node, field, [self.visit(v) for v in value])
                elif isinstance(value, ast.AST):
                    setattr(node, field, self.visit(value))
        self.local = outer


class Inlined:
    """What is needed to put a call of a helper into the caller's body."""

    def __init__(self, names: Names, environment: dict[str, Any]):
        self.names, self.environment = names, environment
        self.parsed: dict[Any, Parsed | NotDifferentiable] = {}
        self.active: list[Any] = []  # helpers that are being inlined now
        self.statements = 0

    def source_of(self, helper: Any) -> Parsed | None:
        """The helper's tree, or None if there is none."""
        if helper not in self.parsed:
            try:
                self.parsed[helper] = parse(helper)
            except NotDifferentiable as error:
                self.parsed[helper] = error
        found = self.parsed[helper]
        return None if isinstance(found, NotDifferentiable) else found

    def refuse_without_source(self, call: ast.Call, helper: Any) -> None:
        """Say what is wrong with a helper, at its own place where it has one, and where it is called."""
        said = str(self.parsed[helper]).splitlines()
        why, located = said[0].split("(): ", 1)[-1].rstrip("."), len(said) > 1 and said[1].startswith('  File "')
        try:
            refuse(call, f"{helper.__name__}(): {why}", "" if located else "put it into a file")
        except NotDifferentiable as here:
            more = said[1:] if located else []
            raise NotDifferentiable("\n".join([str(here), *more])) from None

    def bound(self, call: ast.Call, helper: Any, parsed: Parsed) -> tuple[list[ast.stmt], list[ast.stmt], str, str]:
        """Assignments of the parameters, the body, the names of the result and of the flag for returns."""
        if any(helper is other for other in self.active):
            refuse(call, "a function that calls itself", "write the recursion as a loop")
        body = copied(parsed.body)
        self.statements += sum(isinstance(n, ast.stmt) for s in body for n in walk(s))
        if self.statements > MOST_STATEMENTS:
            refuse(call, "more helper functions than can be compiled in one", "call fewer, or in a loop")
        given = _arguments(call, parsed)
        assigned = names_assigned(body)
        local: dict[str, Any] = {}
        binding: list[ast.stmt] = []
        for parameter in parsed.parameters:
            value = given[parameter] if parameter in given else self._default(parsed, parameter, call)
            if isinstance(value, (ast.Name, ast.Constant, ast.Tuple)) and parameter not in assigned:
                local[parameter] = value
            else:
                local[parameter] = self.names.new(f"{parsed.name}_{parameter}")
                binding.append(placed(assign(local[parameter], value), call))
        for name in sorted(parsed.locals - set(parsed.parameters)):
            local[name] = self.names.new(f"{parsed.name}_{name}")
        renamed = Renamed(local, parsed.environment, self.environment, self.names)
        body = [renamed.visit(s) for s in body]
        return binding, body, self.names.new(f"{parsed.name}_result"), self.names.new(f"{parsed.name}_returned")

    def _default(self, parsed: Parsed, parameter: str, call: ast.Call) -> ast.expr:
        if parameter not in parsed.defaults:
            refuse(call, f"{parsed.name}() is called without its argument `{parameter}`")
        return self.constant(parsed.defaults[parameter], parameter)

    def constant(self, value: Any, name: str) -> ast.expr:
        """An expression for an object."""
        if type(value) in (int, float, bool) or value is None:
            return ast.Constant(value)
        new = self.names.new(name)
        self.environment[new] = value
        return load(new)


def _arguments(call: ast.Call, parsed: Parsed) -> dict[str, ast.expr]:
    if any(isinstance(a, ast.Starred) for a in call.args) or any(k.arg is None for k in call.keywords):
        refuse(call, "a call with *args or **kwargs", "pass every argument by itself")
    if len(call.args) > len(parsed.parameters):
        refuse(call, f"{parsed.name}() takes {len(parsed.parameters)} arguments")
    given = dict(zip(parsed.parameters, call.args, strict=False))
    return given | {str(k.arg): k.value for k in call.keywords}


def may_modify(body: list[ast.stmt]) -> bool:
    """Whether a helper may write into an array that is not its own."""
    own: dict[str, bool] = {}
    nodes = [n for s in body for n in walk(s)]
    for n in nodes:
        if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Name):
            call = n.value.func if isinstance(n.value, ast.Call) else None
            fresh = isinstance(call, ast.Attribute) and call.attr in FRESH
            own[n.targets[0].id] = own.get(n.targets[0].id, True) and (fresh or _scalar(n.value))
    for n in nodes:
        target = n.target if isinstance(n, ast.AugAssign) else None
        for t in n.targets if isinstance(n, ast.Assign) else [target]:
            base = t
            while isinstance(base, (ast.Subscript, ast.Attribute)):
                base = base.value
            if isinstance(base, ast.Name) and (base is not t or t is target) and not own.get(base.id, False):
                return True
        if isinstance(n, ast.Expr) and isinstance(n.value, ast.Call):
            return True
    return False


def _scalar(value: ast.expr) -> bool:
    return isinstance(value, (ast.Constant, ast.BinOp, ast.UnaryOp, ast.Compare))
