"""The minimum of the model of L-BFGS within bounds: the generalised Cauchy point, then the free variables."""

from __future__ import annotations

import numpy as np

from .._compile import part
from .._memory import row
from ._limited_memory import (
    BLOCK,
    CHANGED,
    COUNT,
    THETA,
    add_pairs,
    dot_at,
    factorise,
    middle,
    product,
    solve_with,
)

P, C, WI, U, V, ORDER_A, ORDER_K = 0, 1, 2, 3, 4, 6, 7
"""Which row of `Memory.v` has what."""


@part
def bounded_step(mem, x, box):
    """d = from x to the minimum of the model within the bounds; whether that could be found."""
    rows, w = 2 * int(mem.own[COUNT]), 2 * mem.m
    middle(mem, mem.A)
    if not factorise(mem.A, rows, w, row(mem.v, ORDER_A, w)):
        return False
    cauchy_point(mem, x, box)
    if rows == 0:
        for i in range(mem.n):
            mem.d[i] = mem.z[i]
        return True
    count_free(mem, rows)
    if not free_minimum(mem):
        return False
    project(mem, x, box)
    return True


# --- the generalised Cauchy point -------------------------------------------------------------------------------------


@part
def cauchy_point(mem, x, box):
    """z = from x to the first minimum of the model along the path P(x - t g): algorithm CP."""
    g, z, d, breaks, n, theta = mem.g, mem.z, mem.d, mem.r, mem.n, mem.own[THETA]
    rows, w = 2 * int(mem.own[COUNT]), 2 * mem.m
    p, c, wi, u, order = row(mem.v, P, w), row(mem.v, C, w), row(mem.v, WI, w), row(mem.v, U, w), row(mem.v, ORDER_A, w)
    waiting = first_breaks(mem, x, box)
    product(mem.W, rows, d, p, n)
    for k in range(rows):
        c[k], u[k] = 0, p[k]
    solve_with(mem.A, rows, w, order, u)
    slope = -dot_at(d, d, n)  # f' = -d.d, f'' = theta d.d - p.M p
    bend = -theta * slope - dot_at(p, u, rows)
    least, t = np.finfo(x.dtype).eps * bend, 0.0
    while waiting > 0 and slope < 0:
        i = mem.heap[0]
        dt, gi = breaks[i] - t, np.float64(g[i])
        if -slope < bend * dt:
            break
        waiting = without_first(mem.heap, breaks, waiting)
        t = np.float64(breaks[i])
        z[i] = ((box.upper[i] if gi < 0 else box.lower[i]) - x[i]) / box.scale[i]
        for k in range(rows):
            c[k] += dt * p[k]
            wi[k] = u[k] = mem.W[k * n + i]
        solve_with(mem.A, rows, w, order, u)  # M w
        slope += dt * bend + gi * gi + theta * gi * z[i] - gi * dot_at(u, c, rows)
        bend = max(bend - theta * gi * gi - 2 * gi * dot_at(u, p, rows) - gi * gi * dot_at(u, wi, rows), least)
        for k in range(rows):
            p[k] += gi * wi[k]
        d[i] = 0
    dt = max(-slope / bend, 0.0) if bend > 0 else 0.0
    for k in range(rows):
        c[k] += dt * p[k]
    for i in range(n):
        if d[i] != 0:
            z[i] = (t + dt) * d[i]
        mark(mem, i, d[i] != 0 or (breaks[i] == np.inf and box.lower[i] < box.upper[i]))


@part
def mark(mem, i, now):
    """Variable i is free: 1, or 2 if it was not; or it is not: 0, or -1 if it was."""
    was = mem.free[i] > 0
    mem.free[i] = (1 if was else 2) if now else (-1 if was else 0)


