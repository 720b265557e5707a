"""Rules around other rules: what they do to the gradient, the step or the answer, by hand in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sweeps import new_state, sweep_once

import numbaopt
from numbaopt import Adam, AdamW, minimize
from numbaopt._rule import answer, compiled_form

X0 = np.array([3.0, -2.0, 0.5, 40.0, -0.001])
GRADIENTS = np.random.default_rng(5).standard_normal((30, 5)) * [1, 10, 0.1, 100, 1]
TOLERANCE = {"rtol": 1e-12, "atol": 1e-13}


def run(method: Any, gradients: np.ndarray, space: Any = None) -> tuple[np.ndarray, Any]:
    """x after all gradients, and the state."""
    x, state = X0.copy(), new_state(method, X0, space)
    for t, g in enumerate(gradients, start=1):
        sweep_once(method, t, x, g.copy(), state, space=space)
    return x, state


@pytest.mark.parametrize(
    ("around", "changed"),
    [
        (lambda inner: numbaopt.ClipValue(inner, 0.5), lambda g: np.clip(g, -0.5, 0.5)),
        (lambda inner: numbaopt.ClipNorm(inner, 0.5), lambda g: g * min(1, 0.5 / (np.linalg.norm(g) + 1e-6))),
        (numbaopt.Centralized, lambda g: g - g.mean()),
    ],
    ids=["value", "norm", "centralized"],
)
def test_the_inner_rule_gets_the_changed_gradient(around, changed):
    inner = AdamW(lr=0.05, weight_decay=0.1)
    found, _ = run(around(inner), GRADIENTS)
    expected, _ = run(inner, np.array([changed(g) for g in GRADIENTS]))
    assert np.allclose(found, expected, **TOLERANCE)
    assert not np.allclose(found, run(inner, GRADIENTS)[0], rtol=1e-6)


def test_adaptive_clipping():
    found, _ = run(numbaopt.ClipAdaptive(numbaopt.SGD(lr=0.01), ratio=0.02, eps=1e-3), GRADIENTS)
    x = X0.copy()
    for g in GRADIENTS:
        x -= 0.01 * g * min(1, 0.02 * max(np.linalg.norm(x), 1e-3) / np.linalg.norm(g))
    assert np.allclose(found, x, **TOLERANCE)


def test_sums_of_the_inner_rule_are_of_the_changed_gradient():
    inner = numbaopt.LAMB(lr=0.1, weight_decay=0.1)
    found, _ = run(numbaopt.ClipValue(inner, 0.5), GRADIENTS)
    assert np.allclose(found, run(inner, np.clip(GRADIENTS, -0.5, 0.5))[0], **TOLERANCE)


def test_mean_of_the_iterates():
    inner, points, x, state = Adam(lr=0.1), [], X0.copy(), new_state(Adam(), X0)
    for t, g in enumerate(GRADIENTS, start=1):
        sweep_once(inner, t, x, g.copy(), state)
        points.append(x.copy())
    for method, expected in [
        (numbaopt.Averaged(inner), np.mean(points, axis=0)),
        (numbaopt.Averaged(inner, start=10), np.mean(points[10:], axis=0)),
        (numbaopt.Averaged(inner, decay=0.8, start=27), 0.64 * points[27] + 0.16 * points[28] + 0.2 * points[29]),
    ]:
        last, (slots, _) = run(method, GRADIENTS)
        assert np.array_equal(last, x)
        assert np.allclose(answer(compiled_form(method), last, slots), expected, **TOLERANCE)


def test_distance_over_steps_with_its_safeguard():
    """DoG around Adam, with gradients that lead away from x0 for ten steps and back to it for twenty."""
    directions = np.abs(GRADIENTS) * np.where(np.arange(30) < 10, 1, -1)[:, None]
    found, (slots, carry) = run(numbaopt.DoG(Adam(), lr=0.5, reps_rel=0.01), directions)
    x, average, m, v, q, s = X0.copy(), X0.copy(), np.zeros(5), np.zeros(5), 0.0, 0.0
    r, frozen = 0.01 * (1 + np.linalg.norm(X0)), 0
    for t, g in enumerate(directions, start=1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        d = 1e-3 * m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        q += r * g @ (X0 - x)
        if q >= 0:
            r = max(r, np.linalg.norm(x - X0))
        frozen += q < 0
        s += d @ d
        x = x - 0.5 * r / np.sqrt(s) * d
        average += 9 / (t + 8) * (x - average)
    assert 0 < frozen < 30
    assert np.allclose(found, x, rtol=1e-10)
    assert np.allclose(answer(compiled_form(numbaopt.DoG(Adam())), found, slots), average, rtol=1e-10)
    assert np.allclose(carry, [r, s, q], rtol=1e-9)


def test_cautious_updates():
    found, _ = run(numbaopt.Cautious(AdamW(lr=0.05, weight_decay=0.1)), GRADIENTS)
    x, m, v = X0.copy(), np.zeros(5), np.zeros(5)
    for t, g in enumerate(GRADIENTS, start=1):
        x *= 1 - 0.05 * 0.1
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        u = 0.05 * m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        mask = u * g > 0
        x -= u * mask / max(mask.mean(), 1e-3)
    assert np.allclose(found, x, **TOLERANCE)


def test_two_around_one():
    found, _ = run(numbaopt.ClipValue(numbaopt.Lookahead(Adam(lr=0.1), sync_period=3), 0.5), GRADIENTS)
    expected, _ = run(numbaopt.Lookahead(Adam(lr=0.1), sync_period=3), np.clip(GRADIENTS, -0.5, 0.5))
    assert np.allclose(found, expected, **TOLERANCE)


# --- in minimize -----------------------------------------------------------------------------------------------------


def bowl(x):
    """A sphere around 3."""
    return ((x - 3) ** 2).sum(), 2 * (x - 3)


@pytest.mark.parametrize("keep", ["best", "last"])
def test_the_answer_is_evaluated_and_the_better_one_is_returned(keep):
    points = []

    def recorded(x):
        points.append(x.copy())
        return bowl(x)

    method = numbaopt.Averaged(Adam(lr=0.5))
    res = minimize(recorded, [0.0, 10.0], method=method, jac=True, options={"maxiter": 20, "keep": keep, "gtol": None})
    mean = np.mean(points[1:21], axis=0)
    assert np.allclose(points[-1], mean, rtol=1e-14)
    assert res.nfev == res.njev == len(points) == 22
    values = [bowl(x)[0] for x in points]
    assert res.fun == (values[-1] if keep == "last" else min(values))
    assert np.array_equal(res.x, points[-1] if keep == "last" else points[int(np.argmin(values))])
    assert np.array_equal(res.jac, bowl(res.x)[1])
    if keep == "last":
        there = f"{abs(res.jac).max():.3g}"
        assert res.message.endswith(
            "The returned point is the one that Averaged makes of its iterates, where the largest element of the "
            f"gradient is {there}."
        )
    else:
        assert "the one that Averaged makes of its iterates has fun = " in res.message


def test_the_answer_is_within_maxfev_and_bounds():
    calls = []

    def counted(x):
        calls.append(x.copy())
        return bowl(x)

    method = numbaopt.Averaged(Adam(lr=0.05))
    res = minimize(counted, [0.0, 2.0], method=method, jac=True, bounds=[(0, 2.5)] * 2, options={"maxfev": 9})
    assert len(calls) == res.nfev == 9
    assert np.all((np.array(calls) >= 0) & (np.array(calls) <= 2.5))


def test_maximize_is_that_of_the_inner_rule():
    res = minimize(
        lambda x: (-bowl(x)[0], -bowl(x)[1]), [0.0], method=numbaopt.ClipValue(Adam(lr=0.1, maximize=True), 1), jac=True
    )
    assert res.success
    assert np.allclose(res.x, 3, atol=1e-4)


def test_the_note_on_decay_is_that_of_the_inner_rule():
    res = minimize(bowl, [0.0], method=numbaopt.ClipValue(AdamW(lr=0.1), 1), jac=True)
    assert "weight_decay = 0.01 pulled every parameter toward 0" in res.message


@pytest.mark.parametrize(
    ("make", "kind", "text"),
    [
        (
            lambda: numbaopt.Lookahead(3),
            ValueError,
            "Lookahead(inner=3): inner must be a method, such as numbaopt.Adam",
        ),
        (lambda: numbaopt.ClipNorm(numbaopt.LAMB(), 1), ValueError, "ClipNorm and LAMB both need sums over all"),
        (
            lambda: numbaopt.Lookahead(numbaopt.Lookahead(Adam())),
            ValueError,
            "a Lookahead inside another is not possib",
        ),
        (lambda: numbaopt.Cautious(numbaopt.LAMB()), ValueError, "both need sums over all coordinates"),
        (lambda: numbaopt.ClipValue(Adam(), 0), ValueError, "limit must be a finite number > 0."),
        (lambda: minimize(bowl, [0.0], method="lookahead"), TypeError, "Lookahead needs inner"),
        (
            lambda: numbaopt.ClipValue(numbaopt.ClipNorm(numbaopt.Lookahead(Adam()), 1), 1),
            ValueError,
            "more than two methods around another are not possible",
        ),
    ],
)
def test_errors(make, kind, text):
    with pytest.raises(kind) as caught:
        make()
    assert text in str(caught.value)
