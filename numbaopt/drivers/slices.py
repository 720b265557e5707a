"""Runs a loop in slices of a few milliseconds, so that Python can do in between what only Python can.

Ctrl-C, callbacks, the time limit, progress lines and the collection of the history all happen between slices.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .._status import Status
from . import threads
from .loop import State

SLICE = 0.01
"""Seconds that a slice should last: short, as an evaluation may suddenly cost ten times what it did."""

GROWTH = 8
"""How much longer than the slice before it a slice may be, in iterations."""

AMORTISED = 0.3
"""Seconds after which compiling a parallel version of the differences has a chance to pay."""

WORTHWHILE = 1e-4
"""Seconds per iteration from which several threads save more than they cost."""


class Watch(NamedTuple):
    """What to do between slices."""

    maxtime: float
    callback: Callable[[State], bool] | None  # True: stop
    callback_every: int  # iterations between calls; 0: once a slice
    disp: Callable[[State, float], None] | None
    workers: int | None


def run(loop: Any, state: State, history: list, watch: Watch, begun: Callable[[], None]) -> Status:
    """Run `loop` to its end; `begun` is called when x0 has been evaluated. Rows of the history go to `history`."""
    start = time.perf_counter()
    progress = state.progress[0]
    threaded = state.x.shape[1] < 2
    budget = 1
    try:
        status = loop(0)
        begun()
        while status == Status.RUNNING:
            begin, nit = time.perf_counter(), int(progress["nit"])
            if begin - start >= watch.maxtime:
                return Status.MAXTIME
            if watch.callback_every:
                budget = min(budget, watch.callback_every - nit % watch.callback_every)
            status = loop(budget)
            now, done = time.perf_counter(), int(progress["nit"]) - nit
            collect(state, history)
            due = watch.callback_every == 0 or (nit + done) % watch.callback_every == 0
            stop = watch.callback is not None and done > 0 and due and watch.callback(state)
            if stop and status == Status.RUNNING:
                return Status.CALLBACK
            if watch.disp:
                watch.disp(state, now - start)
            per_iteration = max(now - begin, 1e-7) / max(done, 1)
            if not threaded and now - start > AMORTISED and per_iteration > WORTHWHILE:
                threaded = True
                if (team := threads.available(watch.workers)) > 1:
                    loop.use_threads(team)
            left = min(SLICE, start + watch.maxtime - now)
            budget = max(1, min(int(left / per_iteration), GROWTH * max(done, 1)))
    finally:
        collect(state, history)
    return Status(status)


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
