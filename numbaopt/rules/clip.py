"""Around any rule: gradients that are cut to a size before the rule sees them."""

import math
from typing import Any, NamedTuple

from .._dispatch import scalar_rule
from .._parameters import POSITIVE
from .._rule import hyperparameters, per_iteration, summed, update_rule, with_sums
from .lamb import square


@hyperparameters(limit=POSITIVE)
class ClipValue(NamedTuple):
    """Any rule, with every element of the gradient moved into [-limit, limit].

    ::

        g = min(max(g, -limit), limit)
        x = the update of the inner rule by g

    Parameters
    ----------
    inner : method
        The rule, for instance `Adam(lr=0.1)`.
    limit : float
        The largest element, > 0, in the units of the gradient (of the gradient * x_scale).

    Raises
    ------
    TypeError, ValueError
        A hyper-parameter is of the wrong kind or out of its range.

    Examples
    --------
    >>> import numbaopt
    >>> method = numbaopt.ClipValue(numbaopt.Adam(lr=0.1), 1.0)
    >>> res = numbaopt.minimize(lambda x: ((x - 3) ** 2).sum(), [0.0, 0.0], method=method)
    >>> res.success, res.x.round(3).tolist()
    (True, [3.0, 3.0])

    Notes
    -----
    `torch.nn.utils.clip_grad_value_` and `optax.clip`. The rule and its clipping see the gradient of scaled variables,
    g * x_scale, and a coupled weight decay of the inner rule is part of it, as it is of the objective; torch's comes
    after the clipping.

    Use it when single elements of the gradient explode now and then; not when their ratios matter, as the clipped
    gradient has another direction.
    """

    inner: Any
    limit: float


class ClipValueStep(NamedTuple):
    """Scalars of one iteration."""

    limit: float
    inner: Any


@per_iteration(ClipValue)
def _clip_value(h, t, inner) -> ClipValueStep:
    return ClipValueStep(h.limit, inner)


@update_rule(ClipValueStep)
def clip_value(h, x, g, *slots):
    """One element of ClipValue."""
    g = h.limit if g > h.limit else -h.limit if g < -h.limit else g
    return scalar_rule(h.inner, x, g, slots)


@hyperparameters(limit=POSITIVE)
class ClipNorm(NamedTuple):
    """Any rule, with gradients that are longer than a limit scaled to that length.

    ::

        g = g * min(1, limit / (||g|| + 1e-6))
        x = the update of the inner rule by g

    Parameters
    ----------
    inner : method
        The rule, for instance `Adam(lr=0.1)`.
    limit : float
        The largest Euclidean norm, > 0, in the units of the gradient (of the gradient * x_scale).

    Raises
    ------
    TypeError, ValueError
        A hyper-parameter is of the wrong kind or out of its range, or the inner rule needs sums over all coordinates,
        as LAMB does: only one pass of sums is made.

    Examples
    --------
    >>> import numbaopt
    >>> method = numbaopt.ClipNorm(numbaopt.Adam(lr=0.1), 1.0)
    >>> res = numbaopt.minimize(lambda x: ((x - 3) ** 2).sum(), [0.0, 0.0], method=method)
    >>> res.success, res.x.round(3).tolist()
    (True, [3.0, 3.0])

    Notes
    -----
    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", ICML 2013, Algorithm 1, with
    the arithmetic of `torch.nn.utils.clip_grad_norm_` (`optax.clip_by_global_norm` does not add 1e-6). The rule and its
    clipping see the gradient of scaled variables, g * x_scale, and a coupled weight decay of the inner rule is part of
    it, as it is of the objective; torch's comes after the clipping. The squares are summed in float64.

    Use it when gradients explode now and then, and their direction is to be kept; not with a rule that forgets the size
    of the gradient anyway, such as Adam, if it explodes from the first iteration on.
    """

    inner: Any
    limit: float


class ClipNormScalars(NamedTuple):
    """Scalars of one iteration before its sums."""

    limit: float
    inner: Any


class ScaledStep(NamedTuple):
    """Scalars of one iteration."""

    factor: float  # of the gradient
    inner: Any


@per_iteration(ClipNorm)
def _clip_norm(h, t, inner) -> ClipNormScalars:
    return ClipNormScalars(h.limit, inner)


@summed(ClipNormScalars, "gg")
def _squared_gradient(h, x, g, *slots):
    return (square(g),)


@with_sums(ClipNormScalars)
def _norm_factor(h, gg) -> ScaledStep:
    return ScaledStep(min(1.0, h.limit / (math.sqrt(gg) + 1e-6)), h.inner)


@update_rule(ScaledStep)
def scaled(h, x, g, *slots):
    """One element of ClipNorm and ClipAdaptive."""
    return scalar_rule(h.inner, x, h.factor * g, slots)


@hyperparameters(ratio=POSITIVE, eps=POSITIVE)
class ClipAdaptive(NamedTuple):
    """Any rule, with gradients that are long compared with x scaled to a fraction of its length.

    ::

        g = g * min(1, ratio * max(||x||, eps) / ||g||)
        x = the update of the inner rule by g

    Parameters
    ----------
    inner : method
        The rule, for instance `SGD(lr=0.1)`.
    ratio : float
        The largest norm of the gradient relative to that of x, > 0.
    eps : float
        What stands for the norm of x where that is smaller, > 0: without it x = 0 would stay.

    Raises
    ------
    TypeError, ValueError
        A hyper-parameter is of the wrong kind or out of its range, or the inner rule needs sums over all coordinates,
        as LAMB does: only one pass of sums is made.

    Examples
    --------
    >>> import numbaopt
    >>> method = numbaopt.ClipAdaptive(numbaopt.Adam(lr=0.1))
    >>> res = numbaopt.minimize(lambda x: ((x - 3) ** 2).sum(), [1.0, 1.0], method=method)
    >>> res.success, res.x.round(3).tolist()
    (True, [3.0, 3.0])

    Notes
    -----
    Brock et al., "High-Performance Large-Scale Image Recognition Without Normalization", ICML 2021, equation 3, with
    all coordinates as one unit (in the paper, and in `optax.adaptive_grad_clip`, each row of a matrix is one). The rule
    and its clipping see scaled variables, x / x_scale and g * x_scale, and a coupled weight decay of the inner rule is
    part of the gradient, as it is of the objective. The squares are summed in float64.

    Use it when x has a size that says what a large step is, as the weights of a network have; not when x = 0 is a point
    like any other.
    """

    inner: Any
    ratio: float = 0.01
    eps: float = 1e-3


class ClipAdaptiveScalars(NamedTuple):
    """Scalars of one iteration before its sums."""

    ratio: float
    eps: float
    inner: Any


@per_iteration(ClipAdaptive)
def _clip_adaptive(h, t, inner) -> ClipAdaptiveScalars:
    return ClipAdaptiveScalars(h.ratio, h.eps, inner)


@summed(ClipAdaptiveScalars, "xx", "gg")
def _squares(h, x, g, *slots):
    return square(x), square(g)


@with_sums(ClipAdaptiveScalars)
def _adaptive_factor(h, xx, gg) -> ScaledStep:
    limit, norm = h.ratio * max(math.sqrt(xx), h.eps), math.sqrt(gg)
    return ScaledStep(limit / norm if norm > limit else 1.0, h.inner)
