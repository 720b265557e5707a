"""The life of compiled objectives: what is remembered, what is passed, what is given back."""

from __future__ import annotations

import functools
import subprocess
import sys

import numpy as np
import pytest
from numba import njit, prange

import numbaopt
from numbaopt import minimize
from numbaopt._inspection import writes_to_first_argument

OPTIONS = {"lr": 0.05, "maxiter": 1000}
CENTRE = 1.0


def test_what_is_remembered_belongs_to_one_function():
    def f(x):
        return ((x - 1) ** 2).sum()

    assert minimize(f, [0.0], options=OPTIONS | {"jit": True}).x == pytest.approx([1], abs=1e-4)

    @functools.wraps(f)  # copies f's attributes
    def g(x):
        return ((x + 3) ** 2).sum()

    assert minimize(g, [0.0], options=OPTIONS | {"jit": True}).x == pytest.approx([-3], abs=1e-4)
    assert minimize(njit(g), [0.0], options=OPTIONS).x == pytest.approx([-3], abs=1e-4)


def test_jit_sees_changed_globals_and_closures(monkeypatch):
    def h(x):
        return ((x - CENTRE) ** 2).sum()

    assert minimize(h, [0.0], options=OPTIONS | {"jit": True}).x == pytest.approx([1], abs=1e-4)
    monkeypatch.setitem(globals(), "CENTRE", 2.0)
    assert minimize(h, [0.0], options=OPTIONS | {"jit": True}).x == pytest.approx([2], abs=1e-4)
    found = []
    for c in (1.0, 2.0, 3.0):

        def k(x):
            return ((x - c) ** 2).sum()

        found.append(minimize(k, [0.0], options=OPTIONS | {"jit": True}).x[0])
    assert found == pytest.approx([1, 2, 3], abs=1e-4)


def test_recompiled_function(monkeypatch):
    @njit
    def r(x):
        return ((x - CENTRE) ** 2).sum()

    assert minimize(r, [0.0], options=OPTIONS).x == pytest.approx([1], abs=1e-4)
    monkeypatch.setitem(globals(), "CENTRE", 2.0)
    r.recompile()
    assert minimize(r, [0.0], options=OPTIONS).x == pytest.approx([2], abs=1e-4)


def test_no_references_are_lost_when_fun_raises():
    @njit
    def fun(x, a, nested):
        if x[0] > 0.2:
            raise ValueError("boom")
        return ((x - a[0]) ** 2).sum() + nested[0][0]

    big = np.ones(10)
    before = sys.getrefcount(big)
    for _ in range(5):
        with pytest.raises(ValueError, match="boom"):
            minimize(fun, [0.0], args=(big, (big, 1)), options=OPTIONS)
    minimize(fun, [0.0], args=(big, (big, 1)), options={"maxiter": 0})
    assert sys.getrefcount(big) == before


@pytest.mark.parametrize("x0", [[0.0, 0.0], [1.0, 2.0]])
def test_objective_that_writes_to_x_gets_a_copy(x0):
    def doubles(x):
        x *= 2
        return ((x - 1) ** 2).sum()

    def clamps(x):
        for i in range(x.size):
            if x[i] < 0:
                x[i] = 0.0
        return ((x + 1) ** 2).sum() + x[0] * x[1]

    for fun in (doubles, clamps):
        plain = minimize(fun, x0, options=OPTIONS)
        compiled = minimize(njit(fun), x0, options=OPTIONS)
        assert compiled.x == pytest.approx(plain.x, abs=1e-6)
        assert compiled.status == plain.status


def test_which_functions_write_to_their_first_argument():
    def by_index(x):
        x[0] = 1.0

    def by_slice(x):
        x[1:] = 1.0

    def by_operator(x, y):
        x += y

    def to_another(x, g):
        g[0] = x[0]
        g[1:] = x[1:]
        f = 0.0
        f += x[0]
        return f

    def to_its_copy(x):
        x = x.copy()
        x[0] = 1.0
        x *= 2

    assert [writes_to_first_argument(f) for f in (by_index, by_slice, by_operator)] == [True] * 3
    assert [writes_to_first_argument(f) for f in (to_another, to_its_copy)] == [False] * 2


def test_integers_of_any_size():
    fun = njit(lambda x, k: (x[0] - 1) ** 2 + 0 * k)
    for k in (3, 2**63, -3, 2**64 - 1):
        assert minimize(fun, [0.0], args=(k,), options=OPTIONS).x == pytest.approx([1], abs=1e-4)


def test_always_inlined_objective():
    fun = njit(inline="always")(lambda x: (x[0] - 1) ** 2)
    with pytest.raises(TypeError, match=r"^numba cannot compile fun"):
        minimize(fun, [0.0], jac="2-point", options=OPTIONS)


@pytest.mark.parametrize("form", [lambda f: f, njit], ids=["plain", "compiled"])
def test_complex_step_at_a_minimum(form):
    def fun(x, y):
        total = x[0] * 0
        for i in range(y.size):
            r = x[0] * np.exp(-x[1] * i) - y[i]
            total += r * r
        return total

    y = 3 * np.exp(-0.5 * np.arange(10)) + 0.01 * np.cos(np.arange(10.0))
    res = minimize(form(fun), [1.0, 1.0], args=(y,), jac="cs", options={"lr": 0.05, "gtol": 1e-9})
    for x0 in (res.x, res.x + 1e-13):
        assert minimize(form(fun), x0, args=(y,), jac="cs", options={"maxiter": 1}).gradient == "cs"
    assert minimize(form(lambda x: ((x - 1) ** 2).sum()), [1.0, 1.0], jac="cs").success


def test_difference_that_cannot_be_taken_is_no_convergence():
    res = minimize(lambda x: x.sum(), np.full(2, 5e-324), options={"x_scale": "x0"})
    assert not res.success
    assert res.status == numbaopt.Status.NONFINITE


PARALLEL = """
import numba, numpy as np, numbaopt, threading
from numbaopt.drivers import slices
slices.AMORTISED = slices.WORTHWHILE = 0.0

@numba.njit(parallel=True)
def inner(x, n):
    s = 0.0
    for i in numba.prange(n):
        s += (x[i % x.size] - 1.0) ** 2
    return s / n

hidden = numba.njit(lambda x, n: inner(x, n))

def work(fun):
    res = numbaopt.minimize(fun, np.zeros(4), args=(4000,), options={"lr": 0.05, "maxiter": 200, "workers": 2})
    found.append(res.x)

for fun in (inner, hidden):
    found = []
    team = [threading.Thread(target=work, args=(fun,)) for _ in range(3)]
    for t in team:
        t.start()
    for t in team:
        t.join()
    assert len(found) == 3 and np.allclose(found, 1, atol=1e-2), found
print(numba.threading_layer())
"""


@pytest.mark.parametrize("layer", ["workqueue", "omp"])
def test_parallel_objective(layer):
    """Neither its own threads within threads of ours, nor two Python threads, may end the process."""
    import os

    env = os.environ | {"NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", PARALLEL], capture_output=True, text=True, env=env, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [layer]


def test_workers_1_holds_for_a_parallel_objective():
    from numba import get_num_threads

    @njit(parallel=True)
    def fun(x, seen):
        seen[0] = get_num_threads()
        total = 0.0
        for i in prange(x.size):
            total += (x[i] - 1) ** 2
        return total

    seen = np.zeros(1, np.int64)
    minimize(fun, np.zeros(2), args=(seen,), options={"maxiter": 3, "workers": 1})
    assert seen[0] == 1
