"""minimize_batch: the results of minimize() one by one, and what is said when something goes wrong."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
import types
from typing import Any, NamedTuple

import numpy as np
import pytest
from numba import njit, prange
from scipy.optimize import Bounds

import numbaopt
from numbaopt import Adam, Status, _solver, minimize, minimize_batch, register_vjp
from numbaopt._batch_run import Batch, Watch
from numbaopt._batch_task import _work
from numbaopt._minimize_batch import read_task
from numbaopt._solver import begin, iteration, solver, workspace
from numbaopt.drivers.many import finishing
from numbaopt.drivers.objectives import evaluate
from numbaopt.drivers.places import new_found
from numbaopt.drivers.solving import accept, step_from

RUNNING, ROUNDING = int(Status.RUNNING), int(Status.ROUNDING)


@solver(needs="gradient", names=("batch_descent",))
class Descent(NamedTuple):
    """Steps against the gradient, as long as they lower fun."""

    first_step: float = 0.1


@workspace(Descent)
def _(h, n, m):
    return 1


@begin(Descent)
def _(h, objective, box, limit, s):
    s.work[0] = h.first_step


@iteration(Descent)
def _(h, objective, box, limit, s):
    step_from(s.x, -s.work[0], s.g, box, s.trial)
    f = evaluate(objective, box, s.trial, s.trial_g, s.p)
    if f < s.p.f:
        accept(s, f)
        s.work[0] *= 2
        return RUNNING
    s.work[0] /= 4
    return RUNNING if s.work[0] > 1e-20 else ROUNDING


@pytest.fixture(scope="module", autouse=True)
def forget_descent():
    yield
    del _solver.SOLVERS[Descent], _solver.NAMES["descent"], _solver.NAMES["batchdescent"]


@njit
def decay(p, t, y, weight):
    """Squares of a p0 exp(-p1 t) - y."""
    total = 0.0
    for i in range(t.size):
        total += weight * (p[0] * np.exp(-p[1] * t[i]) - y[i]) ** 2
    return total


@njit
def picky(p, t, y, weight):
    """The same, but it raises for some data, and for some only on the way."""
    if weight == 0.0:
        raise ValueError("no weight")
    if weight < 0 and p[0] > 1.5:
        raise ZeroDivisionError("p0 is too large")
    total = 0.0
    for i in range(t.size):
        total += abs(weight) * (p[0] * np.exp(-p[1] * t[i]) - y[i]) ** 2
    return total


@njit
def stubborn(x, speed):
    """Ends at once for speed 1, and as good as never for speed 0."""
    return (x[0] - 3.0) ** 2 if speed == 1.0 else np.exp(-x[0] * 1e-9)


B, T = 40, np.linspace(0.0, 4.0, 30)


def data(count=B, seed=0):
    """Starting points, and an item of data and a weight for each."""
    rng = np.random.default_rng(seed)
    rates = rng.uniform(0.5, 2.0, (count, 1))
    y = 3 * np.exp(-rates * T) + 0.01 * rng.standard_normal((count, T.size))
    return rng.uniform(0.8, 1.2, (count, 2)), y, rng.uniform(0.5, 2.0, count)


def assert_same(result, ones, checks=2):
    """All fields the same, to the bit; `checks` evaluations are those by which minimize() checks its gradient."""
    for b, one in enumerate(ones):
        got = result[b]
        for name in ("x", "fun", "jac"):
            assert np.array_equal(got.get(name), one.get(name), equal_nan=name in one), (b, name)
        assert (got.nit, got.status, got.success, got.message) == (one.nit, one.status, one.success, one.message), b
        assert (got.nfev + checks, got.njev) == (one.nfev, one.get("njev", 0)), b


RETURN = {"return_jac": True}


# --- the same as one by one ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["adam", Descent], ids=["rule", "solver"])
def test_equals_minimize(method):
    """Shared and own arguments, one and two threads: the same bits as one by one."""
    X0, y, w = data()
    for workers in (1, 2):
        options = {"maxiter": 70, "workers": workers}
        result = minimize_batch(decay, X0, (T,), (y, w), method, options=options | RETURN)
        ones = [minimize(decay, X0[b], (T, y[b], w[b]), method, options={"maxiter": 70}) for b in range(B)]
        assert_same(result, ones)
        assert result.workers == workers
        assert {Status(s) for s in result.status} >= {Status.GTOL} if method == "adam" else {Status.MAXITER}
    assert result.gradient == "autodiff"
    assert np.array_equal(data()[0], X0)


def test_methods_that_compare_values():
    """They have no gradient to show, and may draw random numbers."""
    X0, y, w = data(6)
    options, bounds = {"maxiter": 20, "seed": 3}, [(0.0, 9.0)] * 2
    result = minimize_batch(decay, X0, (T,), (y, w), "de", bounds=bounds, options=options | RETURN)
    ones = [minimize(decay, X0[b], (T, y[b], w[b]), "de", bounds=bounds, options=options) for b in range(6)]
    assert_same(result, ones, checks=0)
    assert result[2].seed == 3
    assert result.jac is None


@pytest.mark.parametrize("workers", [1, 2])
def test_ragged(workers):
    """Lists of arrays of different length, which are not copied."""
    X0, y, w = data()
    sizes = np.random.default_rng(1).integers(3, T.size, B)
    times, values = [T[:k].copy() for k in sizes], [y[b, :k].copy() for b, k in enumerate(sizes)]
    result = minimize_batch(decay, X0, (), (times, values, w), Descent, options={"workers": workers} | RETURN)
    assert_same(result, [minimize(decay, X0[b], (times[b], values[b], w[b]), Descent) for b in range(B)])


def test_items_of_many_kinds():
    """Matrices, integers, booleans, records and ragged matrices."""

    @njit
    def fun(x, A, k, flag, record, M):
        shift = record["shift"] + (1.0 if flag else 0.0)
        return ((x - shift) ** 2).sum() * k + (A @ x)[0] + M.sum() * 1e-3 + M.shape[0]

    rng = np.random.default_rng(0)
    records = np.zeros(5, [("name", "i4"), ("shift", "f8")])
    records["shift"] = rng.standard_normal(5)
    ragged = [rng.standard_normal((b + 1, 3)) for b in range(5)]
    batch = (rng.standard_normal((5, 2, 2)), np.arange(1, 6), np.arange(5) % 2 == 0, records, ragged)
    options = {"gradient": "2-point"}
    result = minimize_batch(fun, np.zeros((5, 2)), (), batch, Descent, options=options | RETURN)
    ones = [minimize(fun, np.zeros(2), tuple(v[b] for v in batch), Descent, options=options) for b in range(5)]
    assert_same(result, ones, checks=0)


@pytest.mark.parametrize("form", ["Bounds", "pairs"])
def test_own_bounds_scales_and_fixed(form):
    """Each problem has its own bounds, scales and fixed coordinates."""
    X0, y, w = data()
    lower, upper = X0 - np.linspace(0.0, 0.3, B)[:, None], X0 + np.linspace(0.1, 3.0, B)[:, None]
    lower[5], upper[6] = -np.inf, np.inf
    fixed = np.zeros((B, 2), bool)
    fixed[3, 0] = fixed[4, 1] = True
    scale = np.random.default_rng(2).uniform(0.5, 2.0, (B, 2))
    bounds = Bounds(lower, upper) if form == "Bounds" else np.stack([lower, upper], axis=2)
    common = {"maxiter": 60}
    options = common | {"x_scale": scale, "fixed": fixed} | RETURN
    result = minimize_batch(decay, X0, (T,), (y, w), Descent, bounds=bounds, options=options)

    def one(b):
        own = common | {"x_scale": scale[b], "fixed": fixed[b]}
        return minimize(decay, X0[b], (T, y[b], w[b]), Descent, bounds=Bounds(lower[b], upper[b]), options=own)

    assert_same(result, [one(b) for b in range(B)])
    assert np.all((lower <= result.x) & (result.x <= upper))
    assert result.x[3, 0] == X0[3, 0]
    assert result.x[4, 1] == X0[4, 1]


def test_shared_bounds_and_rule():
    """Bounds as minimize() takes them, under an update rule with a rate of its own."""
    X0, y, w = data()
    bounds, method = [(0.5, 2.5), (None, 1.2)], Adam(lr=0.05)
    result = minimize_batch(decay, X0, (T,), (y, w), method, bounds=bounds, options={"maxiter": 200} | RETURN)
    ones = [minimize(decay, X0[b], (T, y[b], w[b]), method, bounds=bounds, options={"maxiter": 200}) for b in range(B)]
    assert_same(result, ones)


def test_slots_that_start_at_x0():
    """A rule whose state depends on x0; one whose answer is made of all iterates runs one by one."""
    X0, y, w = data(5)
    for method in (numbaopt.Prodigy(), numbaopt.ASGD(lr=0.01)):
        result = minimize_batch(decay, X0, (T,), (y, w), method, options={"maxiter": 50} | RETURN)
        ones = [minimize(decay, X0[b], (T, y[b], w[b]), method, options={"maxiter": 50}) for b in range(5)]
        assert_same(result, ones, 0 if isinstance(method, numbaopt.ASGD) else 2)


def test_float32():
    """float32 stays float32."""
    X0, y, w = (values.astype(np.float32) for values in data(5))
    t = T.astype(np.float32)
    result = minimize_batch(decay, X0, (t,), (y, w), Descent, options=RETURN)
    assert result.x.dtype == result.jac.dtype == np.float32
    assert_same(result, [minimize(decay, X0[b], (t, y[b], w[b]), Descent) for b in range(5)])


@njit
def decay_gradient(p, t, y, weight):
    g = np.zeros(2)
    for i in range(t.size):
        e = np.exp(-p[1] * t[i])
        r = 2 * weight * (p[0] * e - y[i])
        g[0] += r * e
        g[1] -= r * p[0] * t[i] * e
    return g


@njit
def decay_both(p, t, y, weight):
    return decay(p, t, y, weight), decay_gradient(p, t, y, weight)


@njit
def decay_inplace(p, g, t, y, weight):
    g[:] = decay_gradient(p, t, y, weight)
    return decay(p, t, y, weight)


def plain(p, t, y, weight):
    return float((weight * (p[0] * np.exp(-p[1] * t) - y) ** 2).sum())


GRADIENTS = {
    "callable": (decay, decay_gradient, {}),
    "True": (decay_both, True, {}),
    "inplace": (decay_inplace, "inplace", {}),
    "2-point": (decay, "2-point", {}),
    "jit": (plain, None, {"jit": True}),
    "plain": (plain, None, {}),
    "maximize": (njit(lambda p, t, y, w: -decay(p, t, y, w)), None, {"maximize": True, "lr": 1e-3}),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients(name):
    """Every way to give a gradient."""
    fun, jac, options = GRADIENTS[name]
    method: Any = "adam" if name == "maximize" else Descent
    options, bounds = options | {"maxiter": 20}, [(0, 9), (0, 9)] if name == "maximize" else None
    X0, y, w = data(5)
    result = minimize_batch(fun, X0, (T,), (y, w), method, jac, bounds, options=options | RETURN)
    ones = [minimize(fun, X0[b], (T, y[b], w[b]), method, jac, bounds=bounds, options=options) for b in range(5)]
    assert_same(result, ones, checks=2 if name in ("jit", "maximize") else 0)


# --- when something goes wrong ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("fun", [picky, picky.py_func], ids=["compiled", "plain"])
def test_some_raise(fun, workers):
    """Those say what was raised; the others have the same bits as ever."""
    count = B if fun is picky else 8
    X0, y, w = data(count)
    w[3], w[5] = 0.0, -1.0
    options = {"gradient": "2-point", "workers": workers, "maxiter": 30} | RETURN
    result = minimize_batch(fun, X0, (T,), (y, w), Descent, options=options)
    good = np.delete(np.arange(count), [3, 5])
    assert result.status[[3, 5]].tolist() == [Status.RAISED] * 2
    assert not result.success[[3, 5]].any()
    expected = minimize_batch(fun, X0[good], (T,), (y[good], w[good]), Descent, options=options)
    for name in ("x", "fun", "jac", "nit", "nfev", "status"):
        assert np.array_equal(getattr(result, name)[good], getattr(expected, name)), name
    assert (
        result.message_of(3) == "fun raised ValueError: no weight at the starting point, which is returned; fun is NaN."
    )
    assert np.array_equal(result.x[3], X0[3])
    assert np.isnan(result.fun[3])
    assert result.message_of(5).startswith("fun raised")
    assert result.x[5, 0] <= 1.5
    assert result.fun[5] <= fun(X0[5], T, y[5], w[5])
    assert "2 RAISED" in str(result)
    assert "[3] RAISED: fun raised ValueError: no weight" in str(result)


def test_all_raise():
    X0, y, w = data(3)
    with pytest.warns(RuntimeWarning, match=r"fun raised in all of the 3 problems: ValueError: no weight\."):
        result = minimize_batch(picky, X0, (T,), (y, 0 * w), Descent, options={"gradient": "2-point"})
    assert (result.status == Status.RAISED).all()


def test_raising_leaks_nothing():
    """The references of what a problem that raised held are given back."""
    from numba.core.runtime import _nrt_python, rtsys

    X0, y, w = data(100)
    w[::2] = -1.0

    def left():
        minimize_batch(picky, X0, (T,), (y, w), Descent, options={"gradient": "2-point", "maxiter": 30})
        stats = rtsys.get_allocation_stats()
        return stats.alloc - stats.free

    _nrt_python.memsys_enable_stats()
    left()
    assert left() - left() == 0


def test_not_finite_at_start():
    """A problem that has no value at its start says so."""
    X0, y, w = data(4)
    y[2, 7] = np.nan
    result = minimize_batch(decay, X0, (T,), (y, w), Descent)
    assert result.status[2] == Status.NONFINITE
    assert "is not finite at x0" in result.message_of(2)
    one = minimize(decay, X0[2], (T, y[2], w[2]), Descent)
    assert (one.message, one.status) == (result.message_of(2), result.status[2])
    assert np.delete(result.status, 2).max() <= Status.ROUNDING


BAD = [
    (
        {"X0": [1.0, 2.0]},
        ValueError,
        r"X0 must have shape \(B, n\).* its shape is \(2,\): for a single problem",
    ),
    ({"X0": np.zeros((4, 0))}, ValueError, r"X0 has shape \(4, 0\)"),
    ({"X0": [["a", "b"]]}, TypeError, "X0 must be an array of real numbers"),
    ({"X0": [[1.0], [1.0, 2.0]]}, ValueError, "one row for each problem"),
    ({"nan": True}, ValueError, r"X0\[2, 1\] = nan is not finite"),
    (
        {"batch_args": (np.zeros((5, 30)), np.ones(4))},
        ValueError,
        r"batch_args\[0\] has shape \(5, 30\).*X0 has 4 rows",
    ),
    ({"batch_args": ([T] * 3, np.ones(4))}, ValueError, r"batch_args\[0\] has 3 arrays.*X0 has 4 rows"),
    ({"batch_args": ([T, T, T, T[None]], np.ones(4))}, ValueError, r"batch_args\[0\]\[3\] has shape \(1, 30\)"),
    ({"batch_args": (np.zeros((4, 30)), 1.0)}, TypeError, r"batch_args\[1\], a float, must be an array"),
    ({"batch_args": ()}, TypeError, "called with"),
    ({"bounds": np.zeros((3, 2, 2))}, ValueError, r"bounds has shape \(3, 2, 2\), but X0 has shape \(4, 2\)"),
    ({"bounds": Bounds(np.zeros((3, 2)), 9.0)}, ValueError, r"bounds.lb has shape \(3, 2\), but X0 has shape \(4, 2\)"),
    ({"bounds": [(0, 1)]}, ValueError, "bounds must have 2 pairs"),
    ({"outside": True}, ValueError, r"X0\[3, 0\] = .* is outside the bounds of problem 3, \[0, 0.1\]"),
    ({"crossed": True}, ValueError, r"The bounds of problem 1, x\[0\], are \(9, 8\)"),
    ({"options": {"fixed": np.ones((3, 2), bool)}}, ValueError, r"fixed has shape \(3, 2\).*X0 has shape \(4, 2\)"),
    ({"options": {"x_scale": np.ones((3, 2))}}, ValueError, r"x_scale has shape \(3, 2\), but X0 has shape \(4, 2\)"),
    ({"options": {"history": True}}, ValueError, "history=True is for a single run"),
    ({"options": {"checkpoint": "a"}}, ValueError, "checkpoint='a' is for a single run"),
    ({"options": {"return_jac": 3}}, TypeError, "return_jac=3"),
    ({"options": {"nonsense": 3}}, ValueError, "Unknown option 'nonsense'"),
    ({"method": "nonsense"}, ValueError, "Unknown method"),
    ({"fun": 3}, TypeError, "fun must be callable"),
]


@pytest.mark.parametrize("case", range(len(BAD)))
def test_bad_input(case):
    """What was given is named, with both shapes where they do not match."""
    change, error, text = BAD[case]
    X0, y, w = data(4)
    call = {"fun": decay, "X0": X0, "args": (T,), "batch_args": (y, w), "method": Descent} | change
    if call.pop("nan", False):
        call["X0"][2, 1] = np.nan
    if call.pop("outside", False):
        call["bounds"] = Bounds(np.zeros((4, 2)), np.where(np.arange(4)[:, None] == 3, 0.1, 9.0) * np.ones((4, 2)))
    if call.pop("crossed", False):
        call["bounds"] = Bounds(np.where(np.arange(4)[:, None] == 1, 9.0, 0.0) * np.ones((4, 2)), 8.0)
    with pytest.raises(error, match=text):
        minimize_batch(**call)


def test_none_and_one():
    """B = 0 and B = 1."""
    X0, y, w = data(1)
    none = minimize_batch(decay, np.zeros((0, 2)), (T,), (y[:0], w[:0]), Descent, options=RETURN)
    assert (len(none), none.x.shape, none.jac.shape, none.status.shape) == (0, (0, 2), (0, 2), (0,))
    assert list(none) == []
    assert str(none).startswith("0 problems of 2 unknowns by descent")
    one = minimize_batch(decay, X0, (T,), (y, w), Descent, options=RETURN)
    assert_same(one, [minimize(decay, X0[0], (T, y[0], w[0]), Descent)])
    assert one.workers == 1


def test_wrong_gradient():
    """An exact gradient that is wrong at the start of a problem: differences, or an error where it was asked for."""
    register_vjp(squared, lambda g, r, z: g * z)
    fun = njit(lambda x, a: squared(x[0] - a) + 1.0)
    with pytest.warns(RuntimeWarning, match=r"autodiff gradient of <lambda>\(\) is wrong"):
        result = minimize_batch(fun, np.zeros((3, 1)), (), (np.arange(1.0, 4.0),), Descent)
    assert np.abs(result.x[:, 0] - np.arange(1.0, 4.0)).max() < 1e-4
    assert result.gradient.startswith("2-point, as")
    with pytest.raises(ValueError, match=r"autodiff gradient of <lambda>\(\) is wrong"):
        minimize_batch(fun, np.zeros((3, 1)), (), (np.arange(1.0, 4.0),), Descent, "autodiff")


def test_x_is_not_to_be_changed():
    fun = njit(lambda x, a: shifted(x) - a)
    with pytest.raises(ValueError, match="fun changed its argument in place"):
        minimize_batch(fun, np.zeros((3, 1)), (), (np.ones(3),), Descent, "2-point")


@njit
def squared(z):
    return z * z


@njit
def shifted(x):
    x[0] += 1.0
    return x[0] ** 2


# --- threads ---------------------------------------------------------------------------------------------------------

FOREVER = {"maxiter": 10**12, "gtol": None, "ftarget": 1e-6}
ANYWHERE = [(-np.inf, np.inf)]


@pytest.mark.parametrize("workers", [1, 2])
def test_one_takes_very_long(workers):
    """A thread that has a long problem holds up nobody, if there is another; maxtime ends it, and says so."""
    speed = np.ones(300)
    speed[0] = 0.0
    X0 = np.zeros((300, 1))
    minimize_batch(stubborn, X0[:3], (), (speed[1:4],), Adam(lr=0.1), bounds=ANYWHERE, options=FOREVER)
    options = FOREVER | {"maxtime": 1.0, "workers": workers}
    start = time.perf_counter()
    result = minimize_batch(stubborn, X0, (), (speed,), Adam(lr=0.1), bounds=ANYWHERE, options=options)
    assert time.perf_counter() - start < 4.0
    assert result.status[0] == Status.MAXTIME
    assert result.nit[0] > 1000
    assert result.message_of(0).startswith("Stopped after maxtime = 1 seconds")
    if workers == 2:
        assert (result.status[1:] == Status.FTARGET).all()
    else:
        assert (result.status[1:] == Status.MAXTIME).all()
        assert result.message_of(9).startswith("Not started: maxtime = 1 seconds were over")
        assert np.array_equal(result.x[9], X0[9])


@pytest.fixture
def default_sigint():
    """A process that a shell starts in the background ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("fun", [stubborn, stubborn.py_func], ids=["compiled", "plain"])
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX signals")
def test_ctrl_c(fun, default_sigint):
    """KeyboardInterrupt, with what is done as `.result`."""
    speed = np.ones(50)
    speed[20:] = 0.0
    options = FOREVER | {"workers": 2}
    X0 = np.zeros((50, 1))
    minimize_batch(fun, X0[:3], (), (speed[:3],), Adam(lr=0.1), bounds=ANYWHERE, options=options)
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    start = time.perf_counter()
    timer.start()
    with pytest.raises(KeyboardInterrupt) as info:
        minimize_batch(fun, X0, (), (speed,), Adam(lr=0.1), bounds=ANYWHERE, options=options)
    assert time.perf_counter() - start < 3.0
    result = info.value.result
    assert (result.status[:20] == Status.FTARGET).all()
    assert np.abs(result.x[:20] - 3.0).max() < 1e-2
    assert (result.status[20:] == Status.INTERRUPTED).all()
    assert 1 <= (result.nit[20:] > 0).sum() <= 2
    assert result.message_of(49).startswith("Not started: the batch was interrupted")
    assert "30 INTERRUPTED" in str(result)


