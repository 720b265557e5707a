"""What the adjoints of NumPy's functions of whole arrays call; see `array_rules`."""

from __future__ import annotations

import numpy as np

from .runtime import add_1d, add_2d, helper


@helper
def add_number_1d(target, number):
    """target += number, a vector."""
    for i in range(target.shape[0]):
        target[i] += number


@helper
def add_number_2d(target, number):
    """target += number, a matrix."""
    for i in range(target.shape[0]):
        add_number_1d(target[i], number)


# --- reductions ------------------------------------------------------------------------------------------------------


@helper
def add_sum_2d_axis0(target, above):
    """Of r = np.sum(a, axis=0), a matrix."""
    for i in range(target.shape[0]):
        add_1d(target[i], above)


@helper
def add_sum_2d_axis1(target, above):
    """Of r = np.sum(a, axis=1), a matrix."""
    for i in range(target.shape[0]):
        add_number_1d(target[i], above[i])


@helper
def add_sum_3d_axis0(target, above):
    """Of r = np.sum(a, axis=0), three dimensions."""
    for i in range(target.shape[0]):
        add_2d(target[i], above)


@helper
def add_sum_3d_axis1(target, above):
    """Of r = np.sum(a, axis=1), three dimensions."""
    for i in range(target.shape[0]):
        add_sum_2d_axis0(target[i], above[i])


@helper
def add_sum_3d_axis2(target, above):
    """Of r = np.sum(a, axis=2), three dimensions."""
    for i in range(target.shape[0]):
        add_sum_2d_axis1(target[i], above[i])


@helper
def prod_adjoint(target, values, above):
    """Of r = np.prod(a): the product of the others, without a division."""
    before = np.empty(values.shape[0], values.dtype)
    product = 1.0
    for i in range(values.shape[0]):
        before[i] = product
        product *= values[i]
    product = 1.0
    for i in range(values.shape[0] - 1, -1, -1):
        target[i] += above * before[i] * product
        product *= values[i]


@helper
def add_at_first(target, values, extreme, above):
    """Of r = max(a) or min(a): all goes to the first element that has the value."""
    for i in range(values.shape[0]):
        if values[i] == extreme:
            target[i] += above
            return


@helper
def ptp_adjoint(target, values, above):
    """Of r = max(a) - min(a)."""
    add_at_first(target, values, np.max(values), above)
    add_at_first(target, values, np.min(values), -above)


@helper
def median_adjoint(target, values, above):
    """Of r = np.median(a)."""
    order, n = np.argsort(values), values.shape[0]
    target[order[(n - 1) // 2]] += 0.5 * above
    target[order[n // 2]] += 0.5 * above


@helper
def spread_1d(target, values, center, factor):
    """target += factor * (values - center): of a variance."""
    for i in range(target.shape[0]):
        target[i] += factor * (values[i] - center)


@helper
def cumsum_adjoint(target, above):
    """Of r = np.cumsum(a): what is above an element goes to all elements before it."""
    total = 0.0
    for i in range(target.shape[0] - 1, -1, -1):
        total += above[i]
        target[i] += total


@helper
def cumsum_rows_adjoint(target, above):
    """Of r = np.cumsum(a, axis=1)."""
    for i in range(target.shape[0]):
        cumsum_adjoint(target[i], above[i])


@helper
def cumprod_adjoint(target, values, result, above):
    """Of r = np.cumprod(a): r[i] = r[i - 1] * a[i], backward."""
    carried = 0.0
    for i in range(target.shape[0] - 1, -1, -1):
        carried += above[i]
        target[i] += carried * (result[i - 1] if i > 0 else 1.0)
        carried *= values[i]


@helper
def trapezoid_adjoint(target, above):
    """Of r = sum (y[i] + y[i + 1]) / 2."""
    for i in range(target.shape[0] - 1):
        target[i] += 0.5 * above
        target[i + 1] += 0.5 * above


@helper
def trapezoid_at_adjoint(target, places, above):
    """Of r = sum (y[i] + y[i + 1]) / 2 * (x[i + 1] - x[i])."""
    for i in range(target.shape[0] - 1):
        half = 0.5 * above * (places[i + 1] - places[i])
        target[i] += half
        target[i + 1] += half


# --- arrangements ----------------------------------------------------------------------------------------------------


@helper
def linspace_from(above):
    """Of r = np.linspace(a, b, n): to a."""
    n, total = above.shape[0], 0.0
    for k in range(n):
        total += above[k] * (1.0 - k / (n - 1) if n > 1 else 1.0)
    return total


@helper
def linspace_to(above):
    """Of r = np.linspace(a, b, n): to b."""
    n, total = above.shape[0], 0.0
    for k in range(1, n):
        total += above[k] * k / (n - 1)
    return total


@helper
def gather_adjoint(target, positions, above):
    """Of r = a[positions], a vector and integers."""
    for i in range(positions.shape[0]):
        target[positions[i]] += above[i]


@helper
def mask_adjoint(target, mask, above):
    """Of r = a[mask], a vector and booleans."""
    k = 0
    for i in range(mask.shape[0]):
        if mask[i]:
            target[i] += above[k]
            k += 1


@helper
def repeat_adjoint(target, times, above):
    """Of r = np.repeat(a, times)."""
    for i in range(above.shape[0]):
        target[i // times] += above[i]


@helper
def interval_of(x, places):
    """The interval of increasing places that x is in, and where: -1 or n - 1 beyond the ends."""
    i = np.searchsorted(places, x, "right") - 1
    if i < 0 or i >= places.shape[0] - 1:
        return i, 0.0
    return i, (x - places[i]) / (places[i + 1] - places[i])


@helper
def interp_slope(x, places, values):
    """The derivative of np.interp(x, places, values) by x; 0 beyond the ends."""
    i, _ = interval_of(x, places)
    if i < 0 or i >= places.shape[0] - 1:
        return 0.0
    return (values[i + 1] - values[i]) / (places[i + 1] - places[i])


@helper
def interp_weights(target, x, places, above):
    """Of r = np.interp(x, places, values): to the values."""
    i, share = interval_of(x, places)
    if i < 0 or i >= places.shape[0] - 1:
        target[max(i, 0)] += above
    else:
        target[i] += above * (1.0 - share)
        target[i + 1] += above * share


@helper
def interp_slopes(target, x, places, values, above):
    """Of r = np.interp(x, places, values), a vector: to x."""
    for i in range(target.shape[0]):
        target[i] += above[i] * interp_slope(x[i], places, values)


@helper
def interp_all_weights(target, x, places, above):
    """Of r = np.interp(x, places, values), a vector: to the values."""
    for i in range(x.shape[0]):
        interp_weights(target, x[i], places, above[i])


@helper
def convolve_adjoint(target, other, above):
    """Of r = np.convolve(a, v), to one of them."""
    for i in range(target.shape[0]):
        for j in range(other.shape[0]):
            target[i] += other[j] * above[i + j]


__all__ = [n for n, f in list(globals().items()) if hasattr(f, "py_func") and f.__module__ == __name__]
