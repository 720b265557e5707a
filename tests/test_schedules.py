"""Schedules against NumPy, torch, optax and in runs; functions as schedules; the errors of all hyper-parameters."""

from __future__ import annotations

import importlib.util
import math
import pickle
import re
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
import pytest
from reference import CASES, Case, adadelta, adam, adamw, trajectory

import numbaopt
from numbaopt import Adadelta, Adam, AdamW
from numbaopt._compile import kernel
from numbaopt._parameters import FRACTION, POSITIVE, Range, validated
from numbaopt._rule import compiled_form
from numbaopt.drivers.loop import advance, move_once
from numbaopt.schedules import (
    CosineDecay,
    CosineRestarts,
    ExponentialDecay,
    InverseSqrt,
    Joined,
    MultiStepDecay,
    OneCycle,
    PiecewiseConstant,
    PolynomialDecay,
    StepDecay,
    Warmup,
    at,
    learning_rate,
)

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
    "polynomial": (
        PolynomialDecay(0.2, steps=40, power=1.5, lr_min=0.02),
        0.02 + 0.18 * np.clip(1 - (T - 1) / 40, 0, 1) ** 1.5,
    ),
    "linear_up": (PolynomialDecay(0.02, steps=40, lr_min=0.2), np.minimum(0.02 + 0.18 * (T - 1) / 40, 0.2)),
    "inverse_sqrt": (InverseSqrt(0.2, warmup=9), np.where(T <= 9, 0.2 * T / 9, 0.6 / np.sqrt(T))),
    "inverse_sqrt_only": (InverseSqrt(0.2), 0.2 / np.sqrt(T)),
    "step": (StepDecay(0.2, every=7, gamma=0.5), 0.2 * 0.5 ** ((T - 1) // 7)),
    "multi_step": (MultiStepDecay(0.2, (5, 20, 33), gamma=0.5), 0.2 * 0.5 ** np.searchsorted([5, 20, 33], T)),
    "multi_step_one": (MultiStepDecay(0.2, (5,)), np.where(T <= 5, 0.2, 0.02)),
    "piecewise": (PiecewiseConstant((0.1, 0.3, 0.2), (5, 20)), np.array([0.1, 0.3, 0.2])[np.searchsorted([5, 20], T)]),
    "restarts": (CosineRestarts(0.2, period=7, lr_min=0.02), 0.02 + 0.09 * (1 + np.cos(np.pi * ((T - 1) % 7) / 7))),
    "restarts_3": (
        CosineRestarts(0.2, period=3, factor=3),
        0.1 * (1 + np.cos(np.pi * np.r_[np.arange(3) / 3, np.arange(9) / 9, np.arange(27) / 27, np.arange(21) / 81])),
    ),
    "one_cycle": (
        OneCycle(0.2, steps=50, div_factor=5, final_div_factor=10),
        np.where(
            T <= 15,
            0.12 - 0.08 * np.cos(np.pi * (T - 1) / 14),
            0.102 + 0.098 * np.cos(np.pi * np.minimum((T - 15) / 35, 1)),
        ),
    ),
    "warmup": (Warmup(0.2, steps=8, start=0.04), np.minimum(0.04 + 0.16 * T / 8, 0.2)),
    "warmup_nested": (
        Warmup(Warmup(StepDecay(0.2, every=7, gamma=0.5), 4), 8, start=0.1),
        np.r_[0.1 - 0.05 * T[:8] / 8, 0.2 * T[:4] / 4, 0.2 * 0.5 ** ((T[:48] - 1) // 7)],
    ),
    "joined": (
        Joined(ExponentialDecay(0.1, gamma=0.5, every=7), 20, Joined(0.3, 5, InverseSqrt(0.2))),
        np.r_[0.1 * 0.5 ** ((T[:20] - 1) / 7), np.full(5, 0.3), 0.2 / np.sqrt(T[:35])],
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


@pytest.mark.parametrize("factor", [2.0, 3.0, 5.0, 7.0, 10.0])
def test_each_round_starts_where_it_should(factor: float) -> None:
    """The logarithm that finds the round is not rounded down at its first iteration."""
    start = 0.0
    for n in range(10):
        assert at(CosineRestarts(0.2, period=3, factor=factor), start + 1) == pytest.approx(0.2, rel=1e-12)
        start += 3 * factor**n


# --- torch and optax -------------------------------------------------------------------------------------------------

TORCH: dict[str, tuple[Any, Callable]] = {
    "exponential": (ExponentialDecay(0.2, gamma=0.9), lambda s, o: s.ExponentialLR(o, 0.9)),
    "polynomial": (PolynomialDecay(0.2, steps=40, power=1.5), lambda s, o: s.PolynomialLR(o, 40, 1.5)),
    "linear": (PolynomialDecay(0.2, steps=40, lr_min=0.05), lambda s, o: s.LinearLR(o, 1.0, 0.25, 40)),
    "step": (StepDecay(0.2, every=7), lambda s, o: s.StepLR(o, 7)),
    "multi_step": (MultiStepDecay(0.2, (5, 20, 33)), lambda s, o: s.MultiStepLR(o, [5, 20, 33])),
    "restarts": (CosineRestarts(0.2, 7, lr_min=0.02), lambda s, o: s.CosineAnnealingWarmRestarts(o, 7, 1, 0.02)),
    "restarts_3": (CosineRestarts(0.2, 3, factor=3), lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, 3)),
    "one_cycle": (OneCycle(0.2, steps=60), lambda s, o: s.OneCycleLR(o, 0.2, 60, cycle_momentum=False)),
    "one_cycle_0": (
        OneCycle(0.2, steps=60, pct_start=0.0),
        lambda s, o: s.OneCycleLR(o, 0.2, 60, pct_start=0.0, cycle_momentum=False),
    ),
    "one_cycle_tuned": (
        OneCycle(0.2, steps=60, pct_start=0.11, div_factor=3, final_div_factor=7),
        lambda s, o: s.OneCycleLR(o, 0.2, 60, pct_start=0.11, div_factor=3, final_div_factor=7, cycle_momentum=False),
    ),
    "joined": (
        Joined(StepDecay(0.2, every=7), 20, ExponentialDecay(0.2, gamma=0.9)),
        lambda s, o: s.SequentialLR(o, [s.StepLR(o, 7), s.ExponentialLR(o, 0.9)], [20]),
    ),
}


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
@pytest.mark.parametrize(("ours", "theirs"), TORCH.values(), ids=TORCH)
def test_torch(ours: Any, theirs: Callable) -> None:
    import torch
    from torch.optim import lr_scheduler

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.2)
    expected = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SequentialLR's own use of what torch has deprecated
        scheduler = theirs(lr_scheduler, optimizer)
        for _ in T:
            expected.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if len(expected) < T.size:
                scheduler.step()
    np.testing.assert_allclose([at(ours, float(t)) for t in T], expected, rtol=1e-12, atol=1e-16)


OPTAX: dict[str, tuple[Any, Callable]] = {
    "exponential": (ExponentialDecay(0.2, gamma=0.5, every=7), lambda o: o.exponential_decay(0.2, 7, 0.5)),
    "step": (StepDecay(0.2, every=7), lambda o: o.exponential_decay(0.2, 7, 0.1, staircase=True)),
    "polynomial": (
        PolynomialDecay(0.2, steps=40, power=1.5, lr_min=0.02),
        lambda o: o.polynomial_schedule(0.2, 0.02, 1.5, 40),
    ),
    "linear": (PolynomialDecay(0.02, steps=40, lr_min=0.2), lambda o: o.linear_schedule(0.02, 0.2, 40)),
    "piecewise": (
        PiecewiseConstant((0.1, 0.3, 0.2), (5, 20)),
        lambda o: o.join_schedules([o.constant_schedule(v) for v in (0.1, 0.3, 0.2)], [5, 20]),
    ),
    "joined": (
        Joined(StepDecay(0.2, every=7), 20, ExponentialDecay(0.2, gamma=0.9)),
        lambda o: o.join_schedules(
            [o.exponential_decay(0.2, 7, 0.1, staircase=True), o.exponential_decay(0.2, 1, 0.9)], [20]
        ),
    ),
}
needs_optax = pytest.mark.skipif(importlib.util.find_spec("optax") is None, reason="optax is not installed")


@needs_optax
@pytest.mark.parametrize(("ours", "theirs"), OPTAX.values(), ids=OPTAX)
def test_optax(ours: Any, theirs: Callable) -> None:
    """In optax's float32."""
    import optax

    schedule = theirs(optax)
    np.testing.assert_allclose([at(ours, float(t)) for t in T], [schedule(int(t) - 1) for t in T], rtol=1e-5)


@needs_optax
def test_warmup_is_one_iteration_ahead_of_optax() -> None:
    import optax

    rising = optax.linear_schedule(0.04, 0.2, 8)
    expected = [rising(t) for t in range(1, 9)] + [optax.exponential_decay(0.2, 1, 0.9)(k) for k in range(52)]
    ours = Warmup(ExponentialDecay(0.2, gamma=0.9), 8, start=0.04)
    np.testing.assert_allclose([at(ours, float(t)) for t in T], expected, rtol=1e-5)


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


# --- weight_decay and betas, by functions too ------------------------------------------------------------------------


def falling(t: float) -> float:
    return 0.3 / t


def by_table(t: float) -> float:
    """Nothing that numba compiles."""
    return {"lr": 0.3}["lr"] / t


class Falling:
    """A callable object."""

    def __call__(self, t: float) -> float:
        return np.asarray(0.3 / t)  # an array of no dimension is a number too


compiled_falling = numba.njit(falling)
FUNCTIONS = {
    "plain": falling,
    "by_table": by_table,
    "object": Falling(),
    "compiled": compiled_falling,
    "compiled_signature": numba.njit("f8(f8)")(falling),
    "compiled_integers": numba.njit(lambda t: 1 if t < 20 else 2),
    "compiled_float32": numba.njit(lambda t: np.float32(0.3) / np.float32(t)),
}
OPTIONS = {"gtol": None, "keep": "last", "maxiter": 40, "history": 1, "history_x": True}
A = np.array([10.0, -20.0, 30.0])


def history(method: Any, compiled: bool = True, **options: Any) -> np.ndarray:
    fun = quadratic if compiled else quadratic.py_func
    res = numbaopt.minimize(fun, [1.0, -1.0, 2.0], (A,), method, jac=True, options=OPTIONS | options)
    return res.history.x


def expected_history(case: Case) -> np.ndarray:
    """By the reference, with all that is scheduled in the method evaluated."""

    def update(case: Case, t: int, x: Any, g: Any, slots: Any) -> tuple:
        return case.update(case.hyper._make(at(value, float(t)) for value in case.hyper), t, x, g, *slots)

    return trajectory(case, [1.0, -1.0, 2.0], lambda t, x: x - A, OPTIONS["maxiter"], update)


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "plain"])
@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_functions(function: Any, compiled: bool) -> None:
    for lr in (function, Warmup(function, 10)):
        case = Case("adam", Adam(lr), adam, 2)
        np.testing.assert_allclose(history(case.hyper, compiled), expected_history(case), rtol=1e-12)


BETAS = (ExponentialDecay(0.9, gamma=0.5, every=40), lambda t: 1 - 1 / (t + 1))
SCHEDULED = [
    Case("adam", Adam(0.1, BETAS, weight_decay=StepDecay(0.5, 10)), adam, 2),
    Case("adam_number", Adam(0.1, (0.8, compiled_falling), weight_decay=falling), adam, 2),
    Case("amsgrad", Adam(CosineDecay(0.1, 50), (BETAS[0], 0.99), amsgrad=True), adam, 3),
    Case("adamw", AdamW(OneCycle(0.1, 40), BETAS, weight_decay=compiled_falling), adamw, 2, coupled=False),
    Case("adamw_amsgrad", AdamW(0.1, weight_decay=StepDecay(0.5, 10), amsgrad=True), adamw, 3, coupled=False),
    Case("adadelta", Adadelta(StepDecay(0.5, 10), eps=1e-3, weight_decay=StepDecay(0.5, 10)), adadelta, 2),
]


@pytest.mark.parametrize("case", SCHEDULED, ids=lambda case: case.name)
def test_weight_decay_and_betas(case: Case) -> None:
    np.testing.assert_allclose(history(case.hyper), expected_history(case), rtol=1e-12)


@needs_optax
def test_beta_schedule_in_optax() -> None:
    """The correction of the bias is that of the current beta."""
    import jax.numpy as jnp
    import optax

    b1 = PolynomialDecay(0.5, steps=30, lr_min=0.9)
    theirs = optax.inject_hyperparams(optax.adam)(0.1, b1=optax.linear_schedule(0.5, 0.9, 30))
    x = jnp.array([1.0, -1.0, 2.0])
    state, points = theirs.init(x), [x]
    for _ in range(OPTIONS["maxiter"]):
        change, state = theirs.update(x - A.astype(np.float32), state)
        x = x + change
        points.append(x)
    np.testing.assert_allclose(history(Adam(0.1, (b1, 0.999))), np.array(points), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("decay", "shown"),
    [
        (0.5, "0.5"),
        (falling, "falling()"),
        (compiled_falling, "falling()"),
        (StepDecay(0.5, 10), "StepDecay(lr=0.5, every=10.0, gamma=0.1)"),
    ],
    ids=["number", "plain", "compiled", "schedule"],
)
def test_messages_show_the_decay(decay: Any, shown: str) -> None:
    res = numbaopt.minimize(quadratic, [1.0, 2.0, 3.0], A, AdamW(weight_decay=decay), True, options={"maxiter": 2})
    assert f"Note: weight_decay = {shown} pulled" in res.message


@pytest.mark.parametrize("function", [falling, compiled_falling], ids=["plain", "compiled"])
@pytest.mark.parametrize("compiled", [True, False], ids=["compiled_fun", "plain_fun"])
def test_another_function_compiles_no_other_loop(function: Any, compiled: bool) -> None:
    is_jitted = function is compiled_falling
    other: Any = numba.njit(lambda t: 0.2) if is_jitted else lambda t: 0.2
    first = history(Adam(function), compiled)
    versions = len(advance.overloads), len(move_once.overloads)
    second = history(Adam(other), compiled)
    assert (len(advance.overloads), len(move_once.overloads)) == versions
    assert np.array_equal(second, history(Adam(0.2), compiled)) and not np.array_equal(first, second)


def test_an_edited_function_is_compiled_again() -> None:
    factor = 0.2
    function = numba.njit(lambda t: factor)
    assert np.array_equal(history(Adam(function)), history(Adam(0.2)))
    factor = 0.4
    function.recompile()
    assert np.array_equal(history(Adam(function)), history(Adam(0.4)))


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "plain"])
@pytest.mark.parametrize("where", ["lr", "betas", "weight_decay", "nested"])
@pytest.mark.parametrize("error", [KeyError("lost"), KeyboardInterrupt()], ids=["KeyError", "KeyboardInterrupt"])
def test_a_function_that_raises(error: BaseException, where: str, compiled: bool) -> None:
    calls = []

    def function(t: float) -> float:
        calls.append(t)
        if t >= 5:
            raise error
        return 0.1

    hyper = {"lr": function, "betas": (0.9, function), "weight_decay": function, "nested": Warmup(function, 1)}
    method = Adam(**{where: hyper[where]}) if where != "nested" else Adam(hyper[where])
    with pytest.raises(type(error)) as caught:
        history(method, compiled)
    assert caught.value is error
    assert max(calls) == calls[-1] == 5.0
    assert np.isfinite(caught.value.result.x).all() and caught.value.result.nit >= 4


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "plain"])
def test_a_compiled_function_that_raises(compiled: bool) -> None:
    @numba.njit
    def function(t):
        if t >= 5:
            raise ValueError("no rate for that")
        return 0.1

    with pytest.raises(ValueError, match=r"^no rate for that\n") as caught:
        history(Adam(function), compiled)
    assert caught.value.result.nit >= 4


