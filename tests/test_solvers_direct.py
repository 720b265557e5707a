"""Nelder-Mead, CMA-ES, differential evolution, and multistart: methods that compare values of fun."""

from __future__ import annotations

import pickle

import numba
import numpy as np
import pytest
import scipy.optimize
from numba.extending import is_jitted

from numbaopt import CMAES, DifferentialEvolution, NelderMead, Status, minimize
from numbaopt.problems import MORE_GARBOW_HILLSTROM, quadratic, rosenbrock, sphere

METHODS = ("nelder-mead", "cma-es", "de")
SEEDED = METHODS[1:]
SMALL = [name for name, problem in MORE_GARBOW_HILLSTROM.items() if len(problem.x0) <= 6]


@numba.njit
def rastrigin(x):
    f = 10.0 * x.size
    for i in range(x.size):
        f += x[i] * x[i] - 10 * np.cos(2 * np.pi * x[i])
    return f


@numba.njit
def ackley(x):
    a = b = 0.0
    for i in range(x.size):
        a += x[i] * x[i] / x.size
        b += np.cos(2 * np.pi * x[i]) / x.size
    return -20 * np.exp(-0.2 * np.sqrt(a)) - np.exp(b) + 20 + np.e


@numba.njit
def goldstein_price(x):
    a, b = x[0], x[1]
    p = 1 + (a + b + 1) ** 2 * (19 - 14 * a + 3 * a * a - 14 * b + 6 * a * b + 3 * b * b)
    q = 30 + (2 * a - 3 * b) ** 2 * (18 - 32 * a + 12 * a * a + 48 * b - 36 * a * b + 27 * b * b)
    return p * q


@numba.njit
def undefined_left(x):
    """NaN where x[0] < 0.3, inf where x[1] > 4: the minimum is at (1, 1)."""
    if x[0] < 0.3:
        return np.nan
    if x[1] > 4:
        return np.inf
    return (x[0] - 1) ** 2 + 3 * (x[1] - 1) ** 2


def run(fun, x0, method, **options):
    """minimize() in [-5, 5], the same for the three methods."""
    if method in SEEDED:
        options.setdefault("seed", 1)
    return minimize(fun, x0, method=method, bounds=[(-5, 5)] * len(x0), options=options)


def of_values(problem):
    """The value of a test problem as a function of Python, which needs no compilation."""
    if problem.residuals is None:
        return lambda x: problem.fun(x, np.empty_like(x))
    r, J = np.zeros(problem.m), np.zeros((problem.m, len(problem.x0)))
    residuals = problem.residuals.py_func if is_jitted(problem.residuals) else problem.residuals

    def fun(x):
        with np.errstate(all="ignore"):
            residuals(x, r, J)
            return float(r @ r)

    return fun


# --- Nelder-Mead -----------------------------------------------------------------------------------------------------


def solved(f, problem):
    """Whether a value is that of a known minimum to about 6 digits."""
    return any(abs(f - least) <= 1e-6 * abs(least) + 1e-9 for least in problem.minimum)


def slope(problem, x):
    """The largest element of the gradient."""
    r, J = np.zeros(problem.m), np.zeros((problem.m, len(x)))
    problem.residuals.py_func(x, r, J)
    return np.abs(2 * J.T @ r if J.shape[1] == len(x) else 2 * J @ r).max()


@pytest.mark.parametrize("name", SMALL)
def test_nelder_mead_is_as_good_as_scipy_and_honest(name):
    problem = MORE_GARBOW_HILLSTROM[name]
    fun = of_values(problem)
    ours = minimize(fun, problem.x0, method="nelder-mead")
    tight = {"adaptive": True, "maxiter": 10_000, "maxfev": 10**6, "xatol": 1e-8, "fatol": 1e-8}
    theirs = scipy.optimize.minimize(fun, problem.x0, method="nelder-mead", options=tight)
    assert ours.fun <= theirs.fun + 1e-6 * abs(theirs.fun) + 1e-9 or solved(ours.fun, problem)
    assert solved(ours.fun, problem) or not solved(theirs.fun, problem)
    if ours.success:  # at a known minimum, or, as in Box's problem from here, at one at infinity
        assert solved(ours.fun, problem) or slope(problem, ours.x) < 1e-6


