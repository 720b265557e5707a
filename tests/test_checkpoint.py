"""Checkpoints: from any of them a run goes on to the same bits, and no fault costs the one that is there."""

from __future__ import annotations

import errno
import math
import os
import shutil

import numpy as np
import pytest
from numba import njit
from test_faults import run_script

from numbaopt import Adam, AdamW, Status, minimize, schedules
from numbaopt.drivers import runner, slices

X0 = np.array([-1.2, 1.0, 0.5, 2.0])
MAXITER = 60


def rosen(x):
    total = 0.0
    for i in range(x.size - 1):
        total += 100.0 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2
    return total


def slope(x):
    g = np.zeros_like(x)
    for i in range(x.size - 1):
        d = x[i + 1] - x[i] ** 2
        g[i] += -400.0 * x[i] * d - 2 * (1 - x[i])
        g[i + 1] += 200.0 * d
    return g


compiled_rosen, compiled_slope = njit(rosen), njit(slope)
FORMS = {"plain": (rosen, slope), "compiled": (compiled_rosen, compiled_slope)}
OPTIONS = {"lr": 0.05, "gtol": None, "maxiter": MAXITER}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.ckpt"


def same(found, expected):
    """All that a result says of the run is the same, to the bit."""
    assert found.x.dtype == expected.x.dtype
    for name in ("x", "jac"):
        assert found[name].tobytes() == expected[name].tobytes(), name
    for name in ("fun", "nit", "nfev", "njev", "status", "message"):
        assert found[name] == expected[name], name
    assert ("history" in found) == ("history" in expected)
    for name in expected.get("history", {}):
        assert np.array_equal(found.history[name], expected.history[name]), name


def message(kind, *args, **kwargs):
    with pytest.raises(kind) as info:
        minimize(*args, **kwargs)
    return str(info.value)


def never_called(x):
    raise AssertionError("fun was called")


# --- the same bits ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jac", ["given", "2-point", "3-point"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "more",
    [
        {"keep": "last"},
        {"history": True, "history_x": True, "ftol": 1e-3, "xtol": 1e-3, "patience": 100},
        {"amsgrad": True, "x_scale": "x0", "dtype": np.float32},
        {"lr": schedules.CosineDecay(0.05, steps=MAXITER), "bounds": [(-2, 2)] * 4, "history": 7},
    ],
    ids=["last", "history", "float32", "bounds"],
)
def test_a_finished_run_goes_on_with_a_larger_maxiter(form, jac, more, path):
    fun, gradient = FORMS[form]
    options = OPTIONS | more
    x0 = X0.astype(options.pop("dtype", float))
    given = {"jac": gradient if jac == "given" else jac, "bounds": options.pop("bounds", None)}
    whole = minimize(fun, x0, **given, options=options)
    for limit in (0, 1, 23, 40, MAXITER):
        resumed = options | {"checkpoint": path, "resume": True, "maxiter": limit}
        part = minimize(fun, x0, **given, options=resumed)
        assert (part.nit, part.status) == (limit, Status.MAXITER)
    same(part, whole)
    same(minimize(never_called, x0, **given, options=options | {"resume": str(path)}), whole)
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("jac", ["given", "3-point"])
def test_from_every_checkpoint_of_a_run(form, jac, path, monkeypatch):
    """Between any two evaluations of fun, those within one gradient included."""
    monkeypatch.setattr(slices, "SLICE", 0.0)
    fun, gradient = FORMS[form]
    given = {"jac": gradient if jac == "given" else jac}
    options = OPTIONS | {"maxiter": 4, "history": 1}
    whole = minimize(fun, X0, **given, options=options)
    copies = []

    def replace(source, target):
        if os.fspath(target) == str(path):  # not a file of compiled code
            copies.append(f"{path}.{len(copies)}")
            shutil.copy(source, copies[-1])
        os.rename(source, target)

    monkeypatch.setattr("numbaopt._checkpoint.os.replace", replace)
    same(minimize(fun, X0, **given, options=options | {"checkpoint": path, "checkpoint_every": 0}), whole)
    assert len(copies) >= (5 * 5 if jac == "3-point" else 5)  # a value and four partial derivatives, five times
    for copy in copies:
        same(minimize(fun, X0, **given, options=options | {"resume": copy}), whole)