@pytest.mark.parametrize("result", [None, "fast", [0.1, 0.2], 1j], ids=repr)
def test_a_function_that_returns_no_number_later(result: Any) -> None:
    def function(t: float) -> Any:
        return 0.1 if t < 5 else result

    text = f"The schedule function() must return a number, but at t = 5 it returned {result!r}."
    with pytest.raises(TypeError, match=f"^{re.escape(text)}\n"):
        history(Adam(function))


def test_a_function_that_returns_nan_ends_the_run() -> None:
    res = numbaopt.minimize(quadratic, [1.0], A[:1], Adam(lambda t: 0.1 if t < 5 else math.nan), True)
    assert res.status == numbaopt.Status.NONFINITE and res.nit == 5 and np.isfinite(res.x).all()


def test_a_function_that_fails_at_once_is_named() -> None:
    def function(t: float) -> float:
        raise RuntimeError("not today")

    with pytest.raises(RuntimeError, match=r"^not today\n") as caught:
        Adam(lr=function)
    assert caught.value.__notes__ == [f"Adam(lr={function!r}): lr {LR}"]


def test_a_plain_function_sees_what_changes() -> None:
    """As Python does: nothing is frozen when the run starts."""
    rates = {"now": 0.1}

    def callback(x: np.ndarray) -> None:
        rates["now"] = 0.0

    found = numbaopt.minimize(
        quadratic, [1.0, -1.0, 2.0], A, Adam(lambda t: rates["now"]), True, callback=callback,
        options=OPTIONS | {"callback_every": 10},
    ).history.x  # fmt: skip
    assert not np.array_equal(found[9], found[10])
    assert np.array_equal(found[10], found[40])


