"""The adjoint of an expression of numbers: values that the derivatives need, then what goes to each variable."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from .activity import Activity
from .derivatives import BINARY, OPERATOR_NAMES, UNARY, elementary
from .emission import Branch
from .refusal import refuse
from .syntax import OPERATORS, Names, copied, text_of, walk

LINEAR = {"1.0", "-1.0", "0.0"}


class ExpressionAdjoint:
    """`lines` for one expression, after `pull`; `result_used` tells whether they read the value of the whole."""

    def __init__(
        self,
        activity: Activity,
        names: Names,
        shadow: Callable[[str], str],
        element: Callable[[str], str] | None = None,
        whole: Any = None,
        result: str = "",
    ):
        self.activity, self.names, self.shadow, self.element = activity, names, shadow, element
        self.whole, self.result, self.result_used = whole, result, False
        self.before: list[Any] = []
        self.after: list[Any] = []
        self._known: dict[str, str] = {}

    @property
    def lines(self) -> list[Any]:
        """The code, in order."""
        return [*self.before, *self.after] if self.after else []

    # --- values ------------------------------------------------------------------------------------------------------

    def value(self, e: Any) -> str:
        """A name or number that has the value of `e`."""
        if e is self.whole and self.result:
            self.result_used = True
            return self.result
        if isinstance(e, ast.Name) and not self._is_array(e):
            return e.id
        if isinstance(e, ast.Constant):
            return repr(e.value)
        if isinstance(e, ast.UnaryOp) and isinstance(e.operand, ast.Constant):
            return f"({text_of(e)})"
        written = text_of(e)
        if written not in self._known:
            text = self._text(e)
            self._known[written] = name = self.names.new("t")
            self.before.append(f"{name} = {text}")
        return self._known[written]

    def _is_array(self, e: ast.Name) -> bool:
        return self.element is not None and self.activity.types.kind(e) in "AI"

    def _text(self, e: Any) -> str:
        """`e` with the values of its parts in it."""
        if isinstance(e, ast.Name):
            assert self.element is not None
            return self.element(e.id)
        if self.element is None and not self.activity.is_active(e):
            return text_of(e)
        if isinstance(e, ast.BinOp) and isinstance(e.op, ast.Div):
            return self._divided(self.value(e.left), self.value(e.right))
        if isinstance(e, ast.BinOp):
            return f"{self.value(e.left)} {OPERATORS[type(e.op)]} {self.value(e.right)}"
        if isinstance(e, ast.UnaryOp):
            return text_of(ast.UnaryOp(op=e.op, operand=ast.Name(self.value(e.operand), ast.Load())))
        if isinstance(e, ast.Compare):
            new = copied(e)
            new.left = ast.Name(self.value(e.left), ast.Load())
            new.comparators = [ast.Name(self.value(c), ast.Load()) for c in e.comparators]
            return text_of(new)
        if isinstance(e, ast.Call):
            values = [self.value(a) for a in e.args]
            if elementary(self.activity.callee(e)[1]) == "where":
                return f"{values[1]} if {values[0]} else {values[2]}"
            return f"{text_of(e.func)}({', '.join(values)})"
        return text_of(e)

    # --- adjoints ----------------------------------------------------------------------------------------------------

    def pull(self, e: Any, g: str) -> None:
        """Add the derivative `g` with respect to `e` to what it is made of."""
        if g == "0.0" or not self.activity.is_active(e):
            return
        if isinstance(e, ast.Name):
            target = self.element(self.shadow(e.id)) if self._is_array(e) and self.element else self.shadow(e.id)
            self.after.append(f"{target} += {g}")
        elif isinstance(e, ast.Subscript):
            self.after.append(f"{self.shadow(e.value.id)}[{_index_text(e)}] += {g}")  # type: ignore[attr-defined]
        elif isinstance(e, ast.UnaryOp):
            self.pull(e.operand, negative(g) if isinstance(e.op, ast.USub) else g)
        elif isinstance(e, ast.BinOp):
            self._operator(e, g)
        elif isinstance(e, ast.Call):
            self._function(e, g)
        else:
            refuse(e, f"the expression `{text_of(e)}`")

    def _atom(self, g: str) -> str:
        """A name for the derivative, where it is used twice."""
        if g.isidentifier() or g == "1.0":
            return g
        name = self.names.new("g")
        self.after.append(f"{name} = {g}")
        return name

    def _operator(self, e: ast.BinOp, g: str) -> None:
        name = OPERATOR_NAMES[OPERATORS[type(e.op)]]
        if name == "power" and isinstance(e.right, ast.Constant):
            return self.pull(e.left, product(g, self._constant_power(e)))
        if name == "multiply" and self._is_square(e):
            return self.pull(e.left, product(g, f"2.0 * {self.value(e.left)}"))
        if name == "divide":
            return self._quotient(e, g)
        return self._binary(name, e, e.left, e.right, g)

    def _is_square(self, e: ast.BinOp) -> bool:
        """Whether `e` is something times itself; functions that are called need not give the same twice."""
        plain = not any(isinstance(n, ast.Call) for n in walk(e.left))
        return plain and text_of(e.left) == text_of(e.right)

    def _quotient(self, e: ast.BinOp, g: str) -> None:
        if isinstance(e.left, ast.Constant) and e.left.value == 1:
            r = self.value(e)
            return self.pull(e.right, f"{negative(g)} * {r} * {r}")
        g = self._atom(self._divided(factor(g), self.value(e.right)))
        self.pull(e.left, g)
        if self.activity.is_active(e.right):
            self.pull(e.right, f"-{g} * {self.value(e)}")
        return None

    def _divided(self, a: str, b: str) -> str:
        """a / b; of elements without the exception for a zero, which numba does not raise for arrays."""
        return f"{a} / {b}" if self.element is None else f"np.divide({a}, {b})"

    def _constant_power(self, e: ast.BinOp) -> str:
        """The derivative of a**p for a number p."""
        a, p = self.value(e.left), e.right.value  # type: ignore[attr-defined]
        if p == 2:
            return f"2.0 * {a}"
        if p == 3:
            return f"3.0 * {a} * {a}"
        if p == 1:
            return "1.0"
        if p > 1:
            return f"{float(p)} * {a} ** {p - 1}"
        return f"power_da({a}, {p})"

    def _function(self, e: ast.Call, g: str) -> None:
        name = elementary(self.activity.callee(e)[1]) or ""
        if name == "where":
            self._choose(self.value(e.args[0]), e.args[1], e.args[2], g)
        elif name in ("maximum", "minimum"):
            sign = ">=" if name == "maximum" else "<="
            self._choose(f"{self.value(e.args[0])} {sign} {self.value(e.args[1])}", e.args[0], e.args[1], g)
        elif name in UNARY:
            a = self.value(e.args[0]) if "{a}" in UNARY[name] else ""
            r = self.value(e) if "{r}" in UNARY[name] else ""
            self.pull(e.args[0], product(g, UNARY[name].format(a=a, r=r)))
        else:
            self._binary(name, e, e.args[0], e.args[1], g)

    def _binary(self, name: str, e: Any, left: Any, right: Any, g: str) -> None:
        both = zip((left, right), BINARY[name], strict=True)
        parts = [(part, formula) for part, formula in both if self.activity.is_active(part)]
        if len(parts) > 1 and name not in ("add", "subtract"):
            g = self._atom(g)
        for part, formula in parts:
            texts = {
                letter: self.value(of) if f"{{{letter}}}" in formula else ""
                for letter, of in (("a", left), ("b", right), ("r", e))
            }
            self.pull(part, product(g, formula.format(**texts)))

    def _choose(self, test: str, yes: Any, no: Any, g: str) -> None:
        """Only the chosen one gets the derivative: infinite ones of the other must not meet a zero."""
        simple = all(isinstance(p, (ast.Name, ast.Constant)) or not self.activity.is_active(p) for p in (yes, no))
        if simple:
            self.pull(yes, f"({g} if {test} else 0.0)")
            self.pull(no, f"(0.0 if {test} else {g})")
            return
        g, sides = self._atom(g), []
        outer = self.after
        for part in (yes, no):
            self.after = []
            self.pull(part, g)
            sides.append(self.after)
        self.after = outer
        self.after.append(Branch(test, *sides))


def _index_text(e: ast.Subscript) -> str:
    return text_of(e.slice)[1:-1] if isinstance(e.slice, ast.Tuple) else text_of(e.slice)


def factor(g: str) -> str:
    """`g` as a factor of a product."""
    return g if g[0] == "(" or not any(s in g for s in " ") else f"({g})" if " + " in g or " - " in g else g


def negative(g: str) -> str:
    """-g."""
    return g[1:] if g.startswith("-") and " " not in g else f"-{g}" if " " not in g else f"-({g})"


def product(g: str, d: str) -> str:
    """g times d."""
    if d == "1.0":
        return g
    if g == "1.0":
        return d
    if d == "0.0":
        return "0.0"
    if d == "-1.0":
        return negative(g)
    d = f"({d})" if " " in d and not (d.startswith("(") and d.endswith(")")) else d
    return f"{factor(g)} * {d}"
