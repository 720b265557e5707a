"""What does an exact gradient cost, value included: against the function alone, a gradient by hand, and JAX?

    python benchmarks/bench_gradients.py [part of a name]

Columns: the function (us); value and gradient over it, by autodiff, by hand and by JAX on the same function (for those
that are whole arrays there); n + 1, what forward differences cost; seconds to compile the function and the gradient.
"""

from __future__ import annotations

import sys
import time

import numba
import numpy as np
from _timing import alternate, peer, print_machine
from objectives import cases

from numbaopt.autodiff import inplace


def jax_gradient(name, x, args):
    """JAX's jitted value_and_grad of the functions of whole arrays, as a function without arguments; or None."""
    jax = peer("jax")
    if jax is None:
        return None
    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy

    def rosenbrock(x):
        return jnp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)

    def gaussians(p, t, y):
        return jnp.sum((y - jnp.sum(p[0::3] * jnp.exp(-0.5 * ((t[:, None] - p[1::3]) / p[2::3]) ** 2), 1)) ** 2)

    def logistic(w, X, y, decay):
        return jnp.sum(jnp.log1p(jnp.exp(-y * (X @ w)))) / X.shape[0] + 0.5 * decay * jnp.dot(w, w)

    known = {"Rosenbrock": rosenbrock, "Gaussians": gaussians, "logistic": logistic}
    function = next((f for start, f in known.items() if name.startswith(start)), None)
    if function is None:
        return None
    compiled = jax.jit(jax.value_and_grad(function))
    given = [jnp.asarray(a) for a in (x, *args)]
    return lambda: compiled(*given)[1].block_until_ready()


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
    compile_gradient, gradient = seconds(lambda: inplace(fun, types))
    contestants = {"fun": lambda: fun(x, *args), "autodiff": lambda: gradient(x, g, *args)}
    if by_hand is not None:
        hand = numba.njit(by_hand)
        contestants["hand"] = lambda: hand(x, g, *args)
    other = jax_gradient(name, x, args)
    if other is not None:
        contestants["jax"] = other
    times = {k: t.low for k, t in alternate(contestants, rounds=41, seconds=0.002).items()}  # other work only adds
    ratios = [f"{times[k] / times['fun']:8.2f}" if k in times else f"{'-':>8}" for k in ("autodiff", "hand", "jax")]
    compiled = f"{compile_fun:8.2f} {compile_gradient:8.2f}"
    print(f"{name:<28} {times['fun'] * 1e6:10.2f} {' '.join(ratios)} {x.size + 1:8d} {compiled}", flush=True)


def main():
    """Print the table."""
    print_machine(__doc__.splitlines()[0], ["numba", "numpy", "jax"])
    heads = ("autodiff", "by hand", "JAX", "n + 1", "s: fun", "gradient")
    print(f"{'':<28} {'fun, us':>10} {' '.join(f'{h:>8}' for h in heads)}")
    chosen = sys.argv[1] if len(sys.argv) > 1 else ""
    for name, *case in cases():
        if chosen in name:
            row(name, *case)


if __name__ == "__main__":
    main()
