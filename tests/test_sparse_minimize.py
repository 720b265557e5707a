"""Sparse gradients in minimize(): the dense run at the cost of the coordinates, and what is not offered."""

from __future__ import annotations

import time
import warnings

import numba
import numpy as np
import pytest
import scipy
from scipy import sparse

from numbaopt import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Averaged,
    Lookahead,
    RMSprop,
    SparseAdam,
    Status,
    check_grad,
    minimize,
)
from numbaopt._rule import method_class, method_names
from numbaopt._sparse import stays
from numbaopt.schedules import CosineDecay, Warmup

N = 60
ALL = np.arange(N)
TARGET = np.sin(ALL.astype(float)) + 2
SEEN = np.array([3, 17, 17, 40, 41])
"""Coordinates on which fun depends; one of them has two terms."""


def fun(x, a=1.0):
    return a * 0.5 * ((x[SEEN] - TARGET[SEEN]) ** 2).sum()


def jac(x, a=1.0):
    return SEEN, a * (x[SEEN] - TARGET[SEEN])


def dense_jac(x, a=1.0):
    g = np.zeros_like(x)
    np.add.at(g, *jac(x, a))
    return g


def both(x, a=1.0):
    return fun(x, a), jac(x, a)


def run(jac=jac, fun=fun, method=SparseAdam(lr=0.1), args=(), callback=None, x0=None, **options):  # noqa: B008
    x0 = np.zeros(N) if x0 is None else x0
    return minimize(fun, x0, args=args, method=method, jac=jac, callback=callback, options=options)


def dense(**given):
    return run(**{"jac": dense_jac, "keep": "last"} | given)


# --- the same as the dense run ---------------------------------------------------------------------------------------

METHODS = [
    SparseAdam(lr=0.1),
    Adagrad(lr=CosineDecay(0.5, steps=40)),
    Adadelta(lr=5.0),
    RMSprop(lr=0.05, centered=True),
    SGD(lr=0.2),
]


@pytest.mark.parametrize("method", METHODS, ids=lambda m: type(m).__name__)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_as_the_dense_run(method, dtype):
    x0 = np.linspace(-1, 1, N).astype(dtype)
    a, b = (f(method=method, x0=x0, maxiter=60, gtol=None, history=5) for f in (run, dense))
    assert a.x.dtype == dtype
    np.testing.assert_allclose(a.x, b.x, rtol=20 * np.finfo(dtype).eps)
    np.testing.assert_allclose(a.jac, b.jac, rtol=0, atol=20 * np.finfo(dtype).eps)
    np.testing.assert_allclose(a.history.gradient_norm, b.history.gradient_norm, atol=20 * np.finfo(dtype).eps)
    assert (a.nit, a.nfev, a.njev, a.status) == (b.nit, b.nfev, b.njev, b.status)
    assert a.history.nit.tolist() == b.history.nit.tolist()
    assert (a.gradient, b.gradient) == ("jac=jac, sparse", "jac=dense_jac")
    assert np.array_equal(x0, np.linspace(-1, 1, N).astype(dtype))


def row(x, a=1.0):
    return sparse.coo_array((jac(x, a)[1], (0 * SEEN, SEEN)), shape=(1, N))


@pytest.mark.parametrize("given", [row, lambda x, a: row(x, a).tocsr(), lambda x, a: (list(SEEN), jac(x, a)[1])])
def test_kinds_of_sparse_gradients(given):
    assert np.array_equal(run(jac=given, args=(2.0,)).x, run(args=(2.0,)).x)


def test_value_and_gradient_together():
    assert np.array_equal(run(fun=both, jac=True, args=2.0).x, run(args=2.0).x)


def test_maximize():
    method = SparseAdam(lr=0.1, maximize=True)
    a = run(args=-1.0, method=method)
    assert np.array_equal(a.x, run().x)
    assert a.fun == -run().fun
    assert np.array_equal(a.jac, dense_jac(a.x, -1.0))


