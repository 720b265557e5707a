"""Functions of a vector, and of a matrix where they take two arguments; each is about one construct."""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

CONSTANT = 1.7
TABLE = np.array([0.3, -1.2, 0.8, 2.0, 0.5])


@njit
def squared(a):
    return a * a


@njit
def two(a, b):
    c = a * b
    return c + 1.0, math.sin(c)


@njit
def nested(a, b):
    p, q = two(a, b)
    return squared(p) + q


@njit
def early(a):
    if a < 0.0:
        return -a * a
    return a * a * a


@njit
def looked_up(u, limit=0.5):
    for i in range(u.shape[0]):
        if u[i] > limit:
            return u[i] * u[i]
    return u[0]


@njit
def dot_by_loop(u, v):
    s = 0.0
    for i in range(u.shape[0]):
        s += u[i] * v[i]
    return s


@njit
def vector_helper(u, a):
    return np.sin(u) * a + u


@njit
def fills(out, u, a):
    for i in range(u.shape[0]):
        out[i] = a * u[i] * u[i]


@njit
def smoothed(u):
    for i in range(1, u.shape[0]):
        u[i] += 0.5 * u[i - 1] * u[i]
    return u.sum()


def operators(x):
    return x[0] * x[1] / (1.0 + x[2] ** 2) - x[3] ** 3 + 2.0 ** x[4] + (-x[0]) * +x[1]


def chain(x):
    a = math.sin(x[0])
    b = np.cos(a * x[1])
    c = np.exp(-b * b)
    d = math.sqrt(1.0 + c * c)
    f = math.log(1.0 + np.tanh(d) ** 2)
    g = np.arctan(f) + math.atan2(a, 2.0 + b) + np.hypot(c, d)
    return a * b + c / d - d**2 * f + g


def functions_of_one(x):
    y = 0.1 + x[0] * x[0] / 4
    s = np.log(y) + np.log2(y) + np.log10(y) + np.log1p(y) + np.expm1(y) + np.sqrt(y) + np.square(y)
    s += np.tan(y) + np.sinh(y) + np.cosh(y) + np.arcsin(y) + np.arccos(y) + np.arcsinh(y) + np.arctanh(y)
    return s + math.erf(y) + math.erfc(y) + math.gamma(y + 0.5) + math.lgamma(y) + np.abs(x[1]) + abs(x[2])


def reassigned(x):
    a = x[0]
    a = a * a
    a = a * x[1] + a
    a += x[2]
    a *= a
    return a


def product_loop(x):
    a = 1.0
    for i in range(x.shape[0]):
        a = a * (1.0 + 0.1 * x[i]) + a * a * 0.01
    return a


def nested_loops(x):
    s = 0.0
    for i in range(x.shape[0]):
        t = x[i]
        for j in range(i):
            t = t * (1.0 + 0.1 * x[j])
            s += t * t
        s = s * 1.01
    return s


def triple_loop(x):
    s = 0.0
    n = x.shape[0]
    for i in range(n):
        a = 0.5
        for j in range(n):
            b = a * x[j]
            for k in range(n):
                b = math.sin(b + x[k])
            a += b * x[i]
        s += a * a
    return s


def while_loop(x):
    y = x[0] * x[0] + 1.0
    k = 0
    z = y
    while abs(z * z - y) > 1e-13 and k < 40:
        z = 0.5 * (z + y / z)
        k += 1
    return z * x[1]


def endless_loop(x):
    z = x[0]
    while True:
        z = z * z + 0.5 * x[2]
        if abs(z) > 2.0:
            return z * x[1]


def branches(x):
    s = 0.0
    for i in range(x.shape[0]):
        if x[i] > 0.3:
            s += x[i] ** 2
        elif x[i] > -0.3:
            t = x[i] * 3.0
            s -= t * t * t
        else:
            s += math.exp(x[i])
    return s


def early_return(x):
    if x[0] > 100.0:
        return 0.0 * x[0]
    s = x[0] * x[1]
    if s > 0:
        return s * s
    return s * s * s


def return_in_a_loop(x):
    s = 1.0
    for i in range(x.shape[0]):
        for j in range(i):
            s = s * (x[i] + 0.2 * x[j])
            if s > 0.5:
                return s * x[0]
        s += 0.1
    return s + x[1]


def break_and_continue(x):
    s = 0.0
    for i in range(x.shape[0]):
        if i == 1:
            continue
        s += x[i] * x[i] * x[i]
        if s > 1.0:
            s *= 2.0
            break
    return s


def conditional_expression(x):
    s = 0.0
    for i in range(x.shape[0]):
        s += x[i] ** 2 if x[i] > 0 else -3.0 * x[i]
    return s


