"""The More-Garbow-Hillstrom problems: values, gradients and minima, against the formulas, scipy and the paper."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.optimize import least_squares

import numbaopt
from numbaopt.problems import MORE_GARBOW_HILLSTROM

PROBLEMS = MORE_GARBOW_HILLSTROM.values()
SQUARES = [p for p in PROBLEMS if p.residuals]

AT_X0 = {
    "Rosenbrock": 24.2,
    "Freudenstein-Roth": 400.5,
    "Powell badly scaled": 1 + (1 + np.exp(-1) - 1.0001) ** 2,
    "Brown badly scaled": (1 - 1e6) ** 2 + (1 - 2e-6) ** 2 + 1,
    "Beale": 14.203125,
    "Jennrich-Sampson": 4171.306,
    "Helical valley": 2500,
    "Bard": 41.68170,
    "Gaussian": 3.888107e-6,
    "Meyer": 1.693608e9,
    "Gulf": 12.11071,
    "Box": 1031.154,
    "Powell singular": 215,
    "Wood": 19192,
    "Kowalik-Osborne": 5.313172e-3,
    "Brown-Dennis": 7926693.337,
    "Osborne 1": 0.8790263,
    "Biggs": 0.7790701,
    "Osborne 2": 2.093420,
    "Watson": 30,
    "Extended Rosenbrock": 5 * 24.2,
    "Extended Powell singular": 3 * 215,
    "Broyden tridiagonal": 21,
    "Broyden banded": 360,
    "Linear, full rank": 50,
    "Chebyquad": 3.861770e-2,
}
IN_PAPER = {  # where they are not 0 and follow from no formula
    "Freudenstein-Roth": 48.9842,
    "Jennrich-Sampson": 124.362,
    "Bard": 8.21487e-3,
    "Gaussian": 1.12793e-8,
    "Meyer": 87.9458,
    "Kowalik-Osborne": 3.07505e-4,
    "Brown-Dennis": 85822.2,
    "Osborne 1": 5.46489e-5,
    "Biggs": 5.65565e-3,
    "Osborne 2": 4.01377e-2,
    "Watson": 2.28767e-3,
    "Penalty I": 7.08765e-5,
    "Penalty II": 2.93660e-4,
    "Trigonometric": 2.79506e-5,
    "Chebyquad": 3.51687e-3,
}


def each(problems):
    return pytest.mark.parametrize("problem", problems, ids=lambda p: p.name)


def t(x):
    return np.arange(1, x.size + 1) / (x.size + 1)


def i(x):
    return np.arange(1, x.size + 1)


def pad(x):
    return np.concatenate([[0], x, [0]])


def integral(x):
    cubes = (x + t(x) + 1) ** 3
    s, u = t(x)[:, None], t(x)[None, :]
    return x + np.where(u <= s, (1 - s) * u, s * (1 - u)) @ cubes / (2 * (x.size + 1))


def banded(x):
    others = [[j for j in range(max(0, k - 5), min(x.size, k + 2)) if j != k] for k in range(x.size)]
    return x * (2 + 5 * x**2) + 1 - np.array([np.sum(x[js] * (1 + x[js])) for js in others])


def penalty_2(x):
    e, data, a = np.exp(x / 10), np.exp(i(x) / 10), np.sqrt(1e-5)
    pairs = a * (e[1:] + e[:-1] - data[1:] - data[:-1])
    return np.r_[x[0] - 0.2, pairs, a * (e[1:] - np.exp(-0.1)), np.sum(i(x)[::-1] * x**2) - 1]


def rank_1_zeros(x):
    s = np.sum((i(x) * x)[1:-1])
    return np.r_[-1, np.arange(1, 2 * x.size - 1) * s - 1, -1]


def powell(x):
    a, b, c, d = x.reshape(-1, 4).T
    return np.r_[a + 10 * b, np.sqrt(5) * (c - d), (b - 2 * c) ** 2, np.sqrt(10) * (a - d) ** 2]


RESIDUALS = {
    "Extended Rosenbrock": lambda x: np.r_[10 * (x[1::2] - x[::2] ** 2), 1 - x[::2]],
    "Extended Powell singular": powell,
    "Penalty I": lambda x: np.r_[np.sqrt(1e-5) * (x - 1), x @ x - 0.25],
    "Penalty II": penalty_2,
    "Variably dimensioned": lambda x: np.r_[x - 1, i(x) @ (x - 1), (i(x) @ (x - 1)) ** 2],
    "Trigonometric": lambda x: x.size - np.sum(np.cos(x)) + i(x) * (1 - np.cos(x)) - np.sin(x),
    "Brown almost-linear": lambda x: np.r_[x[:-1] + x.sum() - (x.size + 1), np.prod(x) - 1],
    "Discrete boundary value": lambda x: (
        2 * x - pad(x)[:-2] - pad(x)[2:] + (x + t(x) + 1) ** 3 / (2 * (x.size + 1) ** 2)
    ),
    "Discrete integral equation": integral,
    "Broyden tridiagonal": lambda x: (3 - 2 * x) * x - pad(x)[:-2] - 2 * pad(x)[2:] + 1,
    "Broyden banded": banded,
    "Linear, full rank": lambda x: np.r_[x, np.zeros(x.size)] - x.sum() / x.size - 1,
    "Linear, rank 1": lambda x: np.arange(1, 2 * x.size + 1) * (i(x) @ x) - 1,
    "Linear, rank 1, zeros": rank_1_zeros,
}
"""Residuals of the problems that have none in the package, by NumPy."""


def value_and_gradient(problem, x):
    g = np.full_like(x, np.nan)
    return problem.fun(x, g), g


def systems(problem, x):
    r, J = np.empty(problem.m, x.dtype), np.zeros((problem.m, x.size), x.dtype)
    problem.residuals(x, r, J)
    return r, J


def nearby(problem):
    """A point of no symmetry near the start."""
    x = np.array(problem.x0)
    return x * np.random.default_rng(0).uniform(0.9, 1.1, x.size) + 0.01


def test_all_are_there():
    assert [p.number for p in PROBLEMS] == list(range(1, 36))
    assert all(name == p.name and len(p.x0) == len(p.x_min) for name, p in MORE_GARBOW_HILLSTROM.items())
    assert {p.name for p in PROBLEMS} == {p.name for p in SQUARES} | set(RESIDUALS)


def test_import_is_lazy():
    script = """
