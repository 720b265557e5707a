"""Objectives of `bench_gradients.py`: plain Python in the subset that numba compiles, and gradients by hand."""

from __future__ import annotations

import math

import numpy as np
from numba import njit


def rosenbrock(x):
    s = 0.0
    for i in range(x.shape[0] - 1):
        a = x[i + 1] - x[i] * x[i]
        b = 1.0 - x[i]
        s += 100.0 * a * a + b * b
    return s


def rosenbrock_by_hand(x, g):
    s = 0.0
    g[:] = 0.0
    for i in range(x.shape[0] - 1):
        a = x[i + 1] - x[i] * x[i]
        b = 1.0 - x[i]
        g[i] += -400.0 * a * x[i] - 2.0 * b
        g[i + 1] += 200.0 * a
        s += 100.0 * a * a + b * b
    return s


def rosenbrock_arrays(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def gaussians(p, t, y):
    total = 0.0
    for i in range(t.shape[0]):
        s = 0.0
        for k in range(p.shape[0] // 3):
            z = (t[i] - p[3 * k + 1]) / p[3 * k + 2]
            s += p[3 * k] * math.exp(-0.5 * z * z)
        r = y[i] - s
        total += r * r
    return total


def gaussians_by_hand(p, g, t, y):
    total, count = 0.0, p.shape[0] // 3
    e = np.empty(count)
    g[:] = 0.0
    for i in range(t.shape[0]):
        s = 0.0
        for k in range(count):
            z = (t[i] - p[3 * k + 1]) / p[3 * k + 2]
            e[k] = math.exp(-0.5 * z * z)
            s += p[3 * k] * e[k]
        r = y[i] - s
        total += r * r
        for k in range(count):
            z = (t[i] - p[3 * k + 1]) / p[3 * k + 2]
            q = -2.0 * r * e[k]
            g[3 * k] += q
            q *= p[3 * k] * z / p[3 * k + 2]
            g[3 * k + 1] += q
            g[3 * k + 2] += q * z
    return total


@njit
def predator_prey(u, v, a, b, c, d):
    return a * u - b * u * v, c * u * v - d * v


def ode(p, seen, dt, steps):
    u, v = 1.0, 0.5
    a, b, c, d = p[0], p[1], p[2], p[3]
    total = 0.0
    for i in range(seen.shape[0]):
        for _ in range(steps):
            k1u, k1v = predator_prey(u, v, a, b, c, d)
            k2u, k2v = predator_prey(u + 0.5 * dt * k1u, v + 0.5 * dt * k1v, a, b, c, d)
            k3u, k3v = predator_prey(u + 0.5 * dt * k2u, v + 0.5 * dt * k2v, a, b, c, d)
            k4u, k4v = predator_prey(u + dt * k3u, v + dt * k3v, a, b, c, d)
            u += dt / 6.0 * (k1u + 2.0 * k2u + 2.0 * k3u + k4u)
            v += dt / 6.0 * (k1v + 2.0 * k2v + 2.0 * k3v + k4v)
        total += (u - seen[i, 0]) ** 2 + (v - seen[i, 1]) ** 2
    return total


def logistic(w, X, y, decay):
    z = X @ w
    return np.sum(np.log1p(np.exp(-y * z))) / X.shape[0] + 0.5 * decay * np.dot(w, w)


def logistic_by_hand(w, g, X, y, decay):
    z = X @ w
    s, c = 0.0, np.empty(z.size)
    for i in range(z.size):
        e = math.exp(-y[i] * z[i])
        s += math.log1p(e)
        c[i] = -y[i] * e / (1 + e) / z.size
    g[:] = X.T @ c + decay * w
    return s / z.size + 0.5 * decay * np.dot(w, w)


def logistic_loops(w, X, y, decay):
    s = 0.0
    for i in range(X.shape[0]):
        z = 0.0
        for j in range(w.shape[0]):
            z += X[i, j] * w[j]
        s += math.log1p(math.exp(-y[i] * z))
    q = 0.0
    for j in range(w.shape[0]):
        q += w[j] * w[j]
    return s / X.shape[0] + 0.5 * decay * q


def kepler(p, t, y):
    period, e, om = p[0], p[1], p[2]
    total = 0.0
    for i in range(t.shape[0]):
        M = 2.0 * math.pi * t[i] / period
        E, step, count = M, 1.0, 0
        while abs(step) > 1e-12 and count < 50:
            step = (E - e * math.sin(E) - M) / (1.0 - e * math.cos(E))
            E -= step
            count += 1
        nu = 2.0 * math.atan(math.sqrt((1.0 + e) / (1.0 - e)) * math.tan(0.5 * E))
        r = y[i] - (p[4] + p[3] * (math.cos(nu + om) + e * math.cos(om)))
        if abs(r) < 0.5:
            total += 0.5 * r * r
        else:
            total += 0.5 * (abs(r) - 0.25)
    return total


def kalman(p, y):
    """Likelihood of a local linear trend: level, slope and three variances."""
    q1, q2, r = math.exp(p[0]), math.exp(p[1]), math.exp(p[2])
    level, slope = p[3], p[4]
    a, b, d = 10.0, 0.0, 10.0
    total = 0.0
    for i in range(y.shape[0]):
        level = level + slope
        a, b, d = a + 2.0 * b + d + q1, b + d, d + q2
        s = a + r
        e = y[i] - level
        total += math.log(s) + e * e / s
        ka, kb = a / s, b / s
        level += ka * e
        slope += kb * e
        a, b, d = a - ka * a, b - ka * b, d - kb * b
    return 0.5 * total


def banded(x):
    """A tridiagonal system, solved by hand."""
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
    s = 0.0
    for i in range(n):
        s += d[i] * d[i]
    return s


def cluster(x):
    """Lennard-Jones."""
    n = x.shape[0] // 3
    s = 0.0
    for i in range(n):
        for j in range(i):
            u = x[3 * i] - x[3 * j]
            v = x[3 * i + 1] - x[3 * j + 1]
            w = x[3 * i + 2] - x[3 * j + 2]
            q = 1.0 / (u * u + v * v + w * w)
            q = q * q * q
            s += q * q - 2.0 * q
    return 4.0 * s


def cluster_by_hand(x, g):
    n = x.shape[0] // 3
    g[:] = 0.0
    s = 0.0
    for i in range(n):
        for j in range(i):
            u = x[3 * i] - x[3 * j]
            v = x[3 * i + 1] - x[3 * j + 1]
            w = x[3 * i + 2] - x[3 * j + 2]
            r = 1.0 / (u * u + v * v + w * w)
            q = r * r * r
            s += q * q - 2.0 * q
            f = 48.0 * (q - q * q) * r
            g[3 * i] += f * u
            g[3 * i + 1] += f * v
            g[3 * i + 2] += f * w
            g[3 * j] -= f * u
            g[3 * j + 1] -= f * v
            g[3 * j + 2] -= f * w
    return 4.0 * s


def cases():
    """Name, function, gradient by hand or None, x, further arguments."""
    rng = np.random.default_rng(1)
    for n in (10, 1000, 100_000):
        yield f"Rosenbrock, loop, n={n}", rosenbrock, rosenbrock_by_hand, rng.normal(size=n), ()
        yield f"Rosenbrock, arrays, n={n}", rosenbrock_arrays, rosenbrock_by_hand, rng.normal(size=n), ()
    t = np.linspace(0, 10, 1000)
    for n in (6, 15, 30):
        k = n // 3
        p = np.column_stack([rng.uniform(0.5, 2, k), rng.uniform(0, 10, k), rng.uniform(0.3, 1, k)]).ravel()
        yield f"Gaussians, {n} parameters", gaussians, gaussians_by_hand, p, (t, rng.normal(size=t.size))
    yield "ODE by RK4", ode, None, np.array([1.5, 1.0, 1.0, 3.0]), (rng.uniform(0.5, 2, (100, 2)), 0.005, 20)
    X, y, w = rng.normal(size=(10_000, 100)), np.sign(rng.normal(size=10_000)), rng.normal(size=100) * 0.1
    yield "logistic, X @ w", logistic, logistic_by_hand, w, (X, y, 1e-3)
    yield "logistic, loops", logistic_loops, logistic_by_hand, w, (X, y, 1e-3)
    t = np.sort(rng.uniform(0, 30, 500))
    yield "Kepler", kepler, None, np.array([7.3, 0.3, 0.7, 1.2, 0.1]), (t, np.sin(t) + 0.3 * rng.normal(size=500))
    p = np.array([-1.0, -2.0, 0.0, 0.5, 0.1])
    yield "Kalman filter", kalman, None, p, (np.cumsum(rng.normal(size=1000)),)
    yield "banded system", banded, None, rng.uniform(0.5, 1.5, 1000), ()
    grid = np.stack(np.meshgrid(*[np.arange(5.0)] * 3), axis=-1).reshape(-1, 3)[:100]
    yield "Lennard-Jones, n=300", cluster, cluster_by_hand, (grid + 0.1 * rng.normal(size=grid.shape)).ravel(), ()