def largest_and_smallest(x):
    return max(x[0], x[1]) * min(x[2], x[3]) + np.maximum(x[0] * x[0], x[3]) + max(x[0], x[1], x[2])


def helpers(x):
    return squared(x[0]) + nested(x[1], x[2]) + early(x[3]) + early(-x[3] * x[3])


def helper_with_loops(x):
    return dot_by_loop(x, x) * dot_by_loop(x, TABLE)


def helper_that_returns_in_a_loop(x):
    return looked_up(x) + looked_up(x * 0.5, limit=0.3) * x[1]


def helper_of_vectors(x):
    u = vector_helper(x, x[0])
    return np.sum(u * u)


def helper_that_fills(x):
    out = np.empty(x.shape[0])
    fills(out, x, x[1])
    return np.sum(out * out)


def helper_that_modifies(x):
    u = x.copy()
    for _ in range(3):
        s = smoothed(u)
        u[0] = 0.1 * s
    return s + u[2] * u[3]


def swapped(x):
    a, b = x[0], x[1]
    for _ in range(4):
        a, b = b, a * b + 0.1 * a
    return a * b


def tuples(x):
    k = two(x[0], x[1])
    p = (k[0], k[1] * x[2])
    q = p
    return q[0] * q[-1]


def constants(x):
    return CONSTANT * np.sum(TABLE * x**2) + math.pi * x[0] + np.e * x[1]


def local_array(x):
    n = x.shape[0]
    r = np.empty(n)
    for i in range(n):
        r[i] = math.exp(x[i]) - TABLE[i]
    s = 0.0
    for i in range(n):
        s += r[i] * r[i]
    return s


def recurrence(x):
    n = x.shape[0]
    u = np.zeros(n + 1)
    u[0] = x[0]
    for i in range(n):
        u[i + 1] = math.sin(u[i]) * x[i] + 0.5 * u[i]
    return u[n] * u[n] + u[1]


def stencil(x):
    u = x.copy()
    for _ in range(5):
        for i in range(1, u.shape[0] - 1):
            u[i] = u[i] + 0.3 * (u[i - 1] - 2.0 * u[i] * u[i] + u[i + 1])
    return np.sum(u * u)


def writes_to_its_argument(x):
    for i in range(1, x.shape[0]):
        x[i] = x[i] * x[i - 1] + 0.1
    return x[-1] * x[1]


def local_matrix(x):
    n = x.shape[0]
    A = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            A[i, j] = x[i] * x[j] + (1.0 if i == j else 0.0)
    s = 0.0
    for i in range(n):
        for j in range(n):
            s += A[i, j] * A[j, i] * x[j]
    return s


def whole_arrays(x):
    return np.sum(np.sin(x) * x + x**2 / (1.0 + x * x))


def slices(x):
    return np.sum((x[1:] - x[:-1]) ** 2) + x[2:4].sum() * x[-1] + (x[::2] * x[::-2]).sum()


def several_arrays(x):
    y = np.exp(-x * x)
    z = y * 2.0 + x
    m = np.mean(z)
    d = z - m
    return np.sum(d * d) / x.size + np.dot(y, z)


def where(x):
    return np.sum(np.where(x > 0.0, x * x, -3.0 * x)) + np.sum(np.maximum(x, 0.1)) + np.sum(np.abs(x))


def array_reassigned_in_a_loop(x):
    u = x
    for _ in range(6):
        u = u + 0.1 * np.sin(u) * u
    return np.sum(u * u)


def augmented_arrays(x):
    u = x.copy()
    u *= 2.0
    u += x * x
    u[1:3] -= x[0]
    u[::2] *= x[1]
    return np.dot(u, u)


def stored_slices(x):
    n = x.shape[0]
    u = np.zeros(2 * n)
    u[:n] = x * x
    u[n:] = np.sin(x)
    u[2:4] = u[5:7]
    return np.sum(u * u * u)


def array_of_numbers(x):
    v = np.array([x[0] * x[1], x[2], x[3] ** 2])
    return np.sum(v * v) + v[0]


def over_arrays(x):
    s = 0.0
    for v in x:
        s += v * v * v
    for i, v in enumerate(x):
        s += i * v * v
    for a, b in zip(x, TABLE):  # noqa: B905
        s += a * b * a
    return s


def norms(x):
    return np.linalg.norm(x) + np.linalg.norm(x - TABLE)


def special_functions(x):
    s = 0.0
    for i in range(x.shape[0]):
        s += math.erf(x[i]) + math.lgamma(2.0 + x[i] * x[i])
    return s


def steps(x):
    s = 1.0
    for i in range(x.shape[0] - 1, -1, -1):
        s = s * x[i] + 0.3
    for i in range(0, x.shape[0], 2):
        s += s * x[i]
    return s


