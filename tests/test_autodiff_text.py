"""Fewer variables in generated text, and the pipeline that compiles it: neither may change a value."""

import linecache

import numba
import numpy as np
import pytest
from numba.core import types

from numbaopt.autodiff.emission import Block, Branch, Pop, Push
from numbaopt.autodiff.files import loaded
from numbaopt.autodiff.front import generated_for, gradient_function
from numbaopt.autodiff.substitution import Substituted
from numbaopt.autodiff.syntax import Names, enclosed
from numbaopt.autodiff.versions import Versions


def substituted(*nodes, numbers="stuvxy", known="ab", kept=("value",)):
    """The nodes with values where they are used; `a` and `b` are arrays that share no memory."""
    return Substituted(
        list(nodes), set(kept), lambda name: name[0] in numbers, lambda name: name in known, lambda name: name
    ).nodes


def versioned(*nodes, kept=("value",), at_start=()):
    names = Names("xyuvi")
    return Versions(list(nodes), set(kept), set(at_start), lambda name: name[0] in "xyuv", names).nodes


MOVED = [
    (["x = u * v", "value = x + 1.0"], ["value = (u * v) + 1.0"]),
    (["x = u", "y = x", "value = y * y"], ["value = u * u"]),
    (["x = u * v", "value = x * x"], ["x = u * v", "value = x * x"]),
    (["x = u * v", "u = 2.0", "value = x"], ["x = u * v", "u = 2.0", "value = x"]),
    (["x = u", "u = 2.0", "value = x"], ["x = u", "u = 2.0", "value = x"]),
    (["x = a[0]", "b[0] = 1.0", "value = x"], ["b[0] = 1.0", "value = a[0]"]),
    (["x = a[0]", "a[1] = 1.0", "value = x"], ["x = a[0]", "a[1] = 1.0", "value = x"]),
    (["x = a[0]", "a[1] += 1.0", "value = x"], ["x = a[0]", "a[1] += 1.0", "value = x"]),
    (["x = a[0]", "g[1] = 1.0", "value = x"], ["x = a[0]", "g[1] = 1.0", "value = x"]),  # g may be a view of a
    (["x = g[0]", "a[1] = 1.0", "value = x"], ["x = g[0]", "a[1] = 1.0", "value = x"]),
    (["x = a[0]", "fill(a, u)", "value = x"], ["x = a[0]", "fill(a, u)", "value = x"]),
    (["g = a", "fill(g, u)", "value = b[0]"], ["fill(a, u)", "value = b[0]"]),
    (["x = a[0]", "g = a", "g[0] = 1.0", "value = x"], ["x = a[0]", "a[0] = 1.0", "value = x"]),
    (["x = np.random.rand()", "y = np.random.rand()", "value = y - x"], None),
    (["x = f(u)", "y = a[0]", "value = y - x"], ["x = f(u)", "value = a[0] - x"]),
    (["x = 2", "value = u**x"], None),
    (["x = u", "raise ValueError('x')", "value = x"], None),
    (["x = u", "b[0] = math.f(v, x=2.0, y=x)"], ["b[0] = math.f(v, x=2.0, y=u)"]),
]


@pytest.mark.parametrize(("lines", "expected"), MOVED)
def test_where_values_go(lines, expected):
    """A value goes to its only use, a copy to all, where nothing that it is made of has changed."""
    assert substituted(*lines) == (lines if expected is None else expected)


def test_values_in_loops_and_branches():
    """What is computed before a loop is not computed in it, nor a copy read there of what the loop changes."""
    body = Block("for i in range(3):", ["a[i] = x + y", "u = u + 1.0"])
    assert substituted("x = s * t", "y = u", body) == ["x = s * t", "y = u", body]
    assert substituted("y = s", body._replace(body=["a[i] = y"])) == [body._replace(body=["a[i] = s"])]
    test = Branch("x > y", ["b[0] = x"], ["b[0] = y"])
    assert substituted("x = u", "y = v", test) == [Branch("u > v", ["b[0] = u"], ["b[0] = v"])]
    assert substituted("x = s * t", Branch("u > v", ["b[0] = x"], [])) == [
        "x = s * t",
        Branch("u > v", ["b[0] = x"], []),
    ]
    again = Block("while x > u:", ["u = u + 1.0"])
    assert substituted("x = u", again) == ["x = u", again]


