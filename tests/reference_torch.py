"""The update rules of torch.optim as whole-vector NumPy, each from its paper and torch's documentation.

A rule is `update(h, t, x, g, *slots) -> (x, *slots)`: iteration t (from 1) with the hyper-parameters h, an object whose
`lr` is a number. Slots are zero before the first iteration unless `@starts` says otherwise. Scalars that a rule keeps
from one iteration to the next are in a dict, its last slot.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def starts(slots: Callable) -> Callable[[Callable], Callable]:
    """The decorated rule begins with the slots `slots(h, x)`."""

    def mark(update: Callable) -> Callable:
        update.start = slots
        return update

    return mark


def signed(h, g):
    """The gradient of what is minimized."""
    return -g if h.maximize else g


def coupled(h, x, g):
    """The same with coupled weight decay."""
    return signed(h, g) + h.weight_decay * x


def decoupled(h, x):
    """x after decoupled weight decay."""
    return x - h.lr * h.weight_decay * x


def moments(h, g, m, v):
    """Kingma and Ba's averages of the gradient and of its square."""
    b1, b2, *_ = h.betas
    return b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2


def sgd(h, t, x, g, *b):
    """Sutskever et al. (2013), with torch's form of the momentum: the first buffer is the gradient, undampened."""
    g = coupled(h, x, g)
    if not h.momentum:
        return (x - h.lr * g,)
    b = g if t == 1 else h.momentum * b[0] + (1 - h.dampening) * g
    return x - h.lr * (g + h.momentum * b if h.nesterov else b), b


def rmsprop(h, t, x, g, v, *more):
    """Hinton (2012), lecture 6e; centered: Graves (2013), equations 38 to 45, with torch's places for eps and lr."""
    g = coupled(h, x, g)
    v = h.alpha * v + (1 - h.alpha) * g**2
    b, m = more[:1] if h.momentum else (), more[-1:] if h.centered else ()
    if h.centered:
        m = (h.alpha * m[0] + (1 - h.alpha) * g,)
    d = g / (np.sqrt(np.maximum(v - m[0] ** 2, 0) if h.centered else v) + h.eps)
    if h.momentum:
        d = h.momentum * b[0] + d
        b = (d,)
    return x - h.lr * d, v, *b, *m


def adadelta(h, t, x, g, s, a):
    """Zeiler (2012), Algorithm 1, with torch's lr and weight decay."""
    g = coupled(h, x, g)
    s = h.rho * s + (1 - h.rho) * g**2
    d = np.sqrt(a + h.eps) / np.sqrt(s + h.eps) * g
    a = h.rho * a + (1 - h.rho) * d**2
    return x - h.lr * d, s, a


@starts(lambda h, x: [np.full_like(x, h.initial_accumulator_value)])
def adagrad(h, t, x, g, v):
    """Duchi et al. (2011), the diagonal form, with torch's decay of lr."""
    g = coupled(h, x, g)
    v = v + g**2
    return x - h.lr / (1 + (t - 1) * h.lr_decay) * g / (np.sqrt(v) + h.eps), v


def adam(h, t, x, g, m, v, *vmax):
    """Kingma and Ba (2015), Algorithm 1, with torch's coupled weight decay and AMSGrad."""
    return adam_without_decay(h, t, x, coupled(h, x, g), m, v, *vmax)


def adamw(h, t, x, g, m, v, *vmax):
    """Loshchilov and Hutter (2019), Algorithm 2, with the decay multiplied by lr, as torch has it."""
    return adam_without_decay(h, t, decoupled(h, x), signed(h, g), m, v, *vmax)


def amsgrad(h, t, x, g, m, v, vmax):
    """Reddi et al. (2018), Algorithm 2, with torch's correction for bias."""
    return adam_without_decay(h, t, x, coupled(h, x, g), m, v, vmax)


def adam_without_decay(h, t, x, g, m, v, *vmax):
    """The moments, their correction for bias, the step."""
    b1, b2 = h.betas
    m, v = moments(h, g, m, v)
    if vmax:
        vmax = (np.maximum(vmax[0], v),)
    m_hat, v_hat = m / (1 - b1**t), (vmax[0] if vmax else v) / (1 - b2**t)
    return x - h.lr * m_hat / (np.sqrt(v_hat) + h.eps), m, v, *vmax


