"""Stepper: the same steps as minimize and torch, on arrays of any shape, and nothing half done."""

from __future__ import annotations

import copy
import importlib.util
import math
import pickle
import sys
import threading
import time
from typing import NamedTuple

import numpy as np
import pytest
from numba import njit
from test_faults import run_script

import numbaopt
from numbaopt import Adadelta, Adam, AdamW, Stepper, schedules
from numbaopt.drivers.sweep import PARALLEL_SIZE

METHODS = [Adam(lr=0.1, amsgrad=True), AdamW(lr=0.05), Adadelta(), Adam(lr=schedules.CosineDecay(0.1, steps=40))]


def bowl(x):
    """Gradient of sum (x_i - i)^2 / (1 + i), for any shape."""
    i = np.arange(x.size, dtype=x.dtype).reshape(x.shape)
    return (2 * (x - i) / (1 + i)).astype(x.dtype)


def walk(stepper, steps, gradient=bowl):
    for _ in range(steps):
        stepper.step(gradient(stepper.x))
    return stepper


def message(kind, call, *args, **kwargs):
    with pytest.raises(kind) as info:
        call(*args, **kwargs)
    return str(info.value)


# --- the same bits ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nonfinite", ["stop", "ignore"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_same_bits_as_minimize(method, dtype, nonfinite):
    x = np.linspace(-1, 2, 7).astype(dtype)
    options = {"maxiter": 30, "gtol": None, "keep": "last"}
    res = numbaopt.minimize(lambda v: 0.0, x, jac=bowl, method=method, options=options)
    walk(Stepper(x, method, nonfinite=nonfinite), 30)
    assert x.tobytes() == res.x.tobytes()


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
@pytest.mark.parametrize("maximize", [False, True])
def test_as_torch(maximize):
    import torch

    x = np.linspace(-1, 2, 6).reshape(2, 3)
    w = torch.tensor(x.copy(), requires_grad=True)
    optimizer = torch.optim.AdamW([w], lr=0.01, maximize=maximize)
    stepper = Stepper(x, AdamW(lr=0.01, maximize=maximize))
    for t in range(50):
        g = np.cos(x + t)
        w.grad = torch.tensor(g)
        optimizer.step()
        stepper.step(g)
    np.testing.assert_allclose(x, w.detach().numpy(), rtol=1e-13, atol=1e-15)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
def test_memory_of_a_tensor_as_x_and_tensors_as_gradients():
    import torch

    tensor, x = torch.ones(3, dtype=torch.float64), np.ones(3)
    Stepper(tensor.numpy(), "adam").step(torch.ones(3, dtype=torch.float64))
    Stepper(x, "adam").step(np.ones(3))
    assert tensor.tolist() == x.tolist()
    text = message(TypeError, Stepper, tensor)
    assert text == (
        "x must be a NumPy array, as it is updated in place, not Tensor. Pass np.array(x), or tensor.numpy() of a "
        "tensor on the CPU."
    )


# --- shapes and layouts ----------------------------------------------------------------------------------------------


def views(base):
    """Arrays of every layout, each a window on memory of its own."""
    size = base(240)
    return {
        "0-d": np.array(size[0]),
        "1-d": size.copy(),
        "2-d": size.copy().reshape(12, 20),
        "3-d": size.copy().reshape(3, 4, 20),
        "F": np.asfortranarray(size.copy().reshape(12, 20)),
        "3-d, F": np.asfortranarray(size.copy().reshape(3, 4, 20)),
        "every second": size.copy()[::2],
        "reversed": size.copy()[::-1],
        "column": size.copy().reshape(12, 20)[:, 3],
        "columns": size.copy().reshape(12, 20)[:, 3:7],
        "one column, 2-d": size.copy().reshape(12, 20)[:, :1],
        "transposed block": size.copy().reshape(12, 20)[2:5, 1:9].T,
        "axes moved": np.moveaxis(size.copy().reshape(3, 4, 20), 0, 1),
        "axis of length 1": size.copy().reshape(12, 1, 20),
        "not aligned": np.frombuffer(bytearray(b"\0" + size.tobytes()), size.dtype, offset=1),
    }


