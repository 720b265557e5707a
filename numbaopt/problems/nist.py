"""The residual sums of squares of NIST's models, formulas as in the files; they take complex parameters too."""

from __future__ import annotations

import numpy as np

from .._compile import jit_user

# A power of a negative complex number goes through its logarithm, which buries the tiny imaginary part of a complex
# step: squares and cubes of parameters and residuals are written as products.


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