def test_a_name_has_the_default_of_its_lr_and_converges():
    res = run(method="sgd", maxiter=5)
    assert (res.hyperparameters, res.nit) == (SGD(), 5)
    assert run(method="adagrad", lr=0.5).success
    assert run(method="sgd", lr=0.1).x[SEEN] == pytest.approx(TARGET[SEEN], abs=1e-4)


@numba.njit
def compiled_pair(x, target):
    indices = np.array([1, 5, 5])
    values = x[indices] - target[indices]
    return 0.5 * (values**2).sum(), (indices, values)


@numba.njit
def compiled_fun(x, target):
    return compiled_pair(x, target)[0]


@numba.njit
def compiled_jac(x, target):
    return compiled_pair(x, target)[1]


@pytest.mark.parametrize(("fun", "jac"), [(compiled_pair, True), (compiled_fun, compiled_jac)])
def test_compiled_functions(fun, jac):
    plain = run(fun=compiled_pair.py_func, jac=True, args=(TARGET,))
    found = run(fun=fun, jac=jac, args=(TARGET,))
    assert np.array_equal(found.x, plain.x)
    assert found.success
    assert found.nit == plain.nit


def test_an_iteration_on_other_coordinates_each_time():
    """A Kaczmarz-like run: the gradient has one term, a different one each time."""
    calls = iter(range(10**6))

    def one(x):
        i = np.array([next(calls) % N])
        return 0.5 * float(((x[i] - TARGET[i]) ** 2).sum()), (i, x[i] - TARGET[i])

    res = run(fun=one, jac=True, method=SGD(lr=0.5), maxiter=30 * N, gtol=None)
    assert res.x == pytest.approx(TARGET, abs=1e-8)


def test_an_empty_gradient_is_a_flat_one():
    res = run(fun=lambda x: 1.0, jac=lambda x: ([], []))
    assert (res.status, res.nit, res.jac.tolist()) == (Status.GTOL, 0, [0] * N)


def test_two_variables():
    """A pair may also be a dense gradient: it is sparse if its first is a vector of integers."""
    res = run(fun=lambda x: x @ x, jac=lambda x: (2 * x[0], 2 * x[1]), x0=np.ones(2), method=SGD(lr=0.1))
    assert res.gradient == "jac=<lambda>"
    res = run(fun=lambda x: x[0] ** 2, jac=lambda x: ([0], 2 * x[:1]), x0=np.ones(2), method=SGD(lr=0.1))
    assert res.gradient == "jac=<lambda>, sparse"
    assert res.x == pytest.approx([0, 1], abs=1e-5)


# --- when it stops ---------------------------------------------------------------------------------------------------


def test_gtol_is_of_the_sum_of_what_is_there_twice():
    res = run(fun=lambda x: 0.0, jac=lambda x: ([1, 1], [5.0, -5.0]))
    assert (res.status, res.nit) == (Status.GTOL, 0)
    res = run(gtol=1e-3)
    assert res.status == Status.GTOL
    assert np.abs(res.jac).max() <= 1e-3
    assert np.array_equal(res.jac, dense_jac(res.x))


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"ftarget": 0.1}, Status.FTARGET),
        ({"ftol": 1e-3, "patience": 3}, Status.FTOL),
        ({"maxiter": 7}, Status.MAXITER),
        ({"maxfev": 7}, Status.MAXFEV),
        ({"maxtime": 0.0}, Status.MAXTIME),
    ],
)
def test_limits_are_those_of_the_dense_run(options, status):
    a, b = run(**options), dense(**options)
    assert a.status == b.status == status
    assert (a.nit, a.nfev) == (b.nit, b.nfev)
    assert np.array_equal(a.x, b.x)


def test_a_row_of_the_history_is_not_lost():
    res = run(history=True, gtol=None, maxiter=9_000)
    assert np.array_equal(res.history.nit, np.arange(9_001))


