"""Schedules against NumPy formulas and in runs, and the errors of all hyper-parameters."""

from __future__ import annotations

import pickle
import re
from typing import Any, NamedTuple

import numba
import numpy as np
import pytest
from reference import CASES, Case, adadelta, adam, adamw, trajectory

import numbaopt
from numbaopt import Adadelta, Adam, AdamW
from numbaopt._compile import kernel
from numbaopt._parameters import FRACTION, POSITIVE, validated
from numbaopt.schedules import CosineDecay, ExponentialDecay, learning_rate

T = np.arange(1, 61)
SCHEDULES = {
    "exponential": (ExponentialDecay(0.1), 0.1 * 0.999 ** (T - 1)),
    "exponential_every": (ExponentialDecay(0.1, gamma=0.5, every=7), 0.1 * 0.5 ** ((T - 1) / 7)),
    "exponential_constant": (ExponentialDecay(0.1, gamma=1), np.full(T.size, 0.1)),
    "cosine": (CosineDecay(0.2, steps=50), 0.1 * (1 + np.cos(np.pi * np.minimum(T / 50, 1)))),
    "cosine_warmup": (
        CosineDecay(0.2, steps=50, warmup=10, lr_min=0.02),
        np.where(T <= 10, 0.2 * T / 10, 0.02 + 0.09 * (1 + np.cos(np.pi * np.clip((T - 10) / 40, 0, 1)))),
    ),
    "cosine_fractions": (
        CosineDecay(0.2, steps=40.5, warmup=1.5),
        np.where(T <= 1.5, 0.2 * T / 1.5, 0.1 * (1 + np.cos(np.pi * np.clip((T - 1.5) / 39, 0, 1)))),
    ),
}
schedules = pytest.mark.parametrize(("schedule", "expected"), SCHEDULES.values(), ids=SCHEDULES)


@kernel
def rates(schedule, out):
    """`learning_rate` in compiled code."""
    for i in range(out.size):
        out[i] = learning_rate(schedule, i + 1.0)


@numba.njit
def quadratic(x, a):
    """Value and gradient of |x - a|^2 / 2."""
    return 0.5 * np.sum((x - a) ** 2), x - a


# --- values ----------------------------------------------------------------------------------------------------------


@schedules
def test_values(schedule: Any, expected: np.ndarray) -> None:
    plain = [learning_rate(schedule, float(t)) for t in T]
    np.testing.assert_allclose(plain, expected, rtol=1e-14, atol=1e-17)
    compiled = np.empty(T.size)
    rates(schedule, compiled)
    np.testing.assert_allclose(compiled, expected, rtol=1e-14, atol=1e-17)


def test_a_number_is_its_own_schedule() -> None:
    assert learning_rate(0.3, 17.0) == 0.3


def test_the_last_rate_is_kept() -> None:
    assert learning_rate(CosineDecay(0.2, steps=50, lr_min=0.02), 1e9) == 0.02
    assert learning_rate(CosineDecay(0.2, steps=50), 50.0) == 0.0


# --- in a run --------------------------------------------------------------------------------------------------------

METHODS = [
    Case("adam", Adam(weight_decay=0.01), adam, 2),
    Case("adamw", AdamW(weight_decay=0.1), adamw, 2, coupled=False),
    Case("adadelta", Adadelta(eps=1e-3), adadelta, 2),
]


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "plain"])
@pytest.mark.parametrize("case", METHODS, ids=lambda case: case.name)
@pytest.mark.parametrize("name", ["exponential_every", "cosine_warmup"])
def test_run(name: str, case: Case, compiled: bool) -> None:
    schedule, values = SCHEDULES[name]
    a = np.array([10.0, -20.0, 30.0])

    def update(case: Case, t: int, x: Any, g: Any, slots: Any) -> tuple:
        return case.update(case.hyper._replace(lr=values[t - 1]), t, x, g, *slots)

    expected = trajectory(case, [1.0, -1.0, 2.0], lambda t, x: x - a, T.size, update)
    options = {"gtol": None, "keep": "last", "maxiter": T.size, "history": 1, "history_x": True}
    method = case.hyper._replace(lr=schedule)
    fun = quadratic if compiled else quadratic.py_func
    res = numbaopt.minimize(fun, [1.0, -1.0, 2.0], (a,), method, jac=True, options=options)
    np.testing.assert_allclose(res.history.x, expected, rtol=1e-12)
    by_name = numbaopt.minimize(
        fun, [1.0, -1.0, 2.0], a, case.name, True, options=options | case.hyper._asdict() | {"lr": schedule}
    )
    assert np.array_equal(by_name.history.x, res.history.x)
    assert by_name.hyperparameters == method


