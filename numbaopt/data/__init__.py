"""Reference data: problems of non-linear regression with certified answers, from NIST.

`load_nist` reads a file of the Statistical Reference Datasets (StRD) as published; two of them come with the package.
"""

from __future__ import annotations

import pathlib
import re
from importlib import resources
from typing import Any, NamedTuple

import numpy as np

__all__ = ["NistProblem", "load_nist"]


class NistProblem(NamedTuple):
    """One NIST data set: the data, where to start, and the answer."""

    name: str
    y: np.ndarray
    x: np.ndarray
    starts: tuple[np.ndarray, np.ndarray]  # start 1 (far) and start 2 (near)
    certified: np.ndarray  # the parameters
    certified_sd: np.ndarray  # their standard deviations
    rss: float  # certified residual sum of squares
    model: str  # as the file prints it


def load_nist(name_or_path: Any) -> NistProblem:
    """Read a NIST StRD file of non-linear regression.

    Parameters
    ----------
    name_or_path : str or path
        The name of a set that comes with the package ("Misra1a", "Thurber"), or the path of a `.dat` file.

    Returns
    -------
    NistProblem
        Data, starting points and certified values.

    Raises
    ------
    ValueError
        No such set comes with the package, or the file is not in the published format.

    Examples
    --------
    >>> from numbaopt.data import load_nist
    >>> problem = load_nist("Misra1a")
    >>> problem.x.size, problem.certified.tolist()
    (14, [238.94212918, 0.00055015643181])
    >>> problem.model
    'y = b1*(1-exp[-b2*x]) + e'
    """
    folder = resources.files(__package__) / "nist"
    path = pathlib.Path(name_or_path)
    if path.suffix:
        return _parse(path.read_text(encoding="ascii"), str(path))
    packaged = folder / f"{name_or_path}.dat"
    if not packaged.is_file():
        known = ", ".join(sorted(repr(f.name[:-4]) for f in folder.iterdir() if f.name.endswith(".dat")))
        raise ValueError(f"No data set {str(name_or_path)!r} comes with numbaopt. Known: {known}; or give a .dat file.")
    return _parse(packaged.read_text(encoding="ascii"), str(name_or_path))


def _parse(text: str, source: str) -> NistProblem:
    """The problem that `text` states; its header says in which lines the numbers are."""
    try:
        lines = text.splitlines()
        name = _field(text, r"^Dataset Name:\s+(\S+)")
        model = _field(text, r"^\s+(y\s+=.*?\+\s+e)\s*$")
        rss = float(_field(text, r"^Residual Sum of Squares:\s+(\S+)"))
        observations = int(_field(text, r"^Number of Observations:\s+(\d+)"))
        values = np.array([line.partition("=")[2].split() for line in _section(lines, "Starting Values")], dtype=float)
        data = np.array([line.split() for line in _section(lines, "Data")], dtype=float)
        if values.shape[1:] != (4,) or data.shape != (observations, 2):
            raise ValueError(f"its parameters have shape {values.shape}, its data {data.shape}")
    except ValueError as error:
        raise ValueError(
            f"{source} is not a NIST StRD file of non-linear regression in one variable: {error}."
        ) from None
    start1, start2, certified, sd = np.ascontiguousarray(values.T)
    y, x = np.ascontiguousarray(data.T)
    return NistProblem(name, y, x, (start1, start2), certified, sd, rss, " ".join(model.split()))


def _field(text: str, pattern: str) -> str:
    """What the group in `pattern` matches."""
    found = re.search(pattern, text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise ValueError(f"nothing in it matches {pattern!r}")
    return found[1]


def _section(lines: list[str], title: str) -> list[str]:
    """The lines that the header gives for `title`, as in "Data (lines 61 to 74)"; it counts from 1."""
    for line in lines:
        found = re.match(rf".*\b{title}\s+\(lines\s+(\d+)\s+to\s+(\d+)\)", line)
        if found:
            return lines[int(found[1]) - 1 : int(found[2])]
    raise ValueError(f"its header has no line range for {title!r}")
