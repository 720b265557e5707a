"""Records what torch.optim does with a fixed sequence of gradients: `python tests/record_torch.py` writes the data.

For each case of `reference.CASES` and each dtype, `trajectories/CASE/DTYPE` in data/torch_trajectories.npz has shape
(len(steps), 2, 1 + slots, n): at each recorded step the state (x and the slots) before and after it.
"""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
from reference import CASES, Case

DATA = pathlib.Path(__file__).parent / "data" / "torch_trajectories.npz"
STEPS = [1, 2, 3, 10, 50, 100, 200]
DTYPES = ["float32", "float64"]
STATE = {  # torch's names of the slots, in the order of the package's
    "Adadelta": ["square_avg", "acc_delta"],
    "Adam": ["exp_avg", "exp_avg_sq", "max_exp_avg_sq"],
    "AdamW": ["exp_avg", "exp_avg_sq", "max_exp_avg_sq"],
}


def start() -> np.ndarray:
    """x0, with a zero and elements of several sizes."""
    return np.array([1.0, -3.0, 0.0, 250.0, 1e-3, 0.7, -40.0])


def gradients() -> np.ndarray:
    """One row per step: elements of size 1e-6 to 1e3, with zeros, a constant one and one that jumps in size."""
    rng = np.random.default_rng(20261123)
    g = rng.standard_normal((max(STEPS), 7)) * [1.0, 1e-6, 1e-3, 1e3, 1.0, 1.0, 1.0]
    g[:, 4] = 0.5
    g[:, 5] *= 10.0 ** rng.integers(-6, 4, max(STEPS))
    g[rng.random(max(STEPS)) < 0.5, 6] = 0.0
    g[:3, 6] = 0.0
    return g


def replay(case: Case, dtype: str, steps: Any = STEPS) -> np.ndarray:
    """What torch makes of `start` and `gradients`, as an array of shape (len(steps), 2, 1 + slots, n)."""
    import torch

    x = torch.tensor(start(), dtype=getattr(torch, dtype))
    method = type(case.hyper).__name__
    optimizer = getattr(torch.optim, method)([x], foreach=False, **case.hyper._asdict())

    def state() -> np.ndarray:
        found = optimizer.state.get(x, {})
        names = STATE[method][: case.slots]
        return np.stack([x.numpy(), *(found.get(name, torch.zeros_like(x)).numpy() for name in names)])

    before, rows = state(), []
    for t, g in enumerate(gradients(), start=1):
        x.grad = torch.tensor(g, dtype=x.dtype)
        optimizer.step()
        after = state()
        if t in steps:
            rows.append([before, after])
        before = after
    return np.array(rows)


def main() -> None:
    """Write the file."""
    import torch

    recorded: dict[str, Any] = {
        f"trajectories/{case.name}/{dtype}": replay(case, dtype) for case in CASES for dtype in DTYPES
    }
    DATA.parent.mkdir(exist_ok=True)
    np.savez_compressed(
        DATA, torch_version=str(torch.__version__), steps=STEPS, start=start(), gradients=gradients(), **recorded
    )


if __name__ == "__main__":
    main()
