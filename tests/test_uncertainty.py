"""Confidence intervals by profile likelihood, and the bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
from scipy.stats import chi2, t
from scipy.stats import f as fisher

import numbaopt
from numbaopt import bootstrap, confidence_intervals, curve_fit, curve_fit_batch

CONCENTRATION = np.repeat([0.02, 0.06, 0.11, 0.22, 0.56, 1.1], 2)
RATE = np.array([76, 47, 97, 107, 123, 139, 159, 152, 191, 201, 207, 200.0])  # Puromycin, treated: Bates and Watts


def michaelis(c, largest, half):
    return largest * c / (half + c)


def line(x, slope, offset):
    return slope * x + offset


def saturation(x, size, rate):
    return size * (1 - np.exp(-rate * x))


X = np.linspace(0, 1, 20)
Y = 2 * X + 1 + 0.1 * np.sin(37 * X)
STEPPED = np.array([0, 2.0, 2.05, 1.98, 2.01, 2.0])  # saturated at the first point: no rate is too high


# --- profile likelihood ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_a_linear_model_has_the_intervals_of_student(level):
    popt, pcov = curve_fit(line, X, Y)
    half = t.ppf((1 + level) / 2, 18) * np.sqrt(np.diag(pcov))
    expected = np.column_stack([popt - half, popt + half])
    np.testing.assert_allclose(confidence_intervals(line, X, Y, popt, level=level), expected, rtol=1e-5)


@pytest.mark.parametrize("absolute", [False, True])
def test_the_sum_of_squares_at_the_ends_has_risen_as_the_level_says(absolute):
    sigma = 5 + 0.03 * RATE
    popt, _ = curve_fit(michaelis, CONCENTRATION, RATE, [200, 0.1], sigma)
    ends = confidence_intervals(michaelis, CONCENTRATION, RATE, popt, sigma, absolute, level=0.9)

    def chisq(half, largest):
        return np.sum(((RATE - michaelis(CONCENTRATION, largest, half)) / sigma) ** 2)

    best = chisq(popt[1], popt[0])
    rise = chi2.ppf(0.9, 1) if absolute else best / 10 * fisher.ppf(0.9, 1, 10)
    for end in ends[0]:
        found = scipy.optimize.minimize_scalar(chisq, (0.01, 0.2), args=(end,), tol=1e-12)
        assert found.fun - best == pytest.approx(rise, rel=1e-4)
    assert ends[0, 0] < popt[0] < ends[0, 1]
    assert ends[1, 1] - popt[1] > 1.05 * (popt[1] - ends[1, 0]), "this interval is not symmetric"


def test_intervals_are_those_of_lmfit():
    lmfit = pytest.importorskip("lmfit", reason="lmfit is not installed")
    popt, _ = curve_fit(michaelis, CONCENTRATION, RATE, [200, 0.1])
    fit = lmfit.Model(michaelis).fit(RATE, c=CONCENTRATION, largest=200, half=0.1)
    theirs = lmfit.conf_interval(fit, fit, sigmas=[0.95])
    ours = confidence_intervals(michaelis, CONCENTRATION, RATE, popt)
    for (lower, upper), name in zip(ours, ("largest", "half"), strict=True):
        assert [lower, upper] == pytest.approx([theirs[name][0][1], theirs[name][2][1]], rel=1e-4)


def test_a_batch_has_the_intervals_of_its_curves():
    rng = np.random.default_rng(0)
    curves = michaelis(CONCENTRATION, rng.uniform(100, 300, (5, 1)), 0.1) + 5 * rng.normal(size=(5, 12))
    curves[2, 3] = np.nan
    x = CONCENTRATION * np.array([[1.0], [1.1], [0.9], [1.0], [2.0]])
    sigma = 5 + 0.01 * np.nan_to_num(curves)
    popt = curve_fit_batch(michaelis, x, curves, [200, 0.1], sigma, nan_policy="omit").popt
    ends = confidence_intervals(michaelis, x, curves, popt, sigma, parameters=[1], nan_policy="omit")
    assert ends.shape == (5, 1, 2)
    for b in range(5):
        own = confidence_intervals(michaelis, x[b], curves[b], popt[b], sigma[b], nan_policy="omit")
        np.testing.assert_allclose(ends[b, 0], own[1], rtol=1e-4)


def test_many_variables_shared_by_as_many_curves():
    def plane(x, a, b):
        return a * x[0] + b * x[1]

    x = np.stack([X, X**2, X**3])
    curves = plane(x, 1.0, 2.0) + 0.1 * np.random.default_rng(1).normal(size=(4, 20))
    ends = confidence_intervals(plane, x, curves, curve_fit_batch(plane, x, curves).popt)
    one = confidence_intervals(plane, x, curves[3], curve_fit(plane, x, curves[3])[0])
    np.testing.assert_allclose(ends[3], one, rtol=1e-4)


def test_an_end_is_a_bound_or_infinite():
    popt, _ = curve_fit(saturation, np.arange(6.0), STEPPED, [2, 3])
    ends = confidence_intervals(saturation, np.arange(6.0), STEPPED, popt)
    assert ends[1, 1] == np.inf
    assert 2 < ends[1, 0] < popt[1]
    assert np.isfinite(ends[0]).all()
    bounded = confidence_intervals(saturation, np.arange(6.0), STEPPED, popt, bounds=([0, 0], [5, 50]))
    assert bounded[1, 1] == 50
    np.testing.assert_allclose(bounded[0], ends[0], rtol=1e-4)


def test_data_without_error_have_intervals_of_no_width():
    y = saturation(X, 2.0, 3.0)
    popt, _ = curve_fit(saturation, X, y, [1, 1])
    np.testing.assert_array_equal(confidence_intervals(saturation, X, y, popt), np.column_stack([popt, popt]))


def test_no_more_points_than_parameters():
    ends = confidence_intervals(line, X[:3], np.r_[Y[:2], np.nan], np.polyfit(X[:2], Y[:2], 1), nan_policy="omit")
    assert np.isnan(ends).all()


def test_a_point_that_is_no_minimum_is_told():
    def wells(x, p):
        return np.sqrt((p**2 - 1) ** 2 + 0.3 * p + 1) + 0 * x

    x, curves = np.zeros(4), np.zeros((2, 4))
    with pytest.warns(RuntimeWarning, match="curve 0 goes below the sum of squares at popt, .* no minimum"):
        ends = confidence_intervals(wells, x, curves, [[0.96], [-1.03]], 1.0, True)
    assert np.isnan(ends[0]).all()
    assert np.isfinite(ends[1]).all()
    with pytest.warns(RuntimeWarning, match="no minimum"):  # where a bound ends the profile in the same round
        ends = confidence_intervals(wells, x, curves, [[0.96], [-1.03]], 1.0, True, bounds=(-1.1, 9))
    assert np.isnan(ends[0]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"level": 1.0}, r"level=1.0 must be a probability in \(0, 1\)"),
        ({"level": "high"}, "level='high' must be a probability"),
        ({"parameters": [2]}, "integers from 0 to 1"),
        ({"parameters": [0.5]}, "integers from 0 to 1"),
        ({"popt": np.ones((3, 2))}, r"popt has shape \(3, 2\), but ydata has 1 rows"),
        ({"sigma": -1.0}, "must be > 0"),
        ({"ftoll": 1.0}, "ftoll"),
    ],
)
def test_bad_input(change, message):
    with pytest.raises((ValueError, TypeError), match=message):
        confidence_intervals(line, X, Y, **({"popt": [2.0, 1.0]} | change))


# --- bootstrap -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["residuals", "parametric", "pairs"])
def test_the_spread_is_that_of_the_covariance(kind):
    rng = np.random.default_rng(2)
    x = np.linspace(0, 1, 200)
    sigma = 0.1 * (1 + x)
    y = 2 * x + 1 + sigma * rng.normal(size=200)
    popt, pcov = curve_fit(line, x, y, sigma=sigma)
    fits = bootstrap(line, x, y, popt, sigma, n_resamples=4000, kind=kind, seed=0)
    assert fits.success.all()
    np.testing.assert_allclose(np.cov(fits.popt.T), pcov, rtol=0.25 if kind == "pairs" else 0.1)
    np.testing.assert_allclose(fits.popt.mean(axis=0), popt, atol=0.1 * np.sqrt(np.diag(pcov)).max())


def test_parametric_errors_are_as_large_as_sigma_says():
    popt, pcov = curve_fit(line, X, Y, sigma=np.full(20, 0.5), absolute_sigma=True)
    fits = bootstrap(line, X, Y, popt, 0.5, True, n_resamples=4000, kind="parametric", seed=0)
    np.testing.assert_allclose(np.cov(fits.popt.T), pcov, rtol=0.1)


def test_pairs_are_fits_of_repeated_points():
    popt, _ = curve_fit(michaelis, CONCENTRATION, RATE, [200, 0.1])
    fits = bootstrap(michaelis, CONCENTRATION, RATE, popt, n_resamples=20, kind="pairs", seed=7)
    times = np.random.default_rng(7).multinomial(12, np.full(12, 1 / 12), size=20)
    for b in range(20):
        x, y = np.repeat(CONCENTRATION, times[b]), np.repeat(RATE, times[b])
        expected, _ = scipy.optimize.curve_fit(michaelis, x, y, popt)
        np.testing.assert_allclose(fits.popt[b], expected, rtol=1e-4)


def test_the_same_seed_gives_the_same_fits_for_any_number_of_threads():
    popt, _ = curve_fit(michaelis, CONCENTRATION, RATE, [200, 0.1])
    one = bootstrap(michaelis, CONCENTRATION, RATE, popt, n_resamples=50, seed=3, workers=1)
    two = bootstrap(michaelis, CONCENTRATION, RATE, popt, n_resamples=50, seed=3, workers=2)
    other = bootstrap(michaelis, CONCENTRATION, RATE, popt, n_resamples=50, seed=4)
    np.testing.assert_array_equal(one.popt, two.popt)
    assert not np.array_equal(one.popt, other.popt)


def test_missing_values_and_bounds_are_passed_on():
    y = RATE.copy()
    y[4] = np.nan
    popt, _ = curve_fit(michaelis, CONCENTRATION, y, [200, 0.1], nan_policy="omit")
    for kind in ("residuals", "parametric", "pairs"):
        fits = bootstrap(
            michaelis,
            CONCENTRATION,
            y,
            popt,
            n_resamples=30,
            kind=kind,
            seed=0,
            nan_policy="omit",
            bounds=(0, [220, 1]),
        )
        assert np.isfinite(fits.popt).all()
        assert fits.popt[:, 0].max() <= 220


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "wild"}, "kind='wild' must be one of 'residuals', 'parametric', 'pairs'"),
        ({"n_resamples": 0}, "n_resamples=0 must be an integer > 0"),
        ({"popt": np.ones(20)}, "more data points than parameters"),
        ({"popt": [np.inf, 1.0]}, "20 that are not finite"),
        ({"sigma": np.eye(20)}, "not as a covariance matrix"),
        ({"ydata": np.full(20, np.nan)}, "is not finite"),
    ],
)
def test_bad_input_of_bootstrap(change, message):
    with pytest.raises(ValueError, match=message), np.errstate(invalid="ignore"):
        bootstrap(**({"f": line, "xdata": X, "ydata": Y, "popt": [2.0, 1.0]} | change))


def test_they_are_public():
    assert {"bootstrap", "confidence_intervals"} <= set(numbaopt.__all__)
