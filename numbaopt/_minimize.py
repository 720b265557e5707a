"""minimize(): validate, look up, choose a driver, assemble the result. No mathematics."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult

from ._batched_run import BatchedRun
from ._bounds import make_space
from ._choice import choose
from ._compile import compile_seconds
from ._compiled_objective import jitted
from ._errors import SparseGradientError, attach_result
from ._exact import WrongGradientError, by_differences, with_gradient
from ._groups import with_fixed
from ._objective import GRADIENTS, Problem, scipy_unwrapped
from ._options import Options, resolve, with_tol
from ._residual_run import ResidualRun
from ._result import assemble
from ._rule import innermost
from ._run import Run
from ._solver import SOLVERS, is_solver
from ._solver_run import SolverRun, for_solver
from ._sparse_run import SparseRun
from ._status import Status


def minimize(
    fun: Callable,
    x0: Any,
    args: Any = (),
    method: Any = None,
    jac: Any = None,
    hess: Any = None,
    hessp: Any = None,
    bounds: Any = None,
    constraints: Any = (),
    tol: float | None = None,
    callback: Callable | None = None,
    options: dict[str, Any] | None = None,
) -> OptimizeResult:
    """Minimise a function of one or more variables.

    ::

        x_{t+1} = P(rule(x_t, grad fun(x_t), state))             P: projection onto the bounds; or a solver's iteration
        stop when max |P(x - grad fun(x)) - x| <= gtol

    Parameters
    ----------
    fun : callable
        The objective, `fun(x, *args) -> number`, with x a vector of shape (n,). A plain Python function, or one
        compiled by `numba.njit`: then the whole loop runs compiled and `fun` is called by it directly (x and the
        gradient are the loop's own memory there: copy what you keep).
    x0 : array_like, shape (n,)
        Where to start. float32 stays float32 throughout, all other real types become float64. Never modified.
    args : tuple
        Further arguments of `fun` and `jac`; a single value is wrapped. For a compiled `fun`: whatever numba can
        type (arrays, numbers, tuples of them).
    method : str, hyper-parameter object or class, optional
        None chooses: "l-bfgs-b", until `fun` does not change any more; "newton-cg" where `hess` or `hessp` is given and
        there are no bounds; "adam" for minibatches, and where there are options of update rules such as `lr`;
        "sparseadam" where the gradient is sparse. `choice` of the result says which, and why.

        Else a name (any case) of `numbaopt.method_names()`, such as "adam", "adadelta" or "nadam"; an object, such as
        `numbaopt.AdamW(lr=0.01, weight_decay=0)` or `numbaopt.ClipNorm(numbaopt.Adam(lr=0.01), 1.0)`; or a class. By
        name and without `lr`, the learning rate is found (`lr="auto"`, see there). Or a solver, which works on x as a
        whole and has no learning rate: a name (with or without hyphens) of `numbaopt.solver_names()`, such as
        "l-bfgs-b", "newton-cg", "nelder-mead", "cma-es" or "lm" (for a `fun` that returns residuals), an object or a
        class.
    jac : callable, bool, str or None
        How the gradient is obtained:

        - a callable `jac(x, *args)` that returns an array of shape (n,);
        - True: `fun` returns the pair (value, gradient); here and above, the gradient may be sparse (see `options`);
        - "inplace": `fun(x, grad, *args)` fills `grad` and returns the value;
        - "autodiff": the exact gradient of a compiled `fun`, derived from its source (`numbaopt.value_and_grad`), at
          the cost of a few evaluations for any n; compared with a difference along one random direction at x0, and an
          error if they disagree;
        - "2-point": forward differences, n + 1 evaluations, about 8 digits;
        - "3-point": central differences, 2n + 1 evaluations, about 10 digits;
        - "cs": complex step, n complex evaluations, exact to rounding where `fun` is an analytic function that takes
          complex x. It is silently wrong with abs, norm, var, max, comparisons and, in numba, powers `z**3` of
          numbers with negative real part: it is compared with a difference along one random direction at x0, and an
          error if they disagree;
        - None: "autodiff" where `fun` is compiled and that works, else "2-point". A warning says why a compiled `fun`
          is not differentiated, and so does `gradient` of the result.

        Differences of a compiled `fun` are compiled, and run on several threads where that pays and `fun` compiles
        with read-only `args` (what an `objmode` block writes is not seen). They stay within the bounds; a difference
        with respect to a variable whose bounds are equal is given as 0.
    hess, hessp : callable, optional
        For "newton-cg": `hessp(x, p, *args)` is the product of the Hessian with p, `hess(x, *args)` the Hessian, of
        shape (n, n); `hessp` is taken where both are given. With neither, the product is exact where `fun` is compiled
        and can be differentiated (`numbaopt.hvp`), else a difference of gradients. Other methods warn that they do not
        use them.
    constraints
        Not used by these methods; given, they cause a RuntimeWarning.
    bounds : scipy.optimize.Bounds or sequence of pairs, optional
        Every evaluation is inside. None or inf is no bound.
    tol : float, optional
        Sets `gtol`.
    callback : callable, optional
        `callback(x)` or `callback(intermediate_result)`, with the current point after an iteration. Raise
        StopIteration to end the run. With a plain `fun` it is called after every iteration; with a compiled one
        between slices of about 10 ms, or every `callback_every` iterations.
    options : dict, optional
        Hyper-parameters of the method (`lr`, `betas`, `eps`, `weight_decay`, ...; `maximize`) when it is given by name
        or class, and:

        maxiter : int
            Iterations (10 000).
        maxfev : int
            Evaluations of `fun`, those for differences included.
        maxtime : float
            Seconds of running; those of compiling are not counted. A solver ends after the gradient that it is in.
        gtol : float
            Tolerance on the largest element of the projected gradient (1e-5; 1e-7 with lr="auto" and where the
            method is chosen), in the user's units.
        ftol, xtol : float
            Tolerances relative to the best `fun` and to max |x|: stop after `patience` (10) iterations in which the
            best `fun` has not improved by more than `ftol * |fun|`, or x has not moved by more than `xtol * max |x|` in
            each. Both are off, but ftol is 1e-15 where the method is chosen.
        ftarget : float
            Stop when `fun` is this good.
        x_scale : array_like, "x0" or "auto"
            Typical sizes of the elements of x, or |x0| with 1 for zeros: the method works in x / x_scale, for
            parameters of very different size. Tolerances, decay and history stay in the user's units. "auto", the
            default where the method is chosen: as "x0" where there are at most 50 elements, of sizes that differ by
            more than 100 times (what is below 1e-12 of the largest counts as zero), else none.
        lr : float, schedule or "auto"
            Learning rate: a number, one of `numbaopt.schedules`, or any function of the iteration, which counts from 1.
            `weight_decay` and each of `betas` take the same. "auto" (`numbaopt.schedules.Auto`) finds the rate, and
            keeps ten vectors that tell the curvature; it takes only steps that lower `fun`, which must be free of
            noise. It is the default where the method is given by name and is one that can start anew. As steps are
            judged by `fun` alone there is no weight decay then: AdamW's default is off, and where `weight_decay` is
            given, the rate is the method's default. With `batch_size`, or `Auto(noisy=True)`, no values are compared:
            see `numbaopt.DoG`.
        groups : dict
            Parts of x with hyper-parameters of their own: {"scale": (slice(0, 3), {"lr": 0.1}), ...}, for each name
            its coordinates (a slice, a boolean mask or indices) and what differs from the method. Numbers may differ,
            flags and kinds of schedules not. Sums over all coordinates (norms, trust ratios) are then over each group.
        fixed : slice, mask or indices
            Coordinates that stay where they are in x0, and are in no sum.
        state_dtype : "float32" or "bfloat16"
            How moments are stored, instead of in the dtype of x: in 4 bytes, or in 2 with stochastic rounding. Not for
            methods that keep points in their state.
        maximize : bool
            Maximise `fun`; `fun` and `jac` of the result are those of the function as it was given.
        history : bool or int
            Record value and gradient norm, at every iteration or every k-th.
        history_x : bool
            Record x as well; implies `history`.
        keep : "best" or "last"
            Which point comes back: the best finite one that was evaluated, or the last finite one.
        nonfinite : "stop" or "skip"
            What a step to where `fun` or its gradient is not finite does: end the run ("stop"), or be thrown away and
            counted in `skipped`: the run goes on from the point that `keep` says, its state as it is ("skip"; SGD
            without momentum or a schedule takes the same step again). "auto" takes such steps back anyway. A batch
            whose value or gradient is not finite is left out.
        disp : bool
            Print a line a second, and the message.
        workers : int
            Threads (numba's setting); -1 for all.
        callback_every : int
            Iterations between calls of `callback`.
        gradient : str
            The same as a string `jac`.
        jit : bool
            Compile a plain `fun` (and `jac`) by numba first.
        checkpoint : path
            A file that always has a recent state of the run: written every `checkpoint_every` (10) seconds, and at the
            end, Ctrl-C and exceptions included. It replaces the older one in a single step, so that a process may be
            killed at any time. If it cannot be written in mid-run, a RuntimeWarning says so once. A state that is not
            finite is not written.
        resume : bool or path
            True: go on from `checkpoint` if that file is there, else start at x0, so that the same call starts a run
            and continues it. A path: go on from that file. x, `nit`, `nfev`, the history and the result are those of
            a run without a break, to the bit; `maxtime` counts anew. All arguments must be those of the run that wrote
            it (ValueError, with what differs), but for limits, tolerances, `callback`, `disp` and `workers`; that
            `fun` and `args` are the same cannot be checked. Over minibatches the seed is that of the file; a run that
            a limit ended has an evaluation on all samples there.

        Sparse gradients, for a `fun` that depends on few coordinates at a time: where the gradient at x0 is a pair
        (indices, values), with what is there twice added up, or a scipy.sparse row, an iteration costs what the
        coordinates in it cost, whatever the size of x. `fun` and `jac`, compiled or not, are then called by Python with
        the run's own x, read-only: copy what you keep. A callback gets it too, and the pair as `jac`. As `fun` may read
        all of x, the method must leave alone what has no gradient: SparseAdam, or Adagrad, Adadelta, RMSprop and SGD
        without momentum and weight decay; lr is by default the method's. The last finite point comes back, with `jac`
        as a dense array. `gtol` is a tolerance on max |values|. lr="auto", keep="best", bounds, `x_scale`, `xtol`,
        `groups`, `fixed`, `state_dtype`, `history_x`, checkpoints and `batch_size` are not offered.

        Minibatches, for a `fun` that is a mean over samples:

        batch_size, n_samples : int
            `fun(x, idx, *args)` (and `jac(x, idx, *args)`, or `fun(x, grad, idx, *args)` for jac="inplace") is the
            MEAN over the samples `idx`, an int64 array of at most `batch_size` of the numbers 0 to n_samples - 1; the
            last batch of an epoch has what is left. Each step is along the gradient of one batch.
        shuffle : bool
            A new random order for each epoch (True), or the order 0, 1, 2, ... Fisher-Yates with splitmix64: the same
            order for the same seed with plain and compiled functions and any number of threads.
        seed : int
            In [0, 2^62]; None draws one. The result has it. Also that of the random numbers of "cma-es" and
            "differential_evolution".
        maxepoch : int
            Epochs; with it, maxiter (steps) is off unless given.
        evaluate_every : int
            Epochs between evaluations on all samples, which cost one pass over the data each, batch by batch. Stopping
            tests (off unless given), keep="best" (the default is "last"), and `history`, a row for each, are of these
            evaluations; `patience` counts them. Default: 1 where one of those asks for it, else None: at x0 and at the
            end only. Those two are always made, so that `fun` and `jac` of the result are of all samples.
        variance_reduction : "svrg"
            Use g_batch(x) - g_batch(snapshot) + g_all(snapshot) as gradient, under any rule (Johnson and Zhang 2013,
            algorithm 1, option I, but with each sample once an epoch). It costs a second evaluation on each batch.
        snapshot_every : int
            Epochs between snapshots (2); each is an evaluation on all samples.

    Returns
    -------
    scipy.optimize.OptimizeResult
        x, fun, jac (shape (n,), of the returned point), success, status, message, nit, nfev, njev as in scipy;
        skipped (steps to where fun was not finite, and the run went on), method, hyperparameters, choice (with
        method=None: which was chosen, and why), gradient (how it was obtained), time (`compile` and `run`, seconds),
        and where asked for history (nit, fun, gradient_norm, x).
        `status` is a `numbaopt.Status`; success is True where a stopping test was met (gtol, ftol, xtol, ftarget),
        False at a limit, at a non-finite value and at a callback's stop.

        With batch_size also nepoch (epochs that are over) and seed; nit counts steps, and nfev and njev (and maxfev)
        evaluations on one batch: one on all samples counts as the n_samples / batch_size, rounded up, that it takes.

    Raises
    ------
    TypeError, ValueError
        Something that was given is of the wrong kind or out of its range; found before anything runs where possible.
    Exception
        Whatever `fun`, `jac` or `callback` raise, and KeyboardInterrupt, propagates with the result so far attached
        as `.result`.

    Notes
    -----
    NaN and inf never reach the result: the run stops with a status, and the best finite point comes back (x0 with what
    is known there, if that itself is not finite).

    A function is compiled once per object: data that changes belongs into `args`, not into a new closure for each
    call, which would be compiled anew and which numba keeps in memory.

    With minibatches the callback gets value and gradient of the batch. A run that maxtime, a callback, an exception or
    Ctrl-C ends between two evaluations on all samples makes one more; a second Ctrl-C goes without it, and x is then
    that of the last one.

    Weight decay (AdamW's default is 0.01) pulls every parameter toward 0, which is right for regularisation and wrong
    for a fit: use `weight_decay=0` there.

    Examples
    --------
    >>> import numba, numpy as np, numbaopt
    >>> @numba.njit
    ... def rss(b, x, y):
    ...     return ((y - b[0] * np.exp(-b[1] * x)) ** 2).sum()
    >>> x = np.linspace(0, 4, 50)
    >>> res = numbaopt.minimize(rss, [1.0, 1.0], args=(x, 3 * np.exp(-0.5 * x)))
    >>> res.success, res.x.round(4).tolist(), res.gradient
    (True, [3.0, 0.5], 'autodiff')
    """
    started, compiled_before = time.perf_counter(), compile_seconds()
    choice = choose(method, options, second_order=not (hess is None and hessp is None), bounded=bounds is not None)
    hyper, settings = resolve(choice.method, choice.completed(with_tol(choice.method, options, tol)))
    _warn_unused(hyper, hess, hessp, constraints)
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be callable, not {callback!r:.80}.")
    x0 = read_x0(x0)
    batched = settings.batch_size is not None
    problem = read_problem(fun, jac, args, settings, hyper)
    space = with_fixed(make_space(x0, bounds, settings.x_scale), x0, settings.fixed)
    if is_solver(hyper):
        problem, space = for_solver(problem, hyper, x0, space, hess, hessp)
    else:
        problem = with_gradient(problem, x0, batched)
    kind = run_class(hyper, batched)
    run = kind(problem, x0, hyper, settings, space, callback)
    try:
        try:
            status, sparse = _executed(run)
        except WrongGradientError as wrong:
            if not problem.optional:
                raise
            run = kind(by_differences(problem, str(wrong)), x0, hyper, settings, space, callback)
            status, sparse = _executed(run)
        if sparse is not None:
            choice = choose(method, options, sparse=True)
            hyper, settings = resolve(choice.method, with_tol(choice.method, options, tol), sparse=True)
            run = SparseRun(problem, x0, hyper, settings, space, callback, sparse.start)
            status = run.execute()
    except BaseException as error:
        if run.found_something or isinstance(error, KeyboardInterrupt):
            seconds, compiled = time.perf_counter() - started, compile_seconds() - compiled_before
            attach_result(error, choice.noted(assemble(run, Status.INTERRUPTED, seconds, compiled)))
        raise
    run.state = run.state._replace(slots=None)  # large problems: freed before the result is copied out
    seconds, compiled = time.perf_counter() - started, compile_seconds() - compiled_before
    result = choice.noted(assemble(run, status, seconds, compiled))
    if settings.disp:
        print(f"{result.message}\n  fun: {result.fun:.9g}  nit: {result.nit}  nfev: {result.nfev}")
    return result


def read_x0(x0: Any, name: str = "x0") -> np.ndarray:
    """x0, called `name`, as a contiguous vector of float32 or float64; not copied where it is one."""
    array = np.asarray(x0)
    if x0 is None:
        raise TypeError(f"{name} must be an array of real numbers, not None.")
    if array.dtype == object:
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError):
            raise TypeError(f"{name} must be an array of real numbers, not {x0!r:.80}.") from None
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"{name} must be real, but its dtype is {array.dtype}. Pass real and imaginary parts as one vector."
        )
    if array.ndim > 1:
        raise ValueError(
            f"{name!r} must only have one dimension, but its shape is {array.shape}. Pass {name}.ravel(), and restore "
            f"the shape inside fun by x.reshape{array.shape}."
        )
    if array.size == 0:
        raise ValueError(f"{name} is empty: there is nothing to minimise over.")
    dtype = np.float32 if array.dtype == np.float32 else np.float64
    vector = np.ascontiguousarray(array, dtype=dtype).reshape(-1)
    bad = np.flatnonzero(~np.isfinite(vector))
    if bad.size:
        raise ValueError(f"{name}[{bad[0]}] = {vector[bad[0]]} is not finite. Start from finite numbers.")
    return vector


def read_problem(fun: Any, jac: Any, args: Any, options: Options, hyper: Any) -> Problem:
    """The objective as the user means it, all defaults filled in."""
    fun, jac = scipy_unwrapped(fun, jac)
    if not callable(fun):
        raise TypeError(f"fun must be callable, not {fun!r:.80}.")
    if jac is None or jac is False:
        jac = options.gradient
    elif options.gradient is not None:
        raise ValueError(
            f"The gradient is given twice: jac={jac!r:.80} and options={{'gradient': {options.gradient!r}}}."
        )
    if not (jac is None or jac is True or callable(jac) or (isinstance(jac, str) and jac in GRADIENTS)):
        known = ", ".join(repr(name) for name in GRADIENTS)
        raise ValueError(f"jac={jac!r:.80} must be a function, True, None, or one of {known}.")
    if options.jit:
        fun, jac = jitted(fun), jitted(jac) if callable(jac) else jac
    if not isinstance(args, tuple):
        args = (args,)
    return Problem(fun, jac, args, -1.0 if innermost(hyper, "maximize") else 1.0)


def run_class(hyper: Any, batched: bool) -> Any:
    """The kind of run that a method needs."""
    if is_solver(hyper):
        return ResidualRun if SOLVERS[type(hyper)].needs == "residuals" else SolverRun
    return BatchedRun if batched else Run


def _executed(run: Run) -> tuple[Status, SparseGradientError | None]:
    """The status of a run, and what it found where the gradient at x0 is sparse: then nothing is done yet."""
    try:
        return run.execute(), None
    except SparseGradientError as found:
        if isinstance(run, BatchedRun) or run.found_something:
            raise
        return Status.RUNNING, found.with_traceback(None)  # which would keep the arrays of the run


def _warn_unused(hyper: Any, hess: Any, hessp: Any, constraints: Any) -> None:
    """What scipy says where a method cannot use what it was given."""
    method = type(hyper).__name__.lower()
    if is_solver(hyper) and SOLVERS[type(hyper)].needs == "product":
        hess = hessp = None  # which it uses
    if hess is not None:
        warnings.warn(f"Method {method} does not use Hessian information (hess).", RuntimeWarning, stacklevel=3)
    if hessp is not None:
        warnings.warn(
            f"Method {method} does not use Hessian-vector product information (hessp).", RuntimeWarning, stacklevel=3
        )
    if constraints is not None and not (isinstance(constraints, (tuple, list)) and len(constraints) == 0):
        warnings.warn(f"Method {method} cannot handle constraints.", RuntimeWarning, stacklevel=3)
