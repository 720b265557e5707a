"""What does a step of `Stepper` cost beside its arithmetic, against torch.optim.AdamW(fused) in the same run?

All contestants alternate in blocks in one process; medians over the blocks.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from _timing import Targets, Timing, alternate, cores, duration, peer, print_machine, print_table, ratio

import numbaopt

SIZES = [10, 1_000, 10_000]


def start(n: int) -> tuple[np.ndarray, np.ndarray]:
    """A point and a gradient."""
    random = np.random.default_rng(0)
    return random.random(n), random.random(n) + 0.5


def ours(n: int, nonfinite: str) -> Callable:
    x, g = start(n)
    return partial(numbaopt.Stepper(x, numbaopt.AdamW(), nonfinite=nonfinite).step, g)


def torch_step(n: int, **kind: Any) -> Callable | None:
    torch = peer("torch")
    if torch is None:
        return None
    torch.set_num_threads(cores())
    x, g = map(torch.from_numpy, start(n))
    x = torch.nn.Parameter(x)
    x.grad = g
    return torch.optim.AdamW([x], **kind).step


def measure(n: int, rounds: int) -> dict[str, Timing]:
    contestants = {
        "ours": ours(n, "stop"),
        "ours, ignore": ours(n, "ignore"),
        "torch fused": torch_step(n, fused=True),
        "torch foreach": torch_step(n, foreach=True),
    }
    return alternate({name: call for name, call in contestants.items() if call}, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    rounds = 7 if parser.parse_args().quick else 25
    print_machine(__doc__ or "", ["numba", "numpy", "torch"])
    targets, rows = Targets(), []
    for n in SIZES:
        found = measure(n, rounds)
        mine, fused = found["ours"], found.get("torch fused")
        if n == 10:
            targets.at_most("a step on 10 elements takes at most 3 us", mine.median * 1e6, 3.0, "us")
        rows.append(
            [
                str(n),
                duration(mine.median),
                f"{duration(mine.low)} to {duration(mine.high)}",
                *(
                    duration(found[name].median if name in found else None)
                    for name in ("ours, ignore", "torch fused", "torch foreach")
                ),
                ratio(fused.median / mine.median if fused else None),
            ]
        )
    head = ["n", "ours", "quartiles", "ignore", "torch fused", "torch foreach", "fused / ours"]
    print_table("AdamW, float64, one array: time of stepper.step(g)", head, rows)
    targets.print()


if __name__ == "__main__":
    main()
