"""Groups with hyper-parameters of their own, and coordinates that stay."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pytest

import numbaopt
from numbaopt import Adam, hyperparameters, minimize, per_iteration, update_rule
from numbaopt._rule import summed, with_sums
from numbaopt.problems import rosenbrock_inplace, sphere_inplace

X0 = np.linspace(-1, 1, 7)
EVERY_STEP = {"maxiter": 30, "keep": "last", "gtol": None}
GROUPS = {"a": (slice(0, 2), {"lr": 0.1}), "b": ([4, -1], {"lr": 0.03})}
RATES = np.array([0.1, 0.1, 0.01, 0.01, 0.03, 0.01, 0.03])
forms = pytest.mark.parametrize("fun", [rosenbrock_inplace, rosenbrock_inplace.py_func], ids=["compiled", "plain"])


def adam_by_hand(lr: np.ndarray, scale: Any = 1.0) -> np.ndarray:
    """30 steps of Adam with a learning rate for each element."""
    z, m, v, g = X0 / scale, np.zeros(7), np.zeros(7), np.zeros(7)
    for t in range(1, 31):
        rosenbrock_inplace(z * scale, g)
        g *= scale
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        z = z - lr * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return z * scale


@forms
def test_each_group_has_its_own_numbers(fun):
    res = minimize(fun, X0, method=Adam(lr=0.01), jac="inplace", options=EVERY_STEP | {"groups": GROUPS})
    assert np.allclose(res.x, adam_by_hand(RATES), rtol=0, atol=1e-14)


def test_groups_in_scaled_space():
    scale = np.array([1.0, 2, 3, 4, 5, 6, 7])
    options = EVERY_STEP | {"groups": GROUPS, "x_scale": scale}
    res = minimize(rosenbrock_inplace, X0, method=Adam(lr=0.01), jac="inplace", options=options)
    assert np.allclose(res.x, adam_by_hand(RATES, scale), rtol=0, atol=1e-13)


def test_a_mask_an_array_and_a_slice_are_the_same():
    mask = np.zeros(7, bool)
    mask[2:5] = True
    points = [
        minimize(
            sphere_inplace, X0, jac="inplace", options=EVERY_STEP | {"groups": {"g": (index, {"lr": 0.1})}}
        ).x.tolist()
        for index in (mask, np.array([4, 2, 3]), slice(2, 5))
    ]
    assert points[0] == points[1] == points[2]


def test_threads_and_equal_groups_do_not_change_a_bit():
    x0 = np.linspace(-1, 1, 60_001)

    def points(groups, workers):
        options = EVERY_STEP | {"maxiter": 5, "groups": groups, "workers": workers}
        return minimize(rosenbrock_inplace, x0, method=Adam(lr=0.01), jac="inplace", options=options).x

    every_third = {"third": (slice(100, 50_000, 3), {"lr": 0.01})}
    alone = points(None, 1)
    assert np.array_equal(points(every_third, 1), alone)
    assert np.array_equal(points(every_third, 2), alone)


# --- a rule that carries, sums and starts, in groups -----------------------------------------------------------------


class NormalisedStep(NamedTuple):
    """Scalars of one iteration."""

    lr: float
    power: float
    norm: float


class NormalisedScalars(NamedTuple):
    """The same before the sum is known."""

    lr: float
    power: float


@pytest.fixture(scope="module")
def normalised():
    """A rule x -= lr 0.9^t g / |g|, counting its steps in a slot that starts at x."""

    @hyperparameters
    class Normalised(NamedTuple):
        lr: float = 0.1

    @per_iteration(Normalised, carry={"power": 1.0})
    def _(h, t, power) -> NormalisedScalars:
        return NormalisedScalars(h.lr, power * 0.9)

    @summed(NormalisedScalars, "squares")
    def _(h, x, g, z):
        return (g * g,)

    @with_sums(NormalisedScalars)
    def _(h, squares) -> NormalisedStep:
        return NormalisedStep(h.lr, h.power, math.sqrt(squares))

    @update_rule(NormalisedStep, slots=("z",), start={"z": lambda h, x: x})
    def _(h, x, g, z):
        return x - h.lr * h.power * g / h.norm, z + 1

    return Normalised


@forms
@pytest.mark.parametrize("workers", [1, 2])
def test_sums_are_those_of_the_group(normalised, fun, workers):
    n = 7 if fun is not rosenbrock_inplace else 40_000
    x0 = np.linspace(-1, 1, n)
    half = {"half": (slice(0, n // 2), {"lr": 0.5})}
    options = EVERY_STEP | {"maxiter": 4, "groups": half, "workers": workers}
    res = minimize(fun, x0, method=normalised(), jac="inplace", options=options)
    x, g = x0.copy(), np.zeros(n)
    for t in range(1, 5):
        rosenbrock_inplace(x, g)
        for part, lr in ((slice(0, n // 2), 0.5), (slice(n // 2, n), 0.1)):
            x[part] -= lr * 0.9**t * g[part] / np.linalg.norm(g[part])
    assert np.allclose(res.x, x, rtol=1e-12, atol=1e-13)


def test_a_fixed_element_is_in_no_sum(normalised):
    options = EVERY_STEP | {"maxiter": 1, "fixed": [0]}
    res = minimize(sphere_inplace, np.array([100.0, 3.0, 4.0]), method=normalised(), jac="inplace", options=options)
    assert np.allclose(res.x, [100, 3 - 0.09 * 0.6, 4 - 0.09 * 0.8], rtol=1e-14)


# --- fixed coordinates -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jac", ["inplace", "2-point"])
def test_fixed_coordinates_stay(jac):
    fun = rosenbrock_inplace if jac == "inplace" else numbaopt.problems.rosenbrock
    x0 = np.array([0.5, 0.2, -0.1])
    res = minimize(fun, x0, jac=jac, options={"fixed": [1], "lr": 0.05})
    assert res.success
    assert res.x[1] == 0.2
    assert "projected gradient" in res.message
    assert np.all(res.x[[0, 2]] != x0[[0, 2]])


def test_fixed_within_bounds():
    res = minimize(
        sphere_inplace, [3.0, 2.0], jac="inplace", bounds=[(1, None)] * 2, options={"fixed": [True, False], "lr": 0.1}
    )
    assert res.x.tolist() == [3, 1]


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"groups": [slice(0, 3)]}, TypeError, "groups=[slice(0, 3, None)] must be a dict such as"),
        ({"groups": {"a": slice(0, 3)}}, TypeError, "groups['a']=slice(0, 3, None) must be a pair: coordinates"),
        (
            {"groups": {"a": ([7], {})}},
            ValueError,
            "groups['a']: [7] must be a slice, a boolean mask of shape (7,), or",
        ),
        ({"groups": {"a": ([0.5], {})}}, ValueError, "groups['a']: [0.5] must be a slice"),
        ({"groups": {"a": ([1], {}), "b": ([0, 1], {})}}, ValueError, "groups['b']: x[1] is in group 'a' too."),
        ({"groups": {"a": ([1], {"rate": 1})}}, ValueError, "groups['a']: Adam has no hyper-parameter 'rate'; it has"),
        ({"groups": {"a": ([1], {"lr": -1})}}, ValueError, "Adam(lr=-1): lr must be a finite number >= 0"),
        ({"groups": {"a": ([1], {"amsgrad": True})}}, ValueError, "makes another kind of method than Adam("),
        ({"groups": {"a": ([1], {"maximize": True})}}, ValueError, "groups['a']: maximize is for all of x."),
        ({"fixed": slice(None)}, ValueError, "fixed: all of x is fixed, there is nothing to minimise over."),
        ({"fixed": "first"}, ValueError, "fixed: 'first' must be a slice, a boolean mask of shape (7,), or indices in"),
    ],
)
def test_errors(options, kind, text):
    with pytest.raises(kind) as caught:
        minimize(sphere_inplace, X0, jac="inplace", options=options)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    "method",
    [
        numbaopt.Cautious(numbaopt.Adam(lr=0.01)),
        numbaopt.DoG(numbaopt.SGD()),
        numbaopt.LAMB(lr=0.1),
        numbaopt.ClipAdaptive(numbaopt.SGD(lr=0.1)),
        numbaopt.Centralized(numbaopt.Adam(lr=0.1)),
    ],
    ids=lambda m: type(m).__name__,
)
@pytest.mark.parametrize("workers", [1, 2])
def test_fixed_coordinates_are_in_no_sum(method, workers):
    """The others move as they do alone, however large those are that stay."""

    def fun(x):
        return np.sum((x - 3.0) ** 2 * np.arange(1, 3)), 2 * (x - 3.0) * np.arange(1, 3)

    def among_fixed(x):
        f, g = fun(x[[0, -1]])
        return f, np.concatenate([g[:1], np.full(x.size - 2, 1e3), g[1:]])

    n = 20_000
    options = {"maxiter": 20, "keep": "last", "gtol": None, "workers": workers}
    alone = minimize(fun, [1.0, -1.0], method=method, jac=True, options=options)
    x0 = np.full(n, 1e6)
    x0[[0, -1]] = 1.0, -1.0
    fixed = minimize(among_fixed, x0, method=method, jac=True, options=options | {"fixed": slice(1, n - 1)})
    assert np.allclose(fixed.x[[0, -1]], alone.x, rtol=1e-12)
    assert (fixed.x[1:-1] == 1e6).all()
