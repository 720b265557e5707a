"""Test functions with known minima, shared by tests, benchmarks and examples; numba compiles each on its first call.

Those named `*_inplace` have the form of `jac="inplace"`: they write the gradient into their second argument and return
the value. `NIST` has, by the name of the data set, the residual sum of squares of each model as `rss(b, x, y)`. The
others take complex parameters too, so that `jac="cs"` gives their gradient to the last digit.
"""

from __future__ import annotations

import numpy as np

from ._compile import jit_user

__all__ = ["NIST", "quadratic", "quadratic_inplace", "rosenbrock", "rosenbrock_inplace", "sphere", "sphere_inplace"]

# A power of a negative complex number goes through its logarithm, which buries the tiny imaginary part of a complex
# step: squares and cubes of parameters and residuals are written as products.


@jit_user
def sphere(x):
    """Sum of x_i^2; the minimum is 0, at 0."""
    f = 0.0
    for i in range(x.size):
        f += x[i] * x[i]
    return f


@jit_user
def sphere_inplace(x, g):
    """`sphere` with its gradient."""
    f = 0.0
    for i in range(x.size):
        f += x[i] * x[i]
        g[i] = 2 * x[i]
    return f


@jit_user
def quadratic(x, scale, minimum):
    """Sum of scale_i (x_i - minimum_i)^2 / 2; its condition number is that of `scale`."""
    f = 0.0
    for i in range(x.size):
        d = x[i] - minimum[i]
        f += 0.5 * scale[i] * d * d
    return f


@jit_user
def quadratic_inplace(x, g, scale, minimum):
    """`quadratic` with its gradient."""
    f = 0.0
    for i in range(x.size):
        d = x[i] - minimum[i]
        g[i] = scale[i] * d
        f += 0.5 * g[i] * d
    return f


@jit_user
def rosenbrock(x):
    """Sum of 100 (x_{i+1} - x_i^2)^2 + (1 - x_i)^2 over neighbours, n >= 2; the minimum is 0, at (1, ..., 1)."""
    f = 0.0
    for i in range(x.size - 1):
        a = x[i + 1] - x[i] * x[i]
        b = 1 - x[i]
        f += 100 * a * a + b * b
    return f


@jit_user
def rosenbrock_inplace(x, g):
    """`rosenbrock` with its gradient."""
    f = 0.0
    g[0] = 0
    for i in range(x.size - 1):
        a = x[i + 1] - x[i] * x[i]
        b = 1 - x[i]
        f += 100 * a * a + b * b
        g[i] -= 400 * a * x[i] + 2 * b
        g[i + 1] = 200 * a
    return f


# --- residual sums of squares of the NIST models, formulas as in the files -------------------------------------------


@jit_user
def bennett5(b, x, y):
    """y = b1 (b2 + x)^(-1 / b3)."""
    f = 0.0
    for i in range(x.size):
        r = y[i] - b[0] * (b[1] + x[i]) ** (-1 / b[2])
        f += r * r
    return f


@jit_user
def chwirut2(b, x, y):
    """y = exp(-b1 x) / (b2 + b3 x)."""
    f = 0.0
    for i in range(x.size):
        r = y[i] - np.exp(-b[0] * x[i]) / (b[1] + b[2] * x[i])
        f += r * r
    return f


@jit_user
def danwood(b, x, y):
    """y = b1 x^b2."""
    f = 0.0
    for i in range(x.size):
        r = y[i] - b[0] * x[i] ** b[1]
        f += r * r
    return f


@jit_user
def eckerle4(b, x, y):
    """y = b1 / b2 exp(-((x - b3) / b2)^2 / 2)."""
    f = 0.0
    for i in range(x.size):
        z = (x[i] - b[2]) / b[1]
        r = y[i] - b[0] / b[1] * np.exp(-0.5 * z * z)
        f += r * r
    return f


@jit_user
def gauss1(b, x, y):
    """y = b1 exp(-b2 x) + b3 exp(-((x - b4) / b5)^2) + b6 exp(-((x - b7) / b8)^2)."""
    f = 0.0
    for i in range(x.size):
        z1 = (x[i] - b[3]) / b[4]
        z2 = (x[i] - b[6]) / b[7]
        r = y[i] - b[0] * np.exp(-b[1] * x[i]) - b[2] * np.exp(-z1 * z1) - b[5] * np.exp(-z2 * z2)
        f += r * r
    return f


@jit_user
def kirby2(b, x, y):
    """y = (b1 + b2 x + b3 x^2) / (1 + b4 x + b5 x^2)."""
    f = 0.0
    for i in range(x.size):
        r = y[i] - (b[0] + x[i] * (b[1] + x[i] * b[2])) / (1 + x[i] * (b[3] + x[i] * b[4]))
        f += r * r
    return f


@jit_user
def mgh17(b, x, y):
    """y = b1 + b2 exp(-b4 x) + b3 exp(-b5 x)."""
    f = 0.0
    for i in range(x.size):
        r = y[i] - b[0] - b[1] * np.exp(-b[3] * x[i]) - b[2] * np.exp(-b[4] * x[i])
        f += r * r
    return f


@jit_user
def misra1a(b, x, y):
    """y = b1 (1 - exp(-b2 x))."""
    f = 0.0
    for i in range(x.size):
        r = y[i] - b[0] * (1 - np.exp(-b[1] * x[i]))
        f += r * r
    return f


@jit_user
def rat42(b, x, y):
    """y = b1 / (1 + exp(b2 - b3 x))."""
    f = 0.0
    for i in range(x.size):
        r = y[i] - b[0] / (1 + np.exp(b[1] - b[2] * x[i]))
        f += r * r
    return f


@jit_user
def thurber(b, x, y):
    """y = (b1 + b2 x + b3 x^2 + b4 x^3) / (1 + b5 x + b6 x^2 + b7 x^3)."""
    f = 0.0
    for i in range(x.size):
        t = x[i]
        r = y[i] - (b[0] + t * (b[1] + t * (b[2] + t * b[3]))) / (1 + t * (b[4] + t * (b[5] + t * b[6])))
        f += r * r
    return f


NIST = {
    "Bennett5": bennett5,
    "Chwirut2": chwirut2,
    "DanWood": danwood,
    "Eckerle4": eckerle4,
    "Gauss1": gauss1,
    "Kirby2": kirby2,
    "MGH17": mgh17,
    "Misra1a": misra1a,
    "Rat42": rat42,
    "Thurber": thurber,
}
"""Data set -> residual sum of squares `rss(b, x, y)` of its model, compiled."""
