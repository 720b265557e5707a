"""What cannot be differentiated is refused, with the place in the user's file and what to write instead."""

from __future__ import annotations

import ast
import linecache
from typing import Any, NoReturn

from .syntax import walk


class NotDifferentiable(TypeError):  # noqa: N818
    """A function, or a line of it, whose derivative is not known to be right."""


class Origin:
    """The file that a syntax tree came from."""

    def __init__(self, function: str, file: str):
        self.function, self.file = function, file

    def __deepcopy__(self, memo: Any) -> Origin:
        return self

    def line(self, number: int) -> str:
        """A line of the file, as it stands there."""
        return linecache.getline(self.file, number).rstrip("\n")


def refuse(node: Any, what: str, instead: str = "") -> NoReturn:
    """Raise NotDifferentiable for the place of `node`."""
    origin: Origin | None = getattr(node, "origin", None)
    lines = [f"autodiff: {what}."]
    if origin is not None and hasattr(node, "lineno"):
        text = origin.line(node.lineno)
        lines[0] = f"autodiff cannot differentiate {origin.function}(): {what}."
        lines.append(f'  File "{origin.file}", line {node.lineno}')
        if text.strip():
            indent = len(text) - len(text.lstrip())
            end = node.end_col_offset if node.end_lineno == node.lineno else len(text)
            carets = "^" * max(1, min(end, len(text)) - node.col_offset)
            lines += [f"    {text.strip()}", "    " + " " * max(0, node.col_offset - indent) + carets]
    if instead:
        lines.append(f"  Instead: {instead}.")
    raise NotDifferentiable("\n".join(lines))


def placed(new: Any, old: ast.AST) -> Any:
    """`new`, a tree made for `old`, with the place of `old` wherever it has none of its own."""
    for node in walk(new):
        if not hasattr(node, "origin"):
            if isinstance(node, (ast.expr, ast.stmt)):
                ast.copy_location(node, old)
            if hasattr(old, "origin"):
                node.origin = old.origin
    return new
