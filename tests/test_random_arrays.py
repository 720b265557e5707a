"""Gradients of random programs of arrays, views and mutation."""

from __future__ import annotations

import pytest
from random_programs import PARTS, check


@pytest.mark.parametrize("part", range(PARTS))
def test_random_programs(part: int) -> None:
    check("arrays", part)
