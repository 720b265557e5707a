"""Why a run stopped: one enum for all methods and drivers, and the message that goes with each."""

from __future__ import annotations

from enum import IntEnum


class Status(IntEnum):
    """The integer in `result.status`; a number never changes its meaning."""

    RUNNING = -1
    GTOL = 0
    FTOL = 1
    XTOL = 2
    FTARGET = 3
    MAXITER = 4
    MAXFEV = 5
    MAXTIME = 6
    NONFINITE = 7
    CALLBACK = 8
    INTERRUPTED = 9
    ROUNDING = 10
    RAISED = 11
    FLAT = 12

    @property
    def success(self) -> bool:
        """Whether a stopping test that the user asked for was met."""
        return Status.GTOL <= self <= Status.FTARGET


MESSAGES = {
    Status.RUNNING: "The run is not finished.",
    Status.GTOL: ("Converged: the largest element of the {projected}gradient, {slope:.3g}, is at most gtol = {gtol}."),
    Status.FTOL: (
        "Converged: the best fun improved by less than ftol = {ftol:.3g}, relative, in {patience} iterations. If fun "
        "still hovered above its minimum, a smaller `lr`, a schedule or a larger `patience` gets lower."
    ),
    Status.XTOL: "Converged: x moved by less than xtol = {xtol:.3g}, relative, in each of {patience} iterations.",
    Status.FTARGET: "Converged: fun reached ftarget = {ftarget:.6g}.",
    Status.MAXITER: (
        "Stopped after maxiter = {maxiter} iterations; the largest element of the {projected}gradient is {slope:.3g}, "
        "gtol is {gtol}. Try a larger `lr` if fun was still falling steadily, a smaller one or a schedule if it "
        "oscillated, `x_scale` if the parameters differ much in size, or a larger `maxiter`."
    ),
    Status.MAXFEV: (
        "Stopped: another iteration would pass maxfev = {maxfev} evaluations of fun. Raise `maxfev`, or give an exact "
        "gradient by `jac`, which saves the evaluations of differences."
    ),
    Status.MAXTIME: "Stopped after maxtime = {maxtime:.3g} seconds, in iteration {nit}. Raise `maxtime` to go on.",
    Status.NONFINITE: (
        "{what} became non-finite at iteration {nit}; the {kept} finite point, of iteration {nit_kept}, is returned. "
        "Try a smaller `lr`, or `bounds` that exclude where fun is undefined."
    ),
    Status.CALLBACK: "Stopped by the callback (StopIteration) in iteration {nit}.",
    Status.ROUNDING: (
        "Stopped: no step that the method found lowers fun by more than its rounding, but the largest element of the "
        "{projected}gradient is {slope:.3g}. Is the gradient right (`numbaopt.check_grad`)? "
        'An exact one by `jac`, or `x_scale="x0"`, may get lower. If fun has noise: '
        "`lr=numbaopt.schedules.Auto(noisy=True)`."
    ),
    Status.RAISED: "fun raised {error} in iteration {nit}; the {kept} point before that is given.",
    Status.FLAT: "Stopped where fun is flat in a variable, which is no minimum: start elsewhere, or give `bounds`.",
    Status.INTERRUPTED: "Interrupted in iteration {nit}; the {kept} point so far is given.",
}
"""What `result.message` says. Each message names the cause and, where the run failed, the remedy."""

CONVERGED_TO_ROUNDING = (
    "Converged: no step lowers fun by more than its rounding; the largest element of the {projected}gradient is "
    "{slope:.3g}, gtol = {gtol} is beyond the precision of fun or of its gradient."
)
"""The message of `Status.ROUNDING` where the gradient is small, which makes it a success."""

UNBOUNDED = (
    "Stopped: fun went to {infinite} at iteration {nit}, as there seems to be no {extremum}; the {kept} finite point, "
    "of iteration {nit_kept}, is returned. Is the sign of fun right? Else give `bounds`."
)
"""The message of `Status.NONFINITE` where fun became better than any number."""

NONFINITE_START = (
    "{what} is not finite at x0, which is returned. Choose an x0 at which fun and its gradient are finite."
)
"""The message of `Status.NONFINITE` where there is no other point to return."""

NOTHING_FOUND = "Interrupted before fun and its gradient were known at x0; fun and jac are NaN."
"""The message of `Status.INTERRUPTED` where there is no point at all."""

VALUE_MESSAGES = {
    Status.FTOL: "Converged: the best fun improved by less than ftol = {ftol:.3g}, relative, in {patience} iterations.",
    Status.MAXITER: (
        "Stopped after maxiter = {maxiter} iterations, before the tolerances of the method were met. Raise `maxiter` "
        "if fun was still falling, loosen the tolerances if it was not, or give `x_scale` or `bounds` if the "
        "parameters differ much in size."
    ),
    Status.MAXFEV: "Stopped: the maxfev = {maxfev} evaluations of fun are used up. Raise `maxfev` to go on.",
}
"""What a status means where fun is known by its values alone."""

NONFINITE_AROUND_START = (
    "fun is not finite at x0, which is returned, nor at the first points around it. Choose an x0 at which it is finite."
)
"""`NONFINITE_START` of methods that compare values: they look around first."""

NO_VALUE_FOUND = "Interrupted before fun was known at x0; fun is NaN."
"""`NOTHING_FOUND` of methods that compare values."""
