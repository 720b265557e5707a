"""`return`, `break` and `continue` anywhere become assignments to flags and `if`s around what they skip."""

from __future__ import annotations

import ast
from collections.abc import Callable

from .refusal import placed, refuse
from .syntax import assign, expression, names_read, outside_loops, walk

NO, MAYBE, YES = "no", "maybe", "yes"
"""Whether a list of statements ends by returning."""


class Returns:
    """Replaces every `return` of a function by `assign_result` and a flag; the function then ends at its end."""

    def __init__(self, flag: str, assign_result: Callable[[ast.Return], list[ast.stmt]]):
        self.flag, self.assign_result = flag, assign_result

    def removed(self, body: list[ast.stmt], definition: ast.AST) -> list[ast.stmt]:
        """The whole body without returns."""
        new, ends = self._block(body, in_loop=False)
        if ends != YES:
            refuse(body[-1] if body else definition, "not every path ends in `return`", "end the function in one")
        if not any(self.flag in names_read(s) for s in new):
            return _without_assignments(new, self.flag)
        return [placed(assign(self.flag, ast.Constant(False)), definition), *new]

    def _block(self, body: list[ast.stmt], in_loop: bool) -> tuple[list[ast.stmt], str]:
        new: list[ast.stmt] = []
        for i, s in enumerate(body):
            if isinstance(s, ast.Return):
                flag = placed(assign(self.flag, ast.Constant(True)), s)
                leave = [placed(ast.Break(), s)] if in_loop else []
                return [*new, *self.assign_result(s), flag, *leave], YES
            if isinstance(s, ast.Raise):
                return [*new, s], YES
            if isinstance(s, ast.If):
                more, ends = self._branches(s, body[i + 1 :], in_loop)
                return [*new, *more], ends
            if isinstance(s, (ast.For, ast.While)) and any(isinstance(n, ast.Return) for n in walk(s)):
                own_breaks = any(isinstance(n, ast.Break) for n in outside_loops(s.body))
                forever = isinstance(s, ast.While) and isinstance(s.test, ast.Constant) and bool(s.test.value)
                s.body = self._block(s.body, in_loop=True)[0]
                more, ends = self._guarded(s, body[i + 1 :], in_loop)
                return [*new, s, *more], YES if forever and not own_breaks else ends
            new.append(s)
        return new, NO

    def _branches(self, s: ast.If, rest: list[ast.stmt], in_loop: bool) -> tuple[list[ast.stmt], str]:
        """`if` and what comes after it."""
        yes, yes_ends = self._block(s.body, in_loop)
        no, no_ends = self._block(s.orelse, in_loop)
        s.body, s.orelse = yes or [placed(ast.Pass(), s)], no
        if yes_ends == no_ends == YES:
            return [s], YES
        if yes_ends == no_ends == NO:
            more, ends = self._block(rest, in_loop)
            return [s, *more], ends
        if {yes_ends, no_ends} == {YES, NO}:
            more, ends = self._block(rest, in_loop)
            if yes_ends == YES:
                s.orelse = no + more
            else:
                s.body = yes + more
            return [s], YES if ends == YES else MAYBE
        more, ends = self._guarded(s, rest, in_loop)
        return [s, *more], ends

    def _guarded(self, s: ast.stmt, rest: list[ast.stmt], in_loop: bool) -> tuple[list[ast.stmt], str]:
        """What comes after a statement that may have returned."""
        more, ends = self._block(rest, in_loop)
        if in_loop:
            leave: list[ast.stmt] = [placed(ast.Break(), s)]
            return [placed(ast.If(test=expression(self.flag), body=leave, orelse=[]), s), *more], MAYBE
        if not more:
            return [], MAYBE
        guarded = placed(ast.If(test=expression(f"not {self.flag}"), body=more, orelse=[]), s)
        return [guarded], YES if ends == YES else MAYBE


def _without_assignments(body: list[ast.stmt], flag: str) -> list[ast.stmt]:
    """`body` without the assignments to a flag that nobody reads."""
    kept: list[ast.stmt] = []
    for s in body:
        if isinstance(s, ast.Assign) and isinstance(s.targets[0], ast.Name) and s.targets[0].id == flag:
            continue
        for field in ("body", "orelse"):
            if getattr(s, field, None):
                inner = _without_assignments(getattr(s, field), flag)
                setattr(s, field, inner or ([placed(ast.Pass(), s)] if field == "body" else []))
        kept.append(s)
    return kept


def with_loop_flags(body: list[ast.stmt], stop: str, skip: str) -> list[ast.stmt]:
    """The body of a loop in which `break` sets the flag `stop` and `continue` the flag `skip`."""
    new: list[ast.stmt] = []
    for i, s in enumerate(body):
        if isinstance(s, (ast.Break, ast.Continue)):
            flag = stop if isinstance(s, ast.Break) else skip
            return [*new, placed(assign(flag, ast.Constant(True)), s)]
        kinds = {type(n) for n in outside_loops([s])} & {ast.Break, ast.Continue} if isinstance(s, ast.If) else set()
        if isinstance(s, ast.If) and kinds:
            s.body = with_loop_flags(s.body, stop, skip)
            s.orelse = with_loop_flags(s.orelse, stop, skip)
            new.append(s)
            rest = with_loop_flags(body[i + 1 :], stop, skip)
            if rest:
                flags = [flag for flag, kind in ((stop, ast.Break), (skip, ast.Continue)) if kind in kinds]
                test = expression(" and ".join(f"not {flag}" for flag in flags))
                new.append(placed(ast.If(test=test, body=rest, orelse=[]), s))
            return new
        new.append(s)
    return new
