"""How fast is one optimizer step of each rule, called from Python, against torch, optax and NumPy?

Ours is `numbaopt.drivers.sweep.step` with the threads that minimize() would use. All contestants of a row alternate in
blocks in one process; with --isolate each has processes of its own, so that no thread pool waits beside another's.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numba
import numpy as np
from _timing import (
    Targets,
    Timing,
    alternate,
    available_memory,
    cores,
    duration,
    peer,
    print_machine,
    print_table,
    ratio,
    summary,
)

import numbaopt
from numbaopt._compile import bind
from numbaopt._rule import compiled_form, method_class, slot_names, start_carry, start_slots
from numbaopt.drivers import threads
from numbaopt.drivers.step import step

SIZES = [10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000]
STEPS = 1000.0  # the iteration that the step believes to be at
ARRAYS = {"ours": 4, "to other x": 5, "torch fused": 4, "torch foreach": 8, "optax": 8, "numpy": 6, "7 streams": 4}
"""Contestants, and how many arrays of n elements each has at its peak, for a rule with two slots."""


class Rule(NamedTuple):
    """A method, and its peers with the same hyper-parameters: a class of torch.optim and a function of optax."""

    ours: Any
    torch: str | None = None
    torch_options: dict[str, Any] = {}  # noqa: RUF012
    fused: bool = False  # torch has a fused form of it on a CPU
    optax: Callable[[Any], Any] | None = None  # of the module


ADAM = numbaopt.Adam()
RULES: dict[str, Rule] = {
    "sgd": Rule(
        numbaopt.SGD(momentum=0.9), "SGD", {"momentum": 0.9}, fused=True, optax=lambda o: o.sgd(1e-3, momentum=0.9)
    ),
    "adagrad": Rule(numbaopt.Adagrad(), "Adagrad", fused=True, optax=lambda o: o.adagrad(1e-2, 0.0, 1e-10)),
    "rmsprop": Rule(numbaopt.RMSprop(), "RMSprop", optax=lambda o: o.rmsprop(1e-2, 0.99, eps_in_sqrt=False)),
    "adadelta": Rule(numbaopt.Adadelta(), "Adadelta", optax=lambda o: o.adadelta(1.0)),
    "adam": Rule(ADAM, "Adam", fused=True, optax=lambda o: o.adam(1e-3)),
    "adamw": Rule(numbaopt.AdamW(), "AdamW", fused=True, optax=lambda o: o.adamw(1e-3, weight_decay=1e-2)),
    "amsgrad": Rule(numbaopt.AMSGrad(), "Adam", {"amsgrad": True}, fused=True, optax=lambda o: o.amsgrad(1e-3)),
    "adamax": Rule(numbaopt.Adamax(), "Adamax", optax=lambda o: o.adamax(2e-3)),
    "nadam": Rule(numbaopt.NAdam(), "NAdam", optax=lambda o: o.nadam(2e-3)),
    "nadamw": Rule(
        numbaopt.NAdamW(),
        "NAdam",
        {"decoupled_weight_decay": True, "weight_decay": 1e-2},
        optax=lambda o: o.nadamw(2e-3, weight_decay=1e-2),
    ),
    "radam": Rule(numbaopt.RAdam(), "RAdam", optax=lambda o: o.radam(1e-3)),
    "rprop": Rule(numbaopt.Rprop(), "Rprop", optax=lambda o: o.rprop(1e-2)),
    "asgd": Rule(numbaopt.ASGD(), "ASGD"),
    "adabelief": Rule(numbaopt.AdaBelief(rectify=False), optax=lambda o: o.adabelief(1e-3)),
    "yogi": Rule(numbaopt.Yogi(), optax=lambda o: o.yogi(1e-2)),
    # With its b2 = 0.92 the mean of the differences, 0 for a constant gradient, is denormal after 1000 steps.
    "adan": Rule(numbaopt.Adan(betas=(0.98, 0.999, 0.99)), optax=lambda o: o.adan(1e-3, b2=0.999)),
    "ademamix": Rule(numbaopt.AdEMAMix(), optax=lambda o: o.contrib.ademamix(1e-3, b3=0.9999, alpha=2.0)),
    "lion": Rule(numbaopt.Lion(), optax=lambda o: o.lion(1e-4, weight_decay=0.0)),
    "sm3": Rule(numbaopt.SM3(), optax=lambda o: o.sm3(0.1)),
    "lamb": Rule(numbaopt.LAMB(bias_correction=True), optax=lambda o: o.lamb(1e-3)),
    "lars": Rule(numbaopt.LARS(), optax=lambda o: o.lars(1.0)),
    "prodigy": Rule(numbaopt.Prodigy(), optax=lambda o: o.contrib.prodigy(1.0)),
    "dadaptadam": Rule(numbaopt.DAdaptAdam(), optax=lambda o: o.contrib.dadapt_adamw(1.0)),
    "schedulefreesgd": Rule(numbaopt.ScheduleFreeSGD(), optax=lambda o: o.contrib.schedule_free_sgd(1.0)),
    "schedulefreeadamw": Rule(
        numbaopt.ScheduleFreeAdamW(), optax=lambda o: o.contrib.schedule_free_adamw(2.5e-3, b1=0.9)
    ),
    "clipvalue": Rule(numbaopt.ClipValue(ADAM, limit=1.0), optax=lambda o: o.chain(o.clip(1.0), o.adam(1e-3))),
    "clipnorm": Rule(
        numbaopt.ClipNorm(ADAM, limit=1.0), optax=lambda o: o.chain(o.clip_by_global_norm(1.0), o.adam(1e-3))
    ),
    "clipadaptive": Rule(
        numbaopt.ClipAdaptive(ADAM), optax=lambda o: o.chain(o.adaptive_grad_clip(0.01), o.adam(1e-3))
    ),
    "centralized": Rule(numbaopt.Centralized(ADAM)),
    "cautious": Rule(numbaopt.Cautious(ADAM)),
    "lookahead": Rule(numbaopt.Lookahead(ADAM)),
    "averaged": Rule(numbaopt.Averaged(ADAM)),
    "dog": Rule(numbaopt.DoG(ADAM)),
}
for _name in numbaopt.method_names():
    if _name not in RULES:  # one without a line above is measured without peers
        RULES[_name] = Rule(method_class(_name)())


def start(n: int, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    """A point and a gradient, no element of which leads to denormal numbers."""
    random = np.random.default_rng(0)
    x, g = random.random(n, dtype=dtype), random.random(n, dtype=dtype)
    g += dtype(0.5)
    return x, g


def slots(rule: str) -> int:
    """How many arrays of state our rule has."""
    return len(slot_names(compiled_form(RULES[rule].ours)))


def available(name: str, rule: str) -> bool:
    """Whether the contestant `name` has the rule at all."""
    return {
        "torch fused": RULES[rule].fused,
        "torch foreach": RULES[rule].torch is not None,
        "optax": RULES[rule].optax is not None,
        "numpy": rule in ("adam", "adamw", "adadelta"),
        "7 streams": slots(rule) == 2,
    }.get(name, True)


# --- contestants: each returns a function of no arguments that makes one step, or None where it is not to be had -----


def ours(rule: str, n: int, dtype: Any, out: bool = False) -> Callable:
    """The sweep; `out` into another array, as minimize() steps away from a point that it keeps."""
    x, g = start(n, dtype)
    form = compiled_form(RULES[rule].ours)
    s = np.empty((slots(rule), n), dtype)
    start_slots(form, x, s)
    arguments = (
        form,
        STEPS,
        None,
        x,
        g,
        s,
        np.array(start_carry(form)),
        np.empty_like(x) if out else None,
        threads.sweep_team(n, None),
    )
    return partial(bind(step, *arguments), *arguments)


def torch_step(rule: str, n: int, dtype: Any, kind: str) -> Callable | None:
    torch = peer("torch")
    if torch is None:
        return None
    torch.set_num_threads(cores())
    x, g = map(torch.from_numpy, start(n, dtype))
    x = torch.nn.Parameter(x)
    x.grad = g
    options = {"lr": RULES[rule].ours.lr} | RULES[rule].torch_options | {kind: True}
    return getattr(torch.optim, RULES[rule].torch)([x], **options).step


def optax_step(rule: str, n: int, dtype: Any) -> Callable | None:
    jax, optax = peer("jax"), peer("optax")
    if jax is None or optax is None:
        return None
    jax.config.update("jax_enable_x64", True)
    peer("optax.contrib")
    optimizer = RULES[rule].optax(optax)
    x, g = map(jax.numpy.asarray, start(n, dtype))
    state = jax.tree.map(jax.numpy.copy, optimizer.init(x))  # parts of it may be x itself, which is donated once only

    def update(x, state, g):
        updates, state = optimizer.update(g, state, x)
        return optax.apply_updates(x, updates), state

    compiled = jax.jit(update, donate_argnums=(0, 1))

    def one() -> None:
        nonlocal x, state
        x, state = compiled(x, state, g)
        x.block_until_ready()

    return one


def numpy_step(rule: str, n: int, dtype: Any) -> Callable:
    """The textbook in place, with two arrays of scratch."""
    x, g = start(n, dtype)
    m, v, a, b = (np.zeros_like(x) for _ in range(4))

    def mean(m: np.ndarray, rho: float, term: np.ndarray) -> None:
        """m = rho * m + (1 - rho) * term, which is overwritten."""
        np.multiply(m, rho, out=m)
        np.multiply(term, 1 - rho, out=term)
        np.add(m, term, out=m)

    def adam(decay: float) -> None:
        if decay:
            np.multiply(x, 1 - 1e-3 * decay, out=x)
        np.copyto(a, g)
        mean(m, 0.9, a)
        np.multiply(g, g, out=a)
        mean(v, 0.999, a)
        np.sqrt(v, out=a)
        np.multiply(a, 1 / math.sqrt(1 - 0.999**STEPS), out=a)
        np.add(a, 1e-8, out=a)
        np.multiply(m, 1e-3 / (1 - 0.9**STEPS), out=b)
        np.divide(b, a, out=b)
        np.subtract(x, b, out=x)

    def adadelta() -> None:
        np.multiply(g, g, out=a)
        mean(v, 0.9, a)
        np.add(m, 1e-6, out=a)
        np.sqrt(a, out=a)
        np.add(v, 1e-6, out=b)
        np.sqrt(b, out=b)
        np.divide(a, b, out=a)
        np.multiply(a, g, out=a)
        np.subtract(x, a, out=x)
        np.multiply(a, a, out=a)
        mean(m, 0.9, a)

    return adadelta if rule == "adadelta" else partial(adam, 1e-2 if rule == "adamw" else 0.0)


@numba.njit(parallel=True, error_model="numpy")
def _seven_streams(x, g, m, v):
    for i in numba.prange(x.size):
        m[i] = g[i] - m[i]
        v[i] = g[i] - v[i]
        x[i] = g[i] - x[i]


def streams(rule: str, n: int, dtype: Any) -> Callable | None:
    """Reads x, g, m, v and writes x, m, v with next to no arithmetic: what the memory allows."""
    if threads.sweep_team(n, None) is None:
        return None
    x, g = start(n, dtype)
    return partial(_seven_streams, x, g, np.zeros_like(x), np.zeros_like(x))


MAKERS: dict[str, Callable[..., Callable | None]] = {
    "ours": ours,
    "to other x": partial(ours, out=True),
    "torch fused": partial(torch_step, kind="fused"),
    "torch foreach": partial(torch_step, kind="foreach"),
    "optax": optax_step,
    "numpy": numpy_step,
    "7 streams": streams,
}


# --- measuring -------------------------------------------------------------------------------------------------------


def fits(names: list[str], rule: str, n: int, dtype: Any) -> bool:
    return (
        sum(ARRAYS[name] + slots(rule) - 2 for name in names) * n * np.dtype(dtype).itemsize < 0.8 * available_memory()
    )


def measure(cases: dict[str, tuple], options: argparse.Namespace) -> dict[str, Timing]:
    """Timings of the cases, name -> (contestant, rule, n, dtype), in turns, without those not to be had."""
    contestants = {label: MAKERS[name](*rest) for label, (name, *rest) in cases.items()}
    present = {label: call for label, call in contestants.items() if call is not None}
    del contestants
    rounds = min(options.rounds, 7) if max(n for _, _, n, _ in cases.values()) >= 10_000_000 else options.rounds
    found = alternate(present, rounds, seconds=options.seconds, least=options.least)
    present.clear()
    gc.collect()
    return found


def measure_isolated(names: list[str], rule: str, sizes: list[int], dtype: str, options: argparse.Namespace) -> dict:
    """Timings {n: {name: Timing}}, each contestant in a process of its own, `--processes` times in turns."""
    blocks: dict[int, dict[str, list[Timing]]] = {n: {} for n in sizes}
    for _ in range(options.processes):
        for name in names:
            command = [sys.executable, __file__, "--worker", name, "--rules", rule, "--dtypes", dtype]
            command += ["--rounds", str(options.rounds), "--seconds", str(options.seconds)]
            command += ["--least", str(options.least), "--sizes", *map(str, sizes)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                print(f"{name}: its process failed: {done.stderr.strip().splitlines()[-1:]}")
                continue
            for n, timing in json.loads(done.stdout.splitlines()[-1]).items():
                blocks[int(n)].setdefault(name, []).append(Timing(*timing))
    return {
        n: {name: summary(ts[0].first, [t.median for t in ts]) for name, ts in found.items()}
        for n, found in blocks.items()
    }


def work(options: argparse.Namespace) -> None:
    """What a process of --isolate does: one contestant, all sizes."""
    found = {}
    for n in options.sizes:
        dtype = np.dtype(options.dtypes[0]).type
        if fits([options.worker], options.rules[0], n, dtype):
            timings = measure({"only": (options.worker, options.rules[0], n, dtype)}, options)
            if timings:
                found[n] = timings["only"]
    print(json.dumps(found))


def table(rule: str, dtype: str, options: argparse.Namespace, targets: Targets) -> dict[int, dict]:
    """Print the times of a rule; the medians by n."""
    names, medians = [name for name in MAKERS if available(name, rule)], {}
    isolated = measure_isolated(names, rule, options.sizes, dtype, options) if options.isolate else {}
    rows = []
    for n in options.sizes:
        if options.isolate:
            found = isolated[n]
        elif fits(names, rule, n, np.dtype(dtype).type):
            found = measure({name: (name, rule, n, np.dtype(dtype).type) for name in names}, options)
        else:
            found = {}
        if "ours" not in found:
            hint = "" if options.isolate else "; --isolate needs less"
            print(f"{rule} {dtype} n = {n:.0e}: left out, not enough memory{hint}")
            continue
        times = {name: found[name].median if name in found else None for name in names}
        medians[n], base = times, times["ours"]
        judge(rule, dtype, n, times, targets)
        peers = [ratio(t and t / base) for name, t in times.items() if name not in ("ours", "to other x")]
        rows.append((f"{n:.0e}", duration(found["ours"].first), *map(duration, times.values()), *peers))
    short = [f"/{name}" for name in names if name not in ("ours", "to other x")]
    print_table(
        f"{rule} {dtype}: time of a step, and that time over ours; '-' is missing or does not apply",
        ("n", "1st call", *names, *short),
        rows,
    )
    return medians


def rival(times: dict) -> str | None:
    """The fastest peer."""
    peers = [name for name in ("torch fused", "torch foreach", "optax") if times.get(name)]
    return min(peers, key=times.__getitem__, default=None)


def overview(found: dict[tuple[str, str], dict[int, dict]]) -> None:
    """All rules beside their fastest peers, those that win by least first."""
    for n in sorted({n for medians in found.values() for n in medians}):
        for dtype in dict.fromkeys(dtype for _, dtype in found):
            rows = []
            for (rule, _), medians in ((key, m) for key, m in found.items() if key[1] == dtype and n in m):
                times, best = medians[n], rival(medians[n])
                gain = times[best] / times["ours"] if best else math.inf
                best_time = duration(times[best]) if best else "-"
                rows.append((gain, rule, duration(times["ours"]), best_time, best or "-"))
            print_table(
                f"n = {n:.0e}, {dtype}: ours, the fastest of torch and optax, and its time over ours",
                ("rule", "ours", "peer", "which", "ratio"),
                [(*row, ratio(gain if gain < math.inf else None)) for gain, *row in sorted(rows)],
            )


def judge(rule: str, dtype: str, n: int, times: dict, targets: Targets) -> None:
    case = f"at n = {n:.0e}, {rule} {dtype}"
    against = next((name for name in ("torch fused", "torch foreach", "optax") if times.get(name)), None)
    if against:
        bound = 8 if n <= 1_000 else 4 if n <= 10_000 else 1.1
        where = "n <= 1e3" if n <= 1_000 else "n <= 1e4" if n <= 10_000 else "n > 1e4"
        targets.at_least(f"{against} / ours >= {bound}, {where}", times[against] / times["ours"], bound, case)
    if n == 10_000_000 and times.get("7 streams"):
        targets.at_least("share of the bandwidth >= 0.85, n = 1e7", times["7 streams"] / times["ours"], 0.85, case)


def precisions(rule: str, options: argparse.Namespace, targets: Targets) -> None:
    """float32 against float64."""
    rows = []
    for n in options.sizes:
        if fits(["ours", "ours"], rule, n, np.float64):
            cases = {dtype: ("ours", rule, n, np.dtype(dtype).type) for dtype in ("float64", "float32")}
            found = measure(cases, options)
            gain = found["float64"].median / found["float32"].median
            rows.append((f"{n:.0e}", *(duration(t.median) for t in found.values()), ratio(gain)))
            if n >= 100_000:
                targets.at_least("float64 / float32 >= 1.8, n >= 1e5", gain, 1.8, f"at n = {n:.0e}, {rule}")
    print_table(f"{rule}: ours in two precisions", ("n", "float64", "float32", "ratio"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="AdamW, up to 1e6, few rounds")
    parser.add_argument("--isolate", action="store_true", help="each contestant in its own processes")
    parser.add_argument(
        "--rules", nargs="+", choices=["all", *RULES], help="all, or some; otherwise adamw, adam, adadelta"
    )
    parser.add_argument("--dtypes", nargs="+", choices=("float32", "float64"), default=["float64", "float32"])
    parser.add_argument("--sizes", nargs="+", type=lambda text: int(float(text)))
    parser.add_argument("--rounds", type=int, help="blocks of each contestant")
    parser.add_argument("--seconds", type=float, help="length of a block")
    parser.add_argument("--least", type=int, default=20, help="least number of calls in a block")
    parser.add_argument("--processes", type=int, default=3, help="processes of each contestant, with --isolate")
    parser.add_argument("--worker", choices=MAKERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.rules = options.rules or (["adamw"] if options.quick else ["adamw", "adam", "adadelta"])
    options.rules = list(RULES) if "all" in options.rules else options.rules
    options.sizes = options.sizes or [n for n in SIZES if not options.quick or n <= 1_000_000]
    options.rounds = options.rounds or (5 if options.quick else 15)
    options.seconds = options.seconds or (0.01 if options.quick else 0.05)
    if options.worker:
        work(options)
        return
    print_machine("One optimizer step, called from Python", ("numba", "numpy", "torch", "jax", "optax"))
    for name in ("torch", "jax", "optax"):
        if peer(name) is None:
            print(f"{name} is missing: its columns are '-'")
    targets, found = Targets(), {}
    for rule in options.rules:
        for dtype in options.dtypes:
            found[rule, dtype] = table(rule, dtype, options, targets)
        precisions(rule, options, targets)
    if len(options.rules) > 1:
        overview(found)
    targets.print()


if __name__ == "__main__":
    main()
