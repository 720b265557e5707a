"""numbaopt: minimise functions fast.

`minimize(fun, x0, method="adam")` has scipy's face, torch's arithmetic, and where `fun` is compiled by numba no Python
runs between the first iteration and the last.
"""

from typing import Any

from . import methods, schedules
from ._check_grad import check_grad
from ._minimize import minimize
from ._rule import hyperparameters, method_class, method_names, per_iteration, update_rule
from ._status import Status
from ._stepper import Stepper
from .rules.adadelta import Adadelta
from .rules.adam import Adam
from .rules.adamw import AdamW
from .rules.sparseadam import SparseAdam

__version__ = "0.1.0"

__all__ = [
    "Adadelta",
    "Adam",
    "AdamW",
    "SparseAdam",
    "Status",
    "Stepper",
    "check_grad",
    "hyperparameters",
    "method_names",
    "methods",
    "minimize",
    "per_iteration",
    "schedules",
    "update_rule",
]


def __getattr__(name: str) -> Any:
    """Methods that have a file in `rules` and no line here."""
    cls = method_class(name)
    if cls is None or cls.__name__ != name:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return cls
