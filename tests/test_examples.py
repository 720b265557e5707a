"""The examples and `python -m numbaopt` run and find what they say."""

from __future__ import annotations

import importlib.util
import math
import pathlib
import sys

import numpy as np
import pytest
from scipy.optimize import curve_fit

from numbaopt import __main__ as demonstration

EXAMPLES = pathlib.Path(__file__).parent.parent / "examples"


def load(name):
    """The example as a module, which classes in it can find by its name."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def run(name, *args):
    """What `main()` of the example returns."""
    return load(name).main(*args)


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


def test_custom_rule(capsys):
    pytest.importorskip("sklearn", reason="the data come from scikit-learn")
    results, optimum, difference = run("custom_rule")
    assert difference < 1e-12
    for compiled, plain in results.values():
        assert compiled.success and plain.success
        assert compiled.fun == pytest.approx(optimum, rel=1e-6)
        assert plain.fun == pytest.approx(optimum, rel=1e-6)
        assert abs(compiled.nit - plain.nit) <= 1  # sums in another order
    assert "Adam, lr = 1" in capsys.readouterr().out


def test_spectrum(capsys):
    module = load("spectrum")
    fit = module.main()
    assert 0.9 < fit.chisq < 1.3
    sigma = np.sqrt(fit.counts)
    tight = {"ftol": 1e-14, "xtol": 1e-14, "gtol": 1e-14}
    popt, pcov = curve_fit(module.spectrum, fit.channel, fit.counts, fit.popt, sigma, True, **tight)
    assert fit.popt == pytest.approx(popt, rel=1e-5)
    assert fit.sd == pytest.approx(np.sqrt(np.diag(pcov)), rel=1e-4)
    cobalt = (module.ALPHA[3] - fit.popt[0]) / fit.popt[1]
    assert cobalt == pytest.approx(1474, abs=2)  # as the header of the data says
    assert 0.1 < fit.popt[4] < 0.15
    counts, reach = fit.popt[8:], 1.96 * fit.sd[8:]  # many counts: the model is nearly linear in them
    assert fit.intervals == pytest.approx(np.stack((counts - reach, counts + reach), axis=1), abs=0.02 * reach.min())
    out = capsys.readouterr().out
    assert all(f"\n{metal}  " in out for metal in module.METALS)


def test_poisson_regression(capsys):
    pytest.importorskip("statsmodels", reason="the data and the reference answer come from statsmodels")
    fit = run("poisson_regression")
    assert fit.result.success
    assert (abs(fit.result.x - fit.peer_params) / fit.peer_bse).max() < 1e-3  # before the last step
    assert fit.params == pytest.approx(fit.peer_params, rel=1e-6, abs=0)
    assert fit.bse == pytest.approx(fit.peer_bse, rel=1e-5, abs=0)
    assert -fit.result.fun == pytest.approx(fit.peer_llf, rel=1e-12)
    out = capsys.readouterr().out
    assert "lncoins" in out
    assert "largest relative difference" in out


def test_poisson_regression_without_statsmodels(monkeypatch):
    monkeypatch.setitem(sys.modules, "statsmodels", None)
    with pytest.raises(SystemExit, match="needs statsmodels"):
        run("poisson_regression")


def test_parameter_map(tmp_path, capsys):
    module, picture = load("parameter_map"), tmp_path / "map.png"
    phantom, fits = module.main(str(picture))
    inside, out = phantom.object, capsys.readouterr().out
    assert len(fits) == inside.sum() == 2644
    assert fits.success.all()
    assert (fits.points == np.isfinite(phantom.series[inside]).sum(axis=1)).all()
    assert fits.points.min() < 24  # values are missing
    for k, truth in enumerate((phantom.amplitude[inside], phantom.rate[inside])):
        z = (fits.popt[:, k] - truth) / fits.perr[:, k]
        assert (abs(z) <= 3).mean() >= 0.98
        assert (abs(z) <= 1).mean() == pytest.approx(0.672, abs=0.04)  # Student's t with 22 degrees of freedom
    assert all(f"{rate:10.2f}" in out for rate in (module.WATER, *module.TUBES))
    if importlib.util.find_spec("matplotlib"):
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert str(picture) in out


def test_parameter_map_without_matplotlib(tmp_path, capsys, monkeypatch):
    module, picture = load("parameter_map"), tmp_path / "map.png"
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    module.main(str(picture))
    assert "pip install matplotlib" in capsys.readouterr().out
    assert not picture.exists()


def test_diffusion_map(tmp_path, capsys):
    module, picture = load("diffusion_map"), tmp_path / "map.png"
    fits, maps = module.main(str(picture))
    mean, deviation, anisotropy = maps.values()
    assert fits.success.all()
    assert mean.shape == (6, 10, 10)
    assert 0.6 < np.median(mean) < 0.8  # what is known of brain tissue
    assert ((anisotropy > 0) & (anisotropy < 1)).all()
    assert (deviation[mean < 1] < 0.05).all()
    with np.load(module.DATA) as data:
        signal, weights = data["signal"].reshape(600, 29), module.weights_of(data["b"] / 1000, data["directions"])
    for b in range(0, 600, 60):
        start = [signal[b].max(), 1, 1, 1, 0, 0, 0]
        popt, pcov = curve_fit(module.attenuated, weights, signal[b], start, ftol=1e-14, xtol=1e-14)
        assert fits.popt[b] == pytest.approx(popt, rel=1e-5, abs=1e-6)
        assert fits.perr[b] == pytest.approx(np.sqrt(np.diag(pcov)), rel=1e-4)
    if importlib.util.find_spec("matplotlib"):
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert str(picture) in capsys.readouterr().out


def test_choosing_a_method(tmp_path, capsys):
    module, picture = load("choosing_a_method"), tmp_path / "picture.png"
    table = module.main(str(picture))
    out = capsys.readouterr().out
    reached = {title: {name for name, r in runs.items() if r.reached < math.inf} for title, (_, runs) in table.items()}
    assert {"Adam", "NAdam", "Lion", "Rprop"} <= reached["Rosenbrock, n = 10"]
    assert {"Adam", "NAdam", "Lion", "Rprop"} <= reached["NIST Thurber, n = 7"]
    assert reached["logistic regression in batches, n = 20"] == set(module.RULES) - {
        "Rprop"
    }  # noise misleads its signs
    for problem, runs in table.values():
        assert problem.title in out
        assert set(runs) == set(module.RULES)
        for r in runs.values():
            assert (r.gap[1:] <= r.gap[:-1]).all()
            assert (r.gap[-1] <= problem.target) == (r.reached < math.inf)
            assert r.gap[-1] > -1e-9
    if importlib.util.find_spec("matplotlib"):
        assert picture.read_bytes().startswith(b"\x89PNG")


def test_choosing_a_method_without_matplotlib(tmp_path, capsys, monkeypatch):
    module, picture = load("choosing_a_method"), tmp_path / "picture.png"
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr(module, "RULES", {"Adam": module.RULES["Adam"]})
    monkeypatch.setattr(module, "RATES", [0.01])
    module.main(str(picture))
    assert "pip install matplotlib" in capsys.readouterr().out
    assert not picture.exists()
