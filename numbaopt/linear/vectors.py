"""Vectors: products, norms, copies. Loops run from 0 over whole arrays (`_memory.tail`): else they have no SIMD."""

from __future__ import annotations

import math

import numpy as np

from .._compile import inlined_part, part
from .._memory import add_terms, no_sums


@inlined_part
def dot(a, b):
    """a . b, summed in float64 in any order, so that the sum is vectorised."""
    total = no_sums(1)
    for i in range(a.size):
        total = add_terms(total, (a[i] * b[i],))
    return total[0]


@inlined_part
def dot_and_square(a, b):
    """a . b and a . a, in one pass."""
    total = no_sums(2)
    for i in range(a.size):
        total = add_terms(total, (a[i] * b[i], a[i] * a[i]))
    return total


@part
def scaled_norm(D, p):
    """|D p| for a diagonal D."""
    total = no_sums(1)
    for i in range(p.size):
        total = add_terms(total, ((D[i] * p[i]) ** 2,))
    return math.sqrt(total[0])


@part
def largest(a):
    """max |a_i|."""
    size = 0.0
    for i in range(a.size):
        size = max(size, abs(a[i]))
    return size


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
def multiply(out, factor):
    """`out[i] *= factor`."""
    for i in range(out.size):
        out[i] *= factor


@inlined_part
def add_multiple(out, factor, a):
    """`out[i] += factor * a[i]`."""
    for i in range(out.size):
        out[i] += factor * a[i]


@inlined_part
def add_multiple_and_square(out, factor, a):
    """`out[i] += factor * a[i]`, and then out . out."""
    total = no_sums(1)
    for i in range(out.size):
        value = out[i] + factor * a[i]
        out[i] = value
        total = add_terms(total, (value * value,))
    return total[0]


@part
def norm(a):
    """Euclidean norm, also where squares would overflow or vanish."""
    return root_of(a, dot(a, a))


@inlined_part
def root_of(a, square):
    """The norm of a, where a . a is `square` as far as that can be told."""
    if 1e-30 < square < 1e30:
        return math.sqrt(square)
    size = largest(a)
    if not 0 < size < np.inf:
        return size if square == square else np.nan
    total = 0.0
    for i in range(a.size):
        total += (a[i] / size) ** 2
    return size * math.sqrt(total)
