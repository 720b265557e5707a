"""What CMA-ES keeps, and what it learns from a generation: paths, step size and covariance."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from .._compile import inlined, part
from .._memory import borrow, row, vector
from ..drivers.jacobi import diagonalise

COUNT, SIGMA, LAMBDA, RUN, NEXT, AGE, DECOMPOSED, HEAD = range(8)
"""Numbers that are kept: how many elements of x may move, the step size, the size of the population, restarts so far,
the individual that is next to be evaluated, from 1 on (0: they are to be drawn), generations of this run, the last that
decomposed C."""


class Parts(NamedTuple):
    """What is in `work`; pointers but for the first two."""

    k: int  # how many elements of x may move
    head: Any  # (HEAD,)
    free: Any  # (k,) their indices
    std: Any  # (k,) the first standard deviations
    start: Any  # (k,) x0
    mean: Any  # (k,)
    p_s: Any  # (k,)
    p_c: Any  # (k,)
    d: Any  # (k,) eigenvalues of C
    y: Any  # (k,) the step of the mean
    u: Any  # (k,) room
    C: Any  # (k k,) rows
    B: Any  # (k k,) rows are eigenvectors of C
    A: Any  # (k k,) room
    Z: Any  # (lambda k,) rows are z
    Y: Any  # (lambda k,) rows are y
    f: Any  # (lambda,)
    order: Any  # (lambda,) indices, best first
    weights: Any  # (lambda,)
    best: Any  # best values of the last generations


class Rates(NamedTuple):
    """Table 1 of the tutorial, but for the weights."""

    mu: int
    mu_eff: float
    c_s: float
    d_s: float
    c_c: float
    c_1: float
    c_mu: float
    total: float  # sum of all weights
    chi: float  # E|N(0, I)|


@inlined
def span(k, size):
    """Generations that TolFun looks at."""
    return 10 + math.ceil(30 * k / size)


@part
def parts(w, k, most):
    """Where things are in `work`: pointers, as a tuple of many arrays takes long to compile."""
    base, v, q = borrow(w), HEAD, HEAD + 9 * k
    r = q + 3 * k * k
    t = r + 2 * most * k
    return Parts(
        k,
        vector(base, HEAD),
        row(base, v, 1),
        row(base, v + k, 1),
        row(base, v + 2 * k, 1),
        row(base, v + 3 * k, 1),
        row(base, v + 4 * k, 1),
        row(base, v + 5 * k, 1),
        row(base, v + 6 * k, 1),
        row(base, v + 7 * k, 1),
        row(base, v + 8 * k, 1),
        row(base, q, 1),
        row(base, q + k * k, 1),
        row(base, q + 2 * k * k, 1),
        row(base, r, 1),
        row(base, r + most * k, 1),
        row(base, t, 1),
        row(base, t + most, 1),
        row(base, t + 2 * most, 1),
        row(base, t + 3 * most, 1),
    )


@part
def rates(w, size, active):
    """The constants of the update, and the weights (49 to 58 of the tutorial)."""
    n, mu = w.k, size // 2
    plus = plus2 = minus = minus2 = 0.0
    for i in range(size):
        v = math.log((size + 1) / 2) - math.log(i + 1)
        w.weights[i] = v
        if i < mu:
            plus, plus2 = plus + v, plus2 + v * v
        else:
            minus, minus2 = minus - v, minus2 + v * v
    mu_eff, mu_minus = plus * plus / plus2, minus * minus / minus2
    c_s = (mu_eff + 2) / (n + mu_eff + 5)
    d_s = 1 + 2 * max(0.0, math.sqrt((mu_eff - 1) / (n + 1)) - 1) + c_s
    c_c = (4 + mu_eff / n) / (n + 4 + 2 * mu_eff / n)
    c_1 = 2 / ((n + 1.3) ** 2 + mu_eff)
    c_mu = min(1 - c_1, 2 * (0.25 + mu_eff + 1 / mu_eff - 2) / ((n + 2) ** 2 + mu_eff))
    limit = min(1 + c_1 / c_mu, 1 + 2 * mu_minus / (mu_eff + 2))
    limit = min(limit, (1 - c_1 - c_mu) / (n * c_mu)) if active else 0.0
    total = 0.0
    for i in range(size):
        w.weights[i] *= 1 / plus if i < mu else limit / minus
        total += w.weights[i]
    chi = math.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n))
    return Rates(mu, mu_eff, c_s, d_s, c_c, c_1, c_mu, total, chi)


@part
def learn(w, size, active):
    """Move the mean, the step size and, where it is time, the decomposition."""
    k, c = w.k, rates(w, size, active)
    size_s = paths(w, c)
    age = w.head[AGE]
    steady = size_s / math.sqrt(1 - (1 - c.c_s) ** (2 * age)) < (1.4 + 2 / (k + 1)) * c.chi
    push = math.sqrt(c.c_c * (2 - c.c_c) * c.mu_eff) if steady else 0.0
    for i in range(k):
        w.mean[i] += w.head[SIGMA] * w.std[i] * w.y[i]
        w.p_c[i] = (1 - c.c_c) * w.p_c[i] + push * w.y[i]
    adapt(w, c, size, 0.0 if steady else c.c_c * (2 - c.c_c))
    w.head[SIGMA] *= math.exp(min(1.0, c.c_s / c.d_s * (size_s / c.chi - 1)))
    if age - w.head[DECOMPOSED] >= max(1, int(1 / (10 * k * (c.c_1 + c.c_mu)))):
        w.head[DECOMPOSED] = age
        diagonalise(vector(w.C, k * k), vector(w.B, k * k), vector(w.A, k * k), vector(w.d, k), 1e-6)
        for i in range(k):
            w.d[i] = math.sqrt(max(w.d[i], 0))


@part
def paths(w, c):
    """y = sum w_k y_k, and p_s with C^{-1/2} y = B sum w_k z_k; the length of p_s."""
    k = w.k
    for i in range(k):
        w.y[i] = w.u[i] = 0
    for r in range(c.mu):
        j, weight = int(w.order[r]), w.weights[r]
        for i in range(k):
            w.y[i] += weight * w.Y[j * k + i]
            w.u[i] += weight * w.Z[j * k + i]
    keep, push, length = 1 - c.c_s, math.sqrt(c.c_s * (2 - c.c_s) * c.mu_eff), 0.0
    for i in range(k):
        step = 0.0
        for p in range(k):
            step += w.B[p * k + i] * w.u[p]
        w.p_s[i] = keep * w.p_s[i] + push * step
        length += w.p_s[i] ** 2
    return math.sqrt(length)


@part
def adapt(w, c, size, lost):
    """C <- (1 + c_1 lost - c_1 - c_mu sum w) C + c_1 p_c p_c^T + c_mu sum w_j y_j y_j^T.

    Negative w_j are multiplied by n / |z_j|^2.
    """
    k, dtype = w.k, w.head.dtype
    keep = dtype.type(1 + c.c_1 * lost - c.c_1 - c.c_mu * c.total)
    for a in range(k):
        t = dtype.type(c.c_1) * w.p_c[a]
        for b in range(k):
            w.C[a * k + b] = keep * w.C[a * k + b] + t * w.p_c[b]
    for r in range(size):
        j, weight = int(w.order[r]), c.c_mu * w.weights[r]
        if weight < 0:
            length = 0.0
            for i in range(k):
                length += w.Z[j * k + i] ** 2
            weight *= k / length
        if weight != 0:
            for a in range(k):
                t = dtype.type(weight) * w.Y[j * k + a]
                for b in range(k):
                    w.C[a * k + b] += t * w.Y[j * k + b]
