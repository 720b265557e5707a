"""From a function to its syntax tree and the objects that its names stand for."""

from __future__ import annotations

import ast
import builtins
import inspect
import textwrap
from types import ModuleType
from typing import Any, NamedTuple

from numba.extending import is_jitted

from .refusal import NotDifferentiable, Origin, refuse

MISSING = object()
"""What `resolved` gives for a name that stands for nothing known."""


class Parsed(NamedTuple):
    """A function as written."""

    name: str
    parameters: list[str]
    body: list[ast.stmt]
    environment: dict[str, Any]  # globals, closure and default values, by name
    defaults: dict[str, Any]
    locals: set[str]
    definition: Any


def parse(function: Any) -> Parsed:
    """The syntax tree of a function, every node with its place in the file."""
    python = getattr(function, "py_func", function)
    definition, origin = _definition(python)
    arguments = definition.args
    if arguments.vararg or arguments.kwarg:
        refuse(definition, "it takes *args or **kwargs", "name every parameter")
    everything = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    environment = dict(python.__globals__) | dict(inspect.getclosurevars(python).nonlocals)
    defaults = {
        p.name: p.default for p in inspect.signature(python).parameters.values() if p.default is not p.empty
    }
    if isinstance(definition, ast.Lambda):
        returned = ast.copy_location(ast.Return(value=definition.body), definition)
        returned.origin = origin  # type: ignore[attr-defined]
        body: list[ast.stmt] = [returned]
    else:
        body = definition.body
    parameters = [p.arg for p in everything]
    bound = {n.id for s in body for n in ast.walk(s) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    name = python.__name__ if python.__name__.isidentifier() else "function"
    return Parsed(name, parameters, body, environment, defaults, bound | set(parameters), definition)


def _definition(python: Any) -> tuple[Any, Origin]:
    name = getattr(python, "__name__", repr(python))
    try:
        lines, first = inspect.getsourcelines(python)
        file = inspect.getsourcefile(python) or python.__code__.co_filename
    except (OSError, TypeError):
        raise NotDifferentiable(
            f"autodiff cannot differentiate {name}(): its source is not available (it was built by exec, typed at a "
            "prompt, or compiled).\n  Instead: put it into a file, or give its gradient."
        ) from None
    text = "".join(lines)
    dedented = textwrap.dedent(text)
    indent = len(lines[0]) - len(dedented.splitlines(keepends=True)[0])
    kind: Any = ast.Lambda if python.__name__ == "<lambda>" else ast.FunctionDef
    try:
        tree = ast.parse(dedented)
    except SyntaxError:
        tree = ast.Module(body=[], type_ignores=[])
    found = [n for n in ast.walk(tree) if isinstance(n, kind) and getattr(n, "name", name) == name]
    if kind is ast.Lambda:
        found = [n for n in found if [a.arg for a in n.args.args] == list(inspect.signature(python).parameters)]
    if not found or (kind is ast.Lambda and len(found) > 1):
        raise NotDifferentiable(
            f'autodiff cannot differentiate {name}(): its source at "{file}", line {first} cannot be read on its own.\n'
            "  Instead: write it as a `def`."
        )
    origin = Origin(name, file)
    for node in ast.walk(tree):
        node.origin = origin  # type: ignore[attr-defined]
        if hasattr(node, "col_offset"):
            node.col_offset += indent
            node.end_col_offset += indent  # type: ignore[attr-defined]
    ast.increment_lineno(tree, first - 1)
    return found[0], origin


def resolved(node: ast.AST, environment: dict[str, Any], local: set[str]) -> Any:
    """What a name or dotted name stands for, or MISSING."""
    if isinstance(node, ast.Name):
        if node.id in local:
            return MISSING
        return environment.get(node.id, getattr(builtins, node.id, MISSING))
    if isinstance(node, ast.Attribute):
        owner = resolved(node.value, environment, local)
        return getattr(owner, node.attr, MISSING) if isinstance(owner, ModuleType) else MISSING
    return MISSING


def is_helper(target: Any) -> bool:
    """Whether `target` is a compiled function that a compiled function may call."""
    return target is not MISSING and is_jitted(target)
