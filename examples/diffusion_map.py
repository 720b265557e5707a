"""Maps of how water diffuses in a human brain: a tensor fitted to each of 600 measured voxels, in one call.

A block of 6 x 10 x 10 voxels of a diffusion-weighted image, from DIPY (data/README.md): 29 signals in each, for
gradients of strength b and direction g. With the tensor D, symmetric, in um^2/ms:

    signal = s0 exp(-b g^T D g)

Its mean diffusivity is a third of its trace; its fractional anisotropy is 0 where water diffuses alike in all
directions, and goes to 1 where it does along fibres alone.

    python examples/diffusion_map.py [picture.png]
"""

from __future__ import annotations

import importlib.util
import pathlib
import sys
from typing import Any

import numpy as np

import numbaopt

DATA = pathlib.Path(__file__).parent / "data" / "diffusion.npz"


def attenuated(weights, s0, xx, yy, zz, xy, xz, yz):
    """The signal, for the weights of the six elements of D, (6, m)."""
    w = weights
    return s0 * np.exp(-(xx * w[0] + yy * w[1] + zz * w[2] + xy * w[3] + xz * w[4] + yz * w[5]))


def weights_of(b: np.ndarray, g: np.ndarray) -> np.ndarray:
    """What b g^T D g takes of each element of D, for b in ms/um^2."""
    x, y, z = g.T
    return b * np.array([x * x, y * y, z * z, 2 * x * y, 2 * x * z, 2 * y * z])


def tensors(elements: np.ndarray) -> np.ndarray:
    """Symmetric matrices of shape (B, 3, 3) of their elements, (B, 6)."""
    return elements[:, [[0, 3, 4], [3, 1, 5], [4, 5, 2]]]


def draw(maps: dict[str, np.ndarray], path: str) -> None:
    """An image for each, with the six slices side by side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 2 * len(maps)), layout="constrained")
    for axes, (title, image) in zip(figure.subplots(len(maps), 1), maps.items(), strict=True):
        slices = np.concatenate([np.pad(image[k], ((0, 0), (0, 1)), constant_values=np.nan) for k in range(6)], axis=1)
        figure.colorbar(axes.imshow(slices), ax=axes, format="%g")
        axes.set(title=title, xticks=[], yticks=[])
    figure.savefig(path, dpi=120)


def main(path: str = "diffusion_map.png") -> tuple[Any, dict[str, np.ndarray]]:
    """Fit, print, draw; the fits and the maps."""
    with np.load(DATA) as data:
        signal, weights = data["signal"].astype(float), weights_of(data["b"] / 1000, data["directions"])
    Y = signal.reshape(-1, signal.shape[-1])
    starts = np.tile([0.0, 1, 1, 1, 0, 0, 0], (len(Y), 1))
    starts[:, 0] = Y.max(axis=1)
    fits = numbaopt.curve_fit_batch(attenuated, weights, Y, starts)
    print(fits)

    sizes = np.linalg.eigvalsh(tensors(fits.popt[:, 1:]))
    mean = sizes.mean(axis=1)
    anisotropy = np.sqrt(1.5 * ((sizes - mean[:, None]) ** 2).sum(axis=1) / (sizes**2).sum(axis=1))
    gradient = np.array([0, *[1 / 3] * 3, 0, 0, 0])  # of the mean by the parameters
    deviation = np.sqrt(np.einsum("i,bij,j->b", gradient, fits.pcov, gradient))
    named = {
        "mean diffusivity, um^2/ms": mean,
        "its standard deviation": deviation,
        "fractional anisotropy": anisotropy,
    }
    maps = {title: values.reshape(signal.shape[:3]) for title, values in named.items()}
    print(f"{'':28}{'5 %':>8}{'median':>8}{'95 %':>8}  of the voxels")
    for title, values in named.items():
        low, middle, high = np.percentile(values, [5, 50, 95])
        print(f"{title:28}{low:8.3f}{middle:8.3f}{high:8.3f}")
    if importlib.util.find_spec("matplotlib") is None:
        print('No picture: it needs matplotlib, pip install matplotlib or ".[examples]".')
    else:
        draw(maps, path)
        print(f"The picture is in {path}.")
    return fits, maps


if __name__ == "__main__":
    main(*sys.argv[1:2])
