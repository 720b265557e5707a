"""Runs the compiled driver of many problems on threads, while the main thread waits, shows progress and can stop it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ._arguments import packed
from ._batch_arguments import BatchArgs, batch_type, batch_values
from ._compile import bind
from ._run import _read_only
from ._status import Status
from .drivers import threads
from .drivers.loop import RUNNING, State
from .drivers.many import DONE, STOP, loop_address, run_many
from .drivers.places import Found, Given, new_place
from .drivers.sweep import Box

GLANCE = 0.05
"""Seconds between two looks at the clock and at how much is done."""


class Work(NamedTuple):
    """What all threads do."""

    make: Callable[[Any], tuple[Any, bool]]  # type of the arguments -> objective without them, whether it is parallel
    form: Any  # the method in compiled form
    measure: Any  # whether steps are measured, of update rules
    fresh: State  # the state at the start of any problem
    space: Box | None  # any of those of the problems
    limits: np.ndarray
    given: Given
    found: Found
    after: Any  # what is done with each finished problem, see `drivers.many`
    args: tuple
    batches: tuple  # of arrays and `Ragged`


class Watch(NamedTuple):
    """What the main thread does meanwhile."""

    maxtime: float
    progress: Callable[[int], None] | None  # gets the number of problems that are done


class Batch:
    """Work on threads; `workers` is how many. They are as many as asked for, and as there are problems.

    One alone where `fun` uses several threads itself, or may write to what the problems share: then they would get in
    each other's way.
    """

    def __init__(self, work: Work, workers: int | None):
        self.work, count = work, len(work.given.x0)
        self.workers = max(1, min(threads.available(workers), count))
        self.args_type, self._objective, self._parallel = self._compiled()
        if self._parallel or not self.args_type.proved:
            self.workers = 1
        self.control = np.zeros(24, np.int64)
        self._errors: list[BaseException] = []

    def _compiled(self) -> tuple[BatchArgs, Any, bool]:
        work = self.work
        with contextlib.suppress(TypeError):
            ty = batch_type(work.args, work.batches, _read_only)
            return ty, *work.make(ty)
        ty = batch_type(work.args, work.batches)
        return ty, *work.make(ty)

    def run(self, watch: Watch) -> None:
        """Run all problems; what is found is in `work.found`, also where this raises."""
        found, status = self.work.found, Status.INTERRUPTED
        try:
            with contextlib.ExitStack() as stack:
                calls = [stack.enter_context(self._call()) for _ in range(self.workers)]
                team = [threading.Thread(target=self._work, args=(call,), daemon=True) for call in calls]
                try:
                    for thread in team:
                        thread.start()
                    status = self._wait(team, watch)
                finally:
                    self.control[STOP] = 1
                    for thread in team:
                        if thread.ident is not None:
                            thread.join()
        finally:
            found.status[(found.status == RUNNING) | (found.status == Status.INTERRUPTED)] = status
        if self._errors:
            raise self._errors[0]

    @contextlib.contextmanager
    def _call(self) -> Iterator[Callable[[], None]]:
        """What a thread calls."""
        work = self.work
        values = batch_values(work.args, work.batches, self.control.ctypes.data + self.control.itemsize * STOP)
        place = new_place(work.fresh, work.space, work.limits.copy())
        with packed(values, self.args_type.stored) as address:
            objective = self._objective._replace(args=address)
            loop = loop_address(objective, work.form, place, work.measure)
            given = (objective, work.form, work.measure, place, work.given, work.found, work.after)
            arguments = (loop, *given, address, self.control)
            entry = bind(run_many, *arguments)
            yield lambda: entry(*arguments)

    def _work(self, call: Callable[[], None]) -> None:
        try:
            with threads.region() if self._parallel else contextlib.nullcontext():
                call()
        except BaseException as error:
            self._errors.append(error)
            self.control[STOP] = 1

    def _wait(self, team: list, watch: Watch) -> Status:
        """Wait until all is done or time is over; the status of problems that this ends."""
        start = time.perf_counter()
        for thread in team:
            while thread.is_alive():
                left = watch.maxtime - (time.perf_counter() - start)
                if left <= 0:
                    return Status.MAXTIME
                thread.join(min(GLANCE, left))
                if watch.progress:
                    watch.progress(int(self.control[DONE]))
        if watch.progress:
            watch.progress(int(self.control[DONE]))
        return Status.INTERRUPTED
