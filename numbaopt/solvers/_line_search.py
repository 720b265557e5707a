"""A step along a direction that satisfies the strong Wolfe conditions, written once for all solvers with a direction.

With phi(t) = fun(x + t d), the step t is taken if::

    phi(t) <= phi(0) + decrease t phi'(0)   and   |phi'(t)| <= curvature |phi'(0)|

by the search of J. J. More and D. J. Thuente, "Line search algorithms with guaranteed sufficient decrease", ACM
Transactions on Mathematical Software 20(3), 1994, pages 286-307, as MINPACK-2 has it in dcsrch and dcstep. Beyond it:

- A point where fun or its gradient is NaN or inf is a wall: no step reaches it any more, the next is a fifth as long.
- Where phi(t) and phi(0) differ by their rounding alone, the slopes decide: the step is taken if
  curvature phi'(0) <= phi'(t) <= (2 decrease - 1) phi'(0), the approximate Wolfe conditions of W. W. Hager and
  H. Zhang (SIAM Journal on Optimization 16(1), 2005, equation 4.1), and if the largest |g_i| falls, to half where
  fun rises. So no point comes twice, and the run ends.
- Where the interval is too small, or the evaluations are used up, the lowest point is taken if it is below phi(0).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._compile import part
from ..drivers.objectives import evaluate
from ..drivers.solving import step_from
from ..linear.vectors import dot, largest


class Wolfe(NamedTuple):
    """What a step must satisfy, and how small an interval is too small, relative to its upper end."""

    decrease: float
    curvature: float
    width: float


class Interval(NamedTuple):
    """The best step so far and the other end of the interval that has a good one, each with value and slope."""

    t: float
    f: float
    g: float
    t_other: float
    f_other: float
    g_other: float
    closed: float  # 0: no other end is known yet


MOST = 20
"""Evaluations in a search, as in L-BFGS-B; three times as many where some are not finite."""

LONGEST = 1e10
"""The longest step that is tried, in units of the first."""

BACK = 0.2
"""Part of the way to a wall that the next step goes."""


@part
def search(objective, box, limit, s, d, slope, first, longest, wolfe):
    """The step along d, its value and slope; its point is in s.trial and s.trial_g. A step of 0: none lowers fun.

    `slope` < 0 is phi'(0), `first` the step to try first and `longest` the longest. A value of -inf is returned at
    once.
    """
    f0, t, wall, test = s.p.f, min(first, longest), np.inf, wolfe.decrease * slope
    best = Interval(0.0, f0, slope, 0.0, f0, slope, 0.0)
    low, high, width, width_before = 0.0, 5 * t, longest, 2 * longest
    tilted, tries, count, final = True, 0, 0, False
    while True:
        step_from(s.x, t, d, box, s.trial)
        f = evaluate(objective, box, s.trial, s.trial_g, s.p)
        g = dot(s.trial_g, d)
        if f == -np.inf or is_taken(s, t, f, g, slope, longest, wolfe):
            return t, f, g
        count += 1
        if final or s.p.nfev + limit.cost > limit.maxfev:
            break
        if abs(f) < np.inf and abs(g) < np.inf:
            tries += 1
            tilted = tilted and not (f <= f0 + t * test and g >= 0)
            # the auxiliary function psi(t) = phi(t) - decrease phi'(0) t, until there is a t with psi <= 0 <= phi'
            tilt = test if tilted and f <= best.f and f > f0 + t * test else 0.0
            best, new = narrowed(best, t, f, g, low, high, tilt)
            if best.closed > 0:
                if abs(best.t_other - best.t) >= 0.66 * width_before:
                    new = best.t + 0.5 * (best.t_other - best.t)
                width_before, width = width, abs(best.t_other - best.t)
        else:
            wall = t
            best = Interval(best.t, best.f, best.g, best.t, best.f, best.g, 0.0)
            new = best.t + BACK * (wall - best.t)
        new = min(new, longest, best.t + 0.5 * (wall - best.t))
        if best.closed > 0:
            low, high = min(best.t, best.t_other), max(best.t, best.t_other)
            final = new <= low or new >= high or high - low <= wolfe.width * high
        else:
            low, high = new + 1.1 * (new - best.t), new + 4 * (new - best.t)
            final = new == t or new == best.t
        final = final or tries >= MOST or count >= 3 * MOST
        final = final or (best.t > 0 and s.p.nfev + 2 * limit.cost > limit.maxfev)
        if final and (best.t == t or best.t == 0):
            break
        t = best.t if final else new
    return (t, f, g) if f < f0 and abs(g) < np.inf else (0.0, f0, slope)


@part
def is_taken(s, t, f, g, slope, longest, wolfe):
    """Whether the step t satisfies the Wolfe conditions, or those for values that differ by their rounding."""
    f0 = s.p.f
    flat = abs(g) <= -wolfe.curvature * slope or (t >= longest and g < 0)
    if flat and f <= f0 + wolfe.decrease * t * slope and (f < f0 or largest(s.trial_g) < largest(s.g)):
        return True
    rounding = 4 * np.finfo(s.x.dtype).eps * abs(f0)
    if abs(f - f0) <= rounding and wolfe.curvature * slope <= g <= (2 * wolfe.decrease - 1) * slope:
        return largest(s.trial_g) < (1.0 if f <= f0 else 0.5) * largest(s.g)
    return False


@part
def narrowed(a, t, f, g, low, high, tilt):
    """The interval with the trial t in it, and the next trial; all values are those of phi(t) - tilt t."""
    ta, fa, ga = a.t, a.f - tilt * a.t, a.g - tilt
    tb, fb, gb = a.t_other, a.f_other - tilt * a.t_other, a.g_other - tilt
    ft, gt = f - tilt * t, g - tilt
    new = interpolated(ta, fa, ga, tb, fb, gb, t, ft, gt, a.closed > 0, low, high)
    if ft > fa:
        return Interval(a.t, a.f, a.g, t, f, g, 1.0), new
    if gt * ga < 0:
        return Interval(t, f, g, a.t, a.f, a.g, 1.0), new
    return Interval(t, f, g, a.t_other, a.f_other, a.g_other, a.closed), new


@part
def interpolated(ta, fa, ga, tb, fb, gb, t, f, g, closed, low, high):
    """Where More and Thuente's section 4 goes from the best step ta, the other end tb and the trial t."""
    if f > fa:  # case 1: between cubic and quadratic through fa, ga, f
        theta = 3 * (fa - f) / (t - ta) + ga + g
        gamma = root(theta, ga, g) * (-1 if t < ta else 1)
        cubic = ta + (gamma - ga + theta) / (gamma - ga + gamma + g) * (t - ta)
        quadratic = ta + ga / ((fa - f) / (t - ta) + ga) / 2 * (t - ta)
        return cubic if abs(cubic - ta) < abs(quadratic - ta) else cubic + (quadratic - cubic) / 2
    if g * ga < 0:  # case 2: the farther of cubic and secant
        theta = 3 * (fa - f) / (t - ta) + ga + g
        gamma = root(theta, ga, g) * (-1 if t > ta else 1)
        cubic = t + (gamma - g + theta) / (gamma - g + gamma + ga) * (ta - t)
        secant = t + g / (g - ga) * (ta - t)
        return cubic if abs(cubic - t) > abs(secant - t) else secant
    if abs(g) < abs(ga):  # case 3: the slope falls; the cubic may have no minimum beyond t
        theta = 3 * (fa - f) / (t - ta) + ga + g
        gamma = root(theta, ga, g) * (-1 if t > ta else 1)
        r = (gamma - g + theta) / (gamma + (ga - g) + gamma)
        cubic = t + r * (ta - t) if r < 0 and gamma != 0 else high if t > ta else low
        secant = t + g / (g - ga) * (ta - t)
        if closed:
            new = cubic if abs(cubic - t) < abs(secant - t) else secant
            inside = t + 0.66 * (tb - t)
            return min(inside, new) if t > ta else max(inside, new)
        return min(max(cubic if abs(cubic - t) > abs(secant - t) else secant, low), high)
    if closed:  # case 4: the cubic through t and tb
        theta = 3 * (f - fb) / (tb - t) + gb + g
        gamma = root(theta, gb, g) * (-1 if t > tb else 1)
        return t + (gamma - g + theta) / (gamma - g + gamma + gb) * (tb - t)
    return high if t > ta else low


@part
def root(theta, ga, g):
    """sqrt(theta^2 - ga g), without overflow; 0 where that is negative."""
    size = max(abs(theta), abs(ga), abs(g))
    return size * np.sqrt(max(0.0, (theta / size) ** 2 - (ga / size) * (g / size))) if size > 0 else 0.0
