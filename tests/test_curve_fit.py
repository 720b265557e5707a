"""curve_fit, least_squares and Levenberg-Marquardt: certified answers, scipy's conventions, bad input."""

from __future__ import annotations

import concurrent.futures
import pathlib

import numba
import numpy as np
import pytest
import scipy.optimize

import numbaopt
from numbaopt import LevenbergMarquardt
from numbaopt.data import load_nist
from numbaopt.problems import MORE_GARBOW_HILLSTROM

FOLDER = pathlib.Path(__file__).parent / "data" / "nist"
MODELS = {
    "Bennett5": lambda x, b1, b2, b3: b1 * (b2 + x) ** (-1 / b3),
    "Chwirut2": lambda x, b1, b2, b3: np.exp(-b1 * x) / (b2 + b3 * x),
    "DanWood": lambda x, b1, b2: b1 * x**b2,
    "Eckerle4": lambda x, b1, b2, b3: b1 / b2 * np.exp(-0.5 * ((x - b3) / b2) ** 2),
    "Gauss1": lambda x, b1, b2, b3, b4, b5, b6, b7, b8: (
        b1 * np.exp(-b2 * x) + b3 * np.exp(-(((x - b4) / b5) ** 2)) + b6 * np.exp(-(((x - b7) / b8) ** 2))
    ),
    "Kirby2": lambda x, b1, b2, b3, b4, b5: (b1 + b2 * x + b3 * x**2) / (1 + b4 * x + b5 * x**2),
    "MGH17": lambda x, b1, b2, b3, b4, b5: b1 + b2 * np.exp(-x * b4) + b3 * np.exp(-x * b5),
    "Misra1a": lambda x, b1, b2: b1 * (1 - np.exp(-b2 * x)),
    "Rat42": lambda x, b1, b2, b3: b1 / (1 + np.exp(b2 - b3 * x)),
    "Thurber": lambda x, b1, b2, b3, b4, b5, b6, b7: (
        (b1 + b2 * x + b3 * x**2 + b4 * x**3) / (1 + b5 * x + b6 * x**2 + b7 * x**3)
    ),
}


def digits(found, certified):
    """Correct significant digits of the worst."""
    return float(-np.log10(np.max(np.abs(found / certified - 1)) + 1e-16))


# --- certified answers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_nist_from_both_starts_with_the_defaults(name):
    packaged = name in ("Misra1a", "Thurber")
    problem = load_nist(name if packaged else FOLDER / f"{name}.dat")
    for start in problem.starts:
        popt, pcov = numbaopt.curve_fit(MODELS[name], problem.x, problem.y, start)
        assert digits(popt, problem.certified) >= 6
        assert digits(np.sqrt(np.diag(pcov)), problem.certified_sd) >= 4


BOXBOD = (np.array([1.0, 2, 3, 5, 7, 10]), np.array([109.0, 149, 149, 191, 213, 224]))


@numba.njit
def saturating(x, b1, b2):
    return b1 * (1 - np.exp(-b2 * x))


def test_boxbod_is_solved_where_scipy_claims_a_point_that_is_no_minimum():
    popt, pcov = numbaopt.curve_fit(saturating, *BOXBOD, p0=[1, 1])
    assert digits(popt, np.array([213.80940889, 0.54723748542])) >= 6
    assert digits(np.sqrt(np.diag(pcov)), np.array([12.354515176, 0.10455993237])) >= 4


def test_a_parameter_that_has_lost_all_influence_is_no_success():
    with pytest.raises(RuntimeError, match="lost all influence on the residuals") as caught:
        numbaopt.curve_fit(saturating, *BOXBOD, p0=[1, 1], factor=100)
    assert caught.value.result.x[1] > 50
    assert caught.value.result.status == numbaopt.Status.FLAT


SQUARES = {name: p for name, p in MORE_GARBOW_HILLSTROM.items() if p.residuals is not None}


def as_residuals(problem):
    """Residuals and Jacobian of a test problem, as least_squares takes them."""

    def filled(x):
        r, J = np.empty(problem.m), np.zeros((problem.m, x.size))
        problem.residuals(x, r, J)
        return r, J

    return lambda x: filled(x)[0], lambda x: filled(x)[1]


