"""Every rule in every driver against `reference.py`, on a quadratic, in float64 and float32.

An error may grow by `ULPS` units of the last place per step, relative to the largest |x_i| or |step_i| so far; the
largest that was measured is 3.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numba
import numpy as np
import pytest
from reference import CASES, Case, boxed_update, trajectory
from sweeps import new_state, sweep_once

import numbaopt
from numbaopt._dispatch import carried, finished, step_scalars, sum_count
from numbaopt._rule import SCALARS, compiled_form, method_names
from numbaopt.drivers.sums import element_terms
from numbaopt.drivers.sweep import BLOCK, Box, apply_rule

ULPS = 4
SMALL = (37, 40)  # elements: no multiple of a vector register; steps
LARGE = (3 * BLOCK + 7, 3)  # four blocks for the threads, the last one short
TEAMS = sorted({1, min(2, numba.config.NUMBA_NUM_THREADS)})
LOOP_OPTIONS = {"gtol": None, "keep": "last", "history": 1, "history_x": True}

KINDS = list({numba.typeof(compiled_form(case.hyper)): case for case in CASES}.values())
"""One case for each type of hyper-parameters that is compiled on its own."""

RULES = list({type(step_scalars(compiled_form(case.hyper), 1.0)): case for case in CASES}.values())
"""One case for each scalar rule."""

cases = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
kinds = pytest.mark.parametrize("case", KINDS, ids=lambda case: case.name)
rules = pytest.mark.parametrize("case", RULES, ids=lambda case: case.name)
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


@numba.njit
def quadratic(x, c, a):
    """Value and gradient of sum c (x - a)^2 / 2."""
    g = c * (x - a)
    return 0.5 * np.sum(g * (x - a)), g


@contextmanager
def thread_count(threads: int) -> Iterator[None]:
    """That many numba threads."""
    before = numba.get_num_threads()
    numba.set_num_threads(threads)
    try:
        yield
    finally:
        numba.set_num_threads(before)


class Example(NamedTuple):
    """A quadratic whose minimum is further away than any case gets."""

    x0: np.ndarray
    c: np.ndarray
    a: np.ndarray
    steps: int

    def gradient(self, t: int, x: np.ndarray) -> np.ndarray:
        """In the dtype of x."""
        return self.c.astype(x.dtype) * (x - self.a.astype(x.dtype))


def example(dtype: str, size: tuple[int, int] = SMALL) -> Example:
    """Random, but the same every time."""
    (n, steps), rng = size, np.random.default_rng(7)
    x0 = rng.uniform(-3, 3, n)
    away = rng.uniform(5, 9, n) * rng.choice([-1, 1], n)
    c = 10.0 ** rng.uniform(-2, 2, n)
    return Example(x0.astype(dtype), c.astype(dtype), (x0 + away).astype(dtype), steps)


def run_sweep(case: Case, ex: Example, apart: bool = False, space: Any = None, team: Any = None) -> np.ndarray:
    """x after 0, 1, ... steps by the sweep, in place or into another array."""
    x, state, points = ex.x0.copy(), new_state(case.hyper, ex.x0, space), [ex.x0]
    for t in range(1, ex.steps + 1):
        before, g = x.copy(), ex.gradient(t, x)
        out = np.full_like(x, np.nan) if apart else None
        assert sweep_once(case.hyper, t, x, g, state, out, space, team) == 0.0
        if apart:
            assert np.array_equal(x, before)
            x = out
        points.append(x.copy())
    assert state[0].dtype == x.dtype == ex.x0.dtype
    return np.array(points)


def run_scalar(case: Case, ex: Example, space: Any = None) -> np.ndarray:
    """The same by the Python body of the scalar rule, element by element."""
    x, (slots, carry), points = ex.x0.copy(), new_state(case.hyper, ex.x0, space), [ex.x0]
    form = compiled_form(case.hyper)
    for t in range(1, ex.steps + 1):
        g = ex.gradient(t, x) * (-1 if case.hyper.maximize else 1)
        h = step_scalars(form, float(t), tuple(carry))
        terms = [element_terms(h, space, x, g, slots, x.size, i) for i in range(x.size)] if sum_count(h) else []
        h = finished(h, tuple(map(float, np.sum(terms, axis=0))) if terms else ())
        carry = carried(h)
        for i in range(x.size):
            apply_rule(h, space, x, g, slots, x, x.size, i)
        points.append(x.copy())
    return np.array(points)


def run_loop(case: Case, ex: Example, objective: Callable, **more: Any) -> np.ndarray:
    """The same by `minimize`."""
    options = LOOP_OPTIONS | {"maxiter": ex.steps} | more.pop("options", {})
    res = numbaopt.minimize(objective, ex.x0, (ex.c, ex.a), case.hyper, jac=True, options=options, **more)
    assert (res.nit, res.nfev, res.njev) == (ex.steps, ex.steps + 1, ex.steps + 1)
    assert np.array_equal(res.x, res.history.x[-1]) and res.x.dtype == res.history.x.dtype == ex.x0.dtype
    return res.history.x


RUNS = {
    "sweep_in_place": run_sweep,
    "sweep_apart": lambda case, ex, **more: run_sweep(case, ex, apart=True, **more),
    "scalar": run_scalar,
    "compiled_loop": lambda case, ex, **more: run_loop(case, ex, quadratic, **more),
    "python_loop": lambda case, ex, **more: run_loop(case, ex, quadratic.py_func, **more),
}
runs = pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
box_runs = pytest.mark.parametrize("run", [run_sweep, run_scalar], ids=["sweep_in_place", "scalar"])
loop_runs = pytest.mark.parametrize("run", list(RUNS.values())[3:], ids=list(RUNS)[3:])


def expected(case: Case, ex: Example, **space: Any) -> np.ndarray:
    """What the reference makes of it in float64, from the same numbers."""
    wide = Example(*(np.asarray(array, np.float64) for array in ex[:3]), ex.steps)
    return trajectory(case, wide.x0, wide.gradient, wide.steps, **space)


def assert_close(found: np.ndarray, reference: np.ndarray, dtype: str) -> None:
    """Every iterate, within ULPS per step."""
    assert found.shape == reference.shape and found.dtype == dtype
    steps = np.arange(len(reference))[:, None]
    moved = np.abs(np.diff(reference, axis=0, prepend=reference[:1]))
    size = np.maximum.accumulate(np.maximum(np.abs(reference), moved))
    assert np.all(np.abs(found - reference) <= ULPS * np.finfo(dtype).eps * steps * size)


def test_every_method_has_a_case() -> None:
    assert {type(case.hyper).__name__.lower() for case in CASES} == set(method_names())
    assert len({case.name for case in CASES}) == len(CASES)


def test_every_variant_has_a_case() -> None:
    assert len(KINDS) == len(SCALARS)


@runs
@dtypes
@cases
def test_reference(case: Case, dtype: str, run: Callable) -> None:
    ex = example(dtype)
    assert_close(run(case, ex), expected(case, ex), dtype)


@dtypes
@cases
def test_parallel_sweep(case: Case, dtype: str) -> None:
    ex = example(dtype, LARGE)
    assert_close(run_sweep(case, ex, team=2), expected(case, ex), dtype)


@dtypes
@rules
def test_threads_and_place_do_not_change_a_bit(case: Case, dtype: str) -> None:
    ex = example(dtype, LARGE)
    serial = run_sweep(case, ex)
    assert np.array_equal(run_sweep(case, ex, apart=True), serial)
    for threads in TEAMS:
        with thread_count(threads):
            assert np.array_equal(run_sweep(case, ex, team=threads), serial)


def test_threads_apart_do_not_change_a_bit() -> None:
    ex = example("float64", LARGE)
    assert np.array_equal(run_sweep(RULES[0], ex, apart=True, team=2), run_sweep(RULES[0], ex))


@dtypes
@kinds
def test_loops_do_not_change_a_bit(case: Case, dtype: str) -> None:
    ex = example(dtype)
    sweeps = run_sweep(case, ex)
    assert np.array_equal(run_loop(case, ex, quadratic), sweeps)
    assert np.array_equal(run_loop(case, ex, quadratic.py_func), sweeps)


# --- scaled and bounded space ----------------------------------------------------------------------------------------


def box(ex: Example, bounded: bool) -> dict[str, np.ndarray]:
    """Scales from 0.01 to 100, and bounds that some coordinates meet at once, some later, some never."""
    rng = np.random.default_rng(11)
    n, dtype = ex.x0.size, ex.x0.dtype
    scale = (10.0 ** rng.uniform(-2, 2, n)).astype(dtype)
    room = np.where(rng.random((2, n)) < 0.3, 0, rng.choice([0.001, 0.1, np.inf], (2, n))).astype(dtype)
    if not bounded:
        room[:] = np.inf
    return {"scale": scale, "lower": ex.x0 - room[0], "upper": ex.x0 + room[1]}


def far_example(dtype: str) -> Example:
    """`example` with a minimum so far that steps of 100 times the length do not get there."""
    ex = example(dtype)
    return ex._replace(a=(ex.x0 + 100 * (ex.a - ex.x0)).astype(dtype))


def check_box(case: Case, dtype: str, bounded: bool, points: Callable) -> None:
    ex = far_example(dtype)
    space = box(ex, bounded)
    found = points(ex, space)
    assert np.all((found >= space["lower"]) & (found <= space["upper"]))
    wide = {name: array.astype(np.float64) for name, array in space.items()}
    reference = expected(case, ex, update=boxed_update, **wide)
    if bounded:
        stopped = (reference[-1] == space["lower"]) | (reference[-1] == space["upper"])
        assert stopped.any() and not stopped.all()
    assert_close(found, reference, dtype)


@pytest.mark.parametrize("bounded", [False, True], ids=["scaled", "scaled_and_bounded"])
@box_runs
@dtypes
@cases
def test_box_sweep(case: Case, dtype: str, run: Callable, bounded: bool) -> None:
    check_box(case, dtype, bounded, lambda ex, space: run(case, ex, space=Box(**space)))


@pytest.mark.parametrize("bounded", [False, True], ids=["scaled", "scaled_and_bounded"])
@loop_runs
@dtypes
@rules
def test_box_loop(case: Case, dtype: str, run: Callable, bounded: bool) -> None:
    def points(ex: Example, space: dict) -> np.ndarray:
        bounds = list(zip(space["lower"], space["upper"], strict=True)) if bounded else None
        return run(case, ex, bounds=bounds, options={"x_scale": space["scale"]})

    check_box(case, dtype, bounded, points)


def test_box_threads_do_not_change_a_bit() -> None:
    ex = example("float32", LARGE)
    space = Box(**box(ex, True))
    assert np.array_equal(run_sweep(RULES[0], ex, space=space, team=2), run_sweep(RULES[0], ex, space=space))


@dtypes
def test_a_number_that_is_not_finite_is_reported(dtype: str) -> None:
    case = CASES[0]
    for n in (5, LARGE[0]):
        for bad in (np.nan, np.inf):
            x, g = np.ones(n, dtype), np.ones(n, dtype)
            g[n - 2] = bad
            state = new_state(case.hyper, x)
            assert np.isnan(sweep_once(case.hyper, 1, x, g, state, team=None if n == 5 else 2))
