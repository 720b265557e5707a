"""What marks a loop whose gradient is to record little; `segments` has its adjoint."""

from .._compile import jit_user


@jit_user
def checkpoint(iterations):
    """The same range, whose gradient records only about sqrt(T) of its T iterations.

    In the gradient of a loop over `checkpoint(range(...))` an iteration is computed twice, and the memory that is
    recorded grows with the square root of the number of iterations instead of with the number: for recurrences of
    millions of steps, or of large arrays. Values and gradients stay the same to the bit.

    Parameters
    ----------
    iterations : range
        With any start, stop and step. The loop may not be left early, nor stand in another loop; arrays that it carries
        from one iteration to the next are assigned in place, `u[:] = ...`.

    Returns
    -------
    range
        `iterations`.

    Raises
    ------
    numbaopt.autodiff.NotDifferentiable
        When the gradient is made, for a loop of another form.

    Examples
    --------
    >>> import numba, numpy as np, numbaopt
    >>> @numba.njit
    ... def logistic_map(p):
    ...     z = 0.5
    ...     for _ in numbaopt.checkpoint(range(10)):
    ...         z = p[0] * z * (1 - z)
    ...     return z
    >>> numbaopt.grad(logistic_map)(np.array([2.5])).round(6).tolist()
    [0.158874]
    """
    return iterations
