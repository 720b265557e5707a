"""The runs of multistart(): as one batch on all threads, or one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import OptimizeResult

from ._minimize import minimize
from ._minimize_batch import PER_RUN, minimize_batch
from ._objective import Problem
from ._options import Options
from ._status import Status


class Watch:
    """Time, progress and the user's callback."""

    def __init__(self, total: int, settings: Options, maxtime: Any, callback: Callable | None, disp: bool):
        if callback is not None and not callable(callback):
            raise TypeError(f"callback must be callable, not {callback!r:.80}.")
        self.total, self.callback, self.disp = total, callback, disp
        self.each = np.inf if settings.maxtime is None else float(settings.maxtime)
        self.maxtime = np.inf if maxtime is None else float(maxtime)
        self.begun, self.next_line, self.stopped = time.perf_counter(), 1.0, ""

    def left(self) -> float | None:
        """Seconds for the next start; None without a limit, 0 where none are left."""
        left = min(self.each, self.maxtime - (time.perf_counter() - self.begun))
        if left <= 0:
            self.stopped = f" maxtime = {self.maxtime:.3g} seconds are over."
        return None if left == np.inf else max(left, 0.0)

    def over(self, k: int, result: Any, best: float) -> bool:
        """To be called after start k: whether to stop."""
        seconds = time.perf_counter() - self.begun
        if self.disp and seconds >= self.next_line:
            print(f"  {seconds:6.1f} s  {k + 1} of {self.total} starts  best fun {best:.9g}", flush=True)
            self.next_line = seconds + 1.0
        try:
            if self.callback is not None:
                self.callback(k, result)
        except StopIteration:
            self.stopped = " Stopped by the callback (StopIteration)."
            return True
        return False


class Call(NamedTuple):
    """The call of `minimize` for each start."""

    fun: Any
    args: Any
    method: Any
    jac: Any
    bounds: Any
    options: dict[str, Any]


def minimise_all(call: Call, X0: np.ndarray, seeds: Any, done: list[Any], watch: Watch, executor: Any) -> None:
    """Minimise from each row of X0 and append the results to `done`, each with its row as `x0`.

    What is raised on the way leaves in `done` what there is.
    """
    reason = _why_not_a_batch(call, seeds, watch)
    if executor is not None and reason:
        raise ValueError(f"With executor= the starts are run as batches, but {reason}.")
    compiled = Problem(call.fun, call.jac, (), 1.0).compiled or call.options.get("jit")
    if executor is not None or (compiled and not reason):
        _as_batch(call, X0, done, watch, executor)
        if not done or not all(r.get("error") is not None for r in done):
            return
        done.clear()  # raised from every start: once more from the first, for the exception itself
        X0 = X0[:1]
    _one_by_one(call, X0, seeds, done, watch)


def _why_not_a_batch(call: Call, seeds: Any, watch: Watch) -> str:
    if watch.callback is not None:
        return "callback is called after each start, in their order"
    if len(seeds) and seeds[0] is not None:
        return "each start of a method that draws random numbers has a seed of its own"
    for name in (*PER_RUN, "maxtime"):
        if call.options.get(name):
            return f"the option {name} is for each start by itself"
    return ""


def _as_batch(call: Call, X0: np.ndarray, done: list[Any], watch: Watch, executor: Any) -> None:
    left = watch.left()
    options = call.options | {"disp": watch.disp} | ({} if left is None else {"maxtime": left})
    fun, args, method, jac, bounds, _ = call
    try:
        result = minimize_batch(fun, X0, args, (), method, jac, bounds, None, options, executor)
    except BaseException as error:
        _take(getattr(error, "result", None), X0, done, watch)
        raise
    _take(result, X0, done, watch)


def _take(batch: Any, X0: np.ndarray, done: list[Any], watch: Watch) -> None:
    """The results of the starts that there was time for."""
    for b in range(0 if batch is None else len(batch)):
        one = batch[b]
        if one.nfev == 0 and one.status in (Status.MAXTIME, Status.INTERRUPTED):
            watch.left()  # notes that the time is over
            continue
        if one.status == Status.RAISED:
            one.error = RuntimeError(one.message)
        one.x0 = X0[b]
        done.append(one)


def _one_by_one(call: Call, X0: np.ndarray, seeds: Any, done: list[Any], watch: Watch) -> None:
    best = np.inf
    for k, x0 in enumerate(X0):
        left = watch.left()
        if left == 0:
            return
        own = call.options | ({} if left is None else {"maxtime": left})
        if seeds[k] is not None:
            own["seed"] = int(seeds[k])
        try:
            result = minimize(call.fun, x0, call.args, call.method, call.jac, bounds=call.bounds, options=own)
        except Exception as error:
            result = _failed(error, x0)
        except BaseException as error:  # Ctrl-C
            done.append(_failed(error, x0))
            raise
        result.x0 = x0
        done.append(result)
        best = min(best, result.fun if np.isfinite(result.fun) else np.inf)
        if watch.over(k, result, best):
            return


def _failed(error: BaseException, x0: np.ndarray) -> OptimizeResult:
    """The best point that an interrupted run had found, or none."""
    found = getattr(error, "result", None)
    if found is None:
        found = OptimizeResult(x=x0, fun=np.nan, nit=0, nfev=0)
    found.update(status=int(Status.INTERRUPTED), success=False, message=f"{type(error).__name__}: {error}", error=error)
    found.x0 = x0
    return found
