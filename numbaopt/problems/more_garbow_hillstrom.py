"""The problems of unconstrained minimisation of More, Garbow and Hillstrom, "Testing unconstrained optimization
software", ACM Transactions on Mathematical Software 7(1), 1981, pages 17-41. Each is a sum of squares of residuals.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .._compile import jit_user
from . import mgh_fits as fits
from . import mgh_scalable as scalable
from . import mgh_systems as systems


class TestProblem(NamedTuple):
    """A function to be minimised, where to start and what to find."""

    __test__ = False  # pytest takes a class for a test by its name

    number: int
    """In the paper."""
    name: str
    fun: Callable[..., Any]
    """`fun(x, g)`, compiled, writes the gradient into g and returns the value: the form of `jac="inplace"`."""
    x0: tuple[float, ...]
    """The standard starting point."""
    minimum: tuple[float, ...]
    """The values of the known minima, the global one first; any of them is an answer."""
    x_min: tuple[float, ...]
    """A point where the first of them is."""
    residuals: Callable[..., Any] | None = None
    """`residuals(x, r, J)`, compiled, writes m residuals and their Jacobian; J has zeros before the first call."""
    m: int = 0


def sum_of_squares(residuals: Any, m: int) -> Any:
    """`f(x, g)` of the m residuals that `residuals(x, r, J)` writes."""

    @jit_user
    def fun(x, g):
        r = np.empty(m, x.dtype)
        J = np.zeros((m, x.size), x.dtype)
        residuals(x, r, J)
        for k in range(x.size):
            g[k] = 0
        f = 0.0
        for i in range(m):
            f += r[i] * r[i]
            for k in range(x.size):
                g[k] += 2 * r[i] * J[i, k]
        return f

    return fun


def _squares(number, name, residuals, m, x0, minimum, x_min):
    return TestProblem(number, name, sum_of_squares(residuals, m), x0, minimum, x_min, residuals, m)


# n and m are the paper's where it gives them; of those that it leaves open, n is 6 in 20, 8 in 35, 12 in 22 and 10 in
# the others, m is 99 in 11, and 2 n in 32 to 34. In 8 and 15 the second value is that of a limit: parameters go to
# infinity. In 18 it is that of a saddle, where x1 = x5 and x3 = x6 as in x0: methods that treat all elements of the
# gradient alike keep that symmetry.
# fmt: off
_INTEGRAL = (
    -0.04316498251876487, -0.08157715653538689, -0.11448571438052928, -0.14097357686259668, -0.15990869618198314,
    -0.16987720231277492, -0.16908998378120835, -0.1552495352218318, -0.12535589167893496, -0.07541653368589203,
)
_BOUNDARY = tuple(i / 11 * (i / 11 - 1) for i in range(1, 11))

_PROBLEMS = [
    _squares(1, "Rosenbrock", systems.rosenbrock, 2, (-1.2, 1.0), (0.0,), (1.0, 1.0)),
    _squares(
        2, "Freudenstein-Roth", systems.freudenstein_roth, 2, (0.5, -2.0), (0.0, 48.98425367924002), (5.0, 4.0)
    ),
    _squares(
        3, "Powell badly scaled", systems.powell_badly_scaled, 2, (0.0, 1.0), (0.0,),
        (1.0981593296996486e-05, 9.106146739867924),
    ),
    _squares(4, "Brown badly scaled", systems.brown_badly_scaled, 3, (1.0, 1.0), (0.0,), (1e6, 2e-6)),
    _squares(5, "Beale", systems.beale, 3, (1.0, 1.0), (0.0,), (3.0, 0.5)),
    _squares(
        6, "Jennrich-Sampson", fits.jennrich_sampson, 10, (0.3, 0.4), (124.3621823556149,),
        (0.2578252136703641, 0.2578252136703641),
    ),
    _squares(7, "Helical valley", systems.helical_valley, 3, (-1.0, 0.0, 0.0), (0.0,), (1.0, 0.0, 0.0)),
    _squares(
        8, "Bard", fits.bard, 15, (1.0, 1.0, 1.0), (8.21487730657898e-03, 17.42869333333333),
        (0.08241055974978899, 1.1330360920297224, 2.3436951786425366),
    ),
    _squares(
        9, "Gaussian", fits.gaussian, 15, (0.4, 1.0, 0.0), (1.127932769619011e-08,),
        (0.39895613783875666, 1.0000190844878056, 0.0),
    ),
    _squares(
        10, "Meyer", fits.meyer, 16, (0.02, 4000.0, 250.0), (87.9458551708514,),
        (0.005609636437103164, 6181.346351328377, 345.2236347938664),
    ),
    _squares(11, "Gulf", fits.gulf, 99, (5.0, 2.5, 0.15), (0.0,), (50.0, 25.0, 1.5)),
    _squares(12, "Box", fits.box, 10, (0.0, 10.0, 20.0), (0.0,), (1.0, 10.0, 1.0)),
    _squares(13, "Powell singular", systems.powell_singular, 4, (3.0, -1.0, 0.0, 1.0), (0.0,), (0.0,) * 4),
    _squares(14, "Wood", systems.wood, 6, (-3.0, -1.0, -3.0, -1.0), (0.0,), (1.0,) * 4),
    _squares(
        15, "Kowalik-Osborne", fits.kowalik_osborne, 11, (0.25, 0.39, 0.415, 0.39),
        (3.075056038492378e-04, 1.02734304869546e-03),
        (0.1928069345790379, 0.19128232873436676, 0.12305650692632074, 0.13606233068379475),
    ),
    _squares(
        16, "Brown-Dennis", fits.brown_dennis, 20, (25.0, 5.0, -5.0, -1.0), (85822.20162635631,),
        (-11.594439904762165, 13.203630051207202, -0.4034394881768595, 0.23677877445573628),
    ),
    _squares(
        17, "Osborne 1", fits.osborne_1, 33, (0.5, 1.5, -1.0, 0.01, 0.02), (5.464894697482912e-05,),
        (0.37541005210695194, 1.9358469127123559, -1.4646871366134115, 0.012867534640057266, 0.02212269966167266),
    ),
    _squares(
        18, "Biggs", fits.biggs, 13, (1.0, 2.0, 1.0, 1.0, 1.0, 1.0), (0.0, 5.6556499254999518e-03),
        (1.0, 10.0, 1.0, 5.0, 4.0, 3.0),
    ),
    _squares(
        19, "Osborne 2", fits.osborne_2, 65, (1.3, 0.65, 0.65, 0.7, 0.6, 3.0, 5.0, 7.0, 2.0, 4.5, 5.5),
        (4.013773629354776e-02,),
        (
            1.3099771546273007, 0.431553794602989, 0.633661698960724, 0.5994305347859162, 0.7541832263280114,
            0.9042885798596336, 1.3658118352370279, 4.823698817227157, 2.3986848661317546, 4.568874597667672,
            5.6753414705806415,
        ),
    ),
    _squares(
        20, "Watson", fits.watson, 31, (0.0,) * 6, (2.287670053552437e-03,),
        (
            -0.01572508640145846, 1.0124348693691099, -0.232991625956738, 1.2604300877996095, -1.513728922722281,
            0.9929964324311351,
        ),
    ),
    TestProblem(21, "Extended Rosenbrock", scalable.extended_rosenbrock, (-1.2, 1.0) * 5, (0.0,), (1.0,) * 10),
    TestProblem(
        22, "Extended Powell singular", scalable.extended_powell_singular, (3.0, -1.0, 0.0, 1.0) * 3, (0.0,),
        (0.0,) * 12,
    ),
    TestProblem(
        23, "Penalty I", scalable.penalty_1, tuple(i + 1.0 for i in range(10)), (7.08765146709037e-05,),
        (0.15812230111311634,) * 10,
    ),
    TestProblem(
        24, "Penalty II", scalable.penalty_2, (0.5,) * 10, (2.936605374567460e-04,),
        (
            0.19998360519782363, 0.010350648471292299, 0.019604934480438402, 0.03208906722068565,
            0.049932677399641294, 0.0765139951539936, 0.11862407286950417, 0.1921448723355767, 0.34732058694184365,
            0.36916437415935077,
        ),
    ),
    TestProblem(
        25, "Variably dimensioned", scalable.variably_dimensioned, tuple(1 - i / 10 for i in range(1, 11)), (0.0,),
        (1.0,) * 10,
    ),
    TestProblem(
        26, "Trigonometric", scalable.trigonometric, (0.1,) * 10, (0.0, 2.795056121879456e-05), (0.0,) * 10
    ),
    TestProblem(27, "Brown almost-linear", scalable.brown_almost_linear, (0.5,) * 10, (0.0, 1.0), (1.0,) * 10),
    TestProblem(28, "Discrete boundary value", scalable.discrete_boundary_value, _BOUNDARY, (0.0,), _INTEGRAL),
    TestProblem(29, "Discrete integral equation", scalable.discrete_integral_equation, _BOUNDARY, (0.0,), _INTEGRAL),
    TestProblem(
        30, "Broyden tridiagonal", scalable.broyden_tridiagonal, (-1.0,) * 10, (0.0,),
        (
            -0.5707221320112248, -0.681806949984275, -0.7022100760176601, -0.7055106298950804, -0.7049061557287437,
            -0.7014966070298512, -0.6918893223547983, -0.6657965144058537, -0.5960351090263657, -0.4164122575286934,
        ),
    ),
    TestProblem(
        31, "Broyden banded", scalable.broyden_banded, (-1.0,) * 10, (0.0,),
        (
            -0.4283028635872503, -0.47659642435629024, -0.5196524636468617, -0.5580993248321809, -0.5925061568294574,
            -0.624503682199468, -0.6232394714405911, -0.6213938417965735, -0.6204535966590874, -0.5864692707204351,
        ),
    ),
    TestProblem(32, "Linear, full rank", scalable.linear_full_rank, (1.0,) * 10, (10.0,), (-1.0,) * 10),
    TestProblem(33, "Linear, rank 1", scalable.linear_rank_1, (1.0,) * 10, (190 / 41,), (3 / 41,) + (0.0,) * 9),
    TestProblem(
        34, "Linear, rank 1, zeros", scalable.linear_rank_1_zeros, (1.0,) * 10, (227 / 37,),
        (0.0, 3 / 74) + (0.0,) * 8,
    ),
    _squares(
        35, "Chebyquad", fits.chebyquad, 8, tuple(i / 9 for i in range(1, 9)), (3.516873725677930e-03,),
        (
            0.04315276015101663, 0.1930908403841861, 0.26632870689027294, 0.5, 0.5, 0.7336712931097271,
            0.8069091596158139, 0.9568472398489833,
        ),
    ),
]
# fmt: on

MORE_GARBOW_HILLSTROM: dict[str, TestProblem] = {problem.name: problem for problem in _PROBLEMS}
"""The problems by name, in the paper's order."""
