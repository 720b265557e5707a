"""Update rules: how a rule is declared, found by name, and brought to every driver.

A rule is written once, on scalars::

    @hyperparameters
    class HeavyBall(NamedTuple):              # what the user writes: HeavyBall(lr=0.1)
        lr: Rate = 1e-2
        momentum: float = 0.9

    class HeavyBallStep(NamedTuple):          # the scalars of one iteration
        lr: float
        momentum: float

    @per_iteration(HeavyBall)                 # once per iteration, in float64; t counts from 1
    def _(h, t) -> HeavyBallStep:
        return HeavyBallStep(learning_rate(h.lr, t), h.momentum)

    @update_rule(HeavyBallStep, slots=("u",)) # once per element, in the dtype of x
    def heavy_ball(h, x, g, u):
        u = h.momentum * u + g
        return x - h.lr * u, u

The types of the NamedTuples select the code at compile time, so that the same three functions are compiled into the
serial and the parallel sweep and into every loop. Boolean hyper-parameters are types too: `compiled_form` sends False
as None, and `@per_iteration(Adam, amsgrad=True)` is the body for the variant whose flag is set.

A step with a field `weight_decay` gets coupled decay, g + weight_decay * x in the user's units, from the sweep.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, get_type_hints

from numba.core import types

from ._compile import inlined, selects, target
from ._parameters import CLOSED_FRACTION, FRACTION, NONNEGATIVE, Range, unchecked, validated
from .schedules import at
from .schedules.functions import by_address
from .schedules.mechanism import scheduled

Rate = Any
"""A number, or a schedule of `numbaopt.schedules`: a learning rate, and all else whose range is `scheduled`."""


class Rule(NamedTuple):
    """A scalar rule and the names of its state arrays."""

    update: Any
    slots: tuple[str, ...]


RANGES: dict[str, Range] = {
    # A hyper-parameter means the same in every rule that has it, so its range is stated once.
    "lr": scheduled(NONNEGATIVE),
    "betas": scheduled(FRACTION),
    "rho": CLOSED_FRACTION,
    "eps": NONNEGATIVE,
    "weight_decay": scheduled(NONNEGATIVE),
}


class Step(NamedTuple):
    """The function of per-iteration scalars, and the class of what it returns."""

    scalars: Any
    returns: type


_METHODS: dict[str, type] = {}
_STEPS: dict[tuple[type, frozenset], Step] = {}
_RULES: dict[type, Rule] = {}


# --- declaring -------------------------------------------------------------------------------------------------------


def hyperparameters(cls: type | None = None, **ranges: Range) -> Any:
    """Register a NamedTuple as a method: its name in lower case finds it, and its values are checked when made.

    `ranges` are those of hyper-parameters that other rules do not have; the rest have theirs in `RANGES`.
    """

    def decorate(cls: Any) -> type:
        _METHODS[cls.__name__.lower()] = cls
        cls.__call__ = _as_scipy_method
        return validated(RANGES | ranges)(cls)

    return decorate if cls is None else decorate(cls)


def _as_scipy_method(method: Any, fun: Any, x0: Any, **given: Any) -> Any:
    """A method object in scipy's protocol: `scipy.optimize.minimize(fun, x0, method=numbaopt.Adam(lr=0.1))`."""
    from .methods import call

    return call(method, fun, x0, **given)


def per_iteration(hyper: type, **flags: bool) -> Callable[[Callable], Callable]:
    """Declare the function `(h, t) -> step` of a method, or of its variant with the given boolean flags set.

    Its return annotation names the class of the step.
    """

    def declare(function: Callable) -> Callable:
        flag_names = frozenset(name for name, on in flags.items() if on)
        step = get_type_hints(function)["return"]
        _STEPS[hyper, flag_names] = Step(inlined(function), step)
        selects(hyper, function)
        selects(hyper, step)
        return function

    return declare


def update_rule(step: type, slots: tuple[str, ...] = ()) -> Callable[[Callable], Callable]:
    """Declare the scalar rule `(h, x, g, *slots) -> (x, *slots)` for the per-iteration scalars `step`."""

    def declare(function: Callable) -> Callable:
        _RULES[step] = Rule(inlined(function), tuple(slots))
        selects(step, function)
        return function

    return declare


# --- finding ---------------------------------------------------------------------------------------------------------


def method_names() -> list[str]:
    """Names of all registered methods, sorted."""
    return sorted(_METHODS)


def method_class(name: str) -> type | None:
    """The hyper-parameter class that `name` (any case) stands for, or None."""
    return _METHODS.get(name.lower())


def is_method_class(cls: Any) -> bool:
    """Whether `cls` was registered by `@hyperparameters`."""
    return isinstance(cls, type) and cls in _METHODS.values()


def rule_of(hyper: Any) -> Rule:
    """The scalar rule that `hyper`, in compiled form, selects."""
    return rule_of_step(_step_of(hyper).returns)


def rule_of_step(step: type) -> Rule:
    """The scalar rule for per-iteration scalars of class `step`."""
    return _RULES[step]


def compiled_form(hyper: Any) -> Any:
    """`hyper` with flags as types: False becomes None; `maximize` is the objective's business, so always None.

    A function that is a schedule becomes its address.
    """
    values = (
        None if value is False or name == "maximize" else by_address(value)
        for name, value in zip(hyper._fields, hyper, strict=True)
    )
    return unchecked(type(hyper), values)


# --- what the drivers call -------------------------------------------------------------------------------------------


def step_scalars(hyper: Any, t: float) -> Any:
    """Scalars of iteration `t` (from 1) of a method in compiled form, all in float64.

    The function of the method gets numbers: its schedules are evaluated first.
    """
    return _step_of(hyper).scalars.py_func(at(hyper, t), t)


def _step_of(hyper: Any) -> Step:
    flags = frozenset(name for name, value in zip(hyper._fields, hyper, strict=True) if value is True)
    return _STEPS[type(hyper), flags]


@target(step_scalars)
def _step_scalars(hyper, t):
    flags = frozenset(name for name, ty in zip(hyper.fields, hyper, strict=True) if isinstance(ty, types.Boolean))
    function = _STEPS[hyper.instance_class, flags].scalars
    return lambda hyper, t: function(at(hyper, t), t)


def scalar_rule(h: Any, x: float, g: float, slots: tuple) -> tuple:
    """New `(x, *slots)` of one element, by the rule that the type of `h` selects."""
    return _RULES[type(h)].update.py_func(h, x, g, *slots)


@target(scalar_rule)
def _scalar_rule(h, x, g, slots):
    rule = _RULES[h.instance_class].update
    return lambda h, x, g, slots: rule(h, x, g, *slots)


def decayed_gradient(h: Any, x: float, g: float) -> float:
    """g + weight_decay * x for a step that has coupled decay, else g."""
    return g + h.weight_decay * x if "weight_decay" in h._fields else g


@target(decayed_gradient)
def _decayed_gradient(h, x, g):
    if "weight_decay" in h.fields:
        return lambda h, x, g: g + h.weight_decay * x
    return lambda h, x, g: g
