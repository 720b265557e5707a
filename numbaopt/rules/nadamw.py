"""NAdamW: NAdam's arithmetic with decoupled weight decay."""

from typing import NamedTuple

from .._parameters import NONNEGATIVE
from .._rule import Rate, hyperparameters, per_iteration
from .nadam import NAdamStep, nadam_scalars


@hyperparameters(momentum_decay=NONNEGATIVE)
class NAdamW(NamedTuple):
    """NAdamW: NAdam with weight decay taken out of the moments.

    ::

        x  = x - lr * weight_decay * x
        m  = beta1 * m + (1 - beta1) * g
        v  = beta2 * v + (1 - beta2) * g^2
        mu = beta1 * (1 - 0.96^(t * momentum_decay) / 2)
        mu'                                                      the mu of iteration t + 1
        P  = P * mu                                              from P = 1
        d  = (1 - mu) / (1 - P) * g + mu' / (1 - P * mu') * m
        x  = x - lr * d / (sqrt(v / (1 - beta2^t)) + eps)

    The decay pulls every parameter toward 0: **use `weight_decay=0` to fit the parameters of a model**.

    Parameters
    ----------
    lr : float or schedule
        Learning rate, >= 0: the length of a step in each coordinate, in the units of x (of x / x_scale).
    betas : (float, float)
        Decay rates of the two moments, in [0, 1).
    eps : float
        Added to the root of the second moment, >= 0; where both are 0 there is no step (torch makes NaN of it).
    weight_decay : float
        Decoupled decay, >= 0; 0 makes it NAdam.
    momentum_decay : float
        How fast the momentum grows, >= 0; it is 3/4 of beta1 after 17 / momentum_decay iterations.
    maximize : bool
        Maximise the objective.

    Raises
    ------
    TypeError, ValueError
        A hyper-parameter is of the wrong kind or out of its range.

    Examples
    --------
    >>> import numbaopt
    >>> method = numbaopt.NAdamW(lr=0.1, weight_decay=0)
    >>> res = numbaopt.minimize(lambda x: ((x - 3) ** 2).sum(), [0.0, 0.0], method=method)
    >>> res.success, res.x.round(3).tolist()
    (True, [3.0, 3.0])

    Notes
    -----
    `NAdam(decoupled_weight_decay=True)` and `torch.optim.NAdam(decoupled_weight_decay=True)`, with AdamW's default of
    the decay: Dozat, "Incorporating Nesterov Momentum into Adam", ICLR 2016 workshop, Algorithm 2, with the decay of
    Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019. `optax.nadamw` has no schedule of the
    momentum and is another algorithm.

    Use it to train a network that wants regularisation, not for a fit.
    """

    lr: Rate = 2e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 1e-2
    momentum_decay: float = 4e-3
    maximize: bool = False


@per_iteration(NAdamW, carry={"product": 1.0})
def _nadamw(h, t, product) -> NAdamStep:
    return NAdamStep(*nadam_scalars(h, t, product, h.weight_decay, 0.0))
