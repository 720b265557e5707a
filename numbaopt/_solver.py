"""Solvers: methods that work on the whole vector. How one is declared, and found by name.

A solver is a file in `solvers` with its hyper-parameters and two functions that are compiled into every driver::

    @solver(needs="gradient", names=("gd",))
    class Descent(NamedTuple):                # what the user writes: Descent(first_step=0.1)
        first_step: float = 1.0

    @workspace(Descent)                       # how many numbers it keeps beside x and its gradient
    def _(h, n, m): return 1

    @begin(Descent)                           # once, when x0 has been evaluated
    def _(h, objective, box, limit, s):
        s.work[0] = h.first_step

    @iteration(Descent)                       # one iteration
    def _(h, objective, box, limit, s):
        step_from(s.x, -s.work[0], s.g, box, s.trial)
        f = evaluate(objective, box, s.trial, s.trial_g, s.p)
        if f < s.p.f:
            accept(s, f)
            s.work[0] *= 2
            return RUNNING
        s.work[0] /= 2
        return RUNNING if s.work[0] > 1e-20 else ROUNDING

`s` is a `drivers.solving.Iterate`: x, its value s.p.f and gradient s.g, which are always those of the best point so
far, room for a trial point and its gradient, and `work`, the numbers that the solver keeps. What is in those is all
that there is, so that a run can be interrupted and saved between any two iterations, and nothing is allocated. Random
numbers are drawn from `s.random` by `drivers.random`, and the solver is declared `seeded`.

An iteration returns a `Status`: RUNNING to go on, ROUNDING where no step lowers fun any more, FTOL or XTOL where a
tolerance of the solver's own is met. The tests on the gradient, maxiter and so on are the driver's. One that evaluates
more than once looks at `exhausted(limit, s.p)` in between. One that compares values only, `needs="value"`, evaluates by
`tried(objective, box, s)`, which keeps the best point. The sizes of x that `fun` cannot be evaluated at give NaN or
inf: a solver takes them for bad points.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ._compile import selects
from ._parameters import Range, unchecked, validated
from ._status import Status


class Solver(NamedTuple):
    """What was declared of a solver."""

    cls: type
    needs: str  # "value", "gradient", "product" (of the Hessian, with the gradient) or "residuals"
    bounded: bool  # whether it respects bounds
    options: dict[str, Any]  # defaults of options that differ for it
    messages: dict[Status, str]  # where a status means something of its own
    seeded: bool  # whether it draws random numbers
    needs_box: bool  # whether it works in finite bounds only
    tolerances: tuple[str, ...]  # what minimize(tol=...) sets


SOLVERS: dict[type, Solver] = {}
NAMES: dict[str, type] = {}
WORKSPACES: dict[type, Callable] = {}
BEGINS: dict[type, Callable] = {}
ITERATIONS: dict[type, Callable] = {}
FORMS: dict[type, Callable] = {}


def solver(
    needs: str = "gradient",
    names: tuple[str, ...] = (),
    bounded: bool = True,
    options: dict[str, Any] | None = None,
    messages: dict[Status, str] | None = None,
    seeded: bool = False,
    needs_box: bool = False,
    tolerances: tuple[str, ...] = ("gtol",),
    conflict: Callable[[Any], str] = lambda hyper: "",
    **ranges: Range,
) -> Callable[[Any], Any]:
    """Register a NamedTuple as a solver: its name, and `names`, find it; its values are checked when it is made."""

    def decorate(cls: Any) -> Any:
        given = options or {}, messages or {}, seeded, needs_box, tolerances
        SOLVERS[cls] = Solver(cls, needs, bounded, *given)
        for name in (cls.__name__, *names):
            NAMES[_plain(name)] = cls
        cls.__call__ = _as_scipy_method
        return validated(ranges, conflict=conflict)(cls)

    return decorate


def _as_scipy_method(method: Any, fun: Any, x0: Any, **given: Any) -> Any:
    """A solver in scipy's protocol: `scipy.optimize.minimize(fun, x0, method=numbaopt.LBFGS(memory=20))`."""
    from .methods import call

    return call(method, fun, x0, **given)


def workspace(cls: type) -> Callable[[Callable], Callable]:
    """Declare `(h, n, m) -> int`: how many numbers, of the dtype of x, a solver keeps for n unknowns, m residuals."""
    return _declared(WORKSPACES, cls)


def begin(cls: type) -> Callable[[Callable], Callable]:
    """Declare what a solver does when x0 has been evaluated: `(h, objective, box, limit, s)`. Its work starts at 0."""
    return _declared(BEGINS, cls, compiled=True)


def iteration(cls: type) -> Callable[[Callable], Callable]:
    """Declare an iteration of a solver: `(h, objective, box, limit, s) -> Status`."""
    return _declared(ITERATIONS, cls, compiled=True)


def form(cls: type) -> Callable[[Callable], Callable]:
    """Declare `h -> h` where compiled code is to get other hyper-parameters, such as a number for a string."""
    return _declared(FORMS, cls)


def _declared(registry: dict, cls: type, compiled: bool = False) -> Callable[[Callable], Callable]:
    def declare(function: Callable) -> Callable:
        registry[cls] = function
        if compiled:
            selects(cls, function)
        return function

    return declare


def solver_class(name: str) -> type | None:
    """The class that `name` stands for, in any case, with or without hyphens as scipy has them; or None."""
    return NAMES.get(_plain(name))


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def solver_names() -> list[str]:
    """The names of all solvers."""
    return sorted(cls.__name__.lower() for cls in SOLVERS)


def is_solver(method: Any) -> bool:
    """Whether `method` is a solver's class, or an object of one."""
    return (method if isinstance(method, type) else type(method)) in SOLVERS


def compiled_solver(h: Any) -> Any:
    """A solver as compiled code gets it: flags that are off become None."""
    h = FORMS.get(type(h), lambda h: h)(h)
    return unchecked(type(h), (None if value is False else value for value in h))
