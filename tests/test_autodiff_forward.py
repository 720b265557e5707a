"""Forward mode and second derivatives: exact on every construct, in every shape."""

from __future__ import annotations

import autodiff_constructs
import numba
import numpy as np
import pytest
from autodiff_array_constructs import CONSTRUCTS as ARRAY_CONSTRUCTS
from dual_numbers import derivatives
from numba import njit
from scipy.optimize import minimize as scipy_minimize

import numbaopt
from numbaopt.autodiff import NotDifferentiable
from numbaopt.autodiff.derivatives import HELPERS
from numbaopt.autodiff.files import loaded
from numbaopt.autodiff.forward import generate_tangents
from numbaopt.autodiff.generation import generate

X = np.array([0.7, -0.4, 1.1, 0.35, -0.8])
MATRIX = np.random.default_rng(0).normal(size=(5, 5))
CONSTRUCTS = autodiff_constructs.CONSTRUCTS + ARRAY_CONSTRUCTS


def run(generated, *args):
    """What the generated text gives, run by CPython."""
    namespace = dict(generated.environment) | {name: helper.py_func for name, helper in HELPERS.items()}
    exec(compile(generated.text, "<tangents>", "exec"), namespace)
    return namespace[generated.name](*args)


def further(function):
    """Arguments of a construct after x."""
    return tuple(MATRIX.copy() for _ in range(function.__code__.co_argcount - 1))


@pytest.mark.parametrize("function", CONSTRUCTS, ids=lambda f: f.__name__)
def test_construct(function):
    """Two tangents at once are exact, and no argument is changed."""
    args, x, found = further(function), X.copy(), []
    generated = generate_tangents(function, tuple(numba.typeof(a) for a in (x, *args)), (0,), 2)
    expected_value, expected = derivatives(function, X.copy(), *args)
    for i in range(0, X.size, 2):
        one, two = np.zeros(X.size), np.zeros(X.size)
        one[i], two[min(i + 1, X.size - 1)] = 1, 1
        value, *tangents = run(generated, x, *args, one, two)
        found += tangents
    assert value == pytest.approx(expected_value, rel=1e-13)
    np.testing.assert_allclose(found[: X.size], expected, rtol=1e-13, atol=1e-13 * np.abs(expected).max())
    assert np.array_equal(x, X)
    assert all(np.array_equal(a, MATRIX) for a in args)


@pytest.mark.parametrize("function", CONSTRUCTS, ids=lambda f: f.__name__)
def test_second_derivatives_of_construct(function):
    """Forward mode of the generated gradient: symmetric to rounding, and what differences of the gradient give."""
    args, n = further(function), X.size
    given = tuple(numba.typeof(a) for a in (X, *args))
    reverse = generate(function, given, (0,))
    forward = generate_tangents(loaded(reverse)[0], (*given, given[0]), (0,), 1, gradient=True)

    def gradient(x):
        run(reverse, x, *args, g := np.empty(n))
        return g

    hessian, differences, step = np.empty((n, n)), np.empty((n, n)), 1e-4
    for i, e in enumerate(np.eye(n)):
        run(forward, X.copy(), *args, np.empty(n), e.copy(), hessian[i])
        inner = gradient(X + step * e) - gradient(X - step * e)
        outer = gradient(X + 2 * step * e) - gradient(X - 2 * step * e)
        differences[i] = (8 * inner - outer) / (12 * step)
    size = np.abs(hessian).max() + 1e-8
    assert np.abs(hessian - hessian.T).max() < 1e-12 * size
    assert np.abs(hessian - differences).max() < 1e-8 * size