# --- errors ----------------------------------------------------------------------------------------------------------

RATE = "must be a finite number >= 0 or a schedule."
COUNT = "must be a finite number >= 0."
POS = "must be a finite number > 0."
UNIT = "must be in [0, 1)."
VALUE_ERRORS: list[tuple[Any, dict, str]] = [
    (Adam, {"lr": -1}, f"Adam(lr=-1): lr {RATE}"),
    (AdamW, {"lr": float("nan")}, f"AdamW(lr=nan): lr {RATE}"),
    (Adadelta, {"lr": float("inf")}, f"Adadelta(lr=inf): lr {RATE}"),
    (Adam, {"betas": (1.2, 0.999)}, f"Adam(betas=(1.2, 0.999)): betas[0] {UNIT}"),
    (Adam, {"betas": [0.9, 1.0]}, f"Adam(betas=[0.9, 1.0]): betas[1] {UNIT}"),
    (AdamW, {"betas": (0.9, -0.1)}, f"AdamW(betas=(0.9, -0.1)): betas[1] {UNIT}"),
    (AdamW, {"betas": (float("nan"), 0.9)}, f"AdamW(betas=(nan, 0.9)): betas[0] {UNIT}"),
    (Adam, {"eps": -1e-8}, f"Adam(eps=-1e-08): eps {COUNT}"),
    (Adadelta, {"eps": float("inf")}, f"Adadelta(eps=inf): eps {COUNT}"),
    (Adam, {"weight_decay": -0.1}, f"Adam(weight_decay=-0.1): weight_decay {COUNT}"),
    (Adadelta, {"rho": 1.5}, "Adadelta(rho=1.5): rho must be in [0, 1]."),
    (Adadelta, {"rho": -0.5}, "Adadelta(rho=-0.5): rho must be in [0, 1]."),
    (ExponentialDecay, {"lr": -1.0}, f"ExponentialDecay(lr=-1.0): lr {COUNT}"),
    (ExponentialDecay, {"lr": 1, "gamma": 0}, "ExponentialDecay(gamma=0): gamma must be in (0, 1]."),
    (ExponentialDecay, {"lr": 1, "gamma": 1.1}, "ExponentialDecay(gamma=1.1): gamma must be in (0, 1]."),
    (ExponentialDecay, {"lr": 1, "every": 0}, f"ExponentialDecay(every=0): every {POS}"),
    (CosineDecay, {"lr": 1, "steps": 0}, f"CosineDecay(steps=0): steps {POS}"),
    (CosineDecay, {"lr": 1, "steps": 9, "warmup": -1}, f"CosineDecay(warmup=-1): warmup {COUNT}"),
    (CosineDecay, {"lr": 1, "steps": 9, "lr_min": -1}, f"CosineDecay(lr_min=-1): lr_min {COUNT}"),
]
TYPE_ERRORS: list[tuple[Any, dict, str]] = [
    (Adam, {"lr": "fast"}, f"Adam(lr='fast'): lr {RATE}"),
    (Adam, {"lr": None}, f"Adam(lr=None): lr {RATE}"),
    (Adam, {"betas": 0.9}, "Adam(betas=0.9): betas must be a tuple of 2 numbers."),
    (Adam, {"betas": (0.9,)}, "Adam(betas=(0.9,)): betas must be a tuple of 2 numbers."),
    (Adam, {"betas": "ab"}, "Adam(betas='ab'): betas must be a tuple of 2 numbers."),
    (Adam, {"betas": (0.9, None)}, f"Adam(betas=(0.9, None)): betas[1] {UNIT}"),
    (Adam, {"amsgrad": "yes"}, "Adam(amsgrad='yes'): amsgrad must be True or False."),
    (AdamW, {"maximize": 2}, "AdamW(maximize=2): maximize must be True or False."),
    (Adadelta, {"maximize": None}, "Adadelta(maximize=None): maximize must be True or False."),
    (Adadelta, {"rho": [0.9]}, "Adadelta(rho=[0.9]): rho must be in [0, 1]."),
    (ExponentialDecay, {"lr": CosineDecay(1, 9)}, f"ExponentialDecay(lr={CosineDecay(1, 9)!r}): lr {COUNT}"),
]


