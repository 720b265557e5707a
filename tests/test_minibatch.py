"""Minibatches: the order of the samples, the steps, what is judged, variance reduction, and the errors."""

from __future__ import annotations

import itertools

import numba
import numpy as np
import pytest
import scipy.optimize
from numba import njit

import numbaopt
from numbaopt import SGD, Status, minimize
from numbaopt.drivers import slices

N, BATCH = 103, 10
STEPS = 11  # of an epoch; the last has 3 samples
SIZES = [BATCH] * 10 + [3]

# --- ridge regression, mean over idx ----------------------------------------------------------------------------------

RNG = np.random.default_rng(0)
A = RNG.standard_normal((N, 4))
B = A @ np.arange(1.0, 5.0) + 0.5 * RNG.standard_normal(N)
DECAY = 0.1
OPTIMUM = np.linalg.solve(A.T @ A / N + DECAY * np.eye(4), A.T @ B / N)


def value(x, idx, a, b):
    total = 0.0 * x[0]
    for i in idx:
        total += (np.sum(a[i] * x) - b[i]) ** 2 / 2
    return total / idx.size + 0.05 * np.sum(x * x)


def jacobian(x, idx, a, b):
    g = 0.1 * x
    for i in idx:
        g += (np.sum(a[i] * x) - b[i]) * a[i] / idx.size
    return g


value_jit, jacobian_jit = njit(value), njit(jacobian)


def both(x, idx, a, b):
    return value_jit(x, idx, a, b), jacobian_jit(x, idx, a, b)


def inplace(x, g, idx, a, b):
    g[:] = jacobian_jit(x, idx, a, b)
    return value_jit(x, idx, a, b)


both_jit, inplace_jit = njit(both), njit(inplace)
ALL = np.arange(N)


def full(x):
    return value_jit(x, ALL, A, B), jacobian_jit(x, ALL, A, B)


STEEPEST = SGD(0.1)


def solve(fun=inplace_jit, jac="inplace", method=STEEPEST, x0=(0.0, 0.0, 0.0, 0.0), callback=None, **options):
    options = {"batch_size": BATCH, "n_samples": N, "seed": 7, "maxepoch": 3} | options
    return minimize(fun, x0, (A, B), method, jac, callback=callback, options=options)


# --- the order, written again in Python -------------------------------------------------------------------------------


def splitmix(seed):
    state, mask = seed, 2**64 - 1
    while True:
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        yield z ^ (z >> 31)


def permutations(n, seed):
    """The order of each epoch: Fisher and Yates, with 32 bits of the generator for each draw."""
    bits, order = splitmix(seed), list(range(n))
    while True:
        for i in range(n - 1, 0, -1):
            m = i + 1
            product = (next(bits) >> 32) * m
            while product % 2**32 < 2**32 % m:
                product = (next(bits) >> 32) * m
            j = product >> 32
            order[i], order[j] = order[j], order[i]
        yield np.array(order)


def batches(seed=7, n=N, size=BATCH):
    for order in permutations(n, seed):
        for start in range(0, n, size):
            yield order[start : start + size]


def test_splitmix_is_the_published_generator():
    # the first outputs for seed 1234567, as in the reference implementation of Vigna
    assert list(itertools.islice(splitmix(1234567), 3)) == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


def recorded(**options):
    """The batches of a run in their order, without those of evaluations on all samples."""
    seen = []

    def fun(x, g, idx, a, b):
        assert idx.dtype == np.int64
        seen.append(idx)
        g[:] = 0.0
        return 0.0

    res = solve(fun, **options)
    assert res.nfev == len(seen)
    assert res.nepoch == 3
    return seen[STEPS:-STEPS]  # x0, and the point at the end