def test_more_garbow_hillstrom_all_solved_with_no_more_evaluations_than_scipy():
    ratios = []
    for problem in SQUARES.values():
        residuals, jacobian = as_residuals(problem)
        res = numbaopt.least_squares(residuals, problem.x0, jacobian)
        assert res.success, problem.name
        assert any(abs(2 * res.cost - f) <= 1e-6 * abs(f) + 1e-9 for f in problem.minimum), problem.name
        ratios.append(res.nfev / scipy.optimize.least_squares(residuals, problem.x0, jacobian).nfev)
    assert np.median(ratios) <= 1


# --- scipy's conventions ---------------------------------------------------------------------------------------------


def decay(t, a, b, c):
    return a * np.exp(-b * t) + c


RNG = np.random.default_rng(1)
T = np.linspace(0, 4, 50)
Y = decay(T, 2.5, 1.3, 0.5) + 0.05 * RNG.standard_normal(50)
SIGMA = RNG.uniform(0.5, 2, 50)

CASES = {
    "plain": {},
    "sigma": {"sigma": SIGMA},
    "absolute": {"sigma": SIGMA, "absolute_sigma": True},
    "one sigma": {"sigma": 0.05, "absolute_sigma": True},
    "covariance": {"sigma": np.diag(SIGMA**2) + 0.1, "absolute_sigma": True},
    "bounds": {"bounds": ([0, 0, 0], [2.4, 10, 10])},
    "soft_l1": {"method": "trf", "loss": "soft_l1", "f_scale": 0.05},
    "huber": {"method": "trf", "loss": "huber", "f_scale": 0.05},
    "cauchy": {"method": "trf", "loss": "cauchy", "f_scale": 0.05},
    "arctan": {"method": "trf", "loss": "arctan", "f_scale": 0.05},
}


@pytest.mark.parametrize("case", CASES)
def test_answers_and_covariances_are_those_of_scipy(case):
    given = CASES[case]
    popt, pcov = numbaopt.curve_fit(decay, T, Y, **given)
    tight = {"ftol": 1e-12, "xtol": 1e-12, "gtol": 1e-12} if "method" in given or "bounds" in given else {}
    expected, covariance = scipy.optimize.curve_fit(decay, T, Y, **given, **tight)
    np.testing.assert_allclose(popt, expected, rtol=2e-6)
    np.testing.assert_allclose(np.sqrt(np.diag(pcov)), np.sqrt(np.diag(covariance)), rtol=2e-5)


def test_nan_is_left_out_where_asked_for():
    y = Y.copy()
    y[3] = np.nan
    expected = numbaopt.curve_fit(decay, np.delete(T, 3), np.delete(Y, 3))
    popt, pcov = numbaopt.curve_fit(decay, T, y, nan_policy="omit")
    np.testing.assert_allclose(popt, expected[0], rtol=1e-12)
    np.testing.assert_allclose(pcov, expected[1], rtol=1e-9)


def test_two_independent_variables():
    xy = np.array(np.meshgrid(np.arange(6.0), np.arange(5.0))).reshape(2, -1)

    def plane(p, a, b, c):
        return a * p[0] + b * p[1] ** 2 + c

    popt, _ = numbaopt.curve_fit(plane, xy, plane(xy, 1.0, 2.0, 3.0) + 0.01 * np.sin(np.arange(30)))
    np.testing.assert_allclose(popt, [1, 2, 3], atol=0.02)


def test_a_jacobian_of_ones_own_gives_the_same():
    def jac(t, a, b, c):
        return np.stack((np.exp(-b * t), -a * t * np.exp(-b * t), np.ones_like(t))).T

    popt, pcov = numbaopt.curve_fit(decay, T, Y, jac=jac)
    expected = numbaopt.curve_fit(decay, T, Y)
    np.testing.assert_allclose(popt, expected[0], rtol=1e-9)
    np.testing.assert_allclose(pcov, expected[1], rtol=1e-9)


