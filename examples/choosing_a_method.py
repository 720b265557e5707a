"""Ten rules on three problems: how far each comes with how many gradients, as a table and as a picture.

    python examples/choosing_a_method.py [picture.png]

- Rosenbrock's valley in 10 dimensions: a smooth, badly conditioned function;
- a fit: NIST's Thurber, seven parameters of very different size, with `x_scale`;
- noise: a logistic regression on 2000 samples, along gradients of 20 of them.

Each rule has the constant learning rate of a grid, two to a decade, that reaches the target with the fewest gradients,
or else comes closest to the optimum: no rule is shown with a rate that does not suit it. The picture needs matplotlib.
"""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.optimize
from numba import njit

import numbaopt
from numbaopt.data import load_nist
from numbaopt.problems import NIST, rosenbrock_inplace

RATES = [m * 10.0**k for k in range(-5, 1) for m in (1, 3)] + [10.0]
RULES: dict[str, Callable[[float], Any]] = {
    "SGD, momentum 0.9": lambda lr: numbaopt.SGD(lr=lr, momentum=0.9),
    "Adagrad": lambda lr: numbaopt.Adagrad(lr=lr),
    "RMSprop": lambda lr: numbaopt.RMSprop(lr=lr),
    "Adadelta": lambda lr: numbaopt.Adadelta(lr=lr),
    "Adam": lambda lr: numbaopt.Adam(lr=lr),
    "NAdam": lambda lr: numbaopt.NAdam(lr=lr),
    "AdaBelief": lambda lr: numbaopt.AdaBelief(lr=lr),
    "Lion": lambda lr: numbaopt.Lion(lr=lr),
    "Rprop": lambda lr: numbaopt.Rprop(lr=lr),
    "Prodigy": lambda lr: numbaopt.Prodigy(lr=lr),
}


class Problem(NamedTuple):
    """What to minimise, its optimum, and the distance of f from it that counts as reached."""

    title: str
    gradients: str  # what is counted
    given: dict[str, Any]  # arguments of `minimize`
    optimum: float
    target: float


class Run(NamedTuple):
    """The best run of a rule: gradients, and the least f - optimum after each of them that was recorded."""

    lr: float
    gradients: np.ndarray
    gap: np.ndarray
    reached: float  # gradients until the target, or inf


# --- the problems ----------------------------------------------------------------------------------------------------


def valley() -> Problem:
    """Rosenbrock's function from its usual start."""
    given = {"fun": rosenbrock_inplace, "x0": np.tile([-1.2, 1.0], 5), "jac": "inplace", "options": {"maxiter": 10_000}}
    return Problem("Rosenbrock, n = 10", "gradients", given, 0.0, 1e-6)


thurber = NIST["Thurber"]


@njit
def unexplained(b, x, y, total):
    """The part of the sum of squares that the model does not explain, 1 - R^2."""
    return thurber(b, x, y) / total


def fit() -> Problem:
    """NIST's certified sum of squares is the optimum; the target, 10 % above it."""
    problem = load_nist("Thurber")
    total = float(((problem.y - problem.y.mean()) ** 2).sum())
    args = problem.x, problem.y, total
    given = {"fun": unexplained, "x0": problem.starts[1], "args": args, "jac": "cs"}
    given["options"] = {"x_scale": "x0", "maxiter": 3_000}
    optimum = problem.rss / total
    return Problem("NIST Thurber, n = 7", "gradients", given, optimum, 0.1 * optimum)


@njit
def logistic(w, g, idx, features, sign):
    """Mean over the samples idx of log(1 + exp(-sign z)) with z = features w; writes the gradient into g."""
    value = 0.0
    g[:] = 0.0
    for i in idx:
        margin = sign[i] * (features[i] @ w)
        tail = math.exp(-abs(margin))
        value += (math.log1p(tail) + max(-margin, 0.0)) / idx.size
        g -= sign[i] * (tail if margin > 0 else 1.0) / (1.0 + tail) / idx.size * features[i]
    return value


