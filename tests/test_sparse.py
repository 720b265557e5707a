"""Sparse gradients: SparseAdam against torch.optim, all other rules against their own dense updates.

Measured on x86-64 with torch 2.13: in 300 steps SparseAdam is torch's to the bit in float64, and at most 1.2 eps from
it in float32, relative to the largest |x| so far. A deferred update is its dense update to the bit as long as a
coordinate is not at rest, which is where many iterations become one multiplication: 300 of them by powers differ from
300 roundings.
"""

from __future__ import annotations

import importlib.util
import pickle
import re

import numpy as np
import pytest
from record_sparse import DATA, DTYPES, HYPER, STEPS, gradients, replay, start
from scipy import sparse

import numbaopt
from numbaopt import SGD, Adadelta, Adagrad, Adam, AdamW, NAdam, RMSprop, SparseAdam, Stepper
from numbaopt._sparse import LEAST_ROWS
from numbaopt.schedules import CosineDecay, CosineRestarts, ExponentialDecay

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
dtypes = pytest.mark.parametrize("dtype", DTYPES)
BOUNDS = {"float64": 1e-12, "float32": 8 * 2.0**-23}

# --- SparseAdam ------------------------------------------------------------------------------------------------------


def points(dtype, hyper):
    x, found = start().astype(dtype), []
    stepper = Stepper(x, SparseAdam(**hyper))
    for t, gradient in enumerate(gradients(), start=1):
        stepper.step(gradient)
        if t in STEPS:
            found.append(x.copy())
    return np.array(found)


def assert_as_torch(found, expected, dtype):
    size = np.maximum.accumulate(np.abs(expected), axis=0)
    assert np.all(np.abs(found - expected) <= BOUNDS[dtype] * size)


@dtypes
def test_sparseadam_as_recorded_from_torch(dtype):
    with np.load(DATA) as data:
        assert_as_torch(points(dtype, HYPER), data[f"x/{dtype}"], dtype)


@needs_torch
@dtypes
@pytest.mark.parametrize("hyper", [{}, {"lr": 0.1, "maximize": True}])
def test_sparseadam_as_torch(dtype, hyper):
    assert_as_torch(points(dtype, hyper), replay(dtype, hyper), dtype)


def test_sparseadam_leaves_the_others_alone():
    x = np.ones(5)
    stepper = Stepper(x, "sparseadam")
    stepper.step(([1, 3], np.ones(2)))
    before, state = x.copy(), stepper.state_dict()["parts"][None]["slots"]
    stepper.step(([3], np.ones(1)))
    stepper.flush()
    after = stepper.state_dict()["parts"][None]["slots"]
    rest = [0, 1, 2, 4]
    assert np.array_equal(x[rest], before[rest])
    assert all(np.array_equal(after[name][rest], state[name][rest]) for name in ("m", "v"))
    assert x[3] < before[3]


def test_sparseadam_of_a_dense_gradient_has_all_coordinates():
    x, y, g = np.ones(5), np.ones(5), np.arange(5.0)
    a, b = Stepper(x, "sparseadam"), Stepper(y, "sparseadam")
    for _ in range(10):
        a.step(g)
        b.step((np.arange(5), g))
    assert np.array_equal(x, y)
    result = numbaopt.minimize(lambda x: ((x - 3) ** 2).sum(), [0.0, 0.0], method="sparseadam", options={"lr": 0.1})
    assert result.x == pytest.approx([3, 3], abs=1e-3)


# --- deferred updates ------------------------------------------------------------------------------------------------

