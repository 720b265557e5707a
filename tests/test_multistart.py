"""multistart(): starts spread over a box, run one after the other or as one batch, and the minima ranked."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numba
import numpy as np
import pytest

import numbaopt
from numbaopt import Status, multistart


def rastrigin(x):
    return 10 * x.size + np.sum(x**2 - 10 * np.cos(2 * np.pi * x))


def camel(x):
    return (4 - 2.1 * x[0] ** 2 + x[0] ** 4 / 3) * x[0] ** 2 + x[0] * x[1] + 4 * (x[1] ** 2 - 1) * x[1] ** 2


BOX = [(-3, 3), (-2, 2)]


@pytest.mark.parametrize("sampler", ["sobol", "halton", "lhs", lambda n, rng: rng.uniform(-1.5, 1.5, (n, 2))])
def test_multistart_finds_and_ranks(sampler):
    res = multistart(camel, BOX, 24, method="nelder-mead", sampler=sampler, seed=3)
    np.testing.assert_allclose(res.minima.fun[:2], -1.0316284534898774, atol=1e-8)
    assert np.all(np.diff(res.minima.fun) >= 0) and res.minima.count.sum() == 24
    assert res.success and res.fun == res.minima.fun[0] and res.nfev == res.starts.nfev.sum()
    np.testing.assert_array_equal(res.minima.fun[res.starts.minimum[5]] - res.starts.fun[5] <= 0, True)
    again = multistart(camel, BOX, 24, method="nelder-mead", sampler=sampler, seed=3)
    np.testing.assert_array_equal(res.starts.x, again.starts.x)
    assert "led to the best" in res.summary() and res.summary().count("\n") == 1 + len(res.minima.fun)


def test_multistart_of_random_methods():
    a, b = (multistart(rastrigin, [(-5, 5)] * 2, 4, method="cma", seed=5) for _ in range(2))
    np.testing.assert_array_equal(a.starts.x, b.starts.x)
    assert a.seed == 5


def test_multistart_goes_on_where_a_start_fails():
    def fun(x):
        if x[0] < -1:
            raise ZeroDivisionError("left")
        return np.nan if x[1] < -1 else camel(x)

    X0 = [[-2.0, 0.0], [0.5, -1.9], [0.1, 0.5], [0.0, 1.0]]
    res = multistart(fun, None, sampler=X0, method="nelder-mead")
    assert res.n_failed == 1 and res.n_nonfinite == 2 and res.starts.minimum[:2].tolist() == [-1, -1]
    assert res.success and "1 raised an exception, 2 found no finite point" in res.message
    assert "ZeroDivisionError: left" in res.starts.message[0]
    with pytest.raises(ZeroDivisionError, match="left"):
        multistart(fun, None, sampler=X0[:1], method="nelder-mead")


def test_multistart_and_ctrl_c():
    calls = []

    def fun(x):
        calls.append(0)
        if len(calls) == 600:
            raise KeyboardInterrupt
        return camel(x)

    with pytest.raises(KeyboardInterrupt) as caught:
        multistart(fun, BOX, 64, method="nelder-mead", seed=1)
    found = caught.value.result
    assert len(calls) == 600 and 1 < len(found.starts.fun) < 64 and found.starts.status[-1] == Status.INTERRUPTED


def test_multistart_stops_in_time_and_by_the_callback():
    def stop(k, result):
        if k == 2:
            raise StopIteration

    res = multistart(camel, BOX, 16, method="nelder-mead", callback=stop)
    assert len(res.starts.fun) == 3 and "callback" in res.message
    res = multistart(camel, BOX, 100_000, method="nelder-mead", maxtime=0.3)
    assert 0 < len(res.starts.fun) < 100_000 and "maxtime = 0.3" in res.message


def test_multistart_explains():
    with pytest.raises(ValueError, match="needs bounds, the box of its starts"):
        multistart(camel)
    with pytest.raises(ValueError, match=r"bounds\[1\] = .*finite box"):
        multistart(camel, [(0, 1), (0, None)])
    with pytest.raises(ValueError, match="sampler='grid' must be one of 'sobol'"):
        multistart(camel, BOX, sampler="grid")
    with pytest.raises(ValueError, match="Unknown method"):
        multistart(camel, BOX, method="nelder")
    assert numbaopt.multistart is multistart


# --- as one batch ----------------------------------------------------------------------------------------------------


@numba.njit
def compiled_camel(x):
    return (4 - 2.1 * x[0] ** 2 + x[0] ** 4 / 3) * x[0] ** 2 + x[0] * x[1] + 4 * (x[1] ** 2 - 1) * x[1] ** 2


@numba.njit
def half_defined(x):
    if x[0] < 0:
        raise ValueError("left")
    return compiled_camel(x)


def assert_same(a, b):
    for name in ("x0", "x", "fun", "nit", "nfev", "status", "minimum"):
        np.testing.assert_array_equal(a.starts[name], b.starts[name])
    np.testing.assert_array_equal(a.minima.x, b.minima.x)


@pytest.mark.parametrize("method", [None, "nelder-mead", "adam"])
def test_a_batch_is_the_starts_one_by_one(method):
    options = {"maxiter": 200}
    seen = []
    single = multistart(
        compiled_camel, BOX, 20, method=method, seed=2, options=options, callback=lambda k, r: seen.append(k)
    )
    assert seen == list(range(20))
    batch = multistart(compiled_camel, BOX, 20, method=method, seed=2, options=options)
    single.starts.nfev[:] = batch.starts.nfev  # minimize() checks the gradient at each x0, by two evaluations
    assert_same(batch, single)
    assert batch.fun == pytest.approx(-1.0316284534898774)


@pytest.mark.parametrize("fun", [compiled_camel, camel])
def test_on_executors(fun):
    here = multistart(fun, BOX, 12, seed=3)
    with ThreadPoolExecutor(2) as threads, ProcessPoolExecutor(2, get_context("spawn")) as processes:
        for executor in (threads, processes):
            there = multistart(fun, BOX, 12, seed=3, executor=executor)
            assert_same(here, there)


def test_what_executors_cannot_do():
    with ThreadPoolExecutor(1) as executor:
        with pytest.raises(ValueError, match="run as batches, but callback is called after each start"):
            multistart(camel, BOX, 4, executor=executor, callback=print)
        with pytest.raises(ValueError, match="has a seed of its own"):
            multistart(camel, BOX, 4, executor=executor, method="cma-es")
        with pytest.raises(ValueError, match="the option history is for each start by itself"):
            multistart(camel, BOX, 4, executor=executor, options={"history": True})


def test_residuals():
    @numba.njit
    def valley(x):
        return np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]])

    result = multistart(valley, BOX, 4, method="lm", seed=1)
    np.testing.assert_allclose(result.x, [1, 1], rtol=1e-6)
    with ThreadPoolExecutor(1) as executor:
        elsewhere = multistart(valley, BOX, 4, method="lm", seed=1, executor=executor)
    assert np.array_equal(elsewhere.x, result.x)


def test_a_batch_goes_on_where_starts_fail():
    result = multistart(half_defined, BOX, 16, seed=1)
    assert 0 < result.n_failed < 16
    assert result.success
    failed = result.starts.status == Status.RAISED
    assert failed.sum() == result.n_failed
    assert "ValueError" in result.starts.message[int(np.flatnonzero(failed)[0])]


@pytest.mark.filterwarnings("ignore:fun raised in all")
def test_what_is_raised_from_every_start_of_a_batch_is_raised():
    with pytest.raises(ValueError, match="left"):
        multistart(half_defined, [(-3, -1), (-2, 2)], 8)


def test_a_batch_ends_in_time():
    @numba.njit
    def slow(x):
        total = 0.0
        for i in range(20_000):
            total += np.cos(x[0] + i)
        return total + x[0] ** 2

    multistart(slow, [(-3, 3)], 4)
    result = multistart(slow, [(-3, 3)], 20_000, maxtime=0.5)
    assert 0 < len(result.starts.fun) < 20_000
    assert len(result.starts.x0) == len(result.starts.fun)
    assert "maxtime = 0.5 seconds are over" in result.message
