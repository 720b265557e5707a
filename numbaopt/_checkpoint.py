"""Checkpoints: the state of a run in a file, from which a later process goes on to the same bits.

A file is a line that says what it is, the length of a header, the header (JSON: what the run is of, and the name, dtype
and shape of each array), the arrays as they are in memory, and a hash of all that. Reading it executes nothing. It is
written beside its place and put there in one step, so that there is always a whole one, whenever the process is killed.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .drivers.evaluation import TO_EVALUATE, TO_MOVE
from .drivers.loop import State
from .schedules.functions import is_function

MAGIC = b"numbaopt checkpoint, version 1\n"
_NAME = MAGIC.partition(b",")[0]
_DIGEST = 32
_CHUNK = 1 << 20
_COLLECTED = (
    "history",
    "history_x",
)  # of these the file has what was collected, not the rows that wait (there are none)


OF_BATCHES = ["batch_size", "n_samples", "shuffle", "seed", "evaluate_every", "variance_reduction", "snapshot_every"]
"""Options that decide which batches there are."""

# --- what a run is of ------------------------------------------------------------------------------------------------


def identity(run: Any) -> dict[str, Any]:
    """All that decides the course of a run but the code of `fun` and its `args`; what may differ is not in it."""
    space, options = run.space, run.options
    return {
        "n": run.x0.size,
        "dtype": run.x0.dtype.str,
        "x0": _hash(run.x0),
        "method": _described(run.hyper),
        "slots": run.slots,
        "groups": None if options.groups is None else _groups(run),
        "state_dtype": options.state_dtype,
        "gradient": run.gradient,
        "bounds": None if space is None else _hash(space.lower, space.upper),
        "x_scale": None if space is None else _hash(space.scale),
        "keep": options.keep,
        "nonfinite": options.nonfinite,
        "history": int(options.history),
        "history_x": bool(options.history_x),
        **{name: getattr(options, name) for name in OF_BATCHES},
    }


def _groups(run: Any) -> str:
    """Which coordinates are in which group, and the hyper-parameters of each."""
    changes = [f"{name}: {_described(tuple(sorted(more.items())))}" for name, (_, more) in run.options.groups.items()]
    return f"{_hash(run.form.runs)} {'; '.join(changes)}"


def _described(value: Any) -> str:
    """`repr` of hyper-parameters, with functions by their names: it is the same in another process."""
    if is_function(value):
        named = getattr(value, "py_func", value)
        return f"{getattr(named, '__qualname__', type(named).__qualname__)}()"
    if hasattr(value, "_fields"):
        fields = zip(value._fields, value, strict=True)
        return f"{type(value).__qualname__}({', '.join(f'{name}={_described(v)}' for name, v in fields)})"
    if isinstance(value, tuple):
        return f"({', '.join(map(_described, value))})"
    return repr(value)


def _hash(*arrays: np.ndarray) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for array in arrays:
        digest.update(_bytes(array))
    return digest.hexdigest()


def _bytes(array: np.ndarray) -> Any:
    """A contiguous array as its bytes, not copied."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


# --- writing ---------------------------------------------------------------------------------------------------------


class Checkpoint:
    """Writes the state of a run every `checkpoint_every` seconds; to be called between slices."""

    def __init__(self, run: Any):
        options = run.options
        self._given, self._path = str(options.checkpoint), Path(os.path.realpath(options.checkpoint))
        self._every = self._next = float(options.checkpoint_every)
        self._identity, self._history, self._warned = identity(run), run.history, False
        self._arrays = _arrays(run)
        self._require_writable()

    def __call__(self, state: State, seconds: float) -> None:
        """Write, if it is time; never a point that is not finite."""
        if seconds < self._next or state.progress["poison"][0] != 0:
            return
        begin = time.perf_counter()
        try:
            self._write(state)
        except OSError as error:
            if not self._warned:
                self._warned = True
                warnings.warn(
                    f"The checkpoint {self._given!r} could not be written ({error}); the run goes on, and an older "
                    "checkpoint is as it was.",
                    RuntimeWarning,
                    stacklevel=2,
                )
        self._next = seconds + (time.perf_counter() - begin) + self._every

    def _require_writable(self) -> None:
        """Find out before the run what would keep it from being saved."""
        path = self._path
        try:
            if path.exists():
                with path.open("rb") as file:
                    if not file.read(len(MAGIC)).startswith(_NAME):
                        raise ValueError(f"checkpoint={self._given!r} is a file of something else: it stays as it is.")
            for leftover in glob.glob(f"{glob.escape(str(path))}.*.unfinished"):  # of processes that were killed
                os.unlink(leftover)
            with self._unfinished() as (_, file):
                file.write(MAGIC)
        except OSError as error:
            raise type(error)(f"checkpoint={self._given!r} cannot be written: {error}.") from None

    @contextlib.contextmanager
    def _unfinished(self) -> Iterator[tuple[str, Any]]:
        """A new file in the folder of the checkpoint, which is gone afterwards if it is still there."""
        name = f"{self._path}.{uuid.uuid4().hex[:16]}.unfinished"
        try:
            with open(name, "xb") as file:
                yield name, file
        finally:
            with contextlib.suppress(OSError):
                os.unlink(name)

    def _write(self, state: State) -> None:
        arrays = {name: [array] for name, array in self._arrays.items()}
        arrays |= {name: [pair[k] for pair in self._history] for k, name in enumerate(_COLLECTED)}
        empty = {name: getattr(state, name)[:0] for name in _COLLECTED}
        described = []
        for name, parts in arrays.items():
            like = parts[0] if parts else empty[name]
            described.append([name, like.dtype.descr, [sum(map(len, parts)), *like.shape[1:]]])
        header = json.dumps({"of": self._identity, "arrays": described}).encode()
        digest = hashlib.blake2b(digest_size=_DIGEST)
        with self._unfinished() as (name, file):
            pieces = [MAGIC, len(header).to_bytes(8, "little"), header]
            pieces += [_bytes(part) for parts in arrays.values() for part in parts]
            for piece in pieces:
                digest.update(piece)
                file.write(piece)
            file.write(digest.digest())
            file.flush()
            os.fsync(file.fileno())
            file.close()
            os.replace(name, self._path)
        self._sync_folder()

    def _sync_folder(self) -> None:
        """Have the new name on the disk as well, where a folder can be opened."""
        with contextlib.suppress(OSError):
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def _arrays(run: Any) -> dict[str, np.ndarray]:
    """The arrays of a run by name, but those that are collected between slices."""
    state = run.state
    found = {name: value for name, value in state._asdict().items() if name not in (*_COLLECTED, "tuning")}
    tuning = {} if state.tuning is None else state.tuning._asdict()
    return found | {f"tuning.{name}": value for name, value in tuning.items()} | run.more_arrays


