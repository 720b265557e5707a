"""check_grad(): a gradient beside every other way to get it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ._compile import compiles_nopython, jit_user
from ._minimize import minimize, read_x0
from ._objective import SCHEMES
from .autodiff import jacobian


class GradientRow(NamedTuple):
    """One way to get the gradient."""

    name: str
    gradient: np.ndarray | None  # None where it does not work
    difference: float  # largest absolute difference to the gradient that is checked
    relative: float  # the same over the largest element of either
    worst: int  # the element where it is
    reason: str  # why it does not work, or ""


class GradientCheck(NamedTuple):
    """What `check_grad` returns; printed, it is a table."""

    checked: str
    gradient: np.ndarray
    rows: tuple[GradientRow, ...]

    @property
    def relative_error(self) -> float:
        """Difference to the most exact other way that works, relative: complex step, else central, else forward."""
        working = [row for row in self.rows if row.gradient is not None]
        return min((row.relative for row in working), default=np.nan)

    def __str__(self) -> str:
        lines = [f"gradient checked: {self.checked}, largest element {np.abs(self.gradient).max():.6g}"]
        lines.append(f"  {'against':<10} {'largest difference':>18} {'relative':>10}   where")
        for row in self.rows:
            if row.gradient is None:
                lines.append(f"  {row.name:<10} does not work: {row.reason}")
            else:
                i = row.worst
                where = f"element {i}: {self.gradient[i]:.8g} against {row.gradient[i]:.8g}"
                lines.append(f"  {row.name:<10} {row.difference:>18.3g} {row.relative:>10.2g}   {where}")
        return "\n".join(lines)


def check_grad(
    fun: Callable, x: Any, args: Any = (), jac: Any = None, *, bounds: Any = None, disp: bool = True
) -> GradientCheck:
    """Compare a gradient with every way that works for this function, and print a table.

    Parameters
    ----------
    fun : callable
        The objective as it would be given to `minimize`, plain or compiled by numba.
    x : array_like, shape (n,)
        Where to compare.
    args : tuple
        Further arguments of `fun`.
    jac : callable, True, "inplace", "autodiff", "2-point", "3-point", "cs" or None
        The gradient to check, as it would be given to `minimize`; None checks "3-point" against the others.
    bounds : Bounds or pairs, optional
        Differences stay within them.
    disp : bool
        Print the table.

    Returns
    -------
    GradientCheck
        Has `gradient` (shape (n,)), `relative_error` and `rows`, one for each other way; `str()` of it is the table.

    Raises
    ------
    TypeError, ValueError
        The gradient to check itself cannot be had; as in `minimize`.

    Notes
    -----
    Forward differences agree to about 1e-8 relative, central ones to 1e-10, a complex step to 1e-15. A complex step
    that is wrong (the function is not analytic) is reported as not working. "autodiff", in reverse mode, and "forward",
    the same derivatives in forward mode, are among the ways for a compiled `fun` that does not return or fill its
    gradient; they are exact, and where they are refused the table says why.

    Examples
    --------
    >>> import numpy as np
    >>> check = check_grad(lambda x: (x**4).sum(), [1.0, 2.0], jac=lambda x: 4 * x**3)
    gradient checked: jac=<lambda>, largest element 32
      against    largest difference   relative   where
      2-point ...
      3-point ...
      cs      ...
    >>> check.relative_error < 1e-12
    True
    """
    x = read_x0(x)
    checked = "3-point" if jac is None or jac is False else jac
    value = _value_only(fun, checked)

    def gradient(function: Callable, way: Any) -> tuple[str, np.ndarray]:
        options = {"maxiter": 0, "gtol": None, "lr": 1.0}
        result = minimize(function, x, args, "sgd", jac=way, bounds=bounds, options=options)
        return result.gradient, result.jac

    name, given = gradient(fun, checked)
    rows = []
    derivable = value is fun and compiles_nopython(fun)
    given_args = args if isinstance(args, tuple) else (args,)
    for way in (*SCHEMES, "autodiff", "forward") if derivable else SCHEMES:
        if way == checked:
            continue
        try:
            other = jacobian(fun, mode="forward")(x, *given_args) if way == "forward" else gradient(value, way)[1]
        except Exception as error:
            rows.append(
                GradientRow(way, None, np.nan, np.nan, -1, str(error).splitlines()[0] if str(error) else repr(error))
            )
            continue
        difference = np.abs(given - other)
        worst = int(np.argmax(np.where(np.isnan(difference), np.inf, difference)))
        size = max(np.abs(given).max(), np.abs(other).max(), np.finfo(x.dtype).tiny)
        rows.append(GradientRow(way, other, float(difference[worst]), float(difference[worst] / size), worst, ""))
    check = GradientCheck(name, given, tuple(rows))
    if disp:
        print(check)
    return check


def _value_only(fun: Callable, jac: Any) -> Callable:
    """`fun` without the gradient that it returns or fills."""
    if jac is True:

        def value(x, *args):
            return fun(x, *args)[0]

    elif isinstance(jac, str) and jac == "inplace":

        def value(x, *args):
            return fun(x, np.empty_like(x), *args)

    else:
        return fun
    return jit_user(value) if compiles_nopython(fun) else value