def test_compiled_form_leaves_the_method_alone() -> None:
    method = Adam(Warmup(falling, 10), (0.9, compiled_falling))
    compiled_form(method)
    assert method == Adam(Warmup(falling, 10), (0.9, compiled_falling))
    assert method.lr.lr is falling and method.betas[1] is compiled_falling


# --- errors ----------------------------------------------------------------------------------------------------------

RATE = "must be a finite number >= 0 or a schedule."
LR = 'must be a finite number >= 0, a schedule or "auto".'
COUNT = "must be a finite number >= 0."
POS = "must be a finite number > 0."
UNIT = "must be in [0, 1) or a schedule."
LEAST_1 = "must be a finite number >= 1."
GAMMA = "must be in (0, 1]."


def below_zero(t: float) -> float:
    return -t


def test_a_function_that_becomes_negative() -> None:
    text = "The schedule <lambda>() must return a number >= 0, but at t = 5 it returned -0.1."
    with pytest.raises(ValueError, match=f"^{re.escape(text)}"):
        history(Adam(lr=lambda t: 0.1 if t < 5 else -0.1))


def nothing(t: float) -> None:
    return None


NOTHING = "The schedule nothing() must return a number, but at t = 1 it returned None."
ONE_OR_MORE = "must be a tuple of one or more numbers."
LOWER, NOT_FINITE = below_zero, numba.njit(lambda t: t * np.nan)
VALID: dict[Any, dict] = {
    CosineDecay: {"lr": 1.0, "steps": 9.0},
    PolynomialDecay: {"lr": 1.0, "steps": 9.0},
    StepDecay: {"lr": 1.0, "every": 9.0},
    MultiStepDecay: {"lr": 1.0, "milestones": (9.0, 12.0)},
    PiecewiseConstant: {"values": (1.0, 2.0), "milestones": (9.0,)},
    CosineRestarts: {"lr": 1.0, "period": 9.0},
    OneCycle: {"lr": 1.0, "steps": 9.0},
    Warmup: {"lr": 1.0, "steps": 9.0},
    Joined: {"first": 1.0, "steps": 9.0, "second": 2.0},
}
VALUE_ERRORS: list[tuple[Any, dict, str]] = [
    (Adam, {"lr": -1}, f"Adam(lr=-1): lr {LR}"),
    (AdamW, {"lr": float("nan")}, f"AdamW(lr=nan): lr {LR}"),
    (Adadelta, {"lr": float("inf")}, f"Adadelta(lr=inf): lr {LR}"),
    (Adam, {"betas": (1.2, 0.999)}, f"Adam(betas=(1.2, 0.999)): betas[0] {UNIT}"),
    (Adam, {"betas": [0.9, 1.0]}, f"Adam(betas=[0.9, 1.0]): betas[1] {UNIT}"),
    (AdamW, {"betas": (0.9, -0.1)}, f"AdamW(betas=(0.9, -0.1)): betas[1] {UNIT}"),
    (AdamW, {"betas": (float("nan"), 0.9)}, f"AdamW(betas=(nan, 0.9)): betas[0] {UNIT}"),
    (Adam, {"eps": -1e-8}, f"Adam(eps=-1e-08): eps {COUNT}"),
    (Adadelta, {"eps": float("inf")}, f"Adadelta(eps=inf): eps {COUNT}"),
    (Adam, {"weight_decay": -0.1}, f"Adam(weight_decay=-0.1): weight_decay {RATE}"),
    (Adadelta, {"rho": 1.5}, "Adadelta(rho=1.5): rho must be in [0, 1]."),
    (Adadelta, {"rho": -0.5}, "Adadelta(rho=-0.5): rho must be in [0, 1]."),
    (ExponentialDecay, {"lr": -1.0}, f"ExponentialDecay(lr=-1.0): lr {COUNT}"),
    (ExponentialDecay, {"lr": 1, "gamma": 0}, "ExponentialDecay(gamma=0): gamma must be in (0, 1]."),
    (ExponentialDecay, {"lr": 1, "gamma": 1.1}, "ExponentialDecay(gamma=1.1): gamma must be in (0, 1]."),
    (ExponentialDecay, {"lr": 1, "every": 0}, f"ExponentialDecay(every=0): every {POS}"),
    (CosineDecay, {"lr": 1, "steps": 0}, f"CosineDecay(steps=0): steps {POS}"),
    (CosineDecay, {"lr": 1, "steps": 9, "warmup": -1}, f"CosineDecay(warmup=-1): warmup {COUNT}"),
    (CosineDecay, {"lr": 1, "steps": 9, "lr_min": -1}, f"CosineDecay(lr_min=-1): lr_min {COUNT}"),
    (PolynomialDecay, {"steps": 0}, f"PolynomialDecay(steps=0): steps {POS}"),
    (PolynomialDecay, {"power": -1}, f"PolynomialDecay(power=-1): power {COUNT}"),
    (PolynomialDecay, {"lr_min": -1}, f"PolynomialDecay(lr_min=-1): lr_min {COUNT}"),
    (InverseSqrt, {"warmup": 0}, f"InverseSqrt(warmup=0): warmup {POS}"),
    (StepDecay, {"every": 0}, f"StepDecay(every=0): every {POS}"),
    (StepDecay, {"gamma": 2}, f"StepDecay(gamma=2): gamma {GAMMA}"),
    (MultiStepDecay, {"gamma": 0}, f"MultiStepDecay(gamma=0): gamma {GAMMA}"),
    (MultiStepDecay, {"milestones": (1, -2)}, f"MultiStepDecay(milestones=(1, -2)): milestones[1] {COUNT}"),
    (PiecewiseConstant, {"values": (1, -2)}, f"PiecewiseConstant(values=(1, -2)): values[1] {COUNT}"),
    (CosineRestarts, {"period": 0}, f"CosineRestarts(period=0): period {POS}"),
    (CosineRestarts, {"factor": 0.5}, f"CosineRestarts(factor=0.5): factor {LEAST_1}"),
    (CosineRestarts, {"lr_min": -1}, f"CosineRestarts(lr_min=-1): lr_min {COUNT}"),
    (OneCycle, {"steps": -1}, f"OneCycle(steps=-1): steps {POS}"),
    (OneCycle, {"pct_start": 1}, "OneCycle(pct_start=1): pct_start must be in [0, 1)."),
    (OneCycle, {"div_factor": 0.5}, f"OneCycle(div_factor=0.5): div_factor {LEAST_1}"),
    (OneCycle, {"final_div_factor": 0}, f"OneCycle(final_div_factor=0): final_div_factor {LEAST_1}"),
    (Warmup, {"lr": -1}, f"Warmup(lr=-1): lr {RATE}"),
    (Warmup, {"steps": 0}, f"Warmup(steps=0): steps {POS}"),
    (Warmup, {"start": -1}, f"Warmup(start=-1): start {COUNT}"),
    (Joined, {"first": -1}, f"Joined(first=-1): first {RATE}"),
    (Joined, {"second": math.inf}, f"Joined(second=inf): second {RATE}"),
    (Joined, {"steps": 0}, f"Joined(steps=0): steps {POS}"),
    (
        Adam,
        {"betas": (0.9, InverseSqrt(1.5))},
        f"Adam(betas=(0.9, {InverseSqrt(1.5)!r})): betas[1] {UNIT[:-1]}, but it is 1.5 at t = 1.",
    ),
    (Adam, {"lr": LOWER}, f"Adam(lr={LOWER!r}): lr {LR[:-1]}, but it is -1 at t = 1."),
    (
        AdamW,
        {"weight_decay": LOWER},
        f"AdamW(weight_decay={LOWER!r}): weight_decay {RATE[:-1]}, but it is -1 at t = 1.",
    ),
    (Warmup, {"lr": LOWER}, f"Warmup(lr={LOWER!r}): lr {RATE[:-1]}, but it is -1 at t = 1."),
    (Adam, {"lr": NOT_FINITE}, f"Adam(lr={NOT_FINITE!r}): lr {LR[:-1]}, but it is nan at t = 1."),
]
TYPE_ERRORS: list[tuple[Any, dict, str]] = [
    (Adam, {"lr": "fast"}, f"Adam(lr='fast'): lr {LR}"),
    (Adam, {"lr": None}, f"Adam(lr=None): lr {LR}"),
    (Adam, {"betas": 0.9}, "Adam(betas=0.9): betas must be a tuple of 2 numbers."),
    (Adam, {"betas": (0.9,)}, "Adam(betas=(0.9,)): betas must be a tuple of 2 numbers."),
    (Adam, {"betas": "ab"}, "Adam(betas='ab'): betas must be a tuple of 2 numbers."),
    (Adam, {"betas": (0.9, None)}, f"Adam(betas=(0.9, None)): betas[1] {UNIT}"),
    (Adam, {"amsgrad": "yes"}, "Adam(amsgrad='yes'): amsgrad must be True or False."),
    (AdamW, {"maximize": 2}, "AdamW(maximize=2): maximize must be True or False."),
    (Adadelta, {"maximize": None}, "Adadelta(maximize=None): maximize must be True or False."),
    (Adadelta, {"rho": [0.9]}, "Adadelta(rho=[0.9]): rho must be in [0, 1]."),
    (Adam, {"lr": float}, f"Adam(lr={float!r}): lr {LR}"),
    (Adam, {"lr": Adam()}, f"Adam(lr={Adam()!r}): lr {LR}"),
    (Adam, {"lr": nothing}, f"{NOTHING}\nAdam(lr={nothing!r}): lr {LR}"),
    (
        MultiStepDecay,
        {"milestones": 3},
        f"MultiStepDecay(milestones=3): milestones {ONE_OR_MORE}",
    ),
    (
        MultiStepDecay,
        {"milestones": ()},
        f"MultiStepDecay(milestones=()): milestones {ONE_OR_MORE}",
    ),
    (
        PiecewiseConstant,
        {"values": "a"},
        f"PiecewiseConstant(values='a'): values {ONE_OR_MORE}",
    ),
    (Warmup, {"lr": "fast"}, f"Warmup(lr='fast'): lr {RATE}"),
    (Joined, {"second": None}, f"Joined(second=None): second {RATE}"),
    (ExponentialDecay, {"lr": CosineDecay(1, 9)}, f"ExponentialDecay(lr={CosineDecay(1, 9)!r}): lr {COUNT}"),
]


