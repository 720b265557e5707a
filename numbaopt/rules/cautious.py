"""Cautious updates: any other rule, moving only where its step goes down the gradient."""

from typing import Any, NamedTuple

from .._dispatch import decayed, scalar_rule
from .._rule import (
    compiled_form,
    has_readout,
    hyperparameters,
    needs_sums,
    per_iteration,
    summed,
    update_rule,
    with_sums,
)


def _of_another_kind(h: Any) -> str:
    """What is wrong with the inner rule, or ""."""
    name, form = type(h.inner).__name__, compiled_form(h.inner)
    if needs_sums(form):
        return f"{name} needs sums over all coordinates, and a rule with a mask around it is not possible"
    return f"the answer of {name} is not the point that would be masked" if has_readout(form) else ""


@hyperparameters(conflict=_of_another_kind)
class Cautious(NamedTuple):
    """A cautious version of another rule: coordinates whose step goes up the gradient rest for this iteration.

    ::

        u     = the step of `inner`, without decoupled decay     x - u is where it leads to
        mask  = 1 where u * g > 0, else 0
        scale = 1 / max(mean of mask, 0.001)                     over all coordinates
        x     = x - scale * mask * u                             after the decoupled decay of `inner`

    Use it around a rule with momentum (`numbaopt.AdamW`, `numbaopt.Lion`) that overshoots; around one without, whose
    steps all go down, it changes nothing.

    Parameters
    ----------
    inner : method
        The rule that makes the steps, such as `numbaopt.AdamW(lr=0.1)`; not one that needs sums over all coordinates or
        has an answer other than x. To maximise, say so there.

    Raises
    ------
    TypeError, ValueError
        `inner` is no method, or not one that can be masked.

    Examples
    --------
    >>> import numbaopt
    >>> method = numbaopt.Cautious(numbaopt.Adam(lr=0.1))
    >>> res = numbaopt.minimize(lambda x: ((x - 3) ** 2).sum(), [0.0, 0.0], method=method)
    >>> res.success, res.x.round(3).tolist()
    (True, [3.0, 3.0])

    Notes
    -----
    Liang, Chen, Liu and Liu, "Cautious Optimizers: Improving Training with One Line of Code", arXiv:2411.16085,
    Algorithm 1, with the scale of the authors' later code and timm's: the paper has n / (number of ones + 1) and so no
    step of full length. The inner rule keeps its state as if it had moved. Decoupled decay is not masked, as in the
    authors' C-AdamW, which decays after the step where AdamW here and in torch decays before it; coupled decay is part
    of g. u is the difference of two values of x, so it is known to the rounding of x.
    """

    inner: Any

    @property
    def maximize(self) -> bool:
        """What `inner` says."""
        return self.inner.maximize


class CautiousScalars(NamedTuple):
    """Scalars of one iteration before the mask is known."""

    inner: Any


class CautiousStep(NamedTuple):
    """Scalars of one iteration."""

    scale: float  # 1 / max(mean of the mask, 0.001)
    inner: Any


@per_iteration(Cautious)
def _cautious(h, t, inner) -> CautiousScalars:
    return CautiousScalars(inner)


@summed(CautiousScalars, "ones", "all")
def _mask(h, x, g, *slots):
    u = decayed(h.inner, x) - scalar_rule(h.inner, x, g, slots)[0]
    return u * g > 0, True


@with_sums(CautiousScalars)
def _scaled(h, ones, all) -> CautiousStep:
    return CautiousStep(1 / max(ones / all, 1e-3), h.inner)


@update_rule(CautiousStep)
def cautious(h, x, g, *slots):
    """One element of a masked rule."""
    new = scalar_rule(h.inner, x, g, slots)
    x = decayed(h.inner, x)
    u = x - new[0]
    return x - h.scale * u if u * g > 0 else x, *new[1:]
