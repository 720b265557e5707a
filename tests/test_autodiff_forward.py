"""Forward mode and second derivatives: exact on every construct, in every shape."""

from __future__ import annotations

import autodiff_constructs
import numba
import numpy as np
import pytest
from autodiff_array_constructs import CONSTRUCTS as ARRAY_CONSTRUCTS
from dual_numbers import derivatives
from numba import njit
from plain_text import run_plainly
from scipy.optimize import minimize as scipy_minimize

import numbaopt
from numbaopt.autodiff import NotDifferentiable
from numbaopt.autodiff.files import loaded
from numbaopt.autodiff.forward import generate_tangents
from numbaopt.autodiff.generation import generate

X = np.array([0.7, -0.4, 1.1, 0.35, -0.8])
MATRIX = np.random.default_rng(0).normal(size=(5, 5))
CONSTRUCTS = autodiff_constructs.CONSTRUCTS + ARRAY_CONSTRUCTS


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
        value, *tangents = run_plainly(generated, x, *args, one, two)
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
        run_plainly(reverse, x, *args, g := np.empty(n))
        return g

    hessian, differences, step = np.empty((n, n)), np.empty((n, n)), 1e-4
    for i, e in enumerate(np.eye(n)):
        run_plainly(forward, X.copy(), *args, np.empty(n), e.copy(), hessian[i])
        inner = gradient(X + step * e) - gradient(X - step * e)
        outer = gradient(X + 2 * step * e) - gradient(X - 2 * step * e)
        differences[i] = (8 * inner - outer) / (12 * step)
    size = np.abs(hessian).max() + 1e-8
    assert np.abs(hessian - hessian.T).max() < 1e-12 * size
    assert np.abs(hessian - differences).max() < 1e-8 * size


# --- compiled --------------------------------------------------------------------------------------------------------


@njit
def decays(b, t, y):
    """Residuals of a sum of exponentials."""
    return b[0] * np.exp(-b[1] * t) + b[2] - y


T = np.linspace(0.0, 2.0, 7)
B = np.array([2.0, 1.3, 0.4])
DECAYS = np.stack([np.exp(-B[1] * T), -B[0] * T * np.exp(-B[1] * T), np.ones(7)], axis=1)


@njit
def rosenbrock(x):
    s = 0.0
    for i in range(x.size - 1):
        s += 100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2
    return s


@njit
def few(x):
    """Less elements than it has parameters."""
    return np.array([np.sum(x * x), x[0] * x[x.size - 1]])


def test_jacobian_by_columns_and_by_rows():
    for mode in (None, "forward", "reverse"):
        found = numbaopt.jacobian(decays, mode=mode)(B, T, np.ones(7))
        np.testing.assert_allclose(found, DECAYS, rtol=1e-14, atol=1e-15)
    x = np.linspace(1.0, 2.0, 21)
    expected = np.stack([2 * x, np.r_[x[-1], np.zeros(19), x[0]]])
    np.testing.assert_allclose(numbaopt.jacobian(few)(x), expected, rtol=1e-14)


@njit
def trajectory(p, count):
    """A matrix that is filled row by row."""
    slope, y = np.array([[0.0, 1.0], [-p[0], -p[1]]]), np.array([1.0, 0.0])
    out = np.empty((count, 2))
    for i in range(count):
        y = y + 0.1 * slope @ y
        out[i] = y
    return out


def test_jacobian_of_an_array_that_is_filled():
    p, step = np.array([1.0, 0.1]), 1e-6
    by_rows, by_columns = (numbaopt.jacobian(trajectory, mode=mode)(p, 6) for mode in ("reverse", "forward"))
    assert by_rows.shape == (6, 2, 2)
    np.testing.assert_allclose(by_rows, by_columns, rtol=1e-13, atol=1e-15)
    change = np.array([step, 0.0])
    ahead, back = trajectory(p + change, 6), trajectory(p - change, 6)
    np.testing.assert_allclose(by_rows[:, :, 0], (ahead - back) / (2 * step), atol=1e-9)


def test_jacobian_by_several_arguments_inside_compiled_code():
    both = numbaopt.jacobian(decays, argnums=(0, 2), mode="forward")

    @njit
    def normal_matrix(b, t, y):
        jac, by_y = both(b, t, y)
        return jac.T @ jac, by_y

    matrix, by_y = normal_matrix(B, T, np.ones(7))
    np.testing.assert_allclose(matrix, DECAYS.T @ DECAYS, rtol=1e-13)
    np.testing.assert_array_equal(by_y, -np.eye(7))


def test_jacobian_has_the_shapes_of_result_and_argument():
    @njit
    def outer(matrix, a):
        return matrix * matrix.sum() * a

    matrix = np.arange(6.0).reshape(2, 3)
    by_matrix, by_number = numbaopt.jacobian(outer, argnums=(0, 1), mode="forward")(matrix, 2.0)
    expected = 2.0 * (np.einsum("ik,jl->ijkl", np.eye(2), np.eye(3)) * matrix.sum() + matrix[:, :, None, None])
    np.testing.assert_allclose(by_matrix, expected, rtol=1e-14)
    np.testing.assert_allclose(by_number, matrix * matrix.sum(), rtol=1e-14)


