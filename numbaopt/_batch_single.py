"""The problems of a batch one after the other by `minimize`: where `fun` is not compiled."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import Bounds

from ._batch_space import Spaces
from ._minimize import minimize
from ._status import Status
from .drivers.places import Found


class Singles(NamedTuple):
    """The call of `minimize` for each problem."""

    fun: Any
    x0: np.ndarray  # (B, n)
    args: tuple
    batches: tuple
    method: Any
    jac: Any
    spaces: Spaces | None
    options: dict

    def part(self, low: int, high: int) -> Singles:
        """Those of the problems `low` to `high - 1` alone."""
        spaces = None if self.spaces is None else self.spaces.part(low, high)
        batches = tuple(values[low:high] for values in self.batches)
        return self._replace(x0=self.x0[low:high], batches=batches, spaces=spaces)

    def evaluate(self, b: int) -> None:
        """Call `fun` where problem `b` starts."""
        if self.jac != "inplace":
            self.fun(self.x0[b].copy(), *self.args, *(values[b] for values in self.batches))

    def run(self, b: int, **more: Any) -> Any:
        """`minimize` for problem `b`."""
        args = (*self.args, *(values[b] for values in self.batches))
        options, bounds = self.options | more, None
        for name in ("fixed", "x_scale", "disp", "workers", "gradient"):
            options.pop(name, None)
        if self.spaces is not None:
            box = self.spaces.box(self.x0, b)
            bounds, options["x_scale"] = Bounds(box.lower, box.upper), box.scale
        return minimize(self.fun, self.x0[b], args, self.method, self.jac, bounds=bounds, options=options)


def run_singly(
    singles: Any, found: Found, maxtime: float, progress: Callable[[int], None] | None, take: Callable[[int, Any], None]
) -> tuple[dict[int, str], dict[int, str]]:
    """Run all problems; the messages, and what was raised, by problem. `found` is filled, also where this raises.

    `take(b, result)` gets each result.
    """
    messages: dict[int, str] = {}
    errors: dict[int, str] = {}
    start, ended = time.perf_counter(), Status.INTERRUPTED
    try:
        for b in range(len(found.x)):
            left = maxtime - (time.perf_counter() - start)
            if left <= 0:
                ended = Status.MAXTIME
                break
            try:
                result = singles.run(b, **({"maxtime": left} if left < np.inf else {}))
                _take(found, messages, b, result)
                take(b, result)
            except Exception as error:
                _take(found, messages, b, getattr(error, "result", None))
                messages.pop(b, None)
                found.status[b] = Status.RAISED
                errors[b] = described(error)
            except BaseException as error:
                _take(found, messages, b, getattr(error, "result", None))
                raise
            if progress:
                progress(b + 1)
    finally:
        found.status[found.status == Status.RUNNING] = ended
    return messages, errors


def _take(found: Found, messages: dict[int, str], b: int, result: Any) -> None:
    """Note the result of problem `b`, if there is one."""
    if result is None or (np.isnan(result.fun) and result.status == Status.INTERRUPTED):
        return
    found.x[b], found.fun[b], found.status[b] = result.x, result.fun, result.status
    found.nit[b], found.nfev[b], found.njev[b] = result.nit, result.nfev, result.get("njev", 0)
    found.details[b]["f"], found.details[b]["nit_kept"] = result.fun, 0
    if "jac" in result:
        found.details[b]["slope_kept"] = np.abs(result.jac).max()
    if "jac" in result and len(found.jac):
        found.jac[b] = result.jac
    messages[b] = result.message


def described(error: BaseException) -> str:
    """An exception in a line."""
    text = str(error).splitlines()[0] if str(error) else ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def error_of(singles: Any, b: int) -> str | None:
    """What problem `b` raises; None where that cannot be found again."""
    try:
        singles.evaluate(b)
        singles.run(b)
    except Exception as error:
        return described(error)
    return None