@pytest.mark.parametrize("name", views(np.ones))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_layout_changes_nothing(name, dtype):
    x = views(lambda n: np.linspace(-1, 2, n).astype(dtype))[name]
    owner = x
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    outside = np.full(owner.shape, 1, bool)
    np.lib.stride_tricks.as_strided(
        outside.reshape(-1)[(x.__array_interface__["data"][0] - owner.__array_interface__["data"][0]) // x.itemsize :],
        x.shape,
        [s // x.itemsize for s in x.strides],
    )[...] = False
    before, plain = owner.copy(), x.flatten()
    stepper, reference = Stepper(x, AdamW(lr=0.1)), Stepper(plain, AdamW(lr=0.1))
    for t in range(5):
        g = bowl(x)
        if t % 2 and g.ndim:
            g = np.asfortranarray(g) if t == 1 else np.repeat(g, 2, axis=-1)[..., ::2]
        reference.step(bowl(x).flatten())
        stepper.step(g)
    assert x.tobytes() == plain.reshape(x.shape).tobytes()
    assert np.array_equal(owner[outside], before[outside])
    assert stepper.answer.shape == x.shape
    assert np.array_equal(stepper.answer, x)


def test_subclasses_are_their_memory(tmp_path):
    expected = walk(Stepper(np.ones((2, 2)), "adam"), 3).x
    mapped = np.memmap(tmp_path / "x", np.float64, "w+", shape=(2, 2))
    mapped[...] = 1
    matrix = np.ones((2, 2)).view(np.matrix)
    for x in (mapped, matrix, np.ma.ones((2, 2))):
        stepper = Stepper(x, "adam")
        for _ in range(3):
            stepper.step(bowl(np.asarray(x)))
        assert np.array_equal(np.asarray(x), expected)


def test_gradient_that_is_x_or_a_part_of_it():
    x, y = np.linspace(1, 2, 101), np.linspace(1, 2, 101)
    shifted, copied = x[1:], y[1:].copy()
    Stepper(shifted, AdamW(lr=0.1)).step(x[:-1])
    Stepper(copied, AdamW(lr=0.1)).step(y[:-1])
    assert shifted.tobytes() == copied.tobytes()
    Stepper(y, "adam").step(y)
    a, b = np.array([3.0]), np.array([-2.0])
    method = Adadelta(lr=1.0, eps=1.0)
    stepper = Stepper([a, b], method)
    stepper.step([b, a])  # of f(a, b) = a b
    expected = np.array([3.0]), np.array([-2.0])
    for x, g in zip(expected, (-2.0, 3.0), strict=True):
        Stepper(x, method).step(np.array([g]))
    assert (a, b) == expected


@pytest.mark.parametrize("kind", [list, tuple, dict])
def test_several_arrays(kind):
    rng = np.random.default_rng(0)
    arrays = {"w": rng.normal(size=(3, 4)), "b": np.ones(5, np.float32), "s": np.array(2.0)}
    methods = {"w": AdamW(lr=0.01), "b": "adam", "s": Adadelta}
    alone = {name: Stepper(array.copy(), methods[name]) for name, array in arrays.items()}

    def packed(items):
        return dict(reversed(items.items())) if kind is dict else kind(items.values())

    several = Stepper(packed(arrays), packed(methods) if kind is dict else list(methods.values()))
    for _ in range(5):
        several.step(packed({name: bowl(x) for name, x in arrays.items()}))
        for stepper in alone.values():
            stepper.step(bowl(stepper.x))
    for name, stepper in alone.items():
        assert arrays[name].tobytes() == stepper.x.tobytes()
    answer = several.answer
    assert type(answer) is (dict if kind is dict else list)
    assert several.ask() is several.x


# --- gradients and x of the wrong kind -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gradient", "kind", "text"),
    [
        (np.ones(3), ValueError, "The gradient of x has shape (3,); it must have (2,), as x."),
        (np.ones((2, 1)), ValueError, "The gradient of x has shape (2, 1); it must have (2,), as x."),
        (1.0, ValueError, "The gradient of x has shape (); it must have (2,), as x."),
        (None, TypeError, "The gradient of x must be real numbers, not NoneType None."),
        ("ab", TypeError, "The gradient of x must be real numbers, not str 'ab'."),
        (np.ones(2) * 1j, TypeError, "The gradient of x must be real numbers, not ndarray array([0.+1.j, 0.+1.j])."),
    ],
)
def test_gradient_of_wrong_kind(gradient, kind, text):
    stepper = Stepper(np.ones(2))
    assert message(kind, stepper.step, gradient) == text
    assert stepper.t == 0
    assert stepper.x.tolist() == [1, 1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "gradient", [[3, -2], (3.0, -2.0), np.array([3, -2]), np.array([3, -2], np.float16), np.array([3, -2], ">f8")]
)
def test_gradient_of_another_real_dtype(gradient, dtype):
    x, y = np.ones(2, dtype), np.ones(2, dtype)
    Stepper(x).step(gradient)
    Stepper(y).step(np.array([3, -2], dtype))
    assert x.tobytes() == y.tobytes()


def test_gradient_is_read_only():
    g = np.ones(4)
    g.flags.writeable = False
    for method in (Adam(), Adam(maximize=True)):
        Stepper(np.ones(4), method).step(g)
    assert g.tolist() == [1, 1, 1, 1]


def read_only():
    x = np.ones(2)
    x.flags.writeable = False
    return x


@pytest.mark.parametrize(
    ("x", "kind", "text"),
    [
        ([], ValueError, "x is empty: there is nothing to update."),
        ({}, ValueError, "x is empty: there is nothing to update."),
        (np.empty((0, 3)), ValueError, "x is empty: there is nothing to update."),
        ([np.ones(2), np.empty(0)], ValueError, "x[1] is empty: there is nothing to update."),
        (read_only(), ValueError, "x is read-only, and is to be updated in place: pass a copy."),
        (np.ones(2, int), TypeError, "x must be float32 or float64, not int64: pass x.astype(float)."),
        (np.ones(2, complex), TypeError, "x must be float32 or float64, not complex128."),
        (np.ones(2, ">f8"), TypeError, "x must be float32 or float64, not >f8: pass x.astype(float)."),
        (3.0, TypeError, "x must be a NumPy array, as it is updated in place, not float. Pass np.array(x), or"),
        ([3.0, 2.0], TypeError, "x[0] must be a NumPy array, as it is updated in place, not float."),
        ({"w": {"b": np.ones(2)}}, TypeError, "x['w'] must be a NumPy array, as it is updated in place, not dict."),
    ],
)
def test_x_of_wrong_kind(x, kind, text):
    assert message(kind, Stepper, x).startswith(text)


def test_the_same_memory_twice():
    x = np.ones(4)
    for pair in ([x, x], [x[:3], x[2:]]):
        assert message(ValueError, Stepper, pair) == "x[0] and x[1] share memory: it would be updated twice."
    Stepper([x[:2], x[2:]]).step([np.ones(2), np.ones(2)])
    y = np.ones(4)
    Stepper([y[::2], y[1::2]]).step([np.ones(2), np.ones(2)])
    assert x.tolist() == y.tolist()


def test_other_arguments():
    x = np.ones(2)
    assert message(ValueError, Stepper, x, nonfinite="halt") == (
        "nonfinite='halt' must be one of 'stop', 'skip', 'ignore'."
    )
    assert message(ValueError, Stepper, x, "adma").startswith("Unknown method 'adma'.")
    assert message(ValueError, Stepper, x, workers=10_000).startswith("workers=10000 must be in [1, ")
    assert message(ValueError, Stepper, [x], ["adam", "adam"]) == (
        "method must have one item for each array of x (0); got ['adam', 'adam']."
    )
    stepper = Stepper({"w": x, "b": np.ones(1)})
    for gradient in ({"w": x}, np.ones(3), [x], {"w": x, "c": x}, None):
        text = message(ValueError, stepper.step, gradient)
        assert text.startswith("gradient must have one item for each array of x ('w', 'b'); got ")
    assert message(ValueError, stepper.step, {"w": x, "b": x}) == (
        "The gradient of x['b'] has shape (2,); it must have (1,), as x['b']."
    )
    assert stepper.t == 0


# --- gradients that are not finite -----------------------------------------------------------------------------------

SIZES = [5, PARALLEL_SIZE + 1]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("n", SIZES)
def test_stop_updates_nothing(n, bad):
    arrays = [np.ones(3), np.ones((n, 1)), np.asfortranarray(np.ones((2, n)))[:, ::2]]
    for x in (arrays, arrays[1], arrays[2]):
        stepper = Stepper(x, "adam")
        several = x if isinstance(x, list) else [x]
        good = [np.ones_like(a) for a in several]
        stepper.step(good if isinstance(x, list) else good[0])
        before, state = [a.copy() for a in several], pickle.dumps(stepper.state_dict())
        wrong = [g.copy() for g in good]
        wrong[-1][-1, -1] = bad
        text = message(FloatingPointError, stepper.step, wrong if isinstance(x, list) else wrong[0])
        name = "x[2]" if isinstance(x, list) else "x"
        assert text == (
            f"The gradient of {name} is not finite in step 2; nothing was updated. Use a smaller lr, clip the "
            'gradient, or pass nonfinite="skip" to leave such steps out.'
        )
        assert all(np.array_equal(a, b) for a, b in zip(several, before, strict=True))
        assert pickle.dumps(stepper.state_dict()) == state


def test_float64_that_float32_cannot_hold():
    stepper = Stepper(np.ones(2, np.float32))
    message(FloatingPointError, stepper.step, np.array([1e300, 0.0]))
    assert stepper.x.tolist() == [1, 1]


def test_skip_counts():
    x, y = np.ones(2), np.ones(2)
    stepper, other = Stepper(x, AdamW(lr=0.1), nonfinite="skip"), Stepper(y, AdamW(lr=0.1))
    for k in range(6):
        stepper.step([np.nan, 1] if k % 2 else [1, 2])
        if k % 2 == 0:
            other.step([1, 2])
    assert (stepper.t, stepper.skipped) == (3, 3)
    assert x.tobytes() == y.tobytes()
    several = Stepper([x, y], nonfinite="skip")
    several.step([np.ones(2), np.full(2, np.inf)])
    assert (several.t, several.skipped, x.tolist()) == (0, 1, y.tolist())


def test_ignore_lets_it_in():
    stepper = Stepper(np.ones(2), nonfinite="ignore")
    stepper.step([np.nan, 1.0])
    assert stepper.t == 1
    assert math.isnan(stepper.x[0])
    assert stepper.x[1] < 1


# --- closures, ask and tell, maximize --------------------------------------------------------------------------------


def test_closure():
    x = np.array([3.0, -2.0])
    stepper = Stepper(x, Adam(lr=0.1))
    values = [stepper.step(lambda: (float(x @ x), 2 * x)) for _ in range(300)]
    assert values[0] == 13
    assert values[-1] < 1e-6
    other = np.array([3.0, -2.0])
    asked = Stepper(other, Adam(lr=0.1))
    for _ in range(300):
        assert asked.tell(2 * asked.ask()) is None
    assert x.tobytes() == other.tobytes()


def test_closure_of_wrong_kind():
    x = np.ones(2)
    stepper = Stepper(x)

    def gradient_alone():
        return x

    assert message(TypeError, stepper.step, gradient_alone) == (
        "gradient_alone() must return the pair (value, gradient), not array([1., 1.])."
    )
    with pytest.raises(ZeroDivisionError):
        stepper.step(lambda: 1 / 0)
    assert stepper.t == 0


def test_maximize():
    x, y = np.ones(3), np.ones(3)
    walk(Stepper(x, Adam(maximize=True)), 4, lambda v: -bowl(v))
    walk(Stepper(y, Adam()), 4)
    assert x.tobytes() == y.tobytes()


# --- states ----------------------------------------------------------------------------------------------------------


def problem(dtype=np.float64):
    return {"w": np.linspace(0, 1, 12, dtype=dtype).reshape(3, 4), "b": np.ones(3)}


def gradients(x):
    return {name: bowl(array) for name, array in x.items()}


@pytest.mark.parametrize("method", METHODS, ids=repr)
@pytest.mark.parametrize("carrier", [lambda s: s, lambda s: pickle.loads(pickle.dumps(s))], ids=["kept", "pickled"])
def test_state_goes_on_to_the_same_bits(method, carrier):
    whole = walk(Stepper(problem(), method), 9, gradients)
    first = walk(Stepper(problem(), method), 4, gradients)
    state = carrier(first.state_dict())
    x = {"b": first.x["b"].copy(), "w": np.asfortranarray(first.x["w"])}
    walk(first, 2, gradients)  # a state is a copy
    second = Stepper(x, "adadelta")
    second.load_state_dict(state)
    walk(second, 5, gradients)
    assert (second.t, second.skipped) == (9, 0)
    for name, array in whole.x.items():
        assert array.tobytes() == x[name].tobytes()


def test_wrong_states_change_nothing():
    stepper = walk(Stepper(problem(), "adam"), 2, gradients)
    good = stepper.state_dict()
    before = pickle.dumps(stepper.state_dict())

    def refusal(state):
        text = message(ValueError, stepper.load_state_dict, state)
        assert pickle.dumps(stepper.state_dict()) == before
        return text

    def edited(**changes):
        return good | {"parts": good["parts"] | {"b": good["parts"]["b"] | changes}}

    slots = good["parts"]["b"]["slots"]
    not_a_state = "state must be what Stepper.state_dict() returned."
    for state in (None, {}, [], 3, good | {"t": 1.5}, good | {"t": -1}, good | {"parts": [1]}, {"t": 1, "parts": {}}):
        assert refusal(state) == not_a_state
    assert refusal(good | {"parts": {"w": {}}}) == not_a_state
    assert refusal(good | {"parts": {"w": good["parts"]["w"]}}) == (
        "The state is of arrays ['w'], but x has ['w', 'b']."
    )
    assert refusal(edited(slots={"m": slots["exp_avg"]} if "exp_avg" in slots else {"q": np.ones(3)})).startswith(
        "The state of x['b'] has slots ['"
    )
    name = next(iter(slots))
    assert refusal(edited(slots=slots | {name: np.ones(4)})) == (
        f"Slot {name!r} of x['b'] has shape (4,) and dtype float64; it must have (3,) and float64, as x['b']."
    )
    assert refusal(edited(slots=slots | {name: np.ones(3, np.float32)})).startswith(f"Slot {name!r} of x['b'] has ")
    assert refusal(edited(carry=np.ones(2))).startswith("The state of x['b'] carries 2 numbers, not those of Adam(")
    assert message(TypeError, stepper.load_state_dict, edited(method=3)).startswith("method=3 must be a name (")
    assert pickle.dumps(stepper.state_dict()) == before


# --- schedules -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lr",
    [
        schedules.ExponentialDecay(0.1, gamma=0.9),
        lambda t: 0.1 / t,
        njit(lambda t: 0.1 / t),
        schedules.Warmup(lambda t: 0.1 / t, 3),
        schedules.PiecewiseConstant((0.1, 0.2), (3,)),
    ],
    ids=["object", "plain", "compiled", "nested", "constants"],
)
def test_schedules(lr):
    x = np.linspace(-1, 2, 7)
    options = {"maxiter": 10, "gtol": None, "keep": "last"}
    res = numbaopt.minimize(lambda v: 0.0, x, jac=bowl, method=Adam(lr=lr), options=options)
    y = [x.copy(), x.copy()]
    walk(Stepper(x, Adam(lr=lr)), 10)
    walk(Stepper(y, Adam(lr=lr)), 10, lambda v: [bowl(a) for a in v])
    assert x.tobytes() == res.x.tobytes() == y[0].tobytes() == y[1].tobytes()


