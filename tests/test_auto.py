"""lr="auto": what minimize() does when a method is given by name, and its corners."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
from numba import njit

import numbaopt
from numbaopt import LAMB, SGD, Adam, AdamW, DoG, Rprop, Status, Stepper, minimize
from numbaopt.problems import MORE_GARBOW_HILLSTROM, rosenbrock
from numbaopt.schedules import Auto

PROBLEMS = [
    "Rosenbrock",
    "Beale",
    "Helical valley",
    "Bard",
    "Box",
    "Wood",
    "Kowalik-Osborne",
    "Broyden tridiagonal",
]
TWO = ["adam", "sgd"]  # where a run around a Python function compiles what no other test has
METHODS = {"adam": {}, "adamw": {"weight_decay": 0}, "adadelta": {}, "nadam": {}, "sgd": {}}
START = np.array([0.4, 0.7, 0.5, 0.2])


def valley(x, g):
    """Rosenbrock's chain, by additions and multiplications alone: the same bits in Python and in numba."""
    f = 0.0
    g[:] = 0.0
    for i in range(x.size - 1):
        d, e = x[i + 1] - x[i] * x[i], 1.0 - x[i]
        f += 100.0 * (d * d) + e * e
        g[i] += -400.0 * (x[i] * d) - 2.0 * e
        g[i + 1] += 200.0 * d
    return f


compiled_valley = njit(valley)


@pytest.fixture(params=["plain", "compiled"])
def fun(request):
    return valley if request.param == "plain" else compiled_valley


def solve(fun, x0=START, method="adam", **options):
    kwargs = {name: options.pop(name) for name in ("bounds", "callback", "jac", "args") if name in options}
    return minimize(fun, x0, method=method, options=options, **({"jac": "inplace"} | kwargs))


def same(a, b):
    assert a.x.tobytes() == b.x.tobytes()
    assert a.jac.tobytes() == b.jac.tobytes()
    for name in ("fun", "nit", "nfev", "njev", "status"):
        assert a[name] == b[name], name


# --- what it solves --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("method", METHODS)
def test_solves(method, problem):
    p = MORE_GARBOW_HILLSTROM[problem]
    res = solve(p.fun, np.array(p.x0), method, **METHODS[method])
    assert any(abs(res.fun - m) <= max(1e-5 * abs(m), 1e-8 * (m == 0)) for m in p.minimum), res
    assert res.success, res


def test_a_name_means_auto_and_an_object_what_it_says():
    assert solve(compiled_valley, maxiter=1).hyperparameters == Adam(lr="auto")
    assert solve(compiled_valley, method=numbaopt.Adam, maxiter=1).hyperparameters == Adam(lr=1e-3)
    assert solve(compiled_valley, lr=0.1, maxiter=1).hyperparameters == Adam(lr=0.1)
    named = solve(compiled_valley)
    for method in (Adam(lr="auto"), Adam(lr=Auto()), Adam(lr=Auto(0.01, 5))):
        same(solve(compiled_valley, method=method), named)


def test_compiled_and_python_loop_have_the_same_bits():
    for method, options in (
        ("adam", {}),
        ("sgd", {}),
        ("adam", {"bounds": [(-2, 0.8)] * 4}),
        ("adam", {"lr": Auto(memory=0)}),
    ):
        same(solve(valley, method=method, **options), solve(compiled_valley, method=method, **options))


def test_fun_never_rises(fun):
    points = []
    res = solve(fun, history=True, history_x=True, callback=points.append, callback_every=1)
    assert res.success
    assert (np.diff(res.history.fun) <= 0).all()
    assert res.history.fun[-1] == res.fun
    assert res.history.nit.tolist() == list(range(res.nit + 1))
    assert len(points) == res.nit
    assert np.array_equal(points, res.history.x[1:])


def test_default_gtol_is_1e_7():
    res = solve(compiled_valley)
    assert (res.status, res.success) == (Status.GTOL, True)
    assert np.abs(res.jac).max() <= 1e-7
    assert "is at most gtol = 1e-07" in res.message
    assert np.abs(solve(compiled_valley, gtol=1e-2).jac).max() > 1e-7


