"""minimize_batch(): many problems of the same function at once. What is asked for is read here, and run elsewhere."""

from __future__ import annotations

import functools
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ._batch_arguments import read_batch_args
from ._batch_chunks import run_in_chunks
from ._batch_result import BatchResult
from ._batch_single import Singles
from ._batch_space import read_points, read_spaces
from ._batch_task import Task, run_task
from ._choice import choose
from ._compile import compile_seconds
from ._executors import require_executor
from ._minimize import read_problem
from ._options import resolve, with_tol
from ._residual_task import ResidualTask
from ._solver import SOLVERS, is_solver
from ._status import Status

PER_RUN = (
    "history",
    "history_x",
    "callback_every",
    "checkpoint",
    "resume",
    "batch_size",
    "n_samples",
    "maxepoch",
    "evaluate_every",
    "variance_reduction",
    "snapshot_every",
)
"""Options of `minimize` that make no sense for many problems at once."""


def minimize_batch(
    fun: Callable,
    X0: Any,
    args: Any = (),
    batch_args: Any = (),
    method: Any = None,
    jac: Any = None,
    bounds: Any = None,
    tol: float | None = None,
    options: dict[str, Any] | None = None,
    executor: Any = None,
) -> BatchResult:
    """Minimise one function for many data sets, or from many starting points: B problems of n unknowns each.

    The results are those of `minimize` one by one, to the bit, for any number of threads. A problem that fails says
    why, and takes nothing of the others with it.

    Parameters
    ----------
    fun : callable
        The objective, `fun(x, *args, *items) -> number`, with x of shape (n,) and one item of each of `batch_args`;
        with method="lm" it returns residuals, the number of which may differ where `batch_args` has lists of arrays.
        Compiled by `numba.njit` (or with options={"jit": True}) all problems run on all threads, and Python is out of
        the way; a plain Python function is given to `minimize` problem by problem, on one thread.
    X0 : array_like, shape (B, n)
        Where the problems start. float32 stays float32, all other real types become float64. Never modified.
    args : tuple
        What all problems share; a single value is wrapped.
    batch_args : tuple
        What each problem has an item of; a single array or list is wrapped. An array of shape (B,) gives numbers, one
        of shape (B, k, ...) arrays of shape (k, ...), and a list of B arrays, which may differ in length, those arrays.
    method : str, hyper-parameter object or class, optional
        As in `minimize`.
    jac : callable, bool, str or None
        How the gradient is obtained, as in `minimize`; a callable is `jac(x, *args, *items)`. An exact gradient is
        compared with a difference at the start of one problem.
    bounds : scipy.optimize.Bounds or sequence of pairs, optional
        For all problems as in `minimize`; with a `lb` or `ub` of shape (B, n), or as an array of shape (B, n, 2), for
        each its own.
    tol : float, optional
        Sets `gtol`.
    options : dict, optional
        Those of `minimize`, for each problem, except for what belongs to a single run (history, checkpoints,
        minibatches), and:

        x_scale : array_like, "x0" or "auto"
            Of shape (n,) for all problems, or (B, n); by X0, for each problem its own.
        fixed : slice, mask or indices
            Coordinates that stay as in X0: for all problems, or a boolean mask of shape (B, n).
        maxtime : float
            Seconds for the whole batch; problems that have not started then say so.
        seed : int
            Of the random numbers of each problem; every one gets the same, as in `minimize`.
        workers : int
            Threads (numba's setting); -1 for all. A thread takes the next problem when it is done with one.
        return_jac : bool
            Return the gradients at the end, of shape (B, n), as `jac`.
        disp : bool
            Show progress, by tqdm where that is installed, and print the summary.
        chunk_size : int
            Problems that an executor gets at a time; by default each of its workers gets four chunks.
    executor : optional
        Who runs the problems, in chunks: an executor of `concurrent.futures` or of any library that has such ones, or a
        `dask.distributed.Client`, for many machines. Functions are sent along; to have exact gradients, their source
        must be readable there. Each chunk runs on one thread, or on `workers`, and has `maxtime` for itself.

    Returns
    -------
    BatchResult
        Arrays x of shape (B, n), fun, success, status, nit, nfev, njev of shape (B,); `message_of(b)`; `result[b]`, an
        OptimizeResult; printed, a summary.

    Raises
    ------
    TypeError, ValueError
        Something that was given is of the wrong kind, shape or range; found before anything runs.
    KeyboardInterrupt, and whatever an executor raises
        With what is done attached as `.result`.

    Notes
    -----
    What `fun` raises ends its own problem: its status is `Status.RAISED`, and its message says what was raised, for the
    first such problem with the text. x is the best point until then.

    Several threads call `fun` at once where it compiles with read-only `args`; where it does not, as it may write to
    what the problems share, and where it has a parallel loop of its own, the problems run one after the other.

    A worker that dies in the middle of a chunk costs nothing but a second run of that chunk: dask gives it to another
    one; a pool of processes, which is of no use any more, leaves what it had not done to this process, with a warning.
    Results are the same bits wherever processors are of the same kind.

    nfev is without the two evaluations by which `minimize` checks an exact gradient at each x0: here that is done once.
    Methods whose answer is made of all their iterates (`ScheduleFreeSGD`, `ASGD`, `Averaged`, `DoG`) run problem by
    problem.

    Examples
    --------
    >>> import numba, numpy as np, numbaopt
    >>> @numba.njit
    ... def rss(p, t, y):
    ...     return ((p[0] * np.exp(-p[1] * t) - y) ** 2).sum()
    >>> t = np.linspace(0, 4, 50)
    >>> rates = np.array([0.5, 1.0, 2.0])
    >>> data = 3 * np.exp(-rates[:, None] * t)
    >>> result = numbaopt.minimize_batch(rss, np.ones((3, 2)), args=(t,), batch_args=(data,))
    >>> result.x.round(3).tolist()
    [[3.0, 0.5], [3.0, 1.0], [3.0, 2.0]]
    >>> result.success.all()
    np.True_
    """
    started, compiled_before = time.perf_counter(), compile_seconds()
    choice = choose(method, options, bounded=bounds is not None)
    options = choice.completed(with_tol(choice.method, options, tol))
    task = read_task(fun, X0, args, batch_args, choice.method, jac, bounds, options)
    if executor is None:
        result = run_task(task, started, compiled_before)
    else:
        require_executor(executor)
        elsewhere = functools.partial(run_in_chunks, task, executor=executor, size=task.chunk_size)
        result = run_task(task, started, compiled_before, elsewhere)
    if len(result) and (result.status == Status.RAISED).all():
        text = next(iter(result.errors.values()), "an exception")
        warnings.warn(f"fun raised in all of the {len(result)} problems: {text}.", RuntimeWarning, stacklevel=2)
    if task.settings.disp:
        print(result)
    return choice.noted(result)


