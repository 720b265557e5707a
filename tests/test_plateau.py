"""ReduceOnPlateau: torch's numbers, in both loops; and nonfinite="skip"."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from numbaopt import SGD, Adam, Averaged, ClipNorm, Status, Stepper, minimize
from numbaopt.drivers.plateau import new_plateau, observe
from numbaopt.schedules import ReduceOnPlateau, Warmup
from numbaopt.schedules.plateau import as_numbers

START = np.array([0.4, -0.7, 0.5])


def kinked(x, g):
    """|x_0| + 2 |x_1| + 3 |x_2| + 1, by additions and multiplications alone."""
    f = 1.0
    for i in range(x.size):
        sign = 1.0 if x[i] > 0 else -1.0
        f += (i + 1) * (sign * x[i])
        g[i] = (i + 1) * sign
    return f


compiled_kinked = njit(kinked)
TORCH = {"lr_min": "min_lr"}
CASES = [
    {},
    {"patience": 0, "factor": 0.5},
    {"patience": 3, "cooldown": 4},
    {"patience": 2, "threshold_mode": "abs", "threshold": 1e-2},
    {"patience": 1, "factor": 0.5, "lr_min": 1e-3},
    {"patience": 1, "factor": 0.1, "eps": 1e-4},
    {"patience": 1, "factor": 0.0},
    {"patience": 2, "threshold": 0.5, "cooldown": 1},
]


@pytest.fixture(params=["plain", "compiled"])
def fun(request):
    return kinked if request.param == "plain" else compiled_kinked


def trace(fun, method, maxiter=80, **options):
    given = {"gtol": None, "maxiter": maxiter, "history": True, "history_x": True, "keep": "last"} | options
    return minimize(fun, START, jac="inplace", method=method, options=given)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_torchs_numbers(name, case, fun):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    x = torch.tensor(START, requires_grad=True)
    optimizer = getattr(torch.optim, name)([x], lr=0.1)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **{TORCH.get(k, k): v for k, v in case.items()})
    points, rates = [x.detach().numpy().copy()], []
    for _ in range(80):
        g = np.empty(3)
        scheduler.step(kinked(x.detach().numpy(), g))
        x.grad = torch.tensor(g)
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        points.append(x.detach().numpy().copy())
    res = trace(fun, {"SGD": SGD, "Adam": Adam}[name](lr=ReduceOnPlateau(0.1, **case)))
    assert len(set(rates)) > 1
    assert res.history.x == pytest.approx(np.array(points), rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_torchs_rates(case):
    """Of values that rise and fall, and are negative."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **{TORCH.get(k, k): v for k, v in case.items()})
    control = new_plateau(as_numbers(ReduceOnPlateau(0.1, **case))).control
    for value in 1 - np.cumsum(np.random.default_rng(0).normal(0.01, 0.1, 400)):
        scheduler.step(value)
        observe(control[0], value)
        assert control["lr"][0] == optimizer.param_groups[0]["lr"]
        assert (control["bad"][0], control["cooling"][0]) == (scheduler.num_bad_epochs, scheduler.cooldown_counter)


@pytest.mark.parametrize("keep", ["best", "last"])
def test_both_loops_and_a_checkpoint_have_the_same_bits(keep, tmp_path):
    method = Adam(lr=ReduceOnPlateau(0.1, patience=2, factor=0.5))
    whole = trace(kinked, method, keep=keep)
    for fun in (kinked, compiled_kinked):
        for maxiter in (0, 7, 8, 40, 80):
            part = trace(fun, method, maxiter, keep=keep, checkpoint=tmp_path / fun.__class__.__name__, resume=True)
        assert part.x.tobytes() == whole.x.tobytes()
        assert part.history.fun.tobytes() == whole.history.fun.tobytes()


def test_of_a_method_inside_another():
    lr = ReduceOnPlateau(0.1, patience=1)
    expected = trace(compiled_kinked, SGD(lr=lr))
    inside = trace(compiled_kinked, ClipNorm(SGD(lr=lr), 1e9))
    assert inside.x == pytest.approx(expected.x, rel=1e-12)
    assert minimize(compiled_kinked, START, method=Averaged(Adam(lr=lr)), jac="inplace").fun < 2.5


def test_of_a_maximum():
    def hill(x, g):
        f = kinked(x, g)
        g *= -1
        return -f

    lr = ReduceOnPlateau(0.1, patience=2)
    up, down = trace(hill, Adam(lr=lr, maximize=True)), trace(kinked, Adam(lr=lr))
    assert up.x.tobytes() == down.x.tobytes()


