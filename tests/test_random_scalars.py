"""Gradients of random programs of scalars, loops and branches."""

from __future__ import annotations

import pytest
from random_programs import PARTS, check


@pytest.mark.parametrize("part", range(PARTS))
def test_random_programs(part: int) -> None:
    check("scalars", part)