def test_full_output_has_what_scipy_has():
    popt, _, info, message, ier = numbaopt.curve_fit(decay, T, Y, full_output=True)
    np.testing.assert_allclose(info["fvec"], decay(T, *popt) - Y, atol=1e-12)
    assert info["nfev"] == info["result"].nfev
    assert "Converged" in message
    assert ier == 1


def test_single_precision_stays_single():
    popt, pcov = numbaopt.curve_fit(numba.njit(decay), T, Y, np.ones(3, np.float32))
    assert popt.dtype == pcov.dtype == np.float32
    np.testing.assert_allclose(popt, numbaopt.curve_fit(decay, T, Y)[0], rtol=1e-4)


# --- the plan that is kept from the first fit ------------------------------------------------------------------------


@numba.njit
def kept(t, a, b, c):
    return a * np.exp(-b * t) + c


def test_later_fits_of_a_model_have_the_bits_of_the_first():
    def fits(**given):
        return numbaopt.curve_fit(kept, T, Y, [2.0, 1.0, 0.5], SIGMA, **given)

    def general():
        return numbaopt.curve_fit(kept, T, Y, [2.0, 1.0, 0.5], SIGMA, check_finite=True)  # sets all up anew

    numbaopt.curve_fit(kept, T, Y, [1.0, 1.0, 1.0])
    for popt, pcov in (fits(), fits(), fits(absolute_sigma=False)):
        np.testing.assert_array_equal(popt, general()[0])
        np.testing.assert_allclose(pcov, general()[1], rtol=1e-14)
    np.testing.assert_array_equal(fits(absolute_sigma=True)[0], general()[0])
    other = numbaopt.curve_fit(kept, T, Y + 1, np.array([2.0, 1.0, 0.5]))[0]
    np.testing.assert_allclose(other, numbaopt.curve_fit(kept, T, Y, [2.0, 1.0, 0.5])[0] + [0, 0, 1], atol=1e-7)


def test_what_is_wrong_is_said_in_later_fits_too():
    numbaopt.curve_fit(kept, T, Y, [1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match=r"ydata\[0\] = nan is not finite"):
        numbaopt.curve_fit(kept, T, np.full(50, np.nan), [1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match=r"sigma\[0\] = 0 must be > 0"):
        numbaopt.curve_fit(kept, T, Y, [1.0, 1.0, 1.0], np.zeros(50))
    with pytest.raises(ValueError, match=r"p0\[1\] = nan is not finite"):
        numbaopt.curve_fit(kept, T, Y, [1.0, np.nan, 1.0])


def test_what_the_first_fit_returned_stays_as_it_is():
    @numba.njit
    def line(t, a, b):
        return a + b * t

    first = numbaopt.curve_fit(line, T, Y, [1.0, 1.0], SIGMA, absolute_sigma=True)
    kept_copy = [values.copy() for values in first]
    numbaopt.curve_fit(line, T, 5 * Y, [1.0, 1.0], 3 * SIGMA, absolute_sigma=True)
    for values, copy in zip(first, kept_copy, strict=True):
        np.testing.assert_array_equal(values, copy)


def test_what_a_later_fit_raises_has_the_best_point():
    @numba.njit
    def fragile(t, a, b):
        if a > 2.2:
            raise ValueError("a is above 2.2")
        return a + b * t

    numbaopt.curve_fit(fragile, T, 1 + 0.1 * T + 0.01 * np.sin(T), [0.5, 0.0])
    with pytest.raises(ValueError, match=r"above 2\.2") as caught:
        numbaopt.curve_fit(fragile, T, 3 + 0.1 * T, [0.5, 0.0])
    assert np.isfinite(caught.value.result.fun)


def test_threads_may_fit_the_same_model_at_once():
    data = [Y + 0.1 * k for k in range(8)]
    expected = [numbaopt.curve_fit(kept, T, y, [1.0, 1.0, 1.0])[0] for y in data]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda y: numbaopt.curve_fit(kept, T, y, [1.0, 1.0, 1.0])[0], data * 5))
    for k, popt in enumerate(found):
        np.testing.assert_array_equal(popt, expected[k % 8])


# --- plain Python ----------------------------------------------------------------------------------------------------