def test_forward_gradient_of_a_number():
    x = np.linspace(-1.0, 1.0, 6)
    expected = numbaopt.grad(rosenbrock)(x)
    np.testing.assert_allclose(numbaopt.jacobian(rosenbrock, mode="forward")(x), expected, rtol=1e-14)
    np.testing.assert_array_equal(numbaopt.jacobian(rosenbrock)(x), expected)


def test_hvp_and_hessian():
    """hvp has the form of scipy's hessp."""
    x, p = np.linspace(-1.0, 1.0, 6), np.arange(6)
    hessian = numbaopt.hessian(rosenbrock)(x)
    np.testing.assert_array_equal(hessian, hessian.T)
    expected = np.diag(np.r_[1200 * x[:-1] ** 2 - 400 * x[1:] + 2, 0] + np.r_[0, np.full(5, 200)])
    expected += np.diag(-400 * x[:-1], 1) + np.diag(-400 * x[:-1], -1)
    np.testing.assert_allclose(hessian, expected, rtol=1e-13, atol=1e-12)
    hvp = numbaopt.hvp(rosenbrock)
    np.testing.assert_allclose(hvp(x, p), expected @ p, rtol=1e-12, atol=1e-11)
    result = scipy_minimize(rosenbrock, x, method="Newton-CG", jac=numbaopt.grad(rosenbrock), hessp=hvp, tol=1e-10)
    np.testing.assert_allclose(result.x, np.ones(6), rtol=1e-6)


def test_second_derivatives_by_a_number():
    @njit
    def f(a, x, c=2.0):
        return np.sum(np.sin(a * x)) * c

    x = np.array([0.3, 1.1])
    expected = -2 * np.sum(x**2 * np.sin(0.7 * x))
    assert numbaopt.hessian(f)(0.7, x) == pytest.approx(expected, rel=1e-14)
    assert numbaopt.hvp(f)(0.7, 3.0, x) == pytest.approx(3 * expected, rel=1e-14)
    np.testing.assert_allclose(numbaopt.hvp(f, 1)(0.7, x, np.ones(2)), -2 * 0.49 * np.sin(0.7 * x), rtol=1e-14)


def test_float32_stays():
    x = np.array([0.5, 1.5], np.float32)

    @njit
    def f(x):
        return x * x[0]

    found = numbaopt.jacobian(f, mode="forward")(x)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [[1.0, 0.0], [1.5, 0.5]], rtol=1e-6)


def test_what_is_wrong_is_said():
    with pytest.raises(ValueError, match='mode=\'both\' must be None, "forward" or "reverse"'):
        numbaopt.jacobian(decays, mode="both")
    with pytest.raises(ValueError, match="at_once=0 must be a number of columns from 1 to 32"):
        numbaopt.jacobian(decays, at_once=0)
    with pytest.raises(TypeError, match=r"argnums=\(0, 1\) must be one number"):
        numbaopt.hessian(rosenbrock, argnums=(0, 1))
    with pytest.raises(ValueError, match="p must have the shape"):
        numbaopt.hvp(rosenbrock)(np.ones(3), np.ones(2))

    @njit
    def of_two(x):
        return x, 2

    with pytest.raises(NotDifferentiable, match="a function that returns one array"):
        numbaopt.jacobian(of_two)(np.ones(2))


def test_check_grad_has_forward_mode():
    check = numbaopt.check_grad(rosenbrock, [-1.0, 2.0], jac="autodiff", disp=False)
    assert next(row.relative for row in check.rows if row.name == "forward") < 1e-15


@pytest.mark.parametrize("at_once", [1, 3, 5])
def test_any_number_of_columns_at_once(at_once):
    found = numbaopt.jacobian(decays, mode="forward", at_once=at_once)(B, T, np.ones(7))
    np.testing.assert_allclose(found, DECAYS, rtol=1e-14, atol=1e-15)
    x = np.linspace(-1.0, 1.0, 4)
    np.testing.assert_allclose(
        numbaopt.hessian(rosenbrock, at_once=at_once)(x), numbaopt.hessian(rosenbrock)(x), rtol=1e-13
    )


def test_forward_mode_takes_nothing_for_a_constant_that_is_none():
    """Float keywords, whole numbers among floats, bounds that depend on x: refused, not wrong."""

    @njit
    def by_keyword(x):
        return np.full(3, fill_value=x[0])

    @njit
    def whole_number(x):
        return np.linspace(1, x[0], 3)

    @njit
    def bound(x):
        return np.clip(x, x[0], 2.0)

    for function in (by_keyword, whole_number, bound):
        with pytest.raises(NotDifferentiable, match=r"in forward mode|depends on the parameters"):
            numbaopt.jacobian(function, mode="forward")(np.ones(2))