def test_one_thread_where_fun_may_write_to_what_is_shared():
    """A function that writes to `args`, or has a parallel loop of its own, runs on one thread."""

    @njit
    def with_scratch(x, room, a):
        room[:] = x - a
        return (room**2).sum()

    @njit(parallel=True)
    def with_loop(x, room, a):
        total = 0.0
        for i in prange(x.size):
            total += (x[i] - a) ** 2
        return total

    a = np.arange(5.0)
    for fun in (with_scratch, with_loop):
        options = {"gradient": "2-point", "workers": 2, "maxiter": 10}
        result = minimize_batch(fun, np.zeros((5, 2)), (np.zeros(2),), (a,), Descent, options=options)
        assert result.workers == 1
        assert np.abs(result.x - a[:, None]).max() < 1e-2


class Ends(NamedTuple):
    """How often each problem has been finished, and its iterations."""

    count: Any
    nit: Any


@finishing(Ends)
def _(after, objective, h, box, limit, s, b):
    after.count[b] += 1
    after.nit[b] = s.p.nit
    if s.x[1] < 0.6:
        raise ValueError("a finishing step may raise")


def test_finishing_step():
    """What is declared for each problem that has ended, with its workspace at hand; what it raises is its own."""
    X0, y, w = data()
    task = read_task(decay, X0, (T,), (y, w), Descent, None, None, {})
    problem = task.with_gradient()
    found = new_found(X0, False)
    after = Ends(np.zeros(B, np.int64), np.zeros(B, np.int64))
    work = _work(task, problem, task.run_of(0, problem), found)._replace(after=after)
    Batch(work, 2).run(Watch(np.inf, None))
    assert (after.count == 1).all()
    assert np.array_equal(after.nit, found.nit)
    assert np.array_equal(found.status == Status.RAISED, found.x[:, 1] < 0.6)
    assert (found.status == Status.RAISED).any()