def test_a_model_that_numba_cannot_compile_is_fitted_with_a_warning():
    def model(t, a, b, c):
        return np.array([decay(v, a, b, c) for v in {"t": t}["t"]])

    with pytest.warns(RuntimeWarning, match="goes on with model\\(\\) as plain Python"):
        popt, _ = numbaopt.curve_fit(model, T, Y)
    np.testing.assert_allclose(popt, numbaopt.curve_fit(decay, T, Y)[0], rtol=1e-5)


def test_what_a_python_fun_raises_comes_with_the_best_point():
    calls = []

    def fun(x):
        calls.append(x)
        if len(calls) > 8:
            raise KeyError("the eighth")
        return np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]])

    with pytest.raises(KeyError, match="the eighth") as caught:
        numbaopt.least_squares(fun, [-1.2, 1.0])
    assert np.isfinite(caught.value.result.fun)
    assert len(calls) == 9


@pytest.mark.parametrize("jac", [None, "2-point"])
def test_least_squares_of_python_and_compiled_residuals_agree(jac):
    def fun(x, a):
        return np.array([a * (x[1] - x[0] ** 2), 1 - x[0]])

    results = [numbaopt.least_squares(f, [-1.2, 1.0], jac, args=(10.0,)) for f in (fun, numba.njit(fun))]
    for res in results:
        assert res.success
        np.testing.assert_allclose(res.x, [1, 1], atol=1e-6)
        np.testing.assert_allclose(res.jac, [[-20, 10], [-1, 0]], atol=1e-5)
    assert results[1]["gradient"] == ("2-point" if jac else "autodiff")


@pytest.mark.parametrize(("jac", "error"), [("2-point", 1e-6), ("3-point", 1e-9), ("cs", 1e-13)])
@pytest.mark.parametrize("compile_it", [False, True], ids=["plain", "compiled"])
def test_jacobians_by_scipys_schemes(compile_it, jac, error):
    def fun(x, t):
        return x[0] * np.exp(-x[1] * t) - np.cos(t)

    t, f = np.linspace(0, 4, 20), numba.njit(fun) if compile_it else fun
    tight = {"ftol": 1e-14, "xtol": 1e-10, "gtol": 1e-10, "args": (t,)}
    res = numbaopt.least_squares(f, [2.0, 1.0], jac, **tight)
    exact = np.stack((np.exp(-res.x[1] * t), -res.x[0] * t * np.exp(-res.x[1] * t)), axis=1)
    assert np.abs(res.jac - exact).max() < error
    assert res.gradient == jac
    expected = scipy.optimize.least_squares(fun, [2.0, 1.0], jac, **tight)
    np.testing.assert_allclose(res.x, expected.x, rtol=1e-6)
    fitted = numbaopt.minimize(f, [2.0, 1.0], (t,), "lm", jac)
    np.testing.assert_allclose(fitted.x, res.x, rtol=1e-6)


@pytest.mark.parametrize("jac", ["3-point", "cs"])
@pytest.mark.parametrize("f", [numba.njit(decay), decay], ids=["compiled", "plain"])
def test_fits_by_scipys_schemes(f, jac):
    popt, pcov = numbaopt.curve_fit(f, T, Y, [2.0, 1.0, 0.5], SIGMA, jac=jac)
    expected = numbaopt.curve_fit(decay, T, Y, [2.0, 1.0, 0.5], SIGMA)
    np.testing.assert_allclose(popt, expected[0], rtol=1e-7)
    np.testing.assert_allclose(pcov, expected[1], rtol=1e-6)
    batch = numbaopt.curve_fit_batch(f, T, [Y, Y], [2.0, 1.0, 0.5], SIGMA, jac=jac)
    np.testing.assert_array_equal(batch.popt, [popt, popt])
    assert batch.gradient == jac
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        elsewhere = numbaopt.curve_fit_batch(f, T, [Y, Y], [2.0, 1.0, 0.5], SIGMA, jac=jac, executor=executor)
    np.testing.assert_array_equal(elsewhere.popt, batch.popt)


def of_sets(t, a, b, c):
    """Nothing that numba compiles."""
    return np.array([decay(v, a, b, c) for v in {"t": t}["t"]])


