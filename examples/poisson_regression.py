"""Poisson regression of counts, with standard errors from the exact Hessian, compared with statsmodels.

The data come with statsmodels: outpatient visits to a doctor, 20 190 records of the Health Insurance Experiment of RAND
(http://www.rand.org/health/projects/hie.html; Cameron and Trivedi, "Microeconometrics", 2005). The model, with nine
regressors and a constant:

    visits_i ~ Poisson(exp(x_i b)),      minimise  -log likelihood = sum exp(x_i b) - y_i x_i b + log y_i!

    python examples/poisson_regression.py
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from scipy.optimize import OptimizeResult
from scipy.special import gammaln

import numbaopt


class Fit(NamedTuple):
    """What was found, and the same numbers from statsmodels."""

    result: OptimizeResult
    params: np.ndarray
    bse: np.ndarray
    peer_params: np.ndarray
    peer_bse: np.ndarray
    peer_llf: float


@njit
def negative_log_likelihood(b, X, y, constant):
    """Of all counts; the constant is sum log y!."""
    eta = X @ b
    return np.sum(np.exp(eta) - y * eta) + constant


def main() -> Fit:
    """Fit by both, and print."""
    try:
        import statsmodels.api as sm
    except ImportError:
        raise SystemExit('This needs statsmodels for data and comparison: pip install ".[examples]"') from None

    data = sm.datasets.randhie.load_pandas()
    regressors = sm.add_constant(data.exog)
    X, y = np.ascontiguousarray(regressors, dtype=float), data.endog.to_numpy(dtype=float)
    args = X, y, gammaln(y + 1).sum()

    start = np.zeros(X.shape[1])
    result = numbaopt.minimize(negative_log_likelihood, start, args)  # the gradient is exact, made from the source
    covariance = np.linalg.inv(numbaopt.hessian(negative_log_likelihood)(result.x, *args))
    bse = np.sqrt(np.diag(covariance))
    # Within about 1e-5 standard errors of the optimum the likelihood changes by less than the rounding of its sum, and
    # the descent ends. The gradient still has digits there: one step of Newton gives the rest.
    step = covariance @ result.jac
    params = result.x - step

    peer = sm.GLM(y, X, family=sm.families.Poisson()).fit(tol=1e-12)
    print(f"{'':10}{'numbaopt':>14} +- {'s.e.':<12}{'statsmodels':>14} +- {'s.e.':<12}")
    for name, b, se, peer_b, peer_se in zip(regressors.columns, params, bse, peer.params, peer.bse, strict=True):
        print(f"{name:10}{b:>14.8f} +- {se:<12.8f}{peer_b:>14.8f} +- {peer_se:<12.8f}")
    print(f"log likelihood: {-result.fun:.6f}, statsmodels: {peer.llf:.6f}")
    worst = np.max(np.abs(params / peer.params - 1)), np.max(np.abs(bse / peer.bse - 1))
    print(f"largest relative difference: {worst[0]:.1e} in coefficients, {worst[1]:.1e} in standard errors")
    print(f"the step of Newton at the end: {np.max(np.abs(step / bse)):.1e} standard errors")
    print(f"{result.nit} iterations, {result.time.run:.2f} s, and {result.time.compile:.2f} s of compilation")
    print(result.message)
    return Fit(result, params, bse, peer.params, peer.bse, peer.llf)


if __name__ == "__main__":
    main()
