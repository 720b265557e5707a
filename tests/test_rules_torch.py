"""Every rule against torch.optim: recorded trajectories always, live ones where torch is installed.

Errors are relative to max(|x|, |step|), element by element. Measured against torch 2.13 on x86-64: 200 steps in float64
are 1.5e-15 apart at most; one step in float32 from torch's own state is 1.25 eps apart at most, the slots 3.6.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest
from record_torch import DATA, DTYPES, STEPS, gradients, replay, start
from reference import CASES, Case
from sweeps import new_state, sweep_once

cases = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
dtypes = pytest.mark.parametrize("dtype", DTYPES)
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")


@pytest.fixture(scope="module")
def recorded() -> dict[str, np.ndarray]:
    """What record_torch.py wrote."""
    with np.load(DATA) as data:
        return dict(data)


def states(case: Case, x0: np.ndarray, sequence: np.ndarray) -> dict[int, np.ndarray]:
    """State after each of STEPS: x and the slots, of shape (1 + slots, n)."""
    x, state, found = x0.copy(), new_state(case.hyper, x0), {}
    for t, g in enumerate(sequence, start=1):
        sweep_once(case.hyper, t, x, g, state)
        if t in STEPS:
            found[t] = np.vstack([x, state[0]])
    return found


def relative(found: np.ndarray, expected: np.ndarray, before: np.ndarray) -> float:
    """Largest error relative to max(|x|, |step|); 0 / 0 is no error."""
    found, expected, before = (np.asarray(array, np.float64) for array in (found, expected, before))
    error, size = np.abs(found - expected), np.maximum(np.abs(expected), np.abs(expected - before))
    assert np.all(size[error > 0] > 0)
    return float(np.max(error / np.where(size > 0, size, 1.0)))


def check_trajectory(case: Case, dtype: str, torch_rows: np.ndarray, x0: Any, sequence: Any, bound: float) -> None:
    """From x0 to the last step with the package's own state, against torch at each recorded step."""
    assert torch_rows.shape == (len(STEPS), 2, 1 + case.slots, x0.size) and torch_rows.dtype == dtype
    found = states(case, x0.astype(dtype), sequence.astype(dtype))
    for t, (before, after) in zip(STEPS, torch_rows, strict=True):
        assert relative(found[t][0], after[0], before[0]) <= bound, f"step {t}"


def check_steps(case: Case, dtype: str, torch_rows: np.ndarray, sequence: Any, ulps: float) -> None:
    """Each recorded step on its own, from torch's state: x and slots."""
    for t, (before, after) in zip(STEPS, torch_rows, strict=True):
        x, slots = before[0].copy(), before[1:].copy()
        sweep_once(case.hyper, t, x, sequence[t - 1].astype(dtype), (slots, np.empty(0)))
        assert relative(x, after[0], before[0]) <= ulps * np.finfo(dtype).eps, f"x at step {t}"
        assert relative(slots, after[1:], before[1:]) <= 2 * ulps * np.finfo(dtype).eps, f"slots at step {t}"


@cases
def test_recorded_float64_trajectory(case: Case, recorded: dict[str, np.ndarray]) -> None:
    rows = recorded[f"trajectories/{case.name}/float64"]
    check_trajectory(case, "float64", rows, recorded["start"], recorded["gradients"], bound=1e-12)


@cases
def test_recorded_float32_trajectory(case: Case, recorded: dict[str, np.ndarray]) -> None:
    rows = recorded[f"trajectories/{case.name}/float32"]
    check_trajectory(
        case, "float32", rows, recorded["start"], recorded["gradients"], bound=0.25 * 200 * np.finfo("float32").eps
    )


@dtypes
@cases
def test_recorded_steps(case: Case, dtype: str, recorded: dict[str, np.ndarray]) -> None:
    check_steps(case, dtype, recorded[f"trajectories/{case.name}/{dtype}"], recorded["gradients"], ulps=2)


def test_the_record_has_all_cases_and_no_other(recorded: dict[str, np.ndarray]) -> None:
    names = {f"trajectories/{case.name}/{dtype}" for case in CASES for dtype in DTYPES}
    assert {name for name in recorded if name.startswith("trajectories/")} == names
    assert recorded["steps"].tolist() == STEPS
    assert str(recorded["torch_version"])


@needs_torch
@dtypes
@cases
def test_live(case: Case, dtype: str) -> None:
    rows = replay(case, dtype)
    check_steps(case, dtype, rows, gradients(), ulps=2)
    if dtype == "float64":
        check_trajectory(case, dtype, rows, start(), gradients(), bound=1e-12)
