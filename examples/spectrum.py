"""A spectrum of two peaks on a decaying baseline, from starting values found in the data.

Gauss1 of NIST's Statistical Reference Datasets (https://www.itl.nist.gov/div898/strd/nls/data/gauss1.shtml; B. Rust,
1996): 250 points that NIST generated from the model with normal noise, and the certified answer. The model:

    y = b1 exp(-b2 x) + b3 exp(-((x - b4) / b5)^2) + b6 exp(-((x - b7) / b8)^2)

    python examples/spectrum.py
"""

from __future__ import annotations

import pathlib
from typing import NamedTuple

import numpy as np
from scipy.signal import find_peaks

import numbaopt
from numbaopt.data import NistProblem, load_nist

DATA = pathlib.Path(__file__).parent.parent / "tests" / "data" / "nist" / "Gauss1.dat"
NAMES = ("baseline", "its decay", "height 1", "centre 1", "width 1", "height 2", "centre 2", "width 2")


class Fit(NamedTuple):
    """What was fitted, to what."""

    problem: NistProblem
    start: np.ndarray
    popt: np.ndarray
    sd: np.ndarray
    intervals: np.ndarray  # (8, 2), of 95 %


def spectrum(x, b1, b2, b3, b4, b5, b6, b7, b8):
    """Baseline and two peaks."""
    return b1 * np.exp(-b2 * x) + b3 * np.exp(-(((x - b4) / b5) ** 2)) + b6 * np.exp(-(((x - b7) / b8) ** 2))


def starting_values(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A baseline through both ends, and the two most prominent peaks above it."""
    decay = np.log(y[:5].mean() / y[-5:].mean()) / (x[-3] - x[2])
    baseline = y[0] * np.exp(-decay * (x - x[0]))
    smooth = np.convolve(y - baseline, np.full(9, 1 / 9), mode="same")
    peaks, found = find_peaks(smooth, prominence=0.1 * np.ptp(smooth), width=0)
    first, second = np.sort(np.argsort(found["prominences"])[-2:])
    widths = found["widths"] * (x[1] - x[0]) / (2 * np.sqrt(np.log(2)))  # from those at half height
    start = [y[0] * np.exp(decay * x[0]), decay]
    for k in (first, second):
        start += [smooth[peaks[k]], x[peaks[k]], widths[k]]
    return np.array(start)


def main() -> Fit:
    """Fit and print, beside the certified values."""
    problem = load_nist(DATA)
    x, y = problem.x, problem.y
    start = starting_values(x, y)
    popt, pcov = numbaopt.curve_fit(spectrum, x, y, start)
    sd = np.sqrt(np.diag(pcov))
    intervals = numbaopt.confidence_intervals(spectrum, x, y, popt)

    print(f"{'':11}{'start':>9}{'fitted':>15} +- {'sd':<12}{'certified':>15} +- {'sd':<12}{'95 % interval':>21}")
    rows = zip(NAMES, start, popt, sd, problem.certified, problem.certified_sd, intervals, strict=True)
    for name, begin, value, deviation, right, right_sd, (lower, upper) in rows:
        fitted, certified = f"{value:15.8g} +- {deviation:<12.6g}", f"{right:15.8g} +- {right_sd:<12.6g}"
        print(f"{name:11}{begin:>9.3g}{fitted}{certified}{lower:>11.5g}{upper:>10.5g}")
    rss = np.sum((spectrum(x, *popt) - y) ** 2)
    print(f"sum of squares: {rss:.8g}, certified: {problem.rss:.8g}")
    return Fit(problem, start, popt, sd, intervals)


if __name__ == "__main__":
    main()
