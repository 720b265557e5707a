"""Adjoints of NumPy's functions that put elements of arrays into new arrays, or choose and weigh them."""

from __future__ import annotations

import ast
from typing import Any

from .rules_of_arrays import Call, number, rule
from .syntax import text_of


@rule("copy", "flatten")
def _copy(c: Call) -> list[str]:
    (a,) = c.given("a")
    ndim = c.ndim(a)
    if ndim > 1 and c.node.rule == "flatten":
        return c.lines((a, f"add_{ndim}d({{s}}, {c.g}.reshape({text_of(a)}.shape))"))
    return c.lines((a, f"add_{ndim}d({{s}}, {c.g})"))


@rule("array")
def _array(c: Call) -> list[str]:
    """An array made of numbers."""
    a, _ = c.given("object dtype")
    if isinstance(a, ast.Name):
        return c.lines((a, f"add_{c.ndim(a)}d({{s}}, {c.g})"))
    lines: list[str] = []
    for i, part in enumerate(a.elts):
        if isinstance(part, (ast.List, ast.Tuple)):
            for j, element in enumerate(part.elts):
                if isinstance(element, (ast.List, ast.Tuple)):
                    c.refuse("make an array of zeros and assign its elements")
                lines += c.lines((element, f"{{s}} += {c.g}[{i}, {j}]"))
        elif c.ndim(part):
            lines += c.lines((part, f"add_{c.ndim(part)}d({{s}}, {c.g}[{i}])"))
        else:
            lines += c.lines((part, f"{{s}} += {c.g}[{i}]"))
    return lines


@rule("full", "full_like")
def _full(c: Call) -> list[str]:
    shape = "a" if c.node.rule == "full_like" else "shape"
    _, value, _ = c.given(f"{shape} fill_value dtype", 2)
    return c.lines((value, f"{{s}} += np.sum({c.g})"))


@rule("linspace")
def _linspace(c: Call) -> list[str]:
    """a + (b - a) k / (n - 1)."""
    a, b, _ = c.given("start stop num", 2)
    return c.lines((a, f"{{s}} += linspace_from({c.g})"), (b, f"{{s}} += linspace_to({c.g})"))


# --- joined ----------------------------------------------------------------------------------------------------------


def _parts(c: Call, given: Any) -> list[Any]:
    if not isinstance(given, (ast.Tuple, ast.List)):
        c.refuse("write the arrays as a tuple")
    return given.elts


def _joined(c: Call, parts: list[Any], axis: int) -> list[str]:
    """Arrays one after the other along an axis; those with a dimension less are one further each."""
    ndim = max(c.ndim(p) for p in parts)
    lines: list[str] = []
    start = "0"
    for p in parts:
        own = c.ndim(p)
        size = "1" if own < ndim else f"{text_of(p)}.shape[{axis}]"
        end = size if start == "0" else f"{start} + {size}"
        place = ", ".join([":"] * axis + [start if own < ndim else f"{start}:{end}"])
        lines += c.lines((p, f"add_{own}d({{s}}, {c.g}[{place}])"))
        start = end
    return lines


@rule("concatenate")
def _concatenate(c: Call) -> list[str]:
    given, axis_given = c.given("arrays axis")
    parts, axis = _parts(c, given), number(axis_given, 0)
    ndim = c.ndim(parts[0])
    if axis is None or not -ndim <= axis < ndim <= 3:
        c.refuse("use arrays of one to three dimensions and an axis that is a number")
    return _joined(c, parts, axis % ndim)  # type: ignore[operator]


@rule("hstack", "vstack", "column_stack")
def _stacked(c: Call) -> list[str]:
    """Side by side or one below the other; vectors are rows of vstack and columns of column_stack."""
    (given,) = c.given("tup")
    parts = _parts(c, given)
    if max(c.ndim(p) for p in parts) > 2:
        c.refuse("use np.concatenate with an axis")
    vectors = all(c.ndim(p) == 1 for p in parts)
    if vectors and c.node.rule != "hstack":
        return _new_axis(c, parts, 0 if c.node.rule == "vstack" else 1)
    return _joined(c, parts, 0 if vectors or c.node.rule == "vstack" else 1)


@rule("stack")
def _stack(c: Call) -> list[str]:
    given, axis_given = c.given("arrays axis")
    parts, axis = _parts(c, given), number(axis_given, 0)
    ndim = c.ndim(parts[0]) + 1
    if axis is None or not -ndim <= axis < ndim <= 4:
        c.refuse("use an axis that is a number")
    return _new_axis(c, parts, axis % ndim)  # type: ignore[operator]


def _new_axis(c: Call, parts: list[Any], axis: int) -> list[str]:
    places = [", ".join([":"] * axis + [str(i)]) for i in range(len(parts))]
    pairs = zip(parts, places, strict=True)
    return [line for p, at in pairs for line in c.lines((p, f"add_{c.ndim(p)}d({{s}}, {c.g}[{at}])"))]


