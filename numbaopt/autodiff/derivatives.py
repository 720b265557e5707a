"""The derivatives of functions of one and two numbers: one line per function.

{a} and {b} stand for the arguments, {r} for the result. `math` has what devices have too; the other names are in
`runtime`. Where there is no derivative one of the subgradients is taken, and 0 where the limit is infinite: abs'(0)
= 0, sqrt'(0) = 0 and (x**p)'(0) = 0 for p < 1; max and min of equal numbers go to the first of them.
"""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np

from . import runtime, runtime_arrays, runtime_linear_algebra, tangent_helpers

UNARY: dict[str, str] = {
    "exp": "{r}",
    "exp2": "0.6931471805599453 * {r}",
    "expm1": "{r} + 1.0",
    "log": "1.0 / {a}",
    "log2": "1.4426950408889634 / {a}",
    "log10": "0.4342944819032518 / {a}",
    "log1p": "1.0 / (1.0 + {a})",
    "sqrt": "half_over({r})",
    "cbrt": "third_over({r})",
    "square": "2.0 * {a}",
    "reciprocal": "-{r} * {r}",
    "sin": "math.cos({a})",
    "cos": "-math.sin({a})",
    "tan": "1.0 + {r} * {r}",
    "sinh": "math.cosh({a})",
    "cosh": "math.sinh({a})",
    "tanh": "1.0 - {r} * {r}",
    "arcsin": "1.0 / math.sqrt(1.0 - {a} * {a})",
    "arccos": "-1.0 / math.sqrt(1.0 - {a} * {a})",
    "arctan": "1.0 / (1.0 + {a} * {a})",
    "arcsinh": "1.0 / math.sqrt({a} * {a} + 1.0)",
    "arccosh": "1.0 / math.sqrt({a} * {a} - 1.0)",
    "arctanh": "1.0 / (1.0 - {a} * {a})",
    "abs": "sign({a})",
    "erf": "1.1283791670955126 * math.exp(-{a} * {a})",
    "erfc": "-1.1283791670955126 * math.exp(-{a} * {a})",
    "gamma": "{r} * digamma({a})",
    "lgamma": "digamma({a})",
    "sinc": "sinc_derivative({a})",
    "deg2rad": "0.017453292519943295",
    "rad2deg": "57.29577951308232",
    "negative": "-1.0",
    "positive": "1.0",
    "float": "1.0",
    "sign": "0.0",
    "floor": "0.0",
    "ceil": "0.0",
    "trunc": "0.0",
    "rint": "0.0",
}
SAME = {
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "asinh": "arcsinh",
    "acosh": "arccosh",
    "atanh": "arctanh",
    "fabs": "abs",
    "absolute": "abs",
    "radians": "deg2rad",
    "degrees": "rad2deg",
    "float64": "float",
    "float32": "float",
    "atan2": "arctan2",
    "pow": "power",
    "max": "maximum",
    "min": "minimum",
    "float_power": "power",
}
"""Other names of the same functions."""

BINARY: dict[str, tuple[str, str]] = {
    "add": ("1.0", "1.0"),
    "subtract": ("1.0", "-1.0"),
    "multiply": ("{b}", "{a}"),
    "divide": ("1.0 / {b}", "-{r} / {b}"),
    "power": ("power_da({a}, {b})", "power_db({a}, {b}, {r})"),
    "remainder": ("1.0", "-math.floor({a} / {b})"),
    "floor_divide": ("0.0", "0.0"),
    "maximum": ("(1.0 if {a} >= {b} else 0.0)", "(0.0 if {a} >= {b} else 1.0)"),
    "minimum": ("(1.0 if {a} <= {b} else 0.0)", "(0.0 if {a} <= {b} else 1.0)"),
    "hypot": ("over({a}, {r})", "over({b}, {r})"),
    "arctan2": ("{b} / ({a} * {a} + {b} * {b})", "-{a} / ({a} * {a} + {b} * {b})"),
    "logaddexp": ("math.exp({a} - {r})", "math.exp({b} - {r})"),
    "copysign": ("sign({a}) * sign({r})", "0.0"),
}
OPERATOR_NAMES = {
    "+": "add",
    "-": "subtract",
    "*": "multiply",
    "/": "divide",
    "**": "power",
    "%": "remainder",
    "//": "floor_divide",
}
_HOMES: tuple[Any, ...] = (np, math, builtins)


def elementary(function: Any) -> str | None:
    """The name under which a function of numbers is in the tables, or None."""
    name = getattr(function, "__name__", None)
    if name is None or not any(getattr(home, name, None) is function for home in _HOMES):
        if function in (np.float64, np.float32):
            return "float"
        return None
    if name in ("max", "min") and function is not getattr(builtins, name):
        return None  # of an array
    name = {"true_divide": "divide", "mod": "remainder", "fmod": "none"}.get(name, name)
    name = SAME.get(name, name)
    return name if name in UNARY or name in BINARY or name == "where" else None


HELPERS: dict[str, Any] = {
    name: getattr(home, name)
    for home in (runtime, runtime_arrays, runtime_linear_algebra, tangent_helpers)
    for name in home.__all__
}
"""What generated code may call."""
