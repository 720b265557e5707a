"""Sums into one element of an array are taken out of the loops of generated gradients, where that changes nothing."""

from __future__ import annotations

import numba
import numpy as np
import pytest

import numbaopt
from numbaopt.autodiff import source
from numbaopt.autodiff.sums import Kinds, sums_outside

X = np.array([0.3, -1.2, 0.7, 2.0])


def text_and_gradient(function, x, *args):
    compiled = numba.njit(function)
    return source(compiled, x, *args), numbaopt.grad(compiled)(x, *args)


def one_and_others(x):
    s = 0.0
    for j in range(1, x.size):
        s += np.exp(x[0] * x[j])
    return s


def test_a_sum_is_taken_out():
    text, g = text_and_gradient(one_and_others, X)
    assert "if x.size > 1:\n        x_b[0] += total" in text
    e = np.exp(X[0] * X[1:])
    np.testing.assert_allclose(g, [np.sum(e * X[1:]), *(e * X[0])], rtol=1e-14)


def test_a_loop_that_is_not_run_touches_nothing():
    def beyond(x, k, m):
        s = x[0] ** 2
        for j in range(m):
            s += x[k] * x[j]
        return s

    text, g = text_and_gradient(beyond, X, 10**9, 0)
    assert "+= total" in text
    np.testing.assert_array_equal(g, [2 * X[0], 0, 0, 0])


def test_backwards():
    def down(x):
        s = 0.0
        for j in range(x.size - 1, 0, -1):
            s = s * 0.5 + x[0] * x[j]
        return s

    g = text_and_gradient(down, X)[1]
    weights = 0.5 ** np.arange(X.size - 1)
    np.testing.assert_allclose(g, [np.sum(weights * X[1:]), *(weights * X[0])], rtol=1e-14)


def test_second_derivatives_where_the_first_are_zero():
    def distances(x):
        s = 0.0
        for j in range(1, x.size):
            s += (x[0] - x[j]) ** 2
        return s

    fun = numba.njit(distances)
    H = numbaopt.hessian(fun)(np.ones(4))
    np.testing.assert_array_equal(H, [[6, -2, -2, -2], [-2, 2, 0, 0], [-2, 0, 2, 0], [-2, 0, 0, 2]])


def test_matrices():
    def rows(A):
        s = 0.0
        for i in range(A.shape[0]):
            for j in range(i + 1, A.shape[1]):
                s += A[i, 0] * A[i, j] ** 2
        return s

    A = np.arange(12.0).reshape(3, 4)
    text, g = text_and_gradient(rows, A)
    assert "A_b[i, 0] += total" in text
    expected = np.zeros_like(A)
    for i in range(3):
        expected[i, 0] += np.sum(A[i, i + 1 :] ** 2)
        expected[i, i + 1 :] += 2 * A[i, 0] * A[i, i + 1 :]
    np.testing.assert_allclose(g, expected, rtol=1e-14)


@pytest.mark.parametrize(
    "reads",
    [
        "y_b += x_b * c",  # whole arrays, which may share memory
        "y_b[j] += g[j] * c",  # an array of unknown memory
        "t = g * c",
        "t = np.sum(x)",
        "x_b = y_b",
        "x_b[j] = 0.0",
        "t = x_b[j]",
        "put(x_b)",
    ],
)
def test_what_could_see_the_sum_before_it_is_there_keeps_it_where_it_is(reads):
    arrays, numbers = {"x_b", "y_b", "x"}, {"c", "j", "n"}
    kinds = Kinds(
        lambda name: name in ("x", "c", "j", "n"),
        lambda name: name in ("j", "n"),
        lambda name: True if name in numbers else False if name in arrays else None,
        lambda name: int(name in ("x_b", "y_b")),
    )
    loop = ["for j in range(n):", "    x_b[0] += x[j] * c"]
    assert sums_outside(loop, kinds)[0] == "total = 0.0"
    assert sums_outside([*loop, f"    {reads}"], kinds) == [*loop, f"    {reads}"]


def overwritten(x):
    y = np.zeros(x.size)
    s = 0.0
    for j in range(x.size):
        y[0] = x[0] * x[j]
        s += y[0] ** 2
    return s


def a_local_array(x):
    y = x * 2.0
    s = 0.0
    for j in range(x.size):
        y[1] = y[1] * x[j]
        s += y[1] * y[0]
    return s


def through_a_view(x):
    v = x[1:]
    s = 0.0
    for j in range(v.size):
        s += x[1] * v[j] * v[0]
    return s


def index_that_moves(x):
    s, k = 0.0, 0
    for j in range(x.size):
        s += x[k] * x[j]
        k = (k + 1) % 2
    return s


def leaves_early(x):
    s = 0.0
    for j in range(x.size):
        if x[j] > 1.0:
            break
        s += x[0] * x[j]
    return s


def by_a_list_of_places(x):
    s, k = 0.0, np.array([0, 0, 1])
    for j in range(x.size):
        s += np.sum(x[k]) * x[j]
    return s


@pytest.mark.parametrize(
    "function", [overwritten, a_local_array, through_a_view, index_that_moves, leaves_early, by_a_list_of_places]
)
def test_gradients_stay_right(function):
    _, g = text_and_gradient(function, X)
    expected = np.empty_like(X)
    for i in range(X.size):
        step = np.zeros_like(X)
        step[i] = 1e-5
        expected[i] = (function(X + step) - function(X - step)) / 2e-5
    np.testing.assert_allclose(g, expected, rtol=1e-7, atol=1e-8)
