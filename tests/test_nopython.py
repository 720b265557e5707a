"""numbaopt.nopython: fits and minimisations inside a user's own compiled code."""

from __future__ import annotations

import sys

import numba
import numpy as np
import pytest
from numba.core.errors import NumbaWarning, TypingError

import numbaopt
from numbaopt import Status, nopython

T = np.linspace(0, 4, 30)
RATES = np.random.default_rng(0).uniform(0.5, 2, 40)
Y = 3 * np.exp(-RATES[:, None] * T) + 0.02 * np.random.default_rng(1).normal(size=(40, 30))


@numba.njit
def decay(t, amplitude, rate):
    return amplitude * np.exp(-rate * t)


@numba.njit
def decay_jacobian(t, amplitude, rate):
    J = np.empty((t.size, 2))
    J[:, 0] = np.exp(-rate * t)
    J[:, 1] = -amplitude * t * np.exp(-rate * t)
    return J


@numba.njit
def residuals(p, t, y):
    return p[0] * np.exp(-p[1] * t) - y


@numba.njit
def rss(p, t, y):
    return ((p[0] * np.exp(-p[1] * t) - y) ** 2).sum()


@numba.njit
def rss_in_place(p, g, t, y):
    e = np.exp(-p[1] * t)
    r = p[0] * e - y
    g[0], g[1] = 2 * (r * e).sum(), -2 * p[0] * (r * e * t).sum()
    return (r**2).sum()


# --- curve_fit -------------------------------------------------------------------------------------------------------


@numba.njit(parallel=True)
def many(t, curves):
    popt, pcov = np.empty((len(curves), 2)), np.empty((len(curves), 2, 2))
    for b in numba.prange(len(curves)):
        fit = nopython.curve_fit(decay, t, curves[b], np.array([1.0, 1.0]))
        popt[b], pcov[b] = fit.popt, fit.pcov
    return popt, pcov


def test_fits_in_a_parallel_loop_are_those_of_curve_fit_batch():
    popt, pcov = many(T, Y)
    batch = numbaopt.curve_fit_batch(decay, T, Y, [1.0, 1.0])
    np.testing.assert_array_equal(popt, batch.popt)
    np.testing.assert_array_equal(pcov, batch.pcov)


@numba.njit
def with_all(t, y, p0, sigma, lower, upper):
    return nopython.curve_fit(decay, t, y, p0, sigma, True, (lower, upper), maxiter=50)


def test_sigma_and_bounds():
    sigma = 0.02 * (1 + T)
    fit = with_all(T, Y[0], np.array([1.0, 1.0]), sigma, 0.0, np.array([2.5, 9.0]))
    popt, pcov = numbaopt.curve_fit(decay, T, Y[0], [1, 1], sigma, True, bounds=([0, 0], [2.5, 9]))
    np.testing.assert_allclose(fit.popt, popt, rtol=1e-9)
    np.testing.assert_allclose(fit.pcov, pcov, rtol=1e-6)
    assert fit.success and fit.popt[0] == 2.5
    far = with_all(T, Y[0], np.array([99.0, -1.0]), sigma, 0.0, np.array([2.5, 9.0]))
    np.testing.assert_allclose(far.popt, popt, rtol=1e-6)


@numba.njit
def by_jacobians(t, y):
    given = nopython.curve_fit(decay, t, y, jac=decay_jacobian)
    differences = nopython.curve_fit(decay, t, y, jac="2-point")
    return given, differences


def test_jacobians():
    expected, _ = numbaopt.curve_fit(decay, T, Y[1])
    given, differences = by_jacobians(T, Y[1])
    np.testing.assert_allclose(given.popt, expected, rtol=1e-10)
    np.testing.assert_allclose(differences.popt, expected, rtol=1e-6)


@numba.njit
def in_single(t, y):
    return nopython.curve_fit(decay, t, y, np.ones(2, np.float32))


def test_single_precision():
    fit = in_single(T.astype(np.float32), Y[2].astype(np.float32))
    assert fit.popt.dtype == np.float32
    np.testing.assert_allclose(fit.popt, numbaopt.curve_fit(decay, T, Y[2])[0], rtol=1e-4)


def test_data_that_are_not_finite_end_their_own_fit():
    curves = Y.copy()
    curves[3, 4] = np.nan
    popt, pcov = many(T, curves)
    assert np.isinf(pcov[3]).all()
    np.testing.assert_array_equal(np.delete(popt, 3, axis=0), np.delete(many(T, Y)[0], 3, axis=0))


# --- least_squares ---------------------------------------------------------------------------------------------------


@numba.njit
def least(t, y):
    return nopython.least_squares(residuals, np.ones(2), (t, y)), nopython.least_squares(
        residuals, np.ones(2), (t, y), loss="soft_l1"
    )