@pytest.mark.parametrize(
    ("error", "cls", "values", "text"),
    [(ValueError, *row) for row in VALUE_ERRORS] + [(TypeError, *row) for row in TYPE_ERRORS],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_errors(error: type[Exception], cls: Any, values: dict, text: str) -> None:
    valid = {"lr": 1.0, "steps": 9.0} if cls is CosineDecay else {"lr": 1.0}
    name, value = list(values.items())[-1]
    made = cls(**valid)
    fields = made._asdict() | values
    calls = [
        lambda: cls(**valid | values),
        lambda: made._replace(**{name: value}),
        lambda: cls._make(fields.values()),
    ]
    if issubclass(cls, (Adam, AdamW, Adadelta)):
        calls.append(lambda: numbaopt.minimize(quadratic, [1.0], method=cls, options=values))
        calls.append(lambda: numbaopt.minimize(quadratic, [1.0], method=cls.__name__, options=values))
    for call in calls:
        with pytest.raises(error, match=f"^{re.escape(text)}$"):
            call()


@pytest.mark.parametrize("cls", [Adam, AdamW, Adadelta], ids=lambda cls: cls.__name__)
def test_an_unknown_name_is_an_error(cls: Any) -> None:
    with pytest.raises(TypeError, match="learning_rate"):
        cls(learning_rate=0.1)
    with pytest.raises(ValueError, match="learning_rate"):
        cls()._replace(learning_rate=0.1)


MADE = [case.hyper for case in CASES] + [s for s, _ in SCHEDULES.values()] + [Adam(lr=CosineDecay(0.1, 9))]


@pytest.mark.parametrize("made", MADE, ids=lambda made: type(made).__name__)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_round_trip(made: Any, protocol: int) -> None:
    copy = pickle.loads(pickle.dumps(made, protocol))
    assert type(copy) is type(made) and copy == made
    assert [type(value) for value in copy] == [type(value) for value in made]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_unpickling_checks(protocol: int) -> None:
    data = pickle.dumps(tuple.__new__(Adam, (-1.0, *Adam()[1:])), protocol)
    with pytest.raises(ValueError, match=f"^{re.escape(f'Adam(lr=-1.0): lr {RATE}')}$"):
        pickle.loads(data)


def test_numbers_become_floats_and_flags_bools() -> None:
    made = Adam(1, [0, np.float32(0.5)], np.float64(0), np.int64(2), 1, np.True_)
    assert made == (1.0, (0.0, 0.5), 0.0, 2.0, True, True)
    assert [type(value) for value in made] == [float, tuple, float, float, bool, bool]
    assert [type(value) for value in made.betas] == [float, float]


def test_validated_stands_on_its_own() -> None:
    @validated({"size": POSITIVE, "shares": FRACTION}, lambda name, value: value == "auto")
    class Made(NamedTuple):
        size: float
        shares: tuple[float, float, float] = (0.0, 0.5, 0.25)
        anything: float = 0.0

    assert Made(2, (0, 0, 0), -7) == (2.0, (0.0, 0.0, 0.0), -7.0)
    assert Made("auto") == ("auto", (0.0, 0.5, 0.25), 0.0)
    with pytest.raises(ValueError, match=r"^Made\(size=0\): size must be a finite number > 0\.$"):
        Made(0)
    with pytest.raises(ValueError, match=r"^Made\(anything=inf\): anything must be a finite number\.$"):
        Made(1, anything=float("inf"))
    with pytest.raises(TypeError, match=r"^Made\(shares=\(0,\)\): shares must be a tuple of 3 numbers\.$"):
        Made(1, (0,))


def test_parameters_that_conflict() -> None:
    text = "CosineDecay(lr=0.1, steps=10.0, warmup=20.0, lr_min=0.0): warmup must be less than steps."
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        CosineDecay(0.1, steps=10, warmup=20)
