"""How long until the first result: import, cold cache, warm cache, new types, second call, second process?

Each case runs in fresh processes with cache folders of their own (NUMBA_CACHE_DIR); medians over the processes. Beside
the time there is the CPU time, which other work on the machine changes less, and the compile time of the result.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from _timing import Targets, duration, print_machine, print_table

# --- what the fresh processes do; each returns the figures that it prints --------------------------------------------


def child_import(_: str) -> dict[str, float]:
    """numbaopt, without what any user of numba and scipy pays anyway."""
    begin = time.perf_counter()
    import numba  # noqa: F401
    import scipy.optimize  # noqa: F401

    between = time.perf_counter()
    import numbaopt  # noqa: F401

    end = time.perf_counter()
    return {"seconds": end - between, "numba and scipy.optimize": between - begin}


def objectives() -> dict[str, Callable]:
    """Objectives as different sources, jitted and not yet compiled."""
    import numba

    @numba.njit
    def quadratic(x, g):
        f = 0.0
        for i in range(x.size):
            f += (x[i] - 1.0) ** 2
            g[i] = 2.0 * (x[i] - 1.0)
        return f

    @numba.njit
    def quartic(x, g):
        f = 0.0
        for i in range(x.size):
            d = x[i] + 2.0
            f += d * d * d * d
            g[i] = 4.0 * d * d * d
        return f

    @numba.njit
    def value(x):
        f = 0.0
        for i in range(x.size):
            f += (x[i] - 1.0) ** 2
        return f

    @numba.njit
    def other_value(x):
        f = 0.0
        for i in range(x.size):
            f += abs(x[i] + 2.0) ** 3
        return f

    @numba.njit
    def slow_value(x):
        f = 0.0
        for k in range(20_000):
            for i in range(x.size):
                f += (x[i] - k) ** 2
        return f

    @numba.njit
    def data(x, g, table, power):
        f = 0.0
        g[:] = 0.0
        for i in range(table.shape[0]):
            residual = -1.0
            for j in range(x.size):
                residual += table[i, j] * x[j]
            f += residual**power
            for j in range(x.size):
                g[j] += power * residual ** (power - 1) * table[i, j]
        return f

    return {f.__name__: f for f in (quadratic, quartic, value, other_value, slow_value, data)}


CALLS: dict[str, tuple] = {  # name: objective, jac, n, maxiter
    "inplace": ("quadratic", "inplace", 10, 100),
    "inplace, other": ("quartic", "inplace", 10, 100),
    "2-point": ("value", "2-point", 10, 100),
    "2-point, other": ("other_value", "2-point", 10, 100),
    "threads": ("quadratic", "inplace", 50_000, 10),
    "threads, other": ("quartic", "inplace", 50_000, 10),
    "2-point, threads": ("slow_value", "2-point", 20, 200),
    "new types": ("data", "inplace", 10, 100),
}


def call_of(name: str) -> tuple[Callable[[float], Any], Callable[[], Any]]:
    """`minimize` from a start point, and the objective called by itself."""
    import numpy as np

    import numbaopt

    objective, jac, n, maxiter = CALLS[name]
    fun = objectives()[objective]
    args = (np.ones((20, n), np.float32), 2) if objective == "data" else ()
    options = {"maxiter": maxiter, "gtol": 0.0}

    def run(start: float) -> Any:
        return numbaopt.minimize(fun, np.full(n, start), args, jac=jac, options=options)

    def alone() -> Any:
        x = np.zeros(n)
        return fun(x, np.empty(n), *args) if jac == "inplace" else fun(x, *args)

    return run, alone


def child_first(name: str) -> dict[str, float]:
    """The first minimize(), its objective not compiled."""
    run, _ = call_of(name)
    begin, cpu = time.perf_counter(), time.process_time()
    result = run(0.5)
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    return {"seconds": seconds, "cpu": cpu, "compile": result.time.compile}


def child_over(name: str) -> dict[str, float]:
    """The first minimize(), its objective compiled by a call before."""
    run, alone = call_of(name)
    begin = time.perf_counter()
    alone()
    between, cpu = time.perf_counter(), time.process_time()
    result = run(0.5)
    end, cpu = time.perf_counter(), time.process_time() - cpu
    return {"seconds": end - between, "cpu": cpu, "compile": result.time.compile, "objective": between - begin}


def child_second(name: str) -> dict[str, float]:
    """The second minimize() of a process, with other numbers, and what numba compiled for it."""
    from numba.core import event

    run, _ = call_of(name)
    run(0.5)
    with event.install_recorder("numba:compile") as recorder:
        begin = time.perf_counter()
        run(0.7)
        seconds = time.perf_counter() - begin
    return {"seconds": seconds, "compiled": len(recorder.buffer)}


CHILDREN = {f.__name__.removeprefix("child_"): f for f in (child_import, child_first, child_over, child_second)}

# --- the parent ------------------------------------------------------------------------------------------------------


def fresh(child: str, name: str, cache: str) -> dict[str, float]:
    """Figures of a fresh process, and the time that all of it took."""
    command = [sys.executable, __file__, "--child", child, name]
    begin = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"NUMBA_CACHE_DIR": cache})
    process = time.perf_counter() - begin
    if done.returncode:
        raise SystemExit(f"{child} {name} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1]) | {"process": process}


def medians(found: list[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(f[key] for f in found) for key in found[0]}


def measure(options: argparse.Namespace) -> list[tuple[str, dict[str, float], float | None]]:
    """Rows: case, figures, target in seconds."""
    names = ["inplace", "threads"] if options.quick else ["inplace", "2-point", "threads", "2-point, threads"]
    rows: list[tuple[str, dict[str, float], float | None]] = []
    fresh("import", "", "")  # writes bytecode, fills the page cache
    rows.append(("a  import", medians([fresh("import", "", "") for _ in range(options.processes)]), 0.25))
    for name in names:
        found = {key: [] for key in ("first", "over", "again", "second")}
        for _ in range(options.cold):
            with tempfile.TemporaryDirectory() as cache:
                found["first"].append(fresh("first", name, cache))
                for _ in range(max(1, options.processes // options.cold)):
                    found["again"].append(fresh("first", name, cache))
                    found["second"].append(fresh("second", name, cache))
                    if f"{name}, other" in CALLS:
                        found["over"].append(fresh("over", f"{name}, other", cache))
        rows.append((f"b  cold cache: {name}", medians(found["first"]), 10.0))
        if found["over"]:
            rows.append((f"c  warm cache, new objective, over its compilation: {name}", medians(found["over"]), 0.3))
        rows.append((f"e  second call in a process: {name}", medians(found["second"]), None))
        rows.append((f"f  second process of a script: {name}", medians(found["again"]), None))
    found = []
    for _ in range(options.processes):
        with tempfile.TemporaryDirectory() as cache:
            fresh("first", "inplace", cache)
            found.append(fresh("over", "new types", cache))
    rows.append(("d  new argument types, over the compilation of fun", medians(found), 1.5))
    return sorted(rows, key=lambda row: row[0][0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one process per case")
    parser.add_argument("--processes", type=int, help="processes per case")
    parser.add_argument("--cold", type=int, help="processes with an empty cache per case")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(CHILDREN[options.child[0]](options.child[1])))
        return
    options.processes = options.processes or (1 if options.quick else 5)
    options.cold = options.cold or (1 if options.quick else 3)
    print_machine("Time until the first result", ("numba", "numpy", "scipy"))
    table, targets = [], Targets()
    for case, figures, target in measure(options):
        rest = [
            f"{key} {value:.0f} events" if key == "compiled" else f"{key} {duration(value)}"
            for key, value in figures.items()
            if key != "seconds"
        ]
        table.append((case, duration(figures["seconds"]), duration(target), "   " + ", ".join(rest)))
        kind = case.partition(":")[0]
        if target is not None:
            targets.at_most(f"{kind} <= {target} s", figures["seconds"], target, f"s,{case.partition(':')[2]}")
        if "compiled" in figures:
            targets.at_most(f"{kind} compiles nothing", figures["compiled"], 0, f"events,{case.partition(':')[2]}")
    print_table("medians", ("case", "time", "target", "of the same process"), table)
    targets.print()


if __name__ == "__main__":
    main()
