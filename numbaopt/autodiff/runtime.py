"""What generated gradients call: tapes, and derivatives that need more than a formula."""

from __future__ import annotations

import math

import numpy as np

from .._compile import inlined, jit_user

# Compiled once per process, as part of each gradient; plain Python where the generated text is run as such.


@inlined
def sign(a):
    """1, 0 or -1."""
    return 1.0 if a > 0 else (-1.0 if a < 0 else 0.0)


@inlined
def over(a, r):
    """a / r, and 0 for 0 / 0."""
    return a / r if r != 0 else 0.0


@inlined
def half_over(r):
    """1 / (2 r), and 0 for r = 0."""
    return 0.5 / r if r != 0 else 0.0


@inlined
def third_over(r):
    """1 / (3 r^2), and 0 for r = 0."""
    return 1.0 / (3.0 * r * r) if r != 0 else 0.0


@inlined
def power_da(a, p):
    """p a^(p-1), and 0 for a = 0, p < 1."""
    return 0.0 if a == 0 and p < 1 else p * a ** (p - 1)


@inlined
def power_db(a, p, r):
    """a^p log a, and 0 for a = 0."""
    return 0.0 if a == 0 else r * np.log(a)


@inlined
def sinc_derivative(a):
    """(cos(pi a) - sinc(a)) / a."""
    return (np.cos(np.pi * a) - np.sinc(a)) / a if a != 0 else 0.0


@jit_user
def digamma(a):
    """The derivative of log(gamma(a)): recurrence up to 10, then the asymptotic series (Abramowitz, Stegun 6.3.18)."""
    value = 0.0
    if a <= 0:
        if a == math.floor(a):
            return math.nan
        value = -math.pi / math.tan(math.pi * a)
        a = 1.0 - a
    while a < 10.0:
        value -= 1.0 / a
        a += 1.0
    z = 1.0 / (a * a)
    series = z * (
        1 / 12 - z * (1 / 120 - z * (1 / 252 - z * (1 / 240 - z * (1 / 132 - z * (691 / 32760 - z * (1 / 12))))))
    )
    return value + math.log(a) - 0.5 / a - series


@jit_user
def grown(tape, least):
    """A tape of at least twice the size."""
    longer = np.empty(max(least, 2 * tape.size), tape.dtype)
    for i in range(tape.size):
        longer[i] = tape[i]
    return longer


@jit_user
def push_all(tape, top, values):
    """The tape with all elements of an array on it."""
    if top + values.size > tape.size:
        tape = grown(tape, top + values.size)
    i = top
    for value in values.flat:
        tape[i] = value
        i += 1
    return tape


@jit_user
def pop_1d(tape, top, values):
    """Elements from the tape back into a vector."""
    for i in range(values.shape[0]):
        values[i] = tape[top + i]


@jit_user
def pop_2d(tape, top, values):
    """Elements from the tape back into a matrix."""
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            values[i, j] = tape[top + i * values.shape[1] + j]


@jit_user
def pop_3d(tape, top, values):
    """Elements from the tape back into an array of three dimensions."""
    for i in range(values.shape[0]):
        pop_2d(tape, top + i * values.shape[1] * values.shape[2], values[i])


@jit_user
def fill_1d(values, number):
    """Every element of a vector becomes `number`."""
    for i in range(values.shape[0]):
        values[i] = number


@jit_user
def fill_2d(values, number):
    """Every element of a matrix becomes `number`."""
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            values[i, j] = number


@jit_user
def fill_3d(values, number):
    """Every element of an array of three dimensions becomes `number`."""
    for i in range(values.shape[0]):
        fill_2d(values[i], number)


@jit_user
def copy_1d(target, values):
    """target = values."""
    for i in range(target.shape[0]):
        target[i] = values[i]


@jit_user
def copy_2d(target, values):
    """target = values."""
    for i in range(target.shape[0]):
        for j in range(target.shape[1]):
            target[i, j] = values[i, j]


