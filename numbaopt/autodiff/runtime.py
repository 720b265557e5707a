"""What generated gradients call: tapes, and derivatives that need more than a formula."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .._compile import inlined, user_part


def helper(function: Callable) -> Any:
    """Compile a function that only generated text calls, and other helpers."""
    return user_part(function)


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
    return 0.0 if a == 0 else r * math.log(a)


@inlined
def sinc_derivative(a):
    """(cos(pi a) - sinc(a)) / a."""
    return (math.cos(math.pi * a) - np.sinc(a)) / a if a != 0 else 0.0


@helper
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


@helper
def grown(tape, least):
    """A tape of at least twice the size."""
    twice = 2 * tape.size
    longer = np.empty(least if least > twice else twice, tape.dtype)
    for i in range(tape.size):
        longer[i] = tape[i]
    return longer


@helper
def longer_by(tape, top, count):
    """The tape with room for `count` more."""
    return grown(tape, top + count) if top + count > tape.size else tape


@helper
def push_1d(tape, top, values):
    """The tape with the elements of a vector on it."""
    tape = longer_by(tape, top, values.size)
    for i in range(values.shape[0]):
        tape[top + i] = values[i]
    return tape


@helper
def push_2d(tape, top, values):
    """The tape with the elements of a matrix on it."""
    tape = longer_by(tape, top, values.size)
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            tape[top + i * values.shape[1] + j] = values[i, j]
    return tape


@helper
def push_3d(tape, top, values):
    """The tape with the elements of an array of three dimensions on it."""
    tape = longer_by(tape, top, values.size)
    for i in range(values.shape[0]):
        tape = push_2d(tape, top + i * values.shape[1] * values.shape[2], values[i])
    return tape


@helper
def pop_1d(tape, top, values):
    """Elements from the tape back into a vector."""
    for i in range(values.shape[0]):
        values[i] = tape[top + i]


@helper
def pop_2d(tape, top, values):
    """Elements from the tape back into a matrix."""
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            values[i, j] = tape[top + i * values.shape[1] + j]


@helper
def pop_3d(tape, top, values):
    """Elements from the tape back into an array of three dimensions."""
    for i in range(values.shape[0]):
        pop_2d(tape, top + i * values.shape[1] * values.shape[2], values[i])


@helper
def fill_1d(values, number):
    """Every element of a vector becomes `number`."""
    for i in range(values.shape[0]):
        values[i] = number


@helper
def fill_2d(values, number):
    """Every element of a matrix becomes `number`."""
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            values[i, j] = number


@helper
def fill_3d(values, number):
    """Every element of an array of three dimensions becomes `number`."""
    for i in range(values.shape[0]):
        fill_2d(values[i], number)


@helper
def copy_1d(target, values):
    """target = values."""
    for i in range(target.shape[0]):
        target[i] = values[i]


@helper
def copy_2d(target, values):
    """target = values."""
    for i in range(target.shape[0]):
        for j in range(target.shape[1]):
            target[i, j] = values[i, j]


@helper
def copy_3d(target, values):
    """target = values."""
    for i in range(target.shape[0]):
        copy_2d(target[i], values[i])


@helper
def add_1d(target, values):
    """target += values."""
    for i in range(target.shape[0]):
        target[i] += values[i]


@helper
def add_2d(target, values):
    """target += values."""
    for i in range(target.shape[0]):
        for j in range(target.shape[1]):
            target[i, j] += values[i, j]


@helper
def add_3d(target, values):
    """target += values."""
    for i in range(target.shape[0]):
        add_2d(target[i], values[i])


@helper
def subtract_1d(target, values):
    """target -= values."""
    for i in range(target.shape[0]):
        target[i] -= values[i]


@helper
def add_scaled(target, factor, values):
    """target += factor * values, vectors."""
    for i in range(target.shape[0]):
        target[i] += factor * values[i]


@helper
def add_outer(target, u, v):
    """target[i, j] += u[i] * v[j]."""
    for i in range(u.shape[0]):
        for j in range(v.shape[0]):
            target[i, j] += u[i] * v[j]


@helper
def add_matvec(target, matrix, v):
    """target += matrix @ v."""
    product = matrix @ v
    for i in range(target.shape[0]):
        target[i] += product[i]


@helper
def add_matmat(target, left, right):
    """target += left @ right."""
    product = left.copy() @ right.copy()
    for i in range(target.shape[0]):
        for j in range(target.shape[1]):
            target[i, j] += product[i, j]


__all__ = [name for name, value in list(globals().items()) if hasattr(value, "py_func")]