def test_callback_gets_the_point_and_the_pair():
    seen = []

    def callback(intermediate_result):
        r = intermediate_result
        g = np.zeros(N)
        g[r.jac[0]] = r.jac[1]
        assert np.array_equal(g, dense_jac(r.x))
        assert not r.x.flags.writeable
        seen.append((r.nit, r.fun, fun(r.x)))
        if r.nit == 6:
            raise StopIteration

    res = run(callback=callback, callback_every=2)
    assert [nit for nit, *_ in seen] == [2, 4, 6]
    assert all(a == b for _, a, b in seen)
    assert (res.status, res.nit) == (Status.CALLBACK, 6)
    xs = []
    run(callback=lambda x: xs.append(x.copy()), maxiter=3)
    assert len(xs) == 3
    assert np.array_equal(xs[-1], dense(maxiter=3).x)


@pytest.mark.parametrize("where", ["fun", "jac"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_what_is_raised_carries_the_last_point_that_was_evaluated(where, error):
    calls = {"fun": 0, "jac": 0}

    def counted(name, function):
        def call(x):
            calls[name] += 1
            if name == where and calls[name] == 6:
                raise error
            return function(x)

        return call

    with pytest.raises(error) as caught:
        run(fun=counted("fun", fun), jac=counted("jac", jac))
    result, expected = caught.value.result, dense(maxiter=4)
    assert np.array_equal(result.x, expected.x)
    assert np.array_equal(result.jac, expected.jac)
    assert result.fun == expected.fun
    assert (result.nit, result.status) == (5, Status.INTERRUPTED)


def test_interrupt_at_x0():
    def interrupted(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        run(fun=interrupted)
    assert caught.value.result.nit == 0


@pytest.mark.parametrize("broken", ["fun", "jac", "x"])
def test_what_is_not_finite_does_not_reach_the_result(broken):
    def value(x):
        return np.nan if broken == "fun" and x[3] > 0.45 else fun(x)

    def gradient(x):
        indices, values = jac(x)
        size = {"fun": 1.0, "jac": np.nan, "x": 1e308}[broken]
        return indices, values * (size if x[3] > 0.45 else 1.0)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        res = run(fun=value, jac=gradient, method=SGD(lr=10.0 if broken == "x" else 0.1), maxiter=50)
    assert res.status == Status.NONFINITE
    assert np.isfinite([*res.x, *res.jac, res.fun]).all()
    assert res.fun == fun(res.x)


def test_a_schedule_that_raises():
    def lr(t):
        if t == 4:
            raise ZeroDivisionError("here")
        return 0.1

    with pytest.raises(ZeroDivisionError, match="here") as caught:
        run(method=SparseAdam(lr=lr))
    assert np.array_equal(caught.value.result.x, dense(method=SparseAdam(lr=0.1), maxiter=3).x)


# --- what is not offered ---------------------------------------------------------------------------------------------


def test_which_methods_stay():
    at_rest = {name for name in method_names() if "inner" not in method_class(name)._fields and stays_by_default(name)}
    assert at_rest == {"sparseadam", "adagrad", "adadelta", "rmsprop", "sgd"}
    warm = Warmup(0.1, steps=10)
    for hyper in (SGD(momentum=0.5, lr=warm), SGD(weight_decay=0.1), RMSprop(momentum=0.1), Adagrad(weight_decay=1e-3)):
        assert not stays(hyper), hyper
    for hyper in (Averaged(SGD()), Lookahead(SGD()), Adam(betas=(lambda t: 0.5 - 0.5 / t, 0.9))):
        assert not stays(hyper), hyper
    assert stays(SGD(lr=warm))
    assert stays(Adam(betas=(0.0, 0.9)))
    assert stays(RMSprop(centered=True, lr=lambda t: 0.1 / t))


def stays_by_default(name):
    return stays(method_class(name)())


@pytest.mark.parametrize("method", ["adam", Adam(), SGD(lr=0.1, momentum=0.9), SGD(lr=0.1, weight_decay=0.1)])
def test_methods_that_move_the_others(method):
    with pytest.raises(ValueError, match=r"also moves coordinates that have no gradient.*Stepper.flush\(indices\)"):
        run(method=method)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"x_scale": "x0"}, "x_scale is not offered with sparse gradients"),
        ({"xtol": 1e-3}, "xtol is not offered"),
        ({"groups": {"a": ([0], {"lr": 0.1})}}, "groups is not offered"),
        ({"fixed": [0]}, "fixed is not offered"),
        ({"state_dtype": "float32"}, "state_dtype is not offered"),
        ({"history_x": True}, "history_x is not offered"),
        ({"keep": "best"}, 'keep="best" is not offered with sparse gradients'),
    ],
)
def test_options_that_are_not_offered(options, text):
    with pytest.raises(ValueError, match=text):
        run(**options)


