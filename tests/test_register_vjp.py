"""Derivatives that users give for their own functions."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from numba import njit

import numbaopt
from numbaopt.autodiff import NotDifferentiable


@njit
def root(a):
    """x with x + exp(x) = a."""
    x = 0.0
    for _ in range(60):
        x -= (x + np.exp(x) - a) / (1 + np.exp(x))
    return x


@njit
def same_root(a):
    return root(a)


@numbaopt.register_vjp(same_root)
def root_vjp(g, x, a):
    return g / (1 + np.exp(x))


@njit
def by_loops(p):
    s = 0.0
    for i in range(p.size):
        s += root(p[i] * 2) ** 2
    return s + root(a=3 * p[0])


@njit
def by_given(p):
    s = 0.0
    for i in range(p.size):
        s += same_root(p[i] * 2) ** 2
    return s + same_root(a=3 * p[0])


P = np.array([1.5, 0.5, 2.5])


def test_used_in_both_modes_and_in_second_derivatives():
    expected = numbaopt.grad(by_loops)(P)
    np.testing.assert_allclose(numbaopt.grad(by_given)(P), expected, rtol=1e-13)
    np.testing.assert_allclose(numbaopt.jacobian(by_given, mode="forward")(P), expected, rtol=1e-13)
    np.testing.assert_allclose(numbaopt.hessian(by_given)(P), numbaopt.hessian(by_loops)(P), rtol=1e-12, atol=1e-14)


def test_the_text_calls_it():
    text = numbaopt.autodiff.source(by_given, P)
    assert "vjp_of_same_root(" in text
    assert "np.exp" not in text


def test_arrays_and_default_arguments():
    @njit
    def power(u, k, scale=2.0):
        return u**k * scale

    @numbaopt.register_vjp(power)
    @njit
    def power_vjp(g, r, u, k, scale):
        return g * k * u ** (k - 1) * scale, 0, np.sum(g * u**k)

    @njit
    def f(x):
        w = power(np.sin(x), 3, x[0])
        return np.sum(w * w) + power(x, 2).sum()

    @njit
    def plain(x):
        w = np.sin(x) ** 3 * x[0]
        return np.sum(w * w) + (x**2 * 2.0).sum()

    np.testing.assert_allclose(numbaopt.grad(f)(P), numbaopt.grad(plain)(P), rtol=1e-13)
    with pytest.raises(NotDifferentiable, match="an array with a derivative of its own, in forward mode"):
        numbaopt.jacobian(f, mode="forward")(P)


def test_a_function_without_source():
    namespace = {"np": np}
    exec("def hidden(a):\n    return np.sin(a)\n", namespace)
    hidden = njit(namespace["hidden"])

    @njit
    def f(x):
        return hidden(x[0]) * x[1]

    with pytest.raises(NotDifferentiable, match="its source is not available"):
        numbaopt.grad(f)(P)
    numbaopt.register_vjp(hidden, lambda g, r, a: g * np.cos(a))
    np.testing.assert_allclose(numbaopt.grad(f)(P), [np.cos(P[0]) * P[1], np.sin(P[0]), 0.0], rtol=1e-15)


def test_a_wrong_one_is_found_at_x0():
    @njit
    def square(a):
        return a * a

    numbaopt.register_vjp(square, lambda g, r, a: g * a)

    @njit
    def f(x):
        return square(x[0])

    with pytest.raises(ValueError, match="a derivative given to register_vjp is wrong"):
        numbaopt.minimize(f, [3.0], jac="autodiff")


def test_what_is_wrong_is_said():
    with pytest.raises(TypeError, match=r"needs a function compiled by numba, but <lambda>.* is plain Python"):
        numbaopt.register_vjp(lambda a: a, lambda g, r, a: g)
    with pytest.raises(TypeError, match=r"needs a function vjp\(g, result, \*args\), not 3"):
        numbaopt.register_vjp(njit(lambda a: a), 3)
    assert numba.extending.is_jitted(root)
