"""Exact derivatives by dual numbers, run by CPython on arrays of objects: the oracle of the gradients of constructs."""

from __future__ import annotations

import math
from types import CodeType, FunctionType, SimpleNamespace

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

    def __floordiv__(self, o):
        return Dual(self.v // dual(o).v)

    def __divmod__(self, o):
        return self // o, self % o

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

    def conjugate(self):
        return self

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


def _norm(a, order=2):
    if order == 1:
        return np.sum(np.abs(a))
    return np.sum(a * a) ** 0.5 if order == 2 else np.max(np.abs(a))


def _solve(matrix, b):
    """Gaussian elimination."""
    a, b, n = matrix.copy(), b.copy(), len(b)
    for k in range(n):
        for i in range(k + 1, n):
            factor = a[i, k] / a[k, k]
            a[i] = a[i] - a[k] * factor
            b[i] = b[i] - factor * b[k]
    for k in range(n - 1, -1, -1):
        b[k] = (b[k] - sum(a[k, j] * b[j] for j in range(k + 1, n))) / a[k, k]
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


def _cholesky(matrix):
    r = np.zeros_like(matrix)
    for i in range(len(r)):
        for j in range(i + 1):
            rest = matrix[i, j] - sum(r[i, k] * r[j, k] for k in range(j))
            r[i, j] = rest**0.5 if i == j else rest / r[j, j]
    return r


def _slogdet(matrix):
    det = dual(_det(matrix))
    return math.copysign(1.0, det.v), abs(det).log()


def _solve_all(matrix, b):
    return _solve(matrix, b) if b.ndim == 1 else np.stack([_solve(matrix, c) for c in b.T], axis=1)


def _interp(x, xp, fp):
    if isinstance(x, np.ndarray):
        return np.array([_interp(a, xp, fp) for a in x])
    i = int(np.searchsorted(xp, dual(x).v, side="right")) - 1
    if not 0 <= i < len(xp) - 1:
        return fp[max(i, 0)]
    return fp[i] + (x - xp[i]) / (xp[i + 1] - xp[i]) * (fp[i + 1] - fp[i])


_makers = {name: _objects(getattr(np, name)) for name in ("zeros", "empty", "ones", "zeros_like", "ones_like", "eye")}
_special = {
    "newaxis": None,
    "hypot": _hypot,
    "arctan2": _arctan2,
    "atan2": _arctan2,
    "atan": _elementary("arctan"),
    "asin": _elementary("arcsin"),
    "array": np.array,
    "interp": _interp,
    "linspace": lambda a, b, n: np.array([a + (b - a) * (k / (n - 1)) for k in range(n)]),
    "median": lambda a: np.sort(a)[len(a) // 2],
    "pow": lambda a, b: a**b,
    "full": lambda n, v: np.array([v] * n, dtype=object),
    "var": lambda a: np.mean((a - np.mean(a)) * (a - np.mean(a))),
    "std": lambda a: np.mean((a - np.mean(a)) * (a - np.mean(a))) ** 0.5,
    "linalg": SimpleNamespace(norm=_norm, solve=_solve_all, det=_det, inv=_inv, cholesky=_cholesky, slogdet=_slogdet),
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


def _names(code):
    """Names of globals that the code reads, or functions inside it do."""
    inner = [c for c in code.co_consts if isinstance(c, CodeType)]
    return {*code.co_names, *(name for c in inner for name in _names(c))}


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
    for name in _names(function.__code__):
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
