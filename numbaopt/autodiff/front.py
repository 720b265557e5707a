"""What users call: gradients as compiled functions."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba.core import errors, types
from numba.core.caching import NullCache
from numba.extending import is_jitted, overload

from .._compile import compiling, differentiated, jit_user
from .._errors import name_of, numba_refusal
from .files import loaded
from .generation import Generated, generate
from .numba_typing import plain
from .refusal import NotDifferentiable
from .registered import declare

_made: weakref.WeakKeyDictionary[Any, dict] = weakref.WeakKeyDictionary()
"""What has been made for each function; it goes when the function goes."""


def generated_for(fun: Any, argument_types: tuple, argnums: tuple[int, ...]) -> Generated:
    """The text for a function and types of arguments, made once."""

    def make() -> Generated:
        with compiling():
            return generate(fun, argument_types, argnums)

    return once(fun, ("text", argument_types, argnums), make)


def once(fun: Any, key: tuple, make: Callable[[], Any]) -> Any:
    """`make()`, or what it gave before."""
    memory = _made.setdefault(fun, {})
    version = next(iter(getattr(fun, "overloads", {}).values()), None)  # another one after `recompile`
    if key not in memory or memory[key][0] not in (None, version):
        memory[key] = version, make()
    return memory[key][1]


def gradient_function(fun: Any, argument_types: tuple, argnums: tuple[int, ...]) -> Any:
    """The compiled function of that text: see `Generated`."""
    argument_types = tuple(plain(t) for t in argument_types)
    key = "function", argument_types, argnums
    return once(fun, key, lambda: compiled(fun, generated_for(fun, argument_types, argnums)))


def compiled(fun: Any, generated: Generated) -> Any:
    """A text as a compiled function, with those options of `fun` that change its results."""
    python, lasting = loaded(generated)
    options = {k: v for k, v in getattr(fun, "targetoptions", {}).items() if k in ("fastmath", "boundscheck")}
    cached = lasting and not isinstance(getattr(fun, "_cache", NullCache()), NullCache)
    return differentiated(python, cached, options)


def register_vjp(fun: Any, vjp: Callable | None = None) -> Any:
    """Give the derivative of a compiled function, to be used wherever it is called in what is differentiated.

    For r = fun(*args) and the derivative g of something by r, `vjp` returns that by each of the arguments: for numbers
    g dr/da, for arrays the sum over i of g_i dr_i/da.

    Parameters
    ----------
    fun : numba.njit function
        Of numbers and arrays; returns a number or a new array, and changes none of its arguments.
    vjp : callable, optional
        `vjp(g, r, *args)`: a tuple with a part for each argument, of its shape, or the part itself where there is one
        argument. What stands for integers is not looked at. Without it, a decorator is returned.

    Returns
    -------
    callable
        `vjp`.

    Raises
    ------
    TypeError
        fun is not compiled, or vjp is not a function.

    Notes
    -----
    It replaces the derivative that autodiff would find: for functions whose source is not available, that iterate to
    convergence (the implicit function theorem needs no iteration), or that are smooth though their code is not. Nothing
    checks it but `check_grad`. Forward mode and second derivatives use it where fun returns a number; for second
    derivatives vjp itself is differentiated.

    Examples
    --------
    >>> import numba, numpy as np, numbaopt
    >>> @numba.njit
    ... def root(a):  # x with x + exp(x) = a
    ...     x = 0.0
    ...     for _ in range(50):
    ...         x -= (x + np.exp(x) - a) / (1 + np.exp(x))
    ...     return x
    >>> @numbaopt.register_vjp(root)
    ... def root_vjp(g, x, a):
    ...     return g / (1 + np.exp(x))
    >>> @numba.njit
    ... def loss(p):
    ...     return root(p[0]) ** 2
    >>> numbaopt.grad(loss)(np.array([3.0])).round(6).tolist()
    [0.493812]
    """
    if vjp is None:
        return lambda function: register_vjp(fun, function)
    declare(fun, vjp)
    _made.clear()
    return vjp


def value_and_grad(fun: Callable, argnums: int | tuple[int, ...] = 0) -> Any:
    """A compiled function that returns the value of `fun` and its exact gradient.

    Reverse mode: the cost is two to four evaluations of `fun`, whatever the number of parameters.

    Parameters
    ----------
    fun : callable
        A function of numbers and arrays that returns a number; compiled by `numba.njit`, or one that could be.
    argnums : int or tuple of int
        Which arguments to differentiate by: floats or arrays of floats.

    Returns
    -------
    callable
        `f(*args) -> (value, gradient)`, compiled, to be called from Python or from compiled functions. With a tuple of
        `argnums` the gradient is a tuple too. The arguments stay as they were, also where `fun` writes to them.

    Raises
    ------
    numbaopt.autodiff.NotDifferentiable
        On the first call with arguments of given types, for what cannot be differentiated, with its place in the file.

    Notes
    -----
    Where there is no derivative a subgradient is returned: 0 for abs at 0, for sqrt at 0, for x**p at 0 with p < 1, and
    for the norm at 0; max and min of equal numbers take the first. A branch is differentiated as it is taken. Integers
    have no derivative, nor has what is computed from them.

    Examples
    --------
    >>> import numba, numpy as np, numbaopt
    >>> @numba.njit
    ... def rss(b, x, y):
    ...     return ((y - b[0] * np.exp(-b[1] * x)) ** 2).sum()
    >>> x = np.linspace(0, 4, 5)
    >>> value, gradient = numbaopt.value_and_grad(rss)(np.array([2.0, 1.0]), x, 3 * np.exp(-0.5 * x))
    >>> round(value, 6), gradient.round(6).tolist()
    (3.329658, [-3.093169, 2.945398])
    """
    return _gradient(fun, argnums, with_value=True)


def grad(fun: Callable, argnums: int | tuple[int, ...] = 0) -> Any:
    """A compiled function that returns the exact gradient of `fun`.

    Parameters
    ----------
    fun, argnums
        As in `value_and_grad`, which has the details.

    Returns
    -------
    callable
        `g(*args) -> gradient`.

    Examples
    --------
    >>> import numba, numpy as np, numbaopt
    >>> @numba.njit
    ... def rosenbrock(x):
    ...     return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
    >>> numbaopt.grad(rosenbrock)(np.array([-1.0, 2.0])).tolist()
    [396.0, 200.0]
    """
    return _gradient(fun, argnums, with_value=False)


def source(fun: Callable, *args: Any, argnums: int | tuple[int, ...] = 0) -> str:
    """The Python text of the gradient of `fun` for arguments like `args`.

    Parameters
    ----------
    fun : callable
        As in `value_and_grad`.
    *args
        Its arguments; only their types matter.
    argnums : int or tuple of int
        Which of them to differentiate by.

    Returns
    -------
    str
        A function that fills its last arguments with derivatives and returns the value.

    Examples
    --------
    >>> import numba, numpy as np, numbaopt
    >>> @numba.njit
    ... def square(x):
    ...     return x[0] * x[0]
    >>> print(numbaopt.autodiff.source(square, np.ones(1)))
    def square_gradient(x, x_b):
        fill_1d(x_b, 0.0)
        result = x[0] * x[0]
        ...
    """
    return generated_for(fun, tuple(numba.typeof(a) for a in args), numbers_of(argnums)).text


def inplace(fun: Callable, argument_types: tuple) -> Any:
    """A compiled `fg(x, g, *args)` that fills g with the gradient by x and returns the value: of jac="inplace".

    `argument_types` are numba's, of x and the further arguments.
    """
    return once(fun, ("inplace", argument_types), lambda: _inplace(fun, argument_types))


def _inplace(fun: Callable, argument_types: tuple) -> Any:
    types_ = tuple(plain(t) for t in argument_types)
    filled = compiled(fun, generated_for(fun, types_, (0,)).with_gradient_second())
    try:
        with compiling():
            filled.compile((argument_types[0], argument_types[0], *argument_types[1:]))
    except errors.NumbaError as error:
        raise _does_not_compile(fun, error) from error
    return filled


def _does_not_compile(fun: Any, error: Exception) -> NotDifferentiable:
    said = str(numba_refusal("the gradient of", fun, error)).splitlines()[0]
    return NotDifferentiable(f"autodiff cannot differentiate {name_of(fun)}: {said}")


def numbers_of(argnums: Any) -> tuple[int, ...]:
    """`argnums` as a tuple, checked."""
    given = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    if not given or any(not isinstance(i, (int, np.integer)) or i < 0 for i in given) or len(set(given)) < len(given):
        raise ValueError(f"argnums={argnums!r} must be a number >= 0, or several different ones.")
    return given


def parameters_of(fun: Any, count: int) -> list[str]:
    """Names of the parameters of `fun`, made unique."""
    names = list(inspect.signature(getattr(fun, "py_func", fun), follow_wrapped=False).parameters)[:count]
    return [f"{name}_" for name in names]


def by_types(
    fun: Callable,
    name: str,
    doc: str,
    body: Callable[[tuple], Any],
    parameters: Callable[[list[str]], list[str]] = list,
) -> Any:
    """A compiled function that gets the Python function body(types) for each new types of its arguments.

    `parameters` gives the names of its parameters for those of `fun`.
    """
    if not (is_jitted(fun) or inspect.isfunction(fun)):
        raise TypeError(f"Only functions can be differentiated, not {fun!r:.80}.")
    python = getattr(fun, "py_func", fun)

    def stub(*args: Any) -> Any:
        """Given a body by `implementation`."""

    @overload(stub, strict=False)
    def implementation(*args: Any) -> Any:
        args = args[0].types if len(args) == 1 and isinstance(args[0], types.StarArgTuple) else args
        return body(tuple(plain(getattr(t, "value", t) if isinstance(t, types.Omitted) else t) for t in args))

    declared = inspect.signature(python, follow_wrapped=False).parameters
    names = parameters(parameters_of(fun, len(declared)))
    optional = any(p.default is not p.empty or p.kind is p.KEYWORD_ONLY for p in declared.values())
    arguments = "*args" if optional else ", ".join(names)
    name = f"{name}_{python.__name__}" if python.__name__.isidentifier() else name
    namespace = {"stub": stub}
    exec(f"def {name}({arguments}):\n    return stub({arguments})\n", namespace)
    result = jit_user(namespace[name])
    result.__doc__ = f"{doc} {python.__name__}."
    return result


def defined(parameters: list[str], lines: list[str], **names: Any) -> Any:
    """The Python function `body` with these parameters and lines."""
    text = f"def body({', '.join(parameters)}):\n" + "".join(f"    {line}\n" for line in lines)
    namespace: dict[str, Any] = {"np": np, **names}
    exec(text, namespace)
    return namespace["body"]


def _gradient(fun: Callable, argnums: int | tuple[int, ...], with_value: bool) -> Any:
    """`value_and_grad` or `grad`."""
    by, several = numbers_of(argnums), not isinstance(argnums, int)
    name, doc = ("value_and_grad", "The value and gradient of") if with_value else ("grad", "The gradient of")

    def body(given: tuple) -> Any:
        function = gradient_function(fun, given, by)
        names = parameters_of(fun, len(given))
        arrays = [i for i in by if isinstance(given[i], types.Array)]
        lines = [f"g{i} = np.empty_like({names[i]})" for i in arrays]
        called = f"function_({', '.join([*names, *(f'g{i}' for i in arrays)])})"
        lines.append(f"{', '.join(['value', *(f'g{i}' for i in by if i not in arrays)])} = {called}")
        gradient = ", ".join(f"g{i}" for i in by)
        gradient = f"({gradient},)" if several else gradient
        lines.append(f"return value, {gradient}" if with_value else f"return {gradient}")
        return defined(names, lines, function_=function)

    return by_types(fun, name, doc, body)
