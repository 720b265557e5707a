"""minimize() with exact gradients: the default where it works, an error or a warning where it does not."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from numbaopt import minimize
from numbaopt.autodiff import NotDifferentiable
from numbaopt.autodiff.derivatives import UNARY


def bowl(x, centre):
    s = 0.0
    for i in range(x.size):
        s += np.cosh(x[i] - centre[i])
    return s


CENTRE = np.array([1.0, -2.0, 0.5])


@pytest.mark.parametrize("jac", [None, "autodiff"])
def test_exact(jac):
    res = minimize(njit(bowl), np.zeros(3), (CENTRE,), jac=jac)
    assert (res.success, res.gradient) == (True, "autodiff")
    assert res.x == pytest.approx(CENTRE, abs=1e-6)
    np.testing.assert_allclose(res.jac, np.sinh(res.x - CENTRE), rtol=1e-13)


def test_plain_function():
    with pytest.raises(TypeError, match=r'^jac="autodiff" needs a function compiled by numba, but bowl\(\) is plain'):
        minimize(bowl, np.zeros(3), (CENTRE,), jac="autodiff")
    res = minimize(bowl, np.zeros(3), (CENTRE,), jac="autodiff", options={"jit": True})
    assert res.gradient == "autodiff"
    assert minimize(bowl, np.zeros(3), (CENTRE,)).gradient == "2-point"


@njit
def nan_bowl(x):
    return np.nansum(x**2)


def test_refused():
    with pytest.raises(NotDifferentiable, match=r"^autodiff cannot differentiate nan_bowl\(\): no derivative"):
        minimize(nan_bowl, np.ones(3), jac="autodiff")
    with pytest.warns(RuntimeWarning, match=r"no derivative is known for `np\.nansum`(.|\n)*by differences") as warned:
        res = minimize(nan_bowl, np.ones(3))
    assert len(warned) == 1
    assert res.success
    assert res.gradient == (
        "2-point, as autodiff cannot differentiate nan_bowl(): no derivative is known for `np.nansum`."
    )


def test_wrong_gradient(monkeypatch):
    monkeypatch.setitem(UNARY, "cosh", "1.01 * np.sinh({a})")
    with pytest.raises(ValueError, match=r"^The autodiff gradient of bowl\(\) is wrong at x0: .* derivative -?[\d.]+"):
        minimize(njit(bowl), np.zeros(3), (CENTRE,), jac="autodiff")
    with pytest.warns(RuntimeWarning, match=r"is wrong at x0: (.|\n)*by differences"):
        res = minimize(njit(bowl), np.zeros(3), (CENTRE,))
    assert res.gradient.startswith("2-point, as The autodiff gradient of bowl() is wrong at x0")
    assert res.x == pytest.approx(CENTRE, abs=1e-4)


@njit
def pyramid(x):
    return np.sum(np.abs(x)) + np.maximum(x[0], 0.0)


def test_kink_at_x0_is_no_mistake():
    assert minimize(pyramid, np.zeros(3), jac="autodiff").gradient == "autodiff"


def test_single_precision():
    res = minimize(njit(bowl), np.zeros(3, np.float32), (CENTRE,), jac="autodiff", options={"gtol": 1e-3})
    assert res.x.dtype == res.jac.dtype == np.float32
    assert res.x == pytest.approx(CENTRE, abs=1e-3)


def test_minibatches():
    @njit
    def loss(w, idx, X, y):
        s = 0.0
        for i in idx:
            r = X[i] @ w - y[i]
            s += r * r
        return s / idx.size

    rng = np.random.default_rng(0)
    X, w = rng.normal(size=(200, 3)), np.array([1.0, -1.0, 2.0])
    options = {"batch_size": 20, "n_samples": 200, "seed": 0, "maxepoch": 60, "lr": 0.05}
    res = minimize(loss, np.zeros(3), (X, X @ w), options=options)
    assert res.gradient == "autodiff"
    assert res.x == pytest.approx(w, abs=1e-2)