def test_each_epoch_is_a_permutation_in_batches_and_the_last_batch_is_short():
    seen = recorded()
    assert [idx.size for idx in seen] == SIZES * 3
    epochs = [np.concatenate(seen[k : k + STEPS]) for k in (0, STEPS, 2 * STEPS)]
    for order in epochs:
        assert np.array_equal(np.sort(order), ALL)
    assert not np.array_equal(epochs[0], epochs[1])
    for idx, expected in zip(seen, batches(), strict=False):
        assert np.array_equal(idx, expected)


def test_without_shuffle_the_samples_come_in_order():
    assert np.array_equal(np.concatenate(recorded(shuffle=False)), np.tile(ALL, 3))


def test_order_is_uniform():
    # every one of the 24 permutations of 4 samples, over 2400 epochs: chi-square with 23 degrees of freedom
    seen = []

    def fun(x, g, idx):
        seen.append(idx[0])
        g[:] = 0.0
        return 0.0

    options = {"batch_size": 1, "n_samples": 4, "seed": 0, "maxepoch": 2400}
    minimize(fun, [0.0], (), SGD(0.0), "inplace", options=options)
    epochs = np.array(seen[4:-4]).reshape(-1, 4)
    counts = np.unique(epochs @ [64, 16, 4, 1], return_counts=True)[1]
    assert counts.size == 24
    assert ((counts - 100) ** 2 / 100).sum() < 49.7  # p = 0.001


def test_seed_repeats_a_run_and_is_reported():
    first = solve(seed=None)
    assert 0 <= first.seed < 2**62
    again = solve(seed=first.seed)
    assert again.seed == first.seed
    assert np.array_equal(first.x, again.x)
    assert not np.array_equal(first.x, solve(seed=None).x)
    assert np.array_equal(first.x, solve(seed=first.seed, workers=1).x)


# --- the steps --------------------------------------------------------------------------------------------------------


def by_hand(gradient, steps, lr=0.1, dtype=float):
    x = np.zeros(4, dtype)
    for idx in itertools.islice(batches(), steps):
        x = x - lr * gradient(x, idx)
    return x


KINDS = {
    "inplace": (inplace, inplace_jit, "inplace", "inplace", 1e-14),
    "True": (both, both_jit, True, True, 1e-14),
    "jac": (value, value_jit, jacobian, jacobian_jit, 1e-14),
    "2-point": (value, value_jit, "2-point", "2-point", 1e-6),
    "3-point": (value, value_jit, "3-point", "3-point", 1e-9),
    "cs": (value, value_jit, "cs", "cs", 1e-13),
}


@pytest.mark.parametrize("kind", KINDS)
def test_steps_are_those_of_a_loop_by_hand(kind):
    fun, compiled, jac, compiled_jac, tol = KINDS[kind]
    expected = by_hand(lambda x, idx: jacobian(x, idx, A, B), 2 * STEPS + 4)
    plain = solve(fun, jac, maxiter=2 * STEPS + 4)
    fast = solve(compiled, compiled_jac, maxiter=2 * STEPS + 4)
    for res in (plain, fast):
        assert res.x == pytest.approx(expected, abs=tol * 10)
        f, g = full(res.x)
        assert res.fun == pytest.approx(f, rel=1e-13)
        assert res.jac == pytest.approx(g, abs=max(tol, 1e-13) * 10)
        assert (res.nit, res.nepoch, res.status) == (2 * STEPS + 4, 2, Status.MAXITER)
    assert fast.x == pytest.approx(plain.x, abs=tol)
    assert fast.nfev == plain.nfev
    per_gradient = {"2-point": 5, "3-point": 9, "cs": 5}.get(kind, 1)
    extra = 2 if kind == "cs" else 0  # the check of the complex step at x0
    assert plain.nfev == (2 * STEPS + 4 + 2 * STEPS) * per_gradient + extra
    assert plain.njev == 4 * STEPS + 4


def test_differences_on_threads_are_of_the_same_batch(monkeypatch):
    monkeypatch.setattr(slices, "AMORTISED", -1.0)
    monkeypatch.setattr(slices, "WORTHWHILE", 0.0)
    monkeypatch.setattr(slices, "TRIAL", np.inf)
    team = solve(value_jit, "2-point", workers=2 if numba.config.NUMBA_NUM_THREADS > 1 else 1)
    monkeypatch.undo()
    assert np.array_equal(team.x, solve(value_jit, "2-point").x)


