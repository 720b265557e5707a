"""Every registered rule, from one table: its reference, every driver, its numbers, its answer, and that it converges.

Errors against the recorded implementations are relative to max(|x|, |step|). Errors against `reference.py` may grow by
`ULPS` units of the last place per step; sums are rounded in another order there.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest
import reference
from driving import (
    LARGE,
    assert_close,
    check_box,
    example,
    expected,
    quadratic,
    run_loop,
    run_scalar,
    run_sweep,
    thread_count,
)
from numba.core.event import install_recorder
from record_references import DATA
from record_torch import STEPS
from reference import Case
from reference_cases import cases
from sweeps import new_state, sweep_once

import numbaopt
from numbaopt import minimize
from numbaopt._rule import SCALARS, compiled_form, layers, method_class, method_names, needs_sums
from numbaopt.drivers.sweep import Box
from numbaopt.problems import rosenbrock

ULPS = 8
ILL_CONDITIONED = {"prodigy_no_momentum": 200, "dadaptadam_decay_maximize": 2000}
"""Units of the last place where d, found from sums that cancel, multiplies every rounding; the second runs uphill."""

NOT_IN_FLOAT32 = {"prodigy", "dadaptadam_decay_maximize"}
"""Prodigy's x0 - x is lost in float32 while d is small, as in prodigyopt; the other leaves the range of float32."""

CASES = cases(lambda name, **values: method_class(name)(**values))
AROUND = {"averaged", "cautious", "centralized", "clipadaptive", "clipnorm", "clipvalue"}
"""Rules around others, which test_around.py has."""

KINDS = list({numba.typeof(compiled_form(case.hyper)): case for case in CASES}.values())
"""One case for each type of hyper-parameters that is compiled on its own."""

RULES = list({layers(compiled_form(case.hyper))[0][2]: case for case in CASES}.values())
"""One case for each scalar rule."""

SUMMING = [case for case in RULES if needs_sums(compiled_form(case.hyper))]
"""Those of them that need sums over all coordinates."""

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
each_kind = pytest.mark.parametrize("case", KINDS, ids=lambda case: case.name)
each_rule = pytest.mark.parametrize("case", RULES, ids=lambda case: case.name)


@pytest.fixture(scope="module")
def recorded() -> dict[str, np.ndarray]:
    """What record_references.py wrote."""
    with np.load(DATA) as data:
        return dict(data)


def test_every_method_has_a_case() -> None:
    tested = {type(case.hyper).__name__.lower() for case in [*CASES, *reference.CASES]}
    assert tested | AROUND == set(method_names())


def test_every_variant_has_a_case() -> None:
    form = [compiled_form(case.hyper) for case in [*CASES, *reference.CASES]]
    tested = {(type(h), scalars.function) for f in form for h, scalars, _, _ in layers(f)}
    variants = {(cls, scalars.function) for (cls, _), scalars in SCALARS.items() if cls.__name__.lower() not in AROUND}
    assert tested == variants


# --- what the implementations did ------------------------------------------------------------------------------------


def states(case: Case, x0: np.ndarray, gradients: np.ndarray) -> dict[int, np.ndarray]:
    """State after each of STEPS: x and the slots, of shape (1 + slots, n)."""
    x, state, found = x0.copy(), new_state(case.hyper, x0), {}
    own = len(layers(compiled_form(case.hyper))[0][3].slots) if "inner" in case.hyper._fields else 0
    for t, g in enumerate(gradients, start=1):
        sweep_once(case.hyper, t, x, g.astype(x.dtype), state)
        if t in STEPS:
            found[t] = np.vstack([x, np.roll(state[0], -own, axis=0)])  # a rule's around another are first here
    return found


@each_case
def test_recorded_trajectory(case: Case, recorded: dict[str, np.ndarray]) -> None:
    rows = recorded[f"trajectories/{case.name}/float64"]
    found = states(case, recorded["start"], recorded["gradients"])
    for t, (before, after) in zip(STEPS, rows, strict=True):
        size = np.maximum(np.abs(after), np.abs(after - before))
        error = np.abs(found[t] - after)
        relative = np.where(error > 0, error / np.where(size > 0, size, 1e-300), 0)
        assert relative[0].max() <= 1e-12, f"x in step {t}"
        assert np.nanmax(relative[1:], initial=0) <= 1e-11, f"slots in step {t}"  # where they cancel


# --- every driver ----------------------------------------------------------------------------------------------------


@each_case
def test_reference(case: Case) -> None:
    ex = example("float64")
    assert_close(run_sweep(case, ex), expected(case, ex), "float64", ILL_CONDITIONED.get(case.name, ULPS))


@pytest.mark.parametrize(
    "case",
    [case for case in KINDS if not NOT_IN_FLOAT32 & {case.name, case.name.partition("_")[0]}],
    ids=lambda case: case.name,
)
def test_float32_stays_float32_and_near(case: Case) -> None:
    ex = example("float32")
    assert_close(run_sweep(case, ex), expected(case, ex), "float32", ULPS)


@each_kind
def test_python_bodies(case: Case) -> None:
    ex = example("float64", (7, 12))
    assert_close(run_scalar(case, ex), expected(case, ex), "float64", ILL_CONDITIONED.get(case.name, ULPS))


@each_kind
def test_loops_do_not_change_a_bit(case: Case) -> None:
    ex = example("float64")
    sweeps = run_sweep(case, ex)
    assert np.array_equal(run_loop(case, ex, quadratic), sweeps)