def test_by_name():
    lr = ReduceOnPlateau(0.1, patience=2)
    named, made = trace(compiled_kinked, "adam", lr=lr), trace(compiled_kinked, Adam(lr=lr))
    assert named.x.tobytes() == made.x.tobytes()


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"lr": -1}, "ReduceOnPlateau(lr=-1): lr must be a finite number >= 0."),
        ({"factor": 1}, "ReduceOnPlateau(factor=1): factor must be in [0, 1)."),
        ({"patience": 1.5}, "ReduceOnPlateau(patience=1.5): patience must be an integer >= 0."),
        ({"cooldown": -1}, "ReduceOnPlateau(cooldown=-1): cooldown must be an integer >= 0."),
        ({"threshold_mode": 1}, 'ReduceOnPlateau(threshold_mode=1): threshold_mode must be "rel" or "abs".'),
        ({"threshold": -1}, "ReduceOnPlateau(threshold=-1): threshold must be a finite number >= 0."),
    ],
)
def test_parameters(given, text):
    with pytest.raises(ValueError) as caught:
        ReduceOnPlateau(**({"lr": 0.1} | given))
    assert str(caught.value) == text


def test_where_it_is_not_possible():
    method = Adam(lr=ReduceOnPlateau(0.1))
    groups = {"a": ([0], {"eps": 1e-3})}
    for name, value, more in (("batch_size", 2, {"n_samples": 3}), ("groups", groups, {})):
        with pytest.raises(ValueError) as caught:
            minimize(kinked, START, jac="inplace", method=method, options={name: value, **more})
        assert (
            str(caught.value) == f"{method}: ReduceOnPlateau is not offered with {name}. Give a number or a schedule."
        )
    for inside in (method, ClipNorm(method, 1.0)):
        with pytest.raises(ValueError) as caught:
            Stepper(np.zeros(2), inside)
        assert str(caught.value) == (
            f"{inside}: lr=ReduceOnPlateau needs the values of fun, which only minimize has. Give a number, or use "
            "numbaopt.DoG."
        )
    with pytest.raises(TypeError, match="lr must be a finite number >= 0 or a schedule"):
        Warmup(ReduceOnPlateau(0.1), 10)
    with pytest.raises(TypeError, match="weight_decay must be a finite number >= 0 or a schedule"):
        Adam(weight_decay=ReduceOnPlateau(0.1))


# --- nonfinite="skip" ------------------------------------------------------------------------------------------------


def holes(x, g, calls):
    """(x - 3)^2, but not finite at every seventh call."""
    calls[0] += 1
    g[0] = 2.0 * (x[0] - 3.0)
    if calls[0] % 14 == 7:
        g[0] = np.inf
    return np.nan if calls[0] % 14 == 0 else (x[0] - 3.0) * (x[0] - 3.0)


@pytest.mark.parametrize("form", [lambda f: f, njit], ids=["plain", "compiled"])
@pytest.mark.parametrize("keep", ["best", "last"])
@pytest.mark.parametrize(
    "method", [Adam(lr=0.1), Adam(lr=ReduceOnPlateau(0.1)), "adam"], ids=["number", "plateau", "auto"]
)
def test_skip(method, keep, form):
    if method == "adam" and keep == "last":
        pytest.skip("auto keeps the best")
    options = {"nonfinite": "skip", "keep": keep, "history": True, "maxiter": 5000}
    res = minimize(form(holes), [-20.0], (np.zeros(1, np.int64),), method, "inplace", options=options)
    assert res.success, res
    assert res.x == pytest.approx([3], abs=1e-4)
    assert res.skipped == res.nfev // 7
    assert np.isfinite(res.history.fun).all()
    if method != "adam":
        assert res.skipped > 0
        stopped = minimize(form(holes), [-20.0], (np.zeros(1, np.int64),), method, "inplace", options={"keep": keep})
        assert (stopped.status, stopped.skipped, stopped.nit) == (Status.NONFINITE, 0, 6)


def test_skip_does_not_help_at_x0_nor_without_a_minimum():
    res = minimize(lambda x: np.nan, [1.0], jac=lambda x: x, method=Adam(), options={"nonfinite": "skip"})
    assert (res.status, res.nit, res.skipped) == (Status.NONFINITE, 0, 0)
    fall = {"jac": lambda x: np.ones(1), "method": SGD(lr=1.0), "options": {"nonfinite": "skip"}}
    res = minimize(lambda x: x[0] if x[0] > -10 else -np.inf, [1.0], **fall)
    assert (res.status, res.skipped) == (Status.NONFINITE, 0)
    assert res.message.startswith("Stopped: fun went to -inf at iteration 11,")


def test_skip_errors():
    with pytest.raises(ValueError, match=r'^nonfinite=\'ignore\' must be "stop" or "skip"\.$'):
        minimize(kinked, START, options={"nonfinite": "ignore"})
