"""What a fit by the defaults needs beside its data, kept from the first fit of a model to data of one shape.

A small fit takes some microseconds, what a call of `curve_fit` sets up a hundred times that. A `Plan` has the compiled
code of the model and of the method, and the one kernel that calls them for any of those.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ._arguments import call_nothing
from ._compile import bind, compiles_nopython, kernel, target
from ._compiled_objective import _memory_of, _versions
from ._curve_run import CurveRun
from ._inside import driver, stored, told, workplace
from ._solver import WORKSPACES
from .drivers.objectives import ResidualDifferences, Residuals
from .solvers._covariances import Covariances

MOST = 200
"""Evaluations that a quick fit may take. One that takes more is set up like the first, so that Ctrl-C ends it."""


class Plan:
    """Fits of one compiled model to data of one shape, by the defaults of `curve_fit`."""

    def __init__(self, run: CurveRun):
        n, objective, form = run.x0.size, run.objective(0), run.form
        limits = run.limits.copy()
        limits["maxfev"] = np.minimum(limits["maxfev"], MOST)
        loop, many, _ = driver(objective, form, run.x0.dtype)
        numbers = WORKSPACES[type(form)](form, n, run.m)
        self._known = many, loop, objective, form, numbers, limits
        self._fit = bind(fit_one, *self._known, *run.problem.args, run.x0, 0)
        self.ones, self.version = np.ones(run.m), _versions((run.problem.fun,))[0]

    def fit(self, x: np.ndarray, y: np.ndarray, w: np.ndarray, p0: np.ndarray, absolute: bool) -> Any:
        """Parameters and covariance; None where the fit is not to be had so, or has no covariance."""
        popt, pcov, _, success, *_ = self._fit(*self._known, x, y, w, p0, 1 if absolute else 0)
        return (popt, pcov) if success and pcov[0, 0] < np.inf else None


def with_data(objective: Any, address: int) -> Any:
    """The objective with its data at `address`."""


@target(with_data)
def _with_data(objective, address):
    def exact(objective, address):
        return Residuals(objective.residuals, objective.jacobian, address, objective.m, objective.both)

    def differences(objective, address):
        return ResidualDifferences(objective.residuals, address, objective.m)

    return {Residuals: exact, ResidualDifferences: differences}[objective.instance_class]


@kernel
def fit_one(many, loop, objective, form, numbers, limits, x, y, w, p0, absolute):
    """Fit from p0, by the driver of many problems at the address `many` and the method's loop at `loop`."""
    n = p0.size
    matrix = np.full((n, n), np.inf)
    place, given, found, control = workplace(p0, np.full(n, -np.inf), np.full(n, np.inf), numbers, limits)
    if np.isfinite(p0).all() and np.isfinite(y).all() and np.isfinite(x).all():
        after = Covariances(matrix.reshape(1, n, n), np.full(1, y.size), absolute)
        own = with_data(objective, stored((x, y, w)))
        call_nothing(many, 0, (loop, own, form, None, place, given, found, after, np.int64(0), control))
    return told(found, matrix)


def quick_fit(f: Any, xdata: Any, ydata: Any, p0: Any, sigma: Any, absolute: bool, jac: Any) -> Any:
    """popt and pcov, where the data are plain arrays in double precision and a plan is there; else None."""
    if not (_is_plain(xdata) and _is_plain(ydata) and ydata.ndim == 1) or p0 is None:
        return None
    if not _is_plain(p0):
        p0 = np.asarray(p0)
        if p0.dtype.kind not in "fi" or p0.dtype == np.float32:
            return None
        p0 = np.ascontiguousarray(p0, np.float64)
    plan = _memory_of(f).get(("plan", jac, xdata.shape, ydata.size, p0.shape))
    if plan is None or plan.version is not next(iter(f.overloads.values()), None):
        return None
    if sigma is None:
        return plan.fit(xdata, ydata, plan.ones, p0, absolute)
    if not (_is_plain(sigma) and sigma.shape == ydata.shape and (sigma > 0).all()):
        return None
    return plan.fit(xdata, ydata, 1 / sigma, p0, absolute)


def _is_plain(values: Any) -> bool:
    return type(values) is np.ndarray and values.dtype == np.float64 and values.flags.c_contiguous


def remember(f: Any, jac: Any, run: CurveRun) -> None:
    """Keep what a fit by the defaults has set up, for the next."""
    xdata, y, w = run.problem.args
    compiled, double = compiles_nopython(f) and run.problem.compiled, run.x0.dtype == np.float64
    if not (compiled and double and _is_plain(xdata) and w.ndim == 1):
        return
    key, memory = ("plan", jac, xdata.shape, y.size, run.x0.shape), _memory_of(f)
    if key not in memory or memory[key].version is not _versions((f,))[0]:
        memory[key] = Plan(run)
