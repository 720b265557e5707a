"""AMSGrad under its own name: Adam with amsgrad=True."""

from typing import NamedTuple

from .._rule import Rate, hyperparameters, per_iteration
from .adam import AMSGradStep, adam_scalars


@hyperparameters
class AMSGrad(NamedTuple):
    """AMSGrad: Adam with the largest second moment so far, so that no step is longer than the gradients explain.

    ::

        g    = grad f(x) + weight_decay * x
        m    = beta1 * m + (1 - beta1) * g
        v    = beta2 * v + (1 - beta2) * g^2
        vmax = max(vmax, v)
        x    = x - lr / (1 - beta1^t) * m / (sqrt(vmax) / sqrt(1 - beta2^t) + eps)

    Parameters
    ----------
    lr : float or schedule
        Learning rate, >= 0: the largest step in each coordinate, in the units of x (of x / x_scale).
    betas : (float, float)
        Decay rates of the two moments, in [0, 1).
    eps : float
        Added to the root of the second moment, >= 0; where both are 0 there is no step.
    weight_decay : float
        Coupled decay (L2 penalty weight_decay / 2 * |x|^2 added to the objective), >= 0.
    maximize : bool
        Maximise the objective.

    Raises
    ------
    TypeError, ValueError
        A hyper-parameter is of the wrong kind or out of its range.

    Examples
    --------
    >>> import numbaopt
    >>> res = numbaopt.minimize(lambda x: ((x - 3) ** 2).sum(), [0.0, 0.0], method=numbaopt.AMSGrad(lr=0.1))
    >>> res.success, res.x.round(3).tolist()
    (True, [3.0, 3.0])

    Notes
    -----
    Reddi, Kale and Kumar, "On the Convergence of Adam and Beyond", ICLR 2018, Algorithm 2. The same bits as
    `Adam(amsgrad=True)`, and the arithmetic of `torch.optim.Adam(amsgrad=True)`, which adds eps and the corrections for
    bias: the maximum is of second moments whose bias is not corrected. `optax.amsgrad` corrects it before the maximum.

    Use it when Adam leaves a minimum again after rare large gradients, not when gradients fall by orders of magnitude
    on the way: the steps then stay as short as the largest ones made them.
    """

    lr: Rate = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    maximize: bool = False


@per_iteration(AMSGrad)
def _amsgrad(h, t) -> AMSGradStep:
    return AMSGradStep(*adam_scalars(h, t, 0.0, h.weight_decay))
