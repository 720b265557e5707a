"""method=None: which method minimises a function, and why."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType
from typing import Any, NamedTuple

from ._options import NOT_FOR_SOLVERS, TUNED_GTOL
from .rules.adam import Adam
from .solvers.lbfgs import LBFGSB


class Choice(NamedTuple):
    """A method, the options that go with it where the user gives none, and the reason."""

    method: Any
    options: dict[str, Any]
    why: str = ""

    def completed(self, options: Any) -> Any:
        """The user's options, with those of the choice where they say nothing."""
        return self.options | dict(options or {}) if isinstance(options, (Mapping, NoneType)) else options

    def noted(self, result: Any) -> Any:
        """`result` with what was chosen, and why."""
        if self.why:
            result.choice = f"{self.method}: {self.why}"
        return result


FINE = {"gtol": TUNED_GTOL, "ftol": 1e-15, "x_scale": "auto"}
"""Until fun does not change any more: with scipy's looser tests one test problem in ten is not yet right."""

_OF_RULES = (*NOT_FOR_SOLVERS, *(name for name in Adam._fields if name not in LBFGSB._fields))


def choose(
    method: Any, options: Any, *, second_order: bool = False, bounded: bool = False, sparse: bool = False
) -> Choice:
    """`method`, or what is best where it is None; `second_order`: whether the user gives products of the Hessian."""
    if method is not None:
        return Choice(method, {})
    given = options if isinstance(options, Mapping) else {}
    if sparse:
        return Choice("sparseadam", {}, "the gradient is sparse")
    if given.get("batch_size") is not None:
        return Choice("adam", {}, "minibatches are noisy")
    for name in _OF_RULES:
        if given.get(name) is not None:
            return Choice("adam", {}, f"{name} is an option of update rules")
    if second_order and not bounded:
        return Choice("newton-cg", FINE, "second derivatives are given")
    return Choice("l-bfgs-b", FINE, "fun is taken to be smooth and free of noise")