@pytest.mark.parametrize("memory", [0, 1, 20])
def test_memory_and_first_rate(memory):
    for lr in (1e-6, 1.0, 1e3):
        res = solve(rosenbrock, [-1.2, 1.0], lr=Auto(lr=lr, memory=memory), jac=None, maxiter=100_000)
        assert res.success, res
        assert res.x == pytest.approx([1, 1], abs=1e-3)


# --- options ---------------------------------------------------------------------------------------------------------


def test_bounds(fun):
    inactive = solve(fun, bounds=[(-5, 5)] * 4)
    assert inactive.success
    assert inactive.x == pytest.approx(np.ones(4), abs=1e-5)
    seen = []

    def inside(x, g):
        seen.append(x.copy())
        return valley(x, g)

    low, high = [-2.0, -2.0, 0.5, -np.inf], [2.0, 0.7, 0.6, 3.0]
    active = solve(inside, START, bounds=list(zip(low, high, strict=True)))
    assert active.success
    assert (np.array(seen) >= low).all() and (np.array(seen) <= high).all()
    peer = scipy_peer(START, low, high)
    assert active.fun == pytest.approx(peer.fun, rel=1e-9)
    assert active.x == pytest.approx(peer.x, abs=1e-5)


def scipy_peer(x0, low, high):
    def both(x):
        g = np.empty_like(x)
        return valley(x, g), g

    options = {"ftol": 1e-15, "gtol": 1e-10}
    return scipy.optimize.minimize(both, x0, jac=True, bounds=scipy.optimize.Bounds(low, high), options=options)


def test_fixed_stays(fun):
    res = solve(fun, fixed=[False, True, False, False])
    assert res.success
    assert abs(res.jac[[0, 2, 3]]).max() <= 1e-6
    assert res.x[1] == 0.7


def test_x_scale():
    @njit
    def stretched(x, g, scale):
        f = valley_of(x / scale, g)
        g /= scale
        return f

    valley_of, scale = compiled_valley, np.array([1e3, 1e-3, 1.0, 10.0])
    res = solve(stretched, START * scale, args=(scale,), x_scale=scale, gtol=1e-9)
    assert res.x / scale == pytest.approx(np.ones(4), abs=1e-4)


@pytest.mark.parametrize("method", TWO)
def test_float32(method):
    res = solve(compiled_valley, START.astype(np.float32), method)
    assert res.x.dtype == np.float32
    assert res.x == pytest.approx(np.ones(4), abs=1e-2)
    assert res.status in (Status.GTOL, Status.ROUNDING)


def test_state_dtype():
    res = solve(compiled_valley, state_dtype="bfloat16")
    assert res.success
    assert res.x == pytest.approx(np.ones(4), abs=1e-5)


def test_maximize_mirrors():
    @njit
    def hill(x, g):
        f = valley_of(x, g)
        g *= -1.0
        return -f

    valley_of = compiled_valley
    up, down = solve(hill, maximize=True, history=True), solve(compiled_valley, history=True)
    assert up.x.tobytes() == down.x.tobytes()
    assert (up.fun, up.nit, up.success) == (-down.fun, down.nit, True)
    assert np.array_equal(up.history.fun, -down.history.fun)


def test_limits(fun):
    for maxfev in (1, 2, 17):
        res = solve(fun, maxfev=maxfev)
        assert (res.nfev, res.status, res.success) == (maxfev, Status.MAXFEV, False)
    res = minimize(rosenbrock, [-1.2, 1.0], jac="2-point", options={"maxfev": 50})
    assert (res.nfev, res.status) == (48, Status.MAXFEV)
    assert solve(fun, maxiter=0).x.tolist() == START.tolist()
    assert solve(fun, ftarget=1e-3).status == Status.FTARGET
    assert solve(fun, gtol=None, ftol=1e-3).status == Status.FTOL
    assert solve(fun, gtol=None, xtol=1e-3).status == Status.XTOL


@pytest.mark.parametrize("more", [{}, {"method": "sgd"}, {"bounds": [(-2, 0.8)] * 4}, {"lr": Auto(memory=0)}], ids=str)
def test_a_checkpoint_goes_on_to_the_same_bits(more, fun, tmp_path):
    whole = solve(fun, **more, maxiter=40)
    for limit in (0, 1, 7, 8, 23, 40):
        part = solve(fun, **more, maxiter=limit, checkpoint=tmp_path / "run", resume=True)
        assert part.nit == min(limit, whole.nit)
    same(part, whole)


