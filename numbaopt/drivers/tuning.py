"""lr="auto": the update rule as the first matrix of L-BFGS, its rate by secants, and only steps that lower fun.

One iteration, from the kept point x with gradient g, with pairs s = x' - x, y = g' - g of steps that were taken::

    q = g;  for the pairs, newest first:  alpha = s.q / s.y;  q = q - alpha y
    d = rule(x, q; lr) - x;  for the pairs, oldest first:  d = d - (y.d / s.y + alpha) s
    x' = P(x + part d);  slope = g.(x' - x), slope' = g'.(x' - x)

    factor = clip(sqrt(slope / (slope - slope')), 0.1, 2), at most 0.5 where f' > f
    lr = lr factor
    f' <= f:  x = x', part = 1, and the pair is remembered if s.y > 0
    else:     part = part factor if there are pairs; they are dropped, and part is 1 again, once it is below 0.001

Where slope is not negative, the pairs are dropped and the rule starts anew. So it does, and from the first lr, where
the rule alone is left and -slope is below the rounding of f; the run ends when that happens again and f is no better.
Variables that a bound holds stay there.
All products are of a point and a gradient, so that the sizes of the parameters do not matter to the pairs.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba.core import cgutils, types
from numba.extending import intrinsic

from .._compile import part, target
from .._memory import add_terms, fetch, from_magnitude, magnitude, named, no_sums, row, vector
from .._rule import innermost, slot_names, start_carry, start_numbers
from ..schedules.auto import Auto
from ..schedules.plateau import is_plateau
from .plateau import Plateau, new_plateau
from .sweep import clip

SHRINK, GROW = 0.1, 2.0
"""Bounds of the factor of lr."""

REJECTED = 0.5
"""Largest factor of lr after a step that is not taken."""

LEAST_PART = 1e-3
"""Part of a step below which the memory is not believed any more."""

CURVED = 1e-12
"""Cosine of step and change of gradient from which the pair is remembered."""

CONTROL = np.dtype(
    [
        ("lr", "f8"),
        ("part", "f8"),  # of the step that is taken
        ("slope", "f8"),  # derivative along the step, times its length
        ("first", "f8"),  # lr at the start
        ("mark", "f8"),  # fun when the rule was last started anew for want of progress
        ("rounding", "f8"),  # relative, of fun
        ("begun", "i8"),  # iterations before the rule last started anew
        ("slots", "i8"),
        ("carried", "i8"),
        ("memory", "i8"),  # pairs that there is room for
        ("pairs", "i8"),  # pairs that there are
        ("newest", "i8"),
    ],
    align=True,
)
"""The scalars of a run with lr="auto"."""


class Tuning(NamedTuple):
    """What a run with lr="auto" has besides."""

    control: Any  # (1,) of CONTROL
    s: Any  # (memory, n): steps
    y: Any  # (memory, n): what they changed of the gradient
    products: Any  # (2, memory): s.y, alpha
    d: Any  # (n,): what is left of the gradient, then the step
    carry: Any  # what the rule carries at first
    starts: Any  # what its slots are at first


def new_tuning(x0: Any, hyper: Any) -> Tuning | Plateau | None:
    """What a run of `hyper`, in compiled form, from `x0` needs; None where its lr is given."""
    auto = innermost(hyper, "lr")
    if is_plateau(auto):
        return new_plateau(auto)
    if not isinstance(auto, Auto):
        return None
    memory, n = int(auto.memory), x0.size
    control = np.zeros(1, CONTROL)
    carry, starts = np.array(start_carry(hyper)), np.array(start_numbers(hyper), x0.dtype)
    control["lr"] = control["first"] = auto.lr
    control["part"], control["mark"], control["memory"], control["newest"] = 1, np.inf, memory, -1
    control["slots"], control["carried"] = len(slot_names(hyper)), carry.size
    control["rounding"] = np.finfo(x0.dtype).eps
    pairs = np.empty((2, memory, n), x0.dtype)
    return Tuning(control, pairs[0], pairs[1], np.empty((2, memory)), np.empty_like(x0), carry, starts)


def with_rate(hyper: Any, lr: float) -> Any:
    """`hyper`, or the method inside it that has one, with the number `lr` as learning rate."""
    return hyper._replace(lr=lr) if "lr" in hyper._fields else hyper._replace(inner=with_rate(hyper.inner, lr))


@target(with_rate)
def _with_rate(hyper, lr):
    return lambda hyper, lr: _rated(hyper, lr)


@intrinsic
def _rated(typingctx, hyper, lr):
    def place(ty):
        return ty.fields.index("lr" if "lr" in ty.fields else "inner")

    def rated(ty):
        members, k = list(ty), place(ty)
        members[k] = lr if ty.fields[k] == "lr" else rated(members[k])
        return named(members, ty.instance_class)

    def codegen(context, builder, sig, args):
        def put_in(ty, value):
            values, k = cgutils.unpack_tuple(builder, value), place(ty)
            values[k] = args[1] if ty.fields[k] == "lr" else put_in(ty[k], values[k])
            return context.make_tuple(builder, rated(ty), values)

        return put_in(hyper, args[0])

    return rated(hyper)(hyper, lr), codegen


# --- the passes over all coordinates; `tuning` and `space` are what `borrow` makes of them ----------------------------

# What these write has no memory scope of a sweep (`_memory.fetch`), so that nothing is assumed about it there. Scalars
# of `control` that a loop needs are read before it, and no loop writes to more than one array: LLVM vectorises it.


@part
def _dot(a, b, n):
    u, v, total = vector(a, n), vector(b, n), no_sums(1)
    for i in range(n):
        total = add_terms(total, (np.float64(u[i]) * np.float64(v[i]),))
    return total[0]


@part
def _add(a, factor, b, n):
    """a = a + factor b."""
    u, v = vector(a, n), vector(b, n)
    for i in range(n):
        u[i] += factor * v[i]


@part
def _subtract(a, b, out, n):
    """out = a - b."""
    u, v, w = vector(a, n), vector(b, n), vector(out, n)
    for i in range(n):
        w[i] = u[i] - v[i]


def held(space: Any, x: Any, g: Any, i: int) -> Any:
    """Whether a bound keeps element i of x from going down the gradient."""


@target(held)
def _held(space, x, g, i):
    if isinstance(space, types.NoneType):
        return lambda space, x, g, i: False

    def held(space, x, g, i):
        return (x[i] <= fetch(space.lower, i) and g[i] >= 0) or (x[i] >= fetch(space.upper, i) and g[i] <= 0)

    return held


def inside(space: Any, value: float, i: int) -> Any:
    """`value` moved into the bounds of element i."""


@target(inside)
def _inside(space, value, i):
    if isinstance(space, types.NoneType):
        return lambda space, value, i: value
    return lambda space, value, i: clip(value, fetch(space.lower, i), fetch(space.upper, i))


@part
def unexplained(tuning, space, x, g, n):
    """Write to d what the pairs leave of the gradient."""
    c, x, g, d = tuning.control, vector(x, n), vector(g, n), vector(tuning.d, n)
    products = vector(tuning.products, 2 * c.memory)
    for i in range(n):
        d[i] = 0 if held(space, x, g, i) else g[i]
    for j in range(c.pairs):
        k = (c.newest - j) % c.memory
        alpha = _dot(row(tuning.s, k, n), tuning.d, n) / products[k]
        _add(tuning.d, -alpha, row(tuning.y, k, n), n)
        products[c.memory + k] = alpha


@part
def corrected(tuning, space, x, g, to, n):
    """Complete the step from x to `to` by the pairs; 0 or NaN, the largest |x| and |change| as in a sweep."""
    c, x, g, out, d = tuning.control, vector(x, n), vector(g, n), vector(to, n), vector(tuning.d, n)
    products = vector(tuning.products, 2 * c.memory)
    for i in range(n):
        d[i] = 0 if held(space, x, g, i) else out[i] - x[i]
    for j in range(c.pairs):
        k = (c.newest + 1 - c.pairs + j) % c.memory
        beta = _dot(row(tuning.y, k, n), tuning.d, n) / products[k]
        _add(tuning.d, -beta - products[c.memory + k], row(tuning.s, k, n), n)
    part, total = c.part, no_sums(1)
    largest = change = magnitude(x[0] - x[0]) & 0
    for i in range(n):
        old, new = x[i], inside(space, x[i] + part * d[i], i)
        out[i] = new
        total = add_terms(total, ((np.float64(new) - np.float64(old)) * g[i],))
        largest, change = max(largest, magnitude(out[i])), max(change, magnitude(out[i] - old))
    c.slope = total[0]
    return c.slope - c.slope, from_magnitude(largest, to), from_magnitude(change, to)


@part
def tried_anew(tuning, slots, carry, n, nit, f):
    """Start anew from the first lr; False where that has just been tried from about this f."""
    c = tuning.control
    if not f < c.mark - math.sqrt(c.rounding) * abs(f):
        return False
    c.mark, c.lr = f, c.first
    start_anew(tuning, slots, carry, n, nit)
    return True


@part
def start_anew(tuning, slots, carry, n, nit):
    """Forget all: the rule sees its first gradient in the next step."""
    c = tuning.control
    memory, starts = vector(slots, c.slots * n), vector(tuning.starts, c.slots)
    for k in range(c.slots):
        first = starts[k]
        for i in range(k * n, (k + 1) * n):
            memory[i] = first
    carried, start = vector(carry, c.carried), vector(tuning.carry, c.carried)
    for k in range(c.carried):
        carried[k] = start[k]
    c.pairs, c.part, c.begun = 0, 1.0, nit


@part
def _secant(x, g, x_new, g_new, n):
    """s.g', s.s and y.y of a step s = x' - x that changes the gradient by y = g' - g."""
    x, g, x_new, g_new, totals = vector(x, n), vector(g, n), vector(x_new, n), vector(g_new, n), no_sums(3)
    for i in range(n):
        step, change = np.float64(x_new[i]) - np.float64(x[i]), np.float64(g_new[i]) - np.float64(g[i])
        totals = add_terms(totals, (step * g_new[i], step * step, change * change))
    return totals