import sys, numbaopt
assert "numbaopt.problems" not in sys.modules
from numbaopt.problems import MORE_GARBOW_HILLSTROM
for p in MORE_GARBOW_HILLSTROM.values():
    assert not p.fun.overloads and not (p.residuals and p.residuals.overloads)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


@pytest.mark.parametrize("name", AT_X0)
def test_value_at_start(name):
    problem = MORE_GARBOW_HILLSTROM[name]
    assert value_and_gradient(problem, np.array(problem.x0))[0] == pytest.approx(AT_X0[name], rel=2e-6)


@each(SQUARES)
def test_jacobian(problem):
    """The Jacobian is that of a complex step through the Python code, and leads to the gradient."""
    x = nearby(problem)
    r, J = systems(problem, x)
    for k, e in enumerate(np.eye(x.size)):
        step, rest = np.empty(problem.m, complex), np.zeros(J.shape, complex)
        problem.residuals.py_func(x + 1e-30j * e, step, rest)
        np.testing.assert_allclose(J[:, k], step.imag / 1e-30, rtol=1e-10, atol=1e-13 * np.abs(J).max())
        np.testing.assert_allclose(r, step.real, rtol=1e-10, atol=1e-13 * np.abs(r).max())
    f, g = value_and_gradient(problem, x)
    assert f == pytest.approx(r @ r, rel=1e-13)
    np.testing.assert_allclose(g, 2 * J.T @ r, rtol=1e-11, atol=1e-13 * np.abs(g).max())


MULTIPLE_OF = {"Extended Rosenbrock": 2, "Extended Powell singular": 4}
SIZES = [(name, n) for name in RESIDUALS for n in (1, 4, 12) if n % MULTIPLE_OF.get(name, 1) == 0]