@pytest.mark.parametrize("adaptive", [False, True])
def test_nelder_mead_takes_the_steps_of_scipy(adaptive):
    seen = []

    def fun(x):
        seen.append(x.copy())
        return rosenbrock.py_func(x)

    x0 = [-1.2, 1.0, 0.7, 2.0]
    minimize(fun, x0, method=NelderMead(adaptive=adaptive), options={"maxiter": 60})
    ours = np.array(seen)
    seen.clear()
    scipy.optimize.minimize(fun, x0, method="nelder-mead", options={"adaptive": adaptive, "maxiter": 60})
    count = min(len(ours), len(seen))
    assert count > 80
    np.testing.assert_allclose(ours[:count], seen[:count], rtol=1e-9)


def test_nelder_mead_leaves_the_point_where_its_simplex_collapses():
    """McKinnon's function (1998): from this simplex the method goes to 0, which is no minimum."""

    def mckinnon(x):
        a = 360 * x[0] ** 2 if x[0] <= 0 else 6 * x[0] ** 2
        return a + x[1] + x[1] ** 2

    res = minimize(mckinnon, [0.0, 0.0], method="nelder-mead")
    assert res.success and res.fun == pytest.approx(-0.25, abs=1e-8)


def test_nelder_mead_without_restarts_is_cheaper():
    res = minimize(rosenbrock, [-1.2, 1.0], method="nelder-mead")
    once = minimize(rosenbrock, [-1.2, 1.0], method=NelderMead(restart=False))
    assert once.success and once.nfev < res.nfev and once.fun < 1e-12
    assert "xatol = 1e-08" in res.message and "lr" not in res.message


def test_tol_sets_the_tolerances_of_the_method():
    loose = minimize(rosenbrock, [-1.2, 1.0], method="nelder-mead", tol=1e-3)
    assert loose.hyperparameters[1:4] == (1e-3, 1e-3, 1e-3)
    assert loose.nfev < minimize(rosenbrock, [-1.2, 1.0], method="nelder-mead").nfev


# --- CMA-ES ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("fun", "args", "n", "most"),
    [
        (sphere, (), 10, 3_000),
        (quadratic, (np.logspace(0, 6, 10), np.full(10, 0.5)), 10, 8_000),
        (rosenbrock, (), 10, 12_000),
    ],
)
def test_cma_es_gets_there(fun, args, n, most, seed):
    res = minimize(fun, np.full(n, -1.0), args, method="cma-es", options={"seed": seed, "ftarget": 1e-9})
    if fun is rosenbrock and 3.9 < res.fun < 4.1:  # its other minimum
        return
    assert res.success and res.nfev < most
    assert minimize(fun, np.full(n, -1.0), args, method="cma", options={"seed": seed}).fun < 1e-11


@pytest.mark.parametrize("seed", range(3))
def test_cma_es_with_restarts_finds_the_global_minimum(seed):
    options = {"seed": seed, "restarts": 7, "ftarget": 1e-9}
    res = minimize(rastrigin, np.full(5, 2.3), method="cma-es", bounds=[(-5.12, 5.12)] * 5, options=options)
    assert res.success and res.fun < 1e-9


def test_cma_es_without_active_update():
    res = minimize(rosenbrock, np.full(5, -1.0), method=CMAES(active=False), options={"seed": 1})
    assert res.success and res.fun < 1e-11