@pytest.mark.parametrize("jac", [slope, "2-point"], ids=["given", "2-point"])
def test_interrupted_at_any_evaluation(jac, path):
    whole = minimize(rosen, X0, jac=jac, options=OPTIONS | {"maxiter": 5})
    left = [0]

    def interrupted(x):
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        return rosen(x)

    options = OPTIONS | {"maxiter": 5, "checkpoint": path}
    for evaluation in range(1, whole.nfev + 1):
        path.unlink(missing_ok=True)
        left[0] = evaluation
        with pytest.raises(KeyboardInterrupt):
            minimize(interrupted, X0, jac=jac, options=options)
        assert path.exists()
        same(minimize(interrupted, X0, jac=jac, options=options | {"resume": True}), whole)


@pytest.mark.parametrize("call", [1, 2, 5])
def test_interrupted_between_evaluation_and_judgement(call, path, monkeypatch):
    """Python gives Ctrl-C the word between any two of its own instructions."""
    whole = minimize(rosen, X0, jac=slope, options=OPTIONS | {"history": True})
    calls, evaluate = [0], runner.evaluate

    def interrupted(*args):
        cost = evaluate(*args)
        calls[0] += 1
        if calls[0] == call:
            raise KeyboardInterrupt
        return cost

    monkeypatch.setattr(runner, "evaluate", interrupted)
    options = OPTIONS | {"history": True, "checkpoint": path, "resume": True}
    with pytest.raises(KeyboardInterrupt):
        minimize(rosen, X0, jac=slope, options=options)
    same(minimize(rosen, X0, jac=slope, options=options), whole)


@pytest.mark.parametrize("form", FORMS)
def test_tolerances_may_change(form, path):
    fun, gradient = FORMS[form]
    options = {"lr": 0.05, "ftol": 1e-8, "patience": 50}
    whole = minimize(fun, X0, jac=gradient, options=options | {"gtol": 1e-6})
    options |= {"checkpoint": path, "resume": True}
    for gtol in (10.0, 1e-2, 1e-2, 1e-6):
        part = minimize(fun, X0, jac=gradient, options=options | {"gtol": gtol})
    assert part.status in (Status.GTOL, Status.FTOL)
    same(part, whole)
    res = minimize(never_called, X0, jac=gradient, options=options | {"ftarget": 1e9})
    assert res.nit == whole.nit


@pytest.mark.parametrize("form", FORMS)
def test_maxtime_and_callback(form, path):
    fun, gradient = FORMS[form]
    whole = minimize(fun, X0, jac=gradient, options=OPTIONS)
    options = OPTIONS | {"checkpoint": path, "resume": True, "callback_every": 10}
    assert minimize(fun, X0, jac=gradient, options=options | {"maxtime": 0.0}).status == Status.MAXTIME
    seen = []

    def callback(intermediate_result):
        seen.append(intermediate_result.nit)
        raise StopIteration

    for _ in range(3):
        res = minimize(fun, X0, jac=gradient, callback=callback, options=options)
        assert res.status == Status.CALLBACK
    assert seen == [10, 20, 30]
    same(minimize(fun, X0, jac=gradient, options=options), whole)