def test_autodiff_is_had_where_it_is_asked_for_or_an_error():
    without_source = numba.njit(eval("lambda t, a, b, c: a * t + b * t**2 + c"))
    popt, pcov = numbaopt.curve_fit(decay, T, Y)
    again, covariance = numbaopt.curve_fit(decay, T, Y, jac="autodiff")
    np.testing.assert_array_equal(again, popt)
    np.testing.assert_array_equal(covariance, pcov)
    for fit, y in ((numbaopt.curve_fit, Y), (numbaopt.curve_fit_batch, Y[None])):
        with pytest.raises(numbaopt.autodiff.NotDifferentiable, match="its source is not available"):
            fit(without_source, T, y, [1.0, 1.0, 1.0], jac="autodiff")
        with pytest.raises(TypeError, match='jac="autodiff" needs a model that numba compiles'):
            fit(of_sets, T, y, [1.0, 1.0, 1.0], jac="autodiff")
    with pytest.raises(TypeError, match=r'jac="autodiff" needs a function compiled by numba, but .*<lambda>'):
        numbaopt.least_squares(lambda x: x - 1, [0.0], "autodiff")


# --- the method ------------------------------------------------------------------------------------------------------


def test_bounds_are_never_left_and_found_where_scipy_finds_them():
    seen = []

    def fun(x):
        seen.append(x)
        return np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]])

    res = numbaopt.least_squares(fun, [-1.2, 0.5], bounds=([-1.5, -1], [0.8, 0.55]))
    expected = scipy.optimize.least_squares(fun, [-1.2, 0.5], bounds=([-1.5, -1], [0.8, 0.55]))
    np.testing.assert_allclose(res.x, expected.x, atol=1e-6)
    assert np.all((np.array(seen) >= [-1.5, -1]) & (np.array(seen) <= [0.8, 0.55]))
    assert res.active_mask.tolist() == [0, 1]


def test_equal_bounds_hold_a_parameter_which_then_has_no_variance():
    popt, pcov = numbaopt.curve_fit(decay, T, Y, [1, 1, 0.4], bounds=([0, 0, 0.4], [9, 9, 0.4]))
    expected, covariance = scipy.optimize.curve_fit(lambda t, a, b: decay(t, a, b, 0.4), T, Y)
    assert popt[2] == 0.4
    np.testing.assert_allclose(popt[:2], expected, rtol=1e-6)
    np.testing.assert_allclose(pcov[:2, :2] * 47 / 48, covariance, rtol=1e-4)
    assert not pcov[2].any()


def test_geodesic_acceleration_takes_fewer_steps_in_a_curved_valley():
    problem = load_nist(FOLDER / "Bennett5.dat")
    plain, bent = (
        numbaopt.curve_fit(
            MODELS["Bennett5"], problem.x, problem.y, problem.starts[0], full_output=True, geodesic=geodesic
        )[2]["result"]
        for geodesic in (False, True)
    )
    assert digits(bent.x, problem.certified) >= 6
    assert bent.nit < plain.nit / 5


@pytest.mark.parametrize(
    "wrong", [lambda J: -J, lambda J: J[:, ::-1], lambda J: 0.01 * J + 1], ids=["-J", "order", "+1"]
)
def test_a_wrong_jacobian_is_never_a_success(wrong):
    def fun(x):
        return np.array([10 * (x[1] - x[0] ** 2), 1 - x[0], x[1] + 2])

    def jac(x):
        return wrong(np.array([[-20 * x[0], 10], [-1, 0], [0, 1.0]]))

    res = numbaopt.least_squares(fun, [-1.2, 1.0], jac)
    best = numbaopt.least_squares(fun, [-1.2, 1.0])
    assert best.success
    assert not res.success or res.cost <= best.cost * (1 + 1e-6)


def test_a_step_that_the_bounds_turn_uphill_is_no_success():
    A = np.array([[1.0, 0.99], [0.99, 1.0], [0.1, -0.1]])

    def fun(x):
        return A @ x - np.array([1.0, -1.0, 0.5])

    for low in (-1e-9, -1e-3, -0.1):
        bounds = ([low, -np.inf], [np.inf, np.inf]), ([-np.inf, low], [np.inf, np.inf])
        for each in (*bounds, ([low, low], [0.3, 0.3])):
            res = numbaopt.least_squares(fun, [0.0, 0.0], bounds=each)
            expected = scipy.optimize.least_squares(fun, [0.0, 0.0], bounds=each, ftol=1e-14, xtol=1e-14, gtol=1e-12)
            assert res.success
            assert res.cost <= expected.cost * (1 + 1e-6)


