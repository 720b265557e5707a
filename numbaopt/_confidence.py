"""confidence_intervals(): how well parameters are known, by profile likelihood, as batches of fits."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.special import fdtri, ndtri

from ._curve_fit_batch import curve_fit_batch
from ._errors import place_of_user
from ._fit_data import read_limits
from ._fit_task import FitBatchResult
from ._status import Status

ROUNDS = 40
"""Batches of fits at most: an end takes about six fits."""

NEAR = 1e-5
"""How near to 1, where an interval ends, z is there."""

USABLE = (Status.GTOL, Status.FTOL, Status.XTOL, Status.FTARGET, Status.ROUNDING, Status.FLAT)
"""How the fit of a profile may end: also where another parameter runs away, as the model then becomes flat in it."""


def confidence_intervals(
    f: Callable,
    xdata: Any,
    ydata: Any,
    popt: Any,
    sigma: Any = None,
    absolute_sigma: bool = False,
    *,
    level: float = 0.95,
    parameters: Any = None,
    **kwargs: Any,
) -> np.ndarray:
    """Confidence intervals of fitted parameters by profile likelihood, which need not be symmetric.

    ::

        chisq_i(v) = min sum ((f(xdata, *p) - ydata) / sigma)^2      over all p with p_i = v
        interval_i = {v : chisq_i(v) <= chisq + q},    q = quantile of chi2(1) with absolute_sigma,
                                                       else  chisq / (m - n) * quantile of F(1, m - n)

    Parameters
    ----------
    f : callable
        The model, as in `curve_fit`.
    xdata : array_like
        As in `curve_fit`.
    ydata : array_like, shape (m,) or (B, m)
        The data of one curve, or of many: all profiles of all curves are fitted in batches, on all threads.
    popt : array_like, shape (n,) or (B, n)
        The parameters that fit best.
    sigma : float, array_like of shape (m,) or (B, m), optional
        Standard deviations of ydata.
    absolute_sigma : bool
        Whether sigma is in the units of ydata.
    level : float
        Probability that an interval is to have, in (0, 1).
    parameters : sequence of int, optional
        Which parameters; all by default. Each has its row in the result, in this order.
    **kwargs
        Further arguments of `curve_fit_batch`: bounds, jac, nan_policy, hyper-parameters of the method.

    Returns
    -------
    ndarray, shape (k, 2) or (B, k, 2)
        Lower and upper end for each parameter. An end is the bound that it would lie beyond, or infinite where chisq
        does not rise so far; NaN where a fit fails, and where there are no more points than parameters.

    Raises
    ------
    TypeError, ValueError
        Something that was given is of the wrong kind, shape or range.

    Warns
    -----
    RuntimeWarning
        A profile goes below the chisq at popt, which then is no minimum: the intervals of that curve are NaN.

    Examples
    --------
    >>> import numpy as np, numbaopt
    >>> def decay(t, amplitude, rate):
    ...     return amplitude * np.exp(-rate * t)
    >>> t = np.linspace(0, 4, 9)
    >>> y = decay(t, 3.0, 1.0) + 0.2 * np.cos(5 * t)
    >>> popt, pcov = numbaopt.curve_fit(decay, t, y)
    >>> numbaopt.confidence_intervals(decay, t, y, popt).round(2).tolist()
    [[2.8, 3.46], [0.87, 1.29]]

    Notes
    -----
    Venzon and Moolgavkar, "A Method for Computing Profile-Likelihood-Based Confidence Intervals" (1988); the criterion
    without absolute_sigma is that of Bates and Watts, "Nonlinear Regression Analysis" (1988), section 6.1, of R's
    confint() for nls and of lmfit's conf_interval(). MINOS takes q = 1: level=0.6826894921370859 with absolute_sigma.
    """
    Y, best = np.atleast_2d(np.asarray(ydata)), np.atleast_2d(np.asarray(popt, dtype=float))
    if best.shape[0] != Y.shape[0] and best.shape[0] != 1:
        raise ValueError(f"popt has shape {np.shape(popt)}, but ydata has {Y.shape[0]} rows: one point for each.")
    n = best.shape[1]
    if not (isinstance(level, (int, float)) and 0 < level < 1):
        raise ValueError(f"level={level!r} must be a probability in (0, 1).")
    chosen = np.arange(n) if parameters is None else np.atleast_1d(np.asarray(parameters))
    if chosen.dtype.kind not in "iu" or (chosen.size and not (-n <= chosen.min() and chosen.max() < n)):
        raise ValueError(f"parameters={parameters!r} must be places of parameters: integers from 0 to {n - 1}.")
    profile = _Profile(f, xdata, Y, sigma, bool(absolute_sigma), kwargs)
    whole = profile.fitted(np.broadcast_to(best, (len(Y), n)), np.arange(len(Y)))
    found = _Ends(profile, whole, chosen % n, level).found()
    return found if np.ndim(ydata) == 2 else found[0]


class _Profile(NamedTuple):
    """Fits of some of the curves, with parameters held."""

    f: Callable
    xdata: Any
    Y: np.ndarray
    sigma: Any
    absolute: bool
    options: dict

    def fitted(self, P0: np.ndarray, curves: np.ndarray, held: np.ndarray | None = None) -> FitBatchResult:
        """The fit of each of `curves` from its row of P0, with the parameter held that `held` says for each."""
        n, options = P0.shape[1], dict(self.options)
        if held is not None:  # of a single parameter nothing is left to fit
            options |= {"fixed": np.arange(n) == held[:, None]} if n > 1 else {"maxiter": 0}
        options["bounds"] = tuple(bound[curves] for bound in self.bounds(n))
        x, sigma = np.asarray(self.xdata), self.sigma
        if x.ndim > 1 and len(x) == len(self.Y):
            x = x[curves]
        elif x.ndim > 1 and len(x) == curves.size:  # the variables of all curves, not each of one
            x = np.broadcast_to(x, (curves.size, *x.shape))
        if np.ndim(sigma) == 2:
            sigma = np.asarray(sigma)[curves]
        return curve_fit_batch(self.f, x, self.Y[curves], P0, sigma, self.absolute, **options)

    def bounds(self, n: int) -> tuple[np.ndarray, ...]:
        """Lower and upper bounds, of shape (B, n)."""
        given = read_limits(self.options.get("bounds", (-np.inf, np.inf)))
        return tuple(np.broadcast_to(bound, (len(self.Y), n)) for bound in given)

    def rounding(self) -> np.ndarray:
        """Sums of squares, of shape (B,), that are rounding: the curve is fitted exactly."""
        return 1e-28 * np.nansum(np.square(self.Y / (1.0 if self.sigma is None else self.sigma)), axis=1)


class _Ends:
    """The ends of intervals by secants on z = sqrt((chisq_i(v) - chisq) / q), which is 1 there and nearly straight.

    A profile is one parameter of one curve to one side; all that are not done are fitted together, again and again.
    Each keeps `near`, the farthest value with z < 1, and `far`, the nearest with z > 1 or, as z = inf, a failed fit.
    """

    def __init__(self, profile: _Profile, whole: FitBatchResult, chosen: np.ndarray, level: float):
        curves, n = whole.popt.shape
        self.profile, self.shape = profile, (curves, chosen.size, 2)
        self.curve, which, side = (a.ravel() for a in np.indices(self.shape))
        self.held, self.sign = chosen[which], 2.0 * side - 1
        self.start, self.chisq = whole.popt[self.curve, self.held], whole.chisq[self.curve]
        self.points = whole.popt[self.curve]
        lower, upper = (bound[self.curve, self.held] for bound in profile.bounds(n))
        self.limit = np.where(side == 0, lower, upper)
        spare = (whole.points - n)[self.curve]
        rise = ndtri((1 + level) / 2) ** 2 if profile.absolute else fdtri(1, np.maximum(spare, 1), level)
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = np.ones(spare.size) if profile.absolute else self.chisq / spare
            self.q, step = scale * rise, whole.perr[self.curve, self.held] * np.sqrt(rise)
        size = np.maximum(abs(self.start), 1)
        self.trial = self.start + self.sign * np.where((step > 0) & (step < 10 * size), step, 0.1 * size)
        self.near, self.z_near = self.start.copy(), np.zeros(spare.size)
        self.far, self.z_far = self.sign * np.inf, np.full(spare.size, np.inf)
        exact = (spare > 0) & (self.chisq <= profile.rounding()[self.curve])
        self.end = np.where(exact, self.start, np.nan)
        self.open = whole.success[self.curve] & (spare > 0) & ~exact

    def found(self) -> np.ndarray:
        """All ends, as an array of shape (B, k, 2)."""
        for turn in range(ROUNDS):
            k = np.flatnonzero(self.open)
            if not k.size:
                break
            v, z = self._fitted(k)
            inside = z < 1
            done = self.open[k] & ((abs(z - 1) < NEAR) | (inside & (v == self.limit[k])))
            self.end[k[done]] = v[done]
            self.open[k[done]] = False
            self.near[k[inside]], self.z_near[k[inside]] = v[inside], z[inside]
            self.far[k[~inside]], self.z_far[k[~inside]] = v[~inside], z[~inside]
            self.trial[k] = self._next(k, turn)
        unlimited = self.open & np.isinf(self.far)
        self.end[unlimited] = self.far[unlimited]
        return self.end.reshape(self.shape)

    def _fitted(self, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The values that profiles k are tried at, and z there."""
        sign = self.sign[k]
        v = sign * np.minimum(sign * self.trial[k], sign * self.limit[k])
        self.points[k, self.held[k]] = v
        fits = self.profile.fitted(self.points[k], self.curve[k], self.held[k])
        usable = (np.isin(fits.status, USABLE) | (self.points.shape[1] == 1)) & np.isfinite(fits.chisq)
        self.points[k[usable]] = fits.popt[usable]
        rise = fits.chisq - self.chisq[k]
        fell = usable & (rise < -1e-6 * self.chisq[k])
        if fell.any():
            self._no_minimum(k[fell])
        return v, np.where(usable, np.sqrt(np.maximum(rise, 0) / self.q[k]), np.inf)

    def _no_minimum(self, k: np.ndarray) -> None:
        """Give up all ends of the curves of profiles k."""
        lost = np.isin(self.curve, self.curve[k])
        self.open[lost], self.end[lost] = False, np.nan
        warnings.warn(
            f"With parameter {self.held[k[0]]} held, the fit of curve {self.curve[k[0]]} goes below the sum of squares "
            f"at popt, {self.chisq[k[0]]:.6g}: that is no minimum, and its intervals are NaN. Fit it from other "
            "starting points.",
            RuntimeWarning,
            stacklevel=place_of_user(),
        )

    def _next(self, k: np.ndarray, turn: int) -> np.ndarray:
        """Beyond `near` where no `far` is known; else between them: by the secant, at times in the middle."""
        v0, z0, v1, z1, start = self.near[k], self.z_near[k], self.far[k], self.z_far[k], self.start[k]
        reach = np.where(v0 == start, self.trial[k] - start, v0 - start)
        beyond = start + reach * np.clip(1.1 / np.maximum(z0, 1e-3), 1.5, 10)
        with np.errstate(invalid="ignore"):
            share = np.where(np.isinf(z1) | (turn % 4 == 3), 0.5, (1 - z0) / (z1 - z0))
            between = v0 + share * (v1 - v0)
        return np.where(np.isinf(v1), beyond, between)