def test_rule_with_an_answer_of_its_own():
    res = solve(method="schedulefreesgd", lr=0.1, maxepoch=30)
    assert res.x == pytest.approx(OPTIMUM, abs=0.05)
    assert "is the one that ScheduleFreeSGD makes of its iterates" in res.message
    assert res.fun == pytest.approx(full(res.x)[0], rel=1e-13)
    assert solve(method="schedulefreesgd", lr=0.1, maxepoch=30, maxfev=100).nfev <= 100


def test_scipy_calls_it():
    options = {"batch_size": BATCH, "n_samples": N, "seed": 7, "maxepoch": 3, "lr": 0.1}
    method = numbaopt.methods.sgd
    res = scipy.optimize.minimize(value_jit, np.zeros(4), (A, B), method, jac=jacobian_jit, options=options)
    assert np.array_equal(res.x, solve(value_jit, jacobian_jit).x)


def test_adam_and_slices_change_nothing():
    whole = solve(method="adam", lr=0.1, maxepoch=20)
    sliced = solve(method="adam", lr=0.1, maxepoch=20, callback=lambda x: None, callback_every=1)
    assert np.array_equal(whole.x, sliced.x)
    assert np.array_equal(whole.x, solve(inplace, method="adam", lr=0.1, maxepoch=20).x)
    sliced_svrg = {"variance_reduction": "svrg", "maxepoch": 5, "seed": 3}
    calls = {"callback": lambda x: None, "callback_every": 1}
    assert np.array_equal(solve(**sliced_svrg).x, solve(**sliced_svrg, **calls).x)
    stepper_x = np.zeros(4)
    stepper = numbaopt.Stepper(stepper_x, numbaopt.Adam(lr=0.1))
    for idx in itertools.islice(batches(), 20 * STEPS):
        stepper.step(jacobian_jit(stepper_x, idx, A, B))
    assert np.array_equal(whole.x, stepper_x)


def test_float32_bounds_scale_and_maximize():
    single = solve(x0=np.zeros(4, np.float32), maxepoch=1)
    assert single.x.dtype == np.float32
    assert single.x == pytest.approx(by_hand(lambda x, idx: jacobian(x, idx, A, B), STEPS), abs=1e-5)
    options = {"batch_size": BATCH, "n_samples": N, "seed": 7, "maxepoch": 200, "x_scale": 2.0}
    res = minimize(inplace_jit, np.zeros(4), (A, B), "adam", "inplace", bounds=[(0, 2)] * 4, options=options)
    assert res.x[2:] == pytest.approx([2, 2])
    assert (res.x <= 2).all()

    def negative(x, idx, a, b):
        return -value(x, idx, a, b)

    def negative_gradient(x, idx, a, b):
        return -jacobian(x, idx, a, b)

    up = solve(negative, negative_gradient, "adam", lr=0.1, maximize=True)
    down = solve(value, jacobian, "adam", lr=0.1)
    assert np.array_equal(up.x, down.x)
    assert up.fun == -down.fun


@pytest.mark.parametrize("fun", [inplace, inplace_jit])
@pytest.mark.parametrize("size", [N, 10 * N])
def test_one_batch_of_all_samples_is_the_full_batch(fun, size):
    @njit
    def whole(x, g, a, b):
        return inplace_jit(x, g, np.arange(a.shape[0]), a, b)

    options = {"gtol": None, "keep": "last", "maxiter": 25}
    expected = minimize(whole, np.zeros(4), (A, B), SGD(0.1), "inplace", options=options)
    res = solve(fun, batch_size=size, maxepoch=25)
    assert np.array_equal(res.x, expected.x)
    assert np.array_equal(res.jac, expected.jac)
    assert (res.fun, res.nit, res.nepoch) == (expected.fun, 25, 25)