def test_values_on_tapes():
    """They go onto a tape, and come back, without a variable of their own."""
    assert substituted("x = a[i]", Push([("x", "tape")])) == [Push([("a[i]", "tape")])]
    assert substituted(Pop([("x", "tape")]), "a[i] = x") == [Pop([("a[i]", "tape")])]
    both = [Pop([("x", "tape"), ("i", "tape_of_integers")]), "a[i] = x"]
    assert substituted(*both) == both


def test_versions():
    """What leaves a list keeps its name; what does not gets one that nothing else has."""
    assert versioned("x = u", "x = x * v", "value = x") == ["x = u", "x2 = x * v", "value = x2"]
    loop = Block("for i in range(3):", ["y = x * u", "x += y", "x = x * v"])
    assert versioned("x = 1.0", loop, "value = x") == [
        "x = 1.0",
        loop._replace(body=["y = x * u", "x2 = x + y", "x = x2 * v"]),
        "value = x",
    ]
    branch = Branch("u > v", ["y = u", "x = y"], [])
    assert versioned("x = 1.0", "y = 2.0", "u = y", branch, "value = x") == [
        "x = 1.0",
        "y = 2.0",
        "u = y",
        Branch("u > v", ["y2 = u", "x = y2"], []),
        "value = x",
    ]
    leaves = Block("for i in range(3):", [Branch("u > v", ["x = u", "break"], []), "x = v"])
    assert versioned("x = 1.0", leaves, "value = x") == ["x = 1.0", leaves, "value = x"]


@pytest.mark.parametrize(
    "text", ["x", "-x", "x * y", "f(x) * (y)", "(x) * (y)", "(x * y)", "a[i, j]", "f(x * y)", "not x"]
)
def test_enclosed(text):
    """An operand means the same in an expression."""
    plain = text in ("x", "(x * y)", "a[i, j]", "f(x * y)")
    assert enclosed(text) == (text if plain else f"({text})")


def test_pipeline_gives_the_same_bits():
    """The gradient has the bits that numba's own pipeline gives, in float32 and with integers too."""

    @numba.njit
    def fun(x, k):
        s = np.float64(0.0)
        for i in range(x.shape[0]):
            s += k * x[i] / (1 + x[i] * x[i]) - 2 * x[i] ** 3 / x.dtype.type(3) + i * x[i]
        return s

    for dtype in (np.float64, np.float32):
        x = np.linspace(-1.5, 0.7, 7).astype(dtype)
        given = numba.typeof(x), types.int64
        usual = numba.njit(error_model="numpy")(loaded(generated_for(fun, given, (0,)))[0])
        quick, expected = np.empty_like(x), np.empty_like(x)
        assert gradient_function(fun, given, (0,))(x, 3, quick) == usual(x, 3, expected)
        assert quick.tobytes() == expected.tobytes()


@pytest.mark.parametrize("arguments", ["n", "2, n", "n, -1, -1", "-3, n - 1", "n, 0, -2", "n, n - 5"])
@pytest.mark.parametrize("n", [-2, 0, 5, 6])
def test_loops_that_do_not_run(arguments, n):
    """The number of iterations of a range, which may be empty, of a loop that is undone."""
    text = f"def f(x, n):\n    u = x * x\n    for i in range({arguments}):\n        u[i % 3] = u[(i + 1) % 3] * x[0]\n"
    text += "    return np.sum(u)\n"
    file, namespace = f"<range({arguments})>", {"np": np}
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    exec(compile(text, file, "exec"), namespace)
    f, x, g = namespace["f"], np.array([1.1, 0.6, -0.4]), np.empty(3)
    gradient_function(numba.njit(f), (numba.typeof(x), types.int64), (0,))(x, n, g)
    expected = [f(x + 1e-30j * e, n).imag / 1e-30 for e in np.eye(3)]
    np.testing.assert_allclose(g, expected, rtol=1e-12)