COSINE = CosineDecay(0.1, steps=150, warmup=20)
RESTARTS = CosineRestarts(0.05, period=60, lr_min=1e-6)  # lr rises by a factor of 50,000 while coordinates wait
RULES = [
    AdamW(lr=0.01),
    AdamW(lr=RESTARTS, betas=(0.5, 0.9), weight_decay=0.1),
    AdamW(lr=0.01, betas=(ExponentialDecay(0.9, gamma=0.99), 0.95), amsgrad=True),
    AdamW(lr=0.1, betas=(0.0, 0.9), weight_decay=20.0),  # x changes its sign in every iteration
    AdamW(lr=0.1, betas=(0.9, 0.5)),  # without a gradient, steps grow
    Adam(lr=0.01, weight_decay=0.1),  # coupled: one by one
    NAdam(),
    Adagrad(lr=0.1),
    Adagrad(lr=0.1, weight_decay=0.1, lr_decay=0.01),
    SGD(lr=COSINE, weight_decay=0.1),
    SGD(lr=0.1, momentum=0.9, dampening=0.1, maximize=True),
    SGD(lr=RESTARTS, momentum=0.8, nesterov=True, weight_decay=0.01),
    AdamW(lr=lambda t: 0.01 / t),  # called by Python
    Adadelta(),
    RMSprop(momentum=0.5, centered=True),
    numbaopt.ASGD(lr=0.1, t0=50),  # it says nothing of rest: one by one
]
BOTH = [(method, "float64") for method in RULES] + [(RULES[k], "float32") for k in (0, 1, 10, 13)]