# --- what is judged ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fun", [inplace, inplace_jit])
def test_history_is_of_all_samples_at_the_end_of_epochs(fun):
    res = solve(fun, maxepoch=5, history_x=True)
    history = res.history
    assert history.nit.tolist() == [k * STEPS for k in range(6)]
    for x, f, norm in zip(history.x, history.fun, history.gradient_norm, strict=True):
        assert f == pytest.approx(full(x)[0], rel=1e-13)
        assert norm == pytest.approx(np.abs(full(x)[1]).max(), abs=1e-13)
    assert np.array_equal(history.x[-1], res.x)
    rare = solve(fun, maxiter=5 * STEPS + 1, maxepoch=None, history=True, evaluate_every=2)
    assert rare.history.nit.tolist() == [0, 2 * STEPS, 4 * STEPS, 5 * STEPS + 1]
    assert rare.nfev == 5 * STEPS + 1 + 4 * STEPS


def test_default_evaluates_at_the_start_and_the_end_only():
    assert solve(maxepoch=5).nfev == 5 * STEPS + 2 * STEPS
    assert solve(maxepoch=0).nfev == STEPS
    assert solve(maxepoch=0).fun == pytest.approx(full(np.zeros(4))[0], rel=1e-13)


def test_stopping_tests_are_on_all_samples():
    res = solve(method=SGD(0.02), gtol=0.2, maxepoch=1000)
    assert res.status == Status.GTOL
    assert np.abs(full(res.x)[1]).max() <= 0.2
    assert res.nit == res.nepoch * STEPS
    res = solve(ftol=1e-3, patience=3, maxepoch=1000)
    assert res.status == Status.FTOL
    assert "in 3 evaluations on all samples" in res.message
    res = solve(method=SGD(1e-9), xtol=1e-6, patience=3, maxepoch=1000, x0=np.ones(4))
    assert (res.status, res.nepoch) == (Status.XTOL, 3)
    target = 1.1 * full(OPTIMUM)[0]
    res = solve(ftarget=target, maxepoch=1000)
    assert res.status == Status.FTARGET
    assert res.fun <= target
    assert solve(maxepoch=1000, maxiter=30).nit == 30


def test_keep_best_keeps_the_best_on_all_samples():
    res = solve(method=SGD(0.5), maxepoch=40, keep="best", history_x=True)
    k = int(np.argmin(res.history.fun))
    assert k < 40
    assert np.array_equal(res.x, res.history.x[k])
    assert res.fun == res.history.fun[k]
    assert res.jac == pytest.approx(full(res.x)[1], abs=1e-13)


def test_maxfev_counts_batches_and_is_never_passed():
    for most in (40, 41, 55):
        res = solve(maxfev=most, maxepoch=100)
        assert res.status == Status.MAXFEV
        assert res.nfev == most
        assert res.nit == most - 2 * STEPS
        assert res.fun == pytest.approx(full(res.x)[0], rel=1e-13)
    assert solve(value_jit, None, maxfev=140, maxepoch=100).nfev == 140
    assert solve(maxfev=60, maxepoch=100, variance_reduction="svrg").nfev <= 60


# --- ends between two evaluations -------------------------------------------------------------------------------------


@pytest.mark.parametrize("fun", [inplace, inplace_jit])
def test_callback_gets_the_batch_and_may_stop(fun):
    seen = []

    def callback(intermediate_result):
        seen.append(intermediate_result)
        if intermediate_result.nit == 14:
            raise StopIteration

    res = solve(fun, callback=callback, callback_every=1)
    assert res.status == Status.CALLBACK
    assert (res.nit, res.nepoch) == (14, 1)
    assert [r.nit for r in seen] == list(range(1, 15))
    assert [r.nepoch for r in seen] == [0] * 10 + [1] * 4
    for r, idx in zip(seen, itertools.islice(batches(), 1, None), strict=False):
        assert r.fun == value_jit(r.x, idx, A, B)
        assert np.array_equal(r.jac, jacobian_jit(r.x, idx, A, B))
    assert np.array_equal(res.x, seen[-1].x)
    assert res.fun == pytest.approx(full(res.x)[0], rel=1e-13)