@pytest.mark.parametrize("gtol", [1e-7, 0])
def test_a_finished_run_stays_finished(gtol, tmp_path):
    options = {"gtol": gtol, "checkpoint": tmp_path / "run", "resume": True}
    first = solve(compiled_valley, **options)
    assert first.success
    same(solve(compiled_valley, **options), first)


# --- corners ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_a_trial_that_is_not_finite_is_rejected(method):
    @njit
    def cliff(x, g):
        g[0] = 1.0 - 1.0 / x[0]  # x - log x: NaN at negative x, and the minimum is 1
        return x[0] - np.log(x[0]) if x[0] > 0 else np.nan

    for lr in ("auto", Auto(lr=1e3)):
        res = solve(cliff, [0.01], method, lr=lr, **METHODS[method])
        assert res.success, res
        assert res.x == pytest.approx([1], abs=1e-5)


def test_a_gradient_that_is_not_finite_is_rejected(fun):
    def holes(x, g):
        f = valley(x, g)
        if x[0] > 0.9 and x[0] < 0.95:
            g[0] = np.inf
        return f

    res = solve(holes)
    assert np.isfinite(res.jac).all()
    assert res.success or res.status == Status.ROUNDING


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_unbounded(sign):
    def slide(x):
        return -sign * x[0]

    res = minimize(slide, [0.0], jac=lambda x: np.array([-sign]), options={"maximize": sign < 0})
    assert (res.status, res.success) == (Status.NONFINITE, False)
    what = ("-inf", "minimum") if sign > 0 else ("inf", "maximum")
    assert res.message.startswith(f"Stopped: fun went to {what[0]} at iteration ")
    assert f"as there seems to be no {what[1]}; the best finite point, " in res.message
    assert np.isfinite(res.x).all() and np.isfinite(res.fun) and res.x[0] > 1e100


def test_nothing_to_do():
    res = minimize(lambda x: 1.0, [3.0, 4.0])
    assert (res.status, res.nit, res.x.tolist()) == (Status.GTOL, 0, [3.0, 4.0])
    res = solve(compiled_valley, np.ones(4))
    assert (res.status, res.nit, res.nfev) == (Status.GTOL, 0, 1)


@pytest.mark.parametrize("method", TWO)
def test_constant_with_a_wrong_gradient_ends(method):
    res = minimize(lambda x: 1.0, [3.0], method=method, jac=lambda x: np.ones(1))
    assert (res.status, res.success, res.x.tolist()) == (Status.ROUNDING, False, [3.0])
    assert "numbaopt.check_grad" in res.message


@pytest.mark.parametrize("method", METHODS)
def test_gradient_of_the_wrong_sign(method):
    @njit
    def wrong(x, g):
        f = valley_of(x, g)
        g *= -1.0
        return f

    valley_of = compiled_valley
    res = solve(wrong, method=method, **METHODS[method])
    assert (res.status, res.success) == (Status.ROUNDING, False)
    assert "Is the gradient right (`numbaopt.check_grad`)?" in res.message
    assert res.nit < 1000


@pytest.mark.parametrize("method", TWO)
def test_one_variable(method):
    res = minimize(lambda x: (x[0] - 3.0) ** 4 + x[0], [0.0], method=method)
    assert res.success
    assert res.x == pytest.approx([3 - 0.25 ** (1 / 3)], abs=1e-5)


def test_start_on_a_bound_that_holds_all():
    res = solve(compiled_valley, np.full(4, 1.5), bounds=[(1.5, 2)] * 3 + [(1.5, 1.5)])
    assert res.success
    assert (res.x >= 1.5).all()


# --- without values of fun -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "run"),
    [("adam", DoG(Adam(lr=1.0), lr=0.5)), ("sgd", DoG(SGD(lr=1.0))), (SGD(lr="auto"), DoG(SGD(lr=1.0)))],
    ids=["momentum", "name", "object"],
)
def test_minibatches_compare_no_values(method, run):
    def square(x, idx):
        return ((x - idx.mean()) ** 2).sum(), 2 * (x - idx.mean())

    options = {"batch_size": 2, "n_samples": 10, "seed": 3, "maxepoch": 200}
    res = minimize(square, [50.0, -50.0], method=method, jac=True, options=options)
    assert res.hyperparameters == run
    assert res.x == pytest.approx([4.5, 4.5], abs=0.05)


