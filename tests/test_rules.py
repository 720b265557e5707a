"""The rules with which the package began in every driver against `reference.py`, on a quadratic, in both precisions.

`test_family.py` has all the others. An error may grow by `driving.ULPS` units of the last place per step, relative to
the largest |x_i| or |step_i| so far; the largest that was measured is 3.2.
"""

from __future__ import annotations

from collections.abc import Callable

import numba
import numpy as np
import pytest
from driving import (
    LARGE,
    Example,
    assert_close,
    box,
    check_box,
    example,
    expected,
    quadratic,
    run_loop,
    run_scalar,
    run_sweep,
    thread_count,
)
from reference import CASES, Case
from sweeps import new_state, sweep_once

from numbaopt._dispatch import step_scalars
from numbaopt._rule import compiled_form
from numbaopt.drivers.sweep import Box

TEAMS = sorted({1, min(2, numba.config.NUMBA_NUM_THREADS)})

KINDS = list({numba.typeof(compiled_form(case.hyper)): case for case in CASES}.values())
"""One case for each type of hyper-parameters that is compiled on its own."""

RULES = list({type(step_scalars(compiled_form(case.hyper), 1.0)): case for case in CASES}.values())
"""One case for each scalar rule."""

cases = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
kinds = pytest.mark.parametrize("case", KINDS, ids=lambda case: case.name)
rules = pytest.mark.parametrize("case", RULES, ids=lambda case: case.name)
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


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
