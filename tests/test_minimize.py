"""minimize(): objectives, gradients, options and results, compiled and plain."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
from numba import njit
from scipy.optimize import Bounds, OptimizeResult

import numbaopt
from numbaopt import Adadelta, Adam, AdamW, Status, minimize

LR = {"lr": 0.1}
TARGET = np.arange(3.0)  # the minimum of the shared quadratic


# --- methods ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method",
    ["adam", "ADAM", "AdamW", Adam, Adam(lr=0.1), AdamW(lr=0.1, weight_decay=0), Adadelta(eps=1e-3), Adadelta],
    ids=str,
)
def test_method_by_name_object_and_class(method, plain, gradient):
    options = {} if isinstance(method, tuple) else {"lr": 0.1, "maxiter": 100_000}
    if method == "AdamW":
        options["weight_decay"] = 0
    if method is Adadelta:
        options = {"eps": 1e-3, "lr": 1}
    res = minimize(plain, np.full(3, 0.5), method=method, jac=gradient, options=options)
    assert res.success, res
    assert res.x == pytest.approx(TARGET, abs=1e-4)
    assert res.method == type(res.hyperparameters).__name__.lower()
    assert isinstance(res, OptimizeResult)


def test_result_says_what_a_method_cannot_use(plain):
    with pytest.warns(RuntimeWarning, match=r"^Method adamw does not use Hessian information \(hess\)\.$"):
        minimize(plain, [1.0], method="adamw", hess=lambda x: np.eye(1), options={"maxiter": 1})
    with pytest.warns(
        RuntimeWarning, match=r"^Method adam does not use Hessian-vector product information \(hessp\)\.$"
    ):
        minimize(plain, [1.0], method="adam", hessp=lambda x, p: p, options={"maxiter": 1})
    with pytest.warns(RuntimeWarning, match=r"^Method lbfgsb cannot handle constraints\.$"):
        minimize(plain, [1.0], constraints={"type": "eq", "fun": plain}, options={"maxiter": 1})


def test_decay_is_in_the_message(plain):
    assert "weight_decay = 0.01 pulled every parameter toward 0" in minimize(plain, [1.0], method=AdamW()).message
    assert "weight_decay" not in minimize(plain, [1.0], method="adamw").message
    assert "weight_decay" not in minimize(plain, [1.0], method="adam").message


# --- objectives and gradients ----------------------------------------------------------------------------------------


def value(x, weights, shift):
    return (weights * (x - shift[0]) ** 4).sum() + (x**2).sum() * shift[1]


def derivative(x, weights, shift):
    return 4 * weights * (x - shift[0]) ** 3 + 2 * x * shift[1]


def pair(x, weights, shift):
    return (weights * (x - shift[0]) ** 4).sum() + (x**2).sum() * shift[1], 4 * weights * (
        x - shift[0]
    ) ** 3 + 2 * x * shift[1]


def inplace(x, grad, weights, shift):
    grad[:] = 4 * weights * (x - shift[0]) ** 3 + 2 * x * shift[1]
    return (weights * (x - shift[0]) ** 4).sum() + (x**2).sum() * shift[1]


def multiplied(x, weights, shift):
    """`value` without powers, which numba gets wrong for a complex number with negative real part."""
    total = x[0] * 0
    for i in range(x.size):
        square = (x[i] - shift[0]) * (x[i] - shift[0])
        total += weights[i] * square * square + x[i] * x[i] * shift[1]
    return total


WAYS = {
    "jac plain": (value, derivative),
    "jac=True": (pair, True),
    "inplace": (inplace, "inplace"),
    "2-point": (value, "2-point"),
    "None": (value, None),
    "autodiff": (value, "autodiff"),
    "3-point": (value, "3-point"),
    "cs": (multiplied, "cs"),
}
ARGS = (np.array([1.0, 2.0, 3.0]), (2.0, 0.5))
TRACE = {"lr": 0.05, "maxiter": 50, "gtol": None, "keep": "last"}


@pytest.fixture(scope="module")
def expected():
    return minimize(pair, np.zeros(3), args=ARGS, jac=True, options=TRACE)


@pytest.mark.parametrize("form", [lambda f: f, njit], ids=["plain", "compiled"])
@pytest.mark.parametrize("way", WAYS)
def test_all_gradients_agree(way, form, expected):
    fun, jac = WAYS[way]
    if way == "autodiff" and form is not njit:
        return
    res = minimize(form(fun), np.zeros(3), args=ARGS, jac=form(jac) if callable(jac) else jac, options=TRACE)
    if way == "None":
        way = "autodiff" if form is njit else "2-point"
    exact = way not in ("2-point", "3-point")
    tolerance = 1e-12 if exact else 1e-5
    assert res.x == pytest.approx(expected.x, rel=tolerance)
    assert res.fun == pytest.approx(expected.fun, rel=tolerance)
    assert res.jac == pytest.approx(expected.jac, rel=10 * tolerance, abs=10 * tolerance)
    per_iteration = {"2-point": 4, "3-point": 7, "cs": 4}.get(way, 1)
    checks = 2 if way in ("cs", "autodiff") else 0
    assert (res.nit, res.njev, res.nfev) == (50, 51, 51 * per_iteration + checks)
    assert res.gradient == {"jac plain": "jac=derivative"}.get(way, way)


@pytest.mark.parametrize(("fun_form", "jac_form"), list(itertools.product([lambda f: f, njit], repeat=2)))
def test_mixed_plain_and_compiled(fun_form, jac_form, expected):
    res = minimize(fun_form(value), np.zeros(3), args=ARGS, jac=jac_form(derivative), options=TRACE)
    assert res.x == pytest.approx(expected.x, rel=1e-12)


@pytest.mark.parametrize("way", ["2-point", "3-point", "inplace"])
def test_gradient_option_is_jac(way, expected):
    fun = inplace if way == "inplace" else value
    res = minimize(fun, np.zeros(3), args=ARGS, options=TRACE | {"gradient": way})
    assert res.gradient == way
    assert res.x == pytest.approx(expected.x, rel=1e-5)


def test_jit_compiles_a_plain_function(expected):
    res = minimize(value, np.zeros(3), args=ARGS, jac=derivative, options=TRACE | {"jit": True})
    assert res.x == pytest.approx(expected.x, rel=1e-12)
    again = minimize(value, np.zeros(3), args=ARGS, jac=derivative, options=TRACE | {"jit": True})
    assert again.time.compile < 0.01


@pytest.mark.parametrize(
    "convert",
    [
        lambda f: f,
        lambda f: np.array(f),
        lambda f: np.array([f]),
        lambda f: np.float32(f),
        lambda f: [f],
        lambda f: np.array([[f]]),
    ],
)
def test_kinds_of_value(convert):
    res = minimize(lambda x: convert((x[0] - 2.0) ** 2), [0.0], jac=lambda x: 2 * (x - 2), options=LR)
    assert res.success
    assert isinstance(res.fun, float)


def test_compiled_kinds_of_value():
    @njit
    def integer(x):
        return int(abs(x[0]) * 10)

    @njit
    def array_0d(x):
        return np.array((x[0] - 2.0) ** 2)

    @njit
    def array_1(x):
        return (x - 2.0) ** 2

    assert minimize(integer, [1.55], jac=njit(lambda x: x * 0)).fun == 15.0

    @njit
    def array_2d(x):
        return ((x - 2.0) ** 2).reshape(1, 1)

    for fun in (array_0d, array_1, array_2d):
        res = minimize(fun, [0.0], options=LR)
        assert res.success
        assert res.x == pytest.approx([2], abs=1e-4)


@pytest.mark.parametrize("scheme", ["2-point", "3-point", "cs"])
def test_args_of_many_kinds(scheme):
    @njit
    def fun(x, matrix, number, pairs, flag, text, view):
        total = x[0] * 0
        for i in range(matrix.shape[0]):
            d = x[0] * matrix[i, 0] + x[1] * matrix[i, 1] - pairs[0][i]
            total += d * d
        if flag and text == "ridge":
            total += number * (x[0] * x[0] + x[1] * x[1]) + pairs[1]
        return total + view[0]

    rng = np.random.default_rng(3)
    matrix = rng.standard_normal((5, 2)).astype(np.float32)
    args = (matrix, 2, (rng.standard_normal(5), 1.5), True, "ridge", np.arange(10.0)[::3])
    res = minimize(fun, [0.0, 0.0], args=args, jac=scheme, options={"lr": 0.05})
    assert res.success
    exact = np.linalg.solve(matrix.T.astype(float) @ matrix + 2 * np.eye(2), matrix.T @ args[2][0])
    assert res.x == pytest.approx(exact, abs=1e-5)


@pytest.mark.parametrize("form", [lambda f: f, njit], ids=["plain", "compiled"])
def test_single_argument_is_wrapped(form):
    res = minimize(form(lambda x, c: (x[0] - c) ** 2), [0.0], args=5.0, options={"lr": 0.5})
    assert res.x == pytest.approx([5], abs=1e-4)


def test_default_arguments_of_a_compiled_function():
    @njit
    def fun(x, c=4.0):
        return (x[0] - c) ** 2

    assert minimize(fun, [0.0], options={"lr": 0.5}).x == pytest.approx([4], abs=1e-4)
    assert minimize(fun, [0.0], args=(3.0,), options={"lr": 0.5}).x == pytest.approx([3], abs=1e-4)


def test_function_with_explicit_signature():
    @njit("float64(float64[:], float64)")
    def fun(x, c):
        return (x[0] - c) ** 2

    assert minimize(fun, [0.0], args=(4.0,), options={"lr": 0.5}).x == pytest.approx([4], abs=1e-4)


def test_args_are_passed_by_reference():
    """A callback may change the data of a compiled objective; nothing is copied."""
    data = np.array([1.0])

    @njit
    def fun(x, d):
        return (x[0] - d[0]) ** 2

    def callback(x):
        data[0] = 2.0

    assert minimize(fun, [0.0], args=(data,), callback=callback, options=LR).x == pytest.approx([2], abs=1e-4)


@pytest.mark.parametrize(
    "fun",
    [lambda x: abs(x[0] - 3) + x[0] * x[0], lambda x: np.linalg.norm(x) ** 2 + x[0]],
)
@pytest.mark.parametrize("form", [lambda f: f, njit], ids=["plain", "compiled"])
def test_wrong_complex_step_is_found(fun, form):
    with pytest.raises((ValueError, TypeError), match=r"complex") as info:
        minimize(form(fun), [1.0], jac="cs")
    assert "along a random direction it gives the derivative" in str(info.value) or isinstance(info.value, TypeError)


def test_complex_power_in_numba_is_found():
    with pytest.raises(ValueError, match=r"The complex step is wrong .* Use jac=\"3-point\""):
        minimize(njit(lambda x: x[0] ** 3 + x[0] * x[0]), [-1.0], jac="cs")


def test_parallel_differences_give_the_same_bits(monkeypatch):
    from numbaopt.drivers import slices

    @njit
    def fun(x, y):
        total = 0.0
        for i in range(y.size):
            total += (x[i % x.size] - y[i]) ** 2
        return total

    args = (np.linspace(0, 1, 20_000),)
    options = {"lr": 0.01, "maxiter": 60, "gtol": None}
    serial = minimize(fun, np.zeros(10), args=args, options=options | {"workers": 1})
    monkeypatch.setattr(slices, "AMORTISED", 0.0)
    monkeypatch.setattr(slices, "WORTHWHILE", 0.0)
    for scheme in ("2-point", "3-point"):
        serial = minimize(fun, np.zeros(10), args=args, jac=scheme, options=options | {"workers": 1})
        several = minimize(fun, np.zeros(10), args=args, jac=scheme, options=options)
        assert serial.x.tobytes() == several.x.tobytes()
        assert serial.nfev == several.nfev


def test_objective_that_writes_to_its_args_is_not_called_by_threads(monkeypatch):
    from numbaopt.drivers import slices

    monkeypatch.setattr(slices, "AMORTISED", 0.0)
    monkeypatch.setattr(slices, "WORTHWHILE", 0.0)

    @njit
    def fun(x, scratch):
        for _ in range(300):
            scratch[:] = (x - 1) ** 2
        return scratch.sum()

    res = minimize(fun, np.zeros(50), args=(np.empty(50),), options={"lr": 0.1})
    assert res.success
    assert res.x == pytest.approx(np.ones(50), abs=1e-4)


# --- x0 --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.bool_, np.float16, ">f8"])
def test_dtypes(dtype, objective):
    x0 = np.zeros(3, dtype)
    res = minimize(objective, x0, options={"lr": 0.1, "gtol": 1e-2, "maxiter": 2000}, jac="3-point")
    expected = np.float32 if dtype == np.float32 else np.float64
    assert res.x.dtype == res.jac.dtype == expected
    assert res.success
    assert res.x == pytest.approx(TARGET, abs=0.05)
    assert x0.dtype == dtype
    assert not x0.any()


def test_float32_reaches_fun_as_float32():
    seen = set()

    def fun(x, grad):
        seen.update((x.dtype, grad.dtype))
        grad[:] = 2 * x
        return x @ x

    minimize(fun, np.ones(3, np.float32), jac="inplace", options={"maxiter": 5})
    assert seen == {np.dtype(np.float32)}


def test_shapes_and_containers_of_x0(objective):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    base = np.zeros(6)
    read_only = np.zeros(3)
    read_only.flags.writeable = False
    for x0 in (base[::2], read_only, [0, 0, 0], (0.0, 0.0, 0.0), pandas.Series([0.0, 0.0, 0.0])):
        res = minimize(objective, x0, options=LR)
        assert res.x == pytest.approx(TARGET, abs=1e-4)
    assert not base.any()
    res = minimize(lambda x: float((x[0] - 1) ** 2), 0.5, options=LR)
    assert res.x.shape == (1,)
    assert res.x == pytest.approx([1], abs=1e-4)


# --- stopping --------------------------------------------------------------------------------------------------------


def test_gtol_and_tol(objective):
    loose = minimize(objective, np.zeros(3), tol=1e-1, options=LR)
    tight = minimize(objective, np.zeros(3), options=LR | {"gtol": 1e-4})
    assert loose.success
    assert tight.success
    assert loose.nit < tight.nit
    assert tight.status == Status.GTOL
    assert minimize(objective, np.zeros(3), tol=1e-1, options=LR | {"gtol": 1e-4}).nit == tight.nit


def test_gtol_is_in_the_users_units_under_x_scale(objective, gradient):
    for scale in (1e-3, 1.0, 1e3):
        options = {"lr": 0.1 / scale, "x_scale": np.full(3, scale), "gtol": 1e-3}
        res = minimize(objective, np.zeros(3), options=options)
        assert res.success
        assert np.abs(gradient(res.x)).max() < 2e-3


def test_ftol(objective):
    res = minimize(objective, np.zeros(3) + 5, options=LR | {"gtol": None, "ftol": 1e-6, "patience": 7})
    assert res.status == Status.FTOL
    assert res.success
    assert "improved by less than ftol = 1e-06, relative, in 7 iterations" in res.message
    options = {"ftol": 0, "patience": 7}
    flat = minimize(lambda x: 1.0, [0.0], method="adam", jac=lambda x: np.ones(1), options=options)
    assert (flat.status, flat.nit) == (Status.FTOL, 7)


def test_xtol(objective):
    options = LR | {"gtol": None, "xtol": 1e-5, "patience": 5}
    res = minimize(objective, np.zeros(3) + 5, options=options)
    assert res.status == Status.XTOL
    assert res.success
    assert res.x == pytest.approx(TARGET, abs=1e-2)
    history = minimize(objective, np.zeros(3) + 5, options=options | {"history": True, "history_x": True}).history
    moved = np.abs(np.diff(history.x, axis=0)).max(axis=1) <= 1e-5 * np.abs(history.x[1:]).max(axis=1)
    assert moved[-5:].all()
    runs = [sum(1 for _ in group) for is_small, group in itertools.groupby(moved) if is_small]
    assert max(runs) == 5


def test_ftarget(objective):
    res = minimize(objective, np.zeros(3), options=LR | {"ftarget": 0.5})
    assert res.status == Status.FTARGET
    assert res.fun <= 0.5
    assert res.message == "Converged: fun reached ftarget = 0.5."


def test_maxiter_and_maxfev(objective):
    res = minimize(objective, np.zeros(3), (), "adam", "2-point", options={"maxiter": 17})
    assert (res.nit, res.nfev, res.status, res.success) == (17, 18 * 4, Status.MAXITER, False)
    assert res.message.startswith("Stopped after maxiter = 17 iterations; the largest element of the gradient is ")
    res = minimize(objective, np.zeros(3), (), "adam", "2-point", options={"maxfev": 50})
    assert (res.nfev, res.status, res.success) == (48, Status.MAXFEV, False)


# --- the point that comes back ---------------------------------------------------------------------------------------


def test_best_point_comes_back_with_its_own_fun_and_jac(objective, gradient):
    options = {"lr": 3.0, "maxiter": 40, "gtol": None, "history": True, "history_x": True}
    res = minimize(objective, np.zeros(3), jac=None, options=options)
    best = int(np.argmin(res.history.fun))
    assert 0 < best < 40
    assert res.fun == res.history.fun.min()
    assert res.x.tolist() == res.history.x[best].tolist()
    assert res.jac == pytest.approx(gradient(res.x), abs=1e-5)
    last = minimize(objective, np.zeros(3), options=options | {"keep": "last"})
    assert last.fun == last.history.fun[-1] == res.history.fun[-1]
    assert last.x.tolist() == res.history.x[-1].tolist()
    assert last.jac == pytest.approx(gradient(last.x), abs=1e-5)


def test_message_where_the_converged_point_is_not_the_best():
    def fun(x):
        return -1.0 if 0.4 < x[0] < 0.6 else (x[0] - 3.0) ** 2

    res = minimize(fun, [0.0], jac=lambda x: 2 * (x - 3.0), options=LR)
    assert res.success
    assert res.fun == -1.0
    assert "is returned, where fun is lower; the largest element of its gradient is " in res.message


# --- maximize --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["2-point", "jac", "inplace", "pair"])
@pytest.mark.parametrize("form", [lambda f: f, njit], ids=["plain", "compiled"])
def test_maximize_has_the_users_sign_everywhere(way, form):
    seen = []

    def callback(intermediate_result):
        seen.append((intermediate_result.fun, intermediate_result.jac[0], intermediate_result.x[0]))

    def fill(x, grad):
        grad[0] = -2 * (x[0] - 2.0)
        return 5.0 - (x[0] - 2.0) ** 2

    def both(x):
        return 5.0 - (x[0] - 2.0) ** 2, -2 * (x - 2.0)

    fun, jac = {
        "2-point": (lambda x: 5.0 - (x[0] - 2.0) ** 2, None),
        "jac": (lambda x: 5.0 - (x[0] - 2.0) ** 2, form(lambda x: -2 * (x - 2.0))),
        "inplace": (fill, "inplace"),
        "pair": (both, True),
    }[way]
    options = LR | {"maximize": True, "history": True, "callback_every": 5}
    res = minimize(form(fun), [0.0], jac=jac, callback=callback, options=options)
    assert res.success
    assert res.x == pytest.approx([2], abs=1e-4)
    assert res.fun == pytest.approx(5)
    assert res.history.fun[0] == pytest.approx(1.0)
    assert res.history.fun.max() == res.fun
    for f, g, x in seen:
        assert f == pytest.approx(5 - (x - 2) ** 2)
        assert g == pytest.approx(-2 * (x - 2), abs=1e-6)
    early = minimize(form(fun), [0.0], jac=jac, options=LR | {"maximize": True, "ftarget": 4.0})
    assert early.status == Status.FTARGET
    assert 4 <= early.fun < 5
    assert minimize(form(fun), [0.0], jac=jac, options={"maximize": True, "maxiter": 0}).jac == pytest.approx([4.0])


# --- bounds and scales -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jac", [None, "3-point", "cs", "jac"])
@pytest.mark.parametrize("form", [lambda f: f, njit], ids=["plain", "compiled"])
def test_every_evaluation_is_inside_the_bounds(jac, form):
    low, high = np.array([0.5, -1.0, 2.5, 0.0]), np.array([1.0, 0.25, 2.5, 1e-12])

    def fun(x, lo, hi):
        total = x[0] * 0
        for i in range(x.size):
            if x[i].real < lo[i] or x[i].real > hi[i]:
                raise ValueError("outside")
            total += (x[i] - i) * (x[i] - i)
        return total

    def exact(x, lo, hi):
        return 2 * (x - np.arange(x.size))

    way = form(exact) if jac == "jac" else jac
    for bounds in (Bounds(low, high), list(zip(low, high, strict=True))):
        x0 = np.array([1.0, -1.0, 2.5, 0.0])
        res = minimize(form(fun), x0, args=(low, high), jac=way, bounds=bounds, options={"lr": 0.5})
        assert res.success, res
        assert res.x == pytest.approx([0.5, 0.25, 2.5, 1e-12], rel=1e-9)
        assert "projected gradient" in res.message


def test_bounds_with_none_and_scalars(objective):
    res = minimize(objective, [0.0, 0.0, 3.0], bounds=[(None, None), (None, 0.5), (2.5, None)], options=LR)
    assert res.success
    assert res.x == pytest.approx([0, 0.5, 2.5], abs=1e-5)
    res = minimize(objective, [1.0, 1.0, 1.0], bounds=Bounds(0.5, np.inf), options=LR)
    assert res.x == pytest.approx([0.5, 1, 2], abs=1e-5)


def test_float32_bounds_are_respected_in_float64():
    bound = 0.1  # rounds up in float32
    res = minimize(lambda x: -x[0], np.zeros(1, np.float32), bounds=[(0, bound)], options=LR | {"maxiter": 50})
    assert float(res.x[0]) <= bound


@pytest.mark.parametrize("form", [lambda f: f, njit], ids=["plain", "compiled"])
def test_x_scale_is_a_change_of_variables(form):
    scale = np.array([100.0, 1e-3, 1.0])
    options = {"lr": 0.01, "maxiter": 200, "gtol": None, "keep": "last"}

    def fun(x):
        return (x[0] / 100 - 2) ** 2 + (x[1] * 1000 + 1) ** 2 + (x[2] - x[1] * 1000) ** 2

    def jac(x):
        return np.array(
            [
                (x[0] / 100 - 2) / 50,
                2000 * (x[1] * 1000 + 1) - 2000 * (x[2] - x[1] * 1000),
                2 * (x[2] - x[1] * 1000),
            ]
        )

    x0 = np.array([50.0, 2e-3, 0.0])
    scaled = minimize(form(fun), x0, jac=form(jac), options=options | {"x_scale": scale})
    by_hand = minimize(lambda z: fun(z * scale), x0 / scale, jac=lambda z: scale * jac(z * scale), options=options)
    assert scaled.x == pytest.approx(by_hand.x * scale, rel=1e-9)
    assert scaled.fun == pytest.approx(by_hand.fun, rel=1e-9)


def test_x_scale_x0(objective):
    x0 = np.array([4.0, 0.0, -0.5])
    options = {"lr": 0.01, "maxiter": 100, "gtol": None}
    by_name = minimize(objective, x0, options=options | {"x_scale": "x0"})
    by_value = minimize(objective, x0, options=options | {"x_scale": [4.0, 1.0, 0.5]})
    assert by_name.x.tolist() == by_value.x.tolist()


# --- history, callbacks, display -------------------------------------------------------------------------------------


def test_history(objective):
    full = minimize(objective, np.zeros(3), options=LR | {"history": True, "maxiter": 9000, "gtol": None})
    assert full.history.nit.tolist() == list(range(9001))
    assert full.history.fun.min() == full.fun
    assert "x" not in full.history
    some = minimize(objective, np.zeros(3), options=LR | {"history": 7, "history_x": True, "maxiter": 30, "gtol": None})
    assert some.history.nit.tolist() == [0, 7, 14, 21, 28]
    assert some.history.x.shape == (5, 3)
    assert some.history.fun == pytest.approx(full.history.fun[:30:7])
    assert some.history.gradient_norm == pytest.approx(full.history.gradient_norm[:30:7])
    assert "history" not in minimize(objective, np.zeros(3), options={"maxiter": 3})


def test_callback_in_both_forms(objective):
    points, results = [], []

    def by_result(intermediate_result):
        results.append(intermediate_result)

    options = LR | {"maxiter": 20, "gtol": None, "callback_every": 4, "history": True, "history_x": True}
    res = minimize(objective, np.zeros(3), callback=points.append, options=options)
    minimize(objective, np.zeros(3), callback=by_result, options=options)
    assert len(points) == len(results) == 5
    assert [r.nit for r in results] == [4, 8, 12, 16, 20]
    for point, result in zip(points, results, strict=True):
        assert point.tolist() == result.x.tolist() == res.history.x[result.nit].tolist()
        assert result.fun == res.history.fun[result.nit]


def test_callback_of_a_plain_objective_is_called_after_every_iteration(plain):
    points = []
    minimize(plain, np.zeros(3), method="adam", callback=points.append, options={"maxiter": 12})
    assert len(points) == 12


def test_callback_of_a_compiled_objective_is_called_between_slices(compiled):
    points = []
    res = minimize(compiled, np.zeros(3), callback=points.append, options={"lr": 1e-7, "maxiter": 100_000})
    assert 1 <= len(points) < 1000
    assert res.nit == 100_000


def test_callback_stops(objective):
    def callback(intermediate_result):
        if intermediate_result.nit >= 10:
            raise StopIteration

    res = minimize(objective, np.zeros(3), callback=callback, options=LR | {"callback_every": 5})
    assert (res.nit, res.status, res.success) == (10, Status.CALLBACK, False)
    assert res.message == "Stopped by the callback (StopIteration) in iteration 10."


def test_disp(objective, capsys):
    minimize(objective, np.zeros(3), options=LR | {"disp": True})
    out = capsys.readouterr().out
    assert "Converged: the largest element of the gradient" in out
    assert "nfev" in out


# --- results ---------------------------------------------------------------------------------------------------------


def test_results_and_methods_pickle(objective):
    res = minimize(objective, np.zeros(3), options=LR | {"history": True})
    again = pickle.loads(pickle.dumps(res))
    assert again.x.tolist() == res.x.tolist()
    assert again.hyperparameters == res.hyperparameters
    assert again.status == res.status
    assert pickle.loads(pickle.dumps(numbaopt.methods.adamw)).__name__ == "adamw"


def test_time_is_split(compiled):
    res = minimize(compiled, np.zeros(3), options=LR)
    assert res.time.compile >= 0
    assert res.time.run > 0


def test_same_bits_every_time_and_for_any_number_of_threads():
    n = 100_003

    @njit
    def fun(x, grad):
        total = 0.0
        for i in range(x.size):
            grad[i] = 4 * (x[i] - 1) ** 3
            total += (x[i] - 1) ** 4
        return total

    x0 = np.linspace(-1, 3, n)
    for extra in ({}, {"x_scale": 2.0}, {"keep": "last", "xtol": 1e-30}):
        options = {"lr": 0.1, "maxiter": 30, "gtol": None} | extra
        one = minimize(fun, x0, jac="inplace", options=options | {"workers": 1})
        for workers in (1, -1, None):
            other = minimize(fun, x0, jac="inplace", options=options | {"workers": workers})
            assert other.x.tobytes() == one.x.tobytes()
            assert other.jac.tobytes() == one.jac.tobytes()
        plain = minimize(fun.py_func if n < 10 else fun, x0, jac="inplace", options=options)
        assert plain.fun == one.fun


def test_compiled_and_python_loop_agree(plain, compiled, gradient, compiled_gradient):
    options = {"lr": 0.05, "maxiter": 300, "gtol": None, "keep": "last"}
    for method in ("adam", "adamw", "adadelta"):
        a = minimize(plain, np.zeros(4), method=method, jac=gradient, options=options)
        b = minimize(compiled, np.zeros(4), method=method, jac=compiled_gradient, options=options)
        assert a.x == pytest.approx(b.x, rel=1e-12, abs=1e-14)
        assert a.fun == pytest.approx(b.fun, rel=1e-12)


def test_complex_step_with_parameters_of_different_size():
    """The check must not move a parameter of 5e-4 by a step that suits one of 250."""

    def fun(b, x, y):
        total = b[0] * 0
        for i in range(x.size):
            r = y[i] - b[0] * (1 - np.exp(-b[1] * x[i]))
            total += r * r
        return total

    x = np.linspace(77, 760, 14)
    y = 239 * (1 - np.exp(-5.5e-4 * x))
    for form in (lambda f: f, njit):
        res = minimize(form(fun), [250.0, 5e-4], args=(x, y), jac="cs", options={"maxiter": 1})
        assert res.gradient == "cs"


def test_message_without_gtol(objective):
    res = minimize(objective, np.zeros(3), options={"maxiter": 2, "gtol": None, "x_scale": 2.0})
    assert "the largest element of the gradient is " in res.message
    assert "gtol is off." in res.message
