"""Exact derivatives by dual numbers, run by CPython on arrays of objects: the oracle of the gradients of constructs."""

from __future__ import annotations

import math
from types import FunctionType, SimpleNamespace

import numpy as np
from numba.extending import is_jitted


class Dual:
    """v + d epsilon."""

    def __init__(self, v, d=0.0):
        self.v, self.d = v, d

    def __add__(self, o):
        o = dual(o)
        return Dual(self.v + o.v, self.d + o.d)

    def __sub__(self, o):
        o = dual(o)
        return Dual(self.v - o.v, self.d - o.d)

    def __mul__(self, o):
        o = dual(o)
        return Dual(self.v * o.v, self.d * o.v + self.v * o.d)

    def __truediv__(self, o):
        o = dual(o)
        return Dual(self.v / o.v, (self.d - self.v / o.v * o.d) / o.v)

    def __pow__(self, o):
        o = dual(o)
        value = self.v**o.v
        by_exponent = value * math.log(self.v) * o.d if o.d else 0.0
        return Dual(value, o.v * self.v ** (o.v - 1) * self.d + by_exponent)

    def __mod__(self, o):
        o = dual(o)
        return Dual(self.v % o.v, self.d - (self.v // o.v) * o.d)

    def __radd__(self, o):
        return dual(o) + self

    def __rsub__(self, o):
        return dual(o) - self

    def __rmul__(self, o):
        return dual(o) * self

    def __rtruediv__(self, o):
        return dual(o) / self

    def __rpow__(self, o):
        return dual(o) ** self

    def __neg__(self):
        return Dual(-self.v, -self.d)

    def __pos__(self):
        return self

    def __abs__(self):
        return -self if self.v < 0 else self

    def __lt__(self, o):
        return self.v < dual(o).v

    def __le__(self, o):
        return self.v <= dual(o).v

    def __gt__(self, o):
        return self.v > dual(o).v

    def __ge__(self, o):
        return self.v >= dual(o).v

    def __int__(self):
        return int(self.v)


def dual(x):
    """A number as a dual number."""
    return x if isinstance(x, Dual) else Dual(float(x))


def _function(f, derivative):
    def g(x):
        return Dual(f(x.v), derivative(x.v) * x.d)

    return g


_FUNCTIONS = {
    "sin": (math.sin, math.cos),
    "cos": (math.cos, lambda x: -math.sin(x)),
    "tan": (math.tan, lambda x: 1 / math.cos(x) ** 2),
    "exp": (math.exp, math.exp),
    "expm1": (math.expm1, math.exp),
    "log": (math.log, lambda x: 1 / x),
    "log1p": (math.log1p, lambda x: 1 / (1 + x)),
    "log2": (math.log2, lambda x: 1 / (x * math.log(2))),
    "log10": (math.log10, lambda x: 1 / (x * math.log(10))),
    "sqrt": (math.sqrt, lambda x: 0.5 / math.sqrt(x)),
    "tanh": (math.tanh, lambda x: 1 / math.cosh(x) ** 2),
    "sinh": (math.sinh, math.cosh),
    "cosh": (math.cosh, math.sinh),
    "arctan": (math.atan, lambda x: 1 / (1 + x * x)),
    "arcsin": (math.asin, lambda x: 1 / math.sqrt(1 - x * x)),
    "arccos": (math.acos, lambda x: -1 / math.sqrt(1 - x * x)),
    "arcsinh": (math.asinh, lambda x: 1 / math.sqrt(1 + x * x)),
    "arctanh": (math.atanh, lambda x: 1 / (1 - x * x)),
    "square": (lambda x: x * x, lambda x: 2 * x),
    "erf": (math.erf, lambda x: 2 / math.sqrt(math.pi) * math.exp(-x * x)),
    "erfc": (math.erfc, lambda x: -2 / math.sqrt(math.pi) * math.exp(-x * x)),
    "lgamma": (math.lgamma, lambda x: _digamma(x)),
    "gamma": (math.gamma, lambda x: math.gamma(x) * _digamma(x)),
}


def _digamma(x):
    from scipy.special import digamma

    return float(digamma(x))


for _name, _pair in _FUNCTIONS.items():
    setattr(Dual, _name, _function(*_pair))


def _elementary(name):
    def f(x):
        return getattr(np, name)(x) if isinstance(x, np.ndarray) else getattr(dual(x), name)()

    return f


def _hypot(a, b):
    return (a * a + b * b) ** 0.5


def _arctan2(a, b):
    a, b = dual(a), dual(b)
    return Dual(math.atan2(a.v, b.v), (b.v * a.d - a.v * b.d) / (a.v**2 + b.v**2))


def _objects(make):
    def made(*args, **kwargs):
        return make(*args).astype(object)

    return made


def _norm(a):
    return np.sum(a * a) ** 0.5


def _solve(matrix, b):
    """Gaussian elimination."""
    a, b, n = matrix.copy(), b.copy(), b.size
    for k in range(n):
        for i in range(k + 1, n):
            factor = a[i, k] / a[k, k]
            a[i] = a[i] - a[k] * factor
            b[i] = b[i] - factor * b[k]
    for k in range(n - 1, -1, -1):
        b[k] = (b[k] - np.sum(a[k, k + 1 :] * b[k + 1 :])) / a[k, k]
    return b


def _det(matrix):
    a, product = matrix.copy(), 1.0
    for k in range(len(a)):
        product = product * a[k, k]
        for i in range(k + 1, len(a)):
            a[i] = a[i] - a[k] * (a[i, k] / a[k, k])
    return product


def _inv(matrix):
    return np.stack([_solve(matrix, e.astype(object)) for e in np.eye(len(matrix))], axis=1)


_makers = {name: _objects(getattr(np, name)) for name in ("zeros", "empty", "ones", "zeros_like", "ones_like", "eye")}
_special = {
    "hypot": _hypot,
    "arctan2": _arctan2,
    "atan2": _arctan2,
    "atan": _elementary("arctan"),
    "asin": _elementary("arcsin"),
    "array": np.array,
    "full": lambda n, v: np.array([v] * n, dtype=object),
    "var": lambda a: np.mean((a - np.mean(a)) * (a - np.mean(a))),
    "std": lambda a: np.mean((a - np.mean(a)) * (a - np.mean(a))) ** 0.5,
    "linalg": SimpleNamespace(norm=_norm, solve=_solve, det=_det, inv=_inv),
}


class _Numpy:
    """numpy, and math, for arrays of dual numbers."""

    def __getattr__(self, name):
        if name in _special:
            return _special[name]
        if name in _makers:
            return _makers[name]
        return _elementary(name) if name in _FUNCTIONS else getattr(np, name, None) or getattr(math, name)


_NUMPY = _Numpy()


def on_duals(function, made=None):
    """The function with the modules and helpers of dual numbers."""
    function = getattr(function, "py_func", function)
    made = {} if made is None else made
    if function in made:
        return made[function]
    environment = dict(function.__globals__)
    made[function] = new = FunctionType(
        function.__code__, environment, function.__name__, function.__defaults__, function.__closure__
    )
    new.__kwdefaults__ = function.__kwdefaults__
    for name in function.__code__.co_names:
        value = environment.get(name)
        if value in (np, math) if not isinstance(value, np.ndarray) else False:
            environment[name] = _NUMPY
        elif is_jitted(value):
            environment[name] = on_duals(value, made)
    return new


def derivatives(function, x, *args):
    """Value and gradient of `function(x, *args)` by x."""
    plane = on_duals(function)
    gradient = np.empty(x.size)
    for i in range(x.size):
        point = np.array([Dual(float(v), float(i == j)) for j, v in enumerate(x)], dtype=object)
        result = dual(plane(point, *(a.copy() if isinstance(a, np.ndarray) else a for a in args)))
        gradient[i] = result.d
    return result.v, gradient
