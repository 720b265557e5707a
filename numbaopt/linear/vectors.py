"""Vectors: products, norms, copies. Loops run from 0 over whole arrays (`_memory.tail`): else they have no SIMD."""

from __future__ import annotations

import math

import numpy as np

from .._compile import inlined_part, part, summing_part


@summing_part
def dot(a, b):
    """Sum of a[i] * b[i]."""
    total = a.dtype.type(0)
    for i in range(a.size):
        total += a[i] * b[i]
    return total


@inlined_part
def copy(source, target):
    """`target[:] = source`, without the code for errors of shapes that numba adds, which takes seconds to compile."""
    for i in range(target.size):
        target[i] = source[i]


@inlined_part
def clear(out):
    """`out[i] = 0`."""
    for i in range(out.size):
        out[i] = 0


@inlined_part
def divide(out, d):
    """`out[i] /= d`."""
    for i in range(out.size):
        out[i] /= d


@inlined_part
def add_multiple(out, factor, a):
    """`out[i] += factor * a[i]`."""
    for i in range(out.size):
        out[i] += factor * a[i]


@part
def norm(a):
    """Euclidean norm, also where squares would overflow or vanish."""
    square = dot(a, a)
    if 1e-30 < square < 1e30:
        return math.sqrt(square)
    largest = 0.0
    for i in range(a.size):
        largest = max(largest, abs(a[i]))
    if not 0 < largest < np.inf:
        return largest if largest == largest else np.nan
    total = 0.0
    for i in range(a.size):
        total += (a[i] / largest) ** 2
    return largest * math.sqrt(total)
