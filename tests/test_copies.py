"""Names that only stand for another name leave generated text, and no others do."""

import textwrap

import pytest

from numbaopt.autodiff.copies import without_copies


def cleaned(text, *kept):
    lines = textwrap.dedent(text).strip("\n").splitlines()
    return without_copies(lines, set(kept))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v = a * b\ng = v\ny = g * 2.0", ["v = a * b", "y = v * 2.0"]),
        ("v = 1.0\ng = v\nh = g\ny = h + h", ["v = 1.0", "y = v + v"]),
        ("v = 1.0\ng = v\nv = g * 2.0", ["v = 1.0", "v = v * 2.0"]),
        ("v = 1.0\ng = v\nv += g", ["v = 1.0", "v += v"]),
        ("v = 1.0\ng = v\nv = g", ["v = 1.0"]),
        ("v = f(0)\ng = v\ny[g[0]] += g.size", ["v = f(0)", "y[v[0]] += v.size"]),
        ("for i in r:\n    v = 2 * i\n    g = v\n    y += g", ["for i in r:", "    v = 2 * i", "    y += v"]),
    ],
)
def test_left_out(text, expected):
    assert cleaned(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "v = 1.0\ng = v\nv = 2.0\ny = g",  # v is another one by then
        "v = 1.0\ng = v\nv, w = 2.0, v\ny = g",
        "v = 1.0\ng = v\nv += 1.0\ny = g",
        "v = 1.0\ng = v\nfor v in r:\n    pass\ny = g",
        "v = 1.0\ng = v\nif c:\n    v = 3.0\ny = g",
        "v = 1.0\ng = v\nfor i in r:\n    y += g\n    v = y",  # read in a block within
        "v = 1.0\nif c:\n    g = v\n    y = g\nz = g",  # read behind its block
        "v = 1.0\nfor i in r:\n    y += g\n    g = v\n    z = g",  # read in the next iteration
        "v = 1.0\ng = v\ny = g\ng = 2.0",  # bound twice
        "g = argument\ny = g",  # what is bound elsewhere, or a function
        "v = 1.0\ng = v",  # nothing reads it: a block must not become empty
        "v = 1.0\ng = v\nprint('g', g)",
        "v = 1.0\ng = v\nwhile g > y:\n    y += 1.0",
    ],
)
def test_kept(text):
    assert cleaned(text) == text.splitlines()


def test_what_is_returned_is_kept():
    assert cleaned("v = 1.0\ng = v\ny = g", "g") == ["v = 1.0", "g = v", "y = g"]