@pytest.mark.parametrize("fun", [inplace, inplace_jit])
def test_maxtime_returns_an_evaluated_point(fun):
    res = solve(fun, method=SGD(1e-9), maxtime=0.05, maxepoch=10**9)
    assert res.status == Status.MAXTIME
    assert res.nit > 1
    assert res.fun == pytest.approx(full(res.x)[0], rel=1e-13)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_what_is_raised_carries_the_last_point_evaluated_on_all_samples(error):
    calls = itertools.count()

    def fun(x, g, idx, a, b):
        if next(calls) == STEPS + 14:
            raise error
        return inplace(x, g, idx, a, b)

    with pytest.raises(error) as info:
        solve(fun)
    res = info.value.result
    assert (res.status, res.nit, res.nepoch) == (Status.INTERRUPTED, 14, 1)
    assert res.x == pytest.approx(by_hand(lambda x, idx: jacobian(x, idx, A, B), 14), abs=1e-13)
    assert res.fun == pytest.approx(full(res.x)[0], rel=1e-13)


def test_interrupt_of_a_compiled_loop():
    def interrupt(intermediate_result):
        if intermediate_result.nit == 14:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as info:
        solve(callback=interrupt, callback_every=1)
    res = info.value.result
    assert (res.status, res.nit) == (Status.INTERRUPTED, 14)
    assert res.x == pytest.approx(by_hand(lambda x, idx: jacobian(x, idx, A, B), 14), abs=1e-13)
    assert res.fun == pytest.approx(full(res.x)[0], rel=1e-13)


def test_fun_that_keeps_raising_leaves_the_point_before():
    calls = itertools.count()

    def fun(x, g, idx, a, b):
        if next(calls) >= STEPS + 14:
            raise RuntimeError("broken")
        return inplace(x, g, idx, a, b)

    with pytest.raises(RuntimeError, match="broken") as info:
        solve(fun)
    assert np.array_equal(info.value.result.x, np.zeros(4))
    assert info.value.result.fun == pytest.approx(full(np.zeros(4))[0], rel=1e-13)


def test_interrupt_before_x0_is_evaluated():
    calls = itertools.count()

    def fun(x, g, idx, a, b):
        if next(calls) == 4:
            raise KeyboardInterrupt
        return inplace(x, g, idx, a, b)

    with pytest.raises(KeyboardInterrupt) as info:
        solve(fun)
    assert np.isnan(info.value.result.fun)
    assert np.isnan(info.value.result.jac).all()


@pytest.mark.parametrize("fun", [inplace, inplace_jit])
def test_divergence_returns_the_last_finite_point(fun):
    res = solve(fun, method=SGD(1e3), maxepoch=1000, history=True)
    assert res.status == Status.NONFINITE
    assert np.isfinite(res.x).all()
    assert res.fun == pytest.approx(full(res.x)[0], rel=1e-12)
    start = solve(fun, x0=[np.nan_to_num(np.inf), 0, 0, 0])
    assert "is not finite at x0" in start.message


# --- variance reduction -----------------------------------------------------------------------------------------------


def svrg_by_hand(epochs, every, lr):
    x, order = np.zeros(4), batches()
    for epoch in range(epochs):
        if epoch % every == 0:
            snapshot, g_all = x, full(x)[1]
        for idx in itertools.islice(order, STEPS):
            x = x - lr * (jacobian_jit(x, idx, A, B) - jacobian_jit(snapshot, idx, A, B) + g_all)
    return x


