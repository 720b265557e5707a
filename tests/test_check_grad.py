"""check_grad(): a gradient beside every other way to get it."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from numbaopt import check_grad


def fun(x, a):
    return (a * x * x * x).sum()


def right(x, a):
    return 3 * a * x**2


def wrong(x, a):
    return np.array([3.0, 2.0, 1.0]) * a * x**2


def both(x, a):
    return (a * x * x * x).sum(), 3 * a * x**2


def inplace(x, grad, a):
    grad[:] = 3 * a * x**2
    return (a * x * x * x).sum()


X, ARGS = [1.0, -2.0, 0.5], (np.array([1.0, 2.0, 3.0]),)
FORMS = pytest.mark.parametrize("form", [lambda f: f, njit], ids=["plain", "compiled"])


@FORMS
def test_right_gradient(form, capsys):
    for function, jac in ((fun, form(right)), (both, True), (inplace, "inplace")):
        check = check_grad(form(function), X, ARGS, jac)
        rows = {row.name: row for row in check.rows}
        derivable = jac not in (True, "inplace") and form is njit
        assert list(rows) == ["2-point", "3-point", "cs"] + ["autodiff", "forward"] * derivable
        assert not derivable or max(rows["autodiff"].relative, rows["forward"].relative) < 1e-14
        assert rows["2-point"].relative < 1e-6
        assert rows["3-point"].relative < 1e-9
        assert check.relative_error < 1e-12 or rows["cs"].reason
        assert capsys.readouterr().out.startswith("gradient checked: ")


@FORMS
def test_wrong_gradient(form, capsys):
    check = check_grad(form(fun), X, ARGS, form(wrong))
    assert check.relative_error > 0.3
    row = {row.name: row for row in check.rows}["3-point"]
    assert row.worst == 1
    assert row.difference == pytest.approx(8)
    assert "element 1: 16 against 24" in capsys.readouterr().out


def test_way_that_does_not_work_gives_its_reason(capsys):
    check = check_grad(lambda x: float(np.abs(x).sum() ** 2), [1.0, 2.0])
    row = {row.name: row for row in check.rows}["cs"]
    assert row.gradient is None
    assert row.reason
    assert "cs         does not work: " in capsys.readouterr().out
    assert check.checked == "3-point"


def test_silent():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("builtins.print", None)
        check_grad(lambda x: x[0] ** 2, [1.0], disp=False)
