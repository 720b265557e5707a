"""Matrix completion by sparse gradients: a step changes the rows of the users and items in its minibatch, no others.

A rating is the product of a user's row of U and an item's row of V, and noise. From half a million of ten million
possible ratings U and V are found again, up to a rotation: what is compared is their product, at other pairs.
"""

from __future__ import annotations

import time

import numpy as np

import numbaopt
from numbaopt.schedules import CosineDecay

USERS, ITEMS, RANK = 10_000, 1_000, 4
RATINGS, NOISE = 500_000, 0.1
BATCH, EPOCHS = 2_000, 8


def products(p: dict[str, np.ndarray], users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Elements of U V^T."""
    return np.einsum("ij,ij->i", p["users"][users], p["items"][items])


def main() -> tuple[float, float]:
    """Fit and print; root mean square errors, on unseen pairs and against the noisy ratings."""
    rng = np.random.default_rng(0)
    sizes = {"users": USERS, "items": ITEMS}
    truth = {name: rng.standard_normal((size, RANK)) / RANK**0.25 for name, size in sizes.items()}
    users, items = rng.integers(0, USERS, RATINGS), rng.integers(0, ITEMS, RATINGS)
    ratings = products(truth, users, items) + rng.normal(0, NOISE, RATINGS)

    x = {name: 0.3 * rng.standard_normal((size, RANK)) for name, size in sizes.items()}
    steps = EPOCHS * RATINGS // BATCH
    stepper = numbaopt.Stepper(x, numbaopt.SparseAdam(lr=CosineDecay(0.03, steps=steps), betas=(0.9, 0.99)))
    begin = time.perf_counter()
    for _ in range(EPOCHS):
        for batch in rng.permutation(RATINGS).reshape(-1, BATCH):
            u, i = users[batch], items[batch]
            error = (products(x, u, i) - ratings[batch])[:, None]
            stepper.step({"users": (u, error * x["items"][i]), "items": (i, error * x["users"][u])})
    seconds = time.perf_counter() - begin

    u, i = rng.integers(0, USERS, 100_000), rng.integers(0, ITEMS, 100_000)
    unseen = float(np.sqrt(np.mean((products(x, u, i) - products(truth, u, i)) ** 2)))
    seen = float(np.sqrt(np.mean((products(x, users, items) - ratings) ** 2)))
    print(
        f"{RANK * (USERS + ITEMS):,} unknowns, {RATINGS:,} ratings with noise {NOISE}: {steps} steps in {seconds:.1f} s"
    )
    print(f"rms error on unseen pairs: {unseen:.4f} (at best about {best():.4f})")
    print(f"rms residual of the ratings: {seen:.4f}")
    return unseen, seen


def best() -> float:
    """What least squares could reach: the noise, spread over as many unknowns as there are."""
    return NOISE * float(np.sqrt(RANK * (USERS + ITEMS) / RATINGS))


if __name__ == "__main__":
    main()