@each_rule
def test_python_loop_does_not_change_a_bit(case: Case) -> None:
    ex = example("float64")
    assert np.array_equal(run_loop(case, ex, quadratic.py_func), run_sweep(case, ex))


@pytest.mark.parametrize("case", [*SUMMING, RULES[0]], ids=lambda case: case.name)
def test_threads_and_place_do_not_change_a_bit(case: Case) -> None:
    ex = example("float64", LARGE)
    serial = run_sweep(case, ex)
    assert_close(serial, expected(case, ex), "float64", ULPS)
    for threads in sorted({1, min(2, numba.config.NUMBA_NUM_THREADS)}):
        with thread_count(threads):
            assert np.array_equal(run_sweep(case, ex, team=threads), serial)


@pytest.mark.parametrize("bounded", [False, True], ids=["scaled", "scaled_and_bounded"])
@each_rule
def test_box(case: Case, bounded: bool) -> None:
    ulps = max(ULPS, ILL_CONDITIONED.get(case.name, 0))
    check_box(case, "float64", bounded, lambda ex, space: run_sweep(case, ex, space=Box(**space)), ulps)


@each_rule
def test_interrupted_is_uninterrupted(case: Case) -> None:
    """Nothing that a step depends on is outside x, the slots and the carried numbers."""
    ex = example("float64")
    x, state = ex.x0.copy(), new_state(case.hyper, ex.x0)
    for t in range(1, ex.steps + 1):
        x, state = x.copy(), tuple(array.copy() for array in state)
        sweep_once(case.hyper, t, x, ex.gradient(t, x), state)
    assert np.array_equal(x, run_sweep(case, ex)[-1])


@each_kind
def test_other_numbers_compile_nothing(case: Case) -> None:
    x, hyper = np.ones(37), case.hyper
    sweep_once(hyper, 1, x, x.copy(), new_state(hyper, x))
    changed = {
        name: value * 0.75
        for name, value in hyper._asdict().items()
        if isinstance(value, float) and 0 < value < 1 and name not in ("d0",)
    }
    with install_recorder("numba:compile") as recorder:
        sweep_once(hyper._replace(**changed), 5, x, x.copy(), new_state(hyper, x))
    assert recorder.buffer == []


# --- what it is for --------------------------------------------------------------------------------------------------

AROUND_ADAM = {"Lookahead": {"inner": numbaopt.Adam(lr=0.02)}, "DoG": {"inner": numbaopt.Adam()}}

ON_A_QUADRATIC: dict[str, dict[str, Any]] = {
    # Hyper-parameters with which it is minimised in 5,000 iterations; for the others lr = 0.05 if they have one.
    "ASGD": {"lr": 0.05},
    "Adagrad": {"lr": 0.5},
    "AdEMAMix": {"lr": 0.02, "betas": (0.9, 0.999, 0.9)},
    "LAMB": {"lr": 0.02},
    "LARS": {"lr": 10.0},
    "Lion": {"lr": 0.01},
    "SGD": {"lr": 0.1},
    "SM3": {"lr": 0.5},
    "ScheduleFreeSGD": {"lr": 0.1},
    "ScheduleFreeAdamW": {"lr": 0.1},
    **{name: {} for name in ("Prodigy", "DAdaptAdam", "Rprop")},
    **AROUND_ADAM,
}

ON_ROSENBROCK: dict[str, dict[str, Any]] = {
    # The same in 20,000 iterations; the default lr for the others.
    "RMSprop": {"lr": 5e-4},
    "Adagrad": {"lr": 1.0},
    "AMSGrad": {"lr": 0.02},
    "Adamax": {"lr": 0.02},
    "ASGD": {"lr": 5e-4},
    "Lion": {"lr": 5e-4},
    "AdaBelief": {"lr": 3e-3},
    "Yogi": {"lr": 0.02},
    "AdEMAMix": {"betas": (0.9, 0.999, 0.9)},
    "LAMB": {"lr": 3e-3},
    "DAdaptAdam": {"lr": 0.1},
    "ScheduleFreeSGD": {"lr": 3e-3},
    "SM3": {"lr": 1.0},
    **AROUND_ADAM,
}


@numba.njit
def bowl(x):
    """Value and gradient of a quadratic of condition 10 around (1, 2, 3, ...), which is 95 at 0."""
    f, g = 0.0, np.empty_like(x)
    for i in range(x.size):
        c = 1.0 + 9.0 * i / max(1, x.size - 1)
        d = x[i] - (i + 1.0)
        f += 0.5 * c * d * d
        g[i] = c * d
    return f, g


def minimum(case: Case, fun: Any, x0: list[float], values: dict[str, Any], maxiter: int, **options: Any) -> float:
    """What the rule of a case finds, with these hyper-parameters and no weight decay."""
    cls = type(case.hyper)
    hyper = cls(**{name: value for name, value in values.items() if name in cls._fields})
    if "weight_decay" in cls._fields:
        hyper = hyper._replace(weight_decay=0.0)
    return minimize(fun, x0, method=hyper, options={"maxiter": maxiter}, **options).fun


@each_rule
def test_minimises_a_quadratic(case: Case) -> None:
    values = ON_A_QUADRATIC.get(type(case.hyper).__name__, {"lr": 0.05})
    assert minimum(case, bowl, [0.0] * 4, values, 5000, jac=True) < 1e-4 * 95


@each_rule
def test_minimises_rosenbrock(case: Case) -> None:
    values = ON_ROSENBROCK.get(type(case.hyper).__name__, {})
    assert minimum(case, rosenbrock, [-1.2, 1.0], values, 20_000) < 1e-4
