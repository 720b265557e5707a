"""A new update rule in one file: DoWG, gradient descent without a learning rate, compared with Adam.

Khaled, Mishchenko and Jin, "DoWG Unleashed", NeurIPS 2023, Algorithm 1, take the distance that x has gone, over the
gradients weighted by it, as the length of a step::

    r = max(r, ||x - x0||)                    r = d0 at first
    s = s + r^2 ||g||^2                       s = 0 at first
    x = x - r^2 / sqrt(s) * g

The rule uses all that a rule may need: numbers carried from one iteration to the next (r and s), sums over all
coordinates (the squares of the two norms) and an array that does not start at 0 (x0). Once this file is imported,
`method="dowg"` and `method=DoWG(d0=0.1)` work with everything that `minimize` has: bounds, scales, stopping tests,
threads, compiled objectives and plain ones.

The problem is a logistic regression, of scikit-learn's breast cancer data: 569 tumours, 30 features, standardised.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import scipy.optimize
from numba import njit
from scipy.optimize import OptimizeResult

import numbaopt
from numbaopt import hyperparameters, per_iteration, summed, update_rule, with_sums

# --- the rule --------------------------------------------------------------------------------------------------------


@hyperparameters
class DoWG(NamedTuple):
    """What the user writes. `d0` > 0 is the first length; one far too small costs some iterations and no more."""

    d0: float = 1e-2


class DoWGScalars(NamedTuple):
    """What is known of an iteration before its sums."""

    r: float
    s: float


class DoWGStep(NamedTuple):
    """What is known after them: for every element `rate`, and for the next iteration what `carry` names below."""

    r: float
    s: float
    rate: float


@per_iteration(DoWG, carry={"r": lambda h: h.d0, "s": 0.0})  # at first: a function of the hyper-parameters, or a number
def dowg_scalars(h, t, r, s) -> DoWGScalars:
    """Once per iteration, t = 1, 2, ...; r and s are the fields of the step before."""
    return DoWGScalars(r, s)


@summed(DoWGScalars, "distance2", "gradient2")
def dowg_terms(h, x, g, x0):
    """What one element adds to the two sums."""
    return (x - x0) ** 2, g**2


@with_sums(DoWGScalars)
def dowg_step(h, distance2, gradient2) -> DoWGStep:
    """Once per iteration, with the sums."""
    r = max(h.r, math.sqrt(distance2))
    s = h.s + r**2 * gradient2
    return DoWGStep(r, s, r**2 / math.sqrt(s) if s > 0 else 0.0)


@update_rule(DoWGStep, slots=("x0",), start={"x0": lambda h, x: x})
def dowg(h, x, g, x0):
    """Once per element: the new x, and the slots in their order."""
    return x - h.rate * g, x0


def textbook(fun, x0, args, d0, iterations):
    """The equations above in NumPy: a new rule is checked against them first."""
    x, r, s = x0, d0, 0.0
    for _ in range(iterations):
        _, g = fun(x, *args)
        r = max(r, np.linalg.norm(x - x0))
        s += r**2 * (g @ g)
        x = x - r**2 / np.sqrt(s) * g
    return x


# --- the problem -----------------------------------------------------------------------------------------------------


def loss(w, features, sign):
    """|w|^2 / 2 + sum log(1 + exp(-sign z)) with z = features w, and its gradient, for jac=True."""
    margin = sign * (features @ w)
    value = np.logaddexp(0.0, -margin).sum() + 0.5 * (w @ w)
    return value, w - features.T @ (sign / (1.0 + np.exp(margin)))


METHODS = {
    "DoWG, d0 = 1e-6": DoWG(d0=1e-6),
    "DoWG, d0 = 1e-2": DoWG(),
    "DoWG, d0 = 1": DoWG(d0=1.0),
    "Adam, lr = 1e-3": numbaopt.Adam(),
    "Adam, lr = 1e-2": numbaopt.Adam(lr=1e-2),
    "Adam, lr = 1": numbaopt.Adam(lr=1.0),
}


def main() -> tuple[dict[str, tuple[OptimizeResult, OptimizeResult]], float, float]:
    """Run and print; results (compiled, plain) by method, the optimum, and the difference from the textbook."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    features = (data.data - data.data.mean(axis=0)) / data.data.std(axis=0)
    args = features, np.where(data.target == 1, 1.0, -1.0)
    start = np.zeros(features.shape[1])
    compiled = njit(loss)

    tight = {"ftol": 1e-15, "gtol": 1e-9}
    optimum = scipy.optimize.minimize(loss, start, args, jac=True, method="L-BFGS-B", options=tight).fun

    hundred = numbaopt.minimize(
        compiled, start, args, "dowg", True, options={"maxiter": 100, "gtol": 0, "keep": "last"}
    )
    by_hand = textbook(loss, start, args, DoWG().d0, 100)
    difference = float(np.abs(hundred.x / by_hand - 1).max())
    print(f"100 iterations of DoWG, largest relative difference from the textbook: {difference:.1e}\n")

    options = {"gtol": 1e-3, "maxiter": 20_000}
    results = {}
    print(f"{'':18}{'iterations':>11}{'loss':>19}{'- optimum':>12}{'compiled':>11}{'plain':>9}")
    for name, method in METHODS.items():
        run, plain = (numbaopt.minimize(f, start, args, method, True, options=options) for f in (compiled, loss))
        results[name] = run, plain
        print(f"{name:18}{run.nit:>11}{run.fun:>19.12f}{run.fun - optimum:>12.1e}", end="")
        print(f"{run.time.run:>9.2f} s{plain.time.run:>7.2f} s")
    print(f"{'L-BFGS-B':29}{optimum:>19.12f}")
    return results, float(optimum), difference


if __name__ == "__main__":
    main()
