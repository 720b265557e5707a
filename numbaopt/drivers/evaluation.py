"""Value and gradient of an objective at a point, by the kind of gradient that the type of the objective names.

An objective is a NamedTuple whose `value` (or `gradient`) is the address of compiled code, or a Python function: every
formula below runs compiled and, for plain Python objectives, as it stands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import prange
from numba.core import types

from .._arguments import call_complex, call_real
from .._compile import inlined, kernel, parallel_kernel, target
from .._memory import borrow, vector
from .sweep import owned


class Gradient(NamedTuple):
    """The user's own gradient: `gradient(x, g, args)` fills g and returns the value."""

    gradient: Any
    args: int


class TwoPoint(NamedTuple):
    """Forward differences: n + 1 evaluations of `value(x, args)`."""

    value: Any
    args: int
    team: Any


class ThreePoint(NamedTuple):
    """Central differences: 2n + 1 evaluations of `value(x, args)`."""

    value: Any
    args: int
    team: Any


class ComplexStep(NamedTuple):
    """Imaginary part of `complex_value(x + ih, args)`: n evaluations of it and one of `value`."""

    value: Any
    args: int
    team: Any
    complex_value: Any


# --- calling what the user gave --------------------------------------------------------------------------------------


def value_at(objective: Any, x: Any) -> float:
    """The objective at x, minimisation sense."""
    return objective.value(x)


@target(value_at)
def _value_at(objective, x):
    return lambda objective, x: call_real(objective.value, x.size, (borrow(x), objective.args))


def complex_value_at(objective: Any, z: Any) -> complex:
    """The objective at the complex point z."""
    return objective.complex_value(z)


@target(complex_value_at)
def _complex_value_at(objective, z):
    return lambda objective, z: call_complex(objective.complex_value, z.size, (borrow(z), objective.args))


def gradient_at(objective: Any, x: Any, g: Any, n: int) -> float:
    """The objective at x, of n elements; g is filled."""
    return objective.gradient(x, g)


@target(gradient_at)
def _gradient_at(objective, x, g, n):
    return lambda objective, x, g, n: call_real(objective.gradient, n, (x, g, objective.args))


# --- one partial derivative ------------------------------------------------------------------------------------------

_PARTIALS: dict[type, Any] = {}
COMPLEX_STEP = 1e-20


def partial_derivative(scheme: type) -> Callable[[Callable], Callable]:
    """Declare `(objective, space, x, i, f) -> df/dx_i` of a scheme; x is scratch, given back as it came."""

    def declare(function: Callable) -> Callable:
        _PARTIALS[scheme] = inlined(function)
        return function

    return declare


def edges(space: Any, i: int) -> tuple[float, float, float]:
    """Typical size, lower and upper bound of x_i."""
    return (1.0, -np.inf, np.inf) if space is None else (space.scale[i], space.lower[i], space.upper[i])


@target(edges)
def _edges(space, i):
    if isinstance(space, types.NoneType):
        return lambda space, i: (1.0, -np.inf, np.inf)
    return lambda space, i: (space.scale[i], space.lower[i], space.upper[i])


@inlined
def roomy_step(x, h, low, high, steps):
    """A step of about h, of either sign, such that x + `steps` * step is in [low, high]; 0 if there is no room."""
    if x < 0:
        h = -h
    if low <= x + steps * h <= high:
        return h
    if low <= x - steps * h <= high:
        return -h
    return (high - x) / steps if high - x >= x - low else (low - x) / steps


@inlined
def no_room(low, high):
    """The derivative where x cannot be moved: 0 for a variable that is fixed by its bounds, else unknown."""
    return 0.0 if low == high else np.nan


@partial_derivative(TwoPoint)
def two_point(objective, space, x, i, f):
    """(f(x + h e_i) - f(x)) / h with h about sqrt(eps) max(|x_i|, typical size)."""
    xi = x[i]
    typical, low, high = edges(space, i)
    h = np.sqrt(np.finfo(x.dtype).eps) * max(abs(xi), typical)
    x[i] = min(max(xi + roomy_step(xi, h, low, high, 1.0), low), high)
    h = x[i] - xi
    forward = value_at(objective, x)
    x[i] = xi
    return (forward - f) / h if h != 0 else no_room(low, high)


@partial_derivative(ThreePoint)
def three_point(objective, space, x, i, f):
    """(f(x + h e_i) - f(x - h e_i)) / 2h with h about eps^(1/3) max(|x_i|, typical size); one-sided at a bound."""
    xi = x[i]
    typical, low, high = edges(space, i)
    h = np.cbrt(np.finfo(x.dtype).eps) * max(abs(xi), typical)
    if low <= xi - h and xi + h <= high:
        x[i] = xi + h
        forward, right = value_at(objective, x), x[i]
        x[i] = xi - h
        backward, left = value_at(objective, x), x[i]
        x[i] = xi
        return (forward - backward) / (right - left)
    h = roomy_step(xi, h, low, high, 2.0)
    x[i] = xi + h
    near, h1 = value_at(objective, x), x[i] - xi
    x[i] = min(max(xi + 2 * h, low), high)
    far, h2 = value_at(objective, x), x[i] - xi
    x[i] = xi
    if h1 == 0 or h1 == h2:
        return no_room(low, high)
    # the derivative at x_i of the parabola through the three points
    return ((near - f) * h2 / h1 - (far - f) * h1 / h2) / (h2 - h1)


@partial_derivative(ComplexStep)
def complex_step(objective, space, z, i, f):
    """Im f(z + ih e_i) / h: no difference is taken, so h may be tiny and the error is that of rounding."""
    zi = z[i]
    z[i] = zi + 1j * COMPLEX_STEP
    derivative = complex_value_at(objective, z).imag / COMPLEX_STEP
    z[i] = zi
    return derivative


