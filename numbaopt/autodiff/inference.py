"""The numba type of every variable and every sub-expression of the desugared function."""

from __future__ import annotations

import ast
from typing import Any

import numba
from numba.core import errors, types

from .._errors import numba_refusal
from .desugaring import Desugared
from .iteration import as_integers, with_element_types
from .numba_typing import inferred, kind, plain, unified
from .parsing import MISSING, resolved
from .refusal import NotDifferentiable, refuse
from .syntax import OPERATORS, all_statements, names_assigned, text_of

MOST_ROUNDS = 10
"""In which the types of lists, made of the elements of others, become known."""


class Types:
    """Types of the variables by name, of the expressions by node."""

    def __init__(self, desugared: Desugared, name: str, parameters: list[str], argument_types: tuple, function: Any):
        self.environment = desugared.environment
        self.parameters = parameters
        assigned = names_assigned(desugared.body)
        self.local = assigned | set(parameters)
        try:
            probe, found = self._inferred(desugared, name, parameters, argument_types, function)
        except NotDifferentiable:
            if not as_integers(desugared.body):
                raise
            probe, found = self._inferred(desugared, name, parameters, argument_types, function)
        for _ in range(MOST_ROUNDS):
            if not with_element_types(desugared.body, found):
                break
            probe, found = self._inferred(desugared, name, parameters, argument_types, function)
        self.variables: dict[str, Any] = dict(zip(parameters, argument_types, strict=True))
        self.variables |= {v: unified(ts) for v, ts in found.items() if v in assigned | set(parameters)}
        self._of_node = {id(node): unified(found[v]) for v, node in probe.nodes.items() if v in found}
        self._alive: list[Any] = list(probe.nodes.values())  # their ids are keys

    def _inferred(self, desugared: Desugared, name: str, parameters: list, argument_types: tuple, function: Any) -> Any:
        """The probe, and numba's types of its variables."""
        assigned = self.local
        probe = _Probe(self, desugared.result)
        probe.block(desugared.body, 1)
        probe.lines.append("    raise ValueError" if desugared.result in assigned else "    return None")
        text = f"def {name}({', '.join(parameters)}):\n" + "\n".join(probe.lines) + "\n"
        namespace = dict(self.environment)
        exec(compile(text, f"<types of {name}>", "exec"), namespace)
        try:
            found, self.returned = inferred(namespace[name], argument_types)
        except errors.NumbaError as error:
            raise NotDifferentiable(str(numba_refusal("fun", function, error))) from error
        return probe, found

    def of(self, e: Any) -> Any:
        """The type of an expression."""
        if isinstance(e, ast.Name) and e.id in self.variables:
            return self.variables[e.id]
        if id(e) in self._of_node:
            return self._of_node[id(e)]
        if isinstance(e, ast.Constant):
            return plain(numba.typeof(e.value)) if type(e.value) in (int, float, bool) else types.undefined
        if isinstance(e, ast.UnaryOp):
            return self.of(e.operand)
        value = resolved(e, self.environment, self.local)
        try:
            return types.undefined if value is MISSING else plain(numba.typeof(value))
        except (ValueError, TypeError, errors.NumbaError):
            return types.undefined

    def kind(self, e: Any) -> str:
        """The kind of an expression: see `numba_typing.kind`."""
        return kind(self.of(e))

    def kind_of_name(self, name: str) -> str:
        """The kind of a variable."""
        return kind(self.variables.get(name, types.undefined))

    def give(self, e: Any, ty: Any) -> Any:
        """Note the type of a new expression."""
        self._of_node[id(e)] = ty
        self._alive.append(e)
        return e


