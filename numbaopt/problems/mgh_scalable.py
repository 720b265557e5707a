"""Problems 21-34 of the collection: any number of unknowns, value and gradient in time and memory of order n.

A Jacobian would cost the square of that, so these are `f(x, g)`, which writes the gradient and returns the value.
"""

from __future__ import annotations

import numpy as np

from .._compile import kernel


@kernel
def extended_rosenbrock(x, g):
    """(21) 10 (x_{2i} - x_{2i-1}^2), 1 - x_{2i-1}; n even."""
    f = 0.0
    for i in range(0, x.size - 1, 2):
        a, b = x[i + 1] - x[i] * x[i], 1 - x[i]
        f += 100 * a * a + b * b
        g[i] = -400 * a * x[i] - 2 * b
        g[i + 1] = 200 * a
    return f


@kernel
def extended_powell_singular(x, g):
    """(22) x1 + 10 x2, sqrt(5) (x3 - x4), (x2 - 2 x3)^2, sqrt(10) (x1 - x4)^2 of each four; n a multiple of 4."""
    f = 0.0
    for i in range(0, x.size - 3, 4):
        a, b = x[i] + 10 * x[i + 1], x[i + 2] - x[i + 3]
        c, d = x[i + 1] - 2 * x[i + 2], x[i] - x[i + 3]
        f += a * a + 5 * b * b + c * c * c * c + 10 * d * d * d * d
        g[i] = 2 * a + 40 * d * d * d
        g[i + 1] = 20 * a + 4 * c * c * c
        g[i + 2] = 10 * b - 8 * c * c * c
        g[i + 3] = -10 * b - 40 * d * d * d
    return f


@kernel
def penalty_1(x, g):
    """(23) sqrt(1e-5) (x_i - 1), sum of x_j^2 - 1 / 4."""
    s = -0.25
    for j in range(x.size):
        s += x[j] * x[j]
    f = s * s
    for j in range(x.size):
        d = x[j] - 1
        f += 1e-5 * d * d
        g[j] = 2e-5 * d + 4 * s * x[j]
    return f


@kernel
def penalty_2(x, g):
    """(24) x1 - 0.2; sqrt(1e-5) times e_i + e_{i-1} - exp(i / 10) - exp((i - 1) / 10) and e_i - exp(-1 / 10) for i > 1,
    where e_i = exp(x_i / 10); sum of (n - j + 1) x_j^2 - 1.
    """
    s = -1.0
    for j in range(x.size):
        s += (x.size - j) * x[j] * x[j]
    d = x[0] - 0.2
    f = s * s + d * d
    g[0] = 4 * s * x.size * x[0] + 2 * d
    before = np.exp(x[0] / 10)
    for i in range(1, x.size):
        e = np.exp(x[i] / 10)
        a = e + before - np.exp((i + 1) / 10) - np.exp(i / 10)
        b = e - np.exp(-1 / 10)
        f += 1e-5 * (a * a + b * b)
        g[i - 1] += 2e-6 * a * before
        g[i] = 4 * s * (x.size - i) * x[i] + 2e-6 * (a + b) * e
        before = e
    return f


@kernel
def variably_dimensioned(x, g):
    """(25) x_i - 1, s, s^2, where s = sum of j (x_j - 1)."""
    s = 0.0
    for j in range(x.size):
        s += (j + 1) * (x[j] - 1)
    f = s * s + s * s * s * s
    for j in range(x.size):
        d = x[j] - 1
        f += d * d
        g[j] = 2 * d + (j + 1) * (2 * s + 4 * s * s * s)
    return f


@kernel
def trigonometric(x, g):
    """(26) n - sum of cos(x_j) + i (1 - cos(x_i)) - sin(x_i)."""
    s = 0.0
    for j in range(x.size):
        s += 1 - np.cos(x[j])
    f, total = 0.0, 0.0
    for i in range(x.size):
        r = s + (i + 1) * (1 - np.cos(x[i])) - np.sin(x[i])
        f += r * r
        total += r
        g[i] = r
    for i in range(x.size):
        g[i] = 2 * (total * np.sin(x[i]) + g[i] * ((i + 1) * np.sin(x[i]) - np.cos(x[i])))
    return f


@kernel
def brown_almost_linear(x, g):
    """(27) x_i + sum of x_j - (n + 1) for i < n, product of x_j - 1."""
    s, product = -(x.size + 1.0), 1.0
    for j in range(x.size):
        g[j] = product  # of those before
        s += x[j]
        product *= x[j]
    d = product - 1
    f, total = d * d, 0.0
    for i in range(x.size - 1):
        f += (x[i] + s) * (x[i] + s)
        total += x[i] + s
    product = 1.0  # of those after
    for j in range(x.size - 1, -1, -1):
        own = x[j] + s if j < x.size - 1 else 0
        g[j] = 2 * (own + total + d * g[j] * product)
        product *= x[j]
    return f


