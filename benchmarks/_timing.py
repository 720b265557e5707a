"""What the benchmarks share: the description of the machine, alternating medians, plain tables, targets."""

from __future__ import annotations

import gc
import importlib
import importlib.metadata
import os
import pathlib
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the numbaopt of this checkout, in this process and (below) in its children
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
os.environ.setdefault("JAX_PLATFORMS", "cpu")

LEAD_IN = 3
"""Untimed calls before each timed block: the other contestants' threads go to sleep, caches fill."""

LONGEST = 0.5
"""Seconds that a block may last for the sake of its number of calls."""


# --- the machine -----------------------------------------------------------------------------------------------------


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_model() -> str:
    """What the processor calls itself."""
    for key in ("model name", "Model", "Hardware"):
        for line in _lines("/proc/cpuinfo"):
            if line.startswith(key):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def available_memory() -> int:
    """Bytes that can be allocated without swapping."""
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemAvailable"):
            return int(line.split()[1]) * 1024
    return 4 << 30


def memory_status(field: str) -> int:
    """A field of /proc/self/status in bytes: VmRSS is resident now, VmHWM is the largest that it was."""
    return next(int(line.split()[1]) * 1024 for line in _lines("/proc/self/status") if line.startswith(field))


def _lines(path: str) -> list[str]:
    try:
        return pathlib.Path(path).read_text().splitlines()
    except OSError:
        return []


def print_machine(question: str, packages: Sequence[str]) -> None:
    """The question asked, and everything that its answer depends on."""
    import numba

    versions = ", ".join(f"{name} {_version(name)}" for name in packages)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    print(question)
    print(f"machine:  {platform.system()} {platform.machine()}, {cpu_model()}, {cores()} cores, load {load:.1f}")
    print(f"memory:   {available_memory() / 2**30:.1f} GiB available")
    print(f"versions: Python {platform.python_version()}, {versions}")
    print(f"threads:  numba {numba.get_num_threads()}, {time.strftime('%Y-%m-%d')}")
    if load > 0.3:
        print("WARNING:  other work is running; times of threads that wait for each other mean nothing now")
    print(flush=True)


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def peer(name: str) -> Any:
    """The module `name`, or None where it cannot be imported: its column then says so."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


# --- timing ----------------------------------------------------------------------------------------------------------


class Timing(NamedTuple):
    """Seconds: of the first call, compilation included, and of a call after it (median and quartiles of blocks)."""

    first: float
    median: float
    low: float
    high: float


def alternate(
    contestants: dict[str, Callable[[], Any]],
    rounds: int,
    inner: int | None = None,
    seconds: float = 0.02,
    least: int = 1,
) -> dict[str, Timing]:
    """Time the contestants in turns: `rounds` times a block of `inner` calls of each; the median over the blocks.

    Without `inner` a block lasts about `seconds` and has at least `least` calls, if these take less than `LONGEST`.
    """
    first = {name: block(call, 1) for name, call in contestants.items()}
    calls = {name: inner or _calls(call, seconds, least) for name, call in contestants.items()}
    times: dict[str, list[float]] = {name: [] for name in contestants}
    gc.collect()
    gc.disable()
    try:
        for turn in range(rounds):
            names = list(contestants) if turn % 2 == 0 else list(contestants)[::-1]
            for name in names:
                block(contestants[name], min(LEAD_IN, calls[name] // 2))
                times[name].append(block(contestants[name], calls[name]) / calls[name])
    finally:
        gc.enable()
    return {name: summary(first[name], times[name]) for name in contestants}


def summary(first: float, times: list[float]) -> Timing:
    """A Timing from per-call times."""
    low, median, high = statistics.quantiles(times, n=4) if len(times) > 1 else times * 3
    return Timing(first, median, low, high)


def block(call: Callable[[], Any], calls: int) -> float:
    """Seconds that `calls` calls take."""
    begin = time.perf_counter()
    for _ in range(calls):
        call()
    return time.perf_counter() - begin


def _calls(call: Callable[[], Any], seconds: float, least: int) -> int:
    """How many calls last `seconds`."""
    count, spent = 1, block(call, 1)
    while spent < seconds / 10:
        count *= 4
        spent = block(call, count)
    each = spent / count
    return max(round(seconds / each), min(least, round(LONGEST / each)), 2)


# --- what is printed -------------------------------------------------------------------------------------------------


def duration(seconds: float | None) -> str:
    """Seconds in the unit that suits them; '-' for None."""
    if seconds is None:
        return "-"
    for unit, scale in (("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3)):
        if abs(seconds) < 999.5 * scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds:.3g} s"


def ratio(value: float | None) -> str:
    """A quotient of two times; '-' for None."""
    return "-" if value is None else f"{value:.2f}x"


def print_table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns flush right, the first flush left."""
    lines = [list(head), *map(list, rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(head))]
    print(title)
    for line in lines:
        cells = [line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))]
        print("  " + "  ".join(cells))
    print(flush=True)


class Targets:
    """Targets by name; each is met where all its cases are, and printed with its worst case."""

    def __init__(self) -> None:
        self._cases: dict[str, list[tuple[float, bool, str]]] = {}

    def at_least(self, name: str, value: float, bound: float, case: str = "") -> None:
        """The target `name` wants `value` >= `bound` in this case too."""
        self._cases.setdefault(name, []).append((value / bound, value >= bound, f"{value:.3g} {case}"))

    def at_most(self, name: str, value: float, bound: float, case: str = "") -> None:
        """The target `name` wants `value` <= `bound` in this case too."""
        self._cases.setdefault(name, []).append((bound / max(value, 1e-12), value <= bound, f"{value:.3g} {case}"))

    def print(self) -> None:
        """One line per target."""
        rows = []
        for name, cases in self._cases.items():
            missed = sum(not ok for _, ok, _ in cases)
            verdict = "PASS" if missed == 0 else f"miss ({missed} of {len(cases)})"
            rows.append((name, verdict, min(cases)[2].strip()))
        if rows:
            print_table("targets", ("target", "verdict", "worst case"), rows)
