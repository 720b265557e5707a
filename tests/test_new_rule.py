"""A rule is one new file, edited code is never answered from a stale cache, and no writable directory is needed."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import typing

import pytest

import numbaopt

PACKAGE = pathlib.Path(numbaopt.__file__).parent
BOTH, COMPILED = "quadratic, quadratic.py_func", "quadratic,"

HEAVY_BALL = """
from typing import NamedTuple
from numbaopt._rule import Rate, hyperparameters, per_iteration, update_rule
from numbaopt.schedules import learning_rate

@hyperparameters
class HeavyBall(NamedTuple):
    lr: Rate = 1e-2
    momentum: float = 0.9

class HeavyBallStep(NamedTuple):
    lr: float
    momentum: float

@per_iteration(HeavyBall)
def _(h, t) -> HeavyBallStep:
    return HeavyBallStep(learning_rate(h.lr, t), h.momentum)

@update_rule(HeavyBallStep, slots=("u",))
def heavy_ball(h, x, g, u):
    u = h.momentum * u + g
    return x - h.lr * u, u
"""

SCRIPT = """
import sys
import typing
import numba, numpy as np
import numbaopt
import {module}

@numba.njit
def quadratic(x):
    return 0.5 * np.sum(x**2), x.copy()

options = dict(lr=0.1, maxiter=3, gtol=None, keep="last")
for fun in ({objectives}):
    res = numbaopt.minimize(fun, [1.0, -2.0], method="{method}", jac=True, options=options)
    assert res.nit == 3
    print(*(x.hex() for x in res.x))