KILLED = """
    import os, random, signal, sys, time, warnings
    warnings.simplefilter("ignore")
    import numba, numpy as np, numbaopt

    path, form = {path!r}, {form!r}

    def fun(x):
        total = 0.0
        for i in range(x.size - 1):
            total += 100.0 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2
        return total

    maxiter = 6_000
    if form == "compiled":
        fun, maxiter = numba.njit(fun), 3_000_000
    options = dict(lr=1e-3, gtol=None, maxiter=maxiter, history=1000)
    x0 = np.array([-1.2, 1.0, 0.5])
    whole = numbaopt.minimize(fun, x0, options=options)
    options |= dict(checkpoint=path, checkpoint_every=0, resume=True)
    rng = random.Random(int(sys.argv[1]) if sys.argv[1:] else None)
    kills, seen = 0, []
    while kills < 100:
        child = os.fork()
        if child == 0:
            numbaopt.minimize(fun, x0, options=options)
            os._exit(0)
        time.sleep(rng.uniform(0.01, 0.15))
        os.kill(child, signal.SIGKILL)
        if os.waitpid(child, 0)[1] == 0:
            break
        kills += 1
        if os.path.exists(path):
            seen.append(numbaopt.minimize(fun, x0, options=options | dict(checkpoint=None, resume=path, maxiter=0)).nit)
    res = numbaopt.minimize(fun, x0, options=options)
    assert seen == sorted(seen), seen
    assert (res.nit, res.nfev, res.njev, res.fun) == (whole.nit, whole.nfev, whole.njev, whole.fun)
    assert res.x.tobytes() == whole.x.tobytes()
    assert all(np.array_equal(res.history[name], whole.history[name]) for name in whole.history)
    assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]
    print(kills, len(set(seen)))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("form", FORMS)
def test_killed_at_random(form, path):
    """SIGKILL, again and again; what is left is whole, never older than before, and leads to the same bits."""
    done = run_script(KILLED.format(path=str(path), form=form), NUMBA_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    kills, different = map(int, done.stdout.split())
    assert kills >= 3
    assert different >= 2


# --- faults of the file ----------------------------------------------------------------------------------------------


def test_torn_and_foreign_files(path):
    options = OPTIONS | {"checkpoint": path}
    minimize(rosen, X0, jac=slope, options=options)
    whole = path.read_bytes()
    damaged = f"The checkpoint {str(path)!r} is damaged: it is cut off or was changed."
    foreign = f"{str(path)!r} is not a checkpoint of numbaopt."
    version = f"The checkpoint {str(path)!r} was written by another version of numbaopt."
    cases = {whole[:k]: damaged for k in (31, 38, 39, 60, len(whole) // 2, len(whole) - 1)}
    cases |= {whole[:k] + bytes([whole[k] ^ 1]) + whole[k + 1 :]: damaged for k in range(31, len(whole), 97)}
    cases |= {whole + b"\0": damaged, whole * 2: damaged, b"": foreign, b"x,y\n1,2\n": foreign, whole[1:]: foreign}
    cases |= {whole.replace(b"version 1", b"version 2", 1): version, whole[:25]: version}
    for content, text in cases.items():
        path.write_bytes(content)
        for resume in (True, path):
            assert message(ValueError, never_called, X0, jac=slope, options=options | {"resume": resume}) == text
        assert path.read_bytes() == content
    path.write_bytes(b"x,y\n1,2\n")
    assert message(ValueError, never_called, X0, options=options) == (
        f"checkpoint={str(path)!r} is a file of something else: it stays as it is."
    )
    assert path.read_bytes() == b"x,y\n1,2\n"
    path.write_bytes(whole[:-5])
    minimize(rosen, X0, jac=slope, options=options)  # starts anew, as it was asked to
    assert path.read_bytes() == whole


def test_absent_and_unreachable_files(path):
    text = message(FileNotFoundError, never_called, X0, options={"resume": path})
    assert text.startswith(f"resume={str(path)!r} cannot be read: [Errno 2] ")
    for where, kind in ((path / "a", FileNotFoundError), (path.parent, IsADirectoryError)):
        text = message(kind, never_called, X0, options={"checkpoint": where})
        assert text.startswith(f"checkpoint={str(where)!r} cannot be written: [Errno ")
    path.write_bytes(b"")
    path.chmod(0o400)
    assert message(NotADirectoryError, never_called, X0, options={"checkpoint": path / "a"})


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_folder_that_cannot_be_written(path):
    path.parent.chmod(0o500)
    try:
        text = message(PermissionError, never_called, X0, options={"checkpoint": path})
    finally:
        path.parent.chmod(0o700)
    assert text.startswith(f"checkpoint={str(path)!r} cannot be written: [Errno 13] ")


def test_full_disk_in_mid_run(path, monkeypatch):
    monkeypatch.setattr(slices, "SLICE", 0.0)
    minimize(rosen, X0, jac=slope, options=OPTIONS | {"checkpoint": path, "maxiter": 5})
    before = path.read_bytes()
    whole = minimize(rosen, X0, jac=slope, options=OPTIONS)
    calls = []

    def full(descriptor):
        calls.append(descriptor)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("numbaopt._checkpoint.os.fsync", full)
    with pytest.warns(RuntimeWarning) as caught:
        res = minimize(rosen, X0, jac=slope, options=OPTIONS | {"checkpoint": path, "checkpoint_every": 0})
    assert [str(w.message) for w in caught] == [
        f"The checkpoint {str(path)!r} could not be written ([Errno 28] No space left on device); the run goes on, and "
        "an older checkpoint is as it was."
    ]
    assert len(calls) > 1
    same(res, whole)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_limit_on_the_size_of_files(path):
    """The same with a real error of the system, in the middle of a file."""
    done = run_script(
        f"""
        import resource, warnings
        import numpy as np, numbaopt
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        options = dict(lr=0.1, checkpoint={str(path)!r}, maxiter=50, gtol=None)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            res = numbaopt.minimize(lambda x: (x**2).sum(), np.ones(5000), jac=lambda x: 2 * x, options=options)
        print(res.nit, [w.category.__name__ for w in caught])
        """,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "50 ['RuntimeWarning']\n"
    assert os.listdir(path.parent) == []


def test_leftovers_of_killed_processes_are_removed(path):
    (path.parent / f"{path.name}.0123.unfinished").write_bytes(b"half")
    minimize(rosen, X0, jac=slope, options=OPTIONS | {"checkpoint": path})
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("form", FORMS)
def test_what_is_not_finite_is_not_written(form, path):
    fun, gradient = FORMS[form]
    options = {"lr": 1e200, "gtol": None, "checkpoint": path, "checkpoint_every": 0}
    with np.errstate(all="ignore"):
        assert minimize(fun, X0, jac=gradient, options=options).status == Status.NONFINITE
        if path.exists():
            res = minimize(fun, X0, jac=gradient, options=options | {"resume": True, "maxiter": 0})
            assert np.isfinite(res.x).all()


def rate(fails, compiled):
    def lr(t):
        if fails and t == 30:
            raise RuntimeError("no more")
        return 0.05

    return njit(lr) if compiled else lr


@pytest.mark.parametrize("compiled", [False, True], ids=["plain rate", "compiled rate"])
@pytest.mark.parametrize("form", FORMS)
def test_a_schedule_that_raises_leaves_a_state_before(form, compiled, path):
    fun, gradient = FORMS[form]
    whole = minimize(fun, X0, jac=gradient, options=OPTIONS)
    options = OPTIONS | {"checkpoint": path, "checkpoint_every": 0, "callback_every": 10, "resume": True}
    for fails in (True, False):
        given = {"jac": gradient, "callback": lambda x: None, "options": options | {"lr": rate(fails, compiled)}}
        if fails:
            assert message(RuntimeError, fun, X0, **given) == "no more"
            assert path.exists()
        else:
            same(minimize(fun, X0, **given), whole)


def test_fun_that_changes_x0_is_not_written(path):
    @njit
    def fun(x):
        x[0] += 1.0
        return x[0] ** 2

    assert "fun changed its argument" in message(ValueError, fun, X0, jac=compiled_slope, options={"checkpoint": path})
    assert not path.exists()


# --- another run -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"x0": X0[:3]}, "n (4 there, 3 here), x0 differ"),
        ({"x0": X0.astype(np.float32)}, "dtype (<f8 there, <f4 here), x0 differ"),
        ({"x0": X0 + 1}, "x0 differ"),
        ({"method": Adam(lr=0.1)}, "method (Adam(lr=0.05, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0, "),
        ({"method": AdamW(lr=0.05)}, "method (Adam("),
        ({"method": Adam(lr=0.05, amsgrad=True)}, "method (Adam("),
        ({"jac": "2-point"}, "gradient ("),
        ({"bounds": [(-3, 3)] * 4}, "bounds, x_scale differ"),
        ({"options": {"x_scale": 2.0}}, "bounds, x_scale differ"),
        ({"options": {"keep": "last"}}, "keep (best there, last here) differ"),
        ({"options": {"history": True}}, "history (0 there, 1 here) differ"),
    ],
)
def test_another_run(changed, text, path):
    given = {"x0": X0, "method": Adam(lr=0.05), "jac": slope, "options": {}}
    minimize(rosen, **given | {"options": {"checkpoint": path, "maxiter": 5}})
    before = path.read_bytes()
    given |= changed
    given["options"] = given["options"] | {"checkpoint": path, "resume": True}
    found = message(ValueError, never_called, **given)
    assert found.startswith(f"The checkpoint {str(path)!r} is of another run: {text}")
    assert found.endswith("Give what that run was given, or remove the file; limits and tolerances may be changed.")
    assert path.read_bytes() == before


def test_functions_are_known_by_their_names(path):
    def lr(t):
        return 0.05 / t

    options = {"checkpoint": path, "resume": True}
    minimize(rosen, X0, method=Adam(lr=lr), jac=slope, options=options | {"maxiter": 5})
    for other in (njit(lr), schedules.Warmup(lr, 3), 0.05):
        assert "method (" in message(
            ValueError, never_called, X0, method=Adam(lr=other, eps=1e-7), jac=slope, options=options
        )
    assert minimize(rosen, X0, method=Adam(lr=lr), jac=slope, options=options | {"maxiter": 9}).nit == 9


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"checkpoint": 3}, TypeError, "checkpoint=3 must be the path of a file, or None."),
        ({"checkpoint": ""}, TypeError, "checkpoint='' must be the path of a file, or None."),
        ({"resume": 3}, TypeError, "resume=3 must be True, False or the path of a checkpoint."),
        (
            {"resume": True},
            ValueError,
            "resume=True goes on from the file that checkpoint names; give checkpoint, or its path.",
        ),
        ({"checkpoint_every": -1}, ValueError, "checkpoint_every=-1 must be a number of seconds >= 0."),
        ({"checkpoint_every": None}, TypeError, "checkpoint_every=None must be a number of seconds >= 0."),
        ({"checkpoint_every": "often"}, TypeError, "checkpoint_every='often' must be a number of seconds >= 0."),
        ({"checkpoint_every": math.nan}, ValueError, "checkpoint_every=nan must be a number of seconds >= 0."),
    ],
)
def test_options(options, kind, text):
    assert message(kind, never_called, X0, options=options) == text


def test_resume_false_starts_anew(path):
    first = minimize(rosen, X0, jac=slope, options=OPTIONS | {"checkpoint": path})
    same(minimize(rosen, X0, jac=slope, options=OPTIONS | {"checkpoint": path, "resume": False}), first)


def test_a_link_stays_and_the_folder_may_change(path, monkeypatch):
    (path.parent / "there").mkdir()
    (path.parent / "elsewhere").mkdir()
    path.symlink_to(path.parent / "there" / "real")
    monkeypatch.chdir(path.parent)

    def moving(x):
        os.chdir(path.parent / "elsewhere")

    minimize(rosen, X0, jac=slope, callback=moving, options=OPTIONS | {"checkpoint": path.name})
    assert path.is_symlink()
    assert os.listdir(path.parent / "there") == ["real"]
    assert os.listdir(path.parent / "elsewhere") == []
    assert minimize(never_called, X0, jac=slope, options=OPTIONS | {"resume": path}).nit == MAXITER
