"""Moments in fewer bits than x."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from sweeps import sweep_once

import numbaopt
from numbaopt import Adam, hyperparameters, minimize, per_iteration, update_rule
from numbaopt.problems import quadratic_inplace, rosenbrock_inplace


class AnchoredStep(NamedTuple):
    """Scalars of a rule that keeps its first point."""

    lr: float


def as_floats(slots: np.ndarray) -> np.ndarray:
    """bfloat16 as it is stored, in float32."""
    return (slots.astype(np.uint32) << 16).view(np.float32)


def test_float32_moments_are_those_of_float64_rounded_at_each_step():
    rng = np.random.default_rng(1)
    x, m, v = rng.standard_normal((3, 50))
    v = v**2
    slots, g = np.stack([m, v]).astype(np.float32), rng.standard_normal(50)
    wide, expected = slots.astype(float), x.copy()
    sweep_once(Adam(), 7, x, g, (slots, np.empty(0)))
    sweep_once(Adam(), 7, expected, g, (wide, np.empty(0)))
    assert np.array_equal(x, expected)
    assert np.array_equal(slots, wide.astype(np.float32))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bfloat16_means_are_right_on_average(dtype):
    """With beta2 = 0.999 a step of v is less than half a unit of 8 bits: just rounded, v would stand still."""
    n, steps = 4_000, 2_000
    x, g = np.linspace(1, 2, n).astype(dtype), np.full(n, 1.5, dtype)
    slots = np.zeros((2, n), np.uint16)
    for t in range(1, steps + 1):
        sweep_once(Adam(), t, x, g, (slots, np.empty(0)))
    m, v = as_floats(slots)
    expected = 1.5**2 * (1 - 0.999**steps)
    assert np.abs(m / 1.5 - 1).max() < 2**-7
    assert abs(v.mean() / expected - 1) < 0.002
    assert 0.001 < v.std() / expected < 0.1  # it is noise, of the size that rounding makes


def test_bfloat16_keeps_infinities_out_of_nothing():
    x, slots = np.ones(3), np.zeros((2, 3), np.uint16)
    sweep_once(Adam(), 1, x, np.array([1e30, np.inf, np.nan]), (slots, np.empty(0)))
    m, v = as_floats(slots)
    assert np.isfinite(m[0]) and np.isinf(v[0])  # 1e57 is beyond float32
    assert np.isinf(m[1]) and np.isnan(m[2])


@pytest.mark.parametrize("state_dtype", ["float32", "bfloat16"])
def test_minimize(state_dtype):
    scale, minimum = np.logspace(0, 1, 30), np.linspace(-1, 1, 30)
    options = {"lr": numbaopt.schedules.ExponentialDecay(0.1, 0.99), "state_dtype": state_dtype}
    runs = [
        minimize(fun, np.zeros(30), (scale, minimum), jac="inplace", options=options)
        for fun in (quadratic_inplace, quadratic_inplace, quadratic_inplace.py_func)
    ]
    assert runs[0].success
    assert np.allclose(runs[0].x, minimum, atol=1e-4)
    assert np.array_equal(runs[0].x, runs[1].x)
    assert np.array_equal(runs[0].x, runs[2].x)


@pytest.mark.parametrize("state_dtype", ["float32", "bfloat16"])
def test_stepper(state_dtype):
    """The steps of `minimize`, to the bit; a state of another dtype is not taken."""
    scale, minimum = np.logspace(0, 1, 30), np.linspace(-1, 1, 30)
    x, g = np.zeros(30), np.empty(30)
    stepper = numbaopt.Stepper(x, Adam(lr=0.1), state_dtype=state_dtype)
    for _ in range(40):
        quadratic_inplace(x, g, scale, minimum)
        stepper.step(g)
        saved = stepper.state_dict()
        stepper = numbaopt.Stepper(x, Adam(lr=0.1), state_dtype=state_dtype)
        stepper.load_state_dict(saved)
    options = {"maxiter": 40, "gtol": None, "keep": "last", "state_dtype": state_dtype}
    res = minimize(quadratic_inplace, np.zeros(30), (scale, minimum), Adam(lr=0.1), "inplace", options=options)
    assert np.array_equal(x, res.x)
    stored = {"float32": "float32", "bfloat16": "uint16"}[state_dtype]
    assert saved["parts"][None]["slots"]["m"].dtype == stored
    with pytest.raises(
        ValueError, match=rf"'m' of x has shape \(30,\) and dtype {stored}; it must have \(30,\) and float64"
    ):
        numbaopt.Stepper(x, Adam(lr=0.1)).load_state_dict(saved)
    with pytest.raises(ValueError, match="x: a sparse gradient needs a state in the dtype of x; leave out state_dtype"):
        stepper.step(([0], [1.0]))


def test_two_bytes_for_each_coordinate():
    """SM3 without momentum: as far as in float64, but for the noise of 8 bits in the length of the steps."""
    scale, minimum, found = np.logspace(0, 1, 1000), np.linspace(-1, 1, 1000), {}
    for stored in (None, "bfloat16"):
        x, g = np.zeros(1000), np.empty(1000)
        stepper = numbaopt.Stepper(x, numbaopt.SM3(lr=0.5, momentum=0), state_dtype=stored)
        for _ in range(100):
            quadratic_inplace(x, g, scale, minimum)
            stepper.step(g)
        found[stored] = quadratic_inplace(x, g, scale, minimum)
        state = stepper.state_dict()["parts"][None]["slots"]
        assert sum(array.nbytes for array in state.values()) == (2 if stored else 8) * x.size
    assert found["bfloat16"] < 1.05 * found[None]
    assert found[None] < 1e-4 * quadratic_inplace(np.zeros(1000), g, scale, minimum)


def test_unknown_dtype():
    with pytest.raises(ValueError, match=r"state_dtype='float16' must be None or one of 'float32', 'bfloat16'\."):
        minimize(rosenbrock_inplace, [1.0, 2.0], jac="inplace", options={"state_dtype": "float16"})


def test_points_are_not_rounded():
    @hyperparameters
    class Anchored(NamedTuple):
        lr: float = 0.1

    @per_iteration(Anchored)
    def _(h, t) -> AnchoredStep:
        return AnchoredStep(h.lr)

    @update_rule(AnchoredStep, slots=("anchor",), start={"anchor": lambda h, x: x})
    def _(h, x, g, anchor):
        return x - h.lr * g, anchor

    with pytest.raises(ValueError, match="state_dtype='float32': Anchored keeps points in its state"):
        minimize(rosenbrock_inplace, [1.0, 2.0], method=Anchored(), options={"state_dtype": "float32"})
