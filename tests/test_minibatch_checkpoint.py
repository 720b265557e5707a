"""Checkpoints of runs over minibatches: a run in pieces is the run in one, to the bit."""

from __future__ import annotations

import os

import pytest
from test_checkpoint import same
from test_faults import run_script
from test_minibatch import A, B, both, both_jit, inplace_jit, value, value_jit

from numbaopt import Status, minimize
from numbaopt.drivers import batches

X0 = [0.0, 0.0, 0.0, 0.0]
FORMS = {
    "inplace": (inplace_jit, "inplace"),
    "pair": (both_jit, True),
    "differences": (value_jit, "2-point"),
    "plain": (both, True),
    "plain differences": (value, "2-point"),
}
RUNS = {
    "batches": {},
    "in order, judged": {"shuffle": False, "evaluate_every": 2, "history": True, "keep": "best"},
    "svrg": {"variance_reduction": "svrg", "snapshot_every": 2},
    "auto": {"lr": "auto"},
}


def solve(form, callback=None, **options):
    fun, jac = FORMS[form]
    options = {"batch_size": 10, "n_samples": 103, "seed": 7, "maxepoch": 6, "lr": 0.1} | options
    return minimize(fun, X0, (A, B), "adam", jac, callback=callback, options=options)


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("form", FORMS)
def test_stopped_again_and_again(form, run, tmp_path):
    whole = solve(form, **RUNS[run])
    options = RUNS[run] | {"checkpoint": tmp_path / "run.ckpt", "resume": True}
    assert solve(form, maxtime=0.0, **options).status == Status.MAXTIME
    seen = []

    def stop(intermediate_result):
        seen.append(intermediate_result.nit)
        raise StopIteration

    for every in (3, 11, 13):
        assert solve(form, callback=stop, callback_every=every, **options).status == Status.CALLBACK
    assert 0 < seen[0] < seen[1] < seen[2] < whole.nit
    res = solve(form, **options)
    same(res, whole)
    assert (res.nepoch, res.seed) == (whole.nepoch, whole.seed)
    same(solve(form, **options), whole)  # where it has ended there is nothing to do


@pytest.mark.parametrize("form", ["inplace", "plain"])
@pytest.mark.parametrize("run", ["in order, judged", "svrg"])
def test_ended_run_goes_on_to_a_higher_limit(form, run, tmp_path):
    options = RUNS[run] | {"checkpoint": tmp_path / "run.ckpt", "resume": True}
    first = solve(form, maxepoch=2, **options)
    assert first.nepoch == 2
    same(solve(form, **options), solve(form, **RUNS[run]))


def test_the_seed_that_was_drawn_is_kept(tmp_path):
    options = {"checkpoint": tmp_path / "run.ckpt", "resume": True, "seed": None}
    first = solve("inplace", maxepoch=1, **options)
    assert solve("inplace", maxepoch=2, **options).seed == first.seed


class Interrupt(BaseException):
    """As Ctrl-C is: at any time."""


@pytest.mark.parametrize("last", [3, 30, 60])
def test_interrupted_between_a_value_and_its_use(last, tmp_path, monkeypatch):
    """On all samples at the start, on a batch and at the snapshot: what fun found is not taken in yet."""
    options = RUNS["svrg"] | {"checkpoint": tmp_path / "run.ckpt", "resume": True}
    whole, count = solve("plain", **RUNS["svrg"]), 0

    def evaluate(*args):
        nonlocal count
        done, count = batches_evaluate(*args), count + 1
        if count == last:
            raise Interrupt
        return done

    batches_evaluate = batches.evaluate
    with monkeypatch.context() as patch:
        patch.setattr(batches, "evaluate", evaluate)
        with pytest.raises(Interrupt):
            solve("plain", **options)
    same(solve("plain", **options), whole)


@pytest.mark.parametrize("option", ["batch_size", "seed", "shuffle", "variance_reduction"])
def test_other_batches_are_another_run(option, tmp_path):
    path = tmp_path / "run.ckpt"
    solve("inplace", checkpoint=path, maxepoch=1)
    other = {"batch_size": 11, "seed": 8, "shuffle": False, "variance_reduction": "svrg"}[option]
    with pytest.raises(ValueError, match=rf"is of another run: {option} \(.* there, .* here\)"):
        solve("inplace", resume=path, **{option: other})


KILLED = """
    import os, random, signal, time
    import numba, numpy as np, numbaopt

    path, form = {path!r}, {form!r}
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 5))
    y = X @ np.arange(5.0) + rng.standard_normal(2000)

    def fun(w, idx, X, y):
        value, g = 0.0, np.zeros_like(w)
        for i in idx:
            r = np.sum(X[i] * w) - y[i]
            g += r * X[i] / idx.size
            value += 0.5 * r * r / idx.size
        return value, g

    maxepoch = 3
    if form == "compiled":
        fun, maxepoch = numba.njit(fun), 2000
    options = dict(batch_size=32, n_samples=2000, seed=1, maxepoch=maxepoch, evaluate_every=1, history=True)

    def solve(**more):
        return numbaopt.minimize(fun, np.zeros(5), (X, y), numbaopt.Adam(lr=1e-3), True, options=options | more)

    whole = solve()
    options |= dict(checkpoint=path, checkpoint_every=0, resume=True)
    random.seed(3)
    kills, seen = 0, []
    while kills < 60:
        child = os.fork()
        if child == 0:
            solve()
            os._exit(0)
        time.sleep(random.uniform(0.02, 0.2))
        os.kill(child, signal.SIGKILL)
        if os.waitpid(child, 0)[1] == 0:
            break
        kills += 1
        if os.path.exists(path):
            seen.append(solve(checkpoint=None, resume=path, maxtime=0.0).nit)
    res = solve()
    assert seen == sorted(seen), seen
    assert (res.nit, res.nfev, res.njev, res.fun) == (whole.nit, whole.nfev, whole.njev, whole.fun)
    assert res.x.tobytes() == whole.x.tobytes()
    assert all(np.array_equal(res.history[name], whole.history[name]) for name in whole.history)
    print(kills, len(set(seen)))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("form", ["plain", "compiled"])
def test_killed_at_random(form, tmp_path):
    done = run_script(KILLED.format(path=str(tmp_path / "run.ckpt"), form=form), NUMBA_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    kills, different = map(int, done.stdout.split())
    assert kills >= 3
    assert different >= 2
