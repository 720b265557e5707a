"""Leaves out of generated text the names that only stand for another name: each costs numba time to compile.

`g = v` is left out, and v written for g, where g is bound nowhere else, is read only by the lines of the same block
behind it, and v is bound to nothing else until the last of them: then both names mean the same object there.
"""

from __future__ import annotations

import ast
import collections
import re

from .facts import facts
from .syntax import walk

_COPY = re.compile(r"( *)([A-Za-z_]\w*) = ([A-Za-z_]\w*)")
_NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*")
_QUOTED = re.compile("[\"'#]")


def without_copies(lines: list[str], kept: set[str]) -> list[str]:
    """The lines of a function's body without needless copies of names; those in `kept` are read after it."""
    lines, names = list(lines), [_NAME.findall(line) for line in lines]
    found = collections.Counter(name for each in names for name in each)
    bound = collections.Counter(name for line in lines for name in _bound(line.strip()))
    fixed = kept | {name for line, each in zip(lines, names, strict=True) if _QUOTED.search(line) for name in each}
    for k in range(len(lines) - 1, -1, -1):
        copy = _COPY.fullmatch(lines[k])
        if copy is None or bound[copy[2]] != 1 or not bound[copy[3]] or copy[2] in fixed:
            continue
        indent, name, other = copy.groups()
        readers = _readers(lines, names, k, len(indent), name, other)
        count = sum(names[i].count(name) for i in readers)
        if readers and found[name] == 1 + count:
            for i in readers:
                lines[i] = re.sub(rf"(?<![\w.]){name}\b", other, lines[i])
                names[i] = _NAME.findall(lines[i])
                if lines[i].strip() == f"{other} = {other}":
                    lines[i], names[i] = "", []
            lines[k], names[k] = "", []
            found[other] += count - 1
    return [line for line in lines if line]


def _readers(lines: list[str], names: list[list[str]], k: int, indent: int, name: str, other: str) -> list[int]:
    """The lines of the block behind line k that read `name`, where `other` is not bound before the last of them."""
    readers, changed = [], False
    for i in range(k + 1, len(lines)):
        depth = len(lines[i]) - len(lines[i].lstrip())
        if lines[i] and depth < indent:
            break
        if name in names[i]:
            if changed or depth > indent or lines[i].endswith(":"):
                return []
            readers.append(i)
        changed = changed or (other in names[i] and other in _bound(lines[i].strip()))
    return readers


def _bound(line: str) -> set[str]:
    """The names that a line binds."""
    if not line or line == "else:":
        return set()
    f = facts(line)
    if "?" not in f.writes:
        return {name for name in f.writes | f.adds if not name.endswith("[]")}
    tree = ast.parse(line + " pass" if line.endswith(":") else line)
    return {n.id for n in walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