@pytest.mark.parametrize("method", [Adam(lr=Auto(noisy=True)), SGD(lr=Auto(noisy=True))], ids=["adam", "sgd"])
def test_noise_of_values_changes_no_step(method):
    """The same gradients with the values, and with nonsense in their place."""
    rng = np.random.default_rng(4)
    noise = rng.standard_normal((2000, 3))

    def run(value):
        calls = iter(noise)

        def noisy(x):
            return value(x), 2 * (x - [1, 2, 3]) + next(calls)

        return minimize(noisy, np.zeros(3), method=method, jac=True, options={"maxiter": 1000})

    res, nonsense = run(lambda x: np.sum((x - [1, 2, 3]) ** 2)), run(lambda x: rng.normal())
    assert np.array_equal(res.x, nonsense.x)
    assert res.x == pytest.approx([1, 2, 3], abs=0.2)


def test_what_starts_at_a_number_starts_there_anew():
    """Yogi's sums begin at 1e-6, Adagrad's here at 0.1; from a start where the first rate fails."""
    for method in (numbaopt.Yogi(lr="auto"), numbaopt.Adagrad(lr="auto", initial_accumulator_value=0.1)):
        res = solve(compiled_valley, START * 1e3, method=method)
        assert res.fun < 1e-10


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "options", "text"),
    [
        (
            LAMB(lr="auto"),
            {"batch_size": 2, "n_samples": 4},
            "LAMB needs sums over all coordinates, and so does what finds it",
        ),
        (Adam(lr="auto"), {"groups": {"a": ([0], {"lr": 0.1})}}, "groups have rates of their own"),
        (
            Adam(lr="auto"),
            {"keep": "last"},
            'it goes on from the best point, and keep="last" asks for the last',
        ),
        (Rprop(lr="auto"), {}, "Rprop cannot start anew, or lr is not the size of its steps"),
        (
            numbaopt.ClipNorm(Adam(lr="auto"), 1.0),
            {},
            "ClipNorm has none of its own: numbaopt.DoG around the method inside it finds one",
        ),
    ],
    ids=["sums", "groups", "keep", "Rprop", "ClipNorm"],
)
def test_where_it_is_not_possible(method, options, text):
    with pytest.raises(ValueError) as caught:
        minimize(valley, START, jac="inplace", method=method, options=options)
    assert str(caught.value) == f"{method}: lr must be a number or a schedule, as {text}."


def test_weight_decay_is_no_part_of_fun():
    """Steps that are judged by fun alone cannot follow a decay: by name it is off, or it has the default rate."""
    assert solve(compiled_valley, method="adamw", maxiter=1).hyperparameters == AdamW(lr="auto", weight_decay=0.0)
    assert solve(compiled_valley, weight_decay=1.0, maxiter=1).hyperparameters == Adam(weight_decay=1.0)
    with pytest.raises(ValueError, match="as weight_decay is no part of fun, by which steps are judged: give we"):
        solve(compiled_valley, method=AdamW(lr="auto"))


def test_by_name_those_keep_their_rate():
    assert solve(compiled_valley, keep="last", maxiter=1).hyperparameters == Adam()
    assert solve(compiled_valley, method="rprop", maxiter=1).hyperparameters == Rprop()
    with pytest.raises(ValueError, match="lr must be a number or a schedule, as it goes on from the best point"):
        solve(compiled_valley, keep="last", lr="auto")


def test_stepper_has_no_values():
    with pytest.raises(ValueError) as caught:
        Stepper(np.zeros(2), Adam(lr="auto"))
    assert str(caught.value) == (
        f'{Adam(lr="auto")}: lr="auto" needs the values of fun, which only minimize has. Give a number, or use '
        "numbaopt.DoG."
    )


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"lr": 0}, "Auto(lr=0): lr must be a finite number > 0."),
        ({"lr": np.inf}, "Auto(lr=inf): lr must be a finite number > 0."),
        ({"memory": -1}, "Auto(memory=-1): memory must be an integer in [0, 100]."),
        ({"memory": 2.5}, "Auto(memory=2.5): memory must be an integer in [0, 100]."),
        ({"memory": 101}, "Auto(memory=101): memory must be an integer in [0, 100]."),
    ],
)
def test_parameters(given, text):
    with pytest.raises(ValueError) as caught:
        Auto(**given)
    assert str(caught.value) == text
