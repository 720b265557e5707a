"""A learning rate that falls when `fun` does not; `drivers.plateau` does it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from .._parameters import FRACTION, NONNEGATIVE, Range, unchecked, validated

_MODE = Range('be "rel" or "abs"', lambda v: False, accepts=lambda v: isinstance(v, str) and v in ("rel", "abs"))
_COUNT = Range("be an integer >= 0", lambda v: 0 <= v < math.inf and v == int(v))


@validated(
    {
        "lr": NONNEGATIVE,
        "factor": FRACTION,
        "patience": _COUNT,
        "threshold": NONNEGATIVE,
        "threshold_mode": _MODE,
        "cooldown": _COUNT,
        "lr_min": NONNEGATIVE,
        "eps": NONNEGATIVE,
    }
)
class ReduceOnPlateau(NamedTuple):
    """A learning rate that is multiplied by `factor` when `fun` has not become better for more than `patience` times.

    ::

        f_t < best (1 - threshold), or best - threshold for "abs":   best = f_t, bad = 0;   else bad = bad + 1
        in the `cooldown` evaluations after a reduction:             bad = 0
        bad > patience:                                              lr = max(factor lr, lr_min), bad = 0

    after the evaluation of f_t, t = 0 (at x0), 1, ...; -fun where `maximize` is set. A change of lr by `eps` or less is
    not made. For `minimize` without minibatches and groups, as `lr` of any method, or of one inside another.

    Parameters
    ----------
    lr : float
        Learning rate of the first iteration, >= 0.
    factor : float
        In [0, 1).
    patience, cooldown : int
        Evaluations, >= 0.
    threshold : float
        What counts as better, >= 0.
    threshold_mode : {"rel", "abs"}
        Whether `threshold` is relative to the best `fun`. Where that is negative, "rel" takes a slightly worse one for
        better, as torch does.
    lr_min, eps : float
        Smallest rate and smallest change of it, >= 0.

    Raises
    ------
    TypeError, ValueError
        A parameter is of the wrong kind or out of its range.

    Examples
    --------
    >>> import numbaopt
    >>> lr = numbaopt.schedules.ReduceOnPlateau(0.1, factor=0.5, patience=5)
    >>> res = numbaopt.minimize(lambda x: abs(x[0] - 1) + abs(x[1]), [0.0, 1.0], method=numbaopt.Adam(lr=lr))
    >>> res.x.round(3).tolist()
    [1.0, 0.0]

    Notes
    -----
    torch's `ReduceLROnPlateau(optimizer, "min", ...)` with `scheduler.step(loss)` before `optimizer.step()`.
    """

    lr: float
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    threshold_mode: str = "rel"
    cooldown: int = 0
    lr_min: float = 0.0
    eps: float = 1e-8


def is_plateau(value: Any) -> bool:
    """Whether a learning rate falls when `fun` does not."""
    return isinstance(value, ReduceOnPlateau)


def as_numbers(value: Any) -> Any:
    """A `ReduceOnPlateau` in compiled form, whose mode is the number 1 for "abs" and 0 for "rel"; others stay."""
    if not is_plateau(value):
        return value
    return unchecked(ReduceOnPlateau, (float(v == "abs") if isinstance(v, str) else v for v in value))
