"""Averages of the iterates of any other rule: Polyak-Ruppert's, and the exponential one."""

from typing import Any, NamedTuple

from .._dispatch import scalar_rule
from .._parameters import FRACTION, Range
from .._rule import hyperparameters, per_iteration, readout, update_rule

COUNT = Range("be an integer >= 0", lambda v: v >= 0 and v % 1 == 0)


@hyperparameters(decay=FRACTION, start=COUNT)
class Averaged(NamedTuple):
    """Averaging around another rule, whose steps it leaves as they are: the answer is a mean of its iterates.

    ::

        x = one step of `inner` from x
        k = t - start
        a = x                                                    where k <= 1
        a = a + (x - a) / k                                      else, if decay = 0: the mean of the last k iterates
        a = a + (1 - decay) * (x - a)                            else

    Use it with noisy gradients and a learning rate that stays large: the mean has less noise than any iterate. Without
    noise the last iterate is better.

    Parameters
    ----------
    inner : method
        The rule that makes the steps, such as `numbaopt.SGD(lr=0.1)`. To maximise, say so there.
    decay : float
        Factor of the average at each iteration, in [0, 1); 0 means that all iterates count the same.
    start : int
        Iterations that are not averaged, >= 0: those that it takes to come near the solution.

    Raises
    ------
    TypeError, ValueError
        A hyper-parameter is of the wrong kind or out of its range.

    Examples
    --------
    >>> import numbaopt
    >>> method = numbaopt.Averaged(numbaopt.Adam(lr=0.1), decay=0.9)
    >>> res = numbaopt.minimize(lambda x: ((x - 3) ** 2).sum(), [0.0, 0.0], method=method)
    >>> res.success, res.x.round(2).tolist()
    (True, [3.0, 3.0])

    Notes
    -----
    Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", SIAM J. Control Optim. 30 (1992), for
    decay = 0. Arithmetic as in `torch.optim.swa_utils.AveragedModel`, with `get_swa_multi_avg_fn` for decay = 0 and
    `get_ema_multi_avg_fn(decay)` else, updated after each iteration from start + 1 on: the exponential average begins
    at its first x, with no correction for bias (`optax.ema` corrects by default). The objective and the stopping tests
    see x, not the average. With bounds, what is averaged is where the steps lead to before they are cut off there. An
    answer of its own that `inner` has is not used.
    """

    inner: Any
    decay: float = 0.0
    start: float = 0.0

    @property
    def maximize(self) -> bool:
        """What `inner` says."""
        return self.inner.maximize


class AveragedStep(NamedTuple):
    """Scalars of one iteration."""

    more: float  # 1 from the second iterate that is averaged on, else 0
    part: float  # weight of the new iterate
    inner: Any


@per_iteration(Averaged)
def _averaged(h, t, inner) -> AveragedStep:
    k = max(t - h.start, 1.0)
    return AveragedStep(1.0 if k > 1 else 0.0, 1 - h.decay if h.decay > 0 else 1 / k, inner)


@update_rule(AveragedStep, slots=("a",), start={"a": lambda h, x: x})
def averaged(h, x, g, a, *slots):
    """One element of an average."""
    new = scalar_rule(h.inner, x, g, slots)
    a = a + h.part * (new[0] - a) if h.more else new[0]
    return new[0], a, *new[1:]


@readout(AveragedStep)
def _average(h, x, a):
    return a
