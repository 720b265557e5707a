"""Gradients by autodiff: exact on every construct, refused with the place, never stale."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import autodiff_array_constructs
import autodiff_constructs
import numba
import numpy as np
import pytest
from dual_numbers import derivatives
from numba import njit
from plain_text import run_plainly
from random_programs import by_machine_code

import numbaopt
from numbaopt.autodiff import NotDifferentiable, source
from numbaopt.autodiff.generation import generate
from numbaopt.problems import MORE_GARBOW_HILLSTROM, NIST

X = np.array([0.7, -0.4, 1.1, 0.35, -0.8])
CONSTRUCTS = autodiff_constructs.CONSTRUCTS + autodiff_array_constructs.CONSTRUCTS
MATRIX = np.random.default_rng(0).normal(size=(5, 5))


def run_as_text(function, x, *args):
    """Value and gradient by the generated text, run by CPython."""
    generated = generate(function, tuple(numba.typeof(a) for a in (x, *args)), (0,))
    gradient = np.full_like(x, np.nan)
    return run_plainly(generated, x, *args, gradient), gradient


@pytest.mark.parametrize("function", CONSTRUCTS, ids=lambda f: f.__name__)
def test_construct(function):
    """The generated text, run by CPython, is exact, and changes no argument."""
    args = (MATRIX,) * (function.__code__.co_argcount - 1)
    x, given = X.copy(), tuple(a.copy() for a in args)
    value, gradient = run_as_text(function, x, *given)
    expected_value, expected = derivatives(function, X.copy(), *args)
    assert value == pytest.approx(expected_value, rel=1e-13)
    np.testing.assert_allclose(gradient, expected, rtol=1e-13, atol=1e-13 * np.abs(expected).max())
    assert np.array_equal(x, X)
    assert all(np.array_equal(a, MATRIX) for a in given)


COMPILED = [
    *("chain", "while_loop", "return_in_a_loop", "helper_that_modifies", "recurrence", "stencil", "stored_slices"),
    *("array_reassigned_in_a_loop", "buffers_swapped", "written_through_views", "stretched", "three_dimensions"),
    *("chosen", "condition_on_what_is_carried", "integers", "masked", "comprehension"),
]


@pytest.mark.parametrize("name", COMPILED)
def test_construct_compiled(name):
    function = next(f for f in CONSTRUCTS if f.__name__ == name)
    args = (MATRIX,) * (function.__code__.co_argcount - 1)
    value, gradient = numbaopt.value_and_grad(function)(X.copy(), *args)
    expected_value, expected = derivatives(function, X.copy(), *args)
    assert value == pytest.approx(expected_value, rel=1e-13)
    np.testing.assert_allclose(gradient, expected, rtol=1e-13, atol=1e-13 * np.abs(expected).max())


# --- the package's own problems --------------------------------------------------------------------------------------


@pytest.mark.parametrize("problem", MORE_GARBOW_HILLSTROM.values(), ids=lambda p: p.name)
def test_more_garbow_hillstrom(problem):
    """The gradient of the value, whose own gradient is written by hand beside it."""
    fun = problem.fun

    def value(x):
        return fun(x, np.empty(x.size))

    x = np.array(problem.x0) * np.random.default_rng(0).uniform(0.9, 1.1, len(problem.x0)) + 0.01
    expected = np.empty(x.size)
    f = fun.py_func(x, expected)
    found, gradient = run_as_text(value, x)
    assert found == pytest.approx(f, rel=1e-13)
    np.testing.assert_allclose(gradient, expected, rtol=1e-10, atol=1e-12 * np.abs(expected).max())


PARAMETERS = dict(zip(NIST, (3, 3, 2, 3, 8, 5, 5, 2, 3, 7), strict=True))


@pytest.mark.parametrize("name", NIST)
def test_nist(name):
    b = np.random.default_rng(1).uniform(0.5, 1.5, PARAMETERS[name])
    x = np.linspace(1, 3, 20)
    _, gradient = run_as_text(NIST[name], b, x, np.sin(x))
    _, expected = derivatives(NIST[name], b, x, np.sin(x))
    np.testing.assert_allclose(gradient, expected, rtol=1e-12, atol=1e-13 * np.abs(expected).max())


# --- where there is no derivative ------------------------------------------------------------------------------------


AT_KINKS = [
    (lambda x: abs(x[0]), 0.0, 0.0),
    (lambda x: max(x[0], 0.0), 0.0, 1.0),
    (lambda x: max(0.0, x[0]), 0.0, 0.0),
    (lambda x: np.sqrt(x[0]), 0.0, 0.0),
    (lambda x: np.sqrt(x[0]) * 0.0, 0.0, 0.0),
    (lambda x: np.sqrt(x[0] * x[0]), 0.0, 0.0),
    (lambda x: x[0] ** 0.5, 0.0, 0.0),
    (lambda x: x[0] ** 1.5, 0.0, 0.0),
    (lambda x: x[0] ** 1, 0.0, 1.0),
    (lambda x: x[0] ** 0, 0.0, 0.0),
    (lambda x: np.hypot(x[0], x[0]), 0.0, 0.0),
    (lambda x: np.linalg.norm(x), 0.0, 0.0),
    (lambda x: np.std(x), 2.0, 0.0),
    (lambda x: np.sum(np.where(x > 0.0, np.log(x), x)), 0.0, 1.0),
    (lambda x: np.sum(np.maximum(x, np.sqrt(x - 1.0))), 1.0, 1.0),
    (lambda x: max(x[0], x[0] * 3.0), 0.0, 1.0),
]


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize(("function", "at", "expected"), AT_KINKS)
def test_no_derivative(function, at, expected):
    assert run_as_text(function, np.array([at]))[1].tolist() == [expected]


# --- refusals --------------------------------------------------------------------------------------------------------


def uses_with(x):
    with numba.objmode(y="float64"):
        y = 1.0
    return x[0] * y


def draws(x):
    return x[0] * np.random.rand()  # noqa: NPY002


def sorts(x):
    return np.sum(np.partition(x, 2)[:2])


def in_a_list(x):
    kept = [x[0], x[1]]
    kept[0] = 2.0 * x[2]
    return kept[0]


def calls_itself(x):
    return recursive(x, 3)


@njit
def recursive(x, n):
    if n == 0:
        return x[0]
    return recursive(x, n - 1)


def in_a_larger_expression(x):
    return x[0] + writes(x)


@njit
def writes(u):
    u[0] = 1.0
    return u[1]


def in_a_conditional_expression(x):
    u = x * x
    return u[0] + (writes(u) if x[0] > 0.0 else 0.0)


@njit
def calls_writes(u):
    a = writes(u)
    return a * a


def in_a_helper(x):
    u = x * x
    return u[0] + calls_writes(u)


def chosen_by_itself(x):
    at = np.array([1, 2, 0])
    at[at] = np.arange(3)
    return np.sum(x[at])


@njit
def takes_anything(*args):
    return args[0]


def helper_that_takes_anything(x):
    return takes_anything(x[0])


def function_as_a_value(x):
    f = lambda a: a * x[0]  # noqa: E731
    g = (f, 1.0)
    return g[0](x[1])


def may_not_return(x):  # noqa: RET503
    if x[0] > 0:
        return x[0]


def changes_a_list(x):
    kept = [1.0]
    kept.append(2.0)
    return x[0] * len(kept)


REFUSALS = [
    (uses_with, "a `with` statement", 'with numba.objmode(y="float64")'),
    (draws, "`np.random.rand`: it gives something else each time", "np.random.rand()"),
    (sorts, "no derivative is known for `np.partition`", "np.partition(x, 2)"),
    (in_a_list, "`kept`, of type list(float64)<iv=None>, which depends on the parameters", "kept = "),
    (calls_itself, "a function that calls itself", "recursive(x, n - 1)"),
    (in_a_larger_expression, "writes() may modify an array, inside a larger expression", "writes(x)"),
    (in_a_conditional_expression, "writes() may modify an array, inside a larger expression", "writes(u)"),
    (in_a_helper, "writes() may modify an array, inside a larger expression", "writes(u)"),
    (chosen_by_itself, "elements of `at` chosen by itself", "at[at] = np.arange(3)"),
    (helper_that_takes_anything, "takes_anything(): it takes *args or **kwargs", "takes_anything(x[0])"),
    (function_as_a_value, "the function `f` as a value", "f"),
    (may_not_return, "not every path ends in `return`", ""),
    (changes_a_list, "a call whose result is not used", "kept.append(2.0)"),
]


@pytest.mark.parametrize(("function", "what", "where"), REFUSALS, ids=lambda p: getattr(p, "__name__", None))
def test_refusal(function, what, where):
    with pytest.raises(NotDifferentiable) as info:
        source(function, X)
    lines = str(info.value).splitlines()
    assert lines[0].startswith("autodiff cannot differentiate ")
    assert what in lines[0]
    assert f'File "{__file__}", line ' in lines[1]
    assert where in lines[2]
    marked = lines[2][lines[3].index("^") : lines[3].rindex("^") + 1]
    assert marked.startswith(where)


def test_message():
    line = sorts.__code__.co_firstlineno + 1
    with pytest.raises(NotDifferentiable) as info:
        source(sorts, X)
    assert str(info.value) == (
        "autodiff cannot differentiate sorts(): no derivative is known for `np.partition`.\n"
        f'  File "{__file__}", line {line}\n'
        "    return np.sum(np.partition(x, 2)[:2])\n"
        "                  ^^^^^^^^^^^^^^^^^^\n"
        "  Instead: write it out with operators and loops."
    )


def test_function_without_source():
    namespace = {}
    exec("def f(x):\n    return x[0]", namespace)
    with pytest.raises(NotDifferentiable, match=r"f\(\): its source is not available \(it was built by exec"):
        source(namespace["f"], X)


def test_wraps_does_not_mislead():
    """The gradient is of the function itself, not of the one that its decorator says it wraps."""
    import functools

    def f(x):
        return x[0]

    @functools.wraps(f)
    def g(x):
        return 3 * x[0]

    assert run_as_text(g, X)[1][0] == 3


def test_argnums():
    with pytest.raises(ValueError, match=r"argnums=-1 must be a number >= 0"):
        numbaopt.grad(writes, argnums=-1)
    with pytest.raises(NotDifferentiable, match="argument 1, which is int64"):
        source(recursive, X, 3, argnums=1)
    with pytest.raises(TypeError, match="Only functions can be differentiated"):
        numbaopt.grad(3)


# --- as users meet it ------------------------------------------------------------------------------------------------


@njit
def model(a, x, b):
    return a * np.sum(np.sin(x) * b) + a * a


def test_inside_compiled_code():
    gradient = numbaopt.grad(model, argnums=1)

    @njit
    def slope(a, x, b):
        return gradient(a, x, b)[1] * 2

    b = np.arange(3.0)
    assert slope(2.0, np.ones(3), b) == pytest.approx(2 * 2 * np.cos(1.0), rel=1e-14)


def test_several_arguments():
    value, (by_a, by_b) = numbaopt.value_and_grad(model, argnums=(0, 2))(2.0, np.ones(3), np.arange(3.0))
    assert value == pytest.approx(6 * np.sin(1) + 4)
    assert by_a == pytest.approx(3 * np.sin(1) + 4)
    np.testing.assert_allclose(by_b, np.full(3, 2 * np.sin(1)), rtol=1e-14)


def test_single_precision():
    x = X.astype(np.float32)
    value, gradient = numbaopt.value_and_grad(njit(autodiff_constructs.whole_arrays))(x)
    assert (type(value), gradient.dtype) == (float, np.float32)
    expected = derivatives(autodiff_constructs.whole_arrays, X)[1]
    np.testing.assert_allclose(gradient, expected, rtol=1e-5)


def test_no_allocation():
    """Scalar code without tapes allocates nothing."""
    text = source(autodiff_constructs.branches, X)
    assert "np.empty" not in text
    assert "np.zeros" not in text


def test_two_words_a_step():
    def recurrence(x):
        a, b = x[0], x[1]
        for _ in range(1000):
            a, b = a * 0.99 + 0.1 * b, b * np.cos(a)
        return a * b

    text = source(recurrence, X)
    assert text.count("tape_top += 2") == 1
    assert text.count("_top += ") == 1


def test_disk_cache(tmp_path):
    """A second process compiles nothing; one with another helper does."""
    script = """
        import sys, numba, numpy as np
        from numbaopt.autodiff import gradient_function

        @numba.njit(cache=True)
        def helper(a):
            return FACTOR * a * a

        @numba.njit(cache=True)
        def fun(x):
            return helper(x[0])

        gradient = gradient_function(fun, (numba.typeof(np.ones(1)),), (0,))
        g = np.empty(1)
        gradient(np.array([3.0]), g)
        print(g[0], sum(gradient.stats.cache_hits.values()))
    """
    found = []
    for factor in (1, 1, 2):
        file = tmp_path / "script.py"
        file.write_text(textwrap.dedent(script).replace("FACTOR", str(factor)))
        environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
        command = [sys.executable, file]
        run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300, env=environment)
        found.append(run.stdout.split())
    assert found == [["6.0", "0"], ["6.0", "1"], ["12.0", "0"]]


def test_by_machine_code():
    assert by_machine_code(autodiff_constructs.slices, X)[1] == pytest.approx(
        derivatives(autodiff_constructs.slices, X)[1]
    )
