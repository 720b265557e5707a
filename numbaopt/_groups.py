"""Parts of x with hyper-parameters of their own, and parts that stay: from what the user says to what drivers take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numba
import numpy as np

from ._parameters import unchecked
from ._rule import compiled_form
from .drivers.groups import grouped
from .drivers.sweep import Box


def method_form(hyper: Any, groups: Any, n: int) -> Any:
    """A method in compiled form; with `groups`, those of all groups and the coordinates of each."""
    if groups is None:
        return compiled_form(hyper)
    if not isinstance(groups, Mapping) or not groups:
        raise TypeError(
            f"groups={groups!r:.80} must be a dict such as {{'scale': (slice(0, 3), {{'lr': 0.1}})}}: for each group "
            "its coordinates and the hyper-parameters that differ."
        )
    owner = np.zeros(n, np.int64)
    forms = [compiled_form(hyper)]
    kind = numba.typeof(forms[0])
    for k, (name, group) in enumerate(groups.items(), start=1):
        if not (isinstance(group, tuple) and len(group) == 2 and isinstance(group[1], Mapping)):
            raise TypeError(
                f"groups[{name!r}]={group!r:.80} must be a pair: coordinates (a slice, mask or list of indices), and a "
                "dict of the hyper-parameters that differ, such as (slice(0, 3), {'lr': 0.1})."
            )
        index = coordinates(f"groups[{name!r}]", group[0], n)
        taken = index[owner[index] > 0]
        if taken.size:
            raise ValueError(f"groups[{name!r}]: x[{taken[0]}] is in group {list(groups)[owner[taken[0]] - 1]!r} too.")
        owner[index] = k
        forms.append(compiled_form(_changed(name, hyper, group[1])))
        if numba.typeof(forms[-1]) != kind:
            raise ValueError(
                f"groups[{name!r}]: {dict(group[1])} makes another kind of method than {hyper}: numbers may differ "
                "between groups; flags, schedules and what is zero must not."
            )
    return grouped(forms, owner)


def _changed(name: Any, hyper: Any, changes: Mapping) -> Any:
    unknown = [key for key in changes if key not in hyper._fields]
    if unknown:
        raise ValueError(
            f"groups[{name!r}]: {type(hyper).__name__} has no hyper-parameter {unknown[0]!r}; it has "
            f"{', '.join(map(repr, hyper._fields))}."
        )
    if "maximize" in changes:
        raise ValueError(f"groups[{name!r}]: maximize is for all of x.")
    return hyper._replace(**changes)


def coordinates(what: str, given: Any, n: int) -> np.ndarray:
    """Sorted indices below `n` from a slice, a boolean mask or a list of indices."""
    if isinstance(given, slice):
        return np.arange(n)[given]
    try:
        index = np.asarray(given)
        if index.dtype == bool and index.shape == (n,):
            return np.flatnonzero(index)
        if index.dtype.kind in "iu" and index.ndim <= 1 and np.all((-n <= index) & (index < n)):
            return np.unique(index.reshape(-1) % n)
    except (TypeError, ValueError):
        pass
    raise ValueError(
        f"{what}: {given!r:.80} must be a slice, a boolean mask of shape ({n},), or indices in [{-n}, {n - 1}]."
    )


def with_fixed(space: Box | None, x0: np.ndarray, fixed: Any) -> Box | None:
    """The space in which the coordinates `fixed` stay where they are."""
    if fixed is None:
        return space
    index = coordinates("fixed", fixed, x0.size)
    if index.size == x0.size:
        raise ValueError("fixed: all of x is fixed, there is nothing to minimise over.")
    if space is None:
        space = Box(np.ones_like(x0), np.full_like(x0, -np.inf), np.full_like(x0, np.inf))
    lower, upper = space.lower.copy(), space.upper.copy()
    lower[index] = upper[index] = x0[index]
    return unchecked(Box, (space.scale, lower, upper))
