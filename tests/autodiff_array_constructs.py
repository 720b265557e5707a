"""More functions for the tests of gradients: whole arrays, elements chosen by arrays, functions inside functions."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy import cumsum as running

TABLE = np.array([0.3, -1.2, 0.8, 2.0, 0.5])


@njit
def cubed(a):
    return a * a * a


@njit
def paired(a, b):
    return (a * b, a + b), b * b


@njit
def twice(f, a):
    return f(f(a))


@njit
def weighted(values, weight=2.0, shift=0.1):
    total = 0.0
    for v in values:
        total += weight * v * v + shift * v
    return total


# --- functions inside the function -----------------------------------------------------------------------------------


def local_lambda(x):
    scale = x[0]
    f = lambda a: a * scale + np.sin(a)  # noqa: E731
    first = f(x[1])
    scale = x[3] * x[2]
    return first * f(x[2])


def local_function(x):
    def f(a, b=2.0):
        for _ in range(2):
            a = a * x[0] + b
            if a > 3.0:
                return a
        return a * b

    s = 0.0
    for v in x:
        s += f(v) * f(v, 0.5)
    return s


def function_that_assigns(x):
    u = x * x

    def put(i, a):
        u[i] = a * u[i]

    put(0, x[1])
    put(1, x[0])
    return np.sum(u * u)


def function_passed_on(x):
    return twice(lambda a: a * a + 1.0, x[1]) + twice(cubed, x[2])


def shadowed_names(x):
    a = x[0]
    f = lambda a: a * a  # noqa: E731
    squares = np.array([a * x[1] for a in x])
    return a * f(x[2]) + np.sum(squares)


# --- lists -----------------------------------------------------------------------------------------------------------


def comprehension(x):
    v = np.array([cubed(x[i]) if x[i] > 0.0 else x[i] for i in range(len(x))])
    w = np.array([v[-1] * a for a in x])
    return np.sum(v * w) + sum([a * b for a, b in zip(x, TABLE)])  # noqa: B905


def comprehension_of_some(x):
    kept = np.array([a * a for a in x if a > 0.0])
    at = np.array([i for i in range(5) if i % 2 == 0])
    return np.sum(kept * kept) + np.sum(x[at] ** 3) + len(kept)


def comprehension_of_rows(x):
    A = np.array([[x[i] * x[j] + j for j in range(3)] for i in range(1, 5, 2)])
    return np.sum(A * A * A)


def list_that_is_read(x):
    terms = [cubed(x[i]) * x[i + 1] for i in range(4)]
    p = [x[0], x[1] * x[2], 0.5]
    s = 0.0
    for t in terms:
        s += t * p[1]
    for i in range(3):
        s += p[i] * terms[i]
    return s + max(terms) * min([a * a for a in x])


# --- tuples ----------------------------------------------------------------------------------------------------------


def over_tuples(x):
    a, b = x[0] * x[1], x[2]
    s = 0.0
    for v in (a, b, x[3]):
        if v > 1.0:
            break
        s += v * v * a
    t = (x[0], x[1] * x[1], b)
    for i, v in enumerate(t):
        s += v * i + t[i] * t[-1]
    for p, q in ((a, 2.0), (b, 3.0)):
        s += p * q * p
    return s * len(t) + max(t) + sum(t)


def nested_tuples(x):
    (a, b), c = paired(x[0], x[1])
    d = paired(*(x[2], x[3]))
    return a * b * c + d[0][1] * d[1]


def quotient_and_rest(x):
    q, r = divmod(x[2], 0.3)
    return q * r * x[0] + x[3] // 0.2 * x[1] + np.sum(x % 0.3)


def keywords(x):
    return weighted(x) + weighted(values=x * x, shift=x[0]) + weighted((x[0], x[1]), 3.0)


def else_of_a_loop(x):
    s = 0.0
    for v in x:
        if v > 100.0:
            break
        s += v * v
    else:
        s *= x[0]
    return s


def integer_powers(x):
    s = 0.0
    for n in range(-1, 4):
        s += x[0] ** n + (x[1] * x[1]) ** (0.5 * n)
    return s + np.sum((x * x) ** np.arange(5)) + math.pow(x[2], 3)


# --- elements chosen by arrays ---------------------------------------------------------------------------------------


def chosen_and_assigned(x):
    u = np.zeros(5)
    at = np.array([0, 2, 2, -1])
    u[at] = x[:4] * x[1:]
    u[at] += x[1]
    u[at] *= u[1:]
    return np.sum(u * u * u)


def masked(x):
    u = x * x[::-1]
    u[u < 0.0] = 0.0
    m = x > 0.0
    u[m] += x[m] * x[m]
    u[~m] = x[0]
    u[m] = u[:3] * x[1]
    return np.sum(u * u * x)


def chosen_rows(x, A):
    B = A * x
    at = np.array([1, 3, 1])
    s = np.sum(B[at] ** 2) + np.sum(B[:, at] ** 3) + np.sum(B[2, at] ** 2) + np.sum(B[at, at + 1] ** 2)
    return s + np.sum(B[x > 0.0] ** 2) + np.sum(B[at, 2]) * np.sum(B[1:, x > 0.5])


def assigned_rows(x, A):
    B = A * x
    at, to = np.array([1, 3]), np.array([0, 3])
    B[at] = A[to] * x * x
    B[0, at] = x[:2]
    B[:, at] *= x[1]
    B[at] += x
    B[at, to] = B[0, :2]
    B[x > 0.0] = x
    return np.sum(B * B)


# --- whole arrays ----------------------------------------------------------------------------------------------------


def sorted_by_index(x):
    u = x * x
    u.sort()
    order = np.argsort(x)
    return np.sum(x[order] * TABLE) + np.sum(np.sort(x * x[1]) * TABLE) + np.sum(u * TABLE) + np.median(x)


def joined_matrices(x, A):
    B, C = A * x, np.outer(x, x)
    s = (
        np.sum(np.concatenate((B, C), axis=1) ** 3)
        + np.sum(np.concatenate((B, C[:2])) ** 2)
        + np.sum(np.hstack((B, C)))
    )
    s += np.sum(np.vstack((B, C)) ** 2) + np.sum(np.vstack((x, x * x)) ** 3) + np.sum(np.stack((B, C), axis=-1) ** 2)
    return s + np.sum(np.column_stack((x, B)) ** 2) + np.sum(np.stack((x, TABLE * x), axis=1) ** 3)


def reductions_of_matrices(x, A):
    B = A * x
    s = np.prod(B[:2, :3]) + B.max() * np.min(B) + np.var(B) + np.std(B) + np.linalg.norm(B) + np.ptp(B)
    s += np.sum(np.cumsum(B) ** 2) + np.sum(np.cumsum(B, axis=0) ** 2) + np.sum(np.cumsum(B, 1) ** 3)
    T = np.ones((2, 3, 5)) * x
    T[0, 1] = x * x
    return s + np.sum(T.sum(axis=0) ** 2) + np.sum(T.sum(axis=1) ** 3) + np.sum(np.sum(T, axis=2) ** 2) + np.max(T)


def linear_algebra(x, A):
    M = np.eye(5) * 6.0 + np.outer(x, x)
    L = np.linalg.cholesky(M)
    sign, log_of_det = np.linalg.slogdet(M)
    s = np.sum(L * L * L) + np.sum(np.log(np.diag(L))) + sign * log_of_det
    return s + np.sum(np.linalg.solve(M, A * x) ** 2) + np.trace(M @ A)


def norms_of_other_orders(x):
    return np.linalg.norm(x, 1) + np.linalg.norm(x, np.inf) * np.linalg.norm(x * x, 2)


def diagonals(x, A):
    B = np.diag(x) + np.triu(A * x, 1) + np.tril(A * x * x, -1)
    return np.sum(np.diag(B) ** 2) + np.sum(B * B) + np.sum(np.cross(x[:3], x[2:]) ** 2) + np.sum(np.diag(B, 1) ** 3)


def arranged(x):
    s = np.sum(np.roll(x, 2) * x) + np.sum(np.repeat(x, 3) ** 2) + np.sum(np.flip(x) * x) + np.sum(running(x * x))
    s += np.sum(np.append(x, x[:2]) ** 3) + np.sum(np.linspace(x[0], x[1], 4) ** 2) + np.sum(np.cumprod(x) ** 2)
    return s + np.trapezoid(x * x, dx=0.5) + np.trapezoid(x * x, TABLE) + np.average(x, weights=TABLE * TABLE)


def clipped(x, A):
    return np.sum(np.clip(x, -0.5, 0.9) ** 2) + np.sum((A * x).clip(-0.1, 0.2) ** 2)


def interpolated(x):
    at, places = np.array([0.1, 0.9, 2.0]), np.array([-1.0, 0.0, 0.5, 1.0, 1.5])
    return np.interp(x[0], places, TABLE) * np.sum(np.interp(at, places, x) ** 2) + np.sum(np.interp(x, places, x * x))


def convolved(x):
    K = np.kron(np.outer(x[:2], x[1:3]), np.eye(2) * x[0])
    return np.sum(np.convolve(x, x[:3] * 2.0) ** 2) + np.sum(K * K)


def views_of_new_arrays(x):
    A = np.eye(5) * 3.0 + np.outer(x, x)
    v = np.linalg.inv(A).T
    v[0, 0] = 5.0
    w = np.cumprod(x * x)[::-1]
    w[1] = x[2]
    z = np.zeros((5, 2)).T[1:]
    z[0] = x
    return np.sum(v) + np.sum(w) + np.sum(z * z)


def rows_of_a_matrix(x, A):
    s = 0.0
    for i, row in enumerate(A * x):
        s += row[0] * row[1] * i + row.sum()
    D = x[:, None] - x[None, :]
    return s + np.sum(D * D * D * D) + np.sum((x[:, np.newaxis] * A)[..., 1] ** 2)


def vectors_of_length_one(x):
    y = x[:1] * x + x[1:2]
    return np.sum(y * y) + np.sum(np.sin(x[:1] * x[2:3]) * x) + np.mean(x[-1:] + x[1:])


CONSTRUCTS = [f for f in list(globals().values()) if type(f) is type(masked) and f.__module__ == __name__]
