"""Each method as a callable that scipy accepts: `scipy.optimize.minimize(fun, x0, method=numbaopt.methods.adamw)`.

A method object is such a callable too: `method=numbaopt.AdamW(lr=0.01)`. Both work wherever scipy's `method` is passed
on: `scipy.optimize.basinhopping(minimizer_kwargs=...)`, lmfit's `Minimizer.scalar_minimize(method=...)`. scipy does not
hand a string `jac` on to such a method; say `options={"gradient": "3-point"}` instead.

>>> import scipy.optimize
>>> from numbaopt import methods
>>> res = scipy.optimize.minimize(lambda x: ((x - 3) ** 2).sum(), [0.0], method=methods.adam, options={"lr": 0.1})
>>> res.success, res.method
(True, 'adam')
"""

from __future__ import annotations

from typing import Any

from scipy.optimize import OptimizeResult

from ._minimize import minimize
from ._rule import method_class, method_names
from ._solver import solver_class, solver_names


def call(
    method: Any,
    fun: Any,
    x0: Any,
    args: Any = (),
    jac: Any = None,
    hess: Any = None,
    hessp: Any = None,
    bounds: Any = None,
    constraints: Any = (),
    callback: Any = None,
    tol: float | None = None,
    **options: Any,
) -> OptimizeResult:
    """`numbaopt.minimize` as scipy calls a method: what is in `options` comes as keywords."""
    return minimize(fun, x0, args, method, jac, hess, hessp, bounds, constraints, tol, callback, options)


class ScipyMethod:
    """The method `name` in scipy's protocol for custom minimizers."""

    def __init__(self, name: str):
        self.__name__ = name

    def __repr__(self) -> str:
        return f"numbaopt.methods.{self.__name__}"

    def __reduce__(self) -> tuple:
        return ScipyMethod, (self.__name__,)

    def __call__(self, fun: Any, x0: Any, **given: Any) -> OptimizeResult:
        """Minimise `fun` from `x0`; see `call`."""
        return call(self.__name__, fun, x0, **given)


def __getattr__(name: str) -> ScipyMethod:
    if (method_class(name) or solver_class(name)) is None or name != name.lower():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; methods: {', '.join(__dir__())}")
    return ScipyMethod(name)


def __dir__() -> list[str]:
    return sorted(method_names() + solver_names())
