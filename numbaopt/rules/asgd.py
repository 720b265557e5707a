"""ASGD: gradient descent whose answer is the average of its points."""

from typing import NamedTuple

from .._parameters import NONNEGATIVE
from .._rule import Rate, hyperparameters, per_iteration, readout, update_rule
from ..schedules import learning_rate


@hyperparameters(lambd=NONNEGATIVE, t0=NONNEGATIVE)
class ASGD(NamedTuple):
    """ASGD: gradient descent with steps that become shorter, and the average of its points as the answer.

    ::

        g   = grad f(x) + weight_decay * x
        eta = lr / (1 + lambd * lr * (t - 1))^alpha
        x   = (1 - lambd * eta) * x - eta * g
        mu  = 1 / max(1, t - 1 - t0)
        a   = a + mu * (x - a)

    **The answer is a**, the average of the points after the first t0 iterations, and x itself before: torch keeps `a`
    aside, in the state of the optimizer.

    Parameters
    ----------
    lr : float or schedule
        Learning rate, >= 0: the length of the first step over that of the gradient.
    lambd : float
        How fast the steps become shorter, and a decay that pulls x toward 0, >= 0: **use `lambd=0` to fit the
        parameters of a model**; the steps then keep their length.
    alpha : float
        Power by which the steps become shorter, in [0, 1].
    t0 : float
        Iterations before the average begins, >= 0.
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
    >>> res = numbaopt.minimize(lambda x: ((x - 3) ** 2).sum(), [0.0, 0.0], method=numbaopt.ASGD(lr=0.1, lambd=0))
    >>> res.success, res.x.round(3).tolist()
    (True, [3.0, 3.0])

    Notes
    -----
    Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", SIAM J. Control Optim. 30, 1992, with
    the step lengths of Bottou's SGD (Bottou, "Stochastic Gradient Descent Tricks", 2012). Defaults and arithmetic are
    those of `torch.optim.ASGD`, in which eta and mu of an iteration are made at the end of the one before.

    Use it when gradients are noisy, with t0 at the iteration where x begins to wander about the minimum, not when they
    are exact: the average only lags behind then.
    """

    lr: Rate = 1e-2
    lambd: float = 1e-4
    alpha: float = 0.75
    t0: float = 1e6
    weight_decay: float = 0.0
    maximize: bool = False


class ASGDStep(NamedTuple):
    """Scalars of one iteration."""

    eta: float
    shrink: float  # 1 - lambd * eta
    mu: float
    rest: float  # 1 - mu
    weight_decay: float  # coupled decay


@per_iteration(ASGD)
def _asgd(h, t) -> ASGDStep:
    lr = learning_rate(h.lr, t)
    eta = lr / (1 + h.lambd * lr * (t - 1)) ** h.alpha
    mu = 1 / max(1.0, t - 1 - h.t0)
    return ASGDStep(eta, 1 - h.lambd * eta, mu, 1 - mu, h.weight_decay)


@update_rule(ASGDStep, slots=("a",), start={"a": lambda h, x: x})
def asgd(h, x, g, a):
    """One element of ASGD."""
    x = h.shrink * x - h.eta * g
    return x, h.rest * a + h.mu * x


@readout(ASGDStep)
def _average(h, x, a):
    return a
