"""The references against what the published implementations did, recorded by record_references.py.

Errors are relative to max(|x|, |step|), element by element; slots likewise. Nothing here needs the package's rules.
"""

from __future__ import annotations

import numpy as np
import pytest
import reference_beyond as beyond
import reference_torch as rules
from record_references import DATA, OF_TORCH, method
from record_torch import STEPS
from reference import Case, boxed_update, plain_update, start, trajectory
from reference_cases import FIELDS, NEW_CASES, cases, stand_in

CASES = cases(stand_in, NEW_CASES)
FREE = [case for case in CASES if method(case).startswith("ScheduleFree")]

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@pytest.fixture(scope="module")
def recorded() -> dict[str, np.ndarray]:
    """What record_references.py wrote."""
    with np.load(DATA) as data:
        return dict(data)


def states(case: Case, x0: np.ndarray, gradients: np.ndarray) -> list[list]:
    """x and the slots before the first step and after every one."""
    found = [[x0, *start(case, x0)]]
    for t, g in enumerate(gradients, start=1):
        x, *slots = found[-1]
        found.append(list(plain_update(case, t, x, g, slots)))
    return found


def relative(found: np.ndarray, expected: np.ndarray, before: np.ndarray) -> float:
    """Largest error relative to max(|x|, |step|) where the implementation has a number; 0 / 0 is no error."""
    error, size = np.abs(found - expected), np.maximum(np.abs(expected), np.abs(expected - before))
    assert np.all(size[error > 0] > 0)
    return float(np.nanmax(error / np.where(size > 0, size, 1.0), initial=0.0))


@each_case
def test_trajectory(case: Case, recorded: dict[str, np.ndarray]) -> None:
    rows = recorded[f"trajectories/{case.name}/float64"]
    assert rows.shape == (len(STEPS), 2, 1 + case.slots, recorded["start"].size) and rows.dtype == "float64"
    assert np.all(np.isfinite(rows[:, :, 0]))
    found = states(case, recorded["start"], recorded["gradients"])
    for t, (before, after) in zip(STEPS, rows, strict=True):
        arrays = found[t][: 1 + case.slots]
        for i, array in enumerate(arrays):
            assert relative(array, after[i], before[i]) <= 1e-12, f"step {t}, {f'slot {i - 1}' if i else 'x'}"


@pytest.mark.parametrize("case", FREE, ids=lambda case: case.name)
def test_schedule_free_returns_another_point(case: Case, recorded: dict[str, np.ndarray]) -> None:
    y, z, *_ = states(case, recorded["start"], recorded["gradients"])[-1]
    b1 = case.hyper.betas[0] if hasattr(case.hyper, "betas") else case.hyper.momentum
    x = beyond.schedule_free_point(y, z, b1)
    assert relative(x, recorded[f"returned/{case.name}"], y) <= 1e-12


def test_the_record_has_all_cases_and_no_other(recorded: dict[str, np.ndarray]) -> None:
    names = {f"trajectories/{case.name}/float64" for case in CASES}
    names |= {f"trajectories/{case.name}/float32" for case in CASES if method(case) in OF_TORCH}
    names |= {f"returned/{case.name}" for case in FREE}
    assert set(recorded) == names | {"implementations", "steps", "start", "gradients"}
    assert recorded["steps"].tolist() == STEPS
    assert len({case.name for case in CASES}) == len(CASES)
    assert {method(case) for case in CASES} == set(FIELDS) - {"Adam"}


@each_case
def test_the_estimate_of_the_distance_grows(case: Case, recorded: dict[str, np.ndarray]) -> None:
    """Else the cases would not see how d is made."""
    *_, memory = states(case, recorded["start"], recorded["gradients"])[-1]
    if isinstance(memory, dict) and "d" in memory:
        assert memory["d"] > 2 * case.hyper.d0


@each_case
def test_scaled_space_is_the_plain_space_of_other_variables(case: Case) -> None:
    rng = np.random.default_rng(5)
    x0, scale = rng.normal(size=(2, 6))
    scale = np.abs(scale) + 0.1
    if case.coupled:  # coupled decay is in the user's units
        case = case._replace(hyper=without_decay(case.hyper))
    box = {"scale": scale, "lower": -np.inf, "upper": np.inf}
    g = rng.normal(size=(20, 6))
    found = trajectory(case, x0, lambda t, x: g[t - 1], 20, boxed_update, **box)
    expected = scale * trajectory(case, x0 / scale, lambda t, z: g[t - 1] * scale, 20)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


def without_decay(h):
    """The hyper-parameters, or those inside, with no weight decay."""
    return h._replace(inner=without_decay(h.inner)) if hasattr(h, "inner") else h._replace(weight_decay=0)


def test_no_momentum_is_not_a_slot() -> None:
    assert len(start(CASES[0], np.zeros(3))) == 0
    assert rules.sgd(CASES[0].hyper, 1, np.ones(1), np.ones(1)) == (1 - 1e-3,)
