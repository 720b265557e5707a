"""What the user gave (fun, jac, args), and as Python functions for the loop around an objective that is not compiled.

The objective is always minimised: under `maximize` value and gradient change sign here, and in `_compiled_objective`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ._compile import compiles_nopython
from ._errors import SparseGradientError, name_of
from ._sparse import is_sparse
from .drivers.evaluation import ComplexStep, Gradient, ThreePoint, TwoPoint

SCHEMES = {"2-point": TwoPoint, "3-point": ThreePoint, "cs": ComplexStep}
GRADIENTS = ("autodiff", *SCHEMES, "inplace")
"""Names that `jac` and the option `gradient` take."""


class Problem(NamedTuple):
    """A function with its gradient and arguments, as the user gave them."""

    fun: Any
    jac: Any  # a callable, True, one of GRADIENTS, or None until it is chosen
    args: tuple
    sign: float  # -1 to maximise
    value: Any = None  # the function without a gradient, where `fun` was made from it
    label: str = ""  # how the gradient is obtained, where `jac` does not say it
    optional: bool = False  # whether differences may take the place of this gradient
    second: Any = None  # where the Hessian comes from: a `SecondOrder`

    @property
    def gradient(self) -> str:
        """How the gradient is obtained, in a word or two."""
        if self.label or isinstance(self.jac, str):
            return self.label or self.jac
        return "jac=True" if self.jac is True else f"jac={getattr(self.jac, '__name__', type(self.jac).__name__)}"

    @property
    def scheme(self) -> type:
        """The kind of objective that the drivers see."""
        return SCHEMES.get(self.jac, Gradient) if isinstance(self.jac, str) else Gradient

    @property
    def differentiated(self) -> Any:
        """The function that returns the gradient."""
        return self.jac if callable(self.jac) else self.fun

    @property
    def compiled(self) -> bool:
        """Whether the compiled loop can call it: all functions in it are compiled by numba."""
        others = [f for f in (self.jac, self.second and self.second.function) if callable(f)]
        return compiles_nopython(self.fun) and all(map(compiles_nopython, others))


def scipy_unwrapped(fun: Any, jac: Any) -> tuple[Any, Any]:
    """What the user gave to scipy: with jac=True, scipy hands on its memoizing wrapper and a method of it."""
    owner: Any = getattr(jac, "__self__", None)
    if owner is fun and type(owner).__name__ == "MemoizeJac":
        return owner.fun, True
    return fun, jac


def plain_objective(problem: Problem, x: np.ndarray) -> Any:
    """The same objective as Python functions, for the Python loop."""
    fun, jac, args, sign = problem[:4]

    def value(x: np.ndarray) -> float:
        return sign * plain_value(fun(x.copy(), *args), fun)

    def complex_value(z: np.ndarray) -> complex:
        return sign * complex(np.asarray(fun(z.copy(), *args)).item())

    if jac in SCHEMES:
        if jac == "cs":
            return ComplexStep(value, 0, None, complex_value)
        return SCHEMES[jac](value, 0, None)

    def gradient(x: np.ndarray, g: np.ndarray) -> float:
        if jac == "inplace":
            f = plain_value(fun(x, g, *args), fun)
        else:
            f, given = value_and_gradient(problem, x.copy)
            if is_sparse(given):
                raise SparseGradientError(problem.differentiated, (f, given))
            g[...] = plain_gradient(given, problem.differentiated, x.size)
        if sign != 1.0:
            np.multiply(g, sign, out=g)
        return sign * f

    return Gradient(gradient, 0)


def value_and_gradient(problem: Problem, take: Callable[[], np.ndarray]) -> tuple[float, Any]:
    """What fun and jac, or fun alone, give where `take()` is, as the user means it; each gets an x of its own."""
    fun, jac, args = problem[:3]
    if jac is not True:
        return plain_value(fun(take(), *args), fun), jac(take(), *args)
    pair = fun(take(), *args)
    if not (isinstance(pair, tuple) and len(pair) == 2):
        raise TypeError(f"jac=True: {name_of(fun)} must return the pair (value, gradient), not {pair!r:.80}.")
    return plain_value(pair[0], fun), pair[1]


def plain_value(result: Any, function: Any) -> float:
    """The number that a Python objective returned, as a float."""
    hint = " (is a `return` missing?)" if result is None else ""
    pair = isinstance(result, tuple) and len(result) == 2
    hint = " (give jac=True if it returns value and gradient)" if pair else hint
    complaint = f"{name_of(function)} must return a number, but it returned {result!r:.80}{hint}."
    if isinstance(result, (float, int)):
        return float(result)
    if result is None or pair or isinstance(result, (str, bytes)):
        raise TypeError(complaint)
    try:
        array = np.asarray(result)
    except Exception:
        raise TypeError(complaint) from None
    if array.size != 1 and array.dtype.kind in "fiubc":
        raise ValueError(f"{name_of(function)} must return a number, but it returned an array of shape {array.shape}.")
    if array.dtype.kind not in "fiub":
        raise TypeError(complaint)
    return float(array.item())


def plain_gradient(result: Any, function: Any, n: int) -> np.ndarray:
    """The gradient that a Python function returned, as an array of n real numbers."""
    array = np.asarray(result)
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"the gradient from {name_of(function)} must be an array of real numbers, not {result!r:.80} "
            f"(dtype {array.dtype})."
        )
    if n == 1 and array.ndim == 0:
        array = array.reshape(1)
    if array.shape != (n,):
        raise ValueError(f"the gradient from {name_of(function)} must have shape ({n},) as x has, not {array.shape}.")
    return array


def directional_mismatch(
    value: Callable, x: np.ndarray, f: float, g: np.ndarray, space: Any, kinks: bool = False
) -> tuple[float, float] | None:
    """The derivative along a fixed random direction, by `g` and by a central difference of `value`, where they differ.

    The direction has the size of x in each element; elements that are too near to a bound stay where they are. The
    difference is allowed an error of a thousandth of what the derivative changes by within the step, which is all
    that there is at a minimum; with `kinks` of all of that, as a subgradient may be anywhere between both sides.
    """
    typical = np.ones_like(x) if space is None else space.scale
    direction = np.random.default_rng(0).standard_normal(x.size) * np.where(x == 0, typical, np.abs(x))
    h = float(np.cbrt(np.finfo(x.dtype).eps))
    if space is not None:
        room = (x - h * np.abs(direction) >= space.lower) & (x + h * np.abs(direction) <= space.upper)
        direction *= room
    ahead, behind = (value((x + s * h * direction).astype(x.dtype)) for s in (1, -1))
    difference = (ahead - behind) / (2 * h)
    exact = float(g @ direction)
    noise = 10 * np.finfo(x.dtype).eps * max(abs(ahead), abs(behind)) / h
    change = abs(ahead + behind - 2 * f) / h
    size = max(abs(difference), abs(exact), change * (1000 if kinks else 1))
    if not math.isfinite(difference) or abs(exact - difference) <= noise + 1e-3 * size:
        return None
    return exact, difference
