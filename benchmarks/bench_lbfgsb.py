"""What does an exact gradient do for scipy's L-BFGS-B, and what does minimize() add: Rosenbrock, 1000 parameters?

    python benchmarks/bench_lbfgsb.py [--quick]

Each contestant runs in a process of its own: seconds of the first call, compilation included, and of a second one (the
same again, if the first took 20 s). Then value at the end, and evaluations. --quick takes 200 parameters.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time

import numba
import numpy as np
from _timing import print_machine

import numbaopt

LIMITS = {"maxfun": 10**9, "maxiter": 10**6}


@numba.njit
def rosenbrock(x):
    s = 0.0
    for i in range(x.shape[0] - 1):
        s += 100.0 * (x[i + 1] - x[i] * x[i]) ** 2 + (1.0 - x[i]) ** 2
    return s


def contestants():
    """Functions of a starting point."""
    from scipy.optimize import minimize, rosen, rosen_der

    def scipy_run(fun, **options):
        return lambda x0: minimize(fun, x0, method="L-BFGS-B", options=LIMITS, **options)

    gradient = numbaopt.grad(rosenbrock)
    both, long = numbaopt.value_and_grad(rosenbrock), {"maxiter": 100_000}
    return {
        "L-BFGS-B, its differences, scipy's rosen": scipy_run(rosen),
        "L-BFGS-B, its differences, compiled": scipy_run(rosenbrock),
        "L-BFGS-B, scipy's rosen and rosen_der": scipy_run(rosen, jac=rosen_der),
        "L-BFGS-B, compiled, numbaopt.grad": scipy_run(rosenbrock, jac=gradient),
        "L-BFGS-B, numbaopt.value_and_grad": scipy_run(both, jac=True),
        'minimize("adam"), lr="auto", autodiff': lambda x0: numbaopt.minimize(
            rosenbrock, x0, method="adam", options=long
        ),
        "minimize(), autodiff": lambda x0: numbaopt.minimize(rosenbrock, x0, options=long),
    }


def measure(name, n):
    """Seconds of the first and the second call, and what came of it."""
    x0 = np.tile([-1.2, 1.0], n // 2)
    run, seconds = contestants()[name], []
    while len(seconds) < 2 and sum(seconds) < 20:  # what takes long compiles nothing that counts
        start = time.perf_counter()
        result = run(x0.copy())
        seconds.append(time.perf_counter() - start)
    print(json.dumps([seconds[0], seconds[-1], float(result.fun), int(result.nfev), float(np.abs(result.x - 1).max())]))


def main():
    """Print the table."""
    n = 200 if "--quick" in sys.argv else 1000
    print_machine(__doc__.splitlines()[0], ["numba", "numpy", "scipy"])
    print(f"{n} parameters\n{'':<42} {'first, s':>9} {'second':>9} {'value':>10} {'nfev':>8} {'|x - 1|':>9}")
    for name in contestants():
        command = [sys.executable, __file__, "--one", name, str(n)]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        first, second, value, nfev, error = json.loads(out.splitlines()[-1])
        print(f"{name:<42} {first:>9.3f} {second:>9.4f} {value:>10.2g} {nfev:>8} {error:>9.2g}", flush=True)


if __name__ == "__main__":
    if "--one" in sys.argv:
        at = sys.argv.index("--one")
        measure(sys.argv[at + 1], int(sys.argv[at + 2]))
    else:
        main()
