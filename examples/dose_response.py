"""Two dose-response curves at once, one of them with a missing value: the rate of an enzyme over its substrate.

Puromycin: velocity of a reaction with treated and untreated cells (Treloar 1974, as printed in Bates and Watts,
"Nonlinear Regression Analysis and Its Applications", 1988, table A1.3). The model is that of Michaelis and Menten:

    rate = v_max * dose / (k + dose)

    python examples/dose_response.py
"""

import numpy as np

import numbaopt

DOSE = np.array([0.02, 0.02, 0.06, 0.06, 0.11, 0.11, 0.22, 0.22, 0.56, 0.56, 1.10, 1.10])  # ppm
RATE = np.array(  # counts / min^2; the last of the untreated cells was not measured
    [
        [76, 47, 97, 107, 123, 139, 159, 152, 191, 201, 207, 200],
        [67, 51, 84, 86, 98, 115, 131, 124, 144, 158, 160, np.nan],
    ]
)


def michaelis_menten(dose, v_max, k):
    """Rate of reaction."""
    return v_max * dose / (k + dose)


def main():
    """Fit both curves, with the standard deviations of their parameters."""
    fits = numbaopt.curve_fit_batch(
        michaelis_menten, DOSE, RATE, P0=[200.0, 0.1], bounds=(0, np.inf), nan_policy="omit"
    )
    print(fits)
    for name, popt, perr, points in zip(("treated", "untreated"), fits.popt, fits.perr, fits.points, strict=True):
        print(
            f"{name:9}  v_max = {popt[0]:.1f} +- {perr[0]:.1f}   k = {popt[1]:.4f} +- {perr[1]:.4f}   {points} points"
        )
    return fits


if __name__ == "__main__":
    main()
