"""Update rules: how a rule is declared, and found by name. `_dispatch` brings it to every driver.

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
serial and the parallel sweep and into every loop. What a rule may have beyond that:

- variants: `@per_iteration(Adam, amsgrad=True)` is the body where that hyper-parameter is set (True, or not 0). Where
  it is not set, compiled code sees None, so that a variant has its own step, slots and code;
- scalars carried from one iteration to the next: `@per_iteration(NAdam, carry={"product": 1.0})` adds an argument
  `product`, which is the field of that name of the step before, and at first the number (or function of h) given;
- sums over all coordinates: `@summed(Scalars, ...)` is a function `(h, x, g, *slots)` that returns one term for each
  name, and `@with_sums(Scalars)` makes the step of the scalars and the sums, before any element is updated;
- slots that do not start at 0: `start={"z": lambda h, x: x}`;
- another point than x as the result: `@readout(Step)`;
- a fast form for sparse gradients: `@coasting(Step)` is a function `(low, high, *slots)` that bounds how far x still
  goes where no gradient comes; `leaves_alone(Step)` says that such a coordinate stays as it is;
- a rule around any other: a hyper-parameter `inner` that holds a method, whose `maximize` it then has. Its
  `per_iteration` function gets the inner step as third argument and its step has it as field `inner`; its rule gets
  the inner slots behind its own, and calls `scalar_rule(h.inner, x, g, slots)`;
- one that does nothing but change the gradient that the inner rule sees: `@inner_gradient(Step)` is `(h, x, g) -> g`,
  in place of its rule.

A step with a field `weight_decay` gets coupled decay, g + weight_decay * x in the user's units, from the sweep.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, get_type_hints

from ._compile import plain, selects
from ._parameters import CLOSED_FRACTION, FRACTION, NONNEGATIVE, Range, unchecked, validated
from .schedules.auto import as_auto, is_auto
from .schedules.functions import by_address
from .schedules.mechanism import scheduled
from .schedules.plateau import as_numbers, is_plateau

Rate = Any
"""A number, or a schedule of `numbaopt.schedules`: a learning rate, and all else whose range is `scheduled`."""


RANGES: dict[str, Range] = {
    # A hyper-parameter means the same in every rule that has it, so its range is stated once.
    "lr": scheduled(NONNEGATIVE)._replace(
        text='be a finite number >= 0, a schedule or "auto"', accepts=lambda v: is_auto(v) or is_plateau(v)
    ),
    "betas": scheduled(FRACTION),
    "rho": CLOSED_FRACTION,
    "alpha": CLOSED_FRACTION,
    "momentum": FRACTION,
    "eps": NONNEGATIVE,
    "weight_decay": scheduled(NONNEGATIVE),
    "initial_accumulator_value": NONNEGATIVE,
    "warmup_steps": NONNEGATIVE,
    "d0": Range("be a finite number > 0", lambda v: 0 < v < math.inf),
    "growth_rate": Range("be a number > 1", lambda v: v > 1),
    "inner": Range(
        "be a method, such as numbaopt.Adam(lr=0.1)", lambda v: False, accepts=lambda v: is_method_class(type(v))
    ),
}


class Scalars(NamedTuple):
    """The function of per-iteration scalars, the class of what it returns, and what is carried between iterations."""

    function: Any
    returns: type
    carry: dict[str, Any]  # name: what it is at first, a number or a function of the hyper-parameters


class Sums(NamedTuple):
    """The terms to sum over all coordinates, and what makes the step of the sums."""

    names: tuple[str, ...]
    terms: Any
    finish: Any
    returns: type | None


class Rule(NamedTuple):
    """A scalar rule, the names of its state arrays, and functions `(hyper, x)` of those that do not start at 0."""

    update: Any
    slots: tuple[str, ...]
    start: dict[str, Callable]


METHODS: dict[str, type] = {}
SCALARS: dict[tuple[type, frozenset], Scalars] = {}
SUMS: dict[type, Sums] = {}
RULES: dict[type, Rule] = {}
CARRIED: dict[type, tuple[str, ...]] = {}
GRADIENTS: dict[type, Any] = {}
READOUTS: dict[type, Callable] = {}
COASTING: dict[type, Any] = {}
LEAVES_ALONE: set[type] = set()


# --- declaring -------------------------------------------------------------------------------------------------------


def hyperparameters(cls: type | None = None, conflict: Callable[[Any], str] = lambda hyper: "", **ranges: Range) -> Any:
    """Register a NamedTuple as a method: its name in lower case finds it, and its values are checked when made.

    `ranges` are those of hyper-parameters that other rules do not have; the rest have theirs in `RANGES`. `conflict`
    says what is wrong with values that are right one by one, or "".
    """

    def decorate(cls: Any) -> type:
        METHODS[cls.__name__.lower()] = cls
        cls.__call__ = _as_scipy_method
        return validated(RANGES | ranges, conflict=lambda hyper: _wrong_nesting(hyper) or conflict(hyper))(cls)

    return decorate if cls is None else decorate(cls)


def _wrong_nesting(hyper: Any) -> str:
    """What is wrong with a rule around a rule, or ""."""
    methods = [hyper]
    while hasattr(methods[-1], "inner"):
        methods.append(methods[-1].inner)
    if len({type(m) for m in methods}) < len(methods):  # numba compiles no function that calls itself
        return f"a {type(hyper).__name__} inside another is not possible"
    if len(methods) > 3:
        return "more than two methods around another are not possible"
    if len(methods) > 1:
        summing = [type(h).__name__ for h, scalars, _, _ in layers(compiled_form(hyper)) if scalars.returns in SUMS]
        if len(summing) > 1:
            return f"{' and '.join(summing)} both need sums over all coordinates, and only one pass of them is made"
    return ""


def _as_scipy_method(method: Any, fun: Any, x0: Any, **given: Any) -> Any:
    """A method object in scipy's protocol: `scipy.optimize.minimize(fun, x0, method=numbaopt.Adam(lr=0.1))`."""
    from .methods import call

    return call(method, fun, x0, **given)


