"""The objectives of `objectives.py` as one would write them for JAX, where reverse mode allows that."""

from __future__ import annotations

from typing import Any


def functions(jax: Any) -> dict[str, Any]:
    """By the start of their names in `objectives.cases`."""
    jnp, scan = jax.numpy, jax.lax.scan

    def rosenbrock(x):
        return jnp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)

    def gaussians(p, t, y):
        return jnp.sum((y - jnp.sum(p[0::3] * jnp.exp(-0.5 * ((t[:, None] - p[1::3]) / p[2::3]) ** 2), 1)) ** 2)

    def ode(p, seen, dt, steps):
        def slope(s):
            return jnp.stack([p[0] * s[0] - p[1] * s[0] * s[1], p[2] * s[0] * s[1] - p[3] * s[1]])

        def step(s, _):
            k1 = slope(s)
            k2 = slope(s + 0.5 * dt * k1)
            k3 = slope(s + 0.5 * dt * k2)
            return s + dt / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + slope(s + dt * k3)), None

        def observed(s, row):
            s, _ = scan(step, s, None, length=20)  # JAX needs the number of steps when it compiles
            return s, jnp.sum((s - row) ** 2)

        return jnp.sum(scan(observed, jnp.array([1.0, 0.5]), seen)[1])

    def logistic(w, X, y, decay):
        return jnp.sum(jnp.log1p(jnp.exp(-y * (X @ w)))) / X.shape[0] + 0.5 * decay * jnp.dot(w, w)

    def kepler(p, t, y):
        """Ten Newton steps: reverse mode through a `while` is not there."""
        mean = 2.0 * jnp.pi * t / p[0]
        anomaly = mean
        for _ in range(10):
            anomaly -= (anomaly - p[1] * jnp.sin(anomaly) - mean) / (1.0 - p[1] * jnp.cos(anomaly))
        nu = 2.0 * jnp.arctan(jnp.sqrt((1.0 + p[1]) / (1.0 - p[1])) * jnp.tan(0.5 * anomaly))
        r = y - (p[4] + p[3] * (jnp.cos(nu + p[2]) + p[1] * jnp.cos(p[2])))
        return jnp.sum(jnp.where(jnp.abs(r) < 0.5, 0.5 * r * r, 0.5 * (jnp.abs(r) - 0.25)))

    def kalman(p, y):
        q1, q2, r = jnp.exp(p[0]), jnp.exp(p[1]), jnp.exp(p[2])

        def step(state, seen):
            level, slope, a, b, d = state
            level = level + slope
            a, b, d = a + 2.0 * b + d + q1, b + d, d + q2
            s, e = a + r, seen - level
            ka, kb = a / s, b / s
            return (level + ka * e, slope + kb * e, a - ka * a, b - ka * b, d - kb * b), jnp.log(s) + e * e / s

        return 0.5 * jnp.sum(scan(step, (p[3], p[4], 10.0, 0.0, 10.0), y)[1])

    def banded(x):
        first = (0.3 / (2.0 + x[0]), x[0] / (2.0 + x[0]))

        def forward(state, element):
            m = 1.0 / (2.0 + element * element - 0.3 * state[0])
            new = (0.3 * m, (element - 0.3 * state[1]) * m)
            return new, new

        def back(later, row):
            d = row[1] - row[0] * later
            return d, d

        last, (c, d) = scan(forward, first, x[1:])
        c, d = jnp.concatenate([jnp.array([first[0]]), c]), jnp.concatenate([jnp.array([first[1]]), d])
        _, solved = scan(back, last[1], (c[:-1], d[:-1]), reverse=True)
        return jnp.sum(solved**2) + last[1] ** 2

    def cluster(x):
        points = x.reshape(-1, 3)
        i, j = jnp.tril_indices(points.shape[0], -1)
        q = 1.0 / jnp.sum((points[i] - points[j]) ** 2, 1) ** 3
        return 4.0 * jnp.sum(q * q - 2.0 * q)

    return {
        "Rosenbrock": rosenbrock,
        "Gaussians": gaussians,
        "ODE": ode,
        "logistic": logistic,
        "Kepler": kepler,
        "Kalman": kalman,
        "banded": banded,
        "Lennard-Jones": cluster,
    }