from numbaopt.drivers.loop import advance, move_once
print(*(sum(kernel.stats.cache_hits.values()) for kernel in (advance, move_once)))
"""


def run(script: str, tmp_path: pathlib.Path, path: list[pathlib.Path], **environment: str) -> tuple[list, list]:
    """Run `script` in a new process with `path` to import from: x of the two loops, and their cache hits."""
    known = {name: value for name, value in os.environ.items() if name not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")}
    search = os.pathsep.join(map(str, path))
    done = subprocess.run(
        [sys.executable, "-B", "-W", "error", "-c", script],
        env=known | {"PYTHONPATH": search} | environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    *points, hits = (line.split() for line in done.stdout.splitlines())
    return [[float.fromhex(number) for number in point] for point in points], [int(count) for count in hits]


def copied(folder: pathlib.Path) -> pathlib.Path:
    """The package without compiled files, in `folder`."""
    shutil.copytree(PACKAGE, folder / "numbaopt", ignore=shutil.ignore_patterns("__pycache__"))
    return folder / "numbaopt"


@pytest.fixture
def package(tmp_path: pathlib.Path) -> pathlib.Path:
    """A copy of the package to work on."""
    return copied(tmp_path / "site")


def heavy_ball(lr: float) -> list[float]:
    """Three iterations from (1, -2) with momentum 0.9 on |x|^2 / 2."""
    x, u = [1.0, -2.0], [0.0, 0.0]
    for _ in range(3):
        u = [0.9 * ui + xi for ui, xi in zip(u, x, strict=True)]
        x = [xi - lr * ui for ui, xi in zip(u, x, strict=True)]
    return x


def test_a_rule_in_a_file_of_its_own(package: pathlib.Path, tmp_path: pathlib.Path) -> None:
    rule, cache = tmp_path / "heavyball.py", str(tmp_path / "cache")
    path = [tmp_path, package.parent]
    script = SCRIPT.format(module="heavyball", method="HeavyBall", objectives=BOTH)

    rule.write_text(HEAVY_BALL)
    points, hits = run(script, tmp_path, path, NUMBA_CACHE_DIR=cache)
    assert points == [pytest.approx(heavy_ball(0.1), rel=1e-15)] * 2
    assert hits == [0, 0]

    points, hits = run(script, tmp_path, path, NUMBA_CACHE_DIR=cache)
    assert points == [pytest.approx(heavy_ball(0.1), rel=1e-15)] * 2
    assert hits == [1, 1]

    rule.write_text(HEAVY_BALL.replace("x - h.lr * u", "x + h.lr * u"))
    points, hits = run(script, tmp_path, path, NUMBA_CACHE_DIR=cache)
    assert points == [pytest.approx(heavy_ball(-0.1), rel=1e-15)] * 2
    assert hits == [0, 0]

    rule.write_text(HEAVY_BALL)
    points, hits = run(script, tmp_path, path, NUMBA_CACHE_DIR=cache)
    assert points == [pytest.approx(heavy_ball(0.1), rel=1e-15)] * 2
    assert hits == [1, 1]


def adam(factor: float) -> list[float]:
    """Three iterations of Adam from (1, -2) on |x|^2 / 2 with lr 0.1, each step multiplied by `factor`."""
    points = []
    for x in (1.0, -2.0):
        m = v = 0.0
        for t in (1, 2, 3):
            m, v = 0.9 * m + 0.1 * x, 0.999 * v + 0.001 * x * x
            x -= factor * 0.1 * (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)) ** 0.5 + 1e-8)
        points.append(x)
    return points


ADAM = SCRIPT.format(module="numbaopt", method="adam", objectives=COMPILED)


def test_an_edit_of_the_package(package: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """What it makes stale is not used, and removed."""
    script = SCRIPT.format(module="numbaopt", method="adam", objectives=BOTH)
    points, hits = run(script, tmp_path, [package.parent])
    assert points == [pytest.approx(adam(1.0), rel=1e-14)] * 2
    assert hits == [0, 0]
    before = {file.name for file in package.rglob("*.advance-*.nbc")}
    assert before  # beside the sources: it was the copy that ran

    source = (package / "rules" / "adam.py").read_text()
    line = "return h.shrink * x - h.step * m /"
    assert source.count(line) == 1
    (package / "rules" / "adam.py").write_text(source.replace(line, "return h.shrink * x - 2 * h.step * m /"))
    points, hits = run(script, tmp_path, [package.parent])
    assert points == [pytest.approx(adam(2.0), rel=1e-14)] * 2
    assert hits == [0, 0]
    after = {file.name for file in package.rglob("*.advance-*.nbc")}
    assert len(after) == len(before)
    assert not before & after
    assert not list(package.rglob("*.nbi"))


# --- nowhere to write ------------------------------------------------------------------------------------------------


def homes(directory: pathlib.Path) -> dict[str, str]:
    """Environment with all that can name a home or a cache below `directory`."""
    return {name: str(directory) for name in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA", "USERPROFILE")}


def test_no_directory_can_be_made(package: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """Where a directory is wanted there is a file: that stops root as well."""
    obstacle = tmp_path / "obstacle"
    obstacle.write_text("")
    folders = [package, *(folder for folder in package.rglob("*") if folder.is_dir())]
    for folder in folders:
        (folder / "__pycache__").write_text("")
    points, hits = run(ADAM, tmp_path, [package.parent], **homes(obstacle / "below"))
    assert points == [pytest.approx(adam(1.0), rel=1e-14)]
    assert hits == [0, 0]


def test_read_only_installation_and_home(package: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """By permissions: root, whom they do not bind, writes its cache after all, and the answer is the same."""
    home = tmp_path / "home"
    home.mkdir()
    folders = [home, package, *(folder for folder in package.rglob("*") if folder.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        points, _ = run(ADAM, tmp_path, [package.parent], **homes(home))
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert points == [pytest.approx(adam(1.0), rel=1e-14)]


# --- a cache that is broken ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder with a copy of the package and the cache that a run with it has left."""
    folder = tmp_path_factory.mktemp("warm")
    copied(folder)
    points, hits = run(ADAM, folder, [folder], NUMBA_CACHE_DIR=str(folder / "cache"))
    assert points == [pytest.approx(adam(1.0), rel=1e-14)]
    assert hits == [0, 0]
    return folder


