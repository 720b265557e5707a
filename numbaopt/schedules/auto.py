"""lr="auto": the learning rate, and memory of curvature, that `minimize` finds by itself; `drivers.tuning` does it."""

from __future__ import annotations

from typing import Any, NamedTuple

from .._parameters import POSITIVE, Range, validated


@validated({"lr": POSITIVE, "memory": Range("be an integer in [0, 100]", lambda v: 0 <= v <= 100 and v == int(v))})
class Auto(NamedTuple):
    """The learning rate that `minimize` finds by itself; "auto" stands for `Auto()`.

    A step that raises `fun` is taken back, and `lr` is multiplied after each trial by what the directional derivatives
    at both of its ends suggest. The last `memory` steps tell the curvature along them, as in L-BFGS, with the update
    rule in place of its first matrix: the rule sees what they leave of the gradient. This assumes that two values of
    `fun`, and its gradients, can be compared.

    They cannot between minibatches, nor where `fun` has noise of its own. With `batch_size`, or `noisy=True`, the rule
    runs in `numbaopt.DoG`, which compares no values and answers with an average of its points.

    Parameters
    ----------
    lr : float
        Where to start, > 0; a factor of ten hardly matters.
    memory : int
        Steps that are remembered, each by two vectors like x; 0 leaves the rule's own direction.
    noisy : bool
        Whether values of `fun` are not to be compared. `lr` and `memory` have no meaning then.

    Examples
    --------
    >>> import numbaopt
    >>> from numbaopt.problems import rosenbrock
    >>> res = numbaopt.minimize(rosenbrock, [-1.2, 1.0], method=numbaopt.Adam(lr="auto"))
    >>> res.success, res.x.round(3).tolist()
    (True, [1.0, 1.0])

    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> def noisy_gradient(x):
    ...     return ((x - 3) ** 2).sum() + rng.normal(), 2 * (x - 3) + rng.normal(size=x.size)
    >>> method = numbaopt.Adam(lr=numbaopt.schedules.Auto(noisy=True))
    >>> res = numbaopt.minimize(noisy_gradient, [0.0, 0.0], method=method, jac=True, options={"keep": "last"})
    >>> bool(abs(res.x - 3).max() < 0.1)
    True
    """

    lr: float = 0.01
    memory: int = 5
    noisy: bool = False


def is_auto(value: Any) -> bool:
    """Whether a learning rate is left to `minimize`."""
    return isinstance(value, Auto) or (isinstance(value, str) and value == "auto")


def as_auto(value: Any) -> Any:
    """`value`, with "auto" as the object that it stands for."""
    return Auto() if isinstance(value, str) and value == "auto" else value
