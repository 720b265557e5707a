"""Vectors: products, norms, copies."""

from __future__ import annotations

import math

import numpy as np

from .._compile import part, summing_part


@summing_part
def dot(a, b, first, last):
    """Sum of a[i] * b[i] over first <= i < last."""
    total = a[first] * b[first] if last > first else a.dtype.type(0)
    for i in range(first + 1, last):
        total += a[i] * b[i]
    return total


@part
def copy(source, target):
    """`target[:] = source`, without the code for errors of shapes that numba adds, which takes seconds to compile."""
    for i in range(target.size):
        target[i] = source[i]


@part
def clear(out):
    """`out[i] = 0`."""
    for i in range(out.size):
        out[i] = 0


@part
def add_multiple(out, factor, a, first, last):
    """`out[i] += factor * a[i]` over first <= i < last."""
    for i in range(first, last):
        out[i] += factor * a[i]


@part
def norm(a, first, last):
    """Euclidean norm of a[first:last], also where squares would overflow or vanish."""
    square = dot(a, a, first, last)
    if 1e-30 < square < 1e30:
        return math.sqrt(square)
    largest = 0.0
    for i in range(first, last):
        largest = max(largest, abs(a[i]))
    if not 0 < largest < np.inf:
        return largest if largest == largest else np.nan
    total = 0.0
    for i in range(first, last):
        total += (a[i] / largest) ** 2
    return largest * math.sqrt(total)
