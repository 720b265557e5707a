"""Runs a loop in slices of a few milliseconds, so that Python can do in between what only Python can.

Ctrl-C, callbacks, the time limit, progress lines, checkpoints and the collection of the history all happen between
slices.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .._compile import compile_seconds
from .._status import Status
from . import threads
from .evaluation import TO_MOVE
from .loop import State

NEVER = 1 << 62

SLICE = 0.01
"""Seconds that a slice should last: short, as an evaluation may suddenly cost ten times what it did."""

GROWTH = 8
"""How much longer than the slice before it a slice may be, in evaluations of fun."""

AMORTISED = 0.5
"""Seconds after which compiling a version with several threads has a chance to pay."""

WORTHWHILE = 1e-4
"""Seconds per gradient from which several threads save more than they cost."""

TRIAL = 0.1
"""Seconds after which several threads must have been faster than one."""


class Watch(NamedTuple):
    """What to do between slices."""

    maxtime: float
    callback: Callable[[State], bool] | None  # True: stop
    callback_every: int  # iterations between calls; 0: once a slice
    disp: Callable[[State, float], None] | None
    save: Callable[[State, float], None] | None  # at the end with an infinite time
    workers: int | None
    cost: int  # evaluations of fun per iteration


def run(
    loop: Any, state: State, history: list, watch: Watch, begun: Callable[[], None], status: Status = Status.RUNNING
) -> Status:
    """Run `loop` to its end; `begun` is called when x0 has been evaluated. Rows of the history go to `history`.

    `status` is where an earlier run has left off.

    Time that is spent compiling does not count against `maxtime`.
    """
    clock, progress = _Clock(), state.progress[0]
    threading = _Threading(loop, state.x.shape[1], watch.workers)
    every = watch.callback_every
    budget, called, sound = 1, int(progress["nit"]), True
    try:
        while status == Status.RUNNING:
            begin, nfev, nit = clock.elapsed(), int(progress["nfev"]), int(progress["nit"])
            first = progress["nit_judged"] < 0  # x0 is evaluated whatever it takes: there is always a point to return
            if begin >= watch.maxtime and not first:
                return Status.MAXTIME
            until = 0 if first else (called // every + 1) * every if every else NEVER
            status = loop(budget, until)
            elapsed, done = clock.elapsed(), max(int(progress["nfev"]) - nfev, 1)
            collect(state, history)
            if first and progress["nit_judged"] >= 0:
                sound = False
                begun()
                sound = True
            nit = int(progress["nit"])
            due = progress["stage"] == TO_MOVE and nit > called and (every == 0 or nit % every == 0)
            if due:
                called = nit
                if watch.callback is not None and watch.callback(state) and status == Status.RUNNING:
                    return Status.CALLBACK
            if watch.disp:
                watch.disp(state, elapsed)
            if watch.save and status == Status.RUNNING:
                watch.save(state, elapsed)
            per_evaluation = max(elapsed - begin, 1e-7) / done
            threading.consider(elapsed, per_evaluation * watch.cost)
            left = min(SLICE, watch.maxtime - elapsed)
            budget = max(1, min(int(left / per_evaluation), GROWTH * done))
    finally:
        collect(state, history)
        if watch.save and sound and status != Status.NONFINITE:
            watch.save(state, np.inf)
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

    def consider(self, elapsed: float, per_gradient: float) -> None:
        """To be called after each slice."""
        if self._phase == "one thread" and elapsed > AMORTISED and per_gradient > WORTHWHILE:
            team = threads.available(self._workers)
            self._phase = "trial" if team > 1 and self._loop.use_threads(team) else "settled"
            self._before, self._since = per_gradient, elapsed
        elif self._phase == "trial" and elapsed - self._since > TRIAL:
            self._phase = "settled"
            if per_gradient > self._before:
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