@part
def learn(tuning, x, g, x_new, g_new, n, f, finite, lower):
    """Take in a trial from x to x_new; whether steps have become too small to lower f by more than its rounding."""
    c, factor = tuning.control, SHRINK
    if finite:
        slope, steps, changes = _secant(x, g, x_new, g_new, n)
        curvature = slope - c.slope
        factor = REJECTED
        if c.slope < 0:
            factor = min(max(math.sqrt(-c.slope / curvature), SHRINK), GROW) if curvature > 0 else GROW
        if lower and c.memory > 0 and curvature > CURVED * math.sqrt(steps * changes):
            c.newest = (c.newest + 1) % c.memory
            c.pairs = min(c.pairs + 1, c.memory)
            _subtract(x_new, x, row(tuning.s, c.newest, n), n)
            _subtract(g_new, g, row(tuning.y, c.newest, n), n)
            vector(tuning.products, c.memory)[c.newest] = curvature
    if lower:
        c.lr *= factor
        c.part = 1.0
        return False
    factor = min(factor, REJECTED)
    c.lr *= factor
    if c.pairs > 0:
        c.part *= factor
        if c.part < LEAST_PART:
            c.pairs, c.part = 0, 1.0
        return False
    return finite and -c.slope <= c.rounding * abs(f)
