"""multistart(): many minimisations from points spread over a box; the distinct minima, ranked."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult

from ._batches import LARGEST_SEED
from ._bounds import read_bounds
from ._errors import attach_result
from ._minimize import minimize
from ._options import Options, resolve
from ._solver import SOLVERS, is_solver, solver_class
from ._status import Status

SAMPLERS = {"sobol": "Sobol", "halton": "Halton", "lhs": "LatinHypercube"}
"""Samplers by name: classes of scipy.stats.qmc, which is imported where it is needed, as that takes long."""


class MultistartResult(OptimizeResult):
    """The result of `multistart`; see there."""

    def summary(self, most: int = 10) -> str:
        """A table of the best `most` minima, and what came of the starts."""
        minima = self.minima
        lines = [self.message, f"{'rank':>4}  {'fun':>14}  {'starts':>6}  {'status':<11}  x"]
        for k in range(min(most, len(minima.fun))):
            x = np.array2string(minima.x[k], precision=6, threshold=6, max_line_width=10**6)
            status = Status(minima.status[k]).name
            lines.append(f"{k + 1:>4}  {minima.fun[k]:>14.8g}  {minima.count[k]:>6}  {status:<11}  {x}")
        if len(minima.fun) > most:
            lines.append(f"      and {len(minima.fun) - most} more")
        return "\n".join(lines)


def multistart(
    fun: Callable,
    bounds: Any = None,
    n_starts: int = 32,
    args: Any = (),
    method: Any = None,
    jac: Any = None,
    options: dict[str, Any] | None = None,
    *,
    sampler: Any = "sobol",
    seed: int | None = None,
    maxtime: float | None = None,
    x_tol: float = 1e-3,
    f_tol: float = 1e-6,
    callback: Callable | None = None,
    disp: bool = False,
) -> MultistartResult:
    """Minimise from many points and rank the distinct minima.

    ::

        x0_k, k = 1..n_starts: a low-discrepancy sample of the box;      x_k = minimize(fun, x0_k)
        x_j, x_k are one minimum where max |x_j - x_k| / width <= x_tol and |f_j - f_k| <= f_tol (1 + |f_j|)

    Parameters
    ----------
    fun, args, method, jac, options
        As in `minimize`, for each start; None as method: "l-bfgs-b" where there is one, else minimize's own.
    bounds : scipy.optimize.Bounds or sequence of pairs
        The finite box of the starts, which the minimisations stay in. None: no bounds, and `sampler` gives the starts.
    n_starts : int
        How many.
    sampler : str, callable or array_like
        "sobol", "halton" or "lhs" (Latin hypercube) of scipy.stats.qmc, scrambled; `sampler(n, rng)` that returns an
        array of shape (n, size of x); or such an array, whose rows are the starts (then n_starts is not used).
    seed : int, optional
        Of the starts and, where the method draws random numbers, of each run. None draws one; the result has it.
    maxtime : float, optional
        Seconds for all; starts that there is no time for are left out.
    x_tol, f_tol : float
        When two points are one minimum: x_tol is relative to the width of the box, or to the range of the starts.
    callback : callable, optional
        `callback(k, result)` after each start, in their order; StopIteration ends all.
    disp : bool
        Print a line a second, and the summary.

    Returns
    -------
    MultistartResult
        x, fun, success, status (of the best point), message, nfev, nit (of all), seed; `minima` with arrays x (k, n),
        fun, count (starts that led there), status and success (of its best point), the best minimum first; `starts`
        with arrays x0, x, fun, status, success, nit, nfev, minimum (an index into `minima`, -1 where no finite point
        was found) and a list message; n_failed, how many raised, n_nonfinite, how many found no finite point.
        `summary()` is a table of them. An array has a row for each start that was made.

    Raises
    ------
    ValueError, TypeError
        An argument is wrong; or what fun raised, where it raised from every start. A single start that raises is
        counted, its message kept. On Ctrl-C, what is done so far is the attribute `result` of the KeyboardInterrupt.

    Notes
    -----
    Clusters are formed greedily from the lowest value up, each around its lowest point. A point where a run stopped at
    a limit may be listed as a minimum: `minima.success` tells. An order of starts by promise, as in multi-level single
    linkage (Rinnooy Kan and Timmer 1987), is not attempted.

    Examples
    --------
    >>> import numbaopt
    >>> def camel(x):
    ...     return (4 - 2.1 * x[0]**2 + x[0]**4 / 3) * x[0]**2 + x[0] * x[1] + 4 * (x[1]**2 - 1) * x[1]**2
    >>> res = numbaopt.multistart(camel, [(-3, 3), (-2, 2)], 32, method="nelder-mead", seed=1)
    >>> len(res.minima.fun), [round(float(f), 4) for f in res.minima.fun[:3]]
    (6, [-1.0316, -1.0316, -0.2155])
    """
    method = method if method is not None else "l-bfgs-b" if solver_class("l-bfgs-b") else "adam"
    hyper, settings = resolve(method, options)
    seed = secrets.randbits(62) if seed is None else _integer("seed", seed, 0)
    rng = np.random.default_rng(seed)
    X0 = starts(bounds, n_starts, sampler, rng)
    width = np.ptp(X0, axis=0)
    if bounds is not None:
        lower, upper = read_bounds(bounds, X0.shape[1])
        width = upper - lower
    width = np.where(width > 0, width, 1.0)
    seeds: Any = [None] * len(X0)
    if settings.seed is None and is_solver(hyper) and SOLVERS[type(hyper)].seeded:
        seeds = rng.integers(LARGEST_SEED, size=len(X0))
    done: list[Any] = []
    watch = _Watch(len(X0), settings, maxtime, callback, disp)
    try:
        _minimise_all(fun, X0, args, method, jac, bounds, options, seeds, done, watch)
    except BaseException as error:
        if done:
            attach_result(error, _assembled(done, X0, width, x_tol, f_tol, seed, watch))
        raise
    errors = [r.error for r in done if r.get("error") is not None]
    if errors and len(errors) == len(done):
        errors[0].add_note(f"numbaopt: it was raised from every one of the {len(done)} starts.")
        raise errors[0]
    result = _assembled(done, X0, width, x_tol, f_tol, seed, watch)
    if disp:
        print(result.summary())
    return result


def starts(bounds: Any, n_starts: int, sampler: Any, rng: np.random.Generator) -> np.ndarray:
    """The starting points, of shape (number, size of x)."""
    n_starts = _integer("n_starts", n_starts, 1)
    if not isinstance(sampler, str):
        X0 = np.array(sampler(n_starts, rng) if callable(sampler) else sampler)
        if X0.ndim != 2 or X0.size == 0 or X0.dtype.kind not in "fiub" or not np.isfinite(X0).all():
            raise ValueError(f"sampler gives starts of shape {X0.shape}; they must be finite numbers, a row for each.")
        X0 = X0 if X0.dtype == np.float32 else X0.astype(np.float64)
        return X0 if bounds is None else np.clip(X0, *(b.astype(X0.dtype) for b in read_bounds(bounds, X0.shape[1])))
    if sampler not in SAMPLERS:
        raise ValueError(
            f"sampler={sampler!r} must be one of {', '.join(map(repr, SAMPLERS))}, a function or an array."
        )
    if bounds is None:
        raise ValueError("multistart needs bounds, the box of its starts, or a sampler that gives them.")
    n = np.size(bounds.lb) if hasattr(bounds, "lb") else len(bounds)
    lower, upper = read_bounds(bounds, n)
    endless = np.flatnonzero(~np.isfinite(upper - lower))
    if endless.size:
        i = endless[0]
        raise ValueError(
            f"bounds[{i}] = ({lower[i]:.6g}, {upper[i]:.6g}): multistart draws its starts from a finite box. Give "
            "finite bounds, or starts of your own as sampler."
        )
    from scipy.stats import qmc

    engine = getattr(qmc, SAMPLERS[sampler])(n, rng=rng)
    if sampler == "sobol":  # balanced for powers of 2 only: the first of the next such number
        unit = engine.random_base2((n_starts - 1).bit_length())[:n_starts]
    else:
        unit = engine.random(n_starts)
    return np.clip(lower + unit * (upper - lower), lower, upper)


class _Watch:
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


def _minimise_all(
    fun: Any,
    X0: np.ndarray,
    args: Any,
    method: Any,
    jac: Any,
    bounds: Any,
    options: dict[str, Any] | None,
    seeds: Any,
    done: list[Any],
    watch: _Watch,
) -> None:
    """Minimise from each row of X0, and append the results to `done`; the one place that knows how they are run."""
    best = np.inf
    for k, x0 in enumerate(X0):
        left = watch.left()
        if left == 0:
            return
        own = dict(options or {}) | ({} if left is None else {"maxtime": left})
        if seeds[k] is not None:
            own["seed"] = int(seeds[k])
        try:
            result = minimize(fun, x0, args, method, jac, bounds=bounds, options=own)
        except Exception as error:
            result = _failed(error, x0)
        except BaseException as error:  # Ctrl-C
            done.append(_failed(error, x0))
            raise
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
    return found


def _assembled(
    done: list[Any], X0: np.ndarray, width: np.ndarray, x_tol: float, f_tol: float, seed: int, watch: _Watch
) -> MultistartResult:
    """The result of the starts that were made."""
    rows = {name: np.array([r[name] for r in done]) for name in ("x", "fun", "status", "success", "nit", "nfev")}
    ledger = OptimizeResult(x0=X0[: len(done)], **rows, message=[r.message for r in done])
    ledger.minimum, leaders = clusters(ledger.x, ledger.fun, width, x_tol, f_tol)
    minima = OptimizeResult({name: rows[name][leaders] for name in ("x", "fun", "status", "success")})
    minima.count = np.bincount(ledger.minimum[ledger.minimum >= 0], minlength=len(leaders))
    failed = sum(r.get("error") is not None for r in done)
    nonfinite = int(np.sum(ledger.minimum < 0))
    best = leaders[0] if len(leaders) else 0
    reached = f", {minima.count[0]} of them led to the best, {minima.fun[0]:.9g}" if len(leaders) else ""
    text = f"{len(leaders)} distinct minima from {len(done)} starts{reached}."
    if failed or nonfinite:
        text += f" {failed} raised an exception, {nonfinite} found no finite point: see starts.message."
    return MultistartResult(
        x=rows["x"][best].copy(),
        fun=float(rows["fun"][best]),
        success=bool(len(leaders) and rows["success"][best]),
        status=int(rows["status"][best]),
        message=text + watch.stopped,
        nit=int(rows["nit"].sum()),
        nfev=int(rows["nfev"].sum()),
        minima=minima,
        starts=ledger,
        n_failed=failed,
        n_nonfinite=nonfinite,
        seed=seed,
    )


def clusters(
    x: np.ndarray, f: np.ndarray, width: np.ndarray, x_tol: float, f_tol: float
) -> tuple[np.ndarray, np.ndarray]:
    """For each point the index of its minimum, -1 for those that are not finite; and the lowest point of each."""
    member, leaders = np.full(len(f), -1), np.empty(0, np.int64)
    for k in np.argsort(f, kind="stable"):  # NaN last
        if not np.isfinite(f[k]):
            continue
        near = np.max(np.abs(x[leaders] - x[k]) / width, axis=1, initial=0.0) <= x_tol
        level = np.abs(f[leaders] - f[k]) <= f_tol * (1 + np.abs(f[leaders]))
        same = np.flatnonzero(near & level)
        if same.size == 0:
            leaders = np.append(leaders, k)
        member[k] = same[0] if same.size else len(leaders) - 1
    return member, leaders


def _integer(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name}={value!r} must be an integer >= {least}.")
    return int(value)
