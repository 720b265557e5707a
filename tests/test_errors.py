"""Bad input: each gets an error that names object, value, range and remedy, before anything runs."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit
from scipy.optimize import Bounds

import numbaopt
from numbaopt import minimize


def never_called(x):
    raise AssertionError("fun was called")


def raised(kind, *args, **kwargs):
    """The text of the error that minimize raises, before it has called fun."""
    with pytest.raises(kind) as info:
        minimize(kwargs.pop("fun", never_called), *args, **kwargs)
    return str(info.value)


def test_unknown_method():
    text = raised(ValueError, [0.0], method="adamm")
    assert text.startswith("Unknown method 'adamm'. Known: 'adabelief', 'adadelta', 'adagrad', 'adam', 'adamax', ")
    assert text.endswith(". Did you mean 'adam'?")
    text = raised(TypeError, [0.0], method=3)
    assert text.startswith("method=3 must be a name ('adabelief', 'adadelta', ")
    assert text.endswith("), or a hyper-parameter object or class such as numbaopt.Adam(lr=0.01).")


def test_unknown_option():
    text = raised(ValueError, [0.0], method="adam", options={"maxitr": 5})
    assert text.startswith("Unknown option 'maxitr' for method 'adam'. Did you mean 'maxiter'? Options: 'maxiter', ")
    assert "Hyper-parameters: 'lr', 'betas', 'eps', 'weight_decay', 'amsgrad', 'maximize'." in text
    assert "Unknown option 'betas' for method 'adadelta'." in raised(
        ValueError, [0.0], method="adadelta", options={"betas": (0.9, 0.9)}
    )


@pytest.mark.parametrize(
    ("method", "options", "text"),
    [
        ("adam", {"lr": -1}, 'Adam(lr=-1): lr must be a finite number >= 0, a schedule or "auto".'),
        ("adam", {"lr": np.nan}, 'Adam(lr=nan): lr must be a finite number >= 0, a schedule or "auto".'),
        ("adamw", {"betas": (1.2, 0.999)}, "AdamW(betas=(1.2, 0.999)): betas[0] must be in [0, 1) or a schedule."),
        ("adamw", {"betas": (0.9, 1.0)}, "AdamW(betas=(0.9, 1.0)): betas[1] must be in [0, 1) or a schedule."),
        ("adam", {"eps": -1e-8}, "Adam(eps=-1e-08): eps must be a finite number >= 0."),
        ("adadelta", {"rho": 1.5}, "Adadelta(rho=1.5): rho must be in [0, 1]."),
        (
            "adamw",
            {"weight_decay": -0.1},
            "AdamW(weight_decay=-0.1): weight_decay must be a finite number >= 0 or a schedule.",
        ),
        ("adam", {"maxiter": -1}, "maxiter=-1 must be an integer >= 0."),
        ("adam", {"maxfev": 0}, "maxfev=0 must be an integer >= 1, or None."),
        ("adam", {"gtol": -1}, "gtol=-1 must be a number >= 0, or None to switch it off."),
        ("adam", {"gtol": np.nan}, "gtol=nan must be a number >= 0, or None to switch it off."),
        ("adam", {"xtol": np.nan}, "xtol=nan must be a number >= 0, or None to switch it off."),
        ("adam", {"ftarget": np.nan}, "ftarget=nan must be a number, or None to switch it off."),
        ("adam", {"maxtime": -1}, "maxtime=-1 must be a number >= 0, or None to switch it off."),
        ("adam", {"patience": 0}, "patience=0 must be an integer >= 1."),
        ("adam", {"keep": "first"}, 'keep=\'first\' must be "best" or "last".'),
        (
            "adam",
            {"gradient": "4-point"},
            "gradient='4-point' must be one of 'autodiff', '2-point', '3-point', 'cs', 'inplace'.",
        ),
        ("adam", {"history": -1}, "history=-1 must be an integer >= 0."),
        ("adam", {"x_scale": "x1"}, 'x_scale=\'x1\' must be numbers > 0, "x0" or "auto".'),
        ("adam", {"x_scale": [1.0, 0.0]}, "x_scale=[1.0, 0.0] must be finite and > 0 in every element."),
        ("adam", {"x_scale": [1.0] * 3}, "x_scale has shape (3,); it must be a number or have shape (2,) as x0 has."),
    ],
)
def test_option_out_of_range(method, options, text):
    assert raised(ValueError, [0.0, 0.0], method=method, options=options) == text


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"lr": "fast"}, "Adam(lr='fast'): lr must be a finite number >= 0, a schedule or \"auto\"."),
        ({"betas": 0.9}, "Adam(betas=0.9): betas must be a tuple of 2 numbers."),
        ({"betas": (0.9,)}, "Adam(betas=(0.9,)): betas must be a tuple of 2 numbers."),
        ({"amsgrad": "yes"}, "Adam(amsgrad='yes'): amsgrad must be True or False."),
        ({"maxiter": 1.5}, "maxiter=1.5 must be an integer >= 0."),
        ({"maxiter": "many"}, "maxiter='many' must be an integer >= 0."),
        ({"gtol": "tight"}, "gtol='tight' must be a number >= 0, or None to switch it off."),
        ({"workers": 1.5}, None),
    ],
)
def test_option_of_wrong_kind(options, text):
    message = raised(TypeError, [0.0], options=options)
    assert message == text or (text is None and message.startswith("workers=1.5 must be an integer in [1, "))


def test_too_many_workers():
    assert "the threads that numba was started with (environment variable NUMBA_NUM_THREADS)." in raised(
        ValueError, [0.0], options={"workers": 10_000}
    )


def test_hyperparameter_given_twice():
    assert raised(ValueError, [0.0], method=numbaopt.Adam(lr=0.1), options={"lr": 0.2}) == (
        "lr is given both by the method object Adam(lr=0.1, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0, "
        "amsgrad=False, maximize=False) and by options={'lr': 0.2}. Put it into the object: Adam(lr=0.2)."
    )


@pytest.mark.parametrize("tol", [np.nan, -1.0, "small"])
def test_tol(tol):
    assert raised(ValueError, [0.0], tol=tol) == f"tol={tol!r} must be a number >= 0."


@pytest.mark.parametrize(
    ("kind", "x0", "text"),
    [
        (ValueError, [0.0, np.nan], "x0[1] = nan is not finite. Start from finite numbers."),
        (ValueError, [np.inf, 0.0], "x0[0] = inf is not finite. Start from finite numbers."),
        (ValueError, [], "x0 is empty: there is nothing to minimise over."),
        (
            TypeError,
            [1j, 0],
            "x0 must be real, but its dtype is complex128. Pass real and imaginary parts as one vector.",
        ),
        (TypeError, ["a"], "x0 must be real, but its dtype is <U1. Pass real and imaginary parts as one vector."),
        (TypeError, [None, object()], None),
        (
            ValueError,
            np.zeros((2, 3)),
            "'x0' must only have one dimension, but its shape is (2, 3). Pass x0.ravel(), and restore the shape inside "
            "fun by x.reshape(2, 3).",
        ),
    ],
)
def test_x0(kind, x0, text):
    message = raised(kind, x0)
    assert message == text or (text is None and message.startswith("x0 must be an array of real numbers, not [None"))


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        ([(0, 1), (2, 1)], "bounds[1] = (2, 1): the lower bound is above the upper."),
        ([(0, 1), (np.nan, 1)], "bounds[1] = (nan, 1.0) has a NaN; use None or inf for no bound."),
        ([(0, 1)], "bounds must have 2 pairs (lower, upper), one for each element of x0; got [(0, 1)]."),
        ([0, 1, 2, 3], None),
        (Bounds([0, 0, 0], 1), "bounds.lb has shape (3,); it must be a number or have shape (2,) as x0 has."),
        (
            [(0, 1), (0, 0.25)],
            "x0[1] = 0.5 is outside its bounds [0, 0.25]. Move it inside, for instance by np.clip(x0, lower, upper).",
        ),
        ([(np.inf, np.inf), (0, 1)], "bounds[0] = (inf, inf) leaves no finite value."),
    ],
)
def test_bounds(bounds, text):
    message = raised((ValueError, TypeError), [0.5, 0.5], bounds=bounds)
    assert message == text or (text is None and "must be a scipy.optimize.Bounds or a sequence of pairs" in message)


def test_jac():
    assert raised(ValueError, [0.0], jac="bogus") == (
        "jac='bogus' must be a function, True, None, or one of 'autodiff', '2-point', '3-point', 'cs', 'inplace'."
    )
    assert raised(ValueError, [0.0], jac="cs", options={"gradient": "3-point"}) == (
        "The gradient is given twice: jac='cs' and options={'gradient': '3-point'}."
    )


def test_fun_is_not_callable():
    assert raised(TypeError, [0.0], fun=3) == "fun must be callable, not 3."


# --- what fun and jac return, plain and compiled ---------------------------------------------------------------------


def returns_none(x):
    x[0] + 1.0


def returns_string(x):
    return "one"


def returns_vector(x):
    return x


def returns_complex(x):
    return x[0] + 1j


def returns_pair(x):
    return x[0], x


@pytest.mark.parametrize(
    ("fun", "kind", "text", "compiled_text"),
    [
        (returns_none, TypeError, "returned None (is a `return` missing?).", "returned None (is a `return` missing?)."),
        (returns_string, TypeError, "returned 'one'.", "returned a string."),
        (returns_vector, ValueError, "returned an array of shape (2,).", "not exactly 1 element"),
        (returns_complex, TypeError, "returned np.complex128(1+1j).", "returned a complex number (complex128)."),
        (
            returns_pair,
            TypeError,
            "(give jac=True if it returns value and gradient).",
            "returned a tuple (float64, a 1-d array of float64) (give jac=True if it returns value and gradient).",
        ),
    ],
)
def test_value_of_wrong_kind(fun, kind, text, compiled_text):
    with pytest.raises(kind) as plain:
        minimize(fun, [1.0, 2.0])
    assert str(plain.value).startswith(f"{fun.__name__}() must return a number, but it ")
    assert str(plain.value).endswith(text)
    with pytest.raises(kind) as compiled:
        minimize(njit(fun), [1.0, 2.0])
    assert "must return a number, but it returned" in str(compiled.value)
    assert compiled_text in str(compiled.value)


def total(x):
    return x.sum()


def too_long(x):
    return np.ones(x.size + 1)


def matrix(x):
    return np.ones((x.size, 1))


def complex_gradient(x):
    return x * 1j


@pytest.mark.parametrize(
    ("jac", "kind", "text", "compiled_kind", "compiled_text"),
    [
        (
            too_long,
            ValueError,
            "the gradient from too_long() must have shape (2,) as x has, not (3,).",
            ValueError,
            "the gradient must have as many elements as x",
        ),
        (
            matrix,
            ValueError,
            "the gradient from matrix() must have shape (2,) as x has, not (2, 1).",
            TypeError,
            "the gradient from matrix() must be a 1-d array of real numbers, not a 2-d array of float64.",
        ),
        (
            complex_gradient,
            TypeError,
            "(dtype complex128).",
            TypeError,
            "the gradient from complex_gradient() must be a 1-d array of real numbers, not a 1-d array of complex128.",
        ),
    ],
)
def test_gradient_of_wrong_kind(jac, kind, text, compiled_kind, compiled_text):
    with pytest.raises(kind) as plain:
        minimize(total, [1.0, 2.0], jac=jac)
    assert str(plain.value).endswith(text)
    with pytest.raises(compiled_kind) as compiled:
        minimize(njit(total), [1.0, 2.0], jac=njit(jac))
    assert str(compiled.value) == compiled_text


def test_jac_true_without_pair():
    with pytest.raises(TypeError, match=r"^jac=True: total\(\) must return the pair \(value, gradient\), not "):
        minimize(total, [1.0, 2.0], jac=True)
    with pytest.raises(TypeError, match=r"^jac=True: total\(\) must return the pair .* not float64\.$"):
        minimize(njit(total), [1.0, 2.0], jac=True)


def test_infinite_value_is_never_a_success():
    for fun in (lambda x: np.inf, njit(lambda x: np.inf)):
        res = minimize(fun, [1.0, 2.0])
        assert not res.success
        assert res.status == numbaopt.Status.NONFINITE
        assert res.message == (
            "fun is not finite at x0, which is returned. Choose an x0 at which fun and its gradient are finite."
        )
        assert res.x.tolist() == [1.0, 2.0]


# --- numba's refusals ------------------------------------------------------------------------------------------------


def opens_a_file(x):
    total = x.sum()
    with open("nothing") as file:
        total += len(file.read())
    return total


def unknown_name(x):
    return x.sum() + undefined_constant  # noqa: F821


def bad_call(x):
    y = x * 2
    return np.interp(x, y)


@pytest.mark.parametrize(
    ("fun", "line", "reason"),
    [
        (unknown_name, "return x.sum() + undefined_constant", "undefined_constant"),
        (bad_call, "return np.interp(x, y)", "interp"),
    ],
)
@pytest.mark.parametrize("way", ["jit", "njit"])
def test_what_numba_refuses_becomes_three_lines(fun, line, reason, way):
    with pytest.raises(TypeError) as info:
        if way == "jit":
            minimize(fun, [1.0], options={"jit": True})
        else:
            minimize(njit(fun), [1.0])
    lines = str(info.value).splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(f"numba cannot compile fun {fun.__name__}(): ")
    assert reason in lines[0]
    assert "test_errors.py, line " in lines[1]
    assert line in lines[1]
    assert lines[2].startswith("  Rewrite that line with what numba supports, or pass a plain Python function")


def test_statement_that_numba_refuses():
    with pytest.raises(TypeError) as info:
        minimize(opens_a_file, [1.0], options={"jit": True})
    assert str(info.value).count("\n") == 2
    assert "numba cannot compile fun opens_a_file(): " in str(info.value)


def test_args_that_numba_cannot_type():
    with pytest.raises(TypeError, match=r"^args\[1\], of type object, is nothing that numba can pass"):
        minimize(njit(lambda x, a, b: x.sum()), [1.0], args=(1.0, object()))


def test_wrong_number_of_args():
    with pytest.raises(TypeError, match=r"too many positional arguments"):
        minimize(njit(lambda x: x.sum()), [1.0], args=(1.0,))


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"callback": 3}, "callback must be callable, not 3."),
        ({"options": "a"}, "options='a' must be a dict, such as {'lr': 0.01}."),
        ({"options": {"disp": "yes"}}, "disp='yes' must be True or False."),
        ({"options": {"jit": "no"}}, "jit='no' must be True or False."),
        ({"bounds": [(0, "a")]}, "bounds must be pairs of numbers, with None for no bound; got [(0, 'a')]."),
    ],
)
def test_arguments_of_wrong_kind(given, text):
    assert raised(TypeError, [0.5], **given) == text


def test_more_input_that_is_refused():
    assert raised(TypeError, None) == "x0 must be an array of real numbers, not None."
    assert raised(ValueError, [0.5], jac=np.ones(1)).startswith(
        "jac=array([1.]) must be a function, True, None, or one "
    )
    text = raised(TypeError, [0.5], fun=len, options={"jit": True})
    assert text == "The option jit compiles functions, but <built-in function len> is a builtin_function_or_method."


def test_count_of_arguments():
    with pytest.raises(TypeError) as info:
        minimize(njit(lambda x, a: x.sum()), [1.0], args=(1.0, 2.0))
    assert str(info.value) == (
        "fun is <lambda>(x, a), but it is called with 3 arguments, x and what `jac` and `args` add to it "
        "(too many positional arguments)."
    )


def plain_helper(x):
    return x[0] ** 2


def test_plain_helper_of_a_compiled_function():
    def fun(x):
        return plain_helper(x)

    text = raised(TypeError, [0.5], fun=fun, options={"jit": True})
    assert text.endswith("\n  Decorate plain_helper() with numba.njit: compiled code calls compiled functions only.")


def test_interrupted_before_anything_is_known():
    def fun(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as info:
        minimize(fun, [1.0, 2.0])
    res = info.value.result
    assert res.message == "Interrupted before fun and its gradient were known at x0; fun and jac are NaN."
    assert np.isnan(res.fun)
    assert np.isnan(res.jac).all()
    assert res.x.tolist() == [1, 2]