class _Probe:
    """The function with a variable for each sub-expression, for numba to type."""

    def __init__(self, owner: Types, result: str):
        self.result = result
        self.owner, self.lines, self.nodes, self.indent = owner, [], {}, 1  # type: ignore[var-annotated]

    def block(self, body: list[ast.stmt], indent: int) -> None:
        for s in body:
            self.indent = indent
            self._statement(s, indent)

    def _statement(self, s: Any, indent: int) -> None:
        if isinstance(s, ast.Assign):
            value = self.expression(s.value)
            self._line(f"{self._target(s.targets[0])} = {value}")
            if text_of(s.targets[0]) == self.result:  # numba has no type for what may not be assigned
                self._line(f"return {self.result}")
        elif isinstance(s, ast.AugAssign):
            value = self.expression(s.value)
            self._line(f"{self._target(s.target)} {OPERATORS[type(s.op)]}= {value}")
        elif isinstance(s, ast.If):
            self._line(f"if {text_of(s.test)}:")
            self.block(s.body, indent + 1)
            if s.orelse:
                self.indent = indent
                self._line("else:")
                self.block(s.orelse, indent + 1)
        elif isinstance(s, (ast.For, ast.While)):
            if isinstance(s, ast.For):
                self._line(f"for {text_of(s.target)} in {text_of(s.iter)}:")
            else:
                self._line(f"while {text_of(s.test)}:")
            self.block(s.body, indent + 1)
            self.indent = indent + 1
            stop = getattr(s, "stop", None)
            if stop:
                self._line(f"if {stop}:")
                self.lines.append("    " * (indent + 2) + "break")
            elif not s.body:
                self._line("pass")
        else:
            self._line(text_of(s))

    def _line(self, text: str) -> None:
        self.lines.append("    " * self.indent + text)

    def _target(self, target: Any) -> str:
        if isinstance(target, ast.Subscript):
            return f"{self.expression(target.value)}[{self._index(target.slice)}]"
        return text_of(target)

    def _index(self, e: Any) -> str:
        if isinstance(e, ast.Slice):
            parts = [e.lower, e.upper] + ([e.step] if e.step else [])
            return ":".join("" if p is None else self.expression(p) for p in parts)
        if isinstance(e, ast.Tuple):
            return ", ".join(self._index(i) for i in e.elts) + ("," if len(e.elts) == 1 else "")
        return self.expression(e)

    def expression(self, e: Any) -> str:
        """The name of the variable that has the value of `e`, or its text where that needs no variable."""
        if isinstance(e, (ast.Constant, ast.Name, ast.Lambda)) or _literal(e):
            return text_of(e)
        if resolved(e, self.owner.environment, self.owner.local) is not MISSING:
            return text_of(e)
        text = self._parts(e)
        name = f"_type_of_{len(self.nodes)}"
        self.nodes[name] = e
        self._line(f"{name} = {text}")
        return name

    def _parts(self, e: Any) -> str:
        if isinstance(e, ast.Attribute):
            return f"{self.expression(e.value)}.{e.attr}"
        if isinstance(e, ast.BinOp):
            if type(e.op) not in OPERATORS:
                refuse(e, "this operator")
            left = self.expression(e.left)
            return f"{left} {OPERATORS[type(e.op)]} {self.expression(e.right)}"
        if isinstance(e, ast.UnaryOp):
            return text_of(ast.UnaryOp(op=e.op, operand=ast.Name(self.expression(e.operand), ast.Load())))
        if isinstance(e, ast.Subscript):
            value = self.expression(e.value)
            return f"{value}[{self._index(e.slice)}]"
        if isinstance(e, (ast.Tuple, ast.List)):
            parts = [self.expression(part) for part in e.elts]
            inner = ", ".join(parts) + ("," if len(parts) == 1 and isinstance(e, ast.Tuple) else "")
            return f"({inner})" if isinstance(e, ast.Tuple) else f"[{inner}]"
        if isinstance(e, ast.Call):
            known = resolved(e.func, self.owner.environment, self.owner.local) is not MISSING
            if known or not isinstance(e.func, ast.Attribute):
                function = text_of(e.func)
            else:
                function = f"{self.expression(e.func.value)}.{e.func.attr}"
            arguments = [self._argument(a) for a in e.args] + [f"{k.arg}={self._keyword(k.value)}" for k in e.keywords]
            return f"{function}({', '.join(arguments)})"
        return text_of(e)

    def _argument(self, e: Any) -> str:
        return text_of(e) if isinstance(e, ast.Tuple) and all(_literal(p) for p in e.elts) else self.expression(e)

    def _keyword(self, e: Any) -> str:
        return text_of(e) if _literal(e) else self.expression(e)


def _literal(e: Any) -> bool:
    """Whether numba may look at the value: it then has to stand where it is used."""
    if isinstance(e, ast.UnaryOp):
        return _literal(e.operand)
    return isinstance(e, ast.Constant)


def loops_in(body: list[ast.stmt]) -> list[Any]:
    """All loops in the statements."""
    return [s for s in all_statements(body) if isinstance(s, (ast.For, ast.While))]