def test_least_squares():
    for fit, loss in zip(least(T, Y[0]), ("linear", "soft_l1"), strict=True):
        expected = numbaopt.least_squares(
            residuals, [1.0, 1.0], args=(T, Y[0]), loss=loss, gtol=0, xtol=1e-12, ftol=1e-12
        )
        np.testing.assert_allclose(fit.popt, expected.x, rtol=1e-7)
        assert fit.cost == pytest.approx(expected.cost, rel=1e-10)
        assert fit.success
    np.testing.assert_allclose(least(T, Y[0])[0].pcov, numbaopt.curve_fit(decay, T, Y[0])[1], rtol=1e-6)


# --- minimize --------------------------------------------------------------------------------------------------------


@numba.njit
def by_all(t, y):
    x0 = np.ones(2)
    return (
        nopython.minimize(rss, x0, (t, y)),
        nopython.minimize(rss, x0, (t, y), method="bfgs"),
        nopython.minimize(rss, x0, (t, y), method="cg"),
        nopython.minimize(rss, x0, (t, y), method="nelder-mead"),
        nopython.minimize(rss, x0, (t, y), jac="3-point"),
        nopython.minimize(rss_in_place, x0, (t, y), jac="inplace"),
        nopython.minimize(rss, x0, (t, y), bounds=(0.0, np.array([9.0, 1.0]))),
    )


def test_minimize_is_that_of_python():
    found = by_all(T, Y[0])
    bounds = [(0, 9), (0, 1)]
    calls = [
        {},
        {"method": "bfgs"},
        {"method": "cg"},
        {"method": "nelder-mead"},
        {"jac": "3-point"},
        {},
        {"bounds": bounds},
    ]
    for own, call in zip(found, calls, strict=True):
        method = call.get("method", "l-bfgs-b")
        options = {"ftol": 1e-15} | ({} if method == "nelder-mead" else {"gtol": 1e-7})
        call = {"method": method, "options": options} | call
        expected = numbaopt.minimize(rss, [1.0, 1.0], (T, Y[0]), **call)
        np.testing.assert_allclose(own.x, expected.x, rtol=1e-12)
        assert (own.status, own.nit, own.success) == (expected.status, expected.nit, expected.success)
        assert own.fun == pytest.approx(expected.fun, rel=1e-12)


@numba.njit
def limited(t, y):
    return nopython.minimize(rss, np.ones(2), (t, y), maxiter=2), nopython.minimize(rss, np.ones(2), (t, y), maxfev=3)


def test_limits():
    by_iterations, by_evaluations = limited(T, Y[0])
    assert (by_iterations.nit, by_iterations.status) == (2, Status.MAXITER)
    assert by_evaluations.nfev <= 3
    assert by_evaluations.status == Status.MAXFEV


@numba.njit
def picky(x):
    if x[0] > 0.5:
        raise ValueError("too far")
    return (x[0] - 1) ** 2


@numba.njit
def of_picky(x0):
    return nopython.minimize(picky, x0)


def test_what_the_objective_raises_is_a_status():
    found = of_picky(np.zeros(1))
    assert found.status == Status.RAISED
    assert not found.success
    assert found.x[0] <= 0.5


def test_no_references_are_lost():
    t, y = T.copy(), Y[0].copy()
    by_all(t, y)
    before = sys.getrefcount(t), sys.getrefcount(y)
    for _ in range(5):
        by_all(t, y)
        many(t, Y)
        least(t, y)
    assert (sys.getrefcount(t), sys.getrefcount(y)) == before


# --- what cannot be done ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: nopython.minimize(rss, 1.0), r"x0 must be a vector of floats, but it is float64"),
        (lambda x: nopython.minimize(len, x), r"fun must be a function compiled by numba\.njit"),
        (lambda x: nopython.minimize(rss, x, method="adam"), "method must be a constant, one of 'l-bfgs-b'"),
        (lambda x: nopython.least_squares(rss, x, (x, x)), "must return a vector of residuals"),
        (
            lambda x: nopython.curve_fit(decay, x, x, jac="3-point"),
            "jac must be a constant, one of 'autodiff', '2-point'",
        ),
        (lambda x: nopython.curve_fit(decay, x, np.arange(3)), "ydata must be a vector of floats"),
    ],
)
def test_errors_where_the_caller_is_compiled(call, message):
    with pytest.raises(TypingError, match=message):
        numba.njit(call)(np.ones(2))


def test_in_python():
    with pytest.raises(TypeError, match=r"is for code compiled by numba\.njit; in Python use numbaopt\.minimize"):
        nopython.minimize(rss, np.ones(2))


def test_a_cached_caller_is_told(tmp_path):
    code = tmp_path / "caller.py"
    code.write_text(
        "import numba, numpy as np\nfrom numbaopt import nopython\n"
        "@numba.njit\ndef f(x):\n    return ((x - 1) ** 2).sum()\n"
        "@numba.njit(cache=True)\ndef g(x):\n    return nopython.minimize(f, x).x\n"
    )
    namespace = {}
    exec(compile(code.read_text(), str(code), "exec"), namespace)
    with pytest.warns(NumbaWarning, match="Cannot cache compiled function"):
        np.testing.assert_allclose(namespace["g"](np.zeros(2)), 1, atol=1e-6)