def test_cma_es_at_a_minimum_on_the_bounds():
    bounds = [(0.5, 2.0), (-1.0, 0.0), (None, None)]
    res = minimize(sphere, [1.0, -1.0, 3.0], method="cma-es", bounds=bounds, options={"seed": 1})
    np.testing.assert_allclose(res.x, [0.5, 0.0, 0.0], atol=1e-6)


def test_the_decomposition_of_cma_es():
    from numbaopt.drivers.jacobi import diagonalise

    rng = np.random.default_rng(0)
    k = 12
    M = rng.standard_normal((k, k)) * np.logspace(0, 2, k)
    C = M @ M.T
    V, A, d = np.eye(k), np.zeros((k, k)), np.zeros(k)

    @numba.njit
    def decompose(C, V, A, d):
        diagonalise(C, V, A, d, 1e-12)

    decompose(C.ravel(), V.reshape(-1), A.reshape(-1), d)
    np.testing.assert_allclose(np.sort(d), np.linalg.eigvalsh(C), rtol=1e-8, atol=1e-14 * C.max())
    np.testing.assert_allclose(V @ V.T, np.eye(k), atol=1e-12)
    np.testing.assert_allclose((V.T * d) @ V, C, rtol=1e-8, atol=1e-8 * C.max())


# --- differential evolution ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fun", "box", "least"),
    [
        (rosenbrock, [(-5, 5)] * 3, 0.0),
        (ackley, [(-30, 30)] * 3, 0.0),
        (rastrigin, [(-5.12, 5.12)] * 4, 0.0),
        (goldstein_price, [(-2, 2)] * 2, 3.0),
    ],
)
def test_differential_evolution_and_scipy(fun, box, least):
    ours, theirs = [], []
    for seed in range(3):
        options = {"seed": seed, "tol": 1e-4, "atol": 1e-8}
        ours.append(minimize(fun, [1.5] * len(box), method="de", bounds=box, options=options))
        theirs.append(
            scipy.optimize.differential_evolution(fun, box, rng=seed, tol=1e-4, atol=1e-8, polish=False, popsize=15)
        )
    found = [[r.nfev for r in results if abs(r.fun - least) < 1e-3] for results in (ours, theirs)]
    assert all(r.success for r in ours) and len(found[0]) >= len(found[1]) > 0
    assert np.median(found[0]) < 1.3 * np.median(found[1])


def test_differential_evolution_of_random_members():
    box = [(-5.12, 5.12)] * 3
    res = minimize(rastrigin, [3.0] * 3, method=DifferentialEvolution("rand1bin"), bounds=box, options={"seed": 1})
    assert res.success and res.fun < 1e-6


@pytest.mark.parametrize("bounds", [None, [(0, 1), (0, None)]])
def test_differential_evolution_needs_a_box(bounds):
    with pytest.raises(ValueError, match=r"finite bounds for every element of x.*bounds=\[\(low, high\)"):
        minimize(sphere, [0.5, 0.5], method="de", bounds=bounds)


# --- all three -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_python_and_compiled_fun_give_the_same_run(method):
    compiled, plain = (run(f, [-1.2, 1.0], method) for f in (rosenbrock, rosenbrock.py_func))
    assert compiled.success and compiled.fun < 1e-8
    assert (compiled.nit, compiled.nfev, compiled.fun) == (plain.nit, plain.nfev, plain.fun)
    np.testing.assert_array_equal(compiled.x, plain.x)


@pytest.mark.parametrize("method", SEEDED)
def test_the_seed_makes_the_run(method):
    a, b, other = (run(rosenbrock, [-1.2, 1.0], method, seed=s, maxiter=30) for s in (7, 7, 8))
    np.testing.assert_array_equal(a.x, b.x)
    assert a.seed == b.seed == 7 and not np.array_equal(a.x, other.x)
    drawn = run(rosenbrock, [-1.2, 1.0], method, seed=None, maxiter=30)
    again = run(rosenbrock, [-1.2, 1.0], method, seed=drawn.seed, maxiter=30)
    np.testing.assert_array_equal(drawn.x, again.x)


