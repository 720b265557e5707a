"""The compile policy: the only file that names numba flags, and a disk cache that never serves stale code.

Each kind of function is compiled by one decorator:

- `kernel`: ours, called from Python or from another kernel; cached on disk, releases the GIL;
- `part`: what kernels call, and only they;
- `parallel_kernel`: one with `prange`, called from kernels only and cached as part of them;
- `inlined`: a scalar function (an update rule, a schedule) that disappears into the kernel that calls it;
- `inlined_part`: the same for a `part`.

`user_kernel` and `user_part` compile functions around a user's objective, which are never cached on disk.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import glob
import hashlib
import pathlib
import pickle
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

import numba
import numpy as np
from numba.core import types
from numba.core.caching import FunctionCache
from numba.core.serialize import dumps
from numba.extending import is_jitted, overload

from ._pipelines import Linked, Part, Quick

if numba.config.DISABLE_JIT:
    raise ImportError("numbaopt is compiled by numba: unset NUMBA_DISABLE_JIT to use it.")

# numba's default error model guards every division, which keeps loops from being vectorised.
_POLICY: dict[str, Any] = {"error_model": "numpy"}

_NO_ADDRESS: dict[str, Any] = _POLICY | {"no_cfunc_wrapper": True}
"""What is never called by its address needs no entry point for that, which takes as long to compile as a small rule."""

_INSIDE: dict[str, Any] = _NO_ADDRESS | {"no_cpython_wrapper": True}
"""What only compiled code calls needs none for Python either: a call from there is a segfault."""

_PART: dict[str, Any] = _INSIDE | {"pipeline_class": Part}
"""What only kernels call needs no machine code of its own."""


def kernel(function: Callable) -> Any:
    """Compile `function` on first use, cached on disk; runs without the GIL."""
    return _cached(numba.njit(nogil=True, pipeline_class=Quick, **_POLICY)(function))


def part(function: Callable) -> Any:
    """Compile a function that kernels call, and only they: cached on disk as part of them."""
    return numba.njit(nogil=True, **_PART)(function)


def parallel_kernel(function: Callable) -> Any:
    """Compile `function` with its `prange` loops on numba's threads, for kernels to call.

    It is not cached on disk but in them: a kernel that was compiled around a parallel one from the cache is without the
    code of its loop, and ends the process that loads it. So no kernel calls another `kernel` with such a loop in it.
    """
    return numba.njit(nogil=True, parallel=True, **_NO_ADDRESS)(function)


@functools.cache
def inlined(function: Callable) -> Any:
    """Compile a scalar function that is to vanish into its caller."""
    return function if is_jitted(function) else numba.njit(forceinline=True, **_NO_ADDRESS)(function)


def inlined_part(function: Callable) -> Any:
    """Compile a part of a kernel that is to vanish into it: one that Python never calls, unlike a rule's scalars."""
    return numba.njit(forceinline=True, **_PART)(function)


def plain(function: Any) -> Callable:
    """The Python function of one that is compiled or not: a dispatcher is made only for what is used."""
    return getattr(function, "py_func", function)


def user_kernel(function: Callable) -> Any:
    """Compile a wrapper around a user's function, which kernels call by address; lives as long as the process."""
    return numba.njit(pipeline_class=Quick, **_INSIDE)(function)


def user_part(function: Callable) -> Any:
    """Compile what such wrappers, and generated gradients, call."""
    return numba.njit(pipeline_class=Linked, **_INSIDE)(function)


def jit_user(function: Callable) -> Any:
    """Compile a user's own plain function, or what such ones call, with the semantics that numba gives by default."""
    return numba.njit(function)


def differentiated(function: Callable, cached: bool, options: dict[str, Any]) -> Any:
    """Compile a generated gradient with those options of the user's function that change its results."""
    return numba.njit(nogil=True, cache=cached, no_cfunc_wrapper=True, pipeline_class=Quick, **_POLICY, **options)(
        function
    )


def target(stub: Callable, vanishes: bool = True) -> Callable:
    """Give the Python function `stub` compiled bodies that are chosen by the types of its arguments.

    Bodies that are large should not vanish into their caller: numba hands that down to each `part` that is first
    compiled for them, which is then inlined with all that it calls, once for every call.
    """
    return overload(stub, jit_options=dict(_PART, forceinline=vanishes), strict=False)


def compiles_nopython(function: Any) -> bool:
    """Whether `function` is a numba CPU dispatcher that compiled code can call."""
    return is_jitted(function) and not getattr(function, "targetoptions", {}).get("forceobj", False)


_bound: dict[Any, Callable] = {}


def bind(dispatcher: Any, *args: Any) -> Callable:
    """Compile `dispatcher` for the types of `args`; return its entry point, which skips numba's dispatch.

    Calling the entry point with arguments of other types is undefined: 0.4 us instead of 4 us a call.
    """
    key = (dispatcher, *map(_kind, args))
    entry = _bound.get(key)
    if entry is None:
        signature = tuple(map(numba.typeof, args))
        with compiling():
            dispatcher.compile(signature)
        entry = _bound[key] = dispatcher.overloads[signature].entry_point
    return entry


def _kind(value: Any) -> Any:
    """What decides the numba type of `value`, at a fiftieth of the cost of asking numba."""
    if value is None or type(value) in (bool, float) or (type(value) is int and -(2**63) <= value < 2**63):
        return type(value)
    if isinstance(value, np.ndarray):
        flags = value.flags
        return value.dtype, value.ndim, flags.c_contiguous, flags.f_contiguous, flags.aligned, flags.writeable
    if isinstance(value, tuple):
        return type(value), *map(_kind, value)
    return numba.typeof(value)


