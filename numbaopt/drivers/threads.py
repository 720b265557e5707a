"""How many threads a run uses, and when it must not use any."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import numba

from .sweep import PARALLEL_SIZE

_forked_from_threads = False


def _note_fork() -> None:
    """A child of a process with running threads has none of them; GNU OpenMP kills it if it asks for some."""
    global _forked_from_threads
    _forked_from_threads = _forked_from_threads or started()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


def available(workers: int | None) -> int:
    """Threads that a run may use: `workers`, or numba's setting; 1 in a process forked from one with threads."""
    if _forked_from_threads:
        return 1
    if workers is not None:
        return workers
    return numba.config.NUMBA_NUM_THREADS if numba.config.NUMBA_NUM_THREADS == 1 else numba.get_num_threads()


def sweep_team(n: int, workers: int | None) -> int | None:
    """The team for sweeps over n elements: None where one thread is faster."""
    if n < PARALLEL_SIZE:
        return None
    threads = available(workers)
    return threads if threads > 1 else None


def started() -> bool:
    """Whether this process has numba's threads running."""
    try:
        return bool(numba.threading_layer())
    except ValueError:
        return False


@contextmanager
def thread_count(workers: int | None) -> Iterator[None]:
    """Set numba's number of threads for the block, for this Python thread."""
    if workers is None or _forked_from_threads or not started():
        yield
        return
    before = numba.get_num_threads()
    numba.set_num_threads(workers)
    try:
        yield
    finally:
        numba.set_num_threads(before)


_one_at_a_time = threading.RLock()


def region() -> AbstractContextManager:
    """To be held while compiled code runs that may have a parallel loop in it, which only running threads can have.

    Two Python threads in parallel loops at once, or one such loop in another, end the process where numba's threads
    are its own work queue.
    """
    return _one_at_a_time if started() and numba.threading_layer() == "workqueue" else nullcontext()
