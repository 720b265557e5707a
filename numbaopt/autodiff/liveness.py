"""Which variables are read later, at the start of each loop's iteration and after the loop."""

from __future__ import annotations

import ast
from typing import Any

from .syntax import header_reads, names_read, text_of


def live_before(body: list[ast.stmt], after: set[str]) -> set[str]:
    """Variables whose value before `body` is read in it or, where it does not assign them, after it.

    Loops get the attributes `live_at_start`, of an iteration, and `live_after`.
    """
    live = set(after)
    for s in reversed(body):
        if isinstance(s, ast.Assign) and isinstance(s.targets[0], ast.Name):
            live = (live - {s.targets[0].id}) | header_reads(s)
        elif isinstance(s, ast.If):
            live = live_before(s.body, live) | live_before(s.orelse, live) | names_read(s.test)
        elif isinstance(s, (ast.For, ast.While)):
            live = _before_loop(s, live)
        else:
            live |= header_reads(s)
    return live


def _before_loop(s: Any, live: set[str]) -> set[str]:
    s.live_after = set(live)
    header = names_read(s.test) if isinstance(s, ast.While) else set()
    counted = {text_of(s.target)} if isinstance(s, ast.For) else set()
    flag = {s.stop} if s.stop else set()
    start: set[str] = set()
    while True:
        found = live_before(s.body, live | header | flag | (start - counted))
        if found == start:
            break
        start = found
    s.live_at_start = start
    return live | header | (start - counted) | (names_read(s.iter) if isinstance(s, ast.For) else set())