@pytest.mark.parametrize("every", [1, 2, 3])
def test_svrg_is_algorithm_1(every):
    expected = svrg_by_hand(7, every, 0.1)
    for fun, jac in ((inplace, "inplace"), (inplace_jit, "inplace"), (value_jit, "cs"), (value, "3-point")):
        res = solve(fun, jac, maxepoch=7, variance_reduction="svrg", snapshot_every=every)
        assert res.x == pytest.approx(expected, abs=1e-8 if jac == "3-point" else 1e-13)
    plain = solve(maxepoch=7, variance_reduction="svrg", snapshot_every=every, evaluate_every=1)
    assert plain.x == pytest.approx(expected, abs=1e-13)
    default = solve(maxepoch=7, variance_reduction="svrg")
    assert np.array_equal(default.x, solve(maxepoch=7, variance_reduction="svrg", snapshot_every=2).x)


def test_svrg_converges_linearly_where_sgd_stalls():
    sgd = solve(maxepoch=200, history_x=True)
    svrg = solve(maxepoch=200, history_x=True, variance_reduction="svrg", evaluate_every=1)
    far = [np.linalg.norm(res.history.x - OPTIMUM, axis=1) for res in (sgd, svrg)]
    assert far[0][100:].min() > 1e-3
    assert far[1][-1] < 1e-12
    # a constant factor per epoch, until rounding
    assert far[1][10] < 1e-3
    assert far[1][20] < 1e-6
    res = solve(maxepoch=200, gtol=1e-9, variance_reduction="svrg")
    assert res.status == Status.GTOL
    assert res.x == pytest.approx(OPTIMUM, abs=1e-8)


def test_svrg_is_of_any_rule():
    res = solve(method="adam", lr=0.01, maxepoch=600, gtol=1e-7, variance_reduction="svrg")
    assert res.status == Status.GTOL
    assert res.x == pytest.approx(OPTIMUM, abs=1e-6)


# --- errors -----------------------------------------------------------------------------------------------------------


def never_called(x, idx):
    raise AssertionError("fun was called")


@pytest.mark.parametrize(
    ("kind", "options", "text"),
    [
        (ValueError, {"batch_size": 8}, "batch_size=8 needs n_samples, the number of all samples: idx has numbers "),
        (ValueError, {"batch_size": 0, "n_samples": 9}, "batch_size=0 must be an integer >= 1, or None."),
        (TypeError, {"batch_size": 2.5, "n_samples": 9}, "batch_size=2.5 must be an integer >= 1, or None."),
        (TypeError, {"batch_size": True, "n_samples": 9}, "batch_size=True must be an integer >= 1, or None."),
        (ValueError, {"batch_size": 1, "n_samples": 0}, "n_samples=0 must be an integer in [1, 4294967295], or None."),
        (ValueError, {"batch_size": 1, "n_samples": 2**32}, "n_samples=4294967296 must be an integer in [1, "),
        (TypeError, {"batch_size": 1, "n_samples": "all"}, "n_samples='all' must be an integer in [1, "),
        (ValueError, {"batch_size": 1, "n_samples": 9, "seed": -1}, "seed=-1 must be an integer in [0, "),
        (TypeError, {"batch_size": 1, "n_samples": 9, "shuffle": 3}, "shuffle=3 must be True or False."),
        (ValueError, {"batch_size": 1, "n_samples": 9, "evaluate_every": 0}, "evaluate_every=0 must be an integer >= "),
        (ValueError, {"batch_size": 1, "n_samples": 9, "maxepoch": -1}, "maxepoch=-1 must be an integer >= 0"),
        (
            ValueError,
            {"batch_size": 1, "n_samples": 9, "variance_reduction": "saga"},
            "variance_reduction='saga' must be \"svrg\", or None.",
        ),
        (
            ValueError,
            {"batch_size": 1, "n_samples": 9, "snapshot_every": 2},
            'snapshot_every=2 is for variance reduction. Give variance_reduction="svrg" as well, or leave ',
        ),
        (
            ValueError,
            {"n_samples": 9},
            "n_samples=9 is for minibatches. Give batch_size as well, the number of samples of which fun(x, idx, "
            "*args) is the mean, or leave n_samples out.",
        ),
        (ValueError, {"shuffle": False}, "shuffle=False is for minibatches. "),
        (ValueError, {"maxepoch": 3}, "maxepoch=3 is for minibatches. "),
        (ValueError, {"variance_reduction": "svrg"}, "variance_reduction='svrg' is for minibatches. "),
    ],
)
def test_options(kind, options, text):
    with pytest.raises(kind) as info:
        minimize(never_called, [0.0], options=options)
    assert str(info.value).startswith(text)


