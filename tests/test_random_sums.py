"""Gradients of random programs of loops that sum."""

from __future__ import annotations

import pytest
from random_programs import PARTS, check
from random_sums import NAME


@pytest.mark.parametrize("part", range(PARTS))
def test_random_programs(part: int) -> None:
    check(NAME, part, programs=60)
