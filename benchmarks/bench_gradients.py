"""What does an exact gradient cost, value included: against the function alone, a gradient by hand, and JAX?

    python benchmarks/bench_gradients.py [part of a name]
    python benchmarks/bench_gradients.py --first        only the texts, each as the first of a process of its own

Columns: the function (us); value and gradient over it, by autodiff in reverse mode, in forward mode (up to 30
parameters), by hand, by JAX on the same function (value_and_grad, jitted), by forward differences and by complex step
(compiled loops, up to 1000 parameters, where the function takes complex numbers); seconds to compile the function and
the gradient, of which `text` is the part until there is a text to compile.
"""

from __future__ import annotations

import subprocess
import sys
import time

import jax_objectives
import numba
import numpy as np
from _timing import alternate, peer, print_machine
from objectives import cases

import numbaopt
from numbaopt.autodiff import inplace
from numbaopt.autodiff.front import generated_for


def jax_gradient(name, function, x, args):
    """JAX's jitted value_and_grad as a function without arguments; or None."""
    jax = peer("jax")
    if jax is None:
        return None
    jax.config.update("jax_enable_x64", True)
    found = next(f for start, f in jax_objectives.functions(jax).items() if name.startswith(start))
    given = [jax.numpy.asarray(a) for a in (x, *args)]
    value = function(x, *args)
    compiled = jax.jit(jax.value_and_grad(found))
    assert abs(compiled(*given)[0] - value) < 1e-8 * abs(value), name
    return lambda: compiled(*given)[1].block_until_ready()


def by_differences(fun):
    """Forward differences, one evaluation for each parameter, compiled."""

    @numba.njit
    def gradient(x, g, *args):
        value, at = fun(x, *args), x.copy()
        for i in range(x.size):
            at[i] = x[i] + 1e-8
            g[i] = (fun(at, *args) - value) / 1e-8
            at[i] = x[i]

    return gradient


def by_complex_step(fun):
    """One complex evaluation for each parameter, compiled."""

    @numba.njit
    def gradient(x, g, *args):
        at = x + 0j
        for i in range(x.size):
            at[i] = x[i] + 1e-20j
            g[i] = fun(at, *args).imag / 1e-20
            at[i] = x[i]

    return gradient


def others(name, fun, function, by_hand, x, args):
    """The contestants besides the function and its gradient in reverse mode."""
    g = np.empty_like(x)
    ways = {"hand": numba.njit(by_hand)} if by_hand is not None else {}
    if x.size <= 1000:
        ways |= {"2-point": by_differences(fun), "cs": by_complex_step(fun)}
    calls = {}
    for way, gradient in ways.items():
        try:
            gradient(x, g, *args)
        except (TypeError, numba.core.errors.NumbaError):  # of complex numbers
            continue
        calls[way] = lambda gradient=gradient: gradient(x, g, *args)
    if x.size <= 30:
        forward = numbaopt.jacobian(fun, mode="forward", at_once=min(x.size, 8))
        calls["forward"] = lambda: forward(x, *args)
    jax = jax_gradient(name, function, x, args)
    return calls | ({"jax": jax} if jax is not None else {})


def seconds(call):
    """How long a call takes, and its result."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def row(name, function, by_hand, x, args):
    """One line of the table."""
    fun, g = numba.njit(function), np.empty_like(x)
    compile_fun, _ = seconds(lambda: fun(x, *args))
    types = tuple(numba.typeof(a) for a in (x, *args))
    text, _ = seconds(lambda: generated_for(fun, types, (0,)))
    compile_gradient, gradient = seconds(lambda: inplace(fun, types))
    contestants = {"fun": lambda: fun(x, *args), "autodiff": lambda: gradient(x, g, *args)}
    contestants |= others(name, fun, function, by_hand, x, args)
    times = {k: t.low for k, t in alternate(contestants, rounds=41, seconds=0.002).items()}  # other work only adds
    ratios = [f"{times[k] / times['fun']:8.2f}" if k in times else f"{'-':>8}" for k in COLUMNS]
    compiled = f"{compile_fun:8.2f} {compile_gradient + text:8.2f} {text:8.2f}"
    print(f"{name:<28} {times['fun'] * 1e6:10.2f} {' '.join(ratios)} {compiled}", flush=True)


COLUMNS = {
    "autodiff": "autodiff",
    "forward": "forward",
    "hand": "by hand",
    "jax": "JAX",
    "2-point": "2-point",
    "cs": "complex",
}


def first_text(name):
    """Seconds until there is the text of a function, the first of this process."""
    function, _, x, args = next(case for own, *case in cases() if own == name)
    fun = numba.njit(function)
    fun(x, *args)
    text, _ = seconds(lambda: generated_for(fun, tuple(numba.typeof(a) for a in (x, *args)), (0,)))
    print(f"{text:.4f}")


def first_texts():
    """Print medians and largest of five processes for each function."""
    print_machine("How long does the text of a gradient take, as the first of a process?", ["numba"])
    for name, *_ in cases():
        command = [sys.executable, __file__, "--first", name]
        times = sorted(float(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(5))
        print(f"{name:<28} {times[2]:8.3f} s, at most {times[-1]:.3f}", flush=True)


def main():
    """Print the table."""
    print_machine(__doc__.splitlines()[0], ["numba", "numpy", "jax"])
    heads = (*COLUMNS.values(), "s: fun", "gradient", "text")
    print(f"{'':<28} {'fun, us':>10} {' '.join(f'{h:>8}' for h in heads)}")
    chosen = sys.argv[1] if len(sys.argv) > 1 else ""
    for name, *case in cases():
        if chosen in name:
            row(name, *case)


if __name__ == "__main__":
    if sys.argv[1:2] != ["--first"]:
        main()
    elif len(sys.argv) > 2:
        first_text(sys.argv[2])
    else:
        first_texts()