@pytest.mark.parametrize("wrap", [njit, lambda f: f])
def test_fun_without_idx(wrap):
    def fun(x):
        raise AssertionError

    options = {"batch_size": 1, "n_samples": 9}
    with pytest.raises(TypeError) as info:
        minimize(wrap(fun), [0.0], options=options)
    assert str(info.value) == (
        "fun is fun(x), but with batch_size it is called as fun(x, idx, *args), here with 2 arguments (too many "
        "positional arguments). Let it take idx, the samples of a batch, and return the mean over them."
    )
    with pytest.raises(TypeError, match=r"^jac is fun\(x\), but with batch_size it is called as jac\(x, idx, \*args\)"):
        minimize(wrap(never_called), [0.0], jac=wrap(fun), options=options)
    with pytest.raises(TypeError, match=r"called as fun\(x, grad, idx, \*args\), here with 3 arguments"):
        minimize(wrap(never_called), [0.0], jac="inplace", options=options)


def test_idx_is_not_to_be_written_and_args_keep_their_numbers():
    @njit
    def writes(x, idx):
        idx[0] = 0
        return x[0]

    options = {"batch_size": 1, "n_samples": 9}
    with pytest.raises(TypeError, match="numba cannot compile fun writes"):
        minimize(writes, [0.0], jac="2-point", options=options)
    with pytest.raises(TypeError, match=r"^args\[1\], of type object, is nothing that numba can pass"):
        minimize(value_jit, [0.0], (A, object()), options=options)


# --- batches that are not finite -------------------------------------------------------------------------------------


@pytest.mark.parametrize("fun", [both, both_jit], ids=["plain", "compiled"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("variance_reduction", [None, "svrg"])
def test_a_batch_that_is_not_finite_is_left_out(fun, bad, variance_reduction):
    """As if the run had been made without it: a sample that spoils its batch once, in the second epoch."""
    options = {"batch_size": BATCH, "n_samples": N, "seed": 7, "maxepoch": 3, "variance_reduction": variance_reduction}
    spoilt = B.copy()
    calls = []

    def spoil(x, idx, a, b):
        calls.append(idx.copy())
        value, gradient = fun(x, idx, a, b)
        return (value, np.full(4, bad)) if len(calls) == 30 else (value, gradient)

    res = minimize(spoil, np.zeros(4), (A, spoilt), STEEPEST, True, options=options | {"nonfinite": "skip"})
    assert res.skipped == 1
    assert res.nit == 3 * STEPS
    assert np.isfinite(res.x).all() and abs(res.x - OPTIMUM).max() < 0.5
    calls.clear()
    assert minimize(spoil, np.zeros(4), (A, spoilt), STEEPEST, True, options=options).status == Status.NONFINITE


def gap(x, idx, a, b):
    f, g = both_jit(x, idx, a, b)
    for i in idx:
        if i < 3 and 0.02 < x[0] < 0.6:  # on the way from 0 to the optimum
            f = np.nan
    return f, g


def test_left_out_in_the_compiled_loop_as_in_the_plain_one():
    options = {"batch_size": BATCH, "n_samples": N, "seed": 7, "maxepoch": 6, "nonfinite": "skip"}
    compiled, plain = (minimize(f, np.zeros(4), (A, B), STEEPEST, True, options=options) for f in (njit(gap), gap))
    assert compiled.skipped == plain.skipped > 1
    assert np.array_equal(compiled.x, plain.x)
    assert abs(compiled.x - OPTIMUM).max() < 0.5