def read_task(fun: Any, X0: Any, args: Any, batch_args: Any, method: Any, jac: Any, bounds: Any, options: Any) -> Task:
    """What was asked for, or the error that says what is wrong with it."""
    given = dict(options or {})
    with_jac = given.pop("return_jac", False)
    if not isinstance(with_jac, (bool, np.bool_)):
        raise TypeError(f"return_jac={with_jac!r:.80} must be True or False.")
    chunk_size = given.pop("chunk_size", None)
    if chunk_size is not None and not (isinstance(chunk_size, int) and chunk_size >= 1):
        raise ValueError(f"chunk_size={chunk_size!r:.80} must be an integer >= 1, or None.")
    for name in PER_RUN:
        if given.get(name):
            raise ValueError(f"{name}={given[name]!r:.80} is for a single run: minimize_batch does not take it.")
    hyper, settings = resolve(method, given)
    x0 = read_points(X0)
    batches = read_batch_args(batch_args, len(x0))
    args = args if isinstance(args, tuple) else (args,)
    spaces = read_spaces(x0, bounds, settings.x_scale, settings.fixed) if len(x0) else None
    problem = read_problem(fun, jac, args, settings, hyper)
    singles = Singles(problem.fun, x0, args, batches, method, problem.jac, spaces, given)
    kind = ResidualTask if is_solver(hyper) and SOLVERS[type(hyper)].needs == "residuals" else Task
    return kind(problem, singles, spaces, hyper, settings, bool(with_jac), False, chunk_size)