@kernel
def discrete_boundary_value(x, g):
    """(28) 2 x_i - x_{i-1} - x_{i+1} + h^2 (x_i + t_i + 1)^3 / 2, t_i = i h, h = 1 / (n + 1), x_0 = x_{n+1} = 0."""
    n = x.size
    h = 1 / (n + 1)
    for i in range(n):
        g[i] = 0
    f = 0.0
    for i in range(n):
        c = x[i] + (i + 1) * h + 1
        r = 2 * x[i] + h * h * c * c * c / 2
        if i > 0:
            r -= x[i - 1]
        if i < n - 1:
            r -= x[i + 1]
            g[i + 1] -= 2 * r
        if i > 0:
            g[i - 1] -= 2 * r
        g[i] += r * (4 + 3 * h * h * c * c)
        f += r * r
    return f


@kernel
def discrete_integral_equation(x, g):
    """(29) x_i + h / 2 ((1 - t_i) sum of t_j c_j^3, j <= i, + t_i sum of (1 - t_j) c_j^3, j > i), c_j = x_j + t_j + 1,
    t_i = i h, h = 1 / (n + 1).
    """
    n = x.size
    h = 1 / (n + 1)
    s = 0.0
    for i in range(n):
        t = (i + 1) * h
        c = x[i] + t + 1
        s += t * c * c * c
        g[i] = (1 - t) * s
    f, s, before = 0.0, 0.0, 0.0
    for i in range(n - 1, -1, -1):
        t = (i + 1) * h
        c = x[i] + t + 1
        r = x[i] + h / 2 * (g[i] + t * s)
        s += (1 - t) * c * c * c
        f += r * r
        before += t * r
        g[i] = r
    after = 0.0
    for i in range(n - 1, -1, -1):
        t = (i + 1) * h
        c = x[i] + t + 1
        before -= t * g[i]
        after += (1 - t) * g[i]
        g[i] = 2 * g[i] + 3 * h * c * c * (t * after + (1 - t) * before)
    return f


@kernel
def broyden_tridiagonal(x, g):
    """(30) (3 - 2 x_i) x_i - x_{i-1} - 2 x_{i+1} + 1, x_0 = x_{n+1} = 0."""
    n = x.size
    for i in range(n):
        g[i] = 0
    f = 0.0
    for i in range(n):
        r = (3 - 2 * x[i]) * x[i] + 1
        if i > 0:
            r -= x[i - 1]
        if i < n - 1:
            r -= 2 * x[i + 1]
            g[i + 1] -= 4 * r
        if i > 0:
            g[i - 1] -= 2 * r
        g[i] += r * (6 - 8 * x[i])
        f += r * r
    return f


@kernel
def broyden_banded(x, g):
    """(31) x_i (2 + 5 x_i^2) + 1 - sum of x_j (1 + x_j) over the others of i - 5 <= j <= i + 1."""
    n = x.size
    for i in range(n):
        g[i] = 0
    f = 0.0
    for i in range(n):
        r = x[i] * (2 + 5 * x[i] * x[i]) + 1
        for j in range(max(0, i - 5), min(n, i + 2)):
            if j != i:
                r -= x[j] * (1 + x[j])
        for j in range(max(0, i - 5), min(n, i + 2)):
            if j != i:
                g[j] -= 2 * r * (1 + 2 * x[j])
        g[i] += r * (4 + 30 * x[i] * x[i])
        f += r * r
    return f


@kernel
def linear_full_rank(x, g):
    """(32) x_i - 2 s / m - 1 for i <= n, -2 s / m - 1 for the others of m = 2 n, where s = sum of x_j."""
    n = x.size
    mean = 0.0  # 2 s / m
    for j in range(n):
        mean += x[j] / n
    f, total = n * (mean + 1) * (mean + 1), -n * (mean + 1)
    for i in range(n):
        r = x[i] - mean - 1
        f += r * r
        total += r
        g[i] = 2 * r
    for j in range(n):
        g[j] -= 2 * total / n
    return f


@kernel
def linear_rank_1(x, g):
    """(33) i s - 1 for i <= m = 2 n, where s = sum of j x_j."""
    s = 0.0
    for j in range(x.size):
        s += (j + 1) * x[j]
    f, slope = 0.0, 0.0
    for i in range(1, 2 * x.size + 1):
        r = i * s - 1
        f += r * r
        slope += 2 * i * r
    for j in range(x.size):
        g[j] = (j + 1) * slope
    return f


@kernel
def linear_rank_1_zeros(x, g):
    """(34) (i - 1) s - 1 for 1 < i < m = 2 n, where s = sum of j x_j over 1 < j < n; -1 for i = 1 and i = m."""
    n = x.size
    s = 0.0
    for j in range(1, n - 1):
        s += (j + 1) * x[j]
    f, slope = 2.0, 0.0
    for i in range(1, 2 * n - 1):
        r = i * s - 1
        f += r * r
        slope += 2 * i * r
    for j in range(n):
        g[j] = (j + 1) * slope if 0 < j < n - 1 else 0
    return f
