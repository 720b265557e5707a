"""Update rules that torch.optim does not have, in the form of `reference_torch.py`, each from its paper.

Where an implementation departs from the paper, the names of both are given and the implementation is followed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from reference_torch import coupled, decoupled, moments, rectification, signed, sma_length, starts


def lion(h, t, x, g, m):
    """Chen et al. (2023), Algorithm 2."""
    (b1, b2), g = h.betas, signed(h, g)
    x = decoupled(h, x) - h.lr * np.sign(b1 * m + (1 - b1) * g)
    return x, b2 * m + (1 - b2) * g


def adabelief(h, t, x, g, m, s):
    """Zhuang et al. (2020), Algorithm 2, and adabelief_pytorch: decoupled decay, optional rectification from 5 on."""
    b1, b2 = h.betas
    x, g = decoupled(h, x), signed(h, g)
    m = b1 * m + (1 - b1) * g
    s = b2 * s + (1 - b2) * (g - m) ** 2 + h.eps
    m_hat = m / (1 - b1**t)
    if not h.rectify:
        d = m_hat / (np.sqrt(s / (1 - b2**t)) + h.eps)
    elif sma_length(b2, t) >= 5:
        d = m_hat * rectification(b2, t) * np.sqrt(1 - b2**t) / (np.sqrt(s) + h.eps)
    else:
        d = m_hat
    return x - h.lr * d, m, s


@starts(lambda h, x: [np.full_like(x, h.initial_accumulator_value)] * 2)
def yogi(h, t, x, g, m, v):
    """Zaheer et al. (2018), Algorithm 2, with optax's first averages and correction for bias."""
    b1, b2 = h.betas
    g = coupled(h, x, g)
    m = b1 * m + (1 - b1) * g
    v = v - (1 - b2) * np.sign(v - g**2) * g**2
    return x - h.lr * m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + h.eps), m, v


def adan(h, t, x, g, m, d, n, p):
    """Xie et al. (2022), Algorithm 1, with sail-sg's betas (1 minus the paper's) and correction for bias."""
    (b1, b2, b3), g = h.betas, signed(h, g)
    difference = g - p if t > 1 else 0 * g
    m = b1 * m + (1 - b1) * g
    d = b2 * d + (1 - b2) * difference
    n = b3 * n + (1 - b3) * (g + b2 * difference) ** 2
    step = (m / (1 - b1**t) + b2 * d / (1 - b2**t)) / (np.sqrt(n / (1 - b3**t)) + h.eps)
    x = decoupled(h, x) - h.lr * step if h.no_prox else (x - h.lr * step) / (1 + h.lr * h.weight_decay)
    return x, m, d, n, g


def ademamix(h, t, x, g, m, v, n):
    """Pagliardini et al. (2024), Algorithm 1, with its warm-ups of alpha and of the slow average."""
    (b1, b2, b3), g = h.betas, signed(h, g)
    alpha = h.alpha * min(1, t / h.t_alpha) if h.t_alpha else h.alpha
    if t < h.t_beta3:  # ln 0.5 / ln b3, a half-life, grows linearly
        b3 = np.exp(1 / ((1 - t / h.t_beta3) / np.log(b1) + t / h.t_beta3 / np.log(b3)))
    m, v = moments(h, g, m, v)
    n = b3 * n + (1 - b3) * g
    d = (m / (1 - b1**t) + alpha * n) / (np.sqrt(v / (1 - b2**t)) + h.eps)
    return x - h.lr * (d + h.weight_decay * x), m, v, n


def lamb(h, t, x, g, m, v):
    """You et al. (2020), Algorithm 2 with the identity for phi; its last version does not correct for bias."""
    b1, b2 = h.betas
    m, v = moments(h, signed(h, g), m, v)
    m_hat, v_hat = (m / (1 - b1**t), v / (1 - b2**t)) if h.bias_correction else (m, v)
    u = m_hat / (np.sqrt(v_hat) + h.eps) + h.weight_decay * x
    return x - h.lr * trust_ratio(x, u) * u, m, v


def lars(h, t, x, g, b):
    """You et al. (2017), Algorithm 1, with optax's trust ratio, of g with its decay, and Nesterov's momentum."""
    g = coupled(h, x, g)
    g = h.lr * trust_ratio(x, g, h.trust_coefficient, h.eps) * g
    b = h.momentum * b + g
    return x - (g + h.momentum * b if h.nesterov else b), b


def trust_ratio(x, u, coefficient=1.0, eps=0.0):
    """How long a step is that has the length of x; 1 where it would be 0 or undefined."""
    lengths = np.linalg.norm(x), np.linalg.norm(u)
    return coefficient * lengths[0] / (lengths[1] + eps) if min(lengths) > 0 else 1.0


@starts(lambda h, x: [*np.zeros((3, x.size)), x, {"d": h.d0, "d_max": h.d0, "numerator": 0.0}])
def prodigy(h, t, x, g, m, v, s, p, memory):
    """Mishchenko and Defazio (2024), Algorithm 4, and prodigyopt: s and the numerator divided by d0."""
    b1, b2 = h.betas
    b3 = h.beta3 or np.sqrt(b2)
    g = signed(h, g) if h.decouple else coupled(h, x, g)
    d, d_max, numerator = memory.values()
    rate = d * h.lr * (np.sqrt(1 - b2**t) / (1 - b1**t) if h.use_bias_correction else 1)
    numerator = b3 * numerator + d / h.d0 * rate * (g @ (p - x))
    m = b1 * m + (1 - b1) * d * g
    v = b2 * v + (1 - b2) * d**2 * g**2
    s = b3 * s + d / h.d0 * (d if h.safeguard_warmup else rate) * g
    if not s.any():
        return x, m, v, s, p, memory
    estimate = h.d_coef * numerator / np.sum(np.abs(s))
    grown = max(d, estimate) if d == h.d0 else d
    d_max = max(d_max, estimate)
    d = min(d_max, grown * h.growth_rate)
    if h.decouple:
        x = x - h.weight_decay * rate * x
    step = m if b1 > 0 else d * g  # without momentum prodigyopt multiplies g by the new d
    return x - rate * step / (np.sqrt(v) + d * h.eps), m, v, s, p, {"d": d, "d_max": d_max, "numerator": numerator}


