"""numbaopt: minimise functions fast.

`minimize(fun, x0, method="adamw")` has scipy's face, torch's arithmetic, and where `fun` is compiled by numba no Python
runs between the first iteration and the last.
"""

from typing import Any

from . import _nopython as _nopython
from . import autodiff, methods, nopython, schedules, solvers
from ._batch_result import BatchResult
from ._bootstrap import bootstrap
from ._check_grad import check_grad
from ._confidence import confidence_intervals
from ._curve_fit import curve_fit, least_squares
from ._curve_fit_batch import curve_fit_batch
from ._dispatch import fields, scalar_rule
from ._minimize import minimize
from ._minimize_batch import minimize_batch
from ._multistart import multistart
from ._rule import (
    METHODS,
    hyperparameters,
    inner_gradient,
    method_class,
    method_names,
    per_iteration,
    readout,
    summed,
    update_rule,
    with_sums,
)
from ._solver import SOLVERS, solver_class, solver_names
from ._status import Status
from ._stepper import Stepper
from .autodiff import checkpoint, grad, hessian, hvp, jacobian, register_vjp, value_and_grad
from .rules.adadelta import Adadelta
from .rules.adam import Adam
from .rules.adamw import AdamW
from .rules.sparseadam import SparseAdam

__version__ = "0.1.0"

__all__ = [
    "Adadelta",
    "Adam",
    "AdamW",
    "BatchResult",
    "SparseAdam",
    "Status",
    "Stepper",
    "autodiff",
    "bootstrap",
    "check_grad",
    "checkpoint",
    "confidence_intervals",
    "curve_fit",
    "curve_fit_batch",
    "fields",
    "grad",
    "hessian",
    "hvp",
    "hyperparameters",
    "inner_gradient",
    "jacobian",
    "least_squares",
    "method_names",
    "methods",
    "minimize",
    "minimize_batch",
    "multistart",
    "nopython",
    "per_iteration",
    "readout",
    "register_vjp",
    "scalar_rule",
    "schedules",
    "solver_names",
    "solvers",
    "summed",
    "update_rule",
    "value_and_grad",
    "with_sums",
]


def __getattr__(name: str) -> Any:
    """Methods that have a file in `rules` and no line here."""
    cls = method_class(name) or solver_class(name)
    if cls is None or cls.__name__ != name:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return cls


def __dir__() -> list[str]:
    """What there is, all methods included."""
    return sorted({*__all__, *(cls.__name__ for cls in (*METHODS.values(), *SOLVERS))})