def test_checkpoint_bounds_and_auto_are_not_offered(tmp_path):
    with pytest.raises(ValueError, match="checkpoint is not offered"):
        run(checkpoint=tmp_path / "run")
    with pytest.raises(ValueError, match="bounds is not offered"):
        minimize(fun, np.zeros(N), jac=jac, method="sgd", bounds=[(0, None)] * N)
    with pytest.raises(ValueError, match="lr must be a number or a schedule, as it learns from whole gradients"):
        run(method="rmsprop", lr="auto")
    free = minimize(fun, np.zeros(N), jac=jac, method="sgd", bounds=[(None, None)] * N, options={"maxiter": 3})
    assert free.nit == 3


def test_batches_are_not_offered():
    with pytest.raises(TypeError, match=r"returns a sparse gradient, which only minimize\(\) without batch_size"):
        run(fun=lambda x, i: 0.0, jac=lambda x, i: ([0], [1.0]), batch_size=2, n_samples=4)


@pytest.mark.parametrize(
    ("later", "error", "text"),
    [
        (np.zeros(N), TypeError, "returned a sparse gradient at x0, and later array"),
        (([N], [1.0]), IndexError, rf"Index {N} in the gradient of x, at position 0, is not in \[0, {N}\)"),
        (([0, 1], [1.0]), ValueError, "The values in the gradient of x have shape"),
        (sparse.csr_array((1, 5)), ValueError, r"has shape \(1, 5\); it must have"),
    ],
)
def test_other_gradients_later(later, error, text):
    calls = iter(range(100))
    with pytest.raises(error, match=text) as caught:
        run(jac=lambda x: jac(x) if next(calls) < 3 else later)
    assert caught.value.result.nit == 3


def test_a_dense_run_stays_dense():
    calls = iter(range(100))
    with pytest.raises(TypeError, match=r"returns a sparse gradient, which only .* from x0 on") as caught:
        run(jac=lambda x: dense_jac(x) if next(calls) < 3 else jac(x), method=SGD(lr=0.1))
    assert np.array_equal(caught.value.result.x, dense(method=SGD(lr=0.1), maxiter=2).x)


def test_fun_must_not_write_to_x():
    def writing(x):
        x[0] = 1.0
        return 0.0

    calls = iter(range(100))
    with pytest.raises(ValueError, match="read-only"):
        run(fun=lambda x: fun(x) if next(calls) < 1 else writing(x))


# --- other ways in, and what it costs ---------------------------------------------------------------------------------


def test_scipy_calls_it():
    expected = run(args=(2.0,))
    for f, j in ((fun, jac), (both, True)):
        res = scipy.optimize.minimize(f, np.zeros(N), (2.0,), method=SparseAdam(lr=0.1), jac=j)
        assert np.array_equal(res.x, expected.x)
        assert res.gradient.endswith("sparse")


def test_check_grad_takes_it():
    check = check_grad(fun, np.zeros(N), jac=jac, disp=False)
    assert np.array_equal(check.gradient, dense_jac(np.zeros(N)))
    assert check.relative_error < 1e-7


def test_an_iteration_costs_what_its_coordinates_cost():
    """Not what x does: one copy of the larger x would take fifty times as long as the iteration on the smaller."""

    def seconds(n):
        times = []

        def timed(x):
            times.append(time.perf_counter())
            return fun(x)

        run(fun=timed, x0=np.zeros(n), maxiter=100, gtol=None)
        return np.median(np.diff(times)[10:])

    assert seconds(4_000_000) < 10 * seconds(N)