@part
def first_breaks(mem, x, box):
    """Breakpoints, the direction -g, and a heap of the variables that meet a bound; how many these are."""
    g, count = mem.g, 0
    for i in range(mem.n):
        mem.z[i], mem.d[i], mem.r[i] = 0, -g[i], np.inf
        if g[i] != 0:
            room = (x[i] - (box.upper[i] if g[i] < 0 else box.lower[i])) / box.scale[i]
            if abs(room) < np.inf:
                mem.r[i] = room / g[i]
                if mem.r[i] > 0:
                    mem.heap[count] = i
                    count += 1
                else:
                    mem.d[i] = 0
    for k in range(count // 2 - 1, -1, -1):
        sift(mem.heap, mem.r, k, count)
    return count


@part
def sift(heap, keys, k, count):
    """Let the variable at place k sink to where it belongs."""
    i = heap[k]
    while 2 * k + 1 < count:
        child = 2 * k + 1
        if child + 1 < count and keys[heap[child + 1]] < keys[heap[child]]:
            child += 1
        if not keys[heap[child]] < keys[i]:
            break
        heap[k] = heap[child]
        k = child
    heap[k] = i


@part
def without_first(heap, keys, count):
    """Take out the variable at the top; how many are left."""
    heap[0] = heap[count - 1]
    sift(heap, keys, 0, count - 1)
    return count - 1


# --- the free variables -----------------------------------------------------------------------------------------------


@part
def count_free(mem, rows):
    """F = W^T W over the free variables: corrected for those that changed, or made anew where these are many."""
    n, w, free, F = mem.n, 2 * mem.m, mem.free, mem.F
    for i in range(n):
        if free[i] == 2 or free[i] == -1:
            mem.own[CHANGED] += 1
    anew = mem.own[CHANGED] > n
    for i in range(n):
        if not anew and (free[i] == 2 or free[i] == -1):
            sign = 1.0 if free[i] > 0 else -1.0
            for a in range(rows):
                for b in range(rows):
                    F[a * w + b] += sign * mem.W[a * n + i] * mem.W[b * n + i]
        free[i] = 1 if free[i] > 0 else 0
    if anew:
        mem.own[CHANGED] = 0
        free_products(mem, rows)


@part
def free_products(mem, rows):
    """F from all free variables."""
    n, w, F, masked = mem.n, 2 * mem.m, mem.F, mem.r
    for k in range(w * w):
        F[k] = 0
    for low in range(0, n, BLOCK):
        length, free = min(n - low, BLOCK), row(mem.free, low, 1)
        for a in range(rows):
            of_a = row(mem.W, a * n + low, 1)
            for i in range(length):
                masked[i] = free[i] * of_a[i]
            for b in range(a + 1):
                F[a * w + b] += dot_at(masked, row(mem.W, b * n + low, 1), length)
    for a in range(rows):
        for b in range(a):
            F[b * w + a] = F[a * w + b]


@part
def free_minimum(mem):
    """d = u, from z to the minimum of the model over the free variables: the direct primal method.

    r = g + theta z - W M c;  u = -r / theta - W (M^-1 - F / theta)^-1 W^T r / theta^2, over the free variables
    """
    n, w, theta, rows, r = mem.n, 2 * mem.m, mem.own[THETA], 2 * int(mem.own[COUNT]), mem.r
    c, v, order = row(mem.v, C, w), row(mem.v, V, w), row(mem.v, ORDER_K, w)
    solve_with(mem.A, rows, w, row(mem.v, ORDER_A, w), c)
    for k in range(rows):
        c[k] = -c[k]
    for i in range(n):
        r[i] = mem.g[i] + theta * mem.z[i]
    add_pairs(mem.W, rows, c, r, n)
    for i in range(n):
        r[i] *= mem.free[i]
        mem.d[i] = -r[i] / theta
    product(mem.W, rows, r, v, n)
    middle(mem, mem.K)
    for k in range(rows * w):
        mem.K[k] -= mem.F[k] / theta
    if not factorise(mem.K, rows, w, order):
        return False
    solve_with(mem.K, rows, w, order, v)
    for k in range(rows):
        v[k] /= -theta * theta
    add_pairs(mem.W, rows, v, mem.d, n)
    return True


@part
def project(mem, x, box):
    """d = P(x + z + u) - x where that is downhill, else z + part of u as far as the bounds (Morales and Nocedal)."""
    d, z, downhill, share = mem.d, mem.z, 0.0, 1.0
    for i in range(mem.n):
        u = d[i] * mem.free[i]
        low, high = (box.lower[i] - x[i]) / box.scale[i], (box.upper[i] - x[i]) / box.scale[i]
        downhill += mem.g[i] * min(max(z[i] + u, low), high)
        if z[i] + u > high:
            share = min(share, max(high - z[i], 0.0) / u)
        elif z[i] + u < low:
            share = min(share, min(low - z[i], 0.0) / u)
    for i in range(mem.n):
        u = d[i] * mem.free[i]
        low, high = (box.lower[i] - x[i]) / box.scale[i], (box.upper[i] - x[i]) / box.scale[i]
        d[i] = min(max(z[i] + (u if downhill < 0 else share * u), low), high)
