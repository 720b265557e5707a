"""Functions that are made inside the function: lambdas with a name, and `def`. Their calls are inlined like helpers.

As in Python and numba, they see the variables around them as these are when they are called.
"""

from __future__ import annotations

import ast
from typing import Any

from .parsing import Parsed
from .refusal import placed, refuse
from .syntax import names_bound, walk


def extracted(body: list[ast.stmt], functions: dict[str, Parsed]) -> list[ast.stmt]:
    """`body` without the definitions, which go into `functions`; every name in it is bound in one scope only."""
    return _Extraction(functions).block(body)


def lambda_of(name: str, node: ast.Lambda) -> Parsed:
    """A lambda as a function with that name."""
    returned = placed(ast.Return(value=node.body), node)
    return _parsed(name, node, [returned])


def note(functions: dict[str, Parsed], name: str, found: Parsed) -> None:
    """Declare a function of that name."""
    if name in functions and functions[name] is not found:
        refuse(found.definition, f"`{name}` is more than one function", "give each a name of its own")
    functions[name] = found


def _parsed(name: str, node: Any, body: list[ast.stmt]) -> Parsed:
    arguments = node.args
    if arguments.vararg or arguments.kwarg:
        refuse(node, "a function that takes *args or **kwargs", "name every parameter")
    positional = [*arguments.posonlyargs, *arguments.args]
    parameters = [a.arg for a in [*positional, *arguments.kwonlyargs]]
    given = [d for d in arguments.kw_defaults if d is not None]
    last = parameters[len(positional) - len(arguments.defaults) : len(positional)]
    named = [a.arg for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is not None]
    defaults = dict(zip([*last, *named], [*arguments.defaults, *given], strict=True))
    if not all(isinstance(d, ast.Constant) for d in defaults.values()):
        refuse(node, "a default value that is not a number", "pass the argument")
    values = {p: d.value for p, d in defaults.items()}
    return Parsed(name, parameters, body, {}, values, names_bound(body) | set(parameters), node)


class _Extraction(ast.NodeTransformer):
    def __init__(self, functions: dict[str, Parsed]):
        self.functions = functions

    def block(self, body: list[ast.stmt]) -> list[ast.stmt]:
        new: list[ast.stmt] = []
        for s in body:
            kept = self.visit(s)
            new += [] if kept is None else [kept]
        return new or [placed(ast.Pass(), body[0])]

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        if node.decorator_list:
            refuse(node, "a decorator inside the function", "define the helper outside")
        if any(isinstance(n, (ast.Nonlocal, ast.Global)) for n in walk(node)):
            refuse(node, "an inner function that assigns variables of the outer one", "return the new values")
        note(self.functions, node.name, _parsed(node.name, node, node.body))

    def visit_Assign(self, node: ast.Assign) -> Any:
        target = node.targets[0]
        if isinstance(node.value, ast.Lambda) and len(node.targets) == 1 and isinstance(target, ast.Name):
            note(self.functions, target.id, lambda_of(target.id, node.value))
            return None
        return node

    def _compound(self, node: Any) -> Any:
        node.body = self.block(node.body)
        node.orelse = self.block(node.orelse) if node.orelse else []
        return node

    visit_If = visit_For = visit_While = _compound  # noqa: N815
