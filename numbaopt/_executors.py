"""Work in chunks on any executor: those of `concurrent.futures`, what is like them, and clients of dask.distributed."""

from __future__ import annotations

import os
import pickle
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor
from typing import Any

from numba.core.serialize import dumps

PER_WORKER = 4
"""Chunks for each worker, so that one with long problems does not keep all others waiting at the end."""

LARGEST = 65_536
"""Most problems in a chunk."""

RETRIES = 2
"""How often dask runs a chunk again that failed. One whose worker died it runs again anyway."""


def require_executor(executor: Any) -> None:
    """An error for what is no executor."""
    if not callable(getattr(executor, "submit", None)):
        raise TypeError(
            f"executor={executor!r:.80} must be an executor of concurrent.futures, or a dask.distributed.Client: it "
            "has no method `submit`."
        )


def is_dask(executor: Any) -> bool:
    """Whether `executor` is a client of dask."""
    return any(cls.__module__.partition(".")[0] == "distributed" for cls in type(executor).__mro__)


def worker_count(executor: Any) -> int:
    """How many chunks it runs at once, as far as it says that."""
    if is_dask(executor) and hasattr(executor, "nthreads"):
        return max(1, sum(executor.nthreads().values()))
    return int(getattr(executor, "_max_workers", None) or os.cpu_count() or 1)


def chunk_edges(count: int, workers: int, size: int | None) -> list[int]:
    """Where `count` problems are cut: the first of each chunk, and the number behind the last."""
    size = size or max(1, min(LARGEST, -(-count // (PER_WORKER * workers))))
    return [*range(0, count, size), count]


def run_chunks(
    executor: Any,
    function: Callable[[Any], Any],
    payloads: Sequence[Callable[[], Any]],
    done: Callable[[int, Any], None],
) -> None:
    """`done(k, function(payloads[k]()))` for each k, in order, with `function` called by the workers.

    Everything is pickled by value where it cannot be imported. A dead worker costs a client of dask one more run of the
    chunk. A pool of processes is of no use after that: what it had not done is then done here.
    """
    futures = []
    try:
        for payload in payloads:
            futures.append(_submitted(executor, function, payload()))
        broken = False
        for k, future in enumerate(futures):
            result, lost = _result(future)
            if lost and not broken:
                broken = True
                warnings.warn(
                    "A worker of the executor died, and the executor with it. What it had not done is done by this "
                    "process; nothing is lost.",
                    RuntimeWarning,
                    stacklevel=6,
                )
            done(k, function(payloads[k]()) if lost else result)
    except BaseException:
        for future in futures:
            if future is not None:
                future.cancel()
        raise


def _submitted(executor: Any, function: Callable, payload: Any) -> Any:
    """The future of a chunk; None where the executor takes no more."""
    data = dumps((function, payload))
    try:
        if is_dask(executor) and hasattr(executor, "scatter"):
            return executor.submit(call_pickled, data, retries=RETRIES, pure=False)
        return executor.submit(call_pickled, data)
    except BrokenExecutor:
        return None


def _result(future: Any) -> tuple[Any, bool]:
    """The result of a future, and whether it is lost."""
    if future is None:
        return None, True
    try:
        return pickle.loads(future.result()), False
    except BrokenExecutor:
        return None, True


def call_pickled(data: bytes) -> bytes:
    """What a worker runs."""
    function, payload = pickle.loads(data)
    return dumps(function(payload))