# --- reading ---------------------------------------------------------------------------------------------------------


def saver(run: Any) -> Callable[[State, float], None] | None:
    """What writes the checkpoints of a run, where they are asked for."""
    return None if run.options.checkpoint is None else Checkpoint(run)


def resume(run: Any) -> bool:
    """Put the state that a file has into `run`, if that is asked for and there is one."""
    options = run.options
    wanted = options.checkpoint if options.resume is True else options.resume
    if wanted is None or (options.resume is True and not Path(wanted).exists()):
        return False
    path = Path(wanted)
    with _opened(path) as file:
        _require_whole(path, file)
        file.seek(len(MAGIC))
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        _require_same(path, header["of"], identity(run))
        arrays = {name: (dtype, shape) for name, dtype, shape in header["arrays"]}
        owned = _arrays(run)
        if list(arrays) != [*owned, *_COLLECTED]:
            raise ValueError(f"The checkpoint {str(path)!r} was written by another version of numbaopt.")
        collected, capacity = [], len(run.state.history)
        for name, (dtype, shape) in arrays.items():
            own = getattr(run.state, name) if name in _COLLECTED else owned[name]
            target = np.empty([shape[0], *own.shape[1:]], own.dtype) if name in _COLLECTED else own
            if [list(d) for d in target.dtype.descr] != dtype or list(target.shape) != shape:
                raise ValueError(f"The checkpoint {str(path)!r} was written by another version of numbaopt.")
            file.readinto(_bytes(target))
            if name in _COLLECTED:
                collected.append(target)
    if len(collected[0]):
        run.history.append(tuple(collected))
    p = run.state.progress[0]
    p["capacity"] = capacity
    if p["stage"] == TO_MOVE and not run.taken_in:  # stopped by Ctrl-C just there: evaluate it again
        p["stage"], p["nfev"], p["njev"] = TO_EVALUATE, p["nfev"] - run.cost, p["njev"] - 1
    return True


def _opened(path: Path) -> Any:
    try:
        return path.open("rb")
    except OSError as error:
        raise type(error)(f"resume={str(path)!r} cannot be read: {error}.") from None


def _require_whole(path: Path, file: Any) -> None:
    """Raise ValueError where the file is not a checkpoint, or not all of it."""
    first = file.read(len(MAGIC))
    if not first.startswith(_NAME):
        raise ValueError(f"{str(path)!r} is not a checkpoint of numbaopt.")
    if first != MAGIC:
        raise ValueError(f"The checkpoint {str(path)!r} was written by another version of numbaopt.")
    digest, left = hashlib.blake2b(first, digest_size=_DIGEST), os.fstat(file.fileno()).st_size - len(first) - _DIGEST
    while left > 0 and (chunk := file.read(min(left, _CHUNK))):
        digest.update(chunk)
        left -= len(chunk)
    if left != 0 or file.read() != digest.digest():
        raise ValueError(f"The checkpoint {str(path)!r} is damaged: it is cut off or was changed.")


def _require_same(path: Path, found: dict, wanted: dict) -> None:
    """Raise ValueError where the run of the file is another one."""
    differ = [name for name in wanted if found.get(name) != wanted[name]]
    if differ:
        hashed = ("x0", "bounds", "x_scale")
        told = [n if n in hashed else f"{n} ({found.get(n)} there, {wanted[n]} here)" for n in differ]
        raise ValueError(
            f"The checkpoint {str(path)!r} is of another run: {', '.join(told)} differ. Give what that run was given, "
            "or remove the file; limits and tolerances may be changed."
        )
