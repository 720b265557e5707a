"""Runs of a case in every driver, on a quadratic, and what they must agree with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numba
import numpy as np
from reference import Case, boxed_update, trajectory
from sweeps import new_state, sweep_once

import numbaopt
from numbaopt._dispatch import carried, finished, step_scalars, sum_count
from numbaopt._rule import compiled_form, has_readout, innermost
from numbaopt.drivers.sums import element_terms
from numbaopt.drivers.sweep import BLOCK, apply_rule

ULPS = 4
SMALL = (37, 40)  # elements: no multiple of a vector register; steps
LARGE = (3 * BLOCK + 7, 3)  # four blocks for the threads, the last one short
LOOP_OPTIONS = {"gtol": None, "keep": "last", "history": 1, "history_x": True}


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
        g = ex.gradient(t, x) * (-1 if innermost(case.hyper, "maximize") else 1)
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
    answers = has_readout(compiled_form(case.hyper))
    assert (res.nit, res.nfev, res.njev) == (ex.steps, ex.steps + 1 + answers, ex.steps + 1 + answers)
    assert answers or np.array_equal(res.x, res.history.x[-1])
    assert res.x.dtype == res.history.x.dtype == ex.x0.dtype
    return res.history.x


def expected(case: Case, ex: Example, **space: Any) -> np.ndarray:
    """What the reference makes of it in float64, from the same numbers."""
    wide = Example(*(np.asarray(array, np.float64) for array in ex[:3]), ex.steps)
    return trajectory(case, wide.x0, wide.gradient, wide.steps, **space)


def assert_close(found: np.ndarray, reference: np.ndarray, dtype: str, ulps: float = ULPS) -> None:
    """Every iterate, within `ulps` units of the last place per step."""
    assert found.shape == reference.shape and found.dtype == dtype
    steps = np.arange(len(reference))[:, None]
    moved = np.abs(np.diff(reference, axis=0, prepend=reference[:1]))
    size = np.maximum.accumulate(np.maximum(np.abs(reference), moved))
    assert np.all(np.abs(found - reference) <= ulps * np.finfo(dtype).eps * steps * size)


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


def check_box(case: Case, dtype: str, bounded: bool, points: Callable, ulps: float = ULPS) -> None:
    ex = far_example(dtype)
    space = box(ex, bounded)
    found = points(ex, space)
    assert np.all((found >= space["lower"]) & (found <= space["upper"]))
    wide = {name: array.astype(np.float64) for name, array in space.items()}
    reference = expected(case, ex, update=boxed_update, **wide)
    if bounded:
        stopped = (reference[-1] == space["lower"]) | (reference[-1] == space["upper"])
        assert stopped.any() and not stopped.all()
    assert_close(found, reference, dtype, ulps)
