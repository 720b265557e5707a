"""Sums over all coordinates that a step needs before it can be made: one pass, the same bits for any number of threads.

The coordinates are summed in blocks of one length, and the sums of the blocks in order, by one thread or by several.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange
from numba.core import types

from .._compile import parallel_kernel, part, target
from .._dispatch import finished, layer, slot_count, sum_count, terms, together
from .._memory import (
    add_terms,
    add_tuples,
    borrow,
    cast_fields,
    fetch,
    fetch_slots,
    fetch_tuple,
    no_sums,
    row,
    vector,
)
from .sweep import owned, scaled_gradient

SUM_BLOCK = 8_192
"""Elements whose terms are summed at a time."""


def element_terms(h: Any, space: Any, x: Any, g: Any, s: Any, n: int, i: int) -> tuple:
    """What element `i` adds to the sums."""
    slots = tuple(s[k, i] for k in range(slot_count(h)))
    scale = 1 if space is None else space.scale[i]
    return terms(h, x[i] / scale, scaled_gradient(h, space, x[i], g, i), slots)


@target(element_terms)
def _element_terms(h, space, x, g, s, n, i):
    count = slot_count(h)

    def free(h, space, x, g, s, n, i):
        xi = fetch(x, i)
        return terms(h, xi, scaled_gradient(h, space, xi, g, i), fetch_slots(s, count, n, i, xi))

    def boxed(h, space, x, g, s, n, i):
        xi = fetch(x, i)
        gradient = scaled_gradient(h, space, xi, g, i)
        return terms(h, xi / fetch(space.scale, i), gradient, fetch_slots(s, count, n, i, xi))

    return free if isinstance(space, types.NoneType) else boxed


def block_sums(h: Any, space: Any, x: Any, g: Any, s: Any, n: int, lo: int, hi: int) -> Any:
    """Sums of the terms of the elements lo to hi, but for those that are fixed by their bounds."""


@target(block_sums)
def _block_sums(h, space, x, g, s, n, lo, hi):
    count = sum_count(h)

    def free(h, space, x, g, s, n, lo, hi):
        sums = no_sums(count)
        for i in range(lo, hi):
            sums = add_terms(sums, element_terms(h, space, x, g, s, n, i))
        return sums

    def boxed(h, space, x, g, s, n, lo, hi):
        sums = no_sums(count)
        for i in range(lo, hi):
            if fetch(space.lower, i) != fetch(space.upper, i):
                sums = add_terms(sums, element_terms(h, space, x, g, s, n, i))
        return sums

    return free if isinstance(space, types.NoneType) else boxed


@part
def _sums_of_block(layers, space, x, g, s, lo, hi):
    return block_sums(together(*layers), borrow(space), borrow(x), borrow(g), borrow(s), x.size, lo, hi)


@parallel_kernel
def _sums_parallel(outer, middle, innermost, space, x, g, s, parts):
    for b in prange(len(parts)):
        layers = outer, middle, innermost
        found = _sums_of_block(layers, space, x, g, s, b * SUM_BLOCK, min(x.size, (b + 1) * SUM_BLOCK))
        for k in range(len(found)):
            parts[b, k] = found[k]


def with_all_sums(h: Any, space: Any, x: Any, g: Any, s: Any, n: int, team: Any) -> Any:
    """The step of iteration scalars `h`, which may need sums over all coordinates, by one thread or a team."""


@target(with_all_sums)
def _with_all_sums(h, space, x, g, s, n, team):
    count = sum_count(h)

    def serial(h, space, x, g, s, n, team):
        cast, sums = cast_fields(h, x), no_sums(count)
        for lo in range(0, n, SUM_BLOCK):
            found = block_sums(cast, space, x, g, s, n, lo, min(n, lo + SUM_BLOCK))
            sums = add_tuples(sums, found)
        return finished(h, sums)

    def parallel(h, space, x, g, s, n, team):
        parts = np.empty(((n + SUM_BLOCK - 1) // SUM_BLOCK, count))
        arrays = owned(space, n), vector(x, n), vector(g, n), vector(s, n)
        cast = cast_fields(h, x)
        _sums_parallel(layer(cast, 0), layer(cast, 1), layer(cast, 2), *arrays, parts)
        sums = no_sums(count)
        for b in range(len(parts)):
            sums = add_tuples(sums, fetch_tuple(row(borrow(parts), b, count), count))
        return finished(h, sums)

    if count == 0:
        return lambda h, space, x, g, s, n, team: h
    return serial if isinstance(team, types.NoneType) else parallel


def with_group_sums(h: Any, runs: Any, k: int, space: Any, x: Any, g: Any, s: Any, n: int) -> Any:
    """The step of iteration scalars `h` of group `k`, whose sums are those over its own coordinates."""


@target(with_group_sums)
def _with_group_sums(h, runs, k, space, x, g, s, n):
    count = sum_count(h)

    def own_sums(h, runs, k, space, x, g, s, n):
        cast, sums = cast_fields(h, x), no_sums(count)
        for r in range(len(runs)):
            if runs[r, 0] == k:
                for lo in range(runs[r, 1], runs[r, 2], SUM_BLOCK):
                    found = block_sums(cast, space, x, g, s, n, lo, min(runs[r, 2], lo + SUM_BLOCK))
                    sums = add_tuples(sums, found)
        return finished(h, sums)

    return own_sums if count else lambda h, runs, k, space, x, g, s, n: h
