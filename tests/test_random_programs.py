"""Gradients of random programs: right or refused, never wrong."""

from __future__ import annotations

import collections

import pytest
from random_programs import GRAMMARS, outcome, shrunk

PROGRAMS, PARTS = 100, 4


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("grammar", GRAMMARS)
def test_random_programs(grammar, part):
    """The generated text is run by CPython, every tenth is compiled."""
    counts = collections.Counter()
    for seed in range(part * PROGRAMS // PARTS, (part + 1) * PROGRAMS // PARTS):
        text, compiled = GRAMMARS[grammar](seed).program(), seed % 10 == 0
        result = outcome(text, seed, compiled)
        counts[result.split(":")[0]] += 1
        if result.startswith(("wrong", "error")):
            pytest.fail(f"{result}, seed {seed}:\n{shrunk(text, seed, compiled)}")
    print(grammar, dict(counts))
    assert counts["right"] > 0.9 * sum(counts.values())
