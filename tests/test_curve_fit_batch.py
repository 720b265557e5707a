"""curve_fit_batch: equal to curve_fit one by one, missing values, bounds, errors of single curves, bad input."""

from __future__ import annotations

import pathlib
import runpy

import numba
import numpy as np
import pytest

import numbaopt

RNG = np.random.default_rng(2)
T = np.linspace(0, 4, 40)
TRUE = np.stack((RNG.uniform(1, 5, 30), RNG.uniform(0.5, 2, 30), RNG.uniform(0, 1, 30)), 1)
P0 = np.array([2.0, 1.0, 0.5])


@numba.njit
def decay(t, a, b, c):
    return a * np.exp(-b * t) + c


Y = TRUE[:, :1] * np.exp(-TRUE[:, 1:2] * T) + TRUE[:, 2:] + 0.05 * RNG.standard_normal((30, 40))


def test_each_fit_is_that_of_curve_fit_to_the_bit():
    result = numbaopt.curve_fit_batch(decay, T, Y, P0)
    assert result.success.all()
    assert result.gradient == "autodiff"
    for b in range(5):
        popt, pcov = numbaopt.curve_fit(decay, T, Y[b], P0)
        np.testing.assert_array_equal(result.popt[b], popt)
        np.testing.assert_allclose(result.pcov[b], pcov, rtol=1e-12)
        np.testing.assert_array_equal(result[b].popt, popt)
    np.testing.assert_allclose(result.perr**2, np.diagonal(result.pcov, axis1=1, axis2=2), rtol=1e-14)
    np.testing.assert_allclose(result.chisq, ((Y - result.popt[:, :1] * np.exp(-result.popt[:, 1:2] * T)
                                               - result.popt[:, 2:]) ** 2).sum(axis=1), rtol=1e-10)  # fmt: skip


