"""What a rule of a NumPy function gets, and where rules are registered."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any, NamedTuple

from .refusal import refuse
from .syntax import text_of, walk


class Call(NamedTuple):
    """A call of a function, seen by its rule."""

    node: Any
    arguments: list[Any]  # names, numbers, or lists of them
    g: str
    result: str  # variable that has the result when the rule's lines run
    shadow: Callable[[Any], str | None]  # of an argument; None where it has no derivative
    ndim: Callable[[Any], int]  # of an argument; 0 for a number
    new: Callable[[str], str]  # a name that is not taken

    def lines(self, *pairs: tuple[Any, str]) -> list[str]:
        """Texts for arguments that have a derivative, with {s} for the shadow of the argument."""
        return [text.format(s=self.shadow(a)) for a, text in pairs if self.shadow(a) is not None]

    def refuse(self, instead: str) -> Any:
        """Not with these arguments."""
        refuse(self.node, f"`{text_of(self.node)}` with these arguments", instead)

    def constant(self, argument: Any) -> str:
        """The text of an argument that may not depend on the parameters."""
        if any(self.shadow(n) is not None for n in walk(argument) if isinstance(n, ast.Name)):
            refuse(self.node, f"`{text_of(self.node)}`, whose argument `{text_of(argument)}` depends on the parameters")
        return text_of(argument)

    def given(self, names: str, least: int = 1) -> list[Any]:
        """The arguments in the order of `names`, by position or keyword; None where one is not given."""
        order = names.split()
        keywords = {k.arg: k.value for k in self.node.keywords}
        if len(self.arguments) > len(order) or not set(keywords) <= set(order):
            self.refuse("write it out with loops")
        found = dict(zip(order, self.arguments, strict=False)) | keywords
        if any(name not in found for name in order[:least]):
            self.refuse("write it out with loops")
        return [found.get(name) for name in order]


RULES: dict[str, Callable[[Call], list[Any]]] = {}


def rule(*names: str) -> Callable[[Callable], Callable]:
    """Declare the rule of functions by name."""

    def declare(function: Callable) -> Callable:
        RULES.update(dict.fromkeys(names, function))
        return function

    return declare


def number(argument: Any, default: int | None = None) -> int | None:
    """The whole number that an argument is, as written; None for anything else."""
    if argument is None:
        return default
    try:
        value = ast.literal_eval(argument)
    except ValueError:
        return None
    return value if type(value) is int else None
