"""AdamW: Adam's arithmetic with decoupled weight decay."""

from typing import NamedTuple

from .._rule import Rate, hyperparameters, per_iteration
from .adam import AdamStep, AMSGradStep, adam_scalars


@hyperparameters
class AdamW(NamedTuple):
    """AdamW: Adam with weight decay taken out of the moments.

    ::

        x    = x - lr * weight_decay * x
        m    = beta1 * m + (1 - beta1) * g
        v    = beta2 * v + (1 - beta2) * g^2
        vmax = max(vmax, v)                                      amsgrad only; it then takes the place of v below
        x    = x - lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)

    The decay pulls every parameter toward 0: |x| stays below about 1 / weight_decay. That is right for regularisation
    and wrong for a fit: **use `weight_decay=0` to fit the parameters of a model**.

    Parameters
    ----------
    lr : float or schedule
        Learning rate, >= 0: the length of a step in each coordinate, in the units of x (of x / x_scale).
    betas : (float, float), each of them a number or a schedule
        Decay rates of the two moments, in [0, 1).
    eps : float
        Added to the root of the second moment, >= 0.
    weight_decay : float or schedule
        Decoupled decay, >= 0; 0 makes it Adam.
    amsgrad : bool
        Use the largest second moment so far.
    maximize : bool
        Maximise the objective.

    Raises
    ------
    TypeError, ValueError
        A hyper-parameter is of the wrong kind or out of its range.

    Examples
    --------
    >>> import numbaopt
    >>> method = numbaopt.AdamW(lr=0.1, weight_decay=0)
    >>> res = numbaopt.minimize(lambda x: ((x - 3) ** 2).sum(), [0.0, 0.0], method=method)
    >>> res.success, res.x.round(3).tolist()
    (True, [3.0, 3.0])

    Notes
    -----
    Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019, Algorithm 2, with the decay multiplied
    by `lr` and defaults and arithmetic as in `torch.optim.AdamW`. Where a beta is a schedule, 1 - beta^t is that of the
    current beta, as with `optax.inject_hyperparams`.
    """

    lr: Rate = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 1e-2
    amsgrad: bool = False
    maximize: bool = False


@per_iteration(AdamW)
def _adamw(h, t) -> AdamStep:
    return AdamStep(*adam_scalars(h, t, h.weight_decay, 0.0))


@per_iteration(AdamW, amsgrad=True)
def _adamw_amsgrad(h, t) -> AMSGradStep:
    return AMSGradStep(*adam_scalars(h, t, h.weight_decay, 0.0))
