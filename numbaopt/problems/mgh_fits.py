"""Problems 6, 8-12, 15-20 and 35 of the collection: fits, each residual of which depends on all unknowns.

Each is `residuals(x, r, J)`, which writes the residuals and their Jacobian; it leaves alone what is always 0 in J.
"""

from __future__ import annotations

import numpy as np

from .._compile import kernel

BARD = np.array([0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39, 0.37, 0.58, 0.73, 0.96, 1.34, 2.10, 4.39])
GAUSSIAN = np.array([0.0009, 0.0044, 0.0175, 0.0540, 0.1295, 0.2420, 0.3521, 0.3989])  # the rest mirrors it
MEYER = np.array(
    [34780, 28610, 23650, 19630, 16370, 13720, 11540, 9744, 8261, 7030, 6005, 5147, 4427, 3820, 3307, 2872.0]
)
KOWALIK_Y = np.array([0.1957, 0.1947, 0.1735, 0.1600, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246])
KOWALIK_U = np.array([4, 2, 1, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625])
# fmt: off
OSBORNE_1 = np.array(
    [844, 908, 932, 936, 925, 908, 881, 850, 818, 784, 751, 718, 685, 658, 628, 603, 580, 558, 538, 522, 506, 490, 478,
     467, 457, 448, 438, 431, 424, 420, 414, 411, 406]
) / 1000
OSBORNE_2 = np.array(
    [1366, 1191, 1112, 1013, 991, 885, 831, 847, 786, 725, 746, 679, 608, 655, 616, 606, 602, 626, 651, 724, 649, 649,
     694, 644, 624, 661, 612, 558, 533, 495, 500, 423, 395, 375, 372, 391, 396, 405, 428, 429, 523, 562, 607, 653, 672,
     708, 633, 668, 645, 632, 591, 559, 597, 625, 739, 710, 729, 720, 636, 581, 428, 292, 162, 98, 54]
) / 1000
# fmt: on


@kernel
def jennrich_sampson(x, r, J):
    """(6) 2 + 2 i - exp(i x1) - exp(i x2)."""
    for k in range(r.size):
        i = k + 1.0
        a, b = np.exp(i * x[0]), np.exp(i * x[1])
        r[k] = 2 + 2 * i - a - b
        J[k, 0] = -i * a
        J[k, 1] = -i * b


@kernel
def bard(x, r, J):
    """(8) y_i - x1 - u / (v x2 + w x3), u = i, v = 16 - i, w = min(u, v)."""
    for k in range(15):
        u = k + 1.0
        v = 16 - u
        w = min(u, v)
        d = v * x[1] + w * x[2]
        r[k] = BARD[k] - x[0] - u / d
        J[k, 0] = -1
        J[k, 1] = u * v / (d * d)
        J[k, 2] = u * w / (d * d)


@kernel
def gaussian(x, r, J):
    """(9) x1 exp(-x2 (t - x3)^2 / 2) - y_i, t = (8 - i) / 2."""
    for k in range(15):
        d = (7 - k) / 2 - x[2]
        e = np.exp(-0.5 * x[1] * d * d)
        r[k] = x[0] * e - GAUSSIAN[min(k, 14 - k)]
        J[k, 0] = e
        J[k, 1] = -0.5 * x[0] * d * d * e
        J[k, 2] = x[0] * x[1] * d * e


@kernel
def meyer(x, r, J):
    """(10) x1 exp(x2 / (t + x3)) - y_i, t = 45 + 5 i."""
    for k in range(16):
        d = 50.0 + 5 * k + x[2]
        e = np.exp(x[1] / d)
        r[k] = x[0] * e - MEYER[k]
        J[k, 0] = e
        J[k, 1] = x[0] * e / d
        J[k, 2] = -x[0] * x[1] * e / (d * d)


@kernel
def gulf(x, r, J):
    """(11) exp(-|y - x2|^x3 / x1) - t, t = i / 100, y = 25 + (-50 log(t))^(2/3).

    The paper prints |y m i x2|, which does not have the minimum that it gives.
    """
    for k in range(r.size):
        t = (k + 1) / 100
        y = 25 + (-50 * np.log(t)) ** (2 / 3)
        s = y - x[1]
        d = -s if s < 0 else s
        p = d ** x[2] / x[0]
        e = np.exp(-p)
        r[k] = e - t
        J[k, 0] = e * p / x[0]
        J[k, 1] = e * p * x[2] / s
        J[k, 2] = -e * p * np.log(d)


@kernel
def box(x, r, J):
    """(12) exp(-t x1) - exp(-t x2) - x3 (exp(-t) - exp(-10 t)), t = i / 10."""
    for k in range(r.size):
        t = (k + 1) / 10
        a, b, c = np.exp(-t * x[0]), np.exp(-t * x[1]), np.exp(-t) - np.exp(-10 * t)
        r[k] = a - b - x[2] * c
        J[k, 0] = -t * a
        J[k, 1] = t * b
        J[k, 2] = -c


