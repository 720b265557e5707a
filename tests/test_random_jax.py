"""Random programs of scalars through JAX: its gradient is ours."""

from __future__ import annotations

import re

import numba
import numpy as np
import pytest
from plain_text import run_plainly
from random_programs import HELPER_FUNCTIONS, N, Scalars, functions

from numbaopt.autodiff.generation import generate

jax = pytest.importorskip("jax", reason="JAX is not installed")

STORE = re.compile(r"(?m)^( +)(\w+)\[([^\n=]+?)\] ([-+*]?)= (.+)$")


def translated(text):
    """The program with JAX's arrays, which cannot be assigned to; run step by step, so that branches are Python's."""
    methods = {"": "set", "+": "add", "*": "multiply"}
    text = STORE.sub(lambda m: f"{m[1]}{m[2]} = {m[2]}.at[{m[3]}].{methods[m[4]]}({m[5]})", text)
    namespace = {"np": jax.numpy, **{name: _of_jax(f) for name, f in HELPER_FUNCTIONS.items()}}
    exec(text, namespace)
    return namespace["f"]


def _of_jax(function):
    """A helper with JAX's functions."""
    return type(function)(function.__code__, {"np": jax.numpy}, function.__name__, function.__defaults__)


@pytest.mark.parametrize("seed", range(12))
def test_gradient(seed):
    jax.config.update("jax_enable_x64", True)
    program = Scalars(seed)
    program.blocks = 1
    text, x = program.program(), np.random.default_rng(seed).normal(size=N)
    expected_value, expected = jax.value_and_grad(translated(text))(jax.numpy.asarray(x))
    value = run_plainly(generate(functions(text)[0], (numba.typeof(x),), (0,)), x.copy(), found := np.empty(N))
    assert value == pytest.approx(float(expected_value), rel=1e-12)
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)
