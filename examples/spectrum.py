"""How much is there of seven metals? A measured X-ray fluorescence spectrum, fitted with its fourteen peaks at once.

790 channels of the spectrum of a thin standard, from ESRF's PyMca (data/README.md). Each metal has two lines, K-alpha
and K-beta, at energies that are known; the counts under them, the energy of channels, the resolution of the detector
and the background are fitted. For a line of energy E with A counts:

    A gain / (s sqrt(2 pi)) exp(-((zero + gain channel - E) / s)^2 / 2),     s^2 = noise^2 + fano E

    python examples/spectrum.py
"""

from __future__ import annotations

import pathlib
from typing import NamedTuple

import numpy as np

import numbaopt

DATA = pathlib.Path(__file__).parent / "data" / "xrf_spectrum.csv"
METALS = ("Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn")
ALPHA = np.array([5.4117, 5.8951, 6.3995, 6.9253, 7.4724, 8.0411, 8.6312])  # keV
BETA = np.array([5.9467, 6.4905, 7.0580, 7.6494, 8.2647, 8.9053, 9.5720])
LINES = np.concatenate((ALPHA, BETA))
START = (-0.5, 0.005, 0.05, 5e-4, 0.1, 100.0, 0.0, 0.0, *[3e4] * 7)


class Fit(NamedTuple):
    """What was fitted, to what."""

    channel: np.ndarray
    counts: np.ndarray
    popt: np.ndarray
    sd: np.ndarray
    intervals: np.ndarray  # (7, 2), of 95 %, of the counts of each metal
    chisq: float  # over degrees of freedom


def spectrum(channel, zero, gain, noise, fano, ratio, base, slope, bend, cr, mn, fe, co, ni, cu, zn):
    """A curved background, and two lines of each metal; `ratio` is that of the second to the first."""
    t = (channel - 1500) / 400
    energy, found = zero + gain * channel, base + slope * t + bend * t * t
    counts = np.array([cr, mn, fe, co, ni, cu, zn])
    for k in range(LINES.size):
        variance = noise**2 + fano * LINES[k]
        height = counts[k % 7] * (1.0 if k < 7 else ratio) * gain / np.sqrt(2 * np.pi * variance)
        found += height * np.exp(-((energy - LINES[k]) ** 2) / (2 * variance))
    return found


def main() -> Fit:
    """Fit and print."""
    channel, counts = np.loadtxt(DATA, delimiter=",", skiprows=1, unpack=True)
    sigma = np.sqrt(counts)  # of numbers of photons
    popt, pcov = numbaopt.curve_fit(spectrum, channel, counts, START, sigma, absolute_sigma=True)
    sd = np.sqrt(np.diag(pcov))
    intervals = numbaopt.confidence_intervals(spectrum, channel, counts, popt, sigma, True, parameters=range(8, 15))
    chisq = np.sum(((spectrum(channel, *popt) - counts) / sigma) ** 2) / (counts.size - popt.size)

    print(f"chi-square per degree of freedom {chisq:.3f}")
    width = 2.3548 * np.sqrt(popt[2] ** 2 + popt[3] * ALPHA[1])
    print(f"a channel is {1e3 * popt[1]:.4f} +- {1e3 * sd[1]:.4f} eV; lines of manganese are {1e3 * width:.1f} eV wide")
    print(f"K-beta over K-alpha {popt[4]:.4f} +- {sd[4]:.4f}\n")
    print(f"{'':4}{'channel':>8}{'counts':>11} +- {'sd':<8}{'95 % interval':>21}")
    for k, metal in enumerate(METALS):
        (lower, upper), place = intervals[k], (ALPHA[k] - popt[0]) / popt[1]
        print(f"{metal:4}{place:8.1f}{popt[8 + k]:11.0f} +- {sd[8 + k]:<8.0f}{lower:>11.0f}{upper:>10.0f}")
    return Fit(channel, counts, popt, sd, intervals, float(chisq))


if __name__ == "__main__":
    main()
