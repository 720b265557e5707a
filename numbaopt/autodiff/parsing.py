"""From a function to its syntax tree and the objects that its names stand for."""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
import linecache
import textwrap
from types import CodeType, ModuleType
from typing import Any, NamedTuple

from numba.extending import is_jitted

from .refusal import NotDifferentiable, Origin, refuse
from .syntax import names_bound, walk

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
    declared = inspect.signature(python, follow_wrapped=False).parameters.values()
    defaults = {p.name: p.default for p in declared if p.default is not p.empty}
    if isinstance(definition, ast.Lambda):
        returned = ast.copy_location(ast.Return(value=definition.body), definition)
        returned.origin = origin  # type: ignore[attr-defined]
        body: list[ast.stmt] = [returned]
    else:
        body = definition.body
    parameters = [p.arg for p in everything]
    bound = names_bound(body)
    name = python.__code__.co_name if python.__code__.co_name.isidentifier() else "function"
    return Parsed(name, parameters, body, environment, defaults, bound | set(parameters), definition)


def _definition(python: Any) -> tuple[Any, Origin]:
    code: Any = getattr(python, "__code__", None)  # of itself: decorators copy the name and more of another function
    name = getattr(code, "co_name", repr(python))
    try:
        file = inspect.getsourcefile(code) or code.co_filename
        lines, first = _lines_of(code, file, python.__globals__)
    except (OSError, TypeError):
        raise NotDifferentiable(
            f"autodiff cannot differentiate {name}(): its source is not available (it was built by exec, typed at a "
            "prompt, or compiled).\n  Instead: put it into a file, or give its gradient."
        ) from None
    origin = Origin(name, file)
    if name == "<lambda>":
        lines, first = linecache.getlines(file), 1
    dedented = textwrap.dedent("".join(lines))
    indent = len(lines[0]) - len(dedented.splitlines(keepends=True)[0])
    try:
        tree = ast.parse(dedented)
    except SyntaxError:
        tree = ast.Module(body=[], type_ignores=[])
    found = _lambda(tree, python) if name == "<lambda>" else _named(tree, name)
    if found is not None and not _is_source_of(found, code, file):
        raise NotDifferentiable(
            f"autodiff cannot differentiate {name}(): its source in {file}, line {first}, has changed since it was "
            "loaded.\n  Instead: start a new process."
        )
    if found is None:
        raise NotDifferentiable(
            f"autodiff cannot differentiate {name}(): its source in {file} cannot be read on its own.\n"
            "  Instead: write it as a `def`."
        )
    for node in walk(found):
        node.origin = origin
        if hasattr(node, "col_offset"):
            node.col_offset += indent
            node.end_col_offset += indent
    ast.increment_lineno(found, first - 1)
    return found, origin


def _lines_of(code: CodeType, file: str, module: dict) -> tuple[list[str], int]:
    """`inspect.getsourcelines`, which looks at the files of all modules for the one that is known here."""
    linecache.checkcache(file)
    lines, first = linecache.getlines(file, module), code.co_firstlineno
    if first > len(lines):
        raise OSError
    return inspect.getblock(lines[first - 1 :]), first


def _is_source_of(definition: Any, code: CodeType, file: str) -> bool:
    """Whether the file, as it is now, compiles to the code; not known where pytest has rewritten an `assert`."""
    if any(isinstance(n, ast.Assert) for n in walk(definition)):
        return True
    waiting: list[Any] = list(_compiled("".join(linecache.getlines(file))))
    while waiting:
        found = waiting.pop()
        if isinstance(found, CodeType):
            waiting += found.co_consts
            same_place = found.co_name == code.co_name and found.co_firstlineno == code.co_firstlineno
            if same_place and found.co_code == code.co_code and found.co_names == code.co_names:
                return repr(_numbers(found)) == repr(_numbers(code))
    return False


def _numbers(code: CodeType) -> list[Any]:
    return [c for c in code.co_consts if not isinstance(c, CodeType)]


@functools.lru_cache(maxsize=16)
def _compiled(text: str) -> tuple[Any, ...]:
    return compile(text, "<source>", "exec", dont_inherit=True).co_consts


def _named(tree: ast.AST, name: str) -> Any:
    return next((n for n in walk(tree) if isinstance(n, ast.FunctionDef) and n.name == name), None)


def _lambda(tree: ast.AST, python: Any) -> Any:
    """The lambda whose body is where the code says that it is."""
    places = set(python.__code__.co_positions())
    for n in walk(tree):
        if isinstance(n, ast.Lambda):
            b = n.body
            if (b.lineno, b.end_lineno, b.col_offset, b.end_col_offset) in places:
                return n
    return None


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
