"""multistart(): many minimisations from points spread over a box; the distinct minima, ranked."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult

from ._batches import LARGEST_SEED
from ._bounds import read_bounds
from ._choice import choose
from ._errors import attach_result
from ._multistart_runs import Call, Watch, minimise_all
from ._options import resolve
from ._solver import SOLVERS, is_solver
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
    executor: Any = None,
) -> MultistartResult:
    """Minimise from many points and rank the distinct minima.

    ::

        x0_k, k = 1..n_starts: a low-discrepancy sample of the box;      x_k = minimize(fun, x0_k)
        x_j, x_k are one minimum where max |x_j - x_k| / width <= x_tol and |f_j - f_k| <= f_tol (1 + |f_j|)

    Parameters
    ----------
    fun, args, method, jac, options
        As in `minimize`, for each start.
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
        Show progress, and print the summary.
    executor : optional
        Who runs the starts, as in `minimize_batch`; not with `callback` and with methods that draw random numbers.

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
    The starts of a compiled `fun` are one batch, on all threads (see `minimize_batch`; options={"workers": 1} for one),
    where there is no `callback` and no option that is for each start by itself. The results are the same bits.

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
    hyper, settings = resolve(choose(method, options, bounded=bounds is not None).method, options)
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
    watch = Watch(len(X0), settings, maxtime, callback, disp)
    try:
        minimise_all(Call(fun, args, method, jac, bounds, dict(options or {})), X0, seeds, done, watch, executor)
    except BaseException as error:
        if done:
            attach_result(error, _assembled(done, width, x_tol, f_tol, seed, watch))
        raise
    errors = [r.error for r in done if r.get("error") is not None]
    if errors and len(errors) == len(done):
        errors[0].add_note(f"numbaopt: it was raised from every one of the {len(done)} starts.")
        raise errors[0]
    result = _assembled(done, width, x_tol, f_tol, seed, watch)
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


def _assembled(
    done: list[Any], width: np.ndarray, x_tol: float, f_tol: float, seed: int, watch: Watch
) -> MultistartResult:
    """The result of the starts that were made."""
    names = ("x", "fun", "status", "success", "nit", "nfev")
    rows = {name: np.array([r[name] for r in done]) for name in names}
    ledger = OptimizeResult(x0=np.array([r.x0 for r in done]), **rows, message=[r.message for r in done])
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
