"""The linear least squares problem of a Levenberg-Marquardt step: QR with pivoting, and its damped solutions.

A Jacobian J with m rows and n columns is kept as its transpose `A`, of shape (n, m), so that each column is contiguous.
More, "The Levenberg-Marquardt algorithm: implementation and theory" (1978); MINPACK's qrfac, qrsolv and lmpar.
"""

from __future__ import annotations

import math

import numpy as np

from .._compile import part
from .._memory import line, tail
from .vectors import add_multiple, add_multiple_and_square, clear, dot, multiply, root_of, scaled_norm


@part
def factorise(A, b, R, order, norms):
    """J P = Q R with the longest remaining column next: R (n, n) upper triangular, P as `order`, b becomes Q^T b.

    A is used up: its rows, where they are, have the reflections. `norms` has their lengths when this is called. Columns
    behind the m-th are left 0 in R's diagonal.
    """
    n, m = A.shape
    for j in range(n):
        order[j] = j
    for j in range(n):
        longest = j
        for k in range(j + 1, n):
            if norms[k] > norms[longest]:
                longest = k
        if longest != j:
            exchange(R, order, norms, j, longest)
        if j < m:
            R[j, j] = reflect(A, b, R, order, norms, j)
        else:
            R[j, j] = 0


@part
def exchange(R, order, norms, j, k):
    """Exchange columns j and k of what is left, and of the rows of R above."""
    for i in range(j):
        R[i, j], R[i, k] = R[i, k], R[i, j]
    order[j], order[k] = order[k], order[j]
    norms[k], norms[j] = norms[j], norms[k]


@part
def reflect(A, b, R, order, norms, j):
    """The Householder reflection that leaves column j with one element, which is returned; applied to all behind it.

    `norms` has the lengths of what is left of the columns from j on; afterwards those from j + 1 on.
    """
    n, v, length = A.shape[0], tail(line(A, order[j]), j), norms[j]
    if length < np.finfo(A.dtype).tiny:  # 1 / length would overflow
        for k in range(j + 1, n):
            R[j, k] = A[order[k], j]
        return v[0] * 0
    if v[0] > 0:
        length = -length
    multiply(v, A.dtype.type(-1) / length)
    v[0] += 1  # v = e + a / |a|; H = 1 - v v^T / v_0
    share = -1 / v[0]
    for k in range(j + 1, n):
        rest = tail(line(A, order[k]), j)
        factor = dot(v, rest) * share
        R[j, k] = rest[0] + factor * v[0]
        left = tail(rest, 1)
        norms[k] = root_of(left, add_multiple_and_square(left, factor, tail(v, 1)))
    rest = tail(b, j)
    add_multiple(rest, dot(v, rest) * share, v)
    return length


@part
def rotate(A, order, b):
    """b becomes Q^T b, of the Q whose reflections `factorise` left in A."""
    n, m = A.shape
    for j in range(min(n, m)):
        v, rest = tail(line(A, order[j]), j), tail(b, j)
        if v[0] != 0:
            add_multiple(rest, -dot(v, rest) / v[0], v)


@part
def back_substitute(R, n, b, y):
    """Solve R y = b for the n leading unknowns."""
    for i in range(n - 1, -1, -1):
        total = b[i]
        for k in range(i + 1, n):
            total -= R[i, k] * y[k]
        y[i] = total / R[i, i]


@part
def rank_of(R):
    """How many leading elements of the diagonal are not 0 to rounding."""
    n = R.shape[0]
    least = abs(R[0, 0]) * np.finfo(R.dtype).eps
    for j in range(n):
        if not abs(R[j, j]) > least:
            return j
    return n


@part
def damped_solution(R, order, damping, qtb, S, y, p):
    """The p that minimises |J p - b|^2 + |E p|^2, where E is diagonal: E[i] = damping[i].

    Givens rotations make [R; P^T E P] triangular: S, with as many rows as R. Returns nothing; `y` is scratch.
    """
    n = R.shape[0]
    for i in range(n):
        y[i] = qtb[i]
        for k in range(i, n):
            S[i, k] = R[i, k]
    row = p  # p is not needed until the end
    for j in range(n):
        d = damping[order[j]]
        if d == 0:
            continue
        for k in range(j, n):
            row[k] = 0
        row[j] = d
        carried = qtb[0] * 0
        for k in range(j, n):
            if row[k] == 0:
                continue
            length = math.hypot(S[k, k], row[k])
            c, s = S[k, k] / length, row[k] / length
            S[k, k] = length
            y[k], carried = c * y[k] + s * carried, c * carried - s * y[k]
            for i in range(k + 1, n):
                S[k, i], row[i] = c * S[k, i] + s * row[i], c * row[i] - s * S[k, i]
    rank = rank_of_diagonal(S)
    for i in range(rank, n):
        y[i] = 0
    back_substitute(S, rank, y, y)
    for i in range(n):
        p[order[i]] = y[i]


