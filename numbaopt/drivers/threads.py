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
    try:
        numba.threading_layer()
    except ValueError:  # no parallel region has run yet: the child may start its own threads
        return
    _forked_from_threads = True


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


@contextmanager
def thread_count(workers: int | None) -> Iterator[None]:
    """Set numba's number of threads for the block, for this Python thread."""
    if workers is None or workers == 1 or _forked_from_threads:
        yield
        return
    before = numba.get_num_threads()
    numba.set_num_threads(workers)
    try:
        yield
    finally:
        numba.set_num_threads(before)


_one_at_a_time = threading.RLock()


def parallel_region() -> AbstractContextManager:
    """To be held while compiled code may run a parallel loop.

    Two Python threads in parallel loops at once end the process where numba's threads are its own work queue.
    """
    numba.get_num_threads()  # starts the threads, which decides on the layer
    return _one_at_a_time if numba.threading_layer() == "workqueue" else nullcontext()