def per_iteration(hyper: type, carry: dict[str, Any] | None = None, **flags: bool) -> Callable[[Callable], Callable]:
    """Declare the function `(h, t, *carried) -> step` of a method, or of its variant with the given flags set.

    Its return annotation names the class of the step (of the scalars, for a rule with sums).
    """

    def declare(function: Callable) -> Callable:
        returns = _returned(function)
        set_flags = frozenset(name for name, on in flags.items() if on)
        SCALARS[hyper, set_flags] = Scalars(plain(function), returns, carry or {})
        CARRIED[step_class(returns)] = tuple(carry or ())
        selects(hyper, function)
        selects(hyper, returns)
        return function

    return declare


def _returned(function: Callable) -> type:
    """The class that the return annotation of `function` names."""
    try:
        return get_type_hints(function)["return"]
    except (NameError, KeyError):
        raise TypeError(
            f"{function.__qualname__} in {function.__module__} must have a return annotation, the class of what it "
            "returns, and that class must be defined at the top of its file, not inside a function."
        ) from None


def summed(scalars: type, *names: str) -> Callable[[Callable], Callable]:
    """Declare `(h, x, g, *slots) -> terms`: what is summed over all coordinates, by names, for `scalars`."""

    def declare(function: Callable) -> Callable:
        SUMS[scalars] = Sums(names, plain(function), None, None)
        selects(scalars, function)
        return function

    return declare


def with_sums(scalars: type) -> Callable[[Callable], Callable]:
    """Declare `(h, *sums) -> step` for `scalars`, after their `summed`; its return annotation names the step."""

    def declare(function: Callable) -> Callable:
        returns = _returned(function)
        SUMS[scalars] = SUMS[scalars]._replace(finish=plain(function), returns=returns)
        CARRIED[returns] = CARRIED.pop(scalars, ())
        selects(scalars, function)
        selects(scalars, returns)
        return function

    return declare


def update_rule(
    step: type, slots: tuple[str, ...] = (), start: dict[str, Callable] | None = None
) -> Callable[[Callable], Callable]:
    """Declare the scalar rule `(h, x, g, *slots) -> (x, *slots)` for the per-iteration scalars `step`.

    `start` has, for slots that do not start at 0, a function `(hyper, x0) -> array or number`.
    """

    def declare(function: Callable) -> Callable:
        RULES[step] = Rule(plain(function), tuple(slots), start or {})
        selects(step, function)
        return function

    return declare


def inner_gradient(step: type) -> Callable[[Callable], Callable]:
    """Declare `(h, x, g) -> g`, what the inner rule and its sums see of the gradient, as all that a step does."""

    def declare(function: Callable) -> Callable:
        GRADIENTS[step] = plain(function)
        RULES[step] = Rule(None, (), {})
        selects(step, function)
        return function

    return declare


def readout(step: type) -> Callable[[Callable], Callable]:
    """Declare `(hyper, x, *slots) -> array`, the point that is the answer of a rule where that is not x."""

    def declare(function: Callable) -> Callable:
        READOUTS[step] = function
        return function

    return declare


def coasting(step: type) -> Callable[[Callable], Callable]:
    """Declare `(low, high, *slots) -> bound` of a rule under which, with g = 0, each slot decays by a factor.

    The bound is of how far x goes in all the iterations that follow, but for its own decay by a factor, if no gradient
    comes; `low` and `high` are steps with the smallest and the largest value of each field in these iterations. Where
    it is below the rounding of x, many iterations are one multiplication. A rule without this declaration takes them
    one by one.
    """

    def declare(function: Callable) -> Callable:
        COASTING[step] = plain(function)
        selects(step, function)
        return function

    return declare


def leaves_alone(step: type) -> None:
    """Declare that a coordinate that a sparse gradient does not have keeps its x and slots."""
    LEAVES_ALONE.add(step)


# --- finding ---------------------------------------------------------------------------------------------------------