@pytest.mark.parametrize(
    ("error", "cls", "values", "text"),
    [(ValueError, *row) for row in VALUE_ERRORS] + [(TypeError, *row) for row in TYPE_ERRORS],
    ids=lambda value: re.sub(r" at 0x\w+", "", value) if isinstance(value, str) else "",
)
def test_errors(error: type[Exception], cls: Any, values: dict, text: str) -> None:
    valid = VALID.get(cls, {"lr": 1.0})
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


MADE = (
    [case.hyper for case in CASES]
    + [s for s, _ in SCHEDULES.values()]
    + [
        Adam(lr=CosineDecay(0.1, 9)),
        Adam(lr=falling, betas=(0.9, StepDecay(0.9, 10))),
        AdamW(lr=Warmup(compiled_falling, 10), weight_decay=falling),
    ]
)


@pytest.mark.parametrize("made", MADE, ids=lambda made: type(made).__name__)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_round_trip(made: Any, protocol: int) -> None:
    copy = pickle.loads(pickle.dumps(made, protocol))
    assert type(copy) is type(made) and copy == made
    assert [type(value) for value in copy] == [type(value) for value in made]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_unpickling_checks(protocol: int) -> None:
    data = pickle.dumps(tuple.__new__(Adam, (-1.0, *Adam()[1:])), protocol)
    with pytest.raises(ValueError, match=f"^{re.escape(f'Adam(lr=-1.0): lr {LR}')}$"):
        pickle.loads(data)


