"""Maps of amplitude, decay rate and its uncertainty: each pixel of an image has a curve, and one call fits all of them.

The data are simulated. The phantom has 64 x 64 pixels, as in magnetic resonance imaging of transverse relaxation (T2 is
1 / rate): a disc of water, with eight tubes in it that decay faster, and a coil that receives less from one side. Its
24 echoes have normal noise of standard deviation 0.02, and 2 % of all values are lost (NaN). Pixels outside the disc
have no signal and are left out; in each of the 2644 others, the model is

    signal = amplitude * exp(-rate * t)

    python examples/parameter_map.py [picture.png]
"""

from __future__ import annotations

import importlib.util
import sys
from typing import Any, NamedTuple

import numpy as np

import numbaopt

SIZE, NOISE, LOST = 64, 0.02, 0.02
ECHOES = 0.008 * np.arange(1, 25)  # s
TUBES = np.geomspace(5, 40, 8)  # rates, 1 / s
WATER = 2.0


class Phantom(NamedTuple):
    """Images of shape (64, 64), and the series of echoes, (64, 64, 24)."""

    amplitude: np.ndarray
    rate: np.ndarray
    object: np.ndarray  # a mask
    series: np.ndarray


def decay(t, amplitude, rate):
    """Signal at times t after the excitation."""
    return amplitude * np.exp(-rate * t)


def simulated() -> Phantom:
    """The phantom with its noise."""
    rng = np.random.default_rng(0)
    row, column = np.indices((SIZE, SIZE)) - (SIZE - 1) / 2
    rate = np.full((SIZE, SIZE), WATER)
    for angle, of_tube in zip(np.arange(8) * np.pi / 4, TUBES, strict=True):
        rate[np.hypot(row + 19 * np.cos(angle), column - 19 * np.sin(angle)) < 5] = of_tube
    amplitude = 1 - 0.3 * (column / SIZE + 0.5)
    series = decay(ECHOES, amplitude[..., None], rate[..., None]) + NOISE * rng.standard_normal(
        (SIZE, SIZE, ECHOES.size)
    )
    series[rng.random(series.shape) < LOST] = np.nan
    return Phantom(amplitude, rate, np.hypot(row, column) < 29, series)


def draw(maps: dict[str, np.ndarray], path: str) -> None:
    """An image for each, with logarithmic colours for rates and their deviations, which differ by 20 times."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * len(maps), 3.8), layout="constrained")
    for axes, (title, image) in zip(figure.subplots(1, len(maps)), maps.items(), strict=True):
        figure.colorbar(axes.imshow(image, norm="linear" if title == "amplitude" else "log"), ax=axes, format="%g")
        axes.set(title=title, xticks=[], yticks=[])
    figure.savefig(path, dpi=120)


def main(path: str = "parameter_map.png") -> tuple[Phantom, Any]:
    """Fit, print, draw; the phantom, and the fits of its object's pixels."""
    phantom = simulated()
    inside = phantom.object
    fits = numbaopt.curve_fit_batch(
        decay, ECHOES, phantom.series[inside], P0=[1.0, 10.0], bounds=(0, np.inf), nan_policy="omit"
    )
    print(fits)
    rate, sd, true = fits.popt[:, 1], fits.perr[:, 1], phantom.rate[inside]
    print(f"{'true rate':>10}{'pixels':>8}{'mean':>9}{'scatter':>9}{'mean sd':>9}{'within 3 sd':>13}")
    for r in (WATER, *TUBES):
        of = true == r
        near = np.mean(abs(rate[of] - r) <= 3 * sd[of])
        print(f"{r:10.2f}{of.sum():>8}{rate[of].mean():>9.3f}{rate[of].std():>9.3f}{sd[of].mean():>9.3f}{near:>12.1%}")

    maps = {}
    for title, values in {"amplitude": fits.popt[:, 0], "rate, 1/s": rate, "its standard deviation": sd}.items():
        maps[title] = np.full(inside.shape, np.nan)
        maps[title][inside] = values
    if importlib.util.find_spec("matplotlib") is None:
        print('No picture: it needs matplotlib, pip install matplotlib or ".[examples]".')
    else:
        draw(maps, path)
        print(f"The picture is in {path}.")
    return phantom, fits


if __name__ == "__main__":
    main(*sys.argv[1:2])