@jit_user
def copy_3d(target, values):
    """target = values."""
    for i in range(target.shape[0]):
        copy_2d(target[i], values[i])


@jit_user
def add_1d(target, values):
    """target += values."""
    for i in range(target.shape[0]):
        target[i] += values[i]


@jit_user
def add_2d(target, values):
    """target += values."""
    for i in range(target.shape[0]):
        for j in range(target.shape[1]):
            target[i, j] += values[i, j]


@jit_user
def add_3d(target, values):
    """target += values."""
    for i in range(target.shape[0]):
        add_2d(target[i], values[i])


@jit_user
def subtract_1d(target, values):
    """target -= values."""
    for i in range(target.shape[0]):
        target[i] -= values[i]


@jit_user
def add_scaled(target, factor, values):
    """target += factor * values, vectors."""
    for i in range(target.shape[0]):
        target[i] += factor * values[i]


@jit_user
def add_outer(target, u, v):
    """target[i, j] += u[i] * v[j]."""
    for i in range(u.shape[0]):
        for j in range(v.shape[0]):
            target[i, j] += u[i] * v[j]


@jit_user
def add_matvec(target, matrix, v):
    """target += matrix @ v."""
    product = matrix @ v
    for i in range(target.shape[0]):
        target[i] += product[i]


@jit_user
def add_matmat(target, left, right):
    """target += left @ right."""
    product = np.ascontiguousarray(left) @ np.ascontiguousarray(right)
    for i in range(target.shape[0]):
        for j in range(target.shape[1]):
            target[i, j] += product[i, j]


@jit_user
def cumsum_adjoint(target, above):
    """Of r = np.cumsum(a): what is above an element goes to all elements before it."""
    total = 0.0
    for i in range(target.shape[0] - 1, -1, -1):
        total += above[i]
        target[i] += total


@jit_user
def prod_adjoint(target, values, above):
    """Of r = np.prod(a): the product of the others, without a division."""
    before = np.empty(values.shape[0], values.dtype)
    product = 1.0
    for i in range(values.shape[0]):
        before[i] = product
        product *= values[i]
    product = 1.0
    for i in range(values.shape[0] - 1, -1, -1):
        target[i] += above * before[i] * product
        product *= values[i]


@jit_user
def add_at_first(target, values, extreme, above):
    """Of r = max(a) or min(a): all goes to the first element that has the value."""
    for i in range(values.shape[0]):
        if values[i] == extreme:
            target[i] += above
            return


@jit_user
def add_sum_axis0(target, above):
    """Of r = np.sum(a, axis=0), a matrix."""
    for i in range(target.shape[0]):
        for j in range(target.shape[1]):
            target[i, j] += above[j]


@jit_user
def add_sum_axis1(target, above):
    """Of r = np.sum(a, axis=1), a matrix."""
    for i in range(target.shape[0]):
        for j in range(target.shape[1]):
            target[i, j] += above[i]


@jit_user
def gather_adjoint(target, positions, above):
    """Of r = a[positions], a vector and integers."""
    for i in range(positions.shape[0]):
        target[positions[i]] += above[i]


@jit_user
def mask_adjoint(target, mask, above):
    """Of r = a[mask], a vector and booleans."""
    k = 0
    for i in range(mask.shape[0]):
        if mask[i]:
            target[i] += above[k]
            k += 1


@jit_user
def outer_adjoint(target_u, target_v, u, v, above):
    """Of r = np.outer(u, v)."""
    for i in range(u.shape[0]):
        for j in range(v.shape[0]):
            target_u[i] += above[i, j] * v[j]
            target_v[j] += above[i, j] * u[i]


@jit_user
def spread_1d(target, values, center, factor):
    """target += factor * (values - center): of a variance."""
    for i in range(target.shape[0]):
        target[i] += factor * (values[i] - center)


@jit_user
def no_gradient(array):
    """Stands for the gradient of what has none."""
    return np.zeros_like(array)


__all__ = [name for name, value in list(globals().items()) if hasattr(value, "py_func")]