def fails_at_3(t):
    if t == 3:
        raise RuntimeError("no more")
    return 0.1


@pytest.mark.parametrize("lr", [fails_at_3, njit(fails_at_3)], ids=["plain", "compiled"])
def test_schedule_that_raises_changes_nothing(lr):
    arrays = [np.ones(2), np.ones(3)]
    for stepper in (Stepper(arrays, ["adam", Adam(lr=lr)]), Stepper(arrays[0], Adam(lr=lr))):
        several = isinstance(stepper.x, list)
        g = [np.ones(2), np.ones(3)] if several else np.ones(2)
        stepper.step(g)
        stepper.step(g)
        before = [a.copy() for a in arrays]
        for _ in range(2):
            with pytest.raises(RuntimeError, match="no more"):
                stepper.step(g)
            assert stepper.t == 2
            assert all(np.array_equal(a, b) for a, b in zip(arrays, before, strict=True))


def test_a_function_is_called_once_a_step():
    times = []

    def lr(t):
        times.append(t)
        return 0.1

    stepper = Stepper(np.ones(2), Adam(lr=lr))
    times.clear()
    walk(stepper, 3)
    assert times == [1, 2, 3]


# --- threads ---------------------------------------------------------------------------------------------------------


def test_gil_is_released():
    """A Python thread counts on while steps run: with the GIL held it would get a turn between two steps at most."""
    x = np.ones(PARALLEL_SIZE * 100)
    g = np.ones_like(x)
    stepper = Stepper(x, "adam", workers=1)
    stepper.step(g)
    turns, over = [], threading.Event()

    def count():
        while not over.is_set():
            turns.append(time.perf_counter())
            time.sleep(1e-4)

    switching = sys.getswitchinterval()
    sys.setswitchinterval(10.0)  # nobody is made to give the GIL away
    counter = threading.Thread(target=count)
    counter.start()
    try:
        spans = []
        for _ in range(5):
            begin = time.perf_counter()
            stepper.step(g)
            spans.append((begin, time.perf_counter()))
    finally:
        over.set()
        sys.setswitchinterval(switching)
        counter.join()
    inside = max(sum(begin < turn < end for turn in turns) for begin, end in spans)
    assert inside >= 3


