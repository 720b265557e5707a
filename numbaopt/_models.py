"""A model f(x, a, b, ...) and data as residuals with their Jacobian, for compiled solvers.

r_k = w_k (f(x_k, a, b, ...) - y_k), or r = W (f - y) with a matrix W. Where w_k = 0 nothing is read: a missing value.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba.core import types

from . import autodiff
from ._arguments import load_args
from ._compile import target, user_part
from ._compiled_objective import Code, _compiled, _remembered
from ._errors import name_of
from ._inspection import return_type
from ._memory import line
from ._residuals import matrix_of
from .autodiff.front import defined
from .autodiff.jacobians import tangent_function

RESIDUALS = """
xdata, y, w = load(args)
f = model(xdata, {parameters})
weigh_residuals(f, y, w, r)
return 0.0
"""

TANGENTS = """
xdata, y, w = load(args)
zero, one = x.dtype.type(0), x.dtype.type(1)
found = tangents(xdata, {parameters}, {seeds})
weigh_residuals(found[0], y, w, r)
weigh_columns(found[1:], w, J)
return 0.0
"""

GIVEN = """
xdata, y, w = load(args)
weigh_matrix(jac(xdata, {parameters}), w, J)
return 0.0
"""


class ModelCode(NamedTuple):
    """The compiled residuals of a model, and their Jacobian; None where it has to be taken by differences."""

    residuals: Code
    jacobian: Code | None
    why: str  # it is not exact, or ""


def model_code(f: Any, jac: Any, vector: Any, n: int, load: Any, data_types: tuple) -> ModelCode:
    """Residuals and Jacobian of the compiled model `f` with n parameters, for data of these types.

    `load` makes (xdata, y, w) of an address. `jac` is a compiled function, "2-point", or None for the exact one where
    that can be had, "autodiff" where it must.
    """
    xdata, (number, parameters) = data_types[0], (vector.dtype, ", ".join(f"x[{i}]" for i in range(n)))
    given = (xdata, *[number] * n)
    key = vector, n, data_types

    def residuals() -> Code:
        require_values(return_type(f, given, "f"), f)
        functions = {"model": f, "load": load, "weigh_residuals": _weigh_residuals_compiled}
        return _wrapped(f, RESIDUALS.format(parameters=parameters), functions, vector, vector, types.intp)

    def exact() -> Code:
        tangents = tangent_function(f, given, tuple(range(1, n + 1)), n)
        seeds = ", ".join("one" if i == k else "zero" for i in range(n) for k in range(n))
        text = TANGENTS.format(parameters=parameters, seeds=seeds)
        functions = {
            "tangents": tangents,
            "load": load,
            "weigh_residuals": _weigh_residuals_compiled,
            "weigh_columns": _weigh_columns_compiled,
        }
        return _wrapped(f, text, functions, vector, vector, matrix_of(vector), types.intp)

    def by_user() -> Code:
        functions = {"jac": jac, "load": load, "weigh_matrix": _weigh_matrix_compiled}
        text = GIVEN.format(parameters=parameters)
        return _wrapped(jac, text, functions, vector, vector, matrix_of(vector), types.intp)

    code = _remembered((f,), ("model", load, *key), residuals)
    if callable(jac):
        return ModelCode(code, _remembered((jac,), ("model jacobian", load, *key), by_user), "")
    if jac == "2-point":
        return ModelCode(code, None, "")
    try:
        return ModelCode(code, _remembered((f,), ("exact model jacobian", load, *key), exact), "")
    except autodiff.NotDifferentiable as refusal:
        if jac == "autodiff":
            raise
        return ModelCode(code, None, str(refusal))


def _wrapped(owner: Any, text: str, functions: dict, *parameters: Any) -> Code:
    names = ["x", "r", "args"] if len(parameters) == 3 else ["x", "r", "J", "args"]
    return _compiled(owner, defined(names, text.strip().splitlines(), **functions), types.float64, *parameters)


_loaders: dict[Any, Any] = {}

LOAD = """
found = load_args(address, args_type)
return found[{0}], found[{1}], found[{2}]
"""


def loader(args_type: Any, order: tuple[int, ...] = (0, 1, 2)) -> Any:
    """What makes (xdata, y, w) of the address of arguments of this type, where `order` says; one object for each."""
    if (args_type, order) not in _loaders:
        lines = LOAD.format(*order).strip().splitlines()
        _loaders[args_type, order] = user_part(defined(["address"], lines, load_args=load_args, args_type=args_type))
    return _loaders[args_type, order]


def require_values(ty: Any, f: Any) -> None:
    """An error unless `ty`, which the model returns, is a vector of real numbers, or one number for all points."""
    scalar = ty.dtype if isinstance(ty, types.Array) and ty.ndim == 1 else ty
    if not isinstance(scalar, (types.Float, types.Integer)):
        raise TypeError(f"{name_of(f)} must return a vector of real numbers, one for each point, not {ty}.")


# --- weights ---------------------------------------------------------------------------------------------------------


def element(found: Any, k: int) -> Any:
    """The k-th value of a model, which may be one number for all points."""


@target(element)
def _element(found, k):
    return (lambda found, k: found[k]) if isinstance(found, types.Array) else (lambda found, k: found)


def require_length(found: Any, m: int) -> None:
    """An error unless the model has m values."""


@target(require_length)
def _require_length(found, m):
    def check(found, m):
        if found.size != m:
            raise ValueError("f must return as many values as there are data points")

    return check if isinstance(found, types.Array) else (lambda found, m: None)


def weigh(w: Any, found: Any, out: Any) -> None:
    """out = w * found, or W found for a lower triangular matrix; `found` may be one number, or `out` itself."""


@target(weigh)
def _weigh(w, found, out):
    def by_elements(w, found, out):
        for k in range(out.size):
            weight, value = w[k], element(found, k)  # both are read, whatever they are: so the loop is vectorised
            out[k] = weight * value if weight != 0 else 0

    def by_matrix(w, found, out):
        for k in range(out.size):
            out[k] = element(found, k)
        for i in range(w.shape[0] - 1, -1, -1):
            total = 0.0
            for k in range(i + 1):
                total += w[i, k] * out[k]
            out[i] = total

    return by_elements if w.ndim == 1 else by_matrix


@user_part
def _weigh_residuals_compiled(f, y, w, r):
    require_length(f, r.size)
    for k in range(r.size):
        r[k] = element(f, k) - y[k]
    weigh(w, r, r)


@user_part
def _weigh_columns_compiled(columns, w, J):
    for i in range(J.shape[0]):
        weigh(w, columns[i], line(J, i))


@user_part
def _weigh_matrix_compiled(given, w, J):
    if given.shape[0] != J.shape[1] or given.shape[1] != J.shape[0]:
        raise ValueError("jac must return a matrix with a row for each data point and a column for each parameter")
    for i in range(J.shape[0]):
        weigh(w, given[:, i], line(J, i))


def plain_residuals_of(f: Any, xdata: Any, y: np.ndarray, w: np.ndarray) -> Any:
    """The residuals of a Python model as a function of its parameters."""

    def residuals(p: np.ndarray) -> np.ndarray:
        found = np.broadcast_to(np.asarray(f(xdata, *p), dtype=p.dtype), y.shape) - y
        return np.where(w == 0, 0, w * found) if w.ndim == 1 else w @ found

    return residuals
