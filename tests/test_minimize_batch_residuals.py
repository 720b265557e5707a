"""minimize_batch with method="lm": sums of squares, the same as minimize() one by one."""

from __future__ import annotations

import math
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numba import njit
from scipy.optimize import Bounds

from numbaopt import LevenbergMarquardt, Status, least_squares, minimize, minimize_batch

B, T = 24, np.linspace(0.0, 4.0, 30)


@njit
def misses(p, t, y):
    """Residuals of p0 exp(-p1 t)."""
    return p[0] * np.exp(-p[1] * t) - y


@njit
def jacobian(p, t, y):
    e = np.exp(-p[1] * t)
    return np.stack((e, -p[0] * t * e), axis=1)


def jacobian_in_python(p, t, y):
    return jacobian(p, t, y)


def misses_in_python(p, t, y):
    return p[0] * np.exp(-p[1] * t) - y


@njit
def picky(p, t, y):
    """It raises for some data."""
    if y[0] < 0:
        raise ValueError("negative")
    return p[0] * np.exp(-p[1] * t) - y


@njit
def wavering(p, t, y):
    """The number of residuals depends on p."""
    m = 30 if p[1] > 0.75 else 20
    return t[:m] * p[1] - y[:m]


@njit
def repeated(p, k, y):
    """As many residuals as a number of each problem says."""
    return p[0] * np.arange(k) + p[1] - y[:k]


@njit
def known(p, t, y):
    """Of the values that are not missing."""
    there = np.isfinite(y)
    return p[0] * np.exp(-p[1] * t[there]) - y[there]


@njit
def real_only(p, t, y):
    return np.array([math.exp(-p[1] * v) for v in t]) * p[0] - y


def data(count=B):
    rng = np.random.default_rng(0)
    y = 3 * np.exp(-rng.uniform(0.5, 2.0, (count, 1)) * T) + 0.01 * rng.standard_normal((count, T.size))
    return rng.uniform(0.8, 1.2, (count, 2)), y


def ragged(count=B):
    X0, y = data(count)
    sizes = np.random.default_rng(1).integers(3, T.size + 1, count)
    return X0, [T[:k].copy() for k in sizes], [y[b, :k].copy() for b, k in enumerate(sizes)]


def assert_same(result, ones):
    """All fields the same, to the bit."""
    for b, one in enumerate(ones):
        got = result[b]
        assert np.array_equal(got.x, one.x), b
        assert np.array_equal(got.jac, one.jac), b
        assert (got.fun, got.nit, got.status, got.message) == (one.fun, one.nit, one.status, one.message), b


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("jac", [None, "2-point", jacobian], ids=["exact", "differences", "own"])
def test_equals_minimize(jac, workers):
    X0, y = data()
    options = {"workers": workers, "return_jac": True}
    result = minimize_batch(misses, X0, (T,), y, "lm", jac, options=options)
    assert_same(result, [minimize(misses, X0[b], (T, y[b]), "lm", jac) for b in range(B)])
    assert result.success.all()
    assert result.gradient == {None: "autodiff", jacobian: "jac=jacobian"}.get(jac, jac)
    assert result.workers == workers


@pytest.mark.parametrize("method", ["lm", LevenbergMarquardt(loss="soft_l1", f_scale=0.02)], ids=["linear", "robust"])
def test_ragged(method):
    """Each problem has as many residuals as its own data."""
    X0, t, y = ragged()
    result = minimize_batch(misses, X0, (), (t, y), method, options={"return_jac": True})
    assert_same(result, [minimize(misses, X0[b], (t[b], y[b]), method) for b in range(B)])
    with ThreadPoolExecutor(2) as executor:
        elsewhere = minimize_batch(misses, X0, (), (t, y), method, executor=executor, options={"chunk_size": 5})
    assert np.array_equal(elsewhere.x, result.x)


def test_bounds_of_each_problem():
    X0, y = data()
    upper = np.where(np.arange(B)[:, None] % 2, [2.5, 9.0], [9.0, 0.7])
    bounds, X0 = Bounds(np.zeros((B, 2)), upper), np.minimum(X0, 0.5)
    result = minimize_batch(misses, X0, (T,), y, "lm", bounds=bounds, options={"return_jac": True})
    ones = [
        minimize(misses, X0[b], (T, y[b]), "lm", bounds=Bounds(np.zeros(2), upper[b]), options={"x_scale": [1, 1]})
        for b in range(B)
    ]
    assert_same(result, ones)
    assert (result.x == upper).any()


