"""One iteration of a method: its scalars, the sums that they need, and all coordinates."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._compile import inlined_part, kernel, target
from .._dispatch import carried, carry_count, member, step_scalars
from .._memory import borrow, fetch_tuple, put_tuple, row
from .groups import Groups, GroupSteps, fetch_leaves, is_groups, leaf_count, put_leaves
from .sums import with_all_sums, with_group_sums
from .sweep import steepness, sweep


def iteration(hyper: Any, t: int, space: Any, x: Any, g: Any, s: Any, carry: Any, n: int, team: Any) -> Any:
    """The step of iteration `t` (from 1) away from x; what the next one needs is left in `carry`."""


@target(iteration)
def _iteration(hyper, t, space, x, g, s, carry, n, team):
    if is_groups(hyper, Groups):
        return _iteration_of_groups
    count = carry_count(hyper)

    def carrying(hyper, t, space, x, g, s, carry, n, team):
        h = with_all_sums(step_scalars(hyper, np.float64(t), fetch_tuple(carry, count)), space, x, g, s, n, team)
        put_tuple(carry, carried(h))
        return h

    def plain(hyper, t, space, x, g, s, carry, n, team):
        return with_all_sums(step_scalars(hyper, np.float64(t)), space, x, g, s, n, team)

    return carrying if count else plain


def group_step(hyper: Any, k: int, t: int, space: Any, x: Any, g: Any, s: Any, carry: Any, n: int) -> Any:
    """The step of group `k` of `Groups`."""


@target(group_step)
def _group_step(hyper, k, t, space, x, g, s, carry, n):
    count = carry_count(member(hyper, "template"))

    def group_step(hyper, k, t, space, x, g, s, carry, n):
        own = fetch_leaves(hyper.template, row(borrow(hyper.table), k, leaf_count(hyper.template)))
        numbers = row(carry, k, count)
        h = step_scalars(own, np.float64(t), fetch_tuple(numbers, count))
        h = with_group_sums(h, hyper.runs, k, space, x, g, s, n)
        put_tuple(numbers, carried(h))
        return h

    return group_step


def _iteration_of_groups(hyper, t, space, x, g, s, carry, n, team):
    h = group_step(hyper, 0, t, space, x, g, s, carry, n)
    width = leaf_count(h)
    table = np.empty((len(hyper.table), width))
    put_leaves(borrow(table), h)
    for k in range(1, len(hyper.table)):
        put_leaves(row(borrow(table), k, width), group_step(hyper, k, t, space, x, g, s, carry, n))
    return GroupSteps(h, table, hyper.runs)


@inlined_part
def take(hyper, t, space, x, g, s, carry, out, team):
    """Iteration `t` (from 1) of a method in compiled form on arrays; NaN if a new x is not finite, else 0."""
    n = x.size
    arrays = borrow(space), borrow(x), borrow(g), borrow(s)
    h = iteration(hyper, t, *arrays, borrow(carry), n, team)
    return sweep(h, *arrays, borrow(out), n, None, team)[0]


@kernel
def step(hyper, t, space, x, g, s, carry, out, team):
    """`take`, called from Python: what a step costs."""
    return take(hyper, t, space, x, g, s, carry, out, team)


@kernel
def checked_step(hyper, t, space, x, g, s, carry, out, team):
    """`step`, unless an element of g is NaN or inf: then nothing is written. Whether it was taken."""
    gradient = borrow(g)
    if not steepness(None, gradient, gradient, g.size, team) < np.inf:
        return False
    take(hyper, t, space, x, g, s, carry, out, team)
    return True