def test_geodesic_acceleration_stays_within_the_bounds():
    seen = []

    def fun(x):
        seen.append(x)
        return np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]])

    bounds = ([-1.3, -0.5], [0.9, 1.1])
    res = numbaopt.least_squares(fun, [-1.2, 1.0], bounds=bounds, geodesic=True)
    assert res.x[0] == pytest.approx(0.9)
    assert np.all((np.array(seen) >= bounds[0]) & (np.array(seen) <= bounds[1]))


def test_minimize_takes_residuals_by_this_method():
    @numba.njit
    def fun(x):
        return np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]])

    for method in ("lm", "levenberg-marquardt", LevenbergMarquardt(factor=10)):
        res = numbaopt.minimize(fun, [-1.2, 1.0], method=method, options={"history": True})
        assert res.success
        assert res.fun == pytest.approx(0, abs=1e-20)
        assert len(res.history.fun) == res.nit + 1


def test_regions_where_the_residuals_are_nan_are_left_again():
    @numba.njit
    def fun(x):
        return np.array([np.log(x[0]), np.sqrt(x[0]) - 1])

    res = numbaopt.least_squares(fun, [8.0])
    assert res.success
    np.testing.assert_allclose(res.x, 1)


# --- bad input -------------------------------------------------------------------------------------------------------

BAD = {
    "fewer points": ({"xdata": T[:2], "ydata": Y[:2]}, TypeError, r"fewer data points \(2\) than parameters \(3\)"),
    "sigma 0": ({"sigma": SIGMA * 0}, ValueError, r"sigma\[0\] = 0 must be > 0"),
    "sigma < 0": ({"sigma": -SIGMA}, ValueError, r"sigma\[0\] = -.* must be > 0"),
    "sigma NaN": ({"sigma": SIGMA * np.nan}, ValueError, r"sigma\[0\] = nan must be > 0"),
    "sigma shape": ({"sigma": SIGMA[:4]}, ValueError, r"sigma has shape \(4,\); for ydata of shape \(50,\)"),
    "p0 outside": ({"p0": [1, 1, 1], "bounds": ([2, 0, 0], 3)}, ValueError, r"p0\[0\] = 1 is outside its bounds"),
    "NaN": ({"ydata": np.where(T > 3, np.nan, Y)}, ValueError, r"ydata\[37\] = nan is not finite"),
    "shapes": ({"ydata": Y[:7]}, ValueError, r"\(50,\) for xdata of shape \(50,\), but ydata has shape \(7,\)"),
    "empty": ({"xdata": [], "ydata": []}, ValueError, "ydata is empty"),
    "keyword": ({"ftoll": 1}, TypeError, "unexpected keyword 'ftoll'"),
    "method": ({"method": "adam"}, ValueError, "method='adam' must be one of"),
    "loss": ({"loss": "l1"}, TypeError, "loss must be one of linear, soft_l1"),
    "jac": ({"jac": "4-point"}, ValueError, 'jac=\'4-point\' must be a function, "autodiff", "2-point"'),
    "too few evaluations": ({"maxfev": 3}, RuntimeError, r"Optimal parameters not found: .* 3 evaluations"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    given, error, text = BAD[case]
    with pytest.raises(error, match=text):
        numbaopt.curve_fit(**({"f": decay, "xdata": T, "ydata": Y} | given))


def test_a_singular_jacobian_gives_an_infinite_covariance_and_a_warning():
    def model(t, a, b):
        return (a + b) * t

    with pytest.warns(scipy.optimize.OptimizeWarning, match="Covariance of the parameters could not be estimated"):
        popt, pcov = numbaopt.curve_fit(model, T, 3 * T + 0.1 * np.sin(T))
    assert popt.sum() == pytest.approx(3, abs=0.1)
    assert np.isinf(pcov).all()
