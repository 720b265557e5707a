"""Random numbers of compiled loops: splitmix64 (Steele, Lea and Flood 2014), whose whole state is one uint64.

A run keeps the state with all else, so that it is the same for the same seed, whoever evaluates `fun`, on any number of
threads, and after a break.
"""

from __future__ import annotations

import numpy as np

from .._compile import inlined, part

GAMMA = np.uint64(0x9E3779B97F4A7C15)
"""What the state is moved on by for each draw."""


@inlined
def mixed(state):
    """The 64 random bits of a state."""
    z = state
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@inlined
def random_bits(random):
    """64 random bits; `random`, of shape (1,), is the state."""
    random[0] += GAMMA
    return mixed(random[0])


@part
def uniform(random):
    """A random number in (0, 1): the middle of one of 2^52 equal parts, so neither end."""
    return (np.float64(random_bits(random) >> np.uint64(12)) + 0.5) * 2.0**-52


@part
def below(random, bound):
    """A random integer in [0, bound) for bound < 2^32: 32 bits times bound, by 2^32; off by bound / 2^32 at most."""
    return np.int64((random_bits(random) >> np.uint64(32)) * np.uint64(bound) >> np.uint64(32))


@part
def fill_normal(random, z):
    """Fill z with independent standard normal numbers, in pairs (Box and Muller 1958)."""
    for i in range(0, z.size, 2):
        radius, angle = np.sqrt(-2.0 * np.log(uniform(random))), 2.0 * np.pi * uniform(random)
        z[i] = radius * np.cos(angle)
        if i + 1 < z.size:
            z[i + 1] = radius * np.sin(angle)
