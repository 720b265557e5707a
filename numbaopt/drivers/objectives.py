"""The objective of a solver at a point: compiled code by address, or Python behind a callback; evaluations are counted.

The gradient of a variable whose bounds are equal is given as 0, so that no solver moves it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .._arguments import call_c, call_real
from .._compile import part, target
from .._memory import borrow, line
from ..linear.vectors import copy
from .evaluation import (
    Gradient,
    ThreePoint,
    TwoPoint,
    gradient_at,
    no_room,
    partials,
    portions,
    roomy_step,
    value_at,
)

LOSSES = ("linear", "soft_l1", "huber", "cauchy", "arctan")
"""Losses of residuals, by the names that scipy gives them."""


class Value(NamedTuple):
    """No gradient: `value(x, args)` alone."""

    value: Any
    args: int


class PythonValue(NamedTuple):
    """A function of Python behind a callback that reads `x` and returns the value."""

    call: int
    x: Any


class PythonGradient(NamedTuple):
    """The same with its gradient, which the callback puts into `g`; that takes `cost` evaluations."""

    call: int
    x: Any
    g: Any
    cost: int


class Curved(NamedTuple):
    """A `Gradient` with the products of the Hessian: `product(x, v, out, args)` fills out."""

    gradient: Any
    args: int
    product: Any


class CurvedByMatrix(NamedTuple):
    """A `Gradient` with the Hessian: `hessian(x, H, args)` fills the n^2 numbers at H."""

    gradient: Any
    args: int
    hessian: Any


class PythonCurved(NamedTuple):
    """A `PythonGradient` whose callback, asked for 1, also fills `out` with the product of the Hessian and `v`."""

    call: int
    x: Any
    g: Any
    cost: int
    v: Any
    out: Any


class Residuals(NamedTuple):
    """`residuals(x, r, args)` fills r; `jacobian(x, r, J, args)` J, of shape (n, m): dr_k/dx_i at [i, k]."""

    residuals: Any
    jacobian: Any
    args: int
    m: int
    both: int  # whether `jacobian` fills r as well


class ResidualDifferences(NamedTuple):
    """Residuals alone: the Jacobian is taken by forward differences."""

    residuals: Any
    args: int
    m: int


class PythonResiduals(NamedTuple):
    """The same behind a callback that reads `x`, and fills `r` (asked for 0) or J (for 1), at `cost` evaluations."""

    call: int
    x: Any
    r: Any
    J: Any
    cost: int
    m: int


def has_gradient(objective: Any) -> bool:
    """Whether an objective, or its type, has a gradient."""
    return getattr(objective, "instance_class", type(objective)) not in (Value, PythonValue)


def has_residuals(objective: Any) -> bool:
    """Whether an objective, or its type, is a vector of residuals."""
    kinds = (Residuals, ResidualDifferences, PythonResiduals)
    return getattr(objective, "instance_class", type(objective)) in kinds


# --- numbers ---------------------------------------------------------------------------------------------------------


def evaluate(objective: Any, box: Any, x: Any, g: Any, p: Any) -> float:
    """The objective at x; its gradient is put into g where it has one."""


@target(evaluate)
def _evaluate(objective, box, x, g, p):
    return {
        Gradient: _given,
        Curved: _given,
        CurvedByMatrix: _given,
        PythonCurved: _python_gradient,
        Value: _value_alone,
        PythonValue: _python_value,
        PythonGradient: _python_gradient,
    }.get(objective.instance_class, _differences)


def _given(objective, box, x, g, p):
    f = gradient_at(objective, borrow(x), borrow(g), x.size)
    p.nfev += 1
    p.njev += 1
    hold_fixed(box, g)
    return f


def _value_alone(objective, box, x, g, p):
    p.nfev += 1
    return value_at(objective, x)


def _differences(objective, box, x, g, p):
    f = value_at(objective, x)
    partials(objective, box, x, g, f, 0, x.size)
    p.nfev += 1 + portions(objective)[0] * x.size
    p.njev += 1
    return f


def _python_value(objective, box, x, g, p):
    copy(x, objective.x)
    p.nfev += 1
    return call_c(objective.call, 0.0)


def _python_gradient(objective, box, x, g, p):
    copy(x, objective.x)
    f = call_c(objective.call, 0.0)
    copy(objective.g, g)
    p.nfev += objective.cost
    p.njev += 1
    hold_fixed(box, g)
    return f


@part
def hold_fixed(box, g):
    """No gradient where the bounds are equal."""
    for i in range(g.size):
        if box.lower[i] == box.upper[i]:
            g[i] = 0


# --- products with the Hessian ---------------------------------------------------------------------------------------


def hessian_at(objective: Any, x: Any, H: Any, p: Any) -> None:
    """Fill H, where the objective has the matrix; to be called at a new x, before `product_at`."""


@target(hessian_at)
def _hessian_at(objective, x, H, p):
    def matrix(objective, x, H, p):
        call_real(objective.hessian, x.size, (borrow(x), H, objective.args))
        p.nhev += 1

    return matrix if objective.instance_class is CurvedByMatrix else lambda objective, x, H, p: None


def product_at(objective: Any, box: Any, x: Any, g: Any, H: Any, v: Any, out: Any, room: Any, p: Any) -> None:
    """Fill `out` with the product of the Hessian at x, where the gradient is g, and v; room is for two vectors."""


@target(product_at)
def _product_at(objective, box, x, g, H, v, out, room, p):
    return {
        Curved: _given_product,
        CurvedByMatrix: _matrix_product,
        PythonCurved: _python_product,
    }.get(objective.instance_class, _differenced_product)


def _given_product(objective, box, x, g, H, v, out, room, p):
    call_real(objective.product, x.size, (borrow(x), borrow(v), borrow(out), objective.args))
    p.nhev += 1
    hold_fixed(box, out)


def _matrix_product(objective, box, x, g, H, v, out, room, p):
    for i in range(x.size):
        out[i] = 0
        for j in range(x.size):
            out[i] += H[i * x.size + j] * v[j]
    hold_fixed(box, out)


def _python_product(objective, box, x, g, H, v, out, room, p):
    copy(x, objective.x)
    copy(v, objective.v)
    call_c(objective.call, 1.0)
    copy(objective.out, out)
    p.nhev += 1
    hold_fixed(box, out)


def _differenced_product(objective, box, x, g, H, v, out, room, p):
    """(g(x + h v) - g(x)) / h, where h |v / D| = sqrt(error of g) (1 + |x / D|), D the scales of x."""
    size = length = 0.0
    for i in range(x.size):
        size = max(size, abs(x[i] / box.scale[i]))
        length = max(length, abs(v[i] / box.scale[i]))
    h = np.sqrt(gradient_error(objective, np.finfo(x.dtype).eps)) * (1 + size) / length
    for i in range(x.size):
        room[0][i] = x[i] + h * v[i]
    evaluate(objective, box, room[0], room[1], p)
    for i in range(x.size):
        out[i] = (room[1][i] - g[i]) / h
    hold_fixed(box, out)


def gradient_error(objective: Any, eps: float) -> float:
    """The relative error of a gradient: by differences it is that of their best step."""


@target(gradient_error)
def _gradient_error(objective, eps):
    if objective.instance_class is PythonGradient:
        return lambda objective, eps: eps if objective.cost == 1 else np.sqrt(eps)
    return {
        TwoPoint: lambda objective, eps: np.sqrt(eps),
        ThreePoint: lambda objective, eps: eps ** (2 / 3),
    }.get(objective.instance_class, lambda objective, eps: eps)


# --- residuals -------------------------------------------------------------------------------------------------------


def residuals_at(objective: Any, x: Any, r: Any, p: Any) -> None:
    """Fill r with the residuals at x."""


@target(residuals_at)
def _residuals_at(objective, x, r, p):
    def compiled(objective, x, r, p):
        call_real(objective.residuals, x.size, (x, r, objective.args))
        p.nfev += 1

    def python(objective, x, r, p):
        copy(x, objective.x)
        call_c(objective.call, 0.0)
        copy(objective.r, r)
        p.nfev += 1

    return python if objective.instance_class is PythonResiduals else compiled


def gives_both(objective: Any) -> bool:
    """Whether the residuals come with the Jacobian."""


@target(gives_both)
def _gives_both(objective):
    if objective.instance_class is Residuals:
        return lambda objective: objective.both != 0
    return lambda objective: False


def jacobian_at(objective: Any, box: Any, x: Any, r: Any, J: Any, p: Any) -> None:
    """Fill J, of shape (n, m), with the derivatives of the residuals at x, which r has."""


@target(jacobian_at)
def _jacobian_at(objective, box, x, r, J, p):
    return {
        Residuals: _exact_jacobian,
        ResidualDifferences: _differenced_jacobian,
        PythonResiduals: _python_jacobian,
    }[objective.instance_class]


def _exact_jacobian(objective, box, x, r, J, p):
    call_real(objective.jacobian, x.size, (x, r, J, objective.args))
    p.njev += 1


def _differenced_jacobian(objective, box, x, r, J, p):
    """Forward differences with steps of about sqrt(eps) max(|x_i|, typical size), inside the bounds."""
    for i in range(x.size):
        xi, low, high = x[i], box.lower[i], box.upper[i]
        h = np.sqrt(np.finfo(x.dtype).eps) * max(abs(xi), box.scale[i])
        x[i] = min(max(xi + roomy_step(xi, h, low, high, 1.0), low), high)
        h = x[i] - xi
        call_real(objective.residuals, x.size, (x, line(J, i), objective.args))
        x[i] = xi
        for k in range(r.size):
            J[i, k] = (J[i, k] - r[k]) / h if h != 0 else no_room(low, high)
    p.nfev += x.size
    p.njev += 1


def _python_jacobian(objective, box, x, r, J, p):
    copy(x, objective.x)
    call_c(objective.call, 1.0)
    for i in range(x.size):
        copy(line(objective.J, i), line(J, i))
    p.nfev += objective.cost
    p.njev += 1
