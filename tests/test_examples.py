"""The examples and `python -m numbaopt` run and find what they say."""

from __future__ import annotations

import importlib.util
import pathlib

import pytest

from numbaopt import __main__ as demonstration

EXAMPLES = pathlib.Path(__file__).parent.parent / "examples"


def run(name):
    """What `main()` of the example returns."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main()


def test_nist_fit(capsys):
    result, error = run("nist_fit")
    assert result.success
    assert error.max() < 1e-6
    assert "Thurber" in capsys.readouterr().out


def test_logistic_regression(capsys):
    pytest.importorskip("sklearn", reason="the data and the reference answer come from scikit-learn")
    result, difference, reference_loss = run("logistic_regression")
    assert result.success
    assert difference < 1e-5
    assert result.fun == pytest.approx(reference_loss, rel=1e-10)
    assert "intercept" in capsys.readouterr().out


def test_large_smooth(capsys):
    result, distance = run("large_smooth")
    assert result.success
    assert result.x.size == 1_000_000
    assert distance < 1e-3
    assert "1,000,000 unknowns" in capsys.readouterr().out


def test_matrix_factorisation(capsys):
    unseen, seen = run("matrix_factorisation")
    assert unseen < 0.05
    assert 0.08 < seen < 0.1
    assert "44,000 unknowns" in capsys.readouterr().out


def test_demonstration(capsys):
    results = demonstration.main()
    out = capsys.readouterr().out
    digits = {key: demonstration.digits(result.error) for key, result in results.items()}
    assert set(results) == {(s, m) for s in ("Misra1a", "Thurber") for m in ("adam", "adamw", "adadelta")}
    assert min(digits["Misra1a", m] for m in ("adam", "adamw", "adadelta")) > 8
    assert min(digits["Thurber", m] for m in ("adam", "adamw")) > 6
    assert digits["Thurber", "adadelta"] > 2  # 500,000 iterations are not enough for it, and the table says so
    for (_, method), result in results.items():
        assert f"  {method}: lr={result.hyperparameters.lr}" in out
    assert out.count("relative error") == len(results)


def test_minibatch_regression(capsys):
    result, distance, optimum = run("minibatch_regression")
    assert result.nepoch == 6
    assert distance < 1e-4
    assert result.fun == pytest.approx(optimum, rel=1e-8)
    assert "L-BFGS-B" in capsys.readouterr().out
