"""What the compiler makes of the rules: float32 stays float32, loops are vectorised, and nothing is compiled twice."""

from __future__ import annotations

import importlib
import pkgutil
import platform
import re
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest
from numba.core.event import install_recorder
from reference import CASES, Case
from reference_cases import cases

import numbaopt
from numbaopt._compile import compiles_nopython
from numbaopt._dispatch import finished, step_scalars, sum_count
from numbaopt._memory import borrow
from numbaopt._rule import compiled_form, layers, method_class, start_carry
from numbaopt.drivers.sweep import _span_block, span

RULES = list({type(step_scalars(compiled_form(case.hyper), 1.0)): case for case in CASES}.values())
FAMILY = list(
    {
        layers(compiled_form(case.hyper))[0][2]: case
        for case in cases(lambda name, **values: method_class(name)(**values))
    }.values()
)
rules = pytest.mark.parametrize("case", RULES, ids=lambda case: case.name)
x86 = pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"), reason="the instructions looked for are those of x86-64"
)


# --- instructions ----------------------------------------------------------------------------------------------------


def in_place(h, x, g, s, out):
    """The serial loop of the sweep in R^n."""
    return span(h, None, borrow(x), borrow(g), borrow(s), None, x.size, None, 0, x.size)


def apart(h, x, g, s, out):
    """The same into another array."""
    return span(h, None, borrow(x), borrow(g), borrow(s), borrow(out), x.size, None, 0, x.size)


def measured(h, x, g, s, out):
    """The same as `in_place`, with the magnitudes that `xtol` asks for."""
    return span(h, None, borrow(x), borrow(g), borrow(s), None, x.size, 1, 0, x.size)


def as_numbers(step: Any, dtype: Any) -> Any:
    """A step, and those inside it, with numbers of that dtype."""
    return type(step)(*(as_numbers(v, dtype) if isinstance(v, tuple) else dtype.type(v) for v in step))


def instructions(loop: Callable, case: Case, dtype: str) -> set[str]:
    """Names of the x86 instructions of a loop, compiled as the package compiles its own but not for its cache."""
    x = np.ones(8, dtype)
    form = compiled_form(case.hyper)
    scalars = step_scalars(form, 1.0, tuple(start_carry(form)))
    cast = as_numbers(finished(scalars, (1.0,) * sum_count(scalars)), x.dtype)
    signature = tuple(map(numba.typeof, (cast, x, x, np.ones((case.slots, 8), dtype), x)))
    fresh = type(_span_block)(loop, targetoptions=_span_block.targetoptions)
    fresh.compile(signature)
    return set(re.findall(r"^\s+([a-z]\w*)", fresh.inspect_asm(signature), re.MULTILINE))


DOUBLES = (
    *("sqrtpd", "sqrtsd", "divpd", "divsd", "mulpd", "mulsd", "addpd", "addsd", "subpd", "subsd"),
    *("cvtps2pd", "cvtpd2ps"),
)

loops = pytest.mark.parametrize("loop", [in_place, apart, measured], ids=lambda loop: loop.__name__)


def named(found: set[str], *names: str) -> set[str]:
    """Those of `found` that are among `names`, with or without the v of AVX."""
    return {name for name in found if name.removeprefix("v") in names}


@x86
@loops
@rules
def test_float32_has_packed_single_roots_and_no_double(case: Case, loop: Callable) -> None:
    found = instructions(loop, case, "float32")
    assert named(found, "sqrtps")
    assert not named(found, *DOUBLES)


@x86
@pytest.mark.parametrize("case", FAMILY, ids=lambda case: case.name)
def test_float32_has_no_double(case: Case) -> None:
    found = instructions(in_place, case, "float32")
    assert not named(found, *DOUBLES)
    assert named(found, "mulps", "addps", "subps", "fmadd213ps", "fmadd231ps")


@x86
@loops
@rules
def test_float64_has_packed_double_roots(case: Case, loop: Callable) -> None:
    found = instructions(loop, case, "float64")
    assert named(found, "sqrtpd")
    assert not named(found, "sqrtps", "sqrtss")


# --- compilations ----------------------------------------------------------------------------------------------------


def quadratic(x, c):
    """A plain objective with its gradient."""
    return 0.5 * np.sum(c * x * x), c * x


def value(x, c):
    """A plain objective without."""
    return np.sum(c * x * x)


def kernels() -> dict[str, int]:
    """Compiled versions of every kernel of the package."""
    found = {}
    for info in pkgutil.walk_packages(numbaopt.__path__, "numbaopt."):
        for name, attribute in vars(importlib.import_module(info.name)).items():
            if compiles_nopython(attribute):
                found[f"{info.name}.{name}"] = len(attribute.overloads)
    return found


def run(fun: Any, jac: Any, case: Case, factor: float, dtype: str, n: int) -> Any:
    """A short run with numbers that depend on `factor`: x0, args, hyper-parameters, limits, bounds."""
    hyper = case.hyper._replace(lr=0.01 * factor, eps=1e-6 * factor)
    options = {"maxiter": 5 + int(factor), "gtol": 1e-9 * factor, "x_scale": factor}
    x0, args = np.full(n, factor, dtype), (np.full(n, 2 * factor, dtype),)
    return numbaopt.minimize(fun, x0, args, hyper, jac=jac, bounds=[(-5 * factor, None)] * n, options=options)


@pytest.mark.parametrize("jac", [True, "2-point", "3-point"])
@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "plain"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_other_numbers_compile_nothing(dtype: str, compiled: bool, jac: Any) -> None:
    fun = quadratic if jac is True else value
    fun = numba.njit(fun) if compiled else fun
    with install_recorder("numba:compile") as first:
        before = run(fun, jac, CASES[0], 1.0, dtype, 3)
    assert first.buffer or not compiled  # the wrapper around a new objective, at least
    versions = kernels()
    assert sum(versions.values()) > 0
    with install_recorder("numba:compile") as recorder:
        after = run(fun, jac, CASES[0], 2.0, dtype, 4)
    assert recorder.buffer == []
    assert kernels() == versions
    assert after.x.dtype == dtype and after.nit == before.nit + 1


def test_another_objective_compiles_only_itself() -> None:
    run(numba.njit(quadratic), True, CASES[0], 1.0, "float64", 3)
    versions = kernels()

    @numba.njit
    def other(x, c):
        return np.sum(c * x**4), 4 * c * x**3

    run(other, True, CASES[0], 1.0, "float64", 3)
    assert kernels() == versions
