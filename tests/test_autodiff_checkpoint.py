"""Loops over checkpoint(range(...)): the same gradient to the bit, of which little is recorded."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from numba import njit

import numbaopt
from numbaopt import checkpoint
from numbaopt.autodiff import NotDifferentiable

X = np.array([0.3, 3.1, 0.2, 0.5, 0.7])


@njit
def numbers(x, count):
    z, s = x[0], 0.0
    for t in range(count):
        z = x[1] * z * (1 - z) + 1e-3 * np.sin(t * x[2])
        if t % 3 == 0:
            s += z * z * x[2]
        else:
            s = s * 0.999 + z
    return s * z


@njit
def numbers_in_segments(x, count):
    z, s = x[0], 0.0
    for t in checkpoint(range(count)):
        z = x[1] * z * (1 - z) + 1e-3 * np.sin(t * x[2])
        if t % 3 == 0:
            s += z * z * x[2]
        else:
            s = s * 0.999 + z
    return s * z


@njit
def arrays(x, count):
    u, w, s = np.sin(x), np.zeros(x.size), x[0] * 0.5
    a = s * s
    for t in range(count, -2, -2):
        for i in range(1, x.size - 1):
            w[i] = u[i] + 0.1 * (u[i - 1] - 2 * u[i] + u[i + 1]) * x[i] * s
        w[0] = x[0] * t * 0.1
        u[:] = w
        q = u * u
        s = s * 0.99 + u[2] * 0.01 + 0.001 * q.sum()
    return np.sum(u * u * w) + s * a


@njit
def arrays_in_segments(x, count):
    u, w, s = np.sin(x), np.zeros(x.size), x[0] * 0.5
    a = s * s
    for t in checkpoint(range(count, -2, -2)):
        for i in range(1, x.size - 1):
            w[i] = u[i] + 0.1 * (u[i - 1] - 2 * u[i] + u[i + 1]) * x[i] * s
        w[0] = x[0] * t * 0.1
        u[:] = w
        q = u * u
        s = s * 0.99 + u[2] * 0.01 + 0.001 * q.sum()
    return np.sum(u * u * w) + s * a


@pytest.mark.parametrize(("plain", "marked"), [(numbers, numbers_in_segments), (arrays, arrays_in_segments)])
def test_the_same_to_the_bit(plain, marked):
    expected, found = numbaopt.value_and_grad(plain), numbaopt.value_and_grad(marked)
    for count in (0, 1, 2, 7, 30, 101):
        value, gradient = found(X, count)
        assert value == expected(X, count)[0] == marked(X, count)
        np.testing.assert_array_equal(gradient, expected(X, count)[1])


def test_recorded_is_the_square_root():
    """Of 20,000 steps a tape has hundreds of words, not tens of thousands."""
    text = numbaopt.autodiff.source(numbers_in_segments, X, 1)
    longest = []
    namespace = {
        "fill_1d": lambda a, v: a.fill(v),
        "grown": lambda tape, least: grown(tape, least),
        "np": np,
        "math": math,
    }

    def grown(tape, least):
        longest.append(int(least))
        return np.concatenate([tape, np.empty(max(least, 2 * tape.size) - tape.size, tape.dtype)])

    exec(text, namespace)
    function = next(f for name, f in namespace.items() if name.endswith("_gradient"))
    count = 20_000
    function(X, count, np.empty(5))
    assert max(longest) < 10 * np.sqrt(count)


def test_forward_mode_takes_no_notice():
    np.testing.assert_allclose(
        numbaopt.jacobian(numbers_in_segments, mode="forward")(X, 9), numbaopt.grad(numbers)(X, 9), rtol=1e-13
    )


def test_what_it_does_not_do():
    @njit
    def leaves(x):
        z = x[0]
        for _ in checkpoint(range(9)):
            z = z * z
            if z < 0.1:
                break
        return z

    @njit
    def inner(x):
        z = x[0]
        for _ in range(3):
            for _ in checkpoint(range(9)):
                z = z * x[1]
        return z

    @njit
    def bound_again(x):
        u = x * 1.0
        for _ in checkpoint(range(9)):
            u = u * x
        return u.sum()

    @njit
    def of_an_array(x):
        z = 1.0
        for v in checkpoint(x):
            z = z * v
        return z

    for function, message in (
        (leaves, "`break` or `return` in a loop with checkpoint"),
        (inner, "inside another loop"),
        (bound_again, re.escape("assign its elements: `u[:] = ...`")),
        (of_an_array, re.escape("write checkpoint(range(...))")),
    ):
        with pytest.raises(NotDifferentiable, match=message):
            numbaopt.grad(function)(X)


def test_python_runs_it():
    assert list(checkpoint.py_func(range(3))) == [0, 1, 2]
