"""Problems 1-5, 7, 13 and 14 of the collection: systems of few equations in few unknowns.

Each is `residuals(x, r, J)`, which writes the residuals and their Jacobian; it leaves alone what is always 0 in J.
"""

from __future__ import annotations

import numpy as np

from .._compile import kernel


@kernel
def rosenbrock(x, r, J):
    """(1) 10 (x2 - x1^2), 1 - x1."""
    r[0] = 10 * (x[1] - x[0] * x[0])
    r[1] = 1 - x[0]
    J[0, 0] = -20 * x[0]
    J[0, 1] = 10
    J[1, 0] = -1


@kernel
def freudenstein_roth(x, r, J):
    """(2) -13 + x1 + ((5 - x2) x2 - 2) x2, -29 + x1 + ((x2 + 1) x2 - 14) x2."""
    r[0] = -13 + x[0] + ((5 - x[1]) * x[1] - 2) * x[1]
    r[1] = -29 + x[0] + ((x[1] + 1) * x[1] - 14) * x[1]
    J[0, 0] = 1
    J[0, 1] = (10 - 3 * x[1]) * x[1] - 2
    J[1, 0] = 1
    J[1, 1] = (3 * x[1] + 2) * x[1] - 14


@kernel
def powell_badly_scaled(x, r, J):
    """(3) 10^4 x1 x2 - 1, exp(-x1) + exp(-x2) - 1.0001."""
    a, b = np.exp(-x[0]), np.exp(-x[1])
    r[0] = 1e4 * x[0] * x[1] - 1
    r[1] = a + b - 1.0001
    J[0, 0] = 1e4 * x[1]
    J[0, 1] = 1e4 * x[0]
    J[1, 0] = -a
    J[1, 1] = -b


@kernel
def brown_badly_scaled(x, r, J):
    """(4) x1 - 10^6, x2 - 2 10^-6, x1 x2 - 2."""
    r[0] = x[0] - 1e6
    r[1] = x[1] - 2e-6
    r[2] = x[0] * x[1] - 2
    J[0, 0] = 1
    J[1, 1] = 1
    J[2, 0] = x[1]
    J[2, 1] = x[0]


@kernel
def beale(x, r, J):
    """(5) y_i - x1 (1 - x2^i), y = 1.5, 2.25, 2.625."""
    power, slope = 1.0, 0.0  # x2^i and its derivative
    for i in range(3):
        slope = power + slope * x[1]
        power = power * x[1]
        r[i] = 3 - 1.5 * 0.5**i - x[0] * (1 - power)
        J[i, 0] = power - 1
        J[i, 1] = x[0] * slope


@kernel
def helical_valley(x, r, J):
    """(7) 10 (x3 - 10 theta(x1, x2)), 10 (sqrt(x1^2 + x2^2) - 1), x3.

    theta = arctan(x2 / x1) / (2 pi), and half a turn more for x1 < 0: it jumps where x1 = 0, x2 < 0.
    """
    turn = 0.5 if x[0] < 0 else 0.0
    square = x[0] * x[0] + x[1] * x[1]
    radius = np.sqrt(square)
    r[0] = 10 * (x[2] - 10 * (np.arctan(x[1] / x[0]) / (2 * np.pi) + turn))
    r[1] = 10 * (radius - 1)
    r[2] = x[2]
    J[0, 0] = 50 / np.pi * x[1] / square
    J[0, 1] = -50 / np.pi * x[0] / square
    J[0, 2] = 10
    J[1, 0] = 10 * x[0] / radius
    J[1, 1] = 10 * x[1] / radius
    J[2, 2] = 1


@kernel
def powell_singular(x, r, J):
    """(13) x1 + 10 x2, sqrt(5) (x3 - x4), (x2 - 2 x3)^2, sqrt(10) (x1 - x4)^2."""
    a, b = x[1] - 2 * x[2], x[0] - x[3]
    r[0] = x[0] + 10 * x[1]
    r[1] = np.sqrt(5) * (x[2] - x[3])
    r[2] = a * a
    r[3] = np.sqrt(10) * b * b
    J[0, 0] = 1
    J[0, 1] = 10
    J[1, 2] = np.sqrt(5)
    J[1, 3] = -np.sqrt(5)
    J[2, 1] = 2 * a
    J[2, 2] = -4 * a
    J[3, 0] = np.sqrt(40) * b
    J[3, 3] = -np.sqrt(40) * b


@kernel
def wood(x, r, J):
    """(14) 10 (x2 - x1^2), 1 - x1, sqrt(90) (x4 - x3^2), 1 - x3, sqrt(10) (x2 + x4 - 2), (x2 - x4) / sqrt(10)."""
    r[0] = 10 * (x[1] - x[0] * x[0])
    r[1] = 1 - x[0]
    r[2] = np.sqrt(90) * (x[3] - x[2] * x[2])
    r[3] = 1 - x[2]
    r[4] = np.sqrt(10) * (x[1] + x[3] - 2)
    r[5] = np.sqrt(0.1) * (x[1] - x[3])
    J[0, 0] = -20 * x[0]
    J[0, 1] = 10
    J[1, 0] = -1
    J[2, 2] = -2 * np.sqrt(90) * x[2]
    J[2, 3] = np.sqrt(90)
    J[3, 2] = -1
    J[4, 1] = np.sqrt(10)
    J[4, 3] = np.sqrt(10)
    J[5, 1] = np.sqrt(0.1)
    J[5, 3] = -np.sqrt(0.1)