def test_a_whole_cache_is_used(warm: pathlib.Path) -> None:
    points, hits = run(ADAM, warm, [warm], NUMBA_CACHE_DIR=str(warm / "cache"))
    assert points == [pytest.approx(adam(1.0), rel=1e-14)]
    assert hits == [1, 0]


def test_truncated_files(warm: pathlib.Path, tmp_path: pathlib.Path) -> None:
    cache = tmp_path / "cache"
    shutil.copytree(warm / "cache", cache)
    files = list(cache.rglob("*.nbc"))
    assert files
    for file in files:
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    points, hits = run(ADAM, tmp_path, [warm], NUMBA_CACHE_DIR=str(cache))
    assert points == [pytest.approx(adam(1.0), rel=1e-14)]
    assert hits == [0, 0]


def test_edited_helper_of_a_rule_in_another_file(tmp_path: pathlib.Path) -> None:
    """What a rule calls is part of it, in whatever file it stands."""
    (tmp_path / "helper.py").write_text("def factor(x):\n    return 1.0\n")
    rule = (
        "from typing import NamedTuple\nimport numba\nimport helper\n"
        "from numbaopt import hyperparameters, per_iteration, update_rule\n"
        "factor = numba.njit(helper.factor)\n"
        "class DownhillStep(NamedTuple):\n    lr: float\n"
        "@hyperparameters\nclass Downhill(NamedTuple):\n    lr: float = 0.25\n"
        "@per_iteration(Downhill)\ndef _(h, t) -> DownhillStep:\n    return DownhillStep(h.lr)\n"
        "@update_rule(DownhillStep)\ndef downhill(h, x, g):\n    return x - factor(x) * h.lr * g,\n"
    )
    (tmp_path / "downhill.py").write_text(rule)
    script = (
        "import sys, numba, numpy as np, numbaopt, downhill\n"
        "f = numba.njit(lambda x: ((x * x).sum(), 2 * x))\n"
        "print(numbaopt.minimize(f, [1.0], method='downhill', jac=True, options={'maxiter': 1, 'keep': 'last'}).x[0])\n"
    )
    env = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(PACKAGE.parent)]),
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
    }

    def once() -> float:
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env, timeout=300)
        assert done.returncode == 0, done.stderr
        return float(done.stdout)

    assert once() == 0.5
    (tmp_path / "helper.py").write_text("def factor(x):\n    return 0.5\n")
    assert once() == 0.75


def test_a_step_class_inside_a_function_is_refused_with_the_way_out() -> None:
    class LocalStep(typing.NamedTuple):
        lr: float

    def scalars(h, t) -> LocalStep:
        return LocalStep(h.lr)

    with pytest.raises(TypeError, match="must be defined at the top of its file, not inside a function"):
        numbaopt.per_iteration(numbaopt.Adam, lr=True)(scalars)


def test_a_kernel_compiled_beside_a_warm_cache_can_be_loaded(tmp_path: pathlib.Path) -> None:
    """numba leaves the code of a parallel loop that comes from the cache out of what is compiled around it."""
    script = (
        "import numba, numpy as np, numbaopt\n"
        "f = numba.njit(lambda x: ((x * x).sum(), 2 * x))\n"
        "stepper = numbaopt.Stepper(np.ones(70_000), numbaopt.Adam(lr=0.1), workers=2)\n"
        "stepper.step(np.ones(70_000))\n"
        "options = {'maxiter': 3, 'gtol': None, 'workers': 2}\n"
        "print(numbaopt.minimize(f, np.ones(70_000), method=numbaopt.Adam(), jac=True, options=options).nit)\n"
    )
    env = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_NUM_THREADS": "2", "PYTHONPATH": str(PACKAGE.parent)}

    def run_it() -> None:
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env, timeout=300)
        assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr

    run_it()
    for name in ("advance", "checked_step"):
        for file in tmp_path.rglob(f"*.{name}-*.nbc"):
            file.unlink()
    run_it()  # compiles these two beside what is left
    run_it()  # loads them