@pytest.mark.parametrize(("name", "n"), [*SIZES, *((name, "x0") for name in RESIDUALS)])
def test_scalable(name, n):
    """Value and gradient are those of the paper's residuals."""
    problem = MORE_GARBOW_HILLSTROM[name]
    x = np.array(problem.x0) if n == "x0" else np.random.default_rng(n).uniform(-1, 1.5, n)
    f, g = value_and_gradient(problem, x)
    assert f == pytest.approx(np.sum(RESIDUALS[name](x) ** 2), rel=1e-12)
    exact = [np.sum(RESIDUALS[name](x + 1e-30j * e) ** 2).imag / 1e-30 for e in np.eye(x.size)]
    np.testing.assert_allclose(g, exact, rtol=1e-11, atol=1e-13 * np.abs(exact).max())


@each(PROBLEMS)
def test_minimum(problem):
    """At `x_min` the value is the one given, and the gradient is that of rounding errors."""
    start = np.abs(value_and_gradient(problem, np.array(problem.x0))[1]).max()
    f, g = value_and_gradient(problem, np.array(problem.x_min))
    assert f == pytest.approx(problem.minimum[0], rel=1e-12, abs=1e-29)
    assert np.abs(g).max() < 1e-13 * start
    assert problem.minimum[0] == min(problem.minimum)


@pytest.mark.parametrize("name", IN_PAPER)
def test_paper(name):
    assert any(f == pytest.approx(IN_PAPER[name], rel=1e-5) for f in MORE_GARBOW_HILLSTROM[name].minimum)


@each(SQUARES)
def test_least_squares(problem):
    """scipy's Levenberg-Marquardt goes to a known minimum; not from the start, where two Jacobians are singular."""
    found = least_squares(
        lambda x: systems(problem, x)[0],
        nearby(problem),
        lambda x: systems(problem, x)[1],
        method="lm",
        x_scale="jac",
        max_nfev=1000,
        **dict.fromkeys(("xtol", "ftol", "gtol"), 1e-15),
    )
    assert any(2 * found.cost == pytest.approx(f, rel=1e-10, abs=1e-28) for f in problem.minimum)


LOCAL = {  # where the other values are; 1e12 stands for infinity
    "Freudenstein-Roth": [11.412778986902094, -0.8968052532744765],
    "Bard": [0.8406666666666667, 1e12, 1e12],
    "Kowalik-Osborne": [1e12, -14.07588278, -45.25718896e12, -28.23149596e12],
    "Biggs": [
        1.7114159947195877,
        17.683198180949063,
        1.163143660919,
        5.186561551993,
        1.7114159947195877,
        1.163143660919,
    ],
    "Trigonometric": [
        *(0.05515090398069129, 0.05684061679473856, 0.058764001762695084, 0.06099060865676081, 0.06362621369585451),
        *(0.06684317945275879, 0.20816151856988116, 0.16436309588564774, 0.08500689568850744, 0.09143145071470794),
    ],
    "Brown almost-linear": [*[0.0] * 9, 11.0],
}


@pytest.mark.parametrize("name", LOCAL)
def test_local_minimum(name):
    problem = MORE_GARBOW_HILLSTROM[name]
    f, g = value_and_gradient(problem, np.array(LOCAL[name]))
    assert f == pytest.approx(problem.minimum[1], rel=1e-10)
    assert np.abs(g).max() < 1e-9


def test_local_minima_are_tested():
    assert set(LOCAL) == {p.name for p in PROBLEMS if len(p.minimum) > 1}


@each(PROBLEMS)
def test_single_precision(problem):
    f, g = value_and_gradient(problem, np.array(problem.x0))
    f_single, g_single = value_and_gradient(problem, np.array(problem.x0, np.float32))
    assert g_single.dtype == np.float32
    assert f_single == pytest.approx(f, rel=1e-4)
    np.testing.assert_allclose(g_single, g, atol=1e-4 * np.abs(g).max())


@each(PROBLEMS)
def test_any_number(problem):
    """Whatever x is, nothing is raised."""
    for value in (0, 1, -1, 1e10, -1e10, 1e300, -1e300, np.inf, -np.inf, np.nan):
        f, _ = value_and_gradient(problem, np.full(len(problem.x0), value, float))
        assert isinstance(f, float)


def test_minimize():
    problem = MORE_GARBOW_HILLSTROM["Broyden tridiagonal"]
    result = numbaopt.minimize(problem.fun, problem.x0, jac="inplace", method=numbaopt.Adam(lr=0.02), tol=1e-6)
    assert result.success
    np.testing.assert_allclose(result.x, problem.x_min, rtol=1e-4)
