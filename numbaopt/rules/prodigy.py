"""Prodigy: Adam with a learning rate that is found on the way."""

import math
from typing import NamedTuple

from .._compile import inlined
from .._parameters import FRACTION, POSITIVE
from .._rule import Rate, hyperparameters, per_iteration, summed, update_rule, with_sums
from ..schedules import learning_rate
from .adam import moments, unbiased


@hyperparameters(eps=POSITIVE, beta3=FRACTION, d_coef=POSITIVE)
class Prodigy(NamedTuple):
    """Prodigy: Adam's step, its length from an estimate d of the distance from x0 to the solution.

    ::

        g = grad f(x)                                            + weight_decay * x, if not decouple
        D = d * lr                                               * sqrt(1 - beta2^t) / (1 - beta1^t), if bias correction
        r = beta3 * r + d / d0 * D * <g, x0 - x>                 sums over all coordinates: <.,.> and |.|_1
        m = beta1 * m + (1 - beta1) * d * g
        v = beta2 * v + (1 - beta2) * d^2 * g^2
        s = beta3 * s + d / d0 * D * g                           d in the place of D, if safeguard_warmup
        e = d_coef * r / |s|_1
        d = max(d, e) if d = d0                                  until it first grows
        dmax = max(dmax, e)
        d = min(dmax, growth_rate * d)
        x = x - weight_decay * D * x                             if decouple
        x = x - D * m / (sqrt(v) + d * eps)                      D as above, with the d of the iteration before

    Use it when nothing is known about the right learning rate; not when it is known (Adam then needs fewer iterations),
    nor with sizes of x that differ by orders of magnitude and no `x_scale`, as one d serves all coordinates.

    Parameters
    ----------
    lr : float or schedule
        Factor of the estimated learning rate, >= 0; leave it at 1, or give a schedule that goes from 1 to 0.
    betas : (float, float)
        Decay rates of the two moments, in [0, 1).
    beta3 : float
        Decay rate of the sums that d is made of, in [0, 1); 0 means sqrt(beta2).
    eps : float
        Added, times d, to the root of the second moment, > 0.
    weight_decay : float
        Weight decay, >= 0.
    decouple : bool
        Decoupled decay as in AdamW, else coupled as in Adam.
    use_bias_correction : bool
        Correct the bias of the moments as Adam does.
    safeguard_warmup : bool
        Leave lr out of s, which keeps d from growing too far while a schedule of `lr` warms up.
    d0 : float
        First estimate of the distance, > 0; it only grows, so take it far too small, but not so small that x0 + d0
        is x0: with float32 and x of size 1, 1e-3 instead of 1e-6.
    d_coef : float
        Factor of the estimate, > 0: 0.5 or 2 make steps shorter or longer, where lr = 1 does not suit.
    growth_rate : float
        Largest factor by which d grows in an iteration, > 1.
    maximize : bool
        Maximise the objective.

    Raises
    ------
    TypeError, ValueError
        A hyper-parameter is of the wrong kind or out of its range.

    Examples
    --------
    >>> import numbaopt
    >>> res = numbaopt.minimize(lambda x: ((x - 3) ** 2).sum(), [0.0, 0.0], method=numbaopt.Prodigy())
    >>> res.success, res.x.round(3).tolist()
    (True, [3.0, 3.0])

    Notes
    -----
    Mishchenko and Defazio, "Prodigy: An Expeditiously Adaptive Parameter-Free Learner", ICML 2024, Algorithm 4.
    Defaults and arithmetic are those of the package `prodigyopt` 1.1.2 with `slice_p=1`: r and s are divided by d0,
    the paper's d_coef is 1, and with beta1 = 0 the step is D * d * g / (sqrt(v) + d * eps) with the new d.
    `optax.contrib.prodigy` always corrects for bias. Two things that are nearly never met are not as in prodigyopt: it
    does not count iterations before the first nonzero gradient, and leaves m, v and s alone where lr is 0.
    """

    lr: Rate = 1.0
    betas: tuple[float, float] = (0.9, 0.999)
    beta3: float = 0.0
    eps: float = 1e-8
    weight_decay: float = 0.0
    decouple: bool = True
    use_bias_correction: bool = False
    safeguard_warmup: bool = False
    d0: float = 1e-6
    d_coef: float = 1.0
    growth_rate: float = math.inf
    maximize: bool = False


