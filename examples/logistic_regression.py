"""L2-regularised logistic regression with an exact gradient, compared with scikit-learn's LogisticRegression.

The data are scikit-learn's bundled breast cancer set: 569 tumours, 30 features, standardised.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from scipy.optimize import OptimizeResult

import numbaopt


@njit
def loss(w, g, features, sign):
    """scikit-learn's objective at C = 1, |w|^2 / 2 + sum log(1 + exp(-sign z)), z = features w + intercept.

    The intercept is the last element of w and not penalised. Writes the gradient into g, for jac="inplace".
    """
    n = w.size - 1
    value = 0.0
    g[n] = 0.0
    for j in range(n):
        value += 0.5 * w[j] * w[j]
        g[j] = w[j]
    for i in range(sign.size):
        z = w[n]
        for j in range(n):
            z += features[i, j] * w[j]
        margin = sign[i] * z
        tail = math.exp(-abs(margin))  # of the two exponentials, the one that cannot overflow
        value += math.log1p(tail) + max(-margin, 0.0)
        slope = -sign[i] * (tail if margin > 0 else 1.0) / (1.0 + tail)
        for j in range(n):
            g[j] += slope * features[i, j]
        g[n] += slope
    return value


def main() -> tuple[OptimizeResult, float, float]:
    """Fit and print; the result, the largest difference from scikit-learn's coefficients, and its loss."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression

    data = load_breast_cancer()
    features = (data.data - data.data.mean(axis=0)) / data.data.std(axis=0)
    sign = np.where(data.target == 1, 1.0, -1.0)

    result = numbaopt.minimize(
        loss,
        np.zeros(features.shape[1] + 1),
        args=(features, sign),
        method=numbaopt.Adam(lr=0.1),
        jac="inplace",
        options={"gtol": 1e-6},
    )
    peer = LogisticRegression(C=1.0, tol=1e-10, max_iter=10_000).fit(features, data.target)
    reference = np.append(peer.coef_[0], peer.intercept_[0])
    difference = float(np.abs(result.x - reference).max())
    reference_loss = loss(reference, np.empty_like(reference), features, sign)

    print(f"{'':14}{'numbaopt':>16}{'scikit-learn':>16}{'difference':>13}")
    names = [*data.feature_names, "intercept"]
    for i in (0, 1, 2, 3, -1):
        print(f"{names[i]:14}{result.x[i]:>16.8f}{reference[i]:>16.8f}{result.x[i] - reference[i]:>13.1e}")
    print(f"{'loss':14}{result.fun:>16.10f}{reference_loss:>16.10f}{result.fun - reference_loss:>13.1e}")
    print(f"largest difference of all {reference.size} coefficients: {difference:.1e}")
    print(f"{result.nit} iterations, {result.time.run:.2f} s, and {result.time.compile:.2f} s of compilation")
    print(result.message)
    return result, difference, reference_loss


if __name__ == "__main__":
    main()