def test_second_batch_compiles_nothing():
    X0, y, w = data()
    minimize_batch(decay, X0, (T,), (y, w), Descent)
    result = minimize_batch(decay, X0[:7], (T[:9],), (y[:7, :9].copy(), w[:7]), Descent, options={"gtol": 1e-3})
    assert result.time.compile < 0.05


# --- what is shown ----------------------------------------------------------------------------------------------------


def test_summary_and_results():
    """The summary counts; a problem is a result of its own; the whole can be pickled."""
    X0, y, w = data()
    result = minimize_batch(decay, X0, (T,), (y, w), Descent, options={"maxiter": 100})
    text, good = str(result), int(result.success.sum())
    assert 0 < good < B
    assert f"{B} problems of 2 unknowns by descent, gradient: autodiff" in text
    assert f"{good} converged: {good} GTOL" in text
    assert f"{B - good} did not: {B - good} MAXITER" in text
    assert "problems per second" in text
    worst = int(np.flatnonzero(~result.success)[0])
    assert text.count("MAXITER: Stopped after maxiter = 100 iterations") == min(5, B - good)
    assert result[worst].message == result.message_of(worst)
    assert result[-1].fun == result.fun[-1]
    assert len(list(result)) == len(result) == B
    assert result.jac is None
    with pytest.raises(IndexError):
        result[B]
    again = pickle.loads(pickle.dumps(result))
    assert np.array_equal(again.x, result.x)
    assert again.message_of(worst) == result.message_of(worst)


def test_plain_progress(monkeypatch, capsys):
    """Lines where tqdm is not installed."""
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    X0 = np.zeros((4, 1))
    options = FOREVER | {"maxtime": 1.5, "disp": True}
    minimize_batch(stubborn, X0, (), (np.zeros(4),), Adam(lr=0.1), bounds=ANYWHERE, options=options)
    out = capsys.readouterr().out
    assert "0 of 4 problems" in out
    assert "4 MAXTIME" in out


def test_tqdm_progress(monkeypatch, capsys):
    """A bar where it is."""
    seen = []

    class Bar:
        def __init__(self, total, unit):
            self.n = 0
            seen.append(total)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            seen.append(self.n)

        def update(self, count):
            self.n += count

    monkeypatch.setitem(sys.modules, "tqdm", types.ModuleType("tqdm"))
    module = types.ModuleType("tqdm.auto")
    module.tqdm = Bar
    monkeypatch.setitem(sys.modules, "tqdm.auto", module)
    X0, y, w = data()
    minimize_batch(decay, X0, (T,), (y, w), Descent, options={"disp": True})
    assert seen == [B, B]