def sparse_and_dense(method, dtype, n=200, steps=300, seed=0):
    """Steppers after random steps that touch 5 % of the coordinates, of the second half in the beginning only."""
    rng = np.random.default_rng(seed)
    x0 = (rng.standard_normal(n) * 10.0 ** rng.integers(-3, 3, n)).astype(dtype)
    a, b, size = Stepper(x0.copy(), method), Stepper(x0.copy(), method), np.abs(x0)
    for t in range(steps):
        indices = rng.integers(0, n if t < steps / 10 else n // 2, n // 20)
        values = rng.standard_normal(indices.size).astype(dtype)
        g = np.zeros(n, dtype)
        np.add.at(g, indices, values)
        a.step((indices, values))
        b.step(g)
        np.maximum(size, np.abs(b.x), out=size)
    return a, b, size


@pytest.mark.parametrize(("method", "dtype"), BOTH, ids=lambda value: re.sub(r" at 0x\w+", "", str(value))[:60])
def test_as_the_dense_update(method, dtype):
    """x and the slots to an ulp for each iteration: the dense update itself is half an ulp from exact in each.

    The ulp is that of the largest |x| so far, and of the slot.
    """
    a, b, size = sparse_and_dense(method, dtype)
    a.flush()
    found, expected = (stepper.state_dict()["parts"][None]["slots"] | {"x": stepper.x} for stepper in (a, b))
    for name, values in expected.items():
        magnitude = size if name == "x" else np.abs(values)
        bound = 300 * (np.finfo(dtype).eps * magnitude + np.finfo(dtype).smallest_subnormal)
        assert np.all(np.abs(found[name] - values) <= bound), name


def test_to_the_bit_while_not_at_rest():
    a, b, size = sparse_and_dense(AdamW(lr=0.01, weight_decay=0), "float64", steps=60)
    moving = (a.state_dict()["parts"][None]["slots"]["v"] > 0) & (size < 1)
    assert moving.sum() > 50
    assert np.array_equal(a.x[moving], b.x[moving])


@pytest.mark.parametrize(
    "method", [AdamW(lr=0.01), SGD(lr=0.1, momentum=0.9), Adagrad()], ids=lambda m: type(m).__name__
)
def test_logs_that_grow_and_become_full(method):
    steps, n = 2 * LEAST_ROWS + 10, 20
    rng = np.random.default_rng(0)
    x, y = np.ones(n), np.ones(n)
    a, b = Stepper(x, method), Stepper(y, method)
    for t in range(steps):
        i = 5 if t < steps - 1 else 7
        value = rng.standard_normal()
        g = np.zeros(n)
        g[i] = value
        a.step(([i], [value]))
        b.step(g)
    a.flush()
    np.testing.assert_allclose(x, y, rtol=steps * 2.0**-52)


@pytest.mark.parametrize("method", [AdamW(), SGD(weight_decay=0.01)], ids=lambda m: type(m).__name__)
def test_ten_thousand_missed_iterations(method):
    x, y, steps = np.ones(2), np.ones(2), 10_000
    a, b = Stepper(x, method), Stepper(y, method)
    for t in range(steps):
        a.step(([min(t, 1)], [0.1]))
        b.step(np.array([0.1, 0.0] if t == 0 else [0.0, 0.1]))
    a.flush()
    np.testing.assert_allclose(x, y, rtol=2 * np.sqrt(steps) * 2.0**-52)


def test_flush_of_some():
    a, b, _ = sparse_and_dense(AdamW(lr=0.01), "float64", steps=40)
    behind = a.x.copy()
    a.flush([150, 160])
    assert np.flatnonzero(a.x != behind).tolist() == [150, 160]
    np.testing.assert_allclose(a.x[[150, 160]], b.x[[150, 160]], rtol=1e-14)
    a.flush([150, 160])
    for stepper, g in ((a, ([150, 3], [1.0, 2.0])), (b, np.where(np.arange(200) == 150, 1.0, 0.0))):
        if stepper is b:
            g[3] = 2.0
        stepper.step(g)
    assert not np.array_equal(a.x, b.x)
    np.testing.assert_allclose(a.answer, b.answer, rtol=1e-14)
    assert np.array_equal(a.answer, a.x)


def test_dense_and_sparse_steps_in_turns():
    x, y = np.ones(50), np.ones(50)
    a, b, rng = Stepper(x, AdamW(lr=0.1)), Stepper(y, AdamW(lr=0.1)), np.random.default_rng(0)
    for t in range(60):
        g = rng.standard_normal(50)
        if t % 7 > 1:
            g[rng.permutation(50)[:48]] = 0
            indices = np.flatnonzero(g)
            a.step((indices, g[indices]))
        else:
            a.step(g)
        b.step(g)
    a.flush()
    np.testing.assert_allclose(x, y, rtol=1e-13)


def test_state_dict_round_trip():
    method = NAdam(lr=0.05)
    a, b, _ = sparse_and_dense(method, "float64", steps=30)
    state = pickle.loads(pickle.dumps(a.state_dict()))
    c = Stepper(a.x.copy(), "adam")
    c.step(([0], [1.0]))
    c.x[:] = a.x
    c.load_state_dict(state)
    for t in range(30):
        for stepper in (a, c):
            stepper.step(([t, 3], [1.0, 2.0]))
        b.step(np.bincount([t, 3], [1.0, 2.0], 200))
    assert c.t == 60
    assert np.array_equal(a.answer, c.answer)
    np.testing.assert_allclose(a.x, b.x, rtol=1e-13)


# --- what is a sparse gradient ---------------------------------------------------------------------------------------


def after(x, *gradients, method="adamw"):
    stepper = Stepper(x, method)
    for gradient in gradients:
        stepper.step(gradient)
    return stepper.answer


@pytest.mark.parametrize("kind", ["csr", "csc", "coo"])
def test_scipy_sparse(kind):
    g = np.array([0.0, 1.0, 0.0, -2.0])
    expected = after(np.ones(4), g)
    array = sparse.coo_array(g[None]).asformat(kind)
    assert np.array_equal(after(np.ones(4), array), expected)
    assert np.array_equal(after(np.ones(4), sparse.coo_array(g)), expected)
    assert np.array_equal(after(np.ones((2, 2)), array.reshape(2, 2)).ravel(), expected)


def test_rows_of_an_array():
    x, y, rng = np.ones((6, 3)), np.ones((6, 3)), np.random.default_rng(0)
    a, b = Stepper(x, "adamw"), Stepper(y, "adamw")
    for _ in range(20):
        indices, values = rng.integers(0, 6, 2), rng.standard_normal((2, 3))
        g = np.zeros((6, 3))
        np.add.at(g, indices, values)
        a.step((indices, values))
        b.step(g)
    a.flush([1])
    np.testing.assert_allclose(x[1], y[1], rtol=1e-14)
    a.flush()
    np.testing.assert_allclose(x, y, rtol=1e-14)


def test_several_arrays_and_a_closure():
    x = {"w": np.ones(4), "b": np.ones(2)}
    stepper = Stepper(x, SGD(lr=0.5))
    assert stepper.step(lambda: (7.0, {"w": ([1], [1.0]), "b": np.array([1.0, 0.0])})) == 7
    stepper.flush({"w": [0], "b": None})
    assert x["w"].tolist() == [1, 0.5, 1, 1]
    assert x["b"].tolist() == [0.5, 1]


def test_pairs_that_are_dense_and_pairs_that_are_not():
    assert after(np.ones(2), (1.0, 2.0), method=SGD(lr=0.5)).tolist() == [0.5, 0]
    assert after(np.ones(2), (np.array([1]), [2.0]), method=SGD(lr=0.5)).tolist() == [1, 0]
    assert after(np.ones((2, 2)), ([1.0, 0.0], [0.0, 1.0]), method=SGD(lr=0.5)).tolist() == [[0.5, 1], [1, 0.5]]


def test_what_is_there_twice_is_added_up():
    one = after(np.ones(4), ([2, 0], [1.5, 1.0]), method="sparseadam")
    assert np.array_equal(after(np.ones(4), ([2, 0, 2, 2], [1.0, 1.0, 2.0, -1.5]), method="sparseadam"), one)
    gradient = sparse.coo_array(([1.0, 1.0, 0.5], ([0, 0, 0], [2, 0, 2])), shape=(1, 4))
    assert np.array_equal(after(np.ones(4), gradient, method="sparseadam"), one)


def test_the_given_arrays_stay_as_they_are():
    indices, values = np.array([1, 1, 0]), np.array([1.0, 2.0, 3.0])
    after(np.ones(3), (indices, values), method=SGD(maximize=True))
    assert indices.tolist() == [1, 1, 0]
    assert values.tolist() == [1, 2, 3]


def test_empty_gradient():
    assert np.array_equal(after(np.ones(3), ([], [])), after(np.ones(3), np.zeros(3)))


@pytest.mark.parametrize(
    ("gradient", "error", "text"),
    [
        (([1, 4], [1.0, 1.0]), IndexError, r"Index 4 in the gradient of x, at position 1, is not in \[0, 4\)"),
        (([-1], [1.0]), IndexError, "Index -1 in the gradient of x, at position 0"),
        ((np.array([2**63], np.uint64), [1.0]), IndexError, "Index 9223372036854775808"),
        (([0.5], [1.0]), TypeError, "must be a vector of integers, not of shape .1,. and dtype float64"),
        (([[1]], [1.0]), TypeError, "must be a vector of integers"),
        (([1], [1j]), TypeError, "must be real numbers, not of dtype complex128"),
        (([1, 2], [1.0]), ValueError, r"have shape \(1,\); they must have \(2,\)"),
        (([1], 1.0), ValueError, r"have shape \(\); they must have \(1,\)"),
        (sparse.csr_array((1, 5)), ValueError, r"has shape \(1, 5\); it must have \(4,\), as x"),
        (([1], [np.nan]), FloatingPointError, "The gradient of x is not finite in step 2; nothing was updated"),
    ],
)
def test_errors_before_anything_is_updated(gradient, error, text):
    stepper = Stepper(np.ones(4), "adamw")
    stepper.step(([0], [1.0]))
    x = stepper.x.copy()
    with pytest.raises(error, match=text):
        stepper.step(gradient)
    assert stepper.t == 1
    assert np.array_equal(stepper.x, x)


def test_more_errors():
    with pytest.raises(ValueError, match="x must be C-contiguous and aligned for sparse gradients"):
        after(np.ones(8)[::2], ([1], [1.0]))
    with pytest.raises(IndexError, match="Index 9 "):
        Stepper(np.ones(4)).flush([9])
    stepper = Stepper(np.ones(4), nonfinite="skip")
    stepper.step(([1], [np.inf]))
    assert (stepper.t, stepper.skipped) == (0, 1)
