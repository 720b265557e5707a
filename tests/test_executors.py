"""minimize_batch and curve_fit_batch on executors: the same bits in order, also where workers are killed."""

from __future__ import annotations

import os
import pathlib
import signal
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from numba import njit

from numbaopt import Adam, Status, curve_fit_batch, minimize_batch
from numbaopt._executors import chunk_edges

METHOD, BOUNDS = Adam(lr=0.05), [(0.0, 9.0), (0.0, 9.0)]
B, T = 30, np.linspace(0.0, 4.0, 20)


@njit
def decay(p, t, y):
    """Squares of p0 exp(-p1 t) - y; it raises where the first y is 0."""
    if y[0] == 0.0:
        raise ValueError("no data")
    total = 0.0
    for i in range(y.size):
        total += (p[0] * np.exp(-p[1] * t[i]) - y[i]) ** 2
    return total


def deadly(x, folder, b):
    """A bowl; the first evaluation of problem 11 kills the process that makes it, the second time it does not."""
    mark = pathlib.Path(folder) / "killed"
    if b == 11 and not mark.exists():
        mark.write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
    return float((x[0] - b) ** 2)


def call(executor=None, **options):
    """Ragged data, of which one problem raises."""
    rng = np.random.default_rng(0)
    X0 = rng.uniform(0.8, 1.2, (B, 2))
    y = [3 * np.exp(-rate * T[: 5 + b % 15]) for b, rate in enumerate(rng.uniform(0.5, 2.0, B))]
    y[4][0] = 0.0
    options = {"maxiter": 60, "return_jac": True} | options
    return minimize_batch(decay, X0, (T,), (y,), METHOD, bounds=BOUNDS, options=options, executor=executor)


def deadly_call(folder, executor=None, **options):
    X0, number = np.full((B, 1), 0.5), np.arange(B)
    options = {"maxiter": 15} | options
    return minimize_batch(deadly, X0, (str(folder),), (number,), METHOD, options=options, executor=executor)


def assert_same(result, local):
    for name in ("x", "fun", "status", "success", "nit", "nfev", "njev"):
        assert np.array_equal(getattr(result, name), getattr(local, name), equal_nan=True), name
    if local.jac is not None:
        assert np.array_equal(result.jac, local.jac, equal_nan=True)
    assert result.gradient == local.gradient
    assert [one.message for one in result] == [one.message for one in local]


def processes(count=2):
    return ProcessPoolExecutor(count, mp_context=get_context("spawn"))


@pytest.fixture(scope="module")
def client():
    """A cluster of two processes."""
    distributed = pytest.importorskip("distributed", reason="needs dask.distributed (pip install numbaopt[dask])")
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    )
    with cluster, distributed.Client(cluster) as client:
        yield client


def test_threads_and_processes():
    """Executors of concurrent.futures; a raising problem says the same everywhere."""
    local = call()
    assert local.status[4] == Status.RAISED
    for executor, size in ((ThreadPoolExecutor(2), None), (processes(), 7), (ThreadPoolExecutor(1), B)):
        with executor:
            result = call(executor, chunk_size=size)
        assert_same(result, local)
        assert result.message_of(4) == local.message_of(4)
        assert "1 RAISED" in str(result)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_dask(client):
    """A client of dask, and the executor that it gives."""
    local = call()
    assert_same(call(client), local)
    assert_same(call(client.get_executor(), chunk_size=8), local)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_killed_worker_of_dask(client, tmp_path):
    """A worker that is killed in mid-run costs its chunk a second run, and nothing else."""
    pids = set(client.run(os.getpid).values())
    result = deadly_call(tmp_path, client, chunk_size=4)
    assert int((tmp_path / "killed").read_text()) in pids
    local = deadly_call(tmp_path)
    assert_same(result, local)
    assert (result.nit == 15).all()


def test_killed_worker_of_a_pool(tmp_path):
    """A pool of processes is broken after that: the rest is done here, with a warning."""
    with processes() as pool, pytest.warns(RuntimeWarning, match="What it had not done is done by this process"):
        result = deadly_call(tmp_path, pool, chunk_size=4)
    assert int((tmp_path / "killed").read_text()) != os.getpid()
    assert_same(result, deadly_call(tmp_path))


# --- fits ------------------------------------------------------------------------------------------------------------


def model(t, amplitude, rate):
    """A decay, of plain NumPy: each worker compiles it."""
    return amplitude * np.exp(-rate * t)


def fits(executor=None, **options):
    """Curves with x, sigma and missing values of their own; one has fewer values than parameters."""
    rng = np.random.default_rng(1)
    t = T * rng.uniform(0.8, 1.2, (B, 1))
    curves = model(t, 3.0, rng.uniform(0.5, 2.0, (B, 1))) + 0.02 * rng.normal(size=t.shape)
    curves[rng.random(curves.shape) < 0.1] = np.nan
    curves[7, 1:] = np.nan
    sigma = 0.02 * rng.uniform(0.5, 2.0, t.shape)
    given = {"nan_policy": "omit", "bounds": (0, [9, 9]), "executor": executor}
    return curve_fit_batch(model, t, curves, [1.0, 1.0], sigma, **given, **options)


def assert_same_fits(result, local):
    assert_same(result, local)
    for name in ("pcov", "chisq", "points"):
        np.testing.assert_array_equal(getattr(result, name), getattr(local, name), err_msg=name)
    assert result.success.sum() == B - 1


def test_fits_on_threads_and_processes():
    local = fits()
    for executor in (ThreadPoolExecutor(2), processes()):
        with executor:
            assert_same_fits(fits(executor, chunk_size=8), local)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_fits_on_dask(client):
    assert_same_fits(fits(client), fits())


class Slow:
    """An executor whose third chunk never ends, or raises."""

    _max_workers = 1

    def __init__(self, error=None):
        self.calls, self.error = 0, error

    def submit(self, function, *args):
        self.calls += 1
        future = Future()
        if self.calls != 3:
            future.set_result(function(*args))
        elif self.error is not None:
            future.set_exception(self.error)
        return future


def test_what_a_worker_raises():
    """It is raised, with what is done attached."""
    with pytest.raises(OSError, match="the network is down") as info:
        call(Slow(OSError("the network is down")), chunk_size=10)
    result = info.value.result
    assert (result.nit[:20] > 0).sum() == 19
    assert (result.status[20:] == Status.INTERRUPTED).all()
    assert "Not started" in result.message_of(25)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX signals")
def test_ctrl_c():
    """KeyboardInterrupt while a chunk is awaited."""
    call(Slow(OSError()), chunk_size=15)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        start = time.perf_counter()
        with pytest.raises(KeyboardInterrupt) as info:
            call(Slow(), chunk_size=10)
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.perf_counter() - start < 3.0
    assert (info.value.result.nit[:20] > 0).sum() == 19
    assert np.array_equal(info.value.result.x[:20], call().x[:20])


def test_what_is_refused():
    with pytest.raises(TypeError, match="executor=3 must be an executor"):
        call(3)
    with pytest.raises(ValueError, match="chunk_size=0 must be an integer >= 1"):
        call(chunk_size=0)


def test_chunks():
    """All problems, in order, none twice."""
    assert chunk_edges(10, 1, 4) == [0, 4, 8, 10]
    assert chunk_edges(8, 1, None) == [0, 2, 4, 6, 8]
    assert chunk_edges(1, 8, None) == [0, 1]
    assert max(np.diff(chunk_edges(10**7, 2, None))) == 65_536