@rule("append")
def _append(c: Call) -> list[str]:
    a, more = c.given("arr values", 2)
    if c.ndim(a) != 1 or c.ndim(more) > 1:
        c.refuse("use np.concatenate")
    size = f"{text_of(a)}.size"
    tail = f"add_1d({{s}}, {c.g}[{size}:])" if c.ndim(more) else f"{{s}} += {c.g}[{size}]"
    return c.lines((a, f"add_1d({{s}}, {c.g}[:{size}])"), (more, tail))


# --- chosen ----------------------------------------------------------------------------------------------------------


@rule("take")
def _take(c: Call) -> list[str]:
    """a[positions]."""
    a, at = c.given("a indices", 2)
    if c.ndim(a) != 1 or c.ndim(at) > 1:
        c.refuse("use `a[positions]`")
    positions = text_of(at)
    return c.lines((a, f"gather_adjoint({{s}}, {positions}, {c.g})" if c.ndim(at) else f"{{s}}[{positions}] += {c.g}"))


@rule("sort")
def _sort(c: Call) -> list[str]:
    """a[np.argsort(a)]."""
    (a,) = c.given("a")
    if c.ndim(a) != 1:
        c.refuse("sort one vector at a time")
    return c.lines((a, f"gather_adjoint({{s}}, np.argsort({text_of(a)}), {c.g})"))


@rule("roll")
def _roll(c: Call) -> list[str]:
    a, shift = c.given("a shift", 2)
    return c.lines((a, f"add_{c.ndim(a)}d({{s}}, np.roll({c.g}, -{text_of(shift)}))"))


@rule("repeat")
def _repeat(c: Call) -> list[str]:
    a, times = c.given("a repeats", 2)
    if c.ndim(a) != 1 or c.ndim(times) != 0:
        c.refuse("repeat a vector by a number")
    return c.lines((a, f"repeat_adjoint({{s}}, {text_of(times)}, {c.g})"))


@rule("triu", "tril")
def _triangle(c: Call) -> list[str]:
    a, k = c.given("m k")
    if c.ndim(a) != 2:
        c.refuse("use a matrix")
    return c.lines((a, f"add_2d({{s}}, np.{c.node.rule}({c.g}, {'0' if k is None else text_of(k)}))"))


@rule("diag")
def _diag(c: Call) -> list[str]:
    """A matrix with a diagonal, or the diagonal of a matrix."""
    a, k = c.given("v k")
    offset = "0" if k is None else text_of(k)
    if c.ndim(a) == 1:
        return c.lines((a, f"add_1d({{s}}, np.diag({c.g}, {offset}))"))
    return c.lines((a, f"add_diagonal({{s}}, {offset}, {c.g})"))


@rule("clip")
def _clip(c: Call) -> list[str]:
    """Where the element is between the bounds."""
    a, low, high = c.given("a a_min a_max", 3)
    if any(b is not None and c.ndim(b) for b in (low, high)) or c.ndim(a) not in (1, 2, 3):
        c.refuse("np.minimum(np.maximum(a, low), high)")
    bounds = [inf if _is_none(b) else c.constant(b) for b, inf in ((low, "-np.inf"), (high, "np.inf"))]
    inside = f"({bounds[0]} <= {text_of(a)}) & ({text_of(a)} <= {bounds[1]})"
    return c.lines((a, f"add_{c.ndim(a)}d({{s}}, np.where({inside}, 1.0, 0.0) * {c.g})"))


def _is_none(argument: Any) -> bool:
    return isinstance(argument, ast.Constant) and argument.value is None


# --- weighed ---------------------------------------------------------------------------------------------------------


@rule("interp")
def _interp(c: Call) -> list[str]:
    """Linear between known places: the slope to where it is evaluated, the weights to the values."""
    x, xp, fp = c.given("x xp fp", 3)
    if c.ndim(x) > 1:
        c.refuse("evaluate at numbers or vectors")
    known, values, at = c.constant(xp), text_of(fp), text_of(x)
    if c.ndim(x):
        slope, weights = f"interp_slopes({{s}}, {at}, {known}, {values}, {c.g})", "interp_all_weights"
    else:
        slope, weights = f"{{s}} += {c.g} * interp_slope({at}, {known}, {values})", "interp_weights"
    return c.lines((x, slope), (fp, f"{weights}({{s}}, {at}, {known}, {c.g})"))


@rule("convolve")
def _convolve(c: Call) -> list[str]:
    """r[k] = sum a[i] v[k - i]."""
    a, v = c.given("a v", 2)
    ta, tv = text_of(a), text_of(v)
    return c.lines((a, f"convolve_adjoint({{s}}, {tv}, {c.g})"), (v, f"convolve_adjoint({{s}}, {ta}, {c.g})"))
