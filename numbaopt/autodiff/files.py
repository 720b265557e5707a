"""Generated text as a real file: tracebacks show its lines, and numba's disk cache finds it again.

The name of the file has a hash of its text and of every constant that the text refers to, which numba's cache does not
look at; the functions that it calls are in the text. So an edit of the function or of a helper gives another file.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import linecache
import os
import pathlib
import pickle
import sys
import tempfile
import uuid
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

import numba
from numba.extending import is_jitted

from .._compile import package_hash
from .derivatives import HELPERS
from .generation import Generated
from .syntax import walk

MOST_FILES = 1000
"""Older ones are deleted."""


def loaded(generated: Generated) -> tuple[Callable, bool]:
    """The Python function of a text, and whether its file has all that it depends on."""
    constants, lasting = _constants(generated), not _calls_users_functions(generated)
    digest = hashlib.blake2b(digest_size=12)
    for part in (generated.text, package_hash(), numba.__version__):
        digest.update(part.encode())
    try:
        digest.update(pickle.dumps(constants))
    except Exception:  # a constant that cannot be pickled: whatever that raises
        digest.update(uuid.uuid4().bytes)
        lasting = False
    path = directory() / f"{generated.name}_{digest.hexdigest()}.py"
    lasting = _write(path, generated.text) and lasting
    linecache.cache[str(path)] = (len(generated.text), None, generated.text.splitlines(keepends=True), str(path))
    module = ModuleType(f"numbaopt_autodiff_{path.stem}")
    module.__file__ = str(path)
    vars(module).update(generated.environment | {"__name__": module.__name__})
    exec(compile(generated.text, str(path), "exec"), vars(module))
    sys.modules[module.__name__] = module  # numba's cache looks for it there
    return getattr(module, generated.name), lasting


def directory() -> pathlib.Path:
    """Where the files are: in NUMBA_CACHE_DIR, else in the user's cache."""
    base = numba.config.CACHE_DIR or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache"), "numbaopt"
    )
    return pathlib.Path(base) / "numbaopt_autodiff"


def _write(path: pathlib.Path, text: str) -> bool:
    """Whether the file is there; written in one step, as other processes may do the same."""
    if path.exists():
        return True
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".tmp", delete=False, encoding="utf-8") as file:
            file.write(text)
        os.replace(file.name, path)
        files = sorted(path.parent.glob("*.py"), key=lambda f: f.stat().st_mtime)
        for old in files[: max(0, len(files) - MOST_FILES)]:
            with contextlib.suppress(OSError):
                old.unlink()
    except OSError:
        return False
    return True


def _calls_users_functions(generated: Generated) -> bool:
    """Whether it calls functions that have a derivative of their own: numba's cache does not see them change."""
    called = {n.id for n in walk(ast.parse(generated.text)) if isinstance(n, ast.Name)}
    found = (generated.environment.get(name) for name in called)
    return any(is_jitted(value) and all(value is not ours for ours in HELPERS.values()) for value in found)


def _constants(generated: Generated) -> list[tuple[str, Any]]:
    """The values that the text reads from its environment; functions by their code."""
    names = {n.id for n in walk(ast.parse(generated.text)) if isinstance(n, ast.Name)}
    found: list[tuple[str, Any]] = []
    for name in sorted(names & set(generated.environment)):
        value = generated.environment[name]
        if is_jitted(value):
            value = value.py_func
        if isinstance(value, ModuleType):
            value = value.__name__
        elif isinstance(value, FunctionType):
            value = (value.__module__, value.__qualname__, value.__code__.co_code, repr(value.__code__.co_consts))
        found.append((name, value))
    return found
