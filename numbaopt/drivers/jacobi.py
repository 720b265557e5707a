"""Eigenvectors of a symmetric matrix by Jacobi's rotations, in place and without allocation."""

from __future__ import annotations

import numpy as np

from .._compile import part

SWEEPS = 30


@part
def diagonalise(C, V, A, d, tol):
    """Let the rows of V, orthonormal on entry, become eigenvectors of C, and d its eigenvalues; A is room.

    All but d, of shape (k,), are (k, k) matrices as vectors. It goes on from the V that is given until every element of
    V C V^T off the diagonal is at most tol sqrt(a_pp a_qq): where C has changed little, one sweep does.
    """
    k = d.size
    for p in range(k):
        for i in range(k):  # row p of V C, into d
            d[i] = 0
        for j in range(k):
            for i in range(k):
                d[i] += V[p * k + j] * C[j * k + i]
        for q in range(k):
            total = V.dtype.type(0)
            for i in range(k):
                total += d[i] * V[q * k + i]
            A[p * k + q] = total
    for _ in range(SWEEPS):
        if not sweep(A, V, k, tol):
            break
    for p in range(k):
        d[p] = A[p * k + p]


@part
def sweep(A, V, k, tol):
    """Rotate away each element above the diagonal that is not small; whether there was one."""
    rotated = False
    for p in range(k - 1):
        for q in range(p + 1, k):
            a, pp, qq = A[p * k + q], A[p * k + p], A[q * k + q]
            if a == 0 or (abs(a) <= tol * np.sqrt(max(pp, 0)) * np.sqrt(max(qq, 0))):
                continue
            rotated = True
            theta = (qq - pp) / (2 * a)
            t = np.copysign(1 / (abs(theta) + np.sqrt(theta * theta + 1)), theta)  # tan of the angle
            c = 1 / np.sqrt(t * t + 1)
            rotate(A, p, q, k, c, t * c)
            rotate(V, p, q, k, c, t * c)
            for i in range(k):  # the columns, by symmetry
                A[i * k + p], A[i * k + q] = A[p * k + i], A[q * k + i]
            A[p * k + p], A[q * k + q] = pp - t * a, qq + t * a
            A[p * k + q] = A[q * k + p] = 0
    return rotated


@part
def rotate(M, p, q, k, cosine, sine):
    """Rows p and q of M become c M_p - s M_q and s M_p + c M_q."""
    c, s = M.dtype.type(cosine), M.dtype.type(sine)
    for i in range(k):
        x, y = M[p * k + i], M[q * k + i]
        M[p * k + i] = c * x - s * y
        M[q * k + i] = s * x + c * y
