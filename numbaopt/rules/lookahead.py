"""Lookahead: slow weights that follow any other rule from time to time."""

from typing import Any, NamedTuple

from .._dispatch import scalar_rule
from .._parameters import Range
from .._rule import hyperparameters, per_iteration, readout, update_rule

PERIOD = Range("be an integer >= 1", lambda v: v >= 1 and v % 1 == 0)
PART = Range("be in (0, 1]", lambda v: 0 < v <= 1)


@hyperparameters(sync_period=PERIOD, slow_step_size=PART)
class Lookahead(NamedTuple):
    """Lookahead around another rule: k steps forward, one step back.

    ::

        x = one step of `inner` from x                           the fast weights
        where t is a multiple of sync_period:
            slow = slow + slow_step_size * (x - slow)            the answer
            x    = slow

    Use it around a rule that overshoots or oscillates, or with noisy gradients; not around one that converges
    smoothly, which it slows down.

    Parameters
    ----------
    inner : method
        The rule that makes the steps, such as `numbaopt.Adam(lr=0.1)`; its state is kept when x goes back. To maximise,
        say so there.
    sync_period : int
        Steps of the fast weights for one of the slow ones, >= 1.
    slow_step_size : float
        Part of the way to the fast weights that the slow ones go, in (0, 1].

    Raises
    ------
    TypeError, ValueError
        A hyper-parameter is of the wrong kind or out of its range.

    Examples
    --------
    >>> import numbaopt
    >>> method = numbaopt.Lookahead(numbaopt.Adam(lr=0.5))
    >>> res = numbaopt.minimize(lambda x: ((x - 3) ** 2).sum(), [0.0, 0.0], method=method)
    >>> res.success, res.x.round(2).tolist()
    (True, [3.0, 3.0])

    Notes
    -----
    Zhang, Lucas, Hinton and Ba, "Lookahead Optimizer: k steps forward, 1 step back", NeurIPS 2019, Algorithm 1, with
    its choice to keep the state of the inner rule. Defaults and arithmetic are those of `optax.lookahead` with
    `reset_state=False`. As there, the objective and the stopping tests see the fast weights, and the answer is the slow
    ones, which are as old as the last multiple of sync_period. An answer of its own that `inner` has is not used.
    """

    inner: Any
    sync_period: float = 6.0
    slow_step_size: float = 0.5

    @property
    def maximize(self) -> bool:
        """What `inner` says."""
        return self.inner.maximize


class LookaheadStep(NamedTuple):
    """Scalars of one iteration."""

    sync: float  # 1 where the slow weights move, else 0
    part: float  # slow_step_size
    inner: Any


@per_iteration(Lookahead)
def _lookahead(h, t, inner) -> LookaheadStep:
    return LookaheadStep(1.0 if t % h.sync_period == 0 else 0.0, h.slow_step_size, inner)


@update_rule(LookaheadStep, slots=("slow",), start={"slow": lambda h, x: x})
def lookahead(h, x, g, slow, *slots):
    """One element of Lookahead."""
    new = scalar_rule(h.inner, x, g, slots)
    slow = slow + h.part * (new[0] - slow) if h.sync else slow
    return slow if h.sync else new[0], slow, *new[1:]


@readout(LookaheadStep)
def _slow_weights(h, x, slow):
    return slow
