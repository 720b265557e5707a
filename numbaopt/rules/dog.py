"""DoG: the length of any rule's steps from the distance already gone, over the steps themselves."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from .._dispatch import scalar_rule
from .._parameters import NONNEGATIVE, POSITIVE
from .._rule import Rate, hyperparameters, innermost, per_iteration, readout, summed, update_rule, with_sums
from ..schedules import learning_rate
from ..schedules.auto import is_auto
from ..schedules.plateau import is_plateau


def _conflict(hyper: Any) -> str:
    rate = innermost(hyper.inner, "lr")
    return "lr of the method inside must be a number or a schedule" if is_auto(rate) or is_plateau(rate) else ""


@hyperparameters(conflict=_conflict, reps_rel=POSITIVE, gamma=NONNEGATIVE)
class DoG(NamedTuple):
    """Distance over gradients: another rule without its learning rate, for objectives with noise.

    ::

        d = x - (one step of `inner` from x)                     g, for SGD(lr=1)
        q = q + r * (g . (x0 - x))
        r = max(r, ||x - x0||)                                   if q >= 0; at first reps_rel * (1 + ||x0||)
        s = s + ||d||^2                                          at first eps
        x = x - lr * r / sqrt(s) * d
        a = a + (1 + gamma) / (t + gamma) * (x - a)              the answer

    Nothing is compared with a value of the objective, so noise does not mislead it: the length of a step is the
    farthest that x has been from x0, over the root of the sum of all squared steps, which grows for about the first
    hundred iterations and then falls as 1 / sqrt(t). Where the gradients, on the whole, do not lead away from x0
    (q < 0), x has only drifted, and r does not grow. The answer is an average that forgets the earliest iterates. It is
    what lr="auto" does with minibatches and noise (`numbaopt.schedules.Auto`).

    Parameters
    ----------
    inner : method
        The rule that gives the direction, such as `numbaopt.SGD(lr=1.0)` or `numbaopt.RMSprop()`. The size of its `lr`
        cancels; a schedule of it, relative to itself, does not. To maximise, say so there.
    lr : float or schedule
        Factor of the length, >= 0. 0.5 is better around rules with momentum, whose steps repeat each other.
    reps_rel : float
        Length of the first step, relative to 1 + ||x0||, > 0. Too small costs iterations; too large is not mended.
    eps : float
        What is added to the squares, >= 0.
    gamma : float
        How fast the average forgets, >= 0: about the last 1 / (1 + gamma) of the iterates count. 0 is their mean.
    safeguard : bool
        Whether to look at q; False is DoG as it was published.

    Raises
    ------
    TypeError, ValueError
        A hyper-parameter is of the wrong kind or out of its range, or the inner rule needs sums over all coordinates,
        as LAMB does: only one pass of sums is made.

    Examples
    --------
    >>> import numbaopt
    >>> method = numbaopt.DoG(numbaopt.RMSprop())
    >>> res = numbaopt.minimize(lambda x: ((x - 3) ** 2).sum(), [0.0, 0.0], method=method, options={"maxiter": 2000})
    >>> res.x.round(1).tolist()
    [3.0, 3.0]

    Notes
    -----
    Ivgi, Hinder and Carmon, "DoG is SGD's Best Friend: A Parameter-Free Dynamic Step Size Schedule", ICML 2023,
    equation 2, with the polynomial-decay averaging of Shamir and Zhang (ICML 2013), as the authors' package
    `dog-optimizer` 1.0.3 has them, there for SGD. Differs: eps is 1e-8 there, and there is no q, whose sign is that of
    the numerator of D-Adaptation's estimate (Defazio and Mishchenko, ICML 2023, Algorithm 1): without it, rules whose
    steps do not become longer with the gradient, Lion's above all, may drift off exponentially. Around another rule
    than SGD the step of that rule stands in the place of the gradient. The norms are of scaled variables (`x_scale`),
    of all coordinates, and summed in float64. It takes an array for x0, one for the average and the slots of `inner`.

    `success`, the messages and `history` are of x, not of the average, which is evaluated in the end.

    Use it where values of the objective cannot be compared, as between minibatches. Where they can, lr="auto" needs far
    fewer evaluations; with time to tune, a rate that falls by a schedule gets further.
    """

    inner: Any
    lr: Rate = 1.0
    reps_rel: float = 1e-6
    eps: float = 0.0
    gamma: float = 8.0
    safeguard: bool = True

    @property
    def maximize(self) -> bool:
        """What `inner` says."""
        return self.inner.maximize


class DoGScalars(NamedTuple):
    """Scalars of one iteration before its sums."""

    r: float
    s: float
    q: float
    guard: float  # 1 where q counts, else 0
    lr: float
    reps_rel: float
    part: float
    inner: Any


class DoGStep(NamedTuple):
    """Scalars of one iteration."""

    r: float  # the farthest from x0
    s: float  # sum of all squared steps
    q: float  # how far the gradients lead away from x0
    rate: float  # of the inner step
    part: float  # weight of the new iterate
    inner: Any


@per_iteration(DoG, carry={"r": 0.0, "s": lambda h: h.eps, "q": 0.0})
def _dog(h, t, inner, r, s, q) -> DoGScalars:
    guard, part = 0.0 if h.safeguard is None else 1.0, (1 + h.gamma) / (t + h.gamma)
    return DoGScalars(r, s, q, guard, learning_rate(h.lr, t), h.reps_rel, part, inner)


@summed(DoGScalars, "distance2", "start2", "step2", "away")
def _squares(h, x, g, x0, a, *slots):
    gone, d = x - x0, x - scalar_rule(h.inner, x, g, slots)[0]
    return gone * gone, x0 * x0, d * d, -g * gone


@with_sums(DoGScalars)
def _length(h, distance2, start2, step2, away) -> DoGStep:
    r = max(h.r, h.reps_rel * (1 + math.sqrt(start2)))
    q = h.q + h.guard * r * away
    r = max(r, math.sqrt(distance2)) if q >= 0 else r
    s = h.s + step2
    return DoGStep(r, s, q, h.lr * r / math.sqrt(s) if s > 0 else 0.0, h.part, h.inner)


@update_rule(DoGStep, slots=("x0", "a"), start={"x0": lambda h, x: x, "a": lambda h, x: x})
def dog(h, x, g, x0, a, *slots):
    """One element of x, of where it began and of the average."""
    new = scalar_rule(h.inner, x, g, slots)
    x = x + h.rate * (new[0] - x)
    return x, x0, a + h.part * (x - a), *new[1:]


@readout(DoGStep)
def _average(h, x, x0, a):
    return a


def around(method: Any) -> DoG:
    """DoG around a method with lr="auto", as it is run where values of the objective cannot be compared."""
    repeats = getattr(method, "betas", (getattr(method, "momentum", 0.0),))[0]
    return DoG(method._replace(lr=1.0), lr=0.5 if repeats else 1.0)
