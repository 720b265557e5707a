"""One update of all coordinates: the rule's scalar function under a serial or a parallel loop over memory.

`space` says where the iterate lives: None for R^n as it is, or a `Box`. `team` is None for the calling thread alone,
or the number of threads. Both are resolved by type, so that the plain serial sweep carries nothing of the others.
The results of a sweep are maxima, the same bits for any number of threads.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import prange
from numba.core import types

from .._compile import inlined_part, kernel, parallel_kernel, part, target
from .._dispatch import decayed_gradient, layer, scalar_rule, slot_count, together
from .._memory import (
    add_poison,
    address_of,
    borrow,
    cast_fields,
    fetch,
    fetch_gradient,
    fetch_slots,
    from_magnitude,
    magnitude,
    put,
    put_slots,
    row,
    vector,
)
from .groups import GroupSteps, fetch_leaves, is_groups, leaf_count, parts, whole

PARALLEL_SIZE = 30_000
"""Elements from which a second thread pays: a parallel region costs 2 to 4 us, a serial AdamW sweep 1 ns an element."""

BLOCK = 16_384
"""Most elements that one thread takes at a time."""


class Box(NamedTuple):
    """Scaled and bounded space: the rule works in x / scale, x is kept in [lower, upper]; each of shape (n,)."""

    scale: Any
    lower: Any
    upper: Any


# --- one element -----------------------------------------------------------------------------------------------------

# Compiled, all arrays below are pointers (`_memory.borrow`), and the slots are a matrix with rows of n elements.


def apply_rule(h: Any, space: Any, x: Any, g: Any, s: Any, out: Any, n: int, i: int) -> float:
    """Update element `i`: read x, g and the slots s[:, i]; write out and the slots; return the new x."""
    slots = range(slot_count(h))
    scale = 1 if space is None else space.scale[i]
    new = scalar_rule(h, x[i] / scale, scaled_gradient(h, space, x[i], g, i), tuple(s[k, i] for k in slots))
    out[i] = new[0] if space is None else clip(new[0] * scale, space.lower[i], space.upper[i])
    for k in slots:
        s[k, i] = new[k + 1]
    return out[i]


@target(apply_rule)
def _apply_rule(h, space, x, g, s, out, n, i):
    count = slot_count(h)

    def free(h, space, x, g, s, out, n, i):
        xi = fetch(x, i)
        new = scalar_rule(h, xi, decayed_gradient(h, xi, fetch_gradient(g, i)), fetch_slots(s, count, n, i, xi))
        put(out, i, new[0])
        put_slots(s, n, i, new)
        return new[0]

    def boxed(h, space, x, g, s, out, n, i):
        xi = fetch(x, i)
        scale = fetch(space.scale, i)
        gradient = scaled_gradient(h, space, xi, g, i)
        new = scalar_rule(h, xi / scale, gradient, fetch_slots(s, count, n, i, xi))
        inside = clip(new[0] * scale, fetch(space.lower, i), fetch(space.upper, i))
        put(out, i, inside)
        put_slots(s, n, i, new)
        return inside

    return free if isinstance(space, types.NoneType) else boxed


def scaled_gradient(h: Any, space: Any, xi: float, g: Any, i: int) -> float:
    """The gradient that the rule sees: decayed, for x / scale, and 0 where the bounds are equal."""
    gradient = decayed_gradient(h, xi, g[i])
    if space is None:
        return gradient
    return gradient * space.scale[i] if space.lower[i] < space.upper[i] else 0.0


@target(scaled_gradient)
def _scaled_gradient(h, space, xi, g, i):
    if isinstance(space, types.NoneType):
        return lambda h, space, xi, g, i: decayed_gradient(h, xi, fetch_gradient(g, i))

    def scaled(h, space, xi, g, i):
        gradient = decayed_gradient(h, xi, fetch_gradient(g, i)) * fetch(space.scale, i)
        return gradient if fetch(space.lower, i) < fetch(space.upper, i) else xi - xi

    return scaled


def clip(value: float, low: float, high: float) -> float:
    """`value` moved into [low, high]; NaN stays NaN."""
    return low if value < low else high if value > high else value


@target(clip)
def _clip(value, low, high):
    return clip


def slope(space: Any, x: Any, g: Any, i: int) -> float:
    """Element i of the projected gradient step P(x - g) - x, without cancellation for large x."""
    return -g[i] if space is None else clip(-g[i], space.lower[i] - x[i], space.upper[i] - x[i])


@target(slope)
def _slope(space, x, g, i):
    if isinstance(space, types.NoneType):
        return lambda space, x, g, i: -fetch_gradient(g, i)

    def projected(space, x, g, i):
        xi = fetch(x, i)
        return clip(-fetch_gradient(g, i), fetch(space.lower, i) - xi, fetch(space.upper, i) - xi)

    return projected


# --- all elements, on one thread -------------------------------------------------------------------------------------


@inlined_part
def span(h, space, x, g, s, out, n, measure, lo, hi):
    """Update elements lo to hi; 0, or NaN if a new x is not finite, and two magnitudes where `measure` is not None.

    Those are the largest new |x| and the largest |change| of x. `out` is None for an update in place: LLVM vectorises
    the loop only where it sees that the two are one.
    """
    to = x if out is None else out
    first = fetch(x, lo)
    poison = first - first
    largest = change = magnitude(poison) & 0
    for i in range(lo, hi):
        old = fetch(x, i)
        new = apply_rule(h, space, x, g, s, to, n, i)
        poison = add_poison(poison, new)
        if measure is not None:
            largest = max(largest, magnitude(new))
            change = max(change, magnitude(new - old))
    return poison, largest, change


def spans(h: Any, space: Any, x: Any, g: Any, s: Any, out: Any, n: int, measure: Any, lo: int, hi: int) -> tuple:
    """`span` by the step `h` in float64, or by the steps of several groups, each over its runs."""


@target(spans)
def _spans(h, space, x, g, s, out, n, measure, lo, hi):
    def one(h, space, x, g, s, out, n, measure, lo, hi):
        return span(cast_fields(h, x), space, x, g, s, out, n, measure, lo, hi)

    def several(h, space, x, g, s, out, n, measure, lo, hi):
        poison = fetch(x, lo) - fetch(x, lo)
        largest = change = magnitude(poison) & 0
        table, width, runs = borrow(h.table), leaf_count(h.template), h.runs
        for r in range(len(runs)):
            first, behind = max(lo, runs[r, 1]), min(hi, runs[r, 2])
            if first < behind:
                own = cast_fields(fetch_leaves(h.template, row(table, runs[r, 0], width)), x)
                found = span(own, space, x, g, s, out, n, measure, first, behind)
                poison += found[0]
                largest, change = max(largest, found[1]), max(change, found[2])
        return poison, largest, change

    return several if is_groups(h, GroupSteps) else one


@inlined_part
def slope_span(space, x, g, lo, hi):
    """Magnitude of the largest element lo to hi of the projected gradient; above all numbers if g is not finite."""
    largest = steepest = magnitude(fetch(x, lo)) & 0
    for i in range(lo, hi):
        steepest = max(steepest, magnitude(fetch_gradient(g, i)))
        largest = max(largest, magnitude(slope(space, x, g, i)))
    return largest if from_magnitude(steepest, x) < np.inf else steepest


# --- all elements, on a team of threads ------------------------------------------------------------------------------

# Parallel loops take arrays, and turn them into pointers again in each block. Nothing but the loop is in them: numba
# would make a parallel loop, and seconds of compilation, of every np.zeros and sum beside it.


@part
def _span_block(layers, table, runs, space, x, g, s, out, measure, lo, hi):
    h, n = whole(together(*layers), table, runs), x.size
    args = borrow(space), borrow(x), borrow(g), borrow(s)
    if address_of(out) == address_of(x):
        return spans(h, *args, None, n, measure, lo, hi)
    return spans(h, *args, borrow(out), n, measure, lo, hi)


@part
def _slope_block(space, x, g, lo, hi):
    return slope_span(borrow(space), borrow(x), borrow(g), lo, hi)


@parallel_kernel
def _span_parallel(outer, middle, innermost, table, runs, space, x, g, s, out, measure, block, poison, sizes):
    for b in prange(poison.size):
        layers, lo, hi = (outer, middle, innermost), b * block, min(x.size, (b + 1) * block)
        found = _span_block(layers, table, runs, space, x, g, s, out, measure, lo, hi)
        poison[b] = found[0]
        sizes[0, b] = found[1]
        sizes[1, b] = found[2]


@parallel_kernel
def _slope_parallel(space, x, g, block, sizes):
    for b in prange(sizes.size):
        sizes[b] = _slope_block(space, x, g, b * block, min(x.size, (b + 1) * block))


@part
def _partition(n, team):
    """Length and number of blocks: the same work for each thread, in pieces of whole cache lines."""
    pieces = team * ((n + team * BLOCK - 1) // (team * BLOCK))
    block = ((n + pieces - 1) // pieces + 15) // 16 * 16
    return block, (n + block - 1) // block


@part
def _largest(values):
    """The largest of some magnitudes."""
    result = values[0]
    for value in values:
        result = max(result, value)
    return result


def owned(pointers: Any, n: int) -> Any:
    """The reverse of `borrow` for a pointer, a Box of pointers, or None: arrays of n elements."""
    return pointers


@target(owned)
def _owned(pointers, n):
    if isinstance(pointers, types.NoneType):
        return lambda pointers, n: None
    if isinstance(pointers, types.CPointer):
        return lambda pointers, n: vector(pointers, n)
    return lambda pointers, n: Box(vector(pointers.scale, n), vector(pointers.lower, n), vector(pointers.upper, n))


def sweep(h: Any, space: Any, x: Any, g: Any, s: Any, out: Any, n: int, measure: Any, team: Any) -> tuple:
    """Update all n coordinates by the step, or steps of groups, `h`; `out` takes the new x, None means x itself.

    Returns 0, or NaN if a new x is not finite, and, where `measure` is not None, the largest new |x| and |change|.
    """


@target(sweep)
def _sweep(h, space, x, g, s, out, n, measure, team):
    def serial(h, space, x, g, s, out, n, measure, team):
        poison, largest, change = spans(h, space, x, g, s, out, n, measure, 0, n)
        return np.float64(poison), from_magnitude(largest, x), from_magnitude(change, x)

    def parallel(h, space, x, g, s, out, n, measure, team):
        block, blocks = _partition(n, team)
        poison, sizes = np.empty(blocks), np.empty((2, blocks), np.int64)
        target = vector(x if out is None else out, n)
        arrays = owned(space, n), vector(x, n), vector(g, n), vector(s, n)
        one, table, runs = parts(h)
        layers = layer(one, 0), layer(one, 1), layer(one, 2)
        _span_parallel(*layers, table, runs, *arrays, target, measure, block, poison, sizes)
        largest, change = _largest(sizes[0]), _largest(sizes[1])
        return poison.sum(), from_magnitude(largest, x), from_magnitude(change, x)

    return serial if isinstance(team, types.NoneType) else parallel


def steepness(space: Any, x: Any, g: Any, n: int, team: Any) -> float:
    """Inf-norm of the projected gradient P(x - g) - x; inf or NaN where g is not finite."""


@target(steepness)
def _steepness(space, x, g, n, team):
    if isinstance(team, types.NoneType):
        return lambda space, x, g, n, team: from_magnitude(slope_span(space, x, g, 0, n), x)

    def parallel(space, x, g, n, team):
        block, blocks = _partition(n, team)
        sizes = np.empty(blocks, np.int64)
        _slope_parallel(owned(space, n), vector(x, n), vector(g, n), block, sizes)
        return from_magnitude(_largest(sizes), x)

    return parallel


@kernel
def all_finite(values, team):
    """Whether no element of an array is NaN or inf."""
    pointer = borrow(values)
    return steepness(None, pointer, pointer, values.size, team) < np.inf