def condition_on_what_is_carried(x):
    s = 0.0
    big = False
    for i in range(x.shape[0]):
        if big:
            s += 2.0 * x[i] ** 2
        else:
            s += x[i] ** 3
        if s > 0.5:
            big = True
    return s


def matrix_vector(x, A):
    r = A @ x
    return np.dot(r, r) + np.sum(np.tanh(r))


def matrix_transposed(x, A):
    r = A @ x - 1.0
    q = A.T @ r
    return np.dot(q, x)


def matrix_by_row(x, A):
    B = A * x
    return np.sum(B * B) + np.sum(A + x[1])


def stretched(x, A):
    B = x.reshape(5, 1) * A + x
    return np.sum(np.sin(B) * B)


def sum_over_axis(x, A):
    B = A * x
    return np.sum(np.sum(B, axis=0) ** 2) + np.sum(B.sum(axis=1) * x)


def reshaped(x):
    M = x[:4].reshape(2, 2)
    return M[0, 0] * M[1, 1] - M[0, 1] * M[1, 0]


def linear_system(x):
    M = np.eye(5) + np.outer(x, x)
    return np.sum(np.linalg.solve(M, x)) + np.linalg.det(M) + np.sum(np.linalg.inv(M))


def chosen(x):
    at = np.array([0, 2, 4, 2])
    return np.sum(x[at] ** 2) + np.sum(x[x > 0.0] ** 3)


def running_sum(x):
    return np.sum(np.cumsum(x) ** 2) + np.prod(x) + np.sum(np.diff(x) ** 3)


def reductions(x):
    return np.max(x) * np.min(x) + x.max() + np.var(x) + np.std(x)


def buffers_swapped(x):
    u = x.copy()
    w = np.zeros_like(x)
    for _ in range(4):
        for i in range(x.shape[0]):
            w[i] = 0.9 * u[i] * u[i] + 0.1
        u, w = w, u
    return np.sum(u)


def aliases(x):
    u = x
    v = u[1:]
    w = v[::2]
    return np.sum(w * w) * u[0]


def written_through_views(x):
    u = x * 1.0
    v = u[1:4]
    v[0] = x[0] * u[2]
    row = v[1:]
    row *= v[0]
    for i in range(2):
        v = u[i : i + 3]
        v[1] = v[0] * v[2] + 0.1
    return np.sum(u * u)


def remainder(x):
    return ((x[0] * 0.5 + x[1]) * 0.5 + x[2]) ** 3 + x[3] % 0.3


def huber(x):
    r = x - TABLE
    a = np.abs(r)
    return np.sum(np.where(a <= 1.0, 0.5 * r * r, a - 0.5))


def log_sum_exp(x):
    m = x[0]
    for i in range(1, x.shape[0]):
        if x[i] > m:
            m = x[i]
    s = 0.0
    for i in range(x.shape[0]):
        s += math.exp(x[i] - m)
    return m + math.log(s)


def rows(x, A):
    s = 0.0
    for i in range(A.shape[0]):
        r = A[i] @ x
        z = A[i] * x
        s += r * r * r + np.sum(z * z)
    return s


def parallel(x):
    s = 0.0
    for i in prange(x.shape[0]):
        s += x[i] ** 2
    return s


def joined(x):
    u = np.concatenate((x, x[1:] * x[0], np.array([x[1] * x[2]])))
    return np.sum(u * u * u)


def integers(x):
    n = 0
    s = 0.0
    order = np.argsort(TABLE)
    for i in range(x.shape[0]):
        n += i * 2
        s += x[order[i]] * n + x[n % 5] * x[int(abs(x[i])) % 5]
    return s


def three_dimensions(x):
    T = np.zeros((2, 2, 2))
    for i in range(2):
        for j in range(2):
            T[i, j] = x[i : i + 2] * x[j + 2]
    T[1] *= x[4]
    return np.sum(T * T) * T[0, 1, 1]


def thomas(x):
    """A tridiagonal system by hand."""
    n = x.shape[0]
    c, d = np.empty(n), np.empty(n)
    c[0] = 0.3 / (2.0 + x[0])
    d[0] = x[0] / (2.0 + x[0])
    for i in range(1, n):
        m = 1.0 / (2.0 + x[i] * x[i] - 0.3 * c[i - 1])
        c[i] = 0.3 * m
        d[i] = (x[i] - 0.3 * d[i - 1]) * m
    for i in range(n - 2, -1, -1):
        d[i] -= c[i] * d[i + 1]
    return np.sum(d * d)


CONSTRUCTS = [f for f in list(globals().values()) if type(f) is type(thomas) and f.__module__ == __name__]