@pytest.mark.parametrize("method", METHODS)
def test_the_result_has_what_is_known(method):
    res = run(sphere, [1.0, 2.0], method, history=True, history_x=True)
    assert not {"jac", "njev"} & set(res)
    assert set(res.history) == {"nit", "fun", "x"}
    assert np.all(np.diff(res.history.fun) <= 0) and res.history.fun[-1] == res.fun
    assert ("seed" in res) == (method in SEEDED)
    np.testing.assert_array_equal(res.history.x[-1], res.x)
    pickle.loads(pickle.dumps(res))


@pytest.mark.parametrize("method", METHODS)
def test_bounds_are_never_left(method):
    seen = []

    def fun(x):
        seen.append(x.copy())
        return (x[0] + 3) ** 2 + (x[1] - 1) ** 2 + (x[2] - 0.2) ** 2

    low, high = np.array([-1.0, -2.0, 0.5]), np.array([2.0, 0.1, 0.5])
    seed = {"seed": 1} if method in SEEDED else {}
    if method == "de":
        seed["tol"] = 1e-12
    x0 = [0.0, 0.0, 0.5]
    res = minimize(fun, x0, method=method, bounds=np.column_stack((low, high)), options={"maxiter": 300} | seed)
    assert np.all((seen >= low) & (seen <= high))
    np.testing.assert_allclose(res.x, [-1.0, 0.1, 0.5], atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_float32_stays_float32(method):
    types = set()

    def fun(x):
        types.add(x.dtype.name)
        return float(sphere.py_func(x - np.float32(0.5)))

    res = run(fun, np.array([-1.2, 1.0], np.float32), method)
    assert types == {"float32"} and res.x.dtype == np.float32
    assert res.success and np.abs(res.x - 0.5).max() < 1e-3


@pytest.mark.parametrize("method", METHODS)
def test_points_where_fun_is_not_finite(method):
    res = run(undefined_left, [2.0, 3.0], method)
    assert res.success
    np.testing.assert_allclose(res.x, [1.0, 1.0], atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_a_start_where_fun_is_nan(method):
    res = run(undefined_left, [0.295, 1.0], method)  # a neighbour of which is good
    np.testing.assert_allclose(res.x, [1.0, 1.0], atol=1e-4)
    hopeless = run(lambda x: np.nan, [1.0, 1.0], method)
    assert hopeless.status == Status.NONFINITE and not hopeless.success
    assert "nor at the first points around it" in hopeless.message


@pytest.mark.parametrize("method", METHODS)
def test_no_minimum(method):
    res = run(lambda x: -np.inf if x[0] < 0.9 else x[0], [1.0, 1.0], method)
    assert res.status == Status.NONFINITE and "no minimum" in res.message
    assert np.isfinite(res.fun) and res.x[0] >= 0.9


@pytest.mark.parametrize("most", [1, 2, 7, 60])
@pytest.mark.parametrize("method", METHODS)
def test_maxfev_is_not_passed(method, most):
    calls = []

    def fun(x):
        calls.append(0)
        return rosenbrock.py_func(x)

    res = run(fun, [-1.2, 1.0, 2.0], method, maxfev=most)
    assert res.status == Status.MAXFEV and res.nfev == len(calls) == most
    assert f"the maxfev = {most} evaluations" in res.message and "gradient" not in res.message


@pytest.mark.parametrize("method", METHODS)
def test_messages_of_limits(method):
    res = run(rosenbrock, [-1.2, 1.0], method, maxiter=2)
    assert res.status == Status.MAXITER and not res.success and res.nit == 2
    assert "gradient" not in res.message and "`lr`" not in res.message
    res = run(rosenbrock, [-1.2, 1.0], method, ftarget=0.5)
    assert res.status == Status.FTARGET and res.fun <= 0.5
    res = run(rosenbrock, [-1.2, 1.0], method, ftol=0.5, patience=5)
    assert res.status == Status.FTOL and "ftol = 0.5" in res.message and "`lr`" not in res.message


@pytest.mark.parametrize("method", METHODS)
def test_callback(method):
    seen = []

    def callback(intermediate_result):
        seen.append(intermediate_result)
        if len(seen) == 5:
            raise StopIteration

    options = {"seed": 1} if method in SEEDED else {}
    res = minimize(sphere.py_func, [1.0, 2.0], method=method, bounds=[(-5, 5)] * 2, callback=callback, options=options)
    assert res.status == Status.CALLBACK and [r.nit for r in seen] == [1, 2, 3, 4, 5]
    assert "jac" not in seen[0] and seen[-1].fun == res.fun


@pytest.mark.parametrize("method", METHODS)
def test_one_parameter(method):
    res = run(lambda x: (x[0] - 1.5) ** 2 + 2, [4.0], method, **({"tol": 1e-12} if method == "de" else {}))
    assert res.success and res.x[0] == pytest.approx(1.5, abs=1e-5) and res.fun == pytest.approx(2)


@pytest.mark.parametrize("method", METHODS)
def test_nothing_to_move(method):
    res = minimize(sphere, [1.0, 2.0], method=method, bounds=[(1, 1), (2, 2)])
    assert res.success and res.fun == 5 and res.nfev <= 100


@pytest.mark.parametrize("method", METHODS)
def test_a_fun_that_raises(method):
    calls = []

    def fun(x):
        calls.append(0)
        if len(calls) == 30:
            raise ZeroDivisionError("at the thirtieth")
        return rosenbrock.py_func(x)

    with pytest.raises(ZeroDivisionError, match="thirtieth") as caught:
        run(fun, [-1.2, 1.0], method)
    assert len(calls) == 30
    if method != "de":  # whose first population is not complete
        assert np.isfinite(caught.value.result.fun)


@pytest.mark.parametrize("method", METHODS)
def test_a_run_goes_on_where_it_was_saved(method, tmp_path):
    file = tmp_path / "run.npz"
    whole = run(rosenbrock, [-1.2, 1.0], method, maxfev=400)
    brief = {"maxfev": 171} if method in SEEDED else {"maxiter": 41}  # in a generation, or after an iteration
    run(rosenbrock, [-1.2, 1.0], method, checkpoint=file, **brief)
    rest = run(rosenbrock, [-1.2, 1.0], method, maxfev=400, checkpoint=file, resume=True)
    assert whole.fun == rest.fun and whole.nfev == rest.nfev
    np.testing.assert_array_equal(whole.x, rest.x)
    assert whole.get("seed") == rest.get("seed")


def test_what_is_out_of_range():
    with pytest.raises(ValueError, match=r"NelderMead\(xatol=-1\): xatol must be a finite number >= 0"):
        NelderMead(xatol=-1)
    with pytest.raises(ValueError, match=r"CMAES\(popsize=3\): popsize must be an integer >= 4, or None"):
        CMAES(popsize=3)
    with pytest.raises((TypeError, ValueError), match="strategy must be one of"):
        DifferentialEvolution(strategy="best2bin")
    with pytest.raises(ValueError, match="gtol=1e-05 is a tolerance on the gradient, which CMAES does not have"):
        minimize(sphere, [1.0], method="cma", options={"gtol": 1e-5})
    with pytest.raises(ValueError, match="NelderMead draws no random numbers"):
        minimize(sphere, [1.0], method="nelder-mead", options={"seed": 1})
    with pytest.warns(RuntimeWarning, match="NelderMead does not use gradient information"):
        minimize(sphere.py_func, [1.0], method="nelder-mead", jac=lambda x: 2 * x)


def test_in_scipys_protocol():
    res = scipy.optimize.minimize(rosenbrock.py_func, [-1.2, 1.0], method=NelderMead())
    assert res.success and res.fun < 1e-12