@pytest.mark.parametrize(
    ("fun", "jac", "name"),
    [
        (misses_in_python, None, "2-point"),
        (misses_in_python, jacobian_in_python, "jac=jacobian_in_python"),
        (misses, "cs", "cs"),
    ],
)
def test_in_python(fun, jac, name):
    X0, y = data(6)
    result = minimize_batch(fun, X0, (T,), y, "lm", jac, options={"return_jac": True})
    assert_same(result, [minimize(fun, X0[b], (T, y[b]), "lm", jac) for b in range(6)])
    assert result.gradient == name


@pytest.mark.parametrize("first", [0, 3])
def test_some_raise(first):
    """Also where the first does, so that its residuals cannot be counted."""
    X0, y = data(8)
    y[first, 0] = -1
    result = minimize_batch(picky, X0, (T,), y, "lm")
    assert result.status[first] == Status.RAISED
    assert result.errors[first] == "ValueError: negative"
    assert np.delete(result.success, first).all()


def test_another_number_of_residuals_on_the_way():
    X0, y = data(4)
    with pytest.warns(RuntimeWarning, match="as many residuals at every x"):
        result = minimize_batch(wavering, X0, (T,), y, "lm")
    assert (result.status == Status.RAISED).all()
    assert np.array_equal(result.x, X0)


def test_as_many_residuals_as_an_item_says():
    X0, y = data(4)
    counts = np.array([3, 12, 30, 7])
    result = minimize_batch(repeated, X0, (), (counts, y), "lm", options={"return_jac": True})
    assert_same(result, [minimize(repeated, X0[b], (counts[b], y[b]), "lm") for b in range(4)])


def test_as_many_residuals_as_are_not_missing():
    X0, y = data(6)
    y[0, 3] = y[4, :20] = np.nan
    result = minimize_batch(known, X0, (T,), y, "lm", "2-point", options={"return_jac": True})
    assert_same(result, [minimize(known, X0[b], (T, y[b]), "lm", "2-point") for b in range(6)])
    assert result.success.all()


def test_a_python_function_is_not_called_to_count_residuals():
    calls = []

    def slow(p, t, y):
        calls.append(0)
        time.sleep(0.01)
        return p[0] * np.exp(-p[1] * t) - y

    X0, t, y = ragged(40)
    result = minimize_batch(slow, X0, (), (t, y), "lm", options={"maxtime": 0.1})
    assert (result.status == Status.MAXTIME).any()
    assert len(calls) < 20


def test_a_warning_names_the_line_of_the_user():
    without_source = njit(eval("lambda p, y: p - y", {}))
    X0, y = np.zeros((2, 3)), np.ones((2, 3))
    for call in (
        lambda: minimize(without_source, X0[0], (y[0],), "lm"),
        lambda: minimize_batch(without_source, X0, (), y, "lm"),
        lambda: least_squares(without_source, X0[0], args=(y[0],)),
    ):
        with pytest.warns(RuntimeWarning, match="The Jacobian is taken by differences") as caught:
            result = call()
        assert caught[0].filename == __file__
        assert result.gradient.startswith("2-point, as autodiff cannot differentiate <lambda>(): its source is not")


def test_complex_numbers_where_compiled_code_does_not_take_them():
    X0, y = data(2)
    text = r'numba cannot compile the function of complex numbers real_only\(\)(.|\n)*use jac="3-point"'
    with pytest.raises(TypeError, match=text):
        minimize(real_only, X0[0], (T, y[0]), "lm", "cs")


def test_complex_steps_take_one_evaluation_for_each_variable():
    calls = []

    def fun(p):
        calls.append(p.dtype.kind)
        return misses.py_func(p, T, y[0])

    X0, y = data(1)
    result = least_squares(fun, X0[0], "cs")
    assert calls.count("c") == 2 * (result.njev + 1)  # the last is for the covariance
    assert len(calls) == 1 + result.nfev + 2  # the first counts the residuals


def test_a_number_is_no_vector():
    @njit
    def number(p, t, y):
        return ((p[0] * np.exp(-p[1] * t) - y) ** 2).sum()

    X0, y = data(4)
    with pytest.raises(TypeError, match="must return a vector of residuals"):
        minimize_batch(number, X0, (T,), y, "lm")
