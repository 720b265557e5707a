"""Derivatives of whole arrays along a direction, for generated code in forward mode."""

from __future__ import annotations

import numpy as np

from .runtime import helper
from .runtime_linear_algebra import cofactors


@helper
def cumprod_tangent(values, tangent):
    """Of r = np.cumprod(a), a vector: r da / a, without the division."""
    result = np.empty_like(tangent)
    product, change = 1.0, 0.0
    for i in range(values.shape[0]):
        change = change * values[i] + product * tangent[i]
        product *= values[i]
        result[i] = change
    return result


@helper
def without(matrix, row, column):
    """The matrix without a row and a column."""
    n = matrix.shape[0] - 1
    part = np.empty((n, n), matrix.dtype)
    for i in range(n):
        for j in range(n):
            part[i, j] = matrix[i + (i >= row), j + (j >= column)]
    return part


@helper
def cofactors_tangent(matrix, values, tangent):
    """Of C = det(A) A^-T: (C : dA) A^-T - A^-T dA^T C; where A is singular, from the cofactors of its minors."""
    n = matrix.shape[0]
    sizes = np.linalg.svd(matrix)[1]
    if sizes[n - 1] > 1e-8 * sizes[0]:
        inverse = np.linalg.inv(matrix).T.copy()
        return np.sum(values * tangent) * inverse - inverse @ tangent.T.copy() @ values
    result = np.zeros((n, n), matrix.dtype)
    for i in range(n if n > 1 else 0):
        for j in range(n):
            change = np.sum(cofactors(without(matrix, i, j)) * without(tangent, i, j))
            result[i, j] = change if (i + j) % 2 == 0 else -change
    return result


@helper
def cholesky_tangent(factor, tangent):
    """Of L with A = L L^T: L P, P the lower triangle of L^-1 dA L^-T, its diagonal halved; dA has that of A's below."""
    n = factor.shape[0]
    change = np.empty_like(factor)
    for i in range(n):
        for j in range(i + 1):
            change[i, j] = change[j, i] = tangent[i, j]
    half = np.linalg.solve(factor, change).T.copy()
    lower = np.tril(np.linalg.solve(factor, half))
    for i in range(n):
        lower[i, i] *= 0.5
    return factor @ lower


__all__ = [n for n, f in list(globals().items()) if hasattr(f, "py_func") and f.__module__ == __name__]