def method_names() -> list[str]:
    """Names of all registered methods, sorted."""
    return sorted(METHODS)


def method_class(name: str) -> type | None:
    """The hyper-parameter class that `name` (any case) stands for, or None."""
    return METHODS.get(name.lower())


def is_method_class(cls: Any) -> bool:
    """Whether `cls` was registered by `@hyperparameters`."""
    return isinstance(cls, type) and cls in METHODS.values()


def flag_names(cls: type) -> set[str]:
    """Names of the hyper-parameters that select a variant."""
    return {name for hyper, flags in SCALARS if hyper is cls for name in flags}


def compiled_form(hyper: Any) -> Any:
    """`hyper` with its variant as types: an unset flag becomes None; `maximize` is the objective's business: None.

    A function that is a schedule becomes its address.
    """
    flags = flag_names(type(hyper))

    def form(name: str, value: Any) -> Any:
        if is_method_class(type(value)):
            return compiled_form(value)
        absent = value is False or name == "maximize" or (name in flags and not value)
        return None if absent else by_address(as_numbers(as_auto(value)) if name == "lr" else value)

    return unchecked(type(hyper), map(form, hyper._fields, hyper))


def innermost(hyper: Any, name: str) -> Any:
    """The hyper-parameter `name` of a method, or of the one inside it that has it; None where none has."""
    if name in hyper._fields:
        return getattr(hyper, name)
    return innermost(hyper.inner, name) if "inner" in hyper._fields else None


def scalars_of(cls: type, set_flags: frozenset) -> Scalars:
    """The per-iteration scalars of a method class in the variant with those flags set."""
    if (cls, set_flags) not in SCALARS:
        raise TypeError(f"{cls.__name__} has no function that @per_iteration({cls.__name__}) declares: add one.")
    return SCALARS[cls, set_flags]


def step_class(scalars: type) -> type:
    """The class of the finished step that starts as `scalars`."""
    return SUMS[scalars].returns or scalars if scalars in SUMS else scalars


def layers(hyper: Any) -> list[tuple[Any, Scalars, type, Rule]]:
    """Hyper-parameters in compiled form, scalars, class of the step and rule: of a method, then of those inside it."""
    flags = frozenset(n for n in flag_names(type(hyper)) if getattr(hyper, n) is not None)
    scalars = scalars_of(type(hyper), flags)
    step = step_class(scalars.returns)
    inner = getattr(hyper, "inner", None)
    return [(hyper, scalars, step, RULES[step]), *([] if inner is None else layers(inner))]


def slot_names(hyper: Any) -> list[str]:
    """Names of the state arrays of a method in compiled form."""
    return [name for *_, rule in layers(hyper) for name in rule.slots]


def start_slots(hyper: Any, x: Any, slots: Any) -> None:
    """Fill `slots`, of shape (number, n), as a method in compiled form that starts at `x` begins with them."""
    k = 0
    for h, _, _, rule in layers(hyper):
        for name in rule.slots:
            slots[k] = rule.start[name](h, x) if name in rule.start else 0
            k += 1


def step_size(hyper: Any) -> int:
    """How many numbers the step of a method in compiled form has, with those of the steps inside it."""
    names = [name for _, _, step, _ in layers(hyper) for name in step.__annotations__]
    return len(names) - names.count("inner")


def needs_sums(hyper: Any) -> bool:
    """Whether a step of a method in compiled form depends on sums over all coordinates."""
    return any(scalars.returns in SUMS for _, scalars, _, _ in layers(hyper))


def start_carry(hyper: Any) -> list[float]:
    """The numbers that a method in compiled form carries from iteration to iteration, before the first."""
    return [
        float(first(h) if callable(first) else first)
        for h, scalars, _, _ in layers(hyper)
        for first in scalars.carry.values()
    ]


def can_be_tuned(hyper: Any) -> bool:
    """Whether a method in compiled form may have lr="auto": one that can start anew at any x and with any lr."""
    return not has_readout(hyper) and not any(map(math.isnan, start_numbers(hyper)))


def start_numbers(hyper: Any) -> list[float]:
    """Of each slot of a method in compiled form the number that it starts at; NaN where that depends on x or lr."""
    numbers = []
    for h, _, _, rule in layers(hyper):
        anywhere = unchecked(type(h), (math.nan if name == "lr" else value for name, value in h._asdict().items()))
        numbers += [rule.start[name](anywhere, math.nan) if name in rule.start else 0.0 for name in rule.slots]
    return numbers


def has_readout(hyper: Any) -> bool:
    """Whether the answer of a method in compiled form is another point than x."""
    return any(step in READOUTS for _, _, step, _ in layers(hyper))


def answer(hyper: Any, x: Any, slots: Any) -> Any:
    """The point that a method in compiled form gives as its answer; that of the outermost rule with a readout."""
    k = 0
    for h, _, step, rule in layers(hyper):
        if step in READOUTS:
            return READOUTS[step](h, x, *slots[k : k + len(rule.slots)])
        k += len(rule.slots)
    return x
