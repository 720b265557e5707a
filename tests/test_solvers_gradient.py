"""L-BFGS-B, BFGS, conjugate gradients and truncated Newton: against scipy's, at bounds, and where functions are bad."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
from numba import njit
from scipy.optimize import rosen, rosen_der, rosen_hess, rosen_hess_prod

import numbaopt
from numbaopt import Status, minimize
from numbaopt.problems import MORE_GARBOW_HILLSTROM, rosenbrock_inplace

METHODS = ("lbfgs", "bfgs", "cg", "newton-cg")
SCIPY = {
    "lbfgs": ("L-BFGS-B", {"ftol": 0, "gtol": 1e-8, "maxfun": 20_000, "maxiter": 20_000}),
    "bfgs": ("BFGS", {"gtol": 1e-8, "maxiter": 10_000}),
    "cg": ("CG", {"gtol": 1e-8, "maxiter": 5_000}),
    "newton-cg": ("trust-ncg", {"gtol": 1e-8}),
}
START = np.tile([-1.2, 1.0], 5)

each = pytest.mark.parametrize("method", METHODS)


@njit
def quartic_inplace(x, g):
    """Sum of (x_i - i)^4 + i x_i^2, not quadratic and not degenerate."""
    f = 0.0
    for i in range(x.size):
        d = x[i] - i
        f += d**4 + (i + 1) * x[i] ** 2
        g[i] = 4 * d**3 + 2 * (i + 1) * x[i]
    return f


@njit
def half_defined_inplace(x, g):
    """x - log(x) for each element, which is NaN for x < 0 and inf at 0."""
    f = 0.0
    for i in range(x.size):
        f += 10 * x[i] - np.log(x[i])
        g[i] = 10 - 1 / x[i]
    return f


@njit
def linear_inplace(x, g):
    f = 0.0
    for i in range(x.size):
        f += (i + 1) * x[i]
        g[i] = i + 1
    return f


@njit
def uphill_inplace(x, g):
    """A gradient of the wrong sign."""
    f = 0.0
    for i in range(x.size):
        f += x[i] ** 2
        g[i] = -2 * x[i]
    return f


def solve(fun, x0, method, **given):
    return minimize(fun, x0, jac="inplace", method=method, **given)


class Counted:
    """Value and gradient of a problem; at which evaluation the first point was that has it solved."""

    def __init__(self, problem):
        self.problem, self.count, self.solved_at = problem, 0, None

    def __call__(self, x):
        g = np.empty_like(x)
        f = self.problem.fun(x, g)
        self.count += 1
        near = any(abs(f - m) <= max(1e-5 * abs(m), 1e-8 * (m == 0)) for m in self.problem.minimum)
        if near and self.solved_at is None:
            self.solved_at = self.count
        return f, g

    def hessian(self, x):
        def gradient(x):
            g = np.empty_like(x)
            self.problem.fun(x, g)
            return g

        H = np.empty((x.size, x.size))
        for i in range(x.size):
            e = np.zeros(x.size)
            e[i] = 1e-6 * max(1, abs(x[i]))
            H[i] = (gradient(x + e) - gradient(x - e)) / (2 * e[i])
        return (H + H.T) / 2


# --- the test problems ------------------------------------------------------------------------------------------------


@each
@pytest.mark.filterwarnings("ignore")
def test_as_many_problems_as_by_scipy_are_solved_with_no_more_evaluations(method):
    name, options = SCIPY[method]
    solved, solved_by_scipy, ratios = 0, 0, []
    with np.errstate(all="ignore"):
        for problem in MORE_GARBOW_HILLSTROM.values():
            ours, theirs, x0 = Counted(problem), Counted(problem), np.array(problem.x0)
            second = {"hess": ours.hessian} if method == "newton-cg" else {}
            minimize(ours, x0, jac=True, method=method, options={"gtol": 1e-8, "maxiter": 2000}, **second)
            scipy.optimize.minimize(theirs, x0, jac=True, method=name, options=options, **second)
            solved += ours.solved_at is not None
            solved_by_scipy += theirs.solved_at is not None
            if ours.solved_at and theirs.solved_at:
                ratios.append(ours.solved_at / theirs.solved_at)
    assert solved >= max(solved_by_scipy, 34)
    assert np.median(ratios) <= 1


@each
def test_python_and_compiled_functions_give_the_same(method):
    def plain(x):
        g = np.empty_like(x)
        return rosenbrock_inplace.py_func(x, g), g

    compiled = solve(rosenbrock_inplace, START, method)
    python = minimize(plain, START, jac=True, method=method)
    assert compiled.success and python.success
    assert abs(compiled.nit - python.nit) <= 1
    np.testing.assert_allclose(compiled.x, python.x, rtol=1e-5)


@each
def test_float32_stays_float32(method):
    found = solve(quartic_inplace, np.ones(4, np.float32), method, options={"gtol": 1e-3})
    exact = solve(quartic_inplace, np.ones(4), method)
    assert found.x.dtype == np.float32 and found.success and exact.success
    np.testing.assert_allclose(found.x, exact.x, atol=1e-3)


@each
def test_one_variable_and_a_start_at_the_minimum(method):
    found = solve(quartic_inplace, [3.0], method)
    assert found.success and abs(found.x[0]) < 1e-2
    start = solve(rosenbrock_inplace, np.ones(6), method)
    assert (start.nit, start.nfev, start.success) == (0, 1, True)


# --- bounds -----------------------------------------------------------------------------------------------------------


def bounded_cases():
    rng = np.random.default_rng(1)
    yield [(None, 0.5)] * 10, np.full(10, -1.2)
    yield [(-2, 0.5)] + [(None, None)] * 9, START.clip(None, 0.5)
    yield [(-2, 0.3 * i) for i in range(4, 14)], START
    yield [(0.1 * i, None) for i in range(10)], np.maximum(START, 0.1 * np.arange(10))
    for _ in range(8):
        low = rng.uniform(-1, 1, 10)
        high = low + rng.exponential(1, 10)
        yield list(zip(low, high, strict=True)), rng.uniform(low, high)


def test_the_minimum_within_bounds_is_that_of_scipy():
    def fun(x, seen=None):
        return rosen(x), rosen_der(x)

    for bounds, x0 in bounded_cases():
        low, high = np.array([(-np.inf if a is None else a, np.inf if b is None else b) for a, b in bounds]).T
        ours = solve(rosenbrock_inplace, x0, "l-bfgs-b", bounds=bounds, options={"gtol": 1e-8})
        theirs = scipy.optimize.minimize(
            fun, x0, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 0, "gtol": 1e-8}
        )
        assert ours.success, ours.message
        assert ours.fun <= theirs.fun + 1e-6 * abs(theirs.fun) + 1e-12
        assert (ours.x >= low).all() and (ours.x <= high).all()
        held = (theirs.x == low) | (theirs.x == high)
        assert ((ours.x == low) | (ours.x == high))[held].all()  # exactly


@pytest.mark.parametrize("scale", [1.0, 3.7])
def test_every_evaluation_is_within_the_bounds(scale):
    bounds = [(-1.5, 0.9)] * 6

    def fun(x):
        assert (x >= -1.5).all() and (x <= 0.9).all()
        return rosen(x), rosen_der(x)

    found = minimize(fun, np.full(6, -1.2), jac=True, method="lbfgs", bounds=bounds, options={"x_scale": scale})
    assert found.success and found.x[0] == 0.9


def test_a_large_quadratic_within_bounds():
    rng = np.random.default_rng(0)
    n = 500
    curve, target = np.logspace(0, 3, n), rng.standard_normal(n)

    def fun(x):
        d = x - target
        return 0.5 * (curve * d) @ d, curve * d

    found = minimize(fun, np.zeros(n), jac=True, method="lbfgs", bounds=[(-0.5, 0.5)] * n, options={"gtol": 1e-9})
    assert found.success
    np.testing.assert_allclose(found.x, target.clip(-0.5, 0.5), atol=1e-5)
    assert (found.x[np.abs(target) > 0.5] == target.clip(-0.5, 0.5)[np.abs(target) > 0.5]).all()


@pytest.mark.parametrize("method", ("bfgs", "cg", "newton-cg"))
def test_other_methods_take_no_bounds(method):
    with pytest.raises(ValueError, match=r"takes no bounds\. Methods that do: .*LBFGSB"):
        solve(quartic_inplace, np.ones(3), method, bounds=[(0, 1)] * 3)


@each
def test_fixed_coordinates_stay(method):
    x0 = np.array([0.5, -1.25, 2.0, 0.75])
    found = solve(quartic_inplace, x0, method, options={"fixed": [1, 3]})
    assert found.success
    assert (found.x[[1, 3]] == x0[[1, 3]]).all() and (found.x[[0, 2]] != x0[[0, 2]]).all()


@each
def test_x_scale_is_a_change_of_variables(method):
    scale = 2.0 ** np.array([-3, 0, 4, 7])

    def scaled(x):
        g = np.empty_like(x)
        return quartic_inplace.py_func(x / scale, g), g / scale

    x0 = np.array([1.0, 2.0, -1.0, 0.5])
    found = minimize(
        scaled, x0 * scale, jac=True, method=method, options={"x_scale": scale, "maxiter": 5, "gtol": None}
    )
    plain = solve(quartic_inplace, x0, method, options={"maxiter": 5, "gtol": None})
    rounding = 1e-7 if method == "newton-cg" else 1e-12  # of differences of the gradient
    np.testing.assert_allclose(found.x / scale, plain.x, rtol=rounding)


# --- bad functions ----------------------------------------------------------------------------------------------------


@each
def test_points_where_fun_is_nan_are_stepped_back_from(method):
    found = solve(half_defined_inplace, [0.001, 5.0, 90.0], method)
    assert found.success, found.message
    np.testing.assert_allclose(found.x, 0.1, rtol=1e-4)


@each
def test_a_function_without_a_minimum_ends_with_a_message(method):
    found = solve(linear_inplace, np.zeros(3), method, options={"maxfev": 20_000})
    assert not found.success and found.status == Status.NONFINITE, found.message
    assert "no minimum" in found.message and np.isfinite(found.fun) and np.isfinite(found.x).all()


@each
def test_a_wrong_gradient_is_no_success(method):
    found = solve(uphill_inplace, [1.0, 2.0], method)
    assert not found.success and found.status == Status.ROUNDING
    np.testing.assert_array_equal(found.x, [1.0, 2.0])


@each
def test_what_fun_raises_is_raised(method):
    calls = []

    def fun(x):
        calls.append(1)
        if len(calls) == 5:
            raise KeyError("five")
        return rosen(x), rosen_der(x)

    with pytest.raises(KeyError, match="five") as raised:
        minimize(fun, START, jac=True, method=method)
    assert len(calls) == 5 and np.isfinite(raised.value.result.fun)


@each
def test_maxfev_is_never_passed(method):
    for maxfev in range(1, 14):
        found = solve(rosenbrock_inplace, START, method, options={"maxfev": maxfev})
        assert found.nfev <= maxfev and found.status == Status.MAXFEV
        assert found.fun == rosenbrock_inplace(found.x, np.empty(10)) <= 2057.0000000000005


# --- interruptions ----------------------------------------------------------------------------------------------------


@each
def test_a_run_in_slices_is_the_same(method, tmp_path):
    seen = []
    options = {"history": True, "maxiter": 12}
    whole = solve(rosenbrock_inplace, START, method, options=options)
    sliced = solve(rosenbrock_inplace, START, method, options=options | {"callback_every": 1}, callback=seen.append)
    assert whole.nit == 12 and len(seen) == 12 and whole.status == Status.MAXITER
    np.testing.assert_array_equal(whole.x, sliced.x)
    np.testing.assert_array_equal(whole.history.fun, sliced.history.fun)
    assert (np.diff(whole.history.fun) <= 0).all()
    saving = {"history": True, "checkpoint": tmp_path / "run", "resume": True}
    solve(rosenbrock_inplace, START, method, options=saving | {"maxiter": 5})
    resumed = solve(rosenbrock_inplace, START, method, options=saving | {"maxiter": 12})
    np.testing.assert_array_equal(whole.x, resumed.x)
    assert (whole.nit, whole.nfev) == (resumed.nit, resumed.nfev)
    np.testing.assert_array_equal(whole.history.fun, resumed.history.fun)


# --- L-BFGS-B's memory ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("memory", [0, 2.5, -1, 1e9])
def test_memory_must_be_a_number_of_pairs(memory):
    with pytest.raises(ValueError, match=r"memory must be an integer in \[1, 1000\]"):
        numbaopt.LBFGSB(memory=memory)


@pytest.mark.parametrize("memory", [1, 3, 30])
def test_any_memory_finds_the_minimum(memory):
    for bounds in (None, [(None, 0.8)] * 10):
        found = solve(rosenbrock_inplace, START.clip(None, 0.8), numbaopt.LBFGSB(memory=memory), bounds=bounds)
        assert found.success, found.message


# --- second derivatives -----------------------------------------------------------------------------------------------


@njit
def saddle(x):
    """A saddle at 0, minima at (+-1, 0)."""
    return x[0] ** 4 / 4 - x[0] ** 2 / 2 + x[1] ** 2


def test_negative_curvature_is_left_along_the_radius():
    found = minimize(saddle, [1e-4, 1.0], method="newton-cg")
    assert found.success and found.hessian == "autodiff"
    np.testing.assert_allclose(np.abs(found.x), [1, 0], atol=1e-5)


def test_second_derivatives_from_all_sources():
    x0 = START[:4]
    sources = {
        "hessp": minimize(rosen, x0, jac=rosen_der, hessp=rosen_hess_prod, method="newton-cg"),
        "hess": minimize(rosen, x0, jac=rosen_der, hess=rosen_hess, method="newton-cg"),
        "differences of the gradient": minimize(rosen, x0, jac=rosen_der, method="newton-cg"),
    }
    for name, found in sources.items():
        assert found.hessian == name and found.success
        assert (found.nhev == 0) == (name == "differences of the gradient")
    assert abs(sources["hessp"].nit - sources["hess"].nit) <= 1
    by_values = minimize(rosen, x0, method="newton-cg", options={"gtol": 1e-4})
    assert by_values.success and by_values.hessian == "differences of the gradient"


def test_compiled_second_derivatives():
    product, hessian = numbaopt.hvp(saddle), numbaopt.hessian(saddle)
    exact = minimize(saddle, [0.5, 1.0], method="newton-cg")
    by_product = minimize(saddle, [0.5, 1.0], method="newton-cg", hessp=product)
    by_matrix = minimize(saddle, [0.5, 1.0], method="newton-cg", hess=hessian)
    assert (by_product.hessian, by_matrix.hessian) == ("hessp", "hess")
    np.testing.assert_allclose(by_product.x, exact.x, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(by_matrix.x, exact.x, rtol=1e-12, atol=1e-12)
    assert by_matrix.nhev <= by_product.nhev


def test_second_derivatives_of_the_wrong_shape_are_refused():
    with pytest.raises(ValueError, match=r"must have shape \(2, 2\), not \(2,\)"):
        minimize(rosen, START[:2], jac=rosen_der, hess=lambda x: x, method="newton-cg")
    with pytest.raises(TypeError, match="hessp=3 must be a function"):
        minimize(rosen, START[:2], jac=rosen_der, hessp=3, method="newton-cg")


def test_methods_that_do_not_use_second_derivatives_say_so():
    with pytest.warns(RuntimeWarning, match="does not use Hessian information"):
        minimize(rosen, START[:2], jac=rosen_der, hess=rosen_hess, method="bfgs")
