"""Updates by sparse gradients: what the dense update would do, at the cost of the coordinates that the gradient has.

A coordinate without a gradient is left behind, and the scalars of the iterations that it misses are kept in a `Log`.
When its gradient comes, or it is to be read, it catches up: the rule's own scalar function is applied with g = 0 for
each iteration that it missed. Once no step that is still to come can change x by a rounding error (the rule's
`coasting`), x and slots only decay, each by a factor that all coordinates share, and the rest of the iterations is one
multiplication. The factors are what the rule itself makes of x = 1 or of a slot that is 1, all else being 0.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .._compile import inlined, kernel, target
from .._dispatch import decayed_gradient, leaves_alone, scalar_rule, slot_count, still_to_go
from .._memory import (
    borrow,
    cast_fields,
    cast_tuple,
    fetch,
    fetch_fields,
    fetch_slots,
    is_named,
    prefetch,
    put,
    put_fields,
    put_slots,
    row,
    unit,
)
from .step import iteration

BLOCK = 16
"""Iterations between two looks at whether a coordinate only decays."""

AHEAD = 16
"""Coordinates whose memory is asked for ahead."""


class Log(NamedTuple):
    """The iterations since all coordinates were up to date."""

    rows: Any  # (capacity, numbers in a step), in the dtype of x
    decay: Any  # (capacity + 1, 2 (1 + slots)): for x and each slot, the sum of the logs of the factors before the row;
    # then, for each, what rounding has taken from this sum: over a million iterations it would be seen
    low: Any  # (1, numbers in a step): the smallest value of each so far
    high: Any  # (1, numbers in a step)


# --- one coordinate --------------------------------------------------------------------------------------------------

# `state` is the tuple (x, *slots) of one coordinate, `log` is borrowed, and `h` a step in the dtype of x.


@inlined
def advanced(h, x, state, g):
    """`state` after an iteration with the gradient `g`, coupled decay included; `x` is any pointer to its dtype."""
    return cast_tuple(scalar_rule(h, state[0], g, state[1:]), x)


def decayed(state: tuple, later: Any, sooner: Any, width: int) -> tuple:
    """Each number of `state` times the factor between two rows of `log.decay`."""


@target(decayed)
def _decayed(state, later, sooner, width):
    if len(state) == 0:
        return lambda state, later, sooner, width: ()

    def decayed_each(state, later, sooner, width):
        power = (fetch(later, 0) - fetch(sooner, 0)) + (fetch(later, width) - fetch(sooner, width))
        here = state[0] * math.exp(power) if state[0] * power != 0 else np.float64(state[0])
        return (here, *decayed(state[1:], row(later, 1, 1), row(sooner, 1, 1), width))

    return decayed_each


@inlined
def all_positive(later, sooner, width):
    """Whether all factors between two rows of `log.decay` were: the logarithm of another is NaN."""
    total = 0.0
    for j in range(width):
        total += fetch(later, j) - fetch(sooner, j)
    return total < np.inf


def caught_up(h: Any, log: Any, tiny: float, x: Any, state: tuple, begin: int, end: int) -> tuple:
    """`state` after the iterations of the rows `begin` to `end` with g = 0; `h` is any step of the rule."""


@target(caught_up)
def _caught_up(h, log, tiny, x, state, begin, end):
    numbers, width = numbers_in(h), len(state)

    def caught_up(h, log, tiny, x, state, begin, end):
        low, high, none = fetch_fields(log.low, h), fetch_fields(log.high, h), unit(x, 1, -1)[0]
        coupled = decayed_gradient(high, unit(x, 1, 0)[0], none) != 0
        later = row(log.decay, end, 2 * width)
        while begin < end:
            if still_to_go(low, high, state[1:]) <= tiny * abs(state[0]):
                sooner = row(log.decay, begin, 2 * width)
                if all_positive(later, sooner, width):
                    return cast_tuple(decayed(state, later, sooner, width), x)
            until = min(end, begin + BLOCK)
            if coupled:
                for k in range(begin, until):
                    missed = fetch_fields(row(log.rows, k, numbers), h)
                    state = advanced(missed, x, state, decayed_gradient(missed, state[0], none))
            else:  # the slots do not wait for x: an iteration takes a tenth of the time
                for k in range(begin, until):
                    state = advanced(fetch_fields(row(log.rows, k, numbers), h), x, state, none)
            begin = until
        return state

    return (lambda h, log, tiny, x, state, begin, end: state) if leaves_alone(h) else caught_up


def numbers_in(ty: Any) -> int:
    """How many numbers a type has: that of a step, with those inside it, or of one number."""
    return sum(map(numbers_in, ty)) if is_named(ty) else 1


def load(x: Any, s: Any, n: int, i: int, h: Any) -> tuple:
    """`state` of coordinate i."""


@target(load)
def _load(x, s, n, i, h):
    count = slot_count(h)

    def load(x, s, n, i, h):
        value = fetch(x, i)
        return (value, *fetch_slots(s, count, n, i, value))

    return load


@inlined
def store(x, s, n, i, state):
    """Write `state` of coordinate i."""
    put(x, i, state[0])
    put_slots(s, n, i, state)


# --- the log ---------------------------------------------------------------------------------------------------------


def write(h: Any, log: Any, x: Any, k: int) -> None:
    """Make `h` row `k` of the log."""


@target(write)
def _write(h, log, x, k):
    numbers, width = numbers_in(h), slot_count(h) + 1

    def write(h, log, x, k):
        here, before, after = row(log.rows, k, numbers), row(log.decay, k, 2 * width), row(log.decay, k + 1, 2 * width)
        put_fields(here, h)
        for j in range(numbers):
            value = fetch(here, j)
            put(log.low, j, value if k == 0 else min(value, fetch(log.low, j)))
            put(log.high, j, value if k == 0 else max(value, fetch(log.high, j)))
        exact = cast_fields(h, log.decay)  # of the values that the dense update has, but not rounded again
        for j in range(width):
            factor = advanced(exact, log.decay, unit(log.decay, width, j), 0.0)[j]
            power = math.log(factor) if factor != 0 else -700.0
            if j == 0:  # x is also pulled by coupled decay, by so little that 1 plus it would lose half of its digits
                pull = decayed_gradient(exact, 1.0, 0.0)
                power += math.log1p(advanced(exact, log.decay, unit(log.decay, width, -1), pull)[0] / factor)
            total = fetch(before, j) + power
            kept = total - power
            lost = (fetch(before, j) - kept) + (power - (total - kept))  # exactly (Knuth's two-sum)
            put(after, j, total)
            put(after, width + j, fetch(before, width + j) + lost)

    return (lambda h, log, x, k: None) if leaves_alone(h) else write


# --- all of a gradient -----------------------------------------------------------------------------------------------


@kernel
def first_wrong(indices, n):
    """Position of the first index that is not in [0, n), or -1."""
    for k in range(indices.size):
        if not 0 <= indices[k] < n:
            return k
    return -1


@inlined
def added_up(indices, values, before, last):
    """Add up what is there twice, in place; how many there are.

    `last` has for each of them -1 - its place, and `before` what `last` had.
    """
    count, size = 0, indices.size
    for k in range(size):
        if k + AHEAD < size:
            prefetch(borrow(last), indices[k + AHEAD])
        i = indices[k]
        known = last[i]
        if known < 0:
            values[-1 - known] += values[k]
        else:
            indices[count], values[count], before[count] = i, values[k], known
            count += 1
            last[i] = -count
    return count


@kernel
def merge(indices, values, before, last):
    """`added_up`, with `last` as it was."""
    count = added_up(indices, values, before, last)
    for k in range(count):
        last[indices[k]] = before[k]
    return count


@kernel
def sparse_step(hyper, t, base, tiny, x, s, carry, last, log, indices, values, before):
    """Iteration `t` (from 1) with the gradient `values` at `indices`; what is there twice is added up.

    `last` has the iteration up to which each coordinate is up to date, where that is not before `base`. `indices`,
    `values` and `before`, each of one length, are used up.
    """
    n, width = x.size, s.shape[0]
    to, slots, borrowed = borrow(x), borrow(s), borrow(log)
    h = cast_fields(iteration(hyper, t, None, to, to, slots, borrow(carry), n, None), to)
    count = added_up(indices, values, before, last)
    for k in range(count):
        if k + AHEAD < count:
            ahead = indices[k + AHEAD]
            prefetch(to, ahead)
            for j in range(width):
                prefetch(row(slots, j, n), ahead)
        i = indices[k]
        state = load(to, slots, n, i, h)
        state = caught_up(h, borrowed, tiny, to, state, max(before[k] - base, 0), t - 1 - base)
        store(to, slots, n, i, advanced(h, to, state, decayed_gradient(h, state[0], values[k])))
        last[i] = t
    write(h, borrowed, to, t - 1 - base)


@kernel
def catch_up(hyper, t, base, tiny, x, s, carry, last, log, indices):
    """Bring the coordinates `indices`, or all, to the end of iteration `t`; `carry` is used up."""
    n = x.size
    to, slots, borrowed = borrow(x), borrow(s), borrow(log)
    h = cast_fields(iteration(hyper, t, None, to, to, slots, borrow(carry), n, None), to)
    for k in range(n if indices is None else indices.size):
        i = k if indices is None else indices[k]
        begin = max(last[i] - base, 0)
        if begin < t - base:
            store(to, slots, n, i, caught_up(h, borrowed, tiny, to, load(to, slots, n, i, h), begin, t - base))
            if indices is not None:
                last[i] = t
