"""Records what torch.optim.SparseAdam does with fixed sparse gradients: `python tests/record_sparse.py` writes it.

`x/DTYPE` in data/sparse_adam.npz has one row for each of STEPS: x after it.
"""

from __future__ import annotations

import pathlib

import numpy as np

DATA = pathlib.Path(__file__).parent / "data" / "sparse_adam.npz"
N, LAST = 40, 300
STEPS = [1, 2, 3, 10, 30, 100, 300]
DTYPES = ["float32", "float64"]
HYPER = {"lr": 0.02, "betas": (0.8, 0.99), "eps": 1e-6}


def start() -> np.ndarray:
    """x0, with a zero and elements of several sizes."""
    return np.linspace(-3, 3, N) ** 5


def gradients() -> list[tuple[np.ndarray, np.ndarray]]:
    """(indices, values) of each step: about 5 % of the coordinates, some twice, of size 1e-4 to 1e2."""
    rng = np.random.default_rng(20261123)
    sizes = rng.integers(1, 5, LAST)
    return [(rng.integers(0, N, k), rng.standard_normal(k) * 10.0 ** rng.integers(-4, 3, k)) for k in sizes]


def replay(dtype: str, hyper: dict, steps: list[int] = STEPS) -> np.ndarray:
    """x after each of `steps`, by torch."""
    import torch

    x = torch.tensor(start(), dtype=getattr(torch, dtype))
    optimizer, rows = torch.optim.SparseAdam([x], **hyper), []
    for t, (indices, values) in enumerate(gradients(), start=1):
        values = torch.tensor(values, dtype=x.dtype)
        x.grad = torch.sparse_coo_tensor(torch.tensor(indices)[None], values, x.shape, check_invariants=True)
        optimizer.step()
        if t in steps:
            rows.append(x.numpy().copy())
    return np.array(rows)


def main() -> None:
    """Write the file."""
    np.savez_compressed(DATA, **{f"x/{dtype}": replay(dtype, HYPER) for dtype in DTYPES})


if __name__ == "__main__":
    main()