def noise() -> Problem:
    """Batches of 1 %; f is the loss on all samples, once an epoch."""
    samples, batch, epochs = 2_000, 20, 30
    rng = np.random.default_rng(0)
    features = rng.standard_normal((samples, 20)) * np.geomspace(1, 0.1, 20)  # scales that differ by ten
    sign = np.where(rng.random(samples) < 1 / (1 + np.exp(-features @ rng.standard_normal(20) * 3)), 1.0, -1.0)
    everything, gradient = np.arange(samples), np.empty(20)

    def all_samples(w: np.ndarray) -> tuple[float, np.ndarray]:
        return logistic(w, gradient, everything, features, sign), gradient

    optimum = scipy.optimize.minimize(all_samples, np.zeros(20), jac=True, method="L-BFGS-B", options={"ftol": 1e-15})
    batches = {"batch_size": batch, "n_samples": samples, "seed": 0, "maxepoch": epochs, "evaluate_every": 1}
    given = {"fun": logistic, "x0": np.zeros(20), "args": (features, sign), "jac": "inplace", "options": batches}
    return Problem("logistic regression in batches, n = 20", "gradients of batches", given, optimum.fun, 1e-3)


# --- the runs --------------------------------------------------------------------------------------------------------


def run(problem: Problem, method: Any) -> Run:
    """One run, from the history that `minimize` recorded."""
    options = problem.given["options"] | {"gtol": 0, "history": True}
    history = numbaopt.minimize(**problem.given | {"method": method, "options": options}).history
    gap = np.fmin.accumulate(history.fun) - problem.optimum  # fmin: a rate that is too large may end in NaN
    reached = history.nit[gap <= problem.target]
    return Run(method.lr, history.nit, gap, reached[0] if reached.size else math.inf)


def best(problem: Problem, rule: Callable[[float], Any]) -> Run:
    """The run with the best rate."""
    return min((run(problem, rule(lr)) for lr in RATES), key=lambda r: (r.reached, r.gap[-1]))


def print_table(problem: Problem, runs: dict[str, Run]) -> None:
    """Rules, the best first."""
    print(f"\n{problem.title}: {problem.gradients} until f - optimum <= {problem.target:.1e}")
    print(f"  {'':18}{'lr':>8}{'until target':>14}{'least f - optimum':>20}")
    for name, r in sorted(runs.items(), key=lambda item: (item[1].reached, item[1].gap[-1])):
        reached = f"{r.reached:.0f}" if r.reached < math.inf else "-"
        print(f"  {name:18}{r.lr:>8.0e}{reached:>14}{max(r.gap[-1], 0.0):>20.1e}")


def draw(table: dict[str, tuple[Problem, dict[str, Run]]], path: str) -> None:
    """One panel for each problem."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 6), layout="constrained")
    for axes, (problem, runs) in zip(figure.subplots(1, len(table)), table.values(), strict=True):
        for k, (name, r) in enumerate(runs.items()):
            style = ("-", "--")[k % 2]  # neighbours in the legend differ in more than colour
            axes.plot(r.gradients, np.maximum(r.gap, 1e-9 * problem.target), style, color=f"C{k}", label=name)
        axes.axhline(problem.target, color="black", linewidth=0.8, linestyle=":")
        axes.set(title=problem.title, xlabel=problem.gradients, yscale="log")
        axes.set_ylim(bottom=0.1 * problem.target)
        if problem.gradients == "gradients":
            axes.set(xscale="log", xlim=(10, None))
    figure.axes[0].set_ylabel("least f - optimum so far; dotted: the target")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False)
    figure.savefig(path, dpi=120)


def main(path: str = "choosing_a_method.png") -> dict[str, tuple[Problem, dict[str, Run]]]:
    """Run, print, draw; problems and the best run of each rule, by the problem's title."""
    print(f"constant learning rates, the best for each rule and problem of {RATES[0]:g} to {RATES[-1]:g}")
    table = {}
    for problem in (valley(), fit(), noise()):
        runs = {name: best(problem, rule) for name, rule in RULES.items()}
        table[problem.title] = problem, runs
        print_table(problem, runs)
    if importlib.util.find_spec("matplotlib") is None:
        print('\nNo picture: it needs matplotlib, pip install matplotlib or ".[examples]".')
    else:
        draw(table, path)
        print(f"\nThe picture is in {path}.")
    return table


if __name__ == "__main__":
    main(*sys.argv[1:2])