@pytest.mark.parametrize("layer", ["workqueue", "omp"])
def test_two_threads_with_a_stepper_each(layer):
    done = run_script(
        """
        import threading
        import numpy as np, numba, numbaopt

        n = 100_000

        def work(x, out):
            stepper = numbaopt.Stepper(x, numbaopt.AdamW(lr=0.1))
            for t in range(200):
                stepper.step(np.cos(x + t))
            out.append(x.tobytes())

        found = []
        pair = [threading.Thread(target=work, args=(np.linspace(0, 1, n), found)) for _ in range(2)]
        [t.start() for t in pair]
        [t.join() for t in pair]
        alone = np.linspace(0, 1, n)
        stepper = numbaopt.Stepper(alone, numbaopt.AdamW(lr=0.1), workers=1)
        for t in range(200):
            stepper.step(np.cos(alone + t))
        print(numba.threading_layer(), found == [alone.tobytes()] * 2)
        """,
        NUMBA_THREADING_LAYER=layer,
        NUMBA_NUM_THREADS="2",
    )
    if done.returncode and "No threading layer could be loaded" in done.stderr:
        pytest.skip(f"numba has no {layer} threading layer here")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [layer, "True"]


def test_forked_child():
    done = run_script(
        """
        import os, sys, warnings
        warnings.simplefilter("ignore")  # Python's own about fork and threads
        import numpy as np, numbaopt

        stepper = numbaopt.Stepper(np.ones(70_000), nonfinite=sys.argv[1] if sys.argv[1:] else "stop")
        loose = numbaopt.Stepper(np.ones(70_000), nonfinite="ignore")
        for s in (stepper, loose):
            s.step(np.ones(70_000))
        child = os.fork()
        if child == 0:
            for s in (stepper, loose):
                s.step(np.ones(70_000))
            os._exit(0 if np.array_equal(stepper.x, loose.x) and stepper.t == 2 else 3)
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """,
        NUMBA_NUM_THREADS="2",
    )
    assert done.returncode == 0, done.stderr


