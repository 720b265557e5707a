"""Gradients of random programs of loops that sum."""

from __future__ import annotations

import pytest
import random_sums
from random_programs import PARTS, check


@pytest.mark.parametrize("part", range(PARTS))
def test_random_programs(part: int) -> None:
    assert random_sums.Sums.blocks > 0
    check("sums", part)
