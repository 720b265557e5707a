"""How soon do minibatches reach the optimum of all samples, against a loop in torch with the same rule and batch size?

Logistic regression with decay, 1e5 samples of 100 features, float64, batches of 256. The optimum is that of L-BFGS-B.
Reached is, after a run of whole epochs,

- "point": f - f* <= 1e-4 |f*| and |w - w*| <= 1e-4 |w*|, which needs variance reduction (SVRG, a snapshot each epoch);
- "value": f - f* <= 1e-4 |f*| alone, which batches reach without it where the learning rate falls.

For each contestant the fewest epochs that reach it for three seeds are looked for, with every learning rate of the same
list; then it is timed with those. torch indexes its data by slices of a randperm, without DataLoader, once with the
gradient by autograd and once by hand; with all threads and with one, the better of which counts. Our times include
what torch is spared: the evaluation of all samples at the start and at the end.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numba
import numpy as np
import scipy.optimize
from _timing import Targets, alternate, block, cores, duration, peer, print_machine, print_table, ratio

import numbaopt

FEATURES, BATCH, DECAY, TOLERANCE = 100, 256, 1e-3, 1e-4
EPOCHS = (2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20)
SEEDS = (0, 1, 2)


@numba.njit(fastmath=True)
def loss(w, g, idx, features, sign):
    """Mean over idx of log(1 + exp(-sign z)), z = features w, + decay |w|^2 / 2; the gradient goes to g."""
    value = 0.0
    for j in range(w.size):
        value += 0.5 * DECAY * w[j] * w[j]
        g[j] = DECAY * w[j]
    for i in idx:
        z = 0.0
        for j in range(w.size):
            z += features[i, j] * w[j]
        margin = sign[i] * z
        tail = math.exp(-abs(margin))
        value += (math.log1p(tail) + max(-margin, 0.0)) / idx.size
        slope = -sign[i] * (tail if margin > 0 else 1.0) / (1.0 + tail) / idx.size
        for j in range(w.size):
            g[j] += slope * features[i, j]
    return value


class Problem(NamedTuple):
    """The data, and the optimum."""

    features: np.ndarray
    sign: np.ndarray
    optimum: np.ndarray
    value: float

    def errors(self, w: np.ndarray) -> tuple[float, float]:
        """Relative errors of value and point."""
        f = loss(w, np.empty_like(w), np.arange(self.sign.size), self.features, self.sign)
        distance = np.linalg.norm(w - self.optimum) / np.linalg.norm(self.optimum)
        return float(f - self.value) / abs(self.value), float(distance)


def make_problem(samples: int) -> Problem:
    """A logistic model of normal features, the same at every run."""
    rng = np.random.default_rng(0)
    features = rng.standard_normal((samples, FEATURES))
    z = features @ rng.standard_normal(FEATURES) / 5
    sign = np.where(rng.random(samples) < 1 / (1 + np.exp(-z)), 1.0, -1.0)
    g, everything = np.empty(FEATURES), np.arange(samples)

    def all_samples(w: np.ndarray) -> tuple[float, np.ndarray]:
        return loss(w, g, everything, features, sign), g

    tight = {"ftol": 1e-16, "gtol": 1e-10, "maxiter": 1000}
    found = scipy.optimize.minimize(all_samples, np.zeros(FEATURES), jac=True, method="L-BFGS-B", options=tight)
    return Problem(features, sign, found.x, float(found.fun))


# --- the methods: each a rule with its learning rate, with and without variance reduction -----------------------------


class Method(NamedTuple):
    """What all contestants of a table do."""

    name: str
    rule: str  # "adam" or "sgd"
    falling: bool  # whether lr falls to 0 along half a cosine; else it is constant
    svrg: bool
    wanted: str  # "point" or "value"
    rates: tuple[float, ...]

    def reached(self, errors: tuple[float, float]) -> bool:
        """Whether the optimum is."""
        return errors[0] <= TOLERANCE and (self.wanted == "value" or errors[1] <= TOLERANCE)


METHODS = [
    Method("SVRG, SGD", "sgd", False, True, "point", (0.3, 1.0, 3.0)),
    Method("SVRG, Adam", "adam", True, True, "point", (0.003, 0.01, 0.03)),
    Method("Adam", "adam", True, False, "value", (0.003, 0.01, 0.03)),
]


def ours(problem: Problem, method: Method, lr: float, epochs: int, seed: int) -> np.ndarray:
    """numbaopt.minimize."""
    samples = problem.sign.size
    steps = epochs * math.ceil(samples / BATCH)
    rate = numbaopt.schedules.CosineDecay(lr, steps=steps) if method.falling else lr
    options: dict[str, Any] = {"batch_size": BATCH, "n_samples": samples, "seed": seed, "maxepoch": epochs, "lr": rate}
    if method.svrg:
        options |= {"variance_reduction": "svrg", "snapshot_every": 1}
    data = problem.features, problem.sign
    return numbaopt.minimize(loss, np.zeros(FEATURES), data, method.rule, "inplace", options=options).x


def torch_loop(problem: Problem, autograd: bool) -> Callable[..., np.ndarray]:
    """The same in torch."""
    torch = peer("torch")
    features, sign = torch.from_numpy(problem.features), torch.from_numpy(problem.sign)
    samples = sign.numel()

    def by_hand(w: Any, x: Any, s: Any) -> Any:
        slope = torch.sigmoid(-s * (x @ w)) * s
        return DECAY * w - (slope @ x) / s.numel()

    def by_autograd(w: Any, x: Any, s: Any) -> Any:
        w = w.detach().requires_grad_()
        value = torch.nn.functional.softplus(-s * (x @ w)).mean() + 0.5 * DECAY * (w @ w)
        return torch.autograd.grad(value, w)[0]

    gradient = by_autograd if autograd else by_hand

    def run(method: Method, lr: float, epochs: int, seed: int) -> np.ndarray:
        torch.manual_seed(seed)
        w = torch.zeros(FEATURES, dtype=torch.float64)
        kind = torch.optim.SGD if method.rule == "sgd" else torch.optim.Adam
        optimizer = kind([w], lr=lr, fused=True)
        steps, t = epochs * math.ceil(samples / BATCH), 0
        for _ in range(epochs):
            if method.svrg:
                snapshot, g_all = w.clone(), gradient(w, features, sign)
            order = torch.randperm(samples)
            for start in range(0, samples, BATCH):
                idx = order[start : start + BATCH]
                x, s = features[idx], sign[idx]
                g = gradient(w, x, s)
                if method.svrg:
                    g = g - gradient(snapshot, x, s) + g_all
                if method.falling:
                    optimizer.param_groups[0]["lr"] = lr * 0.5 * (1 + math.cos(math.pi * t / steps))
                w.grad = g
                optimizer.step()
                t += 1
        return w.numpy()

    return run


# --- tuning and timing -----------------------------------------------------------------------------------------------


def settings(method: Method) -> Iterator[tuple[float, int]]:
    """All (lr, epochs), the fewest epochs first."""
    return ((lr, epochs) for epochs in EPOCHS for lr in method.rates)


def tuned(problem: Problem, method: Method, run: Callable[..., np.ndarray]) -> tuple[float, int] | None:
    """The first setting that reaches the optimum for all seeds."""
    for lr, epochs in settings(method):
        if all(method.reached(problem.errors(run(method, lr, epochs, seed))) for seed in SEEDS):
            return lr, epochs
    return None


def faster_threads(run: Callable[[], Any]) -> int:
    """The number of threads with which torch is faster."""
    torch = peer("torch")
    times = {}
    for threads in sorted({1, cores()}):
        torch.set_num_threads(threads)
        times[threads] = min(block(run, 1) for _ in range(3))
    best = min(times, key=times.__getitem__)
    torch.set_num_threads(best)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="3 rounds")
    options = parser.parse_args()
    rounds = 3 if options.quick else options.rounds

    print_machine(__doc__.splitlines()[0], ["numba", "numpy", "scipy", "torch"])
    problem = make_problem(options.samples)
    contestants: dict[str, Callable[..., np.ndarray]] = {"ours": partial(ours, problem)}
    if peer("torch") is not None:
        contestants |= {"torch": torch_loop(problem, False), "torch autograd": torch_loop(problem, True)}
        one_epoch = partial(contestants["torch"], METHODS[0], METHODS[0].rates[0], 1, 0)
        print(f"torch uses {faster_threads(one_epoch)} of {cores()} threads, with which it is faster here\n")

    targets, rows = Targets(), []
    for method in METHODS:
        found = {name: tuned(problem, method, run) for name, run in contestants.items()}
        reaching = {name: setting for name, setting in found.items() if setting is not None}
        runs = {name: partial(contestants[name], method, *setting, SEEDS[0]) for name, setting in reaching.items()}
        times = alternate(runs, rounds, inner=1)
        for name in contestants:
            if name not in reaching:
                rows.append((method.name, method.wanted, name, "-", "-", "not reached", "-", "-", "-", "-"))
                continue
            (lr, epochs), timing = reaching[name], times[name]
            value, distance = problem.errors(runs[name]())
            over = timing.median / times["ours"].median if "ours" in times else None
            spread = f"{duration(timing.low)} to {duration(timing.high)}"
            setting = f"{lr:g}", str(epochs), f"{value:.0e}", f"{distance:.0e}"
            rows.append((method.name, method.wanted, name, *setting, duration(timing.median), spread, ratio(over)))
            if name != "ours" and over is not None:
                targets.at_least("optimum sooner than torch (ratio of times > 1)", over, 1.0, f"{name}, {method.name}")
        if "ours" not in reaching:
            targets.at_least("optimum sooner than torch (ratio of times > 1)", 0.0, 1.0, f"not reached, {method.name}")
    head = ("method", "wanted", "loop", "lr", "epochs", "f error", "w error", "median", "quartiles", "over ours")
    print_table(f"time to the optimum of {options.samples} samples, relative tolerance {TOLERANCE:g}", head, rows)
    targets.print()


if __name__ == "__main__":
    main()