class _Meter(threading.local):
    """Compile time of a Python thread."""

    seconds = 0.0
    depth = 0


_meter = _Meter()


@contextlib.contextmanager
def compiling() -> Iterator[None]:
    """Count the time spent inside as compile time; nested blocks are counted once."""
    start = time.perf_counter()
    _meter.depth += 1
    try:
        with _old_objects_aside() if _meter.depth == 1 else contextlib.nullcontext():
            yield
    finally:
        _meter.depth -= 1
        if _meter.depth == 0:
            _meter.seconds += time.perf_counter() - start


@contextlib.contextmanager
def _old_objects_aside() -> Iterator[None]:
    """Let Python's collector of cycles look at new objects only: compiling makes it go through all, 0.1 s each time."""
    if gc.get_freeze_count():  # somebody has set aside some
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def compile_seconds() -> float:
    """Seconds that this thread has spent compiling, or loading compiled code, for numbaopt."""
    return _meter.seconds


class _HonestCache(FunctionCache):
    """A disk cache of one file per kernel, named by all that the kernel was made from.

    numba keys a kernel on its own bytecode, so that an edit of a rule that was compiled into it goes unseen; and its
    index of numbered files, written before them, leads to another version's code where a process ends in between.
    Here the name of a file has the hash of the package's sources, of every file that the classes in the signature lead
    to (a user's own rule, and what it calls), of the signature, the options, numba and the processor. A file that
    cannot be read is a miss; one that cannot be written costs the next process a compilation and this one nothing.
    """

    options: Any = ()

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        target_context.refresh()
        try:
            return self._impl.rebuild(
                target_context, pickle.loads(self._file(sig, target_context.codegen()).read_bytes())
            )
        except Exception:  # absent, truncated or foreign: whatever reading it raises
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        if not (self._enabled and _on_disk(sig) and self._impl.check_cachable(data)):
            return
        file = self._file(sig, data.codegen)
        unfinished = file.with_suffix(f".{uuid.uuid4().hex[:16]}")
        try:
            self._impl.locator.ensure_cache_path()
            unfinished.write_bytes(dumps(self._impl.reduce(data)))
            unfinished.replace(file)
            for other in file.parent.glob(f"{glob.escape(self._impl.filename_base)}.*.nbc"):
                if not other.name.startswith(self._stem()):  # of sources that are no more
                    other.unlink(missing_ok=True)
        except OSError:
            self.disable()
            with contextlib.suppress(OSError):
                unfinished.unlink(missing_ok=True)

    def _stem(self) -> str:
        return f"{self._impl.filename_base}.{package_hash()[:16]}"

    def _file(self, sig: Any, codegen: Any) -> pathlib.Path:
        names = sorted(f"{c.__module__}.{c.__qualname__}" for c in _classes(sig))
        files = sorted((name, _module_hash(name)) for name in _modules_behind(_classes(sig)))
        text = repr((sig, self.options, numba.__version__, codegen.magic_tuple(), package_hash(), names, files))
        key = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        return pathlib.Path(self._cache_path) / f"{self._stem()}.{key}.nbc"


_selected: dict[type, list[Any]] = {}


def selects(cls: type, code: Any) -> None:
    """Note that a kernel with `cls` in its signature is made of `code`: a function, or a class that leads on."""
    _selected.setdefault(cls, []).append(code)


def _modules_behind(classes: set[type]) -> set[str]:
    """Names of the modules of some classes, of the code that they select and of the functions that it calls."""
    modules: set[str] = set()
    seen: set[Any] = set()
    waiting: list[Any] = list(classes)
    while waiting:
        item = waiting.pop()
        item = getattr(item, "py_func", item)
        if item in seen:
            continue
        seen.add(item)
        modules.add(item.__module__)
        if isinstance(item, type):
            waiting += _selected.get(item, [])
        else:
            called = (item.__globals__.get(name) for name in item.__code__.co_names)
            waiting += [f for f in called if is_jitted(f) or isinstance(f, FunctionType)]
    return {name for name in modules if name.partition(".")[0] != __package__}


def _cached(dispatcher: Any) -> Any:
    try:
        dispatcher._cache = cache = _HonestCache(dispatcher.py_func)
        cache.options = sorted(dispatcher.targetoptions.items())
    except RuntimeError:  # no directory can be written: neither beside the sources nor in the home
        pass
    return dispatcher


def _classes(sig: Any) -> set[type]:
    """Every Python class that selects code through the types of `sig`."""
    found: set[type] = set()
    stack = list(sig)
    while stack:
        ty = stack.pop()
        if isinstance(ty, (types.NamedTuple, types.NamedUniTuple)):
            found.add(ty.instance_class)
        if isinstance(ty, types.BaseTuple):
            stack.extend(ty)
    return found


@functools.cache
def package_hash() -> str:
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(pathlib.Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


@functools.cache
def _module_hash(name: str) -> str:
    """Hash of the file of a module; "" for one that was typed at a prompt."""
    path = getattr(sys.modules.get(name), "__file__", None)
    try:
        return hashlib.blake2b(pathlib.Path(path or "").read_bytes(), digest_size=16).hexdigest()
    except OSError:
        return ""


def _on_disk(sig: Any) -> bool:
    """Whether all code that `sig` selects stands in files, whose hashes tell when it changes."""
    return all(_module_hash(name) for name in _modules_behind(_classes(sig)))
