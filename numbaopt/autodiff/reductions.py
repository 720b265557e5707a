"""Adjoints of NumPy's functions from an array to a number, along an axis, and running ones."""

from __future__ import annotations

from typing import Any

from .refusal import refuse
from .rules_of_arrays import Call, number, rule
from .syntax import text_of


def _on_flat(c: Call, text: str) -> list[str]:
    """Code for a vector, with {s} for its shadow and {a} for it, used on an array of any dimension."""
    (a,) = c.given("a")
    name, ndim = text_of(a), c.ndim(a)
    if ndim == 1:
        return c.lines((a, text.replace("{a}", name)))
    if ndim not in (2, 3):
        c.refuse("use an array of one to three dimensions")
    flat, values = c.new("flat"), c.new("values")
    return [
        f"{values} = {name}.flatten()",
        f"{flat} = np.zeros_like({values})",
        text.replace("{a}", values).replace("{s}", flat),
        *c.lines((a, f"add_{ndim}d({{s}}, {flat}.reshape({name}.shape))")),
    ]


@rule("sum")
def _sum(c: Call) -> list[str]:
    """Sums over an axis; those over all of an array have a form of their own."""
    a, axis_given = c.given("a axis")
    ndim, axis = c.ndim(a), number(axis_given)
    if axis_given is None or axis is None or not -ndim <= axis < ndim <= 3:
        refuse(c.node, f"`{text_of(c.node)}`", "np.sum over all elements, or over one axis that is a number")
    if ndim == 1:
        return c.lines((a, f"add_number_1d({{s}}, {c.g})"))
    return c.lines((a, f"add_sum_{ndim}d_axis{axis % ndim}({{s}}, {c.g})"))


@rule("prod")
def _prod(c: Call) -> list[str]:
    return _on_flat(c, f"prod_adjoint({{s}}, {{a}}, {c.g})")


@rule("max", "min", "amax", "amin")
def _extreme(c: Call) -> list[str]:
    """All to the first element that is the largest, or the smallest."""
    return _on_flat(c, f"add_at_first({{s}}, {{a}}, {c.result}, {c.g})")


@rule("ptp")
def _range(c: Call) -> list[str]:
    """max - min."""
    return _on_flat(c, f"ptp_adjoint({{s}}, {{a}}, {c.g})")


@rule("median")
def _median(c: Call) -> list[str]:
    """The element in the middle, or the mean of two."""
    return _on_flat(c, f"median_adjoint({{s}}, {{a}}, {c.g})")


@rule("var")
def _var(c: Call) -> list[str]:
    """sum (a - mean)^2 / n."""
    return _on_flat(c, f"spread_1d({{s}}, {{a}}, np.mean({{a}}), 2.0 * {c.g} / {{a}}.size)")


@rule("std")
def _std(c: Call) -> list[str]:
    """The root of the variance; 0 where that is 0."""
    return _on_flat(c, f"spread_1d({{s}}, {{a}}, np.mean({{a}}), over({c.g}, {c.result} * {{a}}.size))")


@rule("average")
def _average(c: Call) -> list[str]:
    """sum(w a) / sum(w), for weights w that are given or 1."""
    a, _, weights = c.given("a axis weights")
    if c.ndim(a) != 1 or len(c.arguments) > 1 or any(k.arg == "axis" for k in c.node.keywords):
        c.refuse("np.sum(w * a) / np.sum(w)")
    if weights is None:
        return c.lines((a, f"add_number_1d({{s}}, {c.g} / {text_of(a)}.size)"))
    w = c.constant(weights)
    return c.lines((a, f"add_scaled({{s}}, {c.g} / np.sum({w}), {w})"))


@rule("cumsum")
def _cumsum(c: Call) -> list[str]:
    """g of an element goes to all before it."""
    a, axis_given = c.given("a axis")
    if axis_given is None:
        return _on_flat(c, f"cumsum_adjoint({{s}}, {c.g})")
    ndim, axis = c.ndim(a), number(axis_given)
    if ndim == 1 and axis in (0, -1):
        return c.lines((a, f"cumsum_adjoint({{s}}, {c.g})"))
    if ndim != 2 or axis not in (0, 1, -1, -2):
        c.refuse("np.cumsum of each row")
    turned = ".T" if axis in (0, -2) else ""
    return c.lines((a, f"cumsum_rows_adjoint({{s}}{turned}, {c.g}{turned})"))


@rule("cumprod")
def _cumprod(c: Call) -> list[str]:
    return _on_flat(c, f"cumprod_adjoint({{s}}, {{a}}, {c.result}, {c.g})")


@rule("diff")
def _diff(c: Call) -> list[Any]:
    """a[1:] - a[:-1], along the last axis."""
    a, times = c.given("a n")
    ndim = c.ndim(a)
    if number(times, 1) != 1 or ndim not in (1, 2, 3):
        c.refuse("np.diff of np.diff")
    first = ":, " * (ndim - 1)
    add, subtract = f"add_{ndim}d({{s}}[{first}1:], {c.g})", f"add_{ndim}d({{s}}[{first}:-1], -{c.g})"
    return c.lines((a, add), (a, f"subtract_1d({{s}}[:-1], {c.g})" if ndim == 1 else subtract))


@rule("trapezoid")
def _trapezoid(c: Call) -> list[str]:
    """sum (y[i] + y[i+1]) / 2 * (x[i+1] - x[i]), over known places x, or ones that are dx apart."""
    y, x, dx = c.given("y x dx")
    if c.ndim(y) != 1:
        c.refuse("write the sum over the last axis")
    if x is None:
        return c.lines((y, f"trapezoid_adjoint({{s}}, {c.g} * {'1.0' if dx is None else c.constant(dx)})"))
    if c.ndim(x) != 1:
        c.refuse("pass the places as a vector, or their distance as `dx`")
    return c.lines((y, f"trapezoid_at_adjoint({{s}}, {c.constant(x)}, {c.g})"))
