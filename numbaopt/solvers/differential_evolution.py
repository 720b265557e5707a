"""Differential evolution: a population that is moved by differences of its own members."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._compile import inlined, part
from .._parameters import CLOSED_FRACTION, NONNEGATIVE, POSITIVE, Range, unchecked
from .._solver import begin, form, iteration, solver, workspace
from .._status import Status
from ..drivers.random import below, uniform
from ..drivers.solving import FTOL, RUNNING, count_free, exhausted, tried

NEXT, FACTOR, BEGUN, HEAD = range(4)
"""Numbers that are kept: the member that is next, the F of this generation, how many members have been evaluated."""

STRATEGIES = ("best1bin", "rand1bin")

MESSAGES = {
    Status.FTOL: (
        "Converged: the standard deviation of the values of the population is at most atol = {hyper.atol:.3g} + "
        "tol = {hyper.tol:.3g} of their mean. A method for smooth functions, started from x, gets the last digits."
    )
}


def _conflict(hyper):
    return "" if hyper.mutation[0] <= hyper.mutation[1] else "mutation must be (smallest, largest)"


@solver(
    needs="value",
    names=("differential_evolution", "de"),
    messages=MESSAGES,
    options={"maxiter": 1000},
    seeded=True,
    needs_box=True,
    tolerances=("tol",),
    conflict=_conflict,
    strategy=Range(f"be one of {STRATEGIES}", lambda v: False, accepts=lambda v: v in STRATEGIES),
    popsize=POSITIVE,
    mutation=Range("be in [0, 2)", lambda v: 0 <= v < 2),
    recombination=CLOSED_FRACTION,
    tol=NONNEGATIVE,
    atol=NONNEGATIVE,
)
class DifferentialEvolution(NamedTuple):
    """Differential evolution: each member of a population is challenged by a mixture of others.

    ::

        v = x_b + F (x_r1 - x_r2)        b: the best ("best1bin") or a random member ("rand1bin"); F ~ U(mutation)
        u_i = v_i with probability `recombination`, and for one random i; else x_i
        u_i ~ U(bounds) where it is outside;          x <- u if fun(u) <= fun(x)
        stop when std(fun) <= atol + tol |mean(fun)| over the population

    Parameters
    ----------
    strategy : "best1bin" or "rand1bin"
        What is mutated: the best member, which converges faster, or a random one, which searches more widely.
    popsize : float
        Members for each element of x that may move; there are at least 5.
    mutation : (float, float)
        F is drawn from this range, once for each generation (dither); twice the same number for no dither.
    recombination : float
        Probability that an element of the challenger is of the mutant.
    tol, atol : float
        Tolerances on the standard deviation of the values. With a minimum at 0 give atol.

    Raises
    ------
    ValueError
        A number is out of its range, or a bound is missing.

    Notes
    -----
    Storn and Price, "Differential evolution - a simple and efficient heuristic for global optimization over continuous
    spaces", J. Global Optimization 11 (1997), schemes DE/rand/1 and DE/best/1 of their section on variants. Defaults,
    the Latin hypercube at the start (with x0 in it), immediate replacement and the treatment of points outside are
    those of scipy.optimize.differential_evolution. Its polishing by L-BFGS-B at the end is left out: where fun is
    smooth, minimise it from `x` of the result by another method. Points where fun is NaN or inf are the worst. The
    random numbers are splitmix64's: `seed` among the options of minimize() gives the same run again.

    Examples
    --------
    >>> import numbaopt
    >>> from numbaopt.problems import rosenbrock
    >>> res = numbaopt.minimize(rosenbrock, [0.0, 0.0], method="de", bounds=[(-5, 5)] * 2, options={"seed": 1})
    >>> res.success, [round(float(v), 4) for v in res.x]
    (True, [1.0, 1.0])
    """

    strategy: str = "best1bin"
    popsize: float = 15
    mutation: tuple[float, float] = (0.5, 1.0)
    recombination: float = 0.7
    tol: float = 0.01
    atol: float = 0.0


@form(DifferentialEvolution)
def _(h):
    return unchecked(DifferentialEvolution, (float(h.strategy == "best1bin"), *h[1:]))


@inlined
def members(h, k):
    """Size of the population."""
    return max(5, int(np.ceil(h.popsize * k)))


@workspace(DifferentialEvolution)
def _(h, n, m):
    size = max(5, int(np.ceil(h.popsize * n)))
    return HEAD + (n + 1) * size + size  # members, values, a permutation


@begin(DifferentialEvolution)
def _(h, objective, box, limit, s):
    w, n, size = s.work, s.x.size, members(h, count_free(box, s.x.size))
    hypercube(box, s, size)
    w[values(n, size)] = s.p.f if s.p.f < np.inf else np.inf
    for i in range(n):
        w[HEAD + i] = s.x[i]
    w[BEGUN] = 1
    first(objective, box, limit, s, size)


@iteration(DifferentialEvolution)
def _(h, objective, box, limit, s):
    w, n, size = s.work, s.x.size, members(h, count_free(box, s.x.size))
    if w[BEGUN] < size:  # maxfev was too small for them, and has been raised
        first(objective, box, limit, s, size)
    if w[BEGUN] == size and w[NEXT] == 0:
        if settled(h, w, n, size):
            return FTOL
        w[FACTOR] = h.mutation[0] + uniform(s.random) * (h.mutation[1] - h.mutation[0])
    while w[BEGUN] == size and not exhausted(limit, s.p):
        challenge(h, objective, box, s, int(w[NEXT]), size)
        w[NEXT] += 1
        if w[NEXT] == size:
            w[NEXT] = 0
            return FTOL if settled(h, w, n, size) else RUNNING
    return RUNNING


# --- the population --------------------------------------------------------------------------------------------------


@inlined
def values(n, size):
    """Where the values are in `work`; member j is at HEAD + j n."""
    return HEAD + n * size


@part
def somewhere(box, s, i, low, high):
    """A random number in the part of the bounds of x_i from `low` to `high`, as fractions."""
    t = low + uniform(s.random) * (high - low)
    return min(max(box.lower[i] + t * (box.upper[i] - box.lower[i]), box.lower[i]), box.upper[i])


@part
def hypercube(box, s, size):
    """A Latin hypercube: in each element, one member in each of `size` equal parts of its bounds."""
    w, n = s.work, s.x.size
    order = values(n, size) + size
    for i in range(n):
        for j in range(size):  # a random permutation (Fisher and Yates)
            r = below(s.random, j + 1)
            w[order + j] = w[order + r]
            w[order + r] = j
        for j in range(size):
            w[HEAD + j * n + i] = somewhere(box, s, i, w[order + j] / size, (w[order + j] + 1) / size)


@part
def first(objective, box, limit, s, size):
    """Evaluate the members of the first population."""
    w, n = s.work, s.x.size
    while w[BEGUN] < size and not exhausted(limit, s.p):
        j = int(w[BEGUN])
        for i in range(n):
            s.trial[i] = w[HEAD + j * n + i]
        w[values(n, size) + j] = tried(objective, box, s)
        w[BEGUN] += 1


@part
def other(s, size, a, b, c):
    """A random member that is none of the three."""
    while True:
        r = below(s.random, size)
        if r not in (a, b, c):
            return r


@part
def challenge(h, objective, box, s, j, size):
    """Member j against a mixture of it and a mutant."""
    w, n, F = s.work, s.x.size, values(s.x.size, size)
    base = other(s, size, j, j, j)
    if h.strategy > 0:  # "best1bin"
        base = 0
        for i in range(1, size):
            if w[F + i] < w[F + base]:
                base = i
    r1 = other(s, size, j, base, base)
    r2 = other(s, size, j, base, r1)
    always = below(s.random, n)
    for i in range(n):
        x = w[HEAD + j * n + i]
        if uniform(s.random) < h.recombination or i == always:
            x = w[HEAD + base * n + i] + w[FACTOR] * (w[HEAD + r1 * n + i] - w[HEAD + r2 * n + i])
        s.trial[i] = x if box.lower[i] <= x <= box.upper[i] else somewhere(box, s, i, 0.0, 1.0)
    f = tried(objective, box, s)
    if f <= w[F + j]:
        w[F + j] = f
        for i in range(n):
            w[HEAD + j * n + i] = s.trial[i]


@part
def settled(h, w, n, size):
    """Whether the values of the population agree within the tolerances."""
    F, mean, square = values(n, size), 0.0, 0.0
    for j in range(size):
        mean += w[F + j] / size
    for j in range(size):
        square += (w[F + j] - mean) ** 2 / size
    return np.sqrt(square) <= h.atol + h.tol * abs(mean)
