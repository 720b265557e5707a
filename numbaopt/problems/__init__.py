"""Test functions with known minima, shared by tests, benchmarks and examples; numba compiles each on its first call.

Those named `*_inplace` have the form of `jac="inplace"`: they write the gradient into their second argument and return
the value. `NIST` has, by the name of the data set, the residual sum of squares of each model as `rss(b, x, y)`. The
others take complex parameters too, so that `jac="cs"` gives their gradient to the last digit. `MORE_GARBOW_HILLSTROM`
has the 35 problems of that collection, by name, with their standard starting points and known minima.
"""

from .elementary import quadratic, quadratic_inplace, rosenbrock, rosenbrock_inplace, sphere, sphere_inplace
from .more_garbow_hillstrom import MORE_GARBOW_HILLSTROM, TestProblem
from .nist import NIST

__all__ = [
    "MORE_GARBOW_HILLSTROM",
    "NIST",
    "TestProblem",
    "quadratic",
    "quadratic_inplace",
    "rosenbrock",
    "rosenbrock_inplace",
    "sphere",
    "sphere_inplace",
]