def sparseadam(h, t, x, g, m, v):
    """Adam where all coordinates have a gradient, with torch's eps before the correction for bias."""
    b1, b2 = h.betas
    m, v = moments(h, signed(h, g), m, v)
    return x - h.lr * np.sqrt(1 - b2**t) / (1 - b1**t) * m / (np.sqrt(v) + h.eps), m, v


def adamax(h, t, x, g, m, u):
    """Kingma and Ba (2015), Algorithm 2, with torch's eps."""
    b1, b2 = h.betas
    g = coupled(h, x, g)
    m = b1 * m + (1 - b1) * g
    u = np.maximum(b2 * u, np.abs(g) + h.eps)
    return x - h.lr / (1 - b1**t) * m / u, m, u


def nadam(h, t, x, g, m, v):
    """Dozat (2016), Algorithm 8 with its schedule of the momentum, which torch applies to the update only."""
    if h.decoupled_weight_decay:
        return nadamw(h, t, x, g, m, v)
    return nadam_without_decay(h, t, x, coupled(h, x, g), m, v)


def nadamw(h, t, x, g, m, v):
    """The same with decoupled weight decay."""
    return nadam_without_decay(h, t, decoupled(h, x), signed(h, g), m, v)


def nadam_without_decay(h, t, x, g, m, v):
    """The moments, the momenta mu_1 to mu_(t + 1), the step."""
    b1, b2 = h.betas
    m, v = moments(h, g, m, v)
    mu = b1 * (1 - 0.5 * 0.96 ** (np.arange(1, t + 2) * h.momentum_decay))
    now, then = (1 - mu[t - 1]) / (1 - np.prod(mu[:t])), mu[t] / (1 - np.prod(mu))
    return x - h.lr * (now * g + then * m) / (np.sqrt(v / (1 - b2**t)) + h.eps), m, v


def radam(h, t, x, g, m, v):
    """Liu et al. (2020), Algorithm 2, with torch's threshold 5 and its eps beside the raw root."""
    b1, b2 = h.betas
    x, g = (decoupled(h, x), signed(h, g)) if h.decoupled_weight_decay else (x, coupled(h, x, g))
    m, v = moments(h, g, m, v)
    m_hat, rho, r = m / (1 - b1**t), sma_length(b2, t), rectification(b2, t)
    return x - h.lr * m_hat * (r * np.sqrt(1 - b2**t) / (np.sqrt(v) + h.eps) if rho > 5 else 1), m, v


def sma_length(b2, t):
    """Liu et al.: length of the simple moving average that b2 stands for."""
    return 2 / (1 - b2) - 1 - 2 * t * b2**t / (1 - b2**t)


def rectification(b2, t):
    """Liu et al.: r_t, or 0 where it is not defined."""
    last, rho = 2 / (1 - b2) - 1, sma_length(b2, t)
    return np.sqrt((rho - 4) * (rho - 2) * last / ((last - 4) * (last - 2) * rho)) if rho > 4 else 0.0


@starts(lambda h, x: [np.zeros_like(x), np.full_like(x, h.lr)])
def rprop(h, t, x, g, p, d):
    """Riedmiller and Braun (1993), without the backtracking (Igel and Huesken's iRprop-), as torch has it."""
    g = signed(h, g)
    same = np.sign(g) * np.sign(p)
    d = np.clip(d * np.where(same > 0, h.etas[1], np.where(same < 0, h.etas[0], 1)), *h.step_sizes)
    g = np.where(same < 0, 0, g)
    return x - d * np.sign(g), g, d


def asgd(h, t, x, g, a):
    """Polyak and Juditsky (1992) with Bottou's step sizes; as in torch those of iteration t are made of t - 1."""
    g = coupled(h, x, g)
    eta = h.lr / (1 + h.lambd * h.lr * (t - 1)) ** h.alpha
    x = x - h.lambd * eta * x - eta * g
    return x, a + (x - a) / max(1, t - 1 - h.t0)
