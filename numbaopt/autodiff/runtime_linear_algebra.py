"""What the adjoints of products of matrices and of numpy.linalg call; see `linear_algebra`."""

from __future__ import annotations

import numpy as np

from .runtime import helper, sign


@helper
def add_scaled_2d(target, factor, values):
    """target += factor * values, matrices."""
    for i in range(target.shape[0]):
        for j in range(target.shape[1]):
            target[i, j] += factor * values[i, j]


@helper
def add_cross(target, a, b):
    """target += a x b."""
    target[0] += a[1] * b[2] - a[2] * b[1]
    target[1] += a[2] * b[0] - a[0] * b[2]
    target[2] += a[0] * b[1] - a[1] * b[0]


@helper
def kron_adjoint_left(target, b, above):
    """Of r = np.kron(a, b): to a."""
    for i in range(target.shape[0]):
        for j in range(target.shape[1]):
            for k in range(b.shape[0]):
                for m in range(b.shape[1]):
                    target[i, j] += b[k, m] * above[i * b.shape[0] + k, j * b.shape[1] + m]


@helper
def kron_adjoint_right(target, a, above):
    """Of r = np.kron(a, b): to b."""
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            for k in range(target.shape[0]):
                for m in range(target.shape[1]):
                    target[k, m] += a[i, j] * above[i * target.shape[0] + k, j * target.shape[1] + m]


@helper
def add_to_diagonal(target, number):
    """target[i, i] += number."""
    for i in range(min(target.shape[0], target.shape[1])):
        target[i, i] += number


@helper
def add_diagonal(target, offset, values):
    """Elements of a diagonal of a matrix += values."""
    for i in range(values.shape[0]):
        target[i - min(offset, 0), i + max(offset, 0)] += values[i]


@helper
def sum_of_sizes_adjoint(target, values, above):
    """Of r = sum |a[i]|."""
    for i in range(target.shape[0]):
        target[i] += above * sign(values[i])


@helper
def largest_size_adjoint(target, values, above):
    """Of r = max |a[i]|: to the first that is."""
    first = 0
    for i in range(1, values.shape[0]):
        if abs(values[i]) > abs(values[first]):
            first = i
    target[first] += above * sign(values[first])


@helper
def cofactors(matrix):
    """The derivatives of det(A): by singular values s, of which each gets the product of the others."""
    u, s, v = np.linalg.svd(matrix)
    orientation = np.linalg.det(u) * np.linalg.det(v)
    others = np.ones_like(s)
    for i in range(s.shape[0]):
        for j in range(s.shape[0]):
            if i != j:
                others[i] *= s[j]
    return orientation * ((u * others) @ np.ascontiguousarray(v))


@helper
def signed_log_of_det(matrix):
    """What slogdet returns, as an array."""
    sign_of_it, log_of_it = np.linalg.slogdet(matrix)
    return np.array([sign_of_it, log_of_it])


@helper
def cholesky_adjoint(target, factor, above):
    """Of L with A = L L^T: S = L^-T P L^-1, P the lower triangle of L^T g, its diagonal halved."""
    n = factor.shape[0]
    transposed = factor.T.copy()
    lower = transposed @ np.tril(above)
    for i in range(n):
        lower[i, i] *= 0.5
        for j in range(i + 1, n):
            lower[i, j] = 0.0
    half = np.linalg.solve(transposed, lower)
    s = np.linalg.solve(transposed, half.T.copy())
    for i in range(n):
        target[i, i] += s[i, i]
        for j in range(i):
            target[i, j] += s[i, j] + s[j, i]


__all__ = [n for n, f in list(globals().items()) if hasattr(f, "py_func") and f.__module__ == __name__]
