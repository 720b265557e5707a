"""What a fit by the defaults needs beside its data, kept from the first fit of a model to data of one shape.

A small fit takes some microseconds, what a call of `curve_fit` sets up a hundred times that. A `Plan` has it all ready:
arrays that the data are copied to, the workspace, and the entry points of the compiled code.
"""

from __future__ import annotations

import contextlib
import weakref
from typing import Any

import numba
import numpy as np

from ._arguments import packed
from ._compile import bind, compiles_nopython
from ._compiled_objective import _memory_of, _versions
from ._curve_run import CurveRun
from ._status import Status
from .drivers.loop import new_progress
from .drivers.slices import NEVER
from .drivers.solving import solve
from .solvers._covariances import at_solution

SLICE = 200
"""Evaluations that a quick fit may take. One that takes more is set up like the first, so that Ctrl-C ends it."""


class Plan:
    """Fits of one compiled model to data of one shape, by the defaults of `curve_fit`."""

    def __init__(self, run: CurveRun):
        data = tuple(np.array(values) for values in run.problem.args)
        self._x, self._y, self._w = data
        stack = contextlib.ExitStack()
        address = stack.enter_context(packed(data, numba.typeof(data)))
        weakref.finalize(self, stack.close).atexit = False
        objective = run.objective(address)
        self._state = run.state
        self._fresh = new_progress(run.x0.size, 1, False)
        arguments = (objective, run.form, run.space, run.limits.copy(), self._state)
        self._arguments = (*arguments, SLICE, NEVER)
        self._solve = bind(solve, *self._arguments)
        self._J, self._C = np.empty_like(run.J), np.empty_like(run.covariance)  # the run's own went to the user
        self._last = (objective, run.form, run.space, self._state, self._J, self._C)
        self._finish = bind(at_solution, *self._last)
        self.versions = _versions((run.problem.fun,))

    def fit(self, x: np.ndarray, y: np.ndarray, w: Any, p0: Any) -> tuple[np.ndarray, np.ndarray, float] | None:
        """Parameters, (J^T J)^-1 and cost; None where the fit is not to be had so, or has no covariance."""
        state, p = self._state, self._state.progress
        self._x[...], self._y[...], self._w[...] = x, y, w
        p[...] = self._fresh
        state.slots.fill(0)
        state.x[0] = p0
        status = self._solve(*self._arguments)
        if not Status.GTOL <= status <= Status.FTARGET or not self._finish(*self._last):
            return None
        return state.x[0].copy(), self._C, float(p["f"][0])


def quick_fit(f: Any, xdata: Any, ydata: Any, p0: Any, sigma: Any, absolute: bool, jac: Any) -> Any:
    """popt and pcov, where the data are plain arrays in double precision and a plan is there; else None."""
    if not (_is_plain(xdata) and _is_plain(ydata) and ydata.ndim == 1 and compiles_nopython(f)) or p0 is None:
        return None
    start = np.asarray(p0)
    key = ("plan", jac, xdata.shape, ydata.size, start.size)
    memory = _memory_of(f)
    plan = memory.pop(key, None)  # two threads must not use the same one
    if plan is None:
        return None
    try:
        return _found(plan, f, xdata, ydata, start, sigma, absolute)
    finally:
        memory[key] = plan


def _found(plan: Plan, f: Any, x: Any, y: Any, start: Any, sigma: Any, absolute: bool) -> Any:
    m, n, w = y.size, start.size, 1.0
    if start.ndim != 1 or start.dtype.kind not in "fi" or start.dtype == np.float32:
        return None
    if sigma is not None:
        if not (_is_plain(sigma) and sigma.shape == (m,) and (sigma > 0).all()):
            return None
        w = 1 / sigma
    finite = np.isfinite(y).all() and np.isfinite(x).all() and np.isfinite(start).all()
    if not finite or plan.versions[0] is not _versions((f,))[0]:
        return None
    try:
        found = plan.fit(x, y, w, start)
    except Exception:  # of the model: it comes again, with the best point
        return None
    if found is None or (m <= n and not absolute):
        return None
    popt, inverse, cost = found
    return popt, inverse * (1.0 if absolute else 2 * cost / (m - n))


def _is_plain(values: Any) -> bool:
    return type(values) is np.ndarray and values.dtype == np.float64 and values.flags.c_contiguous


def remember(f: Any, jac: Any, run: CurveRun) -> None:
    """Keep what a fit by the defaults has set up, for the next."""
    xdata, y, w = run.problem.args
    compiled, double = compiles_nopython(f) and run.problem.compiled, run.x0.dtype == np.float64
    if not (compiled and double and _is_plain(xdata) and w.ndim == 1):
        return
    key, memory = ("plan", jac, xdata.shape, y.size, run.x0.size), _memory_of(f)
    if key not in memory or memory[key].versions[0] is not _versions((f,))[0]:
        memory[key] = Plan(run)