@part
def rank_of_diagonal(S):
    """How many leading elements of the diagonal are not 0."""
    for j in range(S.shape[0]):
        if S[j, j] == 0:
            return j
    return S.shape[0]


@part
def trust_region_step(R, order, D, qtb, delta, par, S, y, damping, p):
    """The p with |D p| <= delta (to a tenth) that minimises |J p - b|, and the parameter that gives it: lmpar.

    (J^T J + par D^2) p = J^T b, par = 0 or |D p| = delta.
    """
    n = R.shape[0]
    rank = rank_of(R)
    for i in range(n):
        y[i] = 0
    back_substitute(R, rank, qtb, y)
    for i in range(n):
        p[order[i]] = y[i]
    size = scaled_norm(D, p)
    excess = size - delta
    if excess <= 0.1 * delta:
        return 0.0
    low = 0.0
    if rank == n:
        low = excess / delta / newton_slope(R, order, D, p, size, y)
    high = gradient_size(R, order, D, qtb) / delta
    if high == 0:
        high = np.finfo(R.dtype).tiny / min(delta, 0.1)
    par = min(max(par, low), high)
    if par == 0:
        par = gradient_size(R, order, D, qtb) / size
    for _ in range(10):
        if par == 0:
            par = max(np.finfo(R.dtype).tiny, 0.001 * high)
        root = math.sqrt(par)
        for i in range(n):
            damping[i] = root * D[i]
        damped_solution(R, order, damping, qtb, S, y, p)
        size = scaled_norm(D, p)
        before, excess = excess, size - delta
        if abs(excess) <= 0.1 * delta or (low == 0 and excess <= before < 0):
            break
        correction = excess / delta / newton_slope(S, order, D, p, size, y)
        if excess > 0:
            low = max(low, par)
        elif excess < 0:
            high = min(high, par)
        par = max(low, par + correction)
    return par


@part
def newton_slope(R, order, D, p, size, y):
    """|R^-T P^T D^2 p / |D p||^2: the slope of 1 / |D p| by the parameter."""
    n, total = R.shape[0], 0.0
    for j in range(n):
        y[j] = D[order[j]] * (D[order[j]] * p[order[j]] / size)
    for j in range(n):
        y[j] /= R[j, j]
        total += y[j] * y[j]
        for i in range(j + 1, n):
            y[i] -= R[j, i] * y[j]
    return total


@part
def gradient_size(R, order, D, qtb):
    """|D^-1 J^T b|."""
    total = 0.0
    for j in range(R.shape[0]):
        g = 0.0
        for i in range(j + 1):
            g += R[i, j] * qtb[i]
        total += (g / D[order[j]]) ** 2
    return math.sqrt(total)


@part
def model_change(R, order, qtb, p):
    """(J p) . b and |J p|^2."""
    n, along, square = R.shape[0], 0.0, 0.0
    for i in range(n):
        line = 0.0
        for j in range(i, n):
            line += R[i, j] * p[order[j]]
        along += line * qtb[i]
        square += line * line
    return along, square


@part
def inverse_of_square(R, order, lengths, Q, C):
    """C = (J^T J)^-1 of a factorised J whose columns have these lengths; whether it has full rank, whatever the units.

    Columns of length 0 have zeros in C and do not count. Q, of the shape of R, is scratch.
    """
    n, rank = R.shape[0], 0
    for i in range(n):
        clear(line(C, i))
        rank += lengths[i] > 0
    if rank == 0:
        return False
    for j in range(rank):  # Q = R^-1, column by column
        if not abs(R[j, j]) > lengths[order[j]] * np.finfo(R.dtype).eps * n:
            return False
        Q[j, j] = 1 / R[j, j]
        for i in range(j - 1, -1, -1):
            total = 0.0
            for k in range(i + 1, j + 1):
                total -= R[i, k] * Q[k, j]
            Q[i, j] = total / R[i, i]
    for i in range(rank):
        for j in range(i + 1):
            total = 0.0
            for k in range(i, rank):
                total += Q[i, k] * Q[j, k]
            a, b = order[i], order[j]
            C[a, b] = C[b, a] = total
    return True