class ProdigyScalars(NamedTuple):
    """Scalars of one iteration before d is known."""

    b1: float  # beta1
    c1: float  # (1 - beta1) d; 1 without momentum: m is g
    b2: float  # beta2
    c2: float  # (1 - beta2) d^2
    b3: float  # beta3
    c3: float  # d / d0 D, or d / d0 d
    weight_decay: float  # coupled decay
    gain: float  # d / d0 D
    step: float  # D
    decay: float  # D * decoupled decay
    eps: float
    d0: float
    d_coef: float
    growth_rate: float
    d: float
    d_max: float
    r: float


class ProdigyStep(NamedTuple):
    """Scalars of one iteration."""

    b1: float
    c1: float
    b2: float
    c2: float
    b3: float
    c3: float
    weight_decay: float
    step: float  # D; times the new d without momentum; 0 while all gradients were 0
    decay: float  # D * decoupled decay; 0 while all gradients were 0
    eps: float  # d * eps
    d: float
    d_max: float
    r: float


@inlined
def estimated_rate(h, t, d):
    """d * lr, with the correction of Adam's step for the bias of its moments where it is asked for."""
    b1, b2 = h.betas
    correction = math.sqrt(unbiased(b2, t)) / unbiased(b1, t) if h.use_bias_correction else 1.0
    return d * learning_rate(h.lr, t) * correction


@per_iteration(Prodigy, carry={"d": lambda h: h.d0, "d_max": lambda h: h.d0, "r": 0.0})
def _prodigy(h, t, d, d_max, r) -> ProdigyScalars:
    b1, b2 = h.betas
    b3 = h.beta3 if h.beta3 > 0 else math.sqrt(b2)
    rate = estimated_rate(h, t, d)
    gain = d / h.d0 * rate
    c3 = d / h.d0 * d if h.safeguard_warmup else gain
    decoupled, coupled = (h.weight_decay, 0.0) if h.decouple else (0.0, h.weight_decay)
    means = b1, (1 - b1) * d if b1 > 0 else 1.0, b2, (1 - b2) * d * d, b3, c3, coupled
    return ProdigyScalars(*means, gain, rate, rate * decoupled, h.eps, h.d0, h.d_coef, h.growth_rate, d, d_max, r)


@summed(ProdigyScalars, "progress", "size")
def _distance(h, x, g, m, v, s, p):
    return g * (p - x), abs(h.b3 * s + h.c3 * g)


@with_sums(ProdigyScalars)
def _with_distance(h, progress, size) -> ProdigyStep:
    means = h.b1, h.c1, h.b2, h.c2, h.b3, h.c3, h.weight_decay
    if not size > 0:  # no gradient yet
        return ProdigyStep(*means, 0.0, 0.0, h.d * h.eps, h.d, h.d_max, h.r)
    r = h.b3 * h.r + h.gain * progress
    estimate = h.d_coef * r / size
    d = max(h.d, estimate) if h.d == h.d0 else h.d
    d_max = max(h.d_max, estimate)
    d = min(d_max, d * h.growth_rate)
    step = h.step if h.b1 > 0 else h.step * d
    return ProdigyStep(*means, step, h.decay, d * h.eps, d, d_max, r)


@update_rule(ProdigyStep, slots=("m", "v", "s", "p"), start={"p": lambda h, x: x})
def prodigy(h, x, g, m, v, s, p):
    """One element of Prodigy."""
    m, v = moments(h, g, m, v)
    s = h.b3 * s + h.c3 * g
    return x - h.decay * x - h.step * m / (math.sqrt(v) + h.eps), m, v, s, p
