"""Runs a loop in slices of a few milliseconds, so that Python can do in between what only Python can.

Ctrl-C, callbacks, the time limit, progress lines and the collection of the history all happen between slices.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .._compile import compile_seconds
from .._status import Status
from . import threads
from .loop import State

SLICE = 0.01
"""Seconds that a slice should last: short, as an evaluation may suddenly cost ten times what it did."""

GROWTH = 8
"""How much longer than the slice before it a slice may be, in iterations."""

AMORTISED = 0.5
"""Seconds after which compiling a version with several threads has a chance to pay."""

WORTHWHILE = 1e-4
"""Seconds per iteration from which several threads save more than they cost."""

TRIAL = 0.1
"""Seconds after which several threads must have been faster than one."""


class Watch(NamedTuple):
    """What to do between slices."""

    maxtime: float
    callback: Callable[[State], bool] | None  # True: stop
    callback_every: int  # iterations between calls; 0: once a slice
    disp: Callable[[State, float], None] | None
    workers: int | None


def run(loop: Any, state: State, history: list, watch: Watch, begun: Callable[[], None]) -> Status:
    """Run `loop` to its end; `begun` is called when x0 has been evaluated. Rows of the history go to `history`.

    Time that is spent compiling does not count against `maxtime`.
    """
    clock = _Clock()
    progress = state.progress[0]
    threading = _Threading(loop, state.x.shape[1], watch.workers)
    budget = 1
    try:
        status = loop(0)
        begun()
        while status == Status.RUNNING:
            begin, nit = clock.elapsed(), int(progress["nit"])
            if begin >= watch.maxtime:
                return Status.MAXTIME
            if watch.callback_every:
                budget = min(budget, watch.callback_every - nit % watch.callback_every)
            status = loop(budget)
            elapsed, done = clock.elapsed(), int(progress["nit"]) - nit
            collect(state, history)
            due = watch.callback_every == 0 or (nit + done) % watch.callback_every == 0
            stop = watch.callback is not None and done > 0 and due and watch.callback(state)
            if stop and status == Status.RUNNING:
                return Status.CALLBACK
            if watch.disp:
                watch.disp(state, elapsed)
            per_iteration = max(elapsed - begin, 1e-7) / max(done, 1)
            threading.consider(elapsed, per_iteration)
            left = min(SLICE, watch.maxtime - elapsed)
            budget = max(1, min(int(left / per_iteration), GROWTH * max(done, 1)))
    finally:
        collect(state, history)
    return Status(status)


class _Clock:
    """Seconds of running, without those of compiling."""

    def __init__(self) -> None:
        self._start = time.perf_counter() - compile_seconds()

    def elapsed(self) -> float:
        return time.perf_counter() - compile_seconds() - self._start


class _Threading:
    """Tries several threads on a run that is long enough, and goes back to one where they are not faster."""

    def __init__(self, loop: Any, n: int, workers: int | None):
        self._loop, self._workers = loop, workers
        self._phase = "one thread" if n > 1 else "settled"
        self._before = self._since = 0.0

    def consider(self, elapsed: float, per_iteration: float) -> None:
        """To be called after each slice."""
        if self._phase == "one thread" and elapsed > AMORTISED and per_iteration > WORTHWHILE:
            team = threads.available(self._workers)
            self._phase = "trial" if team > 1 and self._loop.use_threads(team) else "settled"
            self._before, self._since = per_iteration, elapsed
        elif self._phase == "trial" and elapsed - self._since > TRIAL:
            self._phase = "settled"
            if per_iteration > self._before:
                self._loop.use_threads(None)


def collect(state: State, history: list) -> None:
    """Move the rows that wait in `state` to `history`, a list of (rows, rows of x)."""
    progress = state.progress[0]
    rows = int(progress["rows"])
    if rows:
        history.append((state.history[:rows].copy(), state.history_x[:rows].copy()))
        progress["rows"] = 0


def joined(history: list, width: int, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    """All rows of `history` as two arrays."""
    if not history:
        return np.empty((0, 3)), np.empty((0, width), dtype)
    return np.concatenate([h for h, _ in history]), np.concatenate([x for _, x in history])
