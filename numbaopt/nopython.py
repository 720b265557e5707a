"""minimize(), least_squares() and curve_fit() inside your own compiled functions, parallel loops included.

They are called in code that `numba.njit` compiles, with compiled objectives, and run the very code of
`numbaopt.minimize`, `least_squares` and `curve_fit`: none of it is compiled again for your function. No Python runs.
What the objective raises ends the run and no more: `status` and `success` say how it went. They raise themselves only
where p0 has not an element for each parameter, or fun, which `least_squares` calls at x0 to know m, raises there.

A function that calls them has addresses of this process in it: numba warns that it cannot cache it on disk.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Fit", "Minimum", "curve_fit", "least_squares", "minimize"]

ENDLESS = np.iinfo(np.int64).max


class Minimum(NamedTuple):
    """What `minimize` found."""

    x: Any  # (n,)
    fun: float
    success: bool
    status: int  # a `numbaopt.Status`
    nit: int
    nfev: int


class Fit(NamedTuple):
    """What `curve_fit` and `least_squares` found; its first two are what scipy's `curve_fit` returns."""

    popt: Any  # (n,) the parameters
    pcov: Any  # (n, n) their covariance; inf where there is none
    cost: float  # half the sum of squares of the weighted residuals, or of their loss
    success: bool
    status: int  # a `numbaopt.Status`
    nit: int
    nfev: int


def minimize(
    fun: Callable,
    x0: Any,
    args: tuple = (),
    method: str = "l-bfgs-b",
    jac: Any = None,
    bounds: Any = None,
    maxiter: int = 10_000,
    maxfev: int = ENDLESS,
    gtol: float = 1e-7,
    ftol: float = 1e-15,
) -> Minimum:
    """Minimise a compiled function of a vector, inside compiled code.

    Parameters
    ----------
    fun : compiled function
        `fun(x, *args) -> number`.
    x0 : ndarray, shape (n,), float64 or float32
        Where to start; points outside the bounds are moved to them.
    args : tuple
        Further arguments of `fun`.
    method : {"l-bfgs-b", "bfgs", "cg", "nelder-mead"}
        A constant of your code.
    jac : compiled function, "autodiff", "2-point", "3-point", "inplace" or None
        As in `numbaopt.minimize`: None is the exact gradient where `fun` can be differentiated, else "2-point".
    bounds : pair (lower, upper), optional
        Numbers, or arrays of shape (n,).
    maxiter, maxfev : int
        Iterations and evaluations at most.
    gtol, ftol : float
        As in `numbaopt.minimize`; below 0: off. Nelder-Mead has its own tests instead of gtol.

    Returns
    -------
    Minimum
        x, fun, success, status (a `numbaopt.Status`), nit, nfev.

    Raises
    ------
    numba.TypingError
        Where your function is compiled: something that was given is of the wrong kind.

    Examples
    --------
    >>> import numba, numpy as np
    >>> from numbaopt import nopython
    >>> @numba.njit
    ... def distance(x, centre):
    ...     return ((x - centre) ** 2).sum()
    >>> @numba.njit
    ... def nearest(centres):
    ...     out = np.empty_like(centres)
    ...     for b in range(len(centres)):
    ...         out[b] = nopython.minimize(distance, np.zeros(2), (centres[b],)).x
    ...     return out
    >>> nearest(np.array([[1.0, 2.0], [3.0, 4.0]])).round(6).tolist()
    [[1.0, 2.0], [3.0, 4.0]]

    Notes
    -----
    There is no `x_scale`: x is as it is. That an exact gradient is right is not checked at x0.
    """
    raise _outside("minimize")


def least_squares(
    fun: Callable,
    x0: Any,
    args: tuple = (),
    jac: Any = None,
    bounds: Any = None,
    loss: str = "linear",
    maxiter: int = 10_000,
    maxfev: int = ENDLESS,
) -> Fit:
    """Minimise half the sum of squares of a compiled vector of residuals, inside compiled code.

    Parameters
    ----------
    fun : compiled function
        `fun(x, *args)` returns the residuals, of shape (m,); it is called once at x0 to know m.
    x0, args, bounds, maxiter, maxfev
        As in `minimize`.
    jac : compiled function, "autodiff", "2-point" or None
        `jac(x, *args)` of shape (m, n); None is the exact Jacobian where `fun` can be differentiated.
    loss : {"linear", "soft_l1", "huber", "cauchy", "arctan"}
        A constant of your code.

    Returns
    -------
    Fit
        popt, pcov (scaled by the residual variance), cost, success, status, nit, nfev.
    """
    raise _outside("least_squares")


def curve_fit(
    f: Callable,
    xdata: Any,
    ydata: Any,
    p0: Any = None,
    sigma: Any = None,
    absolute_sigma: bool = False,
    bounds: Any = None,
    jac: Any = None,
    maxiter: int = 10_000,
    maxfev: int = ENDLESS,
) -> Fit:
    """Fit a compiled model to data by Levenberg-Marquardt, inside compiled code.

    Parameters
    ----------
    f : compiled function
        The model, `f(xdata, a, b, ...)`, of values of shape (m,).
    xdata : whatever the model takes
    ydata : ndarray, shape (m,), float64
    p0 : ndarray, shape (n,), float64, optional
        Where to start; 1 for each parameter by default. Points outside the bounds are moved to them.
    sigma : ndarray, shape (m,), optional
        Standard deviations of ydata.
    absolute_sigma : bool
        Whether they are in the units of ydata.
    bounds, maxiter, maxfev
        As in `minimize`.
    jac : compiled function, "autodiff", "2-point" or None
        `jac(xdata, a, b, ...)` of shape (m, n); None is the exact one where `f` can be differentiated.

    Returns
    -------
    Fit
        popt, pcov, cost, success, status, nit, nfev.

    Examples
    --------
    >>> import numba, numpy as np
    >>> from numbaopt import nopython
    >>> @numba.njit
    ... def decay(t, amplitude, rate):
    ...     return amplitude * np.exp(-rate * t)
    >>> @numba.njit(parallel=True)
    ... def rates(t, Y):
    ...     out = np.empty(len(Y))
    ...     for b in numba.prange(len(Y)):
    ...         out[b] = nopython.curve_fit(decay, t, Y[b], np.array([1.0, 1.0])).popt[1]
    ...     return out
    >>> t = np.linspace(0, 4, 50)
    >>> rates(t, 3 * np.exp(-np.array([[0.5], [1.0], [2.0]]) * t)).round(6).tolist()
    [0.5, 1.0, 2.0]
    """
    raise _outside("curve_fit")


def _outside(name: str) -> TypeError:
    return TypeError(f"numbaopt.nopython.{name} is for code compiled by numba.njit; in Python use numbaopt.{name}.")