def test_one_and_two_threads_give_the_same_bits():
    one, two = (numbaopt.curve_fit_batch(decay, T, Y, P0, workers=workers) for workers in (1, 2))
    for name in ("popt", "pcov", "chisq", "nit", "nfev", "status"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def test_missing_values_are_left_out():
    y, missing = Y.copy(), RNG.uniform(size=Y.shape) < 0.2
    y[missing] = np.nan
    result = numbaopt.curve_fit_batch(decay, T, y, P0, nan_policy="omit")
    np.testing.assert_array_equal(result.points, 40 - missing.sum(axis=1))
    for b in (0, 7):
        popt, pcov = numbaopt.curve_fit(decay, T[~missing[b]], Y[b, ~missing[b]], P0)
        np.testing.assert_allclose(result.popt[b], popt, rtol=1e-7)
        np.testing.assert_allclose(result.pcov[b], pcov, rtol=1e-5)


def test_xdata_sigma_bounds_and_starts_of_each_curve():
    x = T + RNG.uniform(0, 0.5, (30, 1))
    sigma = RNG.uniform(0.5, 2, Y.shape)
    upper = np.broadcast_to([np.inf, np.inf, 0.4], (30, 3)).copy()
    upper[::2, 2] = np.inf
    starts = np.minimum(TRUE * 1.1, upper)
    result = numbaopt.curve_fit_batch(decay, x, Y, starts, sigma, absolute_sigma=True, bounds=(0, upper))
    for b in (0, 1, 2, 3):
        popt, pcov = numbaopt.curve_fit(
            decay, x[b], Y[b], starts[b], sigma[b], absolute_sigma=True, bounds=(np.zeros(3), upper[b])
        )
        np.testing.assert_array_equal(result.popt[b], popt)
        np.testing.assert_allclose(result.pcov[b], pcov, rtol=1e-9)
    assert (result.popt[1::2, 2] <= 0.4).all()


def test_fixed_parameters_stay_and_have_no_variance():
    result = numbaopt.curve_fit_batch(decay, T, Y, TRUE, fixed=[2])
    np.testing.assert_array_equal(result.popt[:, 2], TRUE[:, 2])
    assert not result.pcov[:, 2].any()
    assert (result.perr[:, :2] > 0).all()


def test_single_precision_stays_single():
    result = numbaopt.curve_fit_batch(decay, T.astype(np.float32), Y.astype(np.float32), P0.astype(np.float32))
    assert result.popt.dtype == result.pcov.dtype == np.float32
    np.testing.assert_allclose(result.popt, numbaopt.curve_fit_batch(decay, T, Y, P0).popt, rtol=2e-3, atol=1e-4)


def test_a_plain_model_is_compiled():
    def plain(t, a, b, c):
        return a * np.exp(-b * t) + c

    result = numbaopt.curve_fit_batch(plain, T, Y, P0)
    np.testing.assert_allclose(result.popt, numbaopt.curve_fit_batch(decay, T, Y, P0).popt, rtol=1e-9)


@numba.njit
def fragile(t, a, b, c):
    if a > 4:
        raise ValueError("a is above 4")
    return a * np.exp(-b * t) + c


def test_a_model_that_raises_for_some_curves_harms_no_others():
    result = numbaopt.curve_fit_batch(fragile, T, Y, P0)
    failed = result.status == numbaopt.Status.RAISED
    assert 0 < failed.sum() < 30
    calm = numbaopt.curve_fit_batch(decay, T, Y, P0)
    np.testing.assert_array_equal(result.popt[~failed], calm.popt[~failed])
    first = int(np.flatnonzero(failed)[0])
    assert "a is above 4" in result.message_of(first)
    assert "RAISED" in str(result)


def test_too_few_points_give_an_infinite_covariance():
    y = Y.copy()
    y[3, 2:] = np.nan
    result = numbaopt.curve_fit_batch(decay, T, y, P0, nan_policy="omit")
    assert np.isinf(result.pcov[3]).all()
    assert not result.success[3]
    assert "fewer" in result.message_of(3)
    assert np.isfinite(result.pcov[4]).all()


def test_no_curves_and_one_curve():
    none = numbaopt.curve_fit_batch(decay, T, np.empty((0, 40)), P0)
    assert none.popt.shape == (0, 3)
    assert none.pcov.shape == (0, 3, 3)
    one = numbaopt.curve_fit_batch(decay, T, Y[:1], P0)
    assert one.popt.shape == (1, 3)


BAD = {
    "xdata": ({"xdata": T[:9]}, ValueError, r"xdata has shape \(9,\), but Y has shape \(30, 40\)"),
    "Y": ({"Y": Y[0]}, ValueError, r"Y has shape \(40,\); it must have shape \(B, m\)"),
    "P0": ({"P0": np.ones((4, 3))}, ValueError, r"P0 has shape \(4, 3\), but Y has 30 rows"),
    "NaN": ({"Y": np.where(T > 3.9, np.nan, Y)}, ValueError, r"Y\[0, 39\] is NaN. nan_policy='omit'"),
    "inf": ({"Y": np.where(T > 3.9, np.inf, Y)}, ValueError, r"Y\[0, 39\] = inf is not finite"),
    "sigma": ({"sigma": np.zeros(40)}, ValueError, r"sigma\[0\] must be > 0"),
    "sigma shape": ({"sigma": np.ones(4)}, ValueError, r"sigma has shape \(4,\); for Y of shape \(30, 40\)"),
    "p0 outside": ({"bounds": ([3, 0, 0], 9)}, ValueError, r"outside the bounds of problem 0, \[3, 9\]"),
    "few": ({"xdata": T[:2], "Y": Y[:, :2]}, TypeError, r"fewer data points \(2, .* than parameters \(3\)"),
    "keyword": ({"tolerance": 1}, TypeError, "unexpected keyword 'tolerance'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    given, error, text = BAD[case]
    with pytest.raises(error, match=text):
        numbaopt.curve_fit_batch(**({"f": decay, "xdata": T, "Y": Y, "P0": P0} | given))


def test_the_example_of_dose_response_gives_the_published_numbers():
    path = pathlib.Path(__file__).parents[1] / "examples" / "dose_response.py"
    fits = runpy.run_path(str(path))["main"]()
    np.testing.assert_allclose(fits.popt, [[212.7, 0.06412], [160.3, 0.04771]], rtol=5e-4)
    np.testing.assert_allclose(fits.perr, [[6.947, 0.008281], [6.480, 0.007782]], rtol=1e-3)
    assert fits.points.tolist() == [12, 11]