def test_ctrl_c_in_a_step_comes_after_it():
    """Python raises it when the compiled code returns: the step has been made, and counts."""
    done = run_script(
        """
        import os, signal, threading, time
        import numpy as np, numbaopt

        signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored by what a shell starts in the background

        def start():
            x = np.ones(3_000_000)
            return numbaopt.Stepper(x, numbaopt.Adam(lr=0.1), workers=1), np.ones_like(x)

        def interrupt():
            time.sleep(0.3)
            os.kill(os.getpid(), signal.SIGINT)

        stepper, g = start()
        stepper.step(g)
        try:
            threading.Thread(target=interrupt).start()
            while True:
                stepper.step(g)
        except KeyboardInterrupt:
            pass
        again, g = start()
        for _ in range(stepper.t):
            again.step(g)
        print(stepper.t > 1, np.array_equal(stepper.x, again.x))
        """
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", "True"]


# --- the answer ------------------------------------------------------------------------------------------------------


class AveragedStep(NamedTuple):
    lr: float
    share: float
    count: float


@pytest.fixture
def averaged():
    """Gradient descent from x0 that answers with the mean of its iterates; has a slot that starts at x, and a carry."""

    @numbaopt.hyperparameters
    class MeanIterate(NamedTuple):
        lr: float = 0.1

    @numbaopt.per_iteration(MeanIterate, carry={"count": 1.0})
    def _(h, t, count) -> AveragedStep:
        return AveragedStep(h.lr, 1 / (count + 1), count + 1)

    @numbaopt.update_rule(AveragedStep, slots=("mean",), start={"mean": lambda h, x: x})
    def _(h, x, g, mean):
        x = x - h.lr * g
        return x, mean + h.share * (x - mean)

    @numbaopt.readout(AveragedStep)
    def _(h, x, mean):
        return mean

    return MeanIterate


def test_answer_is_a_copy():
    x = np.ones((2, 3))
    stepper = Stepper(x)
    answer = stepper.answer
    assert np.array_equal(answer, x)
    assert not np.shares_memory(answer, x)


def test_answer_of_a_method_that_averages(averaged):
    x = np.asfortranarray(np.linspace(0, 1, 6).reshape(2, 3))
    points = [x.copy()]
    stepper = Stepper(x, averaged())
    for _ in range(4):
        stepper.step(bowl(x))
        points.append(x.copy())
        state, here = pickle.dumps(stepper.state_dict()["parts"][None]["slots"]), x.copy(order="C")
    np.testing.assert_allclose(stepper.answer, np.mean(points, axis=0), rtol=1e-14)
    assert not np.array_equal(stepper.answer, x)
    assert stepper.state_dict()["parts"][None]["carry"].tolist() == [5.0]
    other = Stepper(here, averaged(lr=1.0))
    assert pickle.dumps(other.state_dict()["parts"][None]["slots"]) != state
    other.load_state_dict(stepper.state_dict())
    for s in (stepper, other):
        s.step(bowl(s.x))
    assert np.array_equal(x, here)
    assert np.array_equal(stepper.answer, other.answer)


# --- copies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("again", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))], ids=["deepcopy", "pickle"])
def test_a_copy_goes_on_as_the_original(again):
    arrays = {"a": np.ones((2, 3)), "b": np.arange(4, dtype=np.float32)}
    stepper = Stepper(arrays, {"a": numbaopt.SGD(lr=0.1, momentum=0.9), "b": Adam(lr=0.1)}, nonfinite="skip")
    stepper.step(arrays)
    copied = again(stepper)
    for each in (stepper, copied):
        each.step(each.x)
        each.step({"a": np.full((2, 3), np.nan), "b": arrays["b"]})
    assert (copied.t, copied.skipped) == (stepper.t, stepper.skipped) == (2, 1)
    for name, array in arrays.items():
        assert np.array_equal(copied.x[name], array)
        assert not np.shares_memory(copied.x[name], array)
