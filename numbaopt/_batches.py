"""The options of a run over minibatches: what they need, what they exclude, and the defaults that they change."""

from __future__ import annotations

import math
from typing import Any

BATCH_OPTIONS = (
    "n_samples",
    "shuffle",
    "seed",
    "maxepoch",
    "evaluate_every",
    "variance_reduction",
    "snapshot_every",
)
"""Options that mean nothing without batch_size."""

TESTS = ("gtol", "ftol", "xtol", "ftarget")
"""Options that, where they are not None, ask for evaluations on all samples."""

MOST_SAMPLES = 2**32 - 1
"""The generator draws 32 bits for each."""

LARGEST_SEED = 2**62

SVRG_EPOCHS = 2
"""Epochs between snapshots: the m = 2n steps that Johnson and Zhang (2013, section 5) recommend for convex problems."""


def with_batch_defaults(given: dict[str, Any]) -> dict[str, Any]:
    """The options `given`, with the defaults of a run over minibatches if they ask for one."""
    if given.get("batch_size") is None:
        for name in BATCH_OPTIONS:
            if given.get(name) is not None:
                raise ValueError(
                    f"{name}={given[name]!r} is for minibatches. Give batch_size as well, the number of samples of "
                    f"which fun(x, idx, *args) is the mean, or leave {name} out."
                )
        return given
    if given.get("n_samples") is None:
        raise ValueError(
            f"batch_size={given['batch_size']!r} needs n_samples, the number of all samples: idx has numbers from 0 to "
            "n_samples - 1."
        )
    reduction = given.get("variance_reduction")
    if reduction is not None and reduction != "svrg":
        raise ValueError(f'variance_reduction={reduction!r} must be "svrg", or None.')
    if reduction is None and given.get("snapshot_every") is not None:
        raise ValueError(
            f'snapshot_every={given["snapshot_every"]!r} is for variance reduction. Give variance_reduction="svrg" '
            "as well, or leave snapshot_every out."
        )
    defaults: dict[str, Any] = {"gtol": None, "keep": "last"}
    if given.get("maxepoch") is not None:
        defaults["maxiter"] = 2**62
    if reduction is not None:
        defaults["snapshot_every"] = SVRG_EPOCHS
    recorded = bool(given.get("history")) or bool(given.get("history_x"))
    judged = any(given.get(name) is not None for name in TESTS) or given.get("keep") == "best"
    if reduction is None and (recorded or judged):
        defaults["evaluate_every"] = 1
    return defaults | {name: value for name, value in given.items() if value is not None or name not in defaults}


def steps_per_epoch(n_samples: int, batch_size: int) -> int:
    """Batches that n_samples make; the last may be smaller."""
    return math.ceil(n_samples / batch_size)
