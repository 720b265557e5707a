"""The methods inside scipy and lmfit, through scipy's protocol for custom minimizers."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
from numba import njit

import numbaopt
from numbaopt import Status, methods


def pair(x):
    return ((x - 3.0) ** 2).sum(), 2 * (x - 3.0)


def wavy(x):
    return (x[0] ** 2 + 10 * np.sin(3 * x[0])) / 10 + x[1] ** 2


def test_every_method_is_there():
    assert dir(methods) == sorted(numbaopt.method_names() + numbaopt.solver_names())
    assert repr(methods.adamw) == "numbaopt.methods.adamw"
    with pytest.raises(AttributeError, match="no attribute 'newton'; methods: adabelief, adadelta, adagrad, "):
        _ = methods.newton


def test_minimize_with_a_callable_jac_bounds_tol_and_options():
    res = scipy.optimize.minimize(
        lambda x: pair(x)[0],
        np.zeros(2),
        method=methods.adamw,
        jac=lambda x: pair(x)[1],
        bounds=[(0, 2), (None, None)],
        tol=1e-3,
        options={"lr": 0.1, "weight_decay": 0},
    )
    assert res.success
    assert res.x == pytest.approx([2, 3], abs=1e-3)
    assert res.hyperparameters == numbaopt.AdamW(lr=0.1, weight_decay=0)
    assert "gtol = 0.001" in res.message


def test_jac_true_keeps_the_compiled_loop():
    compiled = njit(pair)
    calls = []
    res = scipy.optimize.minimize(
        compiled,
        np.zeros(2),
        method=methods.adam,
        jac=True,
        callback=calls.append,
        options={"lr": 1e-6, "maxiter": 50_000},
    )
    assert res.gradient == "jac=True"
    assert res.nit == 50_000
    assert len(calls) < 500  # between slices: the loop was compiled
    plain = scipy.optimize.minimize(pair, np.zeros(2), method=methods.adam, jac=True, options={"lr": 0.1})
    assert plain.x == pytest.approx([3, 3], abs=1e-4)


def test_string_gradient_comes_by_option():
    res = scipy.optimize.minimize(
        njit(lambda x: ((x - 3.0) ** 2).sum()), [0.0], method=methods.adam, options={"lr": 0.1, "gradient": "3-point"}
    )
    assert res.gradient == "3-point"
    assert res.success


def test_args_and_callback_of_both_forms():
    seen = []

    def callback(intermediate_result):
        seen.append(intermediate_result.fun)
        if len(seen) == 5:
            raise StopIteration

    res = scipy.optimize.minimize(
        lambda x, c: ((x - c) ** 2).sum(), [0.0], args=(4.0,), method=numbaopt.Adam(), callback=callback
    )
    assert len(seen) == 5
    assert res.status == Status.CALLBACK


@pytest.mark.parametrize("form", [lambda f: f, njit], ids=["plain", "compiled"])
def test_basinhopping(form):
    res = scipy.optimize.basinhopping(
        form(wavy),
        [2.0, 1.0],
        niter=20,
        stepsize=2.0,
        rng=1,
        minimizer_kwargs={"method": methods.adam, "options": {"lr": 0.05}},
    )
    assert res.x == pytest.approx([-0.512, 0], abs=0.01)
    assert res.fun == pytest.approx(-0.9733, abs=1e-3)


def test_lmfit():
    lmfit = pytest.importorskip("lmfit", reason="lmfit is not installed")
    x = np.linspace(0, 4, 30)
    y = 3 * np.exp(-0.5 * x)
    params = lmfit.create_params(a={"value": 1, "min": 0, "max": 10}, b=1.0)
    fit = lmfit.Minimizer(lambda p: y - p["a"] * np.exp(-p["b"] * x), params)
    res = fit.scalar_minimize(method=methods.adam, options={"lr": 0.05})
    assert res.success
    assert res.params["a"].value == pytest.approx(3, abs=1e-4)
    assert res.params["b"].value == pytest.approx(0.5, abs=1e-4)


def test_method_object_is_a_method_for_scipy():
    res = scipy.optimize.minimize(pair, [0.0], method=numbaopt.Adam(lr=0.1), jac=True, tol=1e-3)
    assert res.success
    assert res.hyperparameters == numbaopt.Adam(lr=0.1)