@starts(lambda h, x: [*np.zeros((3, x.size)), {"d": h.d0, "numerator": 0.0}])
def dadaptadam(h, t, x, g, m, v, s, memory):
    """Defazio and Mishchenko (2023), Algorithm 5, and dadaptation."""
    b1, b2 = h.betas
    b3 = np.sqrt(b2)
    g = signed(h, g) if h.decouple else coupled(h, x, g)
    d, numerator = memory.values()
    rate = d * h.lr * (np.sqrt(1 - b2**t) / (1 - b1**t) if h.use_bias_correction else 1)
    numerator = b3 * numerator + (1 - b3) * rate * (g @ (s / (np.sqrt(v) + h.eps)))
    m = b1 * m + (1 - b1) * rate * g
    v = b2 * v + (1 - b2) * g**2
    s = b3 * s + (1 - b3) * rate * g
    if not s.any():
        return x, m, v, s, memory
    d = max(d, min(numerator / ((1 - b3) * np.sum(np.abs(s))), d * h.growth_rate))
    if h.decouple:
        x = x - h.weight_decay * rate * x
    return x - m / (np.sqrt(v) + h.eps), m, v, s, {"d": d, "numerator": numerator}


@starts(lambda h, x: [x, np.zeros_like(x), {"sum": 0.0, "lr_max": 0.0}])
def schedulefreeadamw(h, t, x, g, z, v, memory):
    """Defazio et al. (2024), Algorithm 1, and schedulefree: x stands for y, the decay is at y."""
    b1, b2 = h.betas
    g = signed(h, g)
    v = b2 * v + (1 - b2) * g**2
    g = g / (np.sqrt(v / (1 - b2**t)) + h.eps) + h.weight_decay * x
    x, z, memory = schedule_free(h, t, x, g, z, memory, b1)
    return x, z, v, memory


@starts(lambda h, x: [x, {"sum": 0.0, "lr_max": 0.0}])
def schedulefreesgd(h, t, x, g, z, memory):
    """Defazio et al. (2024), equations 3 to 5, and schedulefree: x stands for y, the decay is at y."""
    return schedule_free(h, t, x, coupled(h, x, g), z, memory, h.momentum)


def schedule_free(h, t, y, g, z, memory, b1):
    """The paper's three sequences: x is the weighted mean of z, y lies between them."""
    x = schedule_free_point(y, z, b1)
    lr = h.lr * min(1, t / h.warmup_steps) if h.warmup_steps else h.lr
    lr_max = max(lr, memory["lr_max"])
    weight = t**h.r * lr_max**h.weight_lr_power
    total = memory["sum"] + weight
    z = z - lr * g
    x = x + (weight / total if total else 0) * (z - x)
    return (1 - b1) * z + b1 * x, z, {"sum": total, "lr_max": lr_max}


def schedule_free_point(y, z, b1):
    """Defazio et al.: x, the point to return, from y = (1 - b1) z + b1 x."""
    return y + (1 - 1 / b1) * (z - y)


def sm3(h, t, x, g, v, m):
    """Anil et al. (2019), Algorithm SM3-II of a vector, which is diagonal Adagrad, with optax's momentum and eps."""
    v = v + signed(h, g) ** 2
    u = signed(h, g) * np.where(v > 0, 1 / np.sqrt(v + h.eps), 0)
    m = h.momentum * m + (1 - h.momentum) * u
    return x - h.lr * m, v, m


def sm3_no_momentum(h, t, x, g, v):
    """The same, where momentum = 0."""
    return sm3(h, t, x, g, v, 0.0)[:2]


def lookahead(inner: Callable) -> Callable:
    """Zhang et al. (2019), Algorithm 1, around a rule; the last slot is the slow point."""

    @starts(lambda h, x: [x])
    def update(h, t, x, g, *slots):
        *slots, slow = slots
        x, *slots = inner(h.inner, t, x, g, *slots)
        if t % h.sync_period == 0:
            x = slow = slow + h.slow_step_size * (x - slow)
        return x, *slots, slow

    update.inner = inner
    return update


def dog(inner: Callable) -> Callable:
    """Ivgi et al. (2023), equation 2, around a rule, and the average of Shamir and Zhang (2013)."""

    @starts(lambda h, x: [x, x, {"r": 0.0, "s": h.eps, "q": 0.0}])
    def update(h, t, x, g, *slots):
        *slots, x0, a, memory = slots
        there, *slots = inner(h.inner, t, x, g, *slots)
        r = max(memory["r"], h.reps_rel * (1 + np.linalg.norm(x0)))
        q = memory["q"] + r * np.sum(coupled(h.inner, x, g) * (x0 - x)) * h.safeguard
        r = max(r, np.linalg.norm(x - x0)) if q >= 0 else r
        s = memory["s"] + np.sum((x - there) ** 2)
        x = x - h.lr * r / np.sqrt(s) * (x - there)
        a = (1 - (1 + h.gamma) / (t + h.gamma)) * a + (1 + h.gamma) / (t + h.gamma) * x
        return x, *slots, x0, a, {"r": r, "s": s, "q": q}

    update.inner = inner
    return update
