"""Objectives that many tests share."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from numba import njit

from numbaopt import _rule

gc.set_threshold(100_000, 50, 100)
"""numba allocates by the million, and what it has compiled stays: a tenth of the time went by looking through it."""


@pytest.fixture(scope="module", autouse=True)
def rules_as_shipped():
    """A rule that a test declares is forgotten after its file."""
    methods, scalars = dict(_rule.METHODS), dict(_rule.SCALARS)
    yield
    for shipped, now in ((methods, _rule.METHODS), (scalars, _rule.SCALARS)):
        now.clear()
        now.update(shipped)


def quadratic(x):
    """Sum of (i + 1) (x_i - i)^2."""
    total = 0.0
    for i in range(x.size):
        total += (i + 1) * (x[i] - i) ** 2
    return total


def quadratic_gradient(x):
    return 2 * np.arange(1, x.size + 1) * (x - np.arange(x.size))


@pytest.fixture(scope="session")
def plain():
    return quadratic


@pytest.fixture(scope="session")
def compiled():
    return njit(quadratic)


@pytest.fixture(scope="session")
def gradient():
    return quadratic_gradient


@pytest.fixture(scope="session")
def compiled_gradient():
    return njit(quadratic_gradient)


@pytest.fixture(params=["plain", "compiled"])
def objective(request):
    """The quadratic, plain and compiled."""
    return request.getfixturevalue(request.param)
