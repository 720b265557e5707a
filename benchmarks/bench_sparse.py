"""A step by a sparse gradient: what it costs where x has a hundred million elements and ten thousand are touched.

Columns, float32, medians of steps with other random coordinates each: "to 1e5" is the same number of touched
coordinates in a vector of 1e5, that is without the cache misses that 1e4 places in a far larger memory are; "dense 1e4"
is a dense step on a vector of as many elements as are touched; "torch" is torch.optim.SparseAdam, without the making of
its gradient tensor, on as many threads as ours: one; "plain" adds 1 to the same elements of as many arrays at n: what
their cache misses alone cost.

The second table is of minimize() with a sparse `jac`, float64: seconds of an iteration, `fun` included, which reads a
thousand coordinates, others each time.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from typing import Any

import _timing
import numba
import numpy as np

import numbaopt
from numbaopt._rule import compiled_form, slot_names

RULES = {
    "sparseadam": numbaopt.SparseAdam(),
    "adagrad": numbaopt.Adagrad(),
    "sgd, momentum": numbaopt.SGD(momentum=0.9),
    "adamw": numbaopt.AdamW(),
}


def gradients(n: int, touched: int, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """(indices, values) of `count` steps."""
    rng = np.random.default_rng(0)
    return [(rng.integers(0, n, touched), rng.standard_normal(touched, np.float32)) for _ in range(count)]


def median(step: Any, given: list, warm: int) -> float:
    """Seconds of a call of `step`, the median over `given` after `warm` calls that do not count."""
    times = []
    gc.disable()
    for gradient in given:
        begin = time.perf_counter()
        step(gradient)
        times.append(time.perf_counter() - begin)
    gc.enable()
    return statistics.median(times[warm:])


def ours(method: Any, n: int, touched: int, steps: int) -> tuple[float, float]:
    """Seconds of a step, and of the flush of all that was deferred, per step."""
    stepper = numbaopt.Stepper(np.ones(n, np.float32), method)
    seconds = median(stepper.step, gradients(n, touched, steps), steps // 5)
    begin = time.perf_counter()
    stepper.flush()  # the first one is compiled, or loaded
    first = time.perf_counter() - begin
    for gradient in gradients(n, touched, 1):
        stepper.step(gradient)
    begin = time.perf_counter()
    stepper.flush()
    return seconds, min(first, time.perf_counter() - begin)


def dense(method: Any, n: int, steps: int) -> float:
    """Seconds of a dense step."""
    stepper = numbaopt.Stepper(np.ones(n, np.float32), method, workers=1)
    return median(stepper.step, [np.full(n, 0.1, np.float32)] * steps, steps // 5)


@numba.njit
def add_one(arrays: Any, indices: Any) -> None:
    for i in indices:
        for k in range(len(arrays)):
            arrays[k, i] += 1


def plain(method: Any, n: int, touched: int, steps: int) -> float:
    """Seconds of reading and writing the elements that a step of `method` touches, in order and each once."""
    arrays = np.ones((1 + len(slot_names(compiled_form(method))), n), np.float32)
    given = [np.unique(indices) for indices, _ in gradients(n, touched, steps)]
    return median(lambda indices: add_one(arrays, indices), given, steps // 5)


def theirs(n: int, touched: int, steps: int) -> float | None:
    """Seconds of a step of torch.optim.SparseAdam."""
    torch = _timing.peer("torch")
    if torch is None:
        return None
    torch.set_num_threads(1)
    x = torch.ones(n, requires_grad=True)
    optimizer = torch.optim.SparseAdam([x])
    times = []
    for indices, values in gradients(n, touched, steps):
        x.grad = torch.sparse_coo_tensor(
            torch.from_numpy(indices)[None], torch.from_numpy(values), (n,), check_invariants=False
        )
        begin = time.perf_counter()
        optimizer.step()
        times.append(time.perf_counter() - begin)
    return statistics.median(times[steps // 5 :])


def iteration(method: Any, n: int, touched: int, count: int) -> float:
    """Seconds of an iteration of minimize(), the median of `count`."""
    rng, times = np.random.default_rng(0), []
    chosen = iter([rng.integers(0, n, touched) for _ in range(count + 1)])

    def fun(x: np.ndarray) -> tuple[float, tuple[np.ndarray, np.ndarray]]:
        times.append(time.perf_counter())
        indices = next(chosen)
        difference = x[indices] - 1.0
        return 0.5 * float(difference @ difference), (indices, difference)

    numbaopt.minimize(fun, np.zeros(n), method=method, jac=True, options={"maxiter": count, "gtol": None})
    return statistics.median(np.diff(times)[count // 5 :])


def minimizing(count: int) -> None:
    """The second table."""
    rows, targets, touched, large = [], _timing.Targets(), 1_000, 10**7
    for name in ("sparseadam", "adagrad"):
        near, far = (min(iteration(RULES[name], n, touched, count) for _ in range(3)) for n in (10**4, large))
        rows.append((name, _timing.duration(far), _timing.duration(near), _timing.ratio(far / near)))
        targets.at_most("an iteration at 1e7 / at 1e4 <= 5", far / near, 5, name)
    _timing.print_table(f"minimize(), {touched} touched", ("rule", "n = 1e7", "n = 1e4", "large/small"), rows)
    targets.print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="n = 1e7")
    parser.add_argument("--n", type=lambda text: int(float(text)))
    parser.add_argument("--touched", type=lambda text: int(float(text)), default=10_000)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rules", nargs="+", choices=RULES, default=list(RULES))
    options = parser.parse_args()
    n, touched, steps = options.n or (10**7 if options.quick else 10**8), options.touched, options.steps
    _timing.print_machine("A step by a sparse gradient", ("numba", "numpy", "torch"))
    if 24 * n > _timing.available_memory():
        raise SystemExit(f"n = {n:.0e} needs {24 * n / 2**30:.0f} GiB: pass a smaller --n")
    near, far = theirs(100_000, touched, 50), theirs(n, touched, 50)
    rows, targets = [], _timing.Targets()
    for name in options.rules:
        method = RULES[name]
        small, _ = ours(method, 100_000, touched, steps)
        large, flush = ours(method, n, touched, steps)
        whole, floor = dense(method, touched, 1_000), plain(method, n, touched, steps)
        torch = (near, far) if name == "sparseadam" else (None, None)
        ratios = large / small, large / floor, torch[1] and torch[1] / large
        times = map(_timing.duration, (large, small, floor, whole, flush, *torch))
        rows.append((name, *times, *map(_timing.ratio, ratios)))
        if torch[1]:
            targets.at_least("torch / ours >= 5", torch[1] / large, 5, f"at n = {n:.0e}")
    head = (
        "rule",
        f"to {n:.0e}",
        "to 1e5",
        f"plain {n:.0e}",
        f"dense {touched:.0e}",
        "flush of all",
        "torch 1e5",
        f"torch {n:.0e}",
    )
    _timing.print_table(f"float32, {touched} touched", (*head, "large/small", "ours/plain", "torch/ours"), rows)
    targets.print()
    minimizing(500)


if __name__ == "__main__":
    main()
