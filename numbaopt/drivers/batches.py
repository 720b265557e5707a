"""The loop over minibatches: steps along the gradient of a batch, judged by evaluations on all samples.

`loop.move` and `loop.judge` do here what they do there, each on a state of its own: `judge` on the run's state, whose
gradients are those of all samples, `move` on the walker, the same state but for its gradients, which are those of
batches. What is to be evaluated next is in `Batches`; between two evaluations of fun come `depart` and `absorb`.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np

from .._arguments import resize_first
from .._compile import bind, inlined, kernel, part, target
from .._memory import borrow, fetch, put, row, vector
from . import threads
from .evaluation import TO_EVALUATE, TO_MOVE, evaluate
from .loop import NONFINITE, RUNNING, State, judge, move
from .random import GAMMA, mixed
from .runner import CompiledLoop, PythonLoop
from .sweep import steepness

ALL, BATCH, SNAPSHOT = 0, 1, 2
"""What fun is being evaluated on: all samples, batch after batch in their order; a batch; a batch at the snapshot."""

NOTHING, RESULT, DECISION = 0, 1, 2
"""What waits between two calls: nothing, what an evaluation finds, or, as the run has ended, what would come next."""

BATCH_PROGRESS = np.dtype(
    [
        ("n_samples", "i8"),
        ("batch_size", "i8"),
        ("shuffle", "i8"),
        ("evaluate_every", "i8"),  # epochs between evaluations on all samples; 0: none but at the start and the end
        ("snapshot_every", "i8"),  # epochs between snapshots; 0: no variance reduction
        ("address", "i8"),  # of the packed arguments, whose first is the batch; 0 for a Python objective
        ("random", "u8"),  # state of the generator
        ("phase", "i8"),  # ALL, BATCH or SNAPSHOT
        ("count", "i8"),  # samples in the batch that is being evaluated
        ("position", "i8"),  # samples of this epoch that have been in a batch
        ("passed", "i8"),  # samples that are in the sums below, or in the batch that comes to them next
        ("f_sum", "f8"),
        ("f_batch", "f8"),  # value on the batch, while it is evaluated at the snapshot
        ("change", "f8"),  # largest |change of x| in a step since the last evaluation on all samples
        ("nepoch", "i8"),
        ("nit_judged", "i8"),  # the iteration of the last evaluation on all samples
        ("waits", "i8"),  # NOTHING, RESULT or DECISION
        ("seed", "u8"),
    ],
    align=True,
)
"""What batches there are, and where the run is in them."""


class Batches(NamedTuple):
    """All that a run over minibatches has beside its `State`."""

    progress: Any  # (1,) of BATCH_PROGRESS
    order: Any  # (n_samples,): the permutation of this epoch
    window: Any  # (batch_size,): the batch; its first `count` elements are what fun gets as idx
    g_sum: Any  # (n,) of float64: sum of the gradients on all samples so far
    snapshot: Any  # (2, n): the snapshot and its gradient on all samples; (0, n) without variance reduction


def new_batches(
    n: int,
    dtype: Any,
    n_samples: int,
    batch_size: int,
    shuffle: bool,
    seed: int,
    evaluate_every: int,
    snapshot_every: int,
) -> Batches:
    """Batches of a run over `n` parameters that has not begun."""
    batch_size = min(batch_size, n_samples)
    progress = np.zeros(1, BATCH_PROGRESS)
    progress["n_samples"], progress["batch_size"] = n_samples, batch_size
    progress["shuffle"] = shuffle and batch_size < n_samples
    progress["evaluate_every"], progress["snapshot_every"] = evaluate_every, snapshot_every
    progress["seed"] = progress["random"] = seed
    progress["nit_judged"] = -1
    return Batches(
        progress=progress,
        order=np.arange(n_samples),
        window=np.zeros(batch_size, np.int64),
        g_sum=np.zeros(n),
        snapshot=np.zeros((2 if snapshot_every else 0, n), dtype),
    )


# --- the order of the samples ----------------------------------------------------------------------------------------


@inlined
def draw(b):
    """64 random bits."""
    b.random += GAMMA
    return mixed(b.random)


@inlined
def draw_below(b, bound):
    """A random integer in [0, bound) for 0 < bound < 2^32, unbiased (Lemire 2019): 32 bits times bound, by 2^32."""
    m, low = np.uint64(bound), np.uint64(0xFFFFFFFF)
    product = (draw(b) >> np.uint64(32)) * m
    if product & low < m:
        rejected = (np.uint64(1 << 32) - m) % m
        while product & low < rejected:
            product = (draw(b) >> np.uint64(32)) * m
    return np.int64(product >> np.uint64(32))


@part
def shuffle(b, order):
    """Permute `order`, every permutation as likely as any other (Fisher and Yates)."""
    for i in range(b.n_samples - 1, 0, -1):
        j = draw_below(b, i + 1)
        here, there = fetch(order, i), fetch(order, j)
        put(order, i, there)
        put(order, j, here)


# --- what is evaluated next; compiled, `batches` is what `borrow` makes of it ----------------------------------------


@inlined
def show(b, count):
    """Let fun have the first `count` elements of the window."""
    b.count, b.waits = count, RESULT
    if b.address != 0:
        resize_first(b.address, count)


@part
def take_batch(p, batches):
    """Evaluate on the next batch, the first of the next epoch where this one is over."""
    b = batches.progress
    if b.position == b.n_samples:
        b.position = 0
    if b.position == 0 and b.shuffle != 0:
        shuffle(b, batches.order)
    count = min(b.batch_size, b.n_samples - b.position)
    for i in range(count):
        put(batches.window, i, fetch(batches.order, b.position + i))
    b.position += count
    show(b, count)
    b.phase, p.stage = BATCH, TO_EVALUATE


@part
def take_in_order(p, batches):
    """Evaluate on the samples that follow those in the sums."""
    b = batches.progress
    count = min(b.batch_size, b.n_samples - b.passed)
    for i in range(count):
        put(batches.window, i, b.passed + i)
    b.passed += count
    show(b, count)
    b.phase, p.stage = ALL, TO_EVALUATE


@part
def begin_all(p, batches):
    """Evaluate on all samples."""
    b = batches.progress
    b.passed, b.f_sum = 0, 0.0
    vector(batches.g_sum, p.n)[:] = 0.0
    take_in_order(p, batches)


def place(state: Any, walker: Any, batches: Any, n: int) -> tuple[Any, Any]:
    """Where fun is evaluated, and where its gradient goes."""
    k = state.progress["current"][0]
    if batches.progress["phase"][0] == SNAPSHOT:
        return batches.snapshot[0], walker.g[1 - k]
    return state.x[k], walker.g[k]


@target(place)
def _place(state, walker, batches, n):
    def pointers(state, walker, batches, n):
        k = state.progress.current
        if batches.progress.phase == SNAPSHOT:
            return row(batches.snapshot, 0, n), row(walker.g, 1 - k, n)
        return row(state.x, k, n), row(walker.g, k, n)

    return pointers


# --- the steps -------------------------------------------------------------------------------------------------------


@part
def depart(hyper, space, limit, state, walker, batches, measure, team):
    """One update along the gradient of the batch; then say what is evaluated next."""
    p, b = state.progress, batches.progress
    g = row(walker.g, p.current, p.n)
    if limit.skip != 0 and not (abs(p.f) < np.inf and steepness(None, g, g, p.n, team) < np.inf):
        p.skipped += 1
        p.nit += 1
    else:
        move(hyper, space, walker, measure, team)
        if p.poison != 0:
            return NONFINITE
        b.change = max(b.change, p.change)
    due = False
    if b.position == b.n_samples:
        b.nepoch += 1
        due = is_multiple(b.nepoch, b.evaluate_every) or is_multiple(b.nepoch, b.snapshot_every)
    if due or p.nit >= limit.maxiter or p.nfev + limit.cost > limit.maxfev:
        begin_all(p, batches)
    else:
        take_batch(p, batches)
    return RUNNING


@inlined
def is_multiple(k, every):
    """Whether k is one of `every`, 2 `every`, ...; `every` = 0 has none."""
    return every > 0 and k % every == 0


@part
def absorb(space, limit, state, walker, batches, team):
    """Take in value and gradient of what was evaluated; stage TO_MOVE where the gradient of the batch is complete."""
    p, b = state.progress, batches.progress
    b.waits = NOTHING
    if b.phase == ALL:
        return absorb_all(space, limit, state, walker, batches, team)
    if not abs(p.f) < np.inf and (limit.skip == 0 or p.f == -np.inf):
        return NONFINITE
    if b.snapshot_every == 0:
        return RUNNING
    if b.phase == BATCH:
        b.f_batch = p.f
        b.phase, p.stage = SNAPSHOT, TO_EVALUATE
    else:
        p.f = b.f_batch
        reduce_variance(gradient(walker, p.current), gradient(walker, 1 - p.current), stored(batches, 1, p.n))
        b.phase = BATCH
    return RUNNING


@inlined
def gradient(state, k):
    """Gradient k of a state, as an array: `put` and `fetch` say that they do not touch what `fetch_gradient` reads."""
    return vector(row(state.g, k, state.progress.n), state.progress.n)


@inlined
def stored(batches, k, n):
    """The snapshot (0), or its gradient on all samples (1)."""
    return vector(row(batches.snapshot, k, n), n)


@part
def reduce_variance(g, g_there, g_all):
    """g - (gradient of the batch at the snapshot) + (gradient on all samples there)."""
    for i in range(g.size):
        g[i] = g[i] - g_there[i] + g_all[i]


@part
def add_weighted(total, weight, g):
    """total += weight * g, in float64."""
    for i in range(g.size):
        total[i] += weight * g[i]


@part
def absorb_all(space, limit, state, walker, batches, team):
    """Add to the sums; judge the point when all samples are in them, and go on with a batch."""
    p, b, n = state.progress, batches.progress, state.progress.n
    weight = b.count / b.n_samples
    b.f_sum += weight * p.f
    add_weighted(vector(batches.g_sum, n), weight, gradient(walker, p.current))
    if b.passed < b.n_samples:
        if b.nit_judged < 0:  # x0 is not evaluated before all of it is
            p.njev = 0
        take_in_order(p, batches)
        return RUNNING
    if b.nit_judged < 0:
        p.njev = (b.n_samples + b.batch_size - 1) // b.batch_size
    p.f, p.change, b.change = b.f_sum, b.change, 0.0
    gradient(state, p.current)[:] = vector(batches.g_sum, n)
    b.phase, b.nit_judged = BATCH, p.nit
    status = judge(space, limit, state, team)
    if status == RUNNING:
        go_on(state, batches)
    else:
        b.waits = DECISION
    return status


@inlined
def go_on(state, batches):
    """What comes after an evaluation on all samples that does not end the run."""
    p, b, n = state.progress, batches.progress, state.progress.n
    if b.snapshot_every > 0 and b.nepoch % b.snapshot_every == 0:
        stored(batches, 0, n)[:] = vector(row(state.x, p.current, n), n)
        stored(batches, 1, n)[:] = gradient(state, p.current)
    take_batch(p, batches)


@kernel
def advance_batches(objective, hyper, space, limits, state, walker, batches, measure, team, budget, until):
    """`loop.advance` over minibatches."""
    box, limit, st, w, bs = borrow(space), borrow(limits), borrow(state), borrow(walker), borrow(batches)
    p, n = st.progress, st.progress.n
    while budget > 0:
        status = RUNNING
        if p.stage == TO_MOVE:
            if p.nit >= until or p.rows == p.capacity:
                return RUNNING
            status = depart(hyper, box, limit, st, w, bs, measure, team)
        if status == RUNNING:
            x, g = place(st, w, bs, n)
            budget -= evaluate(objective, box, x, g, n, p, budget)
            if p.stage == TO_MOVE:
                status = absorb(box, limit, st, w, bs, team)
        if status != RUNNING:
            return status
    return RUNNING


# --- the same steps one by one, for an objective that is not compiled ------------------------------------------------


@kernel
def depart_once(hyper, space, limits, state, walker, batches, measure, team):
    """`depart` on arrays."""
    return depart(hyper, borrow(space), borrow(limits), borrow(state), borrow(walker), borrow(batches), measure, team)


@kernel
def absorb_once(space, limits, state, walker, batches, team):
    """`absorb` on arrays."""
    return absorb(borrow(space), borrow(limits), borrow(state), borrow(walker), borrow(batches), team)


@kernel
def begin_all_once(progress, batches):
    """`begin_all` on arrays."""
    begin_all(borrow(progress), borrow(batches))


@kernel
def go_on_once(state, batches):
    """`go_on` on arrays."""
    go_on(borrow(state), borrow(batches))


@kernel
def show_again(batches):
    """Let fun have the batch that it had when the state was saved."""
    b = borrow(batches).progress
    show(b, b.count)


# --- the two ways to run it ------------------------------------------------------------------------------------------


class CompiledBatchLoop(CompiledLoop):
    """Runs `advance_batches` on an objective that is compiled code."""

    def __init__(
        self,
        make: Any,
        hyper: Any,
        space: Any,
        limits: Any,
        state: State,
        walker: State,
        batches: Batches,
        options: dict,
    ):
        self._make_objective = make
        self._arguments = (hyper, space, limits, state, walker, batches, options["measure"], options["team"])
        self._use(make(None))
        batches.progress["address"] = self._objective.args

    def _use(self, objective: Any) -> None:
        self._objective = objective
        self._advance = bind(advance_batches, objective, *self._arguments, 0, 0)
        self._region = threads.region()


class PythonBatchLoop(PythonLoop):
    """Runs the same steps around an objective in Python."""

    def __init__(
        self,
        make: Any,
        hyper: Any,
        space: Any,
        limits: Any,
        state: State,
        walker: State,
        batches: Batches,
        options: dict,
    ):
        measure, team = options["measure"], options["team"]
        self._objective, self._space, self._state, self._walker, self._batches = (
            make(None),
            space,
            state,
            walker,
            batches,
        )
        self._depart_arguments = (hyper, space, limits, state, walker, batches, measure, team)
        self._absorb_arguments = (space, limits, state, walker, batches, team)
        self._depart = bind(depart_once, *self._depart_arguments)
        self._absorb = bind(absorb_once, *self._absorb_arguments)
        self._region = nullcontext() if team is None else threads.region()

    def __call__(self, budget: int, until: int) -> int:
        """About `budget` evaluations of fun, at most to iteration `until`; the status."""
        p, n, status = self._state.progress[0], self._state.x.shape[1], RUNNING
        while budget > 0 and status == RUNNING:
            if p["stage"] == TO_MOVE:
                if p["nit"] >= until or p["rows"] == p["capacity"]:
                    return RUNNING
                with self._region:
                    status = self._depart(*self._depart_arguments)
            if status == RUNNING:
                x, g = place(self._state, self._walker, self._batches, n)
                budget -= evaluate(self._objective, self._space, x, g, n, p, budget)
                if p["stage"] == TO_MOVE:
                    with self._region:
                        status = self._absorb(*self._absorb_arguments)
        return status


def begin(state: State, batches: Batches) -> None:
    """The next evaluation is on all samples; to be called after the loop was made, which says where idx is."""
    state.progress["done"] = 0
    bind(begin_all_once, state.progress, batches)(state.progress, batches)


def reopen(state: State, batches: Batches) -> None:
    """Go on from a state that was saved; to be called after the loop was made."""
    waits = batches.progress["waits"][0]
    if waits == RESULT:
        bind(show_again, batches)(batches)
    elif waits == DECISION:
        bind(go_on_once, state, batches)(state, batches)


def evaluate_all(loop: Any, state: State, batches: Batches) -> None:
    """Evaluate on all samples where the run is, and judge the point."""
    begin(state, batches)
    while batches.progress["phase"][0] == ALL:
        loop(1, 0)
