"""A batch in chunks that workers of an executor run, each as a batch of its own; the same results in the same order."""

from __future__ import annotations

import functools
import itertools
from dataclasses import replace
from time import perf_counter
from typing import Any

from ._batch_progress import progress_of
from ._batch_result import BatchResult
from ._batch_task import TRIED, Task, Told, chosen_gradient, run_task
from ._compile import compile_seconds
from ._executors import chunk_edges, run_chunks, worker_count


def run_in_chunks(task: Task, told: Told, executor: Any, size: int | None) -> None:
    """Run the problems of a task on an executor.

    Which gradient is used is decided here, once, so that it is the same in all chunks.
    """
    first = part_of(task, 0, min(TRIED, len(task.singles.x0)))
    jac, told.gradient = chosen_gradient(first)
    problem, singles = task.problem._replace(jac=jac), task.singles._replace(jac=jac)
    settings = replace(task.settings, disp=False, workers=task.settings.workers or 1)
    options = {name: value for name, value in singles.options.items() if name != "gradient"}
    sent = task._replace(problem=problem, singles=singles._replace(options=options), settings=settings, checked=True)
    told.workers = worker_count(executor)
    edges = chunk_edges(len(singles.x0), told.workers, size)
    pairs = list(itertools.pairwise(edges))
    payloads = [functools.partial(part_of, sent, low, high) for low, high in pairs]
    with progress_of(len(singles.x0), task.settings.disp) as progress:

        def done(k: int, result: BatchResult) -> None:
            told.take(result, *pairs[k])
            if progress:
                progress(pairs[k][1])

        run_chunks(executor, run_chunk, payloads, done)


def part_of(task: Task, low: int, high: int) -> Task:
    """The task for the problems `low` to `high - 1` alone."""
    singles = task.singles.part(low, high)
    return task._replace(singles=singles, spaces=singles.spaces)


def run_chunk(task: Task) -> BatchResult:
    """What a worker does."""
    return run_task(task, perf_counter(), compile_seconds())
