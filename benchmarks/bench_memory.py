"""How much memory does minimize() need at its peak, in arrays of the size of x0?

A fresh process runs a small problem of the same types first, so that all code is loaded, then notes its resident size,
then makes x0 and minimises. x0 is counted.
"""

from __future__ import annotations

import argparse
import gc
import json
import pathlib
import subprocess
import sys
from typing import Any

import numba
import numpy as np
from _timing import Targets, available_memory, memory_status, print_machine, print_table

CASES = {
    "adam, best": {},
    "adam, last": {"keep": "last"},
    "adadelta, best": {"method": "adadelta"},
    "adam, best, float32": {"dtype": "float32"},
    "adam, best, bounds": {"bounds": True},
    "adam, best, history": {"history": True},
}
TARGET = "adam, best"


@numba.njit(error_model="numpy")
def valley(x, g):
    """Value; the gradient goes to g."""
    f = 0.0
    for i in range(x.size):
        d = x[i] - 1.0
        f += d * d
        g[i] = 2.0 * d
    return f


def solve(n: int, case: dict[str, Any]) -> None:
    import numbaopt

    x0 = np.full(n, 3.0, case.get("dtype", "float64"))
    bounds = numbaopt_bounds(n) if case.get("bounds") else None
    options = {"maxiter": 5, "gtol": 0.0, "keep": case.get("keep", "best"), "history": case.get("history", False)}
    method = case.get("method", "adam")
    result = numbaopt.minimize(valley, x0, method=method, jac="inplace", bounds=bounds, options=options)
    assert result.nit == 5, result.message


def numbaopt_bounds(n: int) -> Any:
    """Bounds without arrays of their own."""
    from scipy.optimize import Bounds

    return Bounds(0.0, 10.0)


def work(n: int, name: str) -> None:
    """What a fresh process does."""
    case = CASES[name]
    solve(50_000, case)
    gc.collect()
    baseline, peak_before = memory_status("VmRSS"), memory_status("VmHWM")
    try:
        pathlib.Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts again from here
        peak_before = memory_status("VmHWM")
    except OSError:
        pass
    solve(n, case)
    print(json.dumps([baseline, peak_before, memory_status("VmHWM")]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="n = 1e6 only, and two cases")
    parser.add_argument("--size", type=lambda text: int(float(text)), help="n; 1e7 without it")
    parser.add_argument("--worker", choices=CASES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    n = options.size or (1_000_000 if options.quick else 10_000_000)
    if options.worker:
        work(n, options.worker)
        return
    print_machine(f"Memory of minimize(), n = {n:.0e}", ("numba", "numpy", "scipy"))
    rows, targets = [], Targets()
    for name in list(CASES)[: 2 if options.quick else None]:
        itemsize = np.dtype(CASES[name].get("dtype", "float64")).itemsize
        if 16 * n * itemsize > available_memory():
            print(f"{name}: left out, not enough memory")
            continue
        command = [sys.executable, __file__, "--worker", name, "--size", str(n)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            print(f"{name}: its process failed: {done.stderr.strip().splitlines()[-1:]}")
            continue
        baseline, before, peak = json.loads(done.stdout.splitlines()[-1])
        arrays = (peak - baseline) / (n * itemsize)
        hidden = "" if peak > before else "the peak is that of the start: n is too small"
        rows.append((name, f"{baseline / 2**20:.0f} MiB", f"{peak / 2**20:.0f} MiB", f"{arrays:.2f}", hidden))
        if name == TARGET:
            targets.at_most("arrays of n elements < 7.5", arrays, 7.5, f"at n = {n:.0e}")
    print_table("peak resident size", ("case", "before", "peak", "arrays of n", ""), rows)
    targets.print()


if __name__ == "__main__":
    main()
