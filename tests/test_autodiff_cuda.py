"""Gradients of functions that allocate nothing compile to device code: to PTX, which needs no GPU."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numba
import numpy as np
import pytest
from numba import njit, types

from numbaopt import check_grad, grad
from numbaopt.autodiff.files import loaded
from numbaopt.autodiff.forward import generate_tangents
from numbaopt.autodiff.generation import generate


@pytest.fixture
def cuda(monkeypatch):
    """numba.cuda with the compiler, on a machine without a device."""
    pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")
    from numba import cuda
    from numba.cuda import dispatcher

    monkeypatch.setattr(dispatcher, "get_current_device", lambda: SimpleNamespace(compute_capability=(8, 0)))
    try:
        cuda.compile(lambda a: a, (types.float64,), device=True, cc=(8, 0))
    except Exception as error:
        pytest.skip(f"no compiler for PTX: {error!s:.80}")
    return cuda


def rosenbrock(x):
    s = 0.0
    for i in range(x.shape[0] - 1):
        s += 100.0 * (x[i + 1] - x[i] * x[i]) ** 2 + (1.0 - x[i]) ** 2
    return s


def gaussian(p, t, y):
    s = 0.0
    for i in range(t.shape[0]):
        z = (t[i] - p[1]) / p[2]
        r = y[i] - p[0] * math.exp(-0.5 * z * z)
        s += r * r
    return s


def kepler(p, t, y):
    s = 0.0
    for i in range(t.shape[0]):
        mean = p[0] * t[i] + p[1]
        anomaly = mean
        for _ in range(5):
            anomaly -= (anomaly - p[2] * math.sin(anomaly) - mean) / (1.0 - p[2] * math.cos(anomaly))
        if p[2] < 0.5:
            r = y[i] - p[3] * math.cos(anomaly)
        else:
            r = y[i] - p[3] * math.sqrt(abs(math.cos(anomaly)))
        s += r * r
    return s


def special(p, t, y):
    s = 0.0
    for i in range(t.shape[0]):
        s += math.erf(p[0] * t[i]) * math.tanh(p[1]) + math.lgamma(p[2]) * math.hypot(t[i], p[3]) + y[i] ** 2
    return s / (1.0 + abs(p[0])) ** 1.5


FUNCTIONS = [rosenbrock, gaussian, kepler, special]


@pytest.mark.parametrize("dtype", [types.float64, types.float32], ids=str)
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_compiles_to_ptx(cuda, function, dtype):
    vector = types.Array(dtype, 1, "C")
    given = (vector,) * function.__code__.co_argcount
    reverse = generate(njit(function), given, (0,), workspace=True)
    forward = generate_tangents(njit(function), given, (0,), 2)
    for generated, further in ((reverse, (vector,) * (1 + len(reverse.tapes))), (forward, (vector, vector))):
        assert "np.empty" not in generated.text
        assert "np.zeros" not in generated.text
        ptx, _ = cuda.compile(loaded(generated)[0], (*given, *further), device=True, abi="numba", cc=(8, 0))
        assert "NRT_" not in ptx
        assert ".visible .func" in ptx


def test_tapes_as_arguments():
    """The gradient of a recurrence fits on its tape, or is NaN."""
    p, t = np.array([0.4, 1.1, 0.3, 0.7]), np.linspace(0.1, 1.0, 4)
    given = tuple(numba.typeof(a) for a in (p, t, t))
    generated = generate(njit(kepler), given, (0,), workspace=True)
    function = njit(loaded(generated)[0])
    expected = grad(njit(kepler))(p, t, t)
    assert len(generated.tapes) == 1
    found = np.empty(4)
    assert function(p, t, t, found, np.empty(40)) == kepler(p, t, t)
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    assert math.isnan(function(p, t, t, found, np.empty(1)))


def test_the_functions_are_right_on_the_cpu():
    """What compiles for a device is also exact."""
    p, t = np.array([0.4, 1.1, 1.3, 0.7]), np.linspace(0.1, 1.0, 4)
    for function in FUNCTIONS:
        args = (t, t) if function is not rosenbrock else ()
        assert check_grad(numba.njit(function), p, args, jac="autodiff", disp=False).relative_error < 1e-8
