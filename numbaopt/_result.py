"""From the state of a run to the result that the user gets."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult

from ._errors import name_of
from ._rule import innermost
from ._status import (
    CONVERGED_TO_ROUNDING,
    MESSAGES,
    NO_VALUE_FOUND,
    NONFINITE_AROUND_START,
    NONFINITE_START,
    NOTHING_FOUND,
    UNBOUNDED,
    VALUE_MESSAGES,
    Status,
)
from .drivers.loop import State
from .drivers.slices import joined
from .rules.dog import DoG
from .schedules.functions import is_function


def assemble(run: Any, status: Status, seconds: float, compile_seconds: float) -> OptimizeResult:
    """The `OptimizeResult` of a finished, stopped or interrupted run."""
    state: State = run.state
    p = state.progress[0]
    kept, nothing_kept = int(p["kept"]), not run.found_something
    rows, points = joined(run.history, state.x.shape[1], state.x.dtype)
    result = OptimizeResult(
        x=state.x[kept].copy(),
        fun=run.sign * float(p["f"] if nothing_kept else p["f_kept"]),
        jac=run.sign * state.g[kept],
        success=status.success or converged_to_rounding(run, status),
        status=int(status),
        message=message(run, status),
        nit=int(p["nit"]),
        nfev=int(p["nfev"]),
        njev=int(p["njev"]),
        skipped=int(p["skipped"]),
        method=type(run.hyper).__name__.lower(),
        hyperparameters=run.hyper,
        gradient=run.gradient,
        time=OptimizeResult(compile=compile_seconds, run=max(0.0, seconds - compile_seconds)),
    )
    result.update(run.extra)
    if (p["njev"] == 0 and p["nit_judged"] < 0) or (nothing_kept and status == Status.INTERRUPTED):
        result.fun, result.jac = np.nan, np.full_like(result.x, np.nan)
    if run.options.history:
        result.history = OptimizeResult(
            nit=rows[:, 0].astype(np.int64), fun=run.sign * rows[:, 1], gradient_norm=rows[:, 2]
        )
        if not run.has_gradient:
            del result.history.gradient_norm
        if run.options.history_x:
            result.history.x = points
    if not run.has_gradient:
        del result.jac, result.njev
    return result


FLAT = 1e-5
"""Largest element of the gradient, relative to max(1, |fun|), at which a run that ends in rounding has converged."""


def converged_to_rounding(run: Any, status: Status) -> bool:
    """Whether a run that could not lower fun any more is at a minimum as far as can be told."""
    p = run.state.progress[0]
    return bool(status == Status.ROUNDING and p["slope_kept"] <= FLAT * max(1.0, abs(p["f_kept"])))


def solver_template(run: Any, status: Status) -> str:
    """What `status` means in a run of a solver: of the two tests behind ftol and xtol the driver's, or the solver's."""
    drivers = status in (Status.FTOL, Status.XTOL) and run.state.progress["settled"][0] != status
    if status in run.messages and not drivers:
        return run.messages[status]
    return MESSAGES[status] if run.has_gradient else VALUE_MESSAGES.get(status, MESSAGES[status])


WARMING_UP = 300
"""Iterations below which a run of DoG may have been too short for it."""


def message(run: Any, status: Status) -> str:
    """Why the run stopped, what it means and what to do."""
    p, limits, options = run.state.progress[0], run.limits[0], run.options
    what = "fun" if not np.isfinite(p["f"]) else "x" if np.isnan(p["poison"]) else "The gradient"
    template = run.template(status)
    if converged_to_rounding(run, status):
        template = CONVERGED_TO_ROUNDING
    unbounded = p["f"] == -np.inf and (p["nit"] > 0 or (run.found_something and not run.has_gradient))
    if status == Status.NONFINITE and p["nit"] == 0 and not unbounded:
        template = NONFINITE_START if run.has_gradient else NONFINITE_AROUND_START
    elif status == Status.NONFINITE and unbounded:
        template = UNBOUNDED
    elif not run.found_something:
        template = NOTHING_FOUND if run.has_gradient else NO_VALUE_FOUND
    text = template.format(
        projected="projected " if run.bounded else "",
        slope=p["slope"],
        gtol="off" if options.gtol is None else f"{options.gtol:.3g}",
        ftol=limits["ftol"],
        xtol=limits["xtol"],
        ftarget=options.ftarget or 0.0,
        patience=options.patience,
        maxiter=options.maxiter,
        maxfev=options.maxfev,
        hyper=run.hyper,
        maxtime=options.maxtime or 0.0,
        nit=p["nit"],
        nit_kept=p["nit_kept"],
        kept=options.keep,
        what=what,
        infinite="-inf" if run.sign > 0 else "inf",
        extremum="minimum" if run.sign > 0 else "maximum",
        **run.extra,
    )
    if run.answer_value is not None:
        text += _about_answer(run)
    elif status == Status.GTOL and p["nit_kept"] != p["nit"]:
        text += (
            f" The point of iteration {p['nit_kept']} is returned, where fun is lower; the largest element of its "
            f"gradient is {p['slope_kept']:.3g}."
        )
    if p["skipped"] and not status.success:
        text += f" In {p['skipped']} iterations fun was not finite at the next point: `bounds` may exclude such points."
    if status == Status.MAXITER and isinstance(run.hyper, DoG) and p["nit"] < WARMING_UP:
        text += " DoG spends about its first hundred iterations on the length of its steps; give more of them."
    decay = innermost(run.hyper, "weight_decay")
    if decay:
        shown = f"{decay:g}" if isinstance(decay, float) else name_of(decay) if is_function(decay) else decay
        text += (
            f" Note: weight_decay = {shown} pulled every parameter toward 0, so this is not the minimum of fun "
            "alone; set weight_decay=0 for a fit."
        )
    return text


def _about_answer(run: Any) -> str:
    """What is returned by a rule whose answer is not its last iterate."""
    p, name = run.state.progress[0], type(run.hyper).__name__
    if p["kept"] == p["current"]:
        return (
            f" The returned point is the one that {name} makes of its iterates, where the largest element of the "
            f"gradient is {p['slope_kept']:.3g}."
        )
    return (
        f" The point of iteration {p['nit_kept']} is returned: the one that {name} makes of its iterates has fun = "
        f"{run.answer_value:.9g}, which is not better."
    )