def partial(objective: Any, space: Any, x: Any, i: int, f: Any) -> Any:
    """Derivative of the objective with respect to x_i, by its scheme."""
    return _PARTIALS[type(objective)].py_func(objective, space, x, i, f)


@target(partial)
def _partial(objective, space, x, i, f):
    function = _PARTIALS[objective.instance_class]
    return lambda objective, space, x, i, f: function(objective, space, x, i, f)


# --- the whole gradient ----------------------------------------------------------------------------------------------


def scratch(objective: Any, x: Any) -> Any:
    """A copy of x that a scheme may perturb."""
    return x.astype(complex_dtype(x)) if isinstance(objective, ComplexStep) else x.copy()


@target(scratch)
def _scratch(objective, x):
    if objective.instance_class is ComplexStep:
        dtype = np.complex64 if x.dtype == types.float32 else np.complex128
        return lambda objective, x: x.astype(dtype)
    return lambda objective, x: x.copy()


def complex_dtype(x: Any) -> Any:
    """The complex dtype of the precision of x."""
    return np.complex64 if x.dtype == np.float32 else np.complex128


@kernel
def _partials(objective, space, x, g, f, lo, hi):
    work = scratch(objective, x)
    for i in range(lo, hi):
        g[i] = partial(objective, space, work, i, f)


@kernel
def _guarded_partials(objective, space, x, g, f, lo, hi):
    """Whether all went well: what an objective raises must not reach a parallel region."""
    try:
        _partials(objective, space, x, g, f, lo, hi)
    except Exception:
        return False
    return True


@parallel_kernel
def _parallel_partials(objective, space, x, g, f, lo, hi, well):
    for b in prange(well.size):
        first, last = lo + b * (hi - lo) // well.size, lo + (b + 1) * (hi - lo) // well.size
        well[b] = _guarded_partials(objective, space, x, g, f, first, last)


def partials(objective: Any, space: Any, x: Any, g: Any, f: float, lo: int, hi: int) -> None:
    """Fill g[lo:hi], on the team of threads that the objective names."""
    _partials.py_func(objective, space, x, g, f, lo, hi)


@target(partials)
def _partials_by_team(objective, space, x, g, f, lo, hi):
    def parallel(objective, space, x, g, f, lo, hi):
        well = np.empty(min(hi - lo, 4 * objective.team), np.bool_)
        _parallel_partials(objective, space, x, g, f, lo, hi, well)
        if well.sum() < well.size:
            _partials(objective, space, x, g, f, lo, hi)  # where a thread met an exception: here it propagates

    return _partials.py_func if _team(objective) is None else parallel


def _team(objective):
    """Type of the team of a compiled objective; None for no team."""
    ty = objective[objective.fields.index("team")]
    return None if isinstance(ty, types.NoneType) else ty


# --- evaluating, in portions ------------------------------------------------------------------------------------------

TO_MOVE, TO_EVALUATE, TO_DIFFERENTIATE = 0, 1, 2
"""What is to be done next: `stage` in the record of the progress."""


def evaluations(scheme: type, n: int) -> int:
    """Evaluations of fun that one value and gradient take."""
    return {Gradient: 1, TwoPoint: n + 1, ThreePoint: 2 * n + 1, ComplexStep: n + 1}[scheme]


def evaluate(objective: Any, space: Any, x: Any, g: Any, n: int, p: Any, budget: int) -> int:
    """Go on with value and gradient at x for about `budget` evaluations of fun; how many it took.

    When all is done, the stage is TO_MOVE. One evaluation is the least portion, so that an objective that takes
    seconds can be interrupted between any two.
    """
    return (_given if isinstance(objective, Gradient) else _differences)(objective, space, x, g, n, p, budget)


@target(evaluate)
def _evaluate(objective, space, x, g, n, p, budget):
    return _given if objective.instance_class is Gradient else _differences


def _given(objective, space, x, g, n, p, budget):
    p["f"] = gradient_at(objective, x, g, n)
    p["nfev"] += 1
    p["njev"] += 1
    p["stage"] = TO_MOVE
    return 1


def _differences(objective, space, x, g, n, p, budget):
    at, gradient = array_at(x, n), array_at(g, n)
    left = budget
    if p["stage"] == TO_EVALUATE:
        p["f"] = value_at(objective, at)
        p["nfev"] += 1
        p["done"] = 0
        p["stage"] = TO_DIFFERENTIATE
        left -= 1
    per_partial, least = portions(objective)
    count = min(n - p["done"], max(left // per_partial, least if left == budget else 0))
    if count > 0:
        partials(objective, owned(space, n), at, gradient, float(p["f"]), p["done"], p["done"] + count)
        p["nfev"] += per_partial * count
        p["done"] += count
        left -= per_partial * count
    if p["done"] == n:
        p["njev"] += 1
        p["stage"] = TO_MOVE
    return budget - left


def portions(objective: Any) -> tuple[int, int]:
    """Evaluations per partial derivative, and how many derivatives to take at once at least."""
    return evaluations(type(objective), 1) - 1, 1


@target(portions)
def _portions(objective):
    per_partial = evaluations(objective.instance_class, 1) - 1
    if _team(objective) is None:
        return lambda objective: (per_partial, 1)
    return lambda objective: (per_partial, objective.team)


def array_at(x: Any, n: int) -> Any:
    """x as an array: it is one in Python, and a pointer to n elements in compiled code."""
    return x


@target(array_at)
def _array_at(x, n):
    return lambda x, n: vector(x, n)
