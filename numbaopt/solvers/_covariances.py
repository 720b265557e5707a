"""The covariance of the parameters of each of many fits, computed where the workspace of the fit is."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .._memory import borrow, matrix, row
from ..drivers.many import finishing
from .levenberg_marquardt import covariance_at


class Covariances(NamedTuple):
    """What is computed, and of what."""

    matrices: Any  # (B, n, n)
    points: Any  # (B,) how many values are not missing
    absolute: int  # whether the residuals are in units of their standard deviations


@finishing(Covariances)
def covariances(after, objective, h, box, limit, s, b):
    """pcov = (J^T J)^-1 * 2 cost / (points - n), J that of the solution; inf where it cannot be had."""
    n = s.x.size
    C = matrix(row(borrow(after.matrices), b, n * n), n, n)
    exists, spare = covariance_at(objective, h, box, s, C), after.points[b] - n
    factor = 1.0 if after.absolute != 0 else 2 * s.p.f / spare if spare > 0 else np.inf
    if spare < 0 or not exists or factor == np.inf:
        for i in range(n):
            for k in range(n):
                C[i, k] = np.inf
    else:
        for i in range(n):
            for k in range(n):
                C[i, k] *= factor
