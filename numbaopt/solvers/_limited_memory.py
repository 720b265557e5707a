"""The pairs of L-BFGS: steps and changes of the gradient, and the products of each with each.

With W = [y_1 s_1 y_2 s_2 ...], the Hessian that the pairs stand for is B = theta I - W M W^T with the inverse of M::

    (Y^T Y) -> -D on the diagonal,  (S^T Y) -> L / theta below it,  (S^T S) / theta

(R. H. Byrd, J. Nocedal and R. B. Schnabel, "Representations of quasi-Newton matrices and their use in limited memory
methods", Mathematical Programming 63, 1994, theorem 2.3), and its product with a vector takes two passes over W and
numbers of order memory^2. All is in the variables x / D, D the scales of x.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .._compile import inlined, part
from .._memory import add_terms, borrow, no_sums, reinterpreted, row

BLOCK = 2048
"""Elements of the vectors that are worked on at a time, which stay in the cache meanwhile."""


class Memory(NamedTuple):
    """Pointers to the numbers that the solver keeps; sums are in float64 whatever x is."""

    n: Any
    m: Any
    own: Any  # count, the pair that is next, theta, whether there are bounds, changes of the free variables
    P: Any  # (2m, 2m) the products W^T W
    F: Any  # (2m, 2m) the same over the free variables alone
    A: Any  # (2m, 2m) room for a matrix of equations
    K: Any  # (2m, 2m) and for another
    v: Any  # (8, 2m) room for vectors
    W: Any  # (2m, n) the pairs: y_j at 2 j, s_j at 2 j + 1
    g: Any  # (n,) the gradient by x / D
    d: Any  # (n,) the direction, in x / D, then in x
    z: Any  # (n,) from x to the Cauchy point
    r: Any  # (n,) room: breakpoints, then the reduced gradient
    free: Any  # (n,) 1 for free variables, 0 for others
    heap: Any  # (n,) of int32


COUNT, NEXT, THETA, BOUNDED, CHANGED = 0, 1, 2, 3, 4
OWN = 8


def size(n: int, m: int) -> int:
    """How many numbers of the dtype of x all that takes; float64 counts twice, for the sake of float32."""
    return 2 * (OWN + 16 * m * m + 16 * m) + 2 * m * n + 6 * n


@inlined
def memory_of(work, n, m):
    """The pointers into what the solver keeps."""
    w, first = 2 * m, borrow(work)
    own = reinterpreted(first, np.float64(0))
    rows = row(first, 1, 2 * (OWN + 4 * w * w + 8 * w))
    vectors = row(rows, w, n)
    return Memory(
        n,
        m,
        own,
        row(own, 1, OWN),
        row(own, 1, OWN + w * w),
        row(own, 1, OWN + 2 * w * w),
        row(own, 1, OWN + 3 * w * w),
        row(own, 1, OWN + 4 * w * w),
        rows,
        vectors,
        row(vectors, 1, n),
        row(vectors, 2, n),
        row(vectors, 3, n),
        row(vectors, 4, n),
        reinterpreted(row(vectors, 5, n), np.int32(0)),
    )


@part
def remember(mem, box, x, g, trial, trial_g, least):
    """Take in the pair of the step to the trial point if s.y > least; whether it was."""
    n, m, W, own, scale = mem.n, mem.m, mem.W, mem.own, box.scale
    j, count = int(own[NEXT]), int(own[COUNT])
    sums = no_sums(2)
    for i in range(n):
        y = scale[i] * (trial_g[i] - g[i])
        sums = add_terms(sums, ((trial[i] - x[i]) / scale[i] * y, y * y))
    sy, yy = sums
    if not (sy > least and yy < np.inf):
        return False
    y, s = row(W, 2 * j, n), row(W, 2 * j + 1, n)
    for i in range(n):
        y[i] = scale[i] * (trial_g[i] - g[i])
        s[i] = (trial[i] - x[i]) / scale[i]
    own[THETA] = yy / sy
    own[NEXT], own[COUNT] = (j + 1) % m, min(count + 1, m)
    enter(mem, mem.P, j, y, s)
    if own[BOUNDED] > 0:
        for i in range(n):
            mem.z[i], mem.r[i] = mem.free[i] * y[i], mem.free[i] * s[i]
        enter(mem, mem.F, j, mem.z, mem.r)
    return True


@part
def enter(mem, P, j, y, s):
    """The products of all pairs with the pair j."""
    rows, w = 2 * int(mem.own[COUNT]), 2 * mem.m
    with_y, with_s = row(mem.v, 0, w), row(mem.v, 1, w)
    products(mem.W, rows, y, s, with_y, with_s, mem.n)
    for a in range(rows):
        P[a * w + 2 * j] = P[2 * j * w + a] = with_y[a]
        P[a * w + 2 * j + 1] = P[(2 * j + 1) * w + a] = with_s[a]


@part
def products(W, rows, a, b, with_a, with_b, n):
    """W^T a and W^T b."""
    for k in range(rows):
        with_a[k] = with_b[k] = 0
    for low in range(0, n, BLOCK):
        length = min(n - low, BLOCK)
        of_a, of_b = row(a, low, 1), row(b, low, 1)
        for k in range(rows):
            w, sums = row(W, k * n + low, 1), no_sums(2)
            for i in range(length):
                sums = add_terms(sums, (w[i] * of_a[i], w[i] * of_b[i]))
            with_a[k] += sums[0]
            with_b[k] += sums[1]


@part
def product(W, rows, a, out, n):
    """W^T a."""
    for k in range(rows):
        out[k] = 0
    for low in range(0, n, BLOCK):
        length, of_a = min(n - low, BLOCK), row(a, low, 1)
        for k in range(rows):
            out[k] += dot_at(row(W, k * n + low, 1), of_a, length)


@part
def dot_at(a, b, n):
    """a.b of n elements."""
    total = no_sums(1)
    for i in range(n):
        total = add_terms(total, (a[i] * b[i],))
    return total[0]


@part
def add_pairs(W, rows, c, out, n):
    """out + W c, in out."""
    for low in range(0, n, BLOCK):
        length, to = min(n - low, BLOCK), row(out, low, 1)
        for k in range(rows):
            add_row(row(W, k * n + low, 1), c[k], to, length)


@part
def add_row(w, c, to, n):
    """to + c w, in to."""
    for i in range(n):
        to[i] += c * w[i]


# --- without bounds ---------------------------------------------------------------------------------------------------


@part
def quasi_newton(mem):
    """d = -H g by the recursion of two loops, on the coefficients of g, y_j and s_j that make d."""
    w, m, n, P = 2 * mem.m, mem.m, mem.n, mem.P
    count, theta = int(mem.own[COUNT]), mem.own[THETA]
    oldest, b, c = int(mem.own[NEXT]) if count == m else 0, row(mem.v, 0, w), row(mem.v, 1, w)
    product(mem.W, 2 * count, mem.g, b, n)
    for j in range(2 * count):
        c[j] = 0
    for back in range(count):  # newest first: alpha_i = s_i.(g - sum of alpha_j y_j) / s_i.y_i
        i = 2 * ((oldest + count - 1 - back) % m)
        of_s = row(P, i + 1, w)
        c[i] = (b[i + 1] - strided(c, of_s, count)) / of_s[i]
    for ahead in range(count):  # oldest first: beta_i = y_i.r / s_i.y_i, and r + (alpha_i - beta_i) s_i
        i = 2 * ((oldest + ahead) % m)
        of_y = row(P, i, w)
        beta = (b[i] - strided(c, of_y, count)) / theta + strided(row(c, 1, 1), row(of_y, 1, 1), count)
        c[i + 1] = c[i] - beta / of_y[i + 1]
    for j in range(0, 2 * count, 2):
        c[j], c[j + 1] = c[j] / theta, -c[j + 1]
    for i in range(n):
        mem.d[i] = -mem.g[i] / theta
    add_pairs(mem.W, 2 * count, c, mem.d, n)


@part
def strided(a, b, count):
    """a.b of every other element."""
    total = 0.0
    for j in range(count):
        total += a[2 * j] * b[2 * j]
    return total


# --- equations --------------------------------------------------------------------------------------------------------


@part
def middle(mem, A):
    """A = the inverse of M."""
    m, w, theta, P, count = mem.m, 2 * mem.m, mem.own[THETA], mem.P, int(mem.own[COUNT])
    oldest = int(mem.own[NEXT]) if count == m else 0
    for i in range(count):
        y, s, of_s = row(A, 2 * i, w), row(A, 2 * i + 1, w), row(P, 2 * i + 1, w)
        for j in range(count):
            newer = (i - oldest + m) % m > (j - oldest + m) % m
            y[2 * j] = -of_s[2 * i] if i == j else 0.0
            s[2 * j + 1] = of_s[2 * j + 1] / theta
            s[2 * j] = of_s[2 * j] / theta if newer else 0.0
            A[2 * j * w + 2 * i + 1] = s[2 * j]


@part
def factorise(A, rows, w, order):
    """A = P L U in place, a matrix with rows of w numbers; whether it is regular."""
    for k in range(rows):
        pivot, a = k, row(A, k, w)
        for i in range(k + 1, rows):
            if abs(A[i * w + k]) > abs(A[pivot * w + k]):
                pivot = i
        order[k], b = pivot, row(A, pivot, w)
        if not 0 < abs(b[k]) < np.inf:
            return False
        for j in range(rows):
            a[j], b[j] = b[j], a[j]
        for i in range(k + 1, rows):
            c = row(A, i, w)
            c[k] /= a[k]
            for j in range(k + 1, rows):
                c[j] -= c[k] * a[j]
    return True


@part
def solve_with(A, rows, w, order, b):
    """b = A^-1 b, A as `factorise` leaves it."""
    for k in range(rows):
        pivot = int(order[k])
        b[k], b[pivot] = b[pivot], b[k]
    for k in range(rows):
        b[k] -= dot_at(row(A, k, w), b, k)
    for k in range(rows - 1, -1, -1):
        a = row(A, k, w)
        b[k] = (b[k] - dot_at(row(a, k + 1, 1), row(b, k + 1, 1), rows - 1 - k)) / a[k]
