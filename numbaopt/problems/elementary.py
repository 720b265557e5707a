"""Functions of any size whose minima are obvious; those without a gradient take complex parameters too."""

from __future__ import annotations

from .._compile import jit_user


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