@kernel
def kowalik_osborne(x, r, J):
    """(15) y_i - x1 (u^2 + u x2) / (u^2 + u x3 + x4), u = u_i."""
    for k in range(11):
        u = KOWALIK_U[k]
        a, b = u * (u + x[1]), u * (u + x[2]) + x[3]
        r[k] = KOWALIK_Y[k] - x[0] * a / b
        J[k, 0] = -a / b
        J[k, 1] = -x[0] * u / b
        J[k, 2] = x[0] * a * u / (b * b)
        J[k, 3] = x[0] * a / (b * b)


@kernel
def brown_dennis(x, r, J):
    """(16) (x1 + t x2 - exp(t))^2 + (x3 + x4 sin(t) - cos(t))^2, t = i / 5."""
    for k in range(r.size):
        t = (k + 1) / 5
        s = np.sin(t)
        a, b = x[0] + t * x[1] - np.exp(t), x[2] + s * x[3] - np.cos(t)
        r[k] = a * a + b * b
        J[k, 0] = 2 * a
        J[k, 1] = 2 * a * t
        J[k, 2] = 2 * b
        J[k, 3] = 2 * b * s


@kernel
def osborne_1(x, r, J):
    """(17) y_i - x1 - x2 exp(-t x4) - x3 exp(-t x5), t = 10 (i - 1)."""
    for k in range(33):
        t = 10.0 * k
        a, b = np.exp(-t * x[3]), np.exp(-t * x[4])
        r[k] = OSBORNE_1[k] - x[0] - x[1] * a - x[2] * b
        J[k, 0] = -1
        J[k, 1] = -a
        J[k, 2] = -b
        J[k, 3] = t * x[1] * a
        J[k, 4] = t * x[2] * b


@kernel
def biggs(x, r, J):
    """(18) x3 exp(-t x1) - x4 exp(-t x2) + x6 exp(-t x5) - y, t = i / 10, y = exp(-t) - 5 exp(-10 t) + 3 exp(-4 t)."""
    for k in range(r.size):
        t = (k + 1) / 10
        a, b, c = np.exp(-t * x[0]), np.exp(-t * x[1]), np.exp(-t * x[4])
        r[k] = x[2] * a - x[3] * b + x[5] * c - (np.exp(-t) - 5 * np.exp(-10 * t) + 3 * np.exp(-4 * t))
        J[k, 0] = -t * x[2] * a
        J[k, 1] = t * x[3] * b
        J[k, 2] = a
        J[k, 3] = -b
        J[k, 4] = -t * x[5] * c
        J[k, 5] = c


@kernel
def osborne_2(x, r, J):
    """(19) y_i - x1 exp(-t x5) - sum over j = 2, 3, 4 of x_j exp(-(t - x_{j+7})^2 x_{j+4}), t = (i - 1) / 10."""
    for k in range(65):
        t = k / 10
        e = np.exp(-t * x[4])
        r[k] = OSBORNE_2[k] - x[0] * e
        J[k, 0] = -e
        J[k, 4] = t * x[0] * e
        for j in range(1, 4):
            d = t - x[j + 7]
            e = np.exp(-d * d * x[j + 4])
            r[k] -= x[j] * e
            J[k, j] = -e
            J[k, j + 4] = x[j] * d * d * e
            J[k, j + 7] = -2 * x[j] * x[j + 4] * d * e


@kernel
def watson(x, r, J):
    """(20) p'(t) - p(t)^2 - 1 for p(t) = sum of x_j t^(j-1), t = i / 29; x1, x2 - x1^2 - 1."""
    for k in range(29):
        t = (k + 1) / 29
        p, q, power = 0.0, 0.0, 1.0
        for j in range(x.size):
            q += j * x[j] * power / t
            p += x[j] * power
            power *= t
        r[k] = q - p * p - 1
        power = 1.0
        for j in range(x.size):
            J[k, j] = j * power / t - 2 * p * power
            power *= t
    r[29] = x[0]
    r[30] = x[1] - x[0] * x[0] - 1
    J[29, 0] = 1
    J[30, 0] = -2 * x[0]
    J[30, 1] = 1


@kernel
def chebyquad(x, r, J):
    """(35) mean over j of T_i(x_j) - integral of T_i, T_i the Chebyshev polynomial of degree i shifted to [0, 1]."""
    n = x.size
    for k in range(r.size):
        i = k + 1
        r[k] = 1 / (i * i - 1.0) if i % 2 == 0 else 0
    for j in range(n):
        z = 2 * x[j] - 1
        before, t, before_slope, slope = 1.0, z, 0.0, 2.0  # T_{i-1}, T_i and their derivatives
        for k in range(r.size):
            r[k] += t / n
            J[k, j] = slope / n
            before, t, before_slope, slope = t, 2 * z * t - before, slope, 4 * t + 2 * z * slope - before_slope
