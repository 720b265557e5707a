"""What `minimize_batch` returns: arrays over the problems, each problem as a result of its own, and a summary."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import OptimizeResult

from ._result import FLAT, message
from ._solver_run import SolverRun
from ._status import MESSAGES, Status
from .drivers.loop import PROGRESS
from .drivers.places import DETAILS, Found

NOT_STARTED = {
    Status.INTERRUPTED: "Not started: the batch was interrupted before; x is the starting point, fun is NaN.",
    Status.MAXTIME: "Not started: maxtime = {maxtime:.3g} seconds were over; x is the starting point, fun is NaN.",
}
RAISED_AT_START = "fun raised {error} at the starting point, which is returned; fun is NaN."
UNKNOWN_ERROR = "an exception (call fun, or minimize(), for this problem alone to see which)"
WORST = 5
"""Problems that did not converge that a summary names."""


class Story(NamedTuple):
    """What the messages of all problems have in common: what `_result.message` reads of a `Run`."""

    hyper: Any
    options: Any
    limits: np.ndarray
    sign: float
    messages: dict
    bounded: bool
    has_gradient: bool
    extra: dict


class _Told:
    """A problem as `_result.message` reads it."""

    answer_value = None

    def __init__(self, story: Story, progress: np.ndarray, found_something: bool):
        self.__dict__.update(story._asdict())
        self.state = SimpleNamespace(progress=progress)
        self.found_something = found_something

    template = SolverRun.template


@dataclass(repr=False)
class BatchResult:
    """The results of B problems of n unknowns: arrays over the problems, `result[b]` for one, `print` for a summary.

    Attributes
    ----------
    x : ndarray, shape (B, n)
        The best points that were found.
    fun : ndarray, shape (B,), float64
        The values there; NaN where nothing could be evaluated.
    jac : ndarray, shape (B, n), or None
        The gradients there, with the option `return_jac` and a method that uses any.
    success : ndarray, shape (B,), bool
        Whether a stopping test was met.
    status : ndarray, shape (B,), int64
        Why each stopped: a `numbaopt.Status`. `message_of(b)` says it in words.
    nit, nfev, njev : ndarray, shape (B,), int64
        Iterations, evaluations of `fun` and of its gradient.
    method, gradient : str
        The method, and how the gradients were obtained.
    hyperparameters : object
        Of the method.
    time : OptimizeResult
        Seconds: `compile` and `run`.
    workers : int
        Threads that were used.
    choice : str
        With method=None: which method was chosen, and why.

    Notes
    -----
    `len(result)` is B, `result[b]` an OptimizeResult like that of `minimize`, and iteration goes over those.

    Examples
    --------
    >>> import numba, numpy as np, numbaopt
    >>> @numba.njit
    ... def fun(x, a):
    ...     return ((x - a) ** 2).sum()
    >>> result = numbaopt.minimize_batch(fun, np.zeros((3, 2)), batch_args=(np.array([1.0, 2.0, 3.0]),))
    >>> result.x.round(3).tolist(), len(result), result[2].success
    ([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]], 3, True)
    """

    x: np.ndarray
    fun: np.ndarray
    jac: np.ndarray | None
    success: np.ndarray
    status: np.ndarray
    nit: np.ndarray
    nfev: np.ndarray
    njev: np.ndarray
    method: str
    hyperparameters: Any
    gradient: str
    time: OptimizeResult
    workers: int
    choice: str = ""
    errors: dict[int, str] = field(default_factory=dict)
    _details: np.ndarray = field(default_factory=lambda: np.zeros(0, DETAILS))
    _story: Story | None = None
    _messages: dict[int, str] = field(default_factory=dict)
    _finish: Any = None

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, b: int) -> OptimizeResult:
        b = range(len(self))[b]
        one = OptimizeResult(
            x=self.x[b].copy(),
            fun=float(self.fun[b]),
            success=bool(self.success[b]),
            status=int(self.status[b]),
            message=self.message_of(b),
            nit=int(self.nit[b]),
            nfev=int(self.nfev[b]),
            njev=int(self.njev[b]),
            method=self.method,
            hyperparameters=self.hyperparameters,
            gradient=self.gradient,
        )
        if self.jac is not None:
            one.jac = self.jac[b].copy()
        if self._story is not None:
            one.update(self._story.extra)
        return one

    def __iter__(self) -> Iterator[OptimizeResult]:
        return (self[b] for b in range(len(self)))

    def message_of(self, b: int) -> str:
        """Why problem `b` stopped, what that means and what to do."""
        b = range(len(self))[b]
        if b in self._messages:
            return self._messages[b]
        assert self._story is not None
        status, d, story = Status(self.status[b]), self._details[b], self._story
        started = not np.isnan(self.fun[b])
        error = self.errors.get(b, UNKNOWN_ERROR)
        if status == Status.RAISED and not started:
            return RAISED_AT_START.format(error=error)
        if status == Status.RAISED:
            return MESSAGES[status].format(error=error, nit=self.nit[b], kept=story.options.keep)
        if self.nfev[b] == 0 and status in NOT_STARTED:
            return NOT_STARTED[status].format(maxtime=story.options.maxtime or 0.0)
        return message(_Told(story, self._progress_of(b), bool(d["nit_kept"] >= 0)), status)

    def _progress_of(self, b: int) -> np.ndarray:
        """What is known of the run of problem `b`, as a run has it."""
        p, d = np.zeros(1, PROGRESS), self._details[b]
        for name in DETAILS.names or ():
            p[name] = d[name]
        p["nit"], p["nfev"] = self.nit[b], self.nfev[b]
        p["f_kept"] = self.fun[b] * (self._story.sign if self._story else 1.0)
        return p

    def __repr__(self) -> str:
        return self.summary()

    def summary(self) -> str:
        """How many converged and why the others did not, the worst of them, and how long it took."""
        count, n = self.x.shape
        lines = [f"{count} problems of {n} unknowns by {self.method}, gradient: {self.gradient.splitlines()[0]}"]
        if count:
            lines += [f"  {int(self.success.sum())} converged: {self._counted(self.success)}"]
            if not self.success.all():
                lines += [f"  {int((~self.success).sum())} did not: {self._counted(~self.success)}"]
            lines += [f"  {name}: {_spread(getattr(self, name))}" for name in ("nit", "nfev")]
            lines += self._worst()
        run = self.time.run
        rate = f", {count / run:,.0f} problems per second" if run > 0 and count else ""
        threads = f"{self.workers} thread{'s' if self.workers != 1 else ''}"
        lines.append(f"  {run:.3g} s{rate}, {threads}; compiling took {self.time.compile:.3g} s")
        return "\n".join(lines)

    def _counted(self, chosen: np.ndarray) -> str:
        values, counts = np.unique(self.status[chosen], return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return ", ".join(f"{counts[k]} {Status(values[k]).name}" for k in order) or "none"

    def _worst(self) -> list[str]:
        """Lines about some problems that did not converge: those that raised, then those of the largest gradient."""
        failed = np.flatnonzero(~self.success)
        slope = np.nan_to_num(self._details["slope_kept"][failed], nan=np.inf) if len(self._details) else failed * 0.0
        order = np.lexsort((-slope, self.status[failed] != Status.RAISED))[:WORST]
        lines = [f"    [{b}] {Status(self.status[b]).name}: {_short(self.message_of(int(b)))}" for b in failed[order]]
        return [*lines, f"    and {len(failed) - WORST} more"] if len(failed) > WORST else lines


def _spread(values: np.ndarray) -> str:
    return f"{values.min()} to {values.max()}, median {int(np.median(values))}, {values.sum():,} in all"


def _short(text: str) -> str:
    return text if len(text) <= 160 else text[:157] + "..."


def converged(found: Found, sign: float) -> np.ndarray:
    """Which problems met a stopping test, or got as far as rounding lets them."""
    met = (found.status >= Status.GTOL) & (found.status <= Status.FTARGET)
    flat = found.details["slope_kept"] <= FLAT * np.maximum(1.0, np.abs(found.fun))
    return met | ((found.status == Status.ROUNDING) & flat)