def test_numbers_become_floats_and_flags_bools() -> None:
    made = Adam(1, [0, np.float32(0.5)], np.float64(0), np.int64(2), 1, np.True_)
    assert made == (1.0, (0.0, 0.5), 0.0, 2.0, True, True)
    assert [type(value) for value in made] == [float, tuple, float, float, bool, bool]
    assert [type(value) for value in made.betas] == [float, float]


def test_validated_stands_on_its_own() -> None:
    size = POSITIVE._replace(start=lambda value: 1.0 if value == "auto" else None)

    @validated({"size": size, "shares": FRACTION, "many": Range("be even", lambda v: v % 2 == 0, many=True)})
    class Made(NamedTuple):
        size: float
        shares: tuple[float, float, float] = (0.0, 0.5, 0.25)
        anything: float = 0.0
        many: tuple[float, ...] = (2.0,)

    assert Made(2, (0, 0, 0), -7, [2, 4]) == (2.0, (0.0, 0.0, 0.0), -7.0, (2.0, 4.0))
    assert Made("auto") == ("auto", (0.0, 0.5, 0.25), 0.0, (2.0,))
    with pytest.raises(ValueError, match=r"^Made\(many=\(2, 3\)\): many\[1\] must be even\.$"):
        Made(1, many=(2, 3))
    with pytest.raises(ValueError, match=r"^Made\(size=0\): size must be a finite number > 0\.$"):
        Made(0)
    with pytest.raises(ValueError, match=r"^Made\(anything=inf\): anything must be a finite number\.$"):
        Made(1, anything=float("inf"))
    with pytest.raises(TypeError, match=r"^Made\(shares=\(0,\)\): shares must be a tuple of 3 numbers\.$"):
        Made(1, (0,))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: CosineDecay(0.1, steps=10, warmup=20),
            "CosineDecay(lr=0.1, steps=10.0, warmup=20.0, lr_min=0.0): warmup must be less than steps.",
        ),
        (
            lambda: MultiStepDecay(0.1, (5, 5)),
            "MultiStepDecay(lr=0.1, milestones=(5.0, 5.0), gamma=0.1): milestones must increase.",
        ),
        (
            lambda: PiecewiseConstant((1, 2, 3), (9, 5)),
            "PiecewiseConstant(values=(1.0, 2.0, 3.0), milestones=(9.0, 5.0)): milestones must increase.",
        ),
        (
            lambda: PiecewiseConstant((1, 2), (5, 9)),
            "PiecewiseConstant(values=(1.0, 2.0), milestones=(5.0, 9.0)): there must be one more of values than of "
            "milestones.",
        ),
        (
            lambda: OneCycle(0.1, steps=1),
            "OneCycle(lr=0.1, steps=1.0, pct_start=0.3, div_factor=25.0, final_div_factor=10000.0): steps must be "
            "greater than 1.",
        ),
    ],
)
def test_parameters_that_conflict(make: Callable, text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        make()
