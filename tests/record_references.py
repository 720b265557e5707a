"""Records what the published implementations do: `python tests/record_references.py` writes the data.

For each case of `reference_cases.NEW_CASES`, `trajectories/CASE/float64` in data/reference_trajectories.npz is as in
`record_torch.py`, with NaN for a slot that the implementation does not keep; rules of torch.optim also have float32.
`returned/CASE` is the point that a Schedule-Free rule returns in the end. `implementations` are the packages used.

Needs torch, optax (jax), and, installed with --no-deps so that none changes torch: adabelief_pytorch==0.2.1
dadaptation==3.2 lion-pytorch==0.2.5 prodigyopt==1.1.2 pytorch_optimizer==4.1.0 schedulefree==1.4.1
torch_optimizer==0.3.0 dog-optimizer==1.0.3, and what they import: colorama pytorch_ranger tabulate.
"""

from __future__ import annotations

import contextlib
import io
import pathlib
from importlib.metadata import version
from math import inf
from typing import Any

import numpy as np
import reference
from record_torch import STEPS, gradients, start
from reference import Case
from reference_cases import NEW_CASES, cases, stand_in

DATA = pathlib.Path(__file__).parent / "data" / "reference_trajectories.npz"
ADAM = ["exp_avg", "exp_avg_sq"]
STATE = {  # the names of the slots; "-": with the other sign
    "SGD": ["momentum_buffer"],
    "RMSprop": ["square_avg", "momentum_buffer", "grad_avg"],
    "Adagrad": ["sum"],
    "AMSGrad": [*ADAM, "max_exp_avg_sq"],
    "SparseAdam": ADAM,
    "Adamax": ["exp_avg", "exp_inf"],
    "NAdam": ADAM,
    "NAdamW": ADAM,
    "RAdam": ADAM,
    "Rprop": ["prev", "step_size"],
    "ASGD": ["ax"],
    "Lion": ["exp_avg"],
    "AdaBelief": ["exp_avg", "exp_avg_var"],
    "Yogi": ["mu", "nu"],
    "Adan": ["exp_avg", "exp_avg_diff", "exp_avg_sq", "-previous_grad"],
    "AdEMAMix": [*ADAM, "exp_avg_slow"],
    "LAMB": ADAM,
    "LARS": ["-trace"],
    "Prodigy": [*ADAM, "s", "p0"],
    "DAdaptAdam": [*ADAM, "s"],
    "ScheduleFreeAdamW": ["z", "exp_avg_sq"],
    "ScheduleFreeSGD": ["z"],
    "SM3": ["mu", "nu"],
    "DoG": ["x0", "a"],
}
OF_TORCH = ["SGD", "RMSprop", "Adagrad", "AMSGrad", "SparseAdam", "Adamax", "NAdam", "NAdamW", "RAdam"]
OF_TORCH += ["Rprop", "ASGD"]
OF_OPTAX = ["Yogi", "LARS", "SM3", "Lookahead"]
PACKAGES = [
    *("torch", "optax", "jax", "adabelief_pytorch", "dadaptation", "lion-pytorch", "prodigyopt", "pytorch_optimizer"),
    *("schedulefree", "torch_optimizer", "dog-optimizer"),
]


def method(case: Case) -> str:
    """Name of the class."""
    return type(case.hyper).__name__


def state_names(case: Case) -> list[str]:
    """Of the slots that the case has."""
    names = STATE[method(case)]
    if method(case) == "RMSprop":
        names = [names[0], *names[1:2] * bool(case.hyper.momentum), *names[2:] * case.hyper.centered]
    return names[: case.slots]


def torch_optimizer(case: Case, x: Any) -> Any:
    """The implementation with torch's interface, of a function to be minimized unless it is torch's own."""
    import adabelief_pytorch
    import dadaptation
    import lion_pytorch
    import prodigyopt
    import pytorch_optimizer
    import schedulefree
    import torch
    import torch_optimizer as jettify

    name, h = method(case), case.hyper._asdict()
    if name in OF_TORCH:
        flags = {"AMSGrad": {"amsgrad": True}, "NAdamW": {"decoupled_weight_decay": True}}.get(name, {})
        of = {"AMSGrad": "Adam", "NAdamW": "NAdam"}.get(name, name)
        if name != "SparseAdam":
            flags["foreach"] = False
        return getattr(torch.optim, of)([x], **h | flags)
    if name == "DoG":
        return AveragedDoG(x, **h)
    h.pop("maximize")
    if name == "Lion":
        return lion_pytorch.Lion([x], **h)
    if name == "AdaBelief":
        return adabelief_pytorch.AdaBelief([x], amsgrad=False, weight_decouple=True, print_change_log=False, **h)
    if name == "Adan":
        return pytorch_optimizer.Adan([x], weight_decouple=h.pop("no_prox"), foreach=False, **h)
    if name == "AdEMAMix":
        return ademamix(pytorch_optimizer.AdEMAMix, x, **h)
    if name == "LAMB":
        h.pop("bias_correction")
        return jettify.Lamb([x], clamp_value=inf, **h)
    if name == "Prodigy":
        return prodigyopt.Prodigy([x], **h | {"beta3": h["beta3"] or None})
    if name == "DAdaptAdam":
        return dadaptation.DAdaptAdam([x], **h)
    optimizer = getattr(schedulefree, name.replace("ScheduleFree", "") + "ScheduleFree")([x], foreach=False, **h)
    optimizer.train()
    return optimizer


class AveragedDoG:
    """dog-optimizer's two classes, with what they keep as torch's optimizers have it."""

    def __init__(self, x: Any, inner: Any, gamma: float, safeguard: bool, **h: Any):
        import dog
        import torch

        self.x, self.steps = x, dog.DoG([x], weight_decay=inner.weight_decay, **h)
        model = torch.nn.Module()
        model.x = torch.nn.Parameter(x, requires_grad=False)
        self.average = dog.PolynomialDecayAverager(model, gamma)
        self.state: dict[Any, Any] = {}

    def step(self) -> None:
        """One of each."""
        self.steps.step()
        self.average.step()
        self.state = {self.x: {"x0": self.steps.param_groups[0]["init_buffer"][0], "a": self.average.av_model.x}}


def ademamix(cls: Any, x: Any, t_alpha: int, t_beta3: int, **h: Any) -> Any:
    """pytorch_optimizer's has one length for both warm-ups."""
    optimizer = cls([x], weight_decouple=True, foreach=False, **h)
    optimizer.schedule_alpha = lambda _, *rest: cls.schedule_alpha(t_alpha or None, *rest)
    optimizer.schedule_beta3 = lambda _, *rest: cls.schedule_beta3(t_beta3 or None, *rest)
    return optimizer


def replay_torch(case: Case, dtype: str) -> tuple[np.ndarray, np.ndarray | None]:
    """The rows of `record_torch.replay`, and the point returned in the end where it is another one."""
    import torch

    torch.set_default_dtype(getattr(torch, dtype))  # of the scalars in the state
    x = torch.tensor(start(), dtype=getattr(torch, dtype))
    with contextlib.redirect_stdout(io.StringIO()):
        optimizer = torch_optimizer(case, x)
    initial = reference.start(case, start())[: case.slots]

    def slot(name: str, first: np.ndarray) -> np.ndarray:
        found = optimizer.state.get(x, {})
        if not found:
            return first
        array = found.get(name.removeprefix("-"))
        return np.full(x.shape, np.nan) if array is None else array.numpy() * (-1 if name.startswith("-") else 1)

    def state() -> np.ndarray:
        slots = [slot(*pair) for pair in zip(state_names(case), initial, strict=True)]
        return np.stack([x.numpy(), *slots]).astype(dtype)

    sign = -1 if getattr(case.hyper, "inner", case.hyper).maximize and method(case) not in OF_TORCH else 1
    before, rows = state(), []
    for t, g in enumerate(gradients(), start=1):
        x.grad = torch.tensor(sign * g, dtype=x.dtype)
        if method(case) == "SparseAdam":  # which takes no other; with all coordinates
            x.grad = torch.sparse_coo_tensor(torch.arange(len(g))[None], x.grad, x.shape, check_invariants=True)
        optimizer.step()
        after = state()
        if t in STEPS:
            rows.append([before, after])
        before = after
    if not method(case).startswith("ScheduleFree"):
        return np.array(rows), None
    optimizer.eval()
    return np.array(rows), x.numpy().copy()


def transformation(name: str, h: Any) -> Any:
    """optax's, of a function to be minimized."""
    import optax

    if name == "Yogi":
        return optax.chain(
            optax.add_decayed_weights(h.weight_decay),
            optax.scale_by_yogi(*h.betas, h.eps, initial_accumulator_value=h.initial_accumulator_value),
            optax.scale(-h.lr),
        )
    if name == "LAMB":
        return optax.lamb(h.lr, *h.betas, h.eps, weight_decay=h.weight_decay)
    if name == "LARS":
        more = {"trust_coefficient": h.trust_coefficient, "eps": h.eps, "momentum": h.momentum, "nesterov": h.nesterov}
        return optax.lars(h.lr, h.weight_decay, **more)
    if name == "SM3":
        return optax.chain(optax.scale_by_sm3(h.momentum, 1.0, h.eps), optax.scale(-h.lr))
    if name == "SGD":
        return optax.chain(optax.add_decayed_weights(h.weight_decay), optax.sgd(h.lr, h.momentum or None))
    if name == "Adam":
        return optax.adam(h.lr, *h.betas, h.eps)
    return optax.lookahead(transformation(type(h.inner).__name__, h.inner), h.sync_period, h.slow_step_size)


def replay_optax(case: Case) -> np.ndarray:
    """The same of optax."""
    import jax
    import optax

    jax.config.update("jax_enable_x64", True)
    h, ahead = case.hyper, method(case) == "Lookahead"
    rule = transformation(method(case), h)
    x = jax.numpy.array(start())
    x = optax.LookaheadParams.init_synced(x) if ahead else x
    memory = rule.init(x)
    if ahead:
        names = ["mu", "nu"] if type(h.inner).__name__ == "Adam" else ["trace"] * bool(h.inner.momentum)
    else:
        names = {"LAMB": ["mu", "nu"]}.get(method(case), state_names(case))

    def slot(name: str) -> np.ndarray:
        array = optax.tree.get(memory, name.removeprefix("-"))
        return np.reshape(array, start().shape) * (-1 if name.startswith("-") else 1)

    def state() -> np.ndarray:
        return np.stack([x.fast, *map(slot, names), x.slow] if ahead else [x, *map(slot, names)])

    update, sign = jax.jit(rule.update), -1 if (h.inner if ahead else h).maximize else 1
    before, rows = state(), []
    for t, g in enumerate(gradients(), start=1):
        step, memory = update(jax.numpy.array(sign * g), memory, x)
        x = optax.apply_updates(x, step)
        after = state()
        if t in STEPS:
            rows.append([before, after])
        before = after
    return np.array(rows)


def main() -> None:
    """Write the file."""
    recorded: dict[str, Any] = {}
    for case in cases(stand_in, NEW_CASES):
        key = f"trajectories/{case.name}"
        if method(case) in OF_OPTAX or (method(case) == "LAMB" and case.hyper.bias_correction):
            recorded[f"{key}/float64"] = replay_optax(case)
            continue
        recorded[f"{key}/float64"], returned = replay_torch(case, "float64")
        if returned is not None:
            recorded[f"returned/{case.name}"] = returned
        if method(case) in OF_TORCH:
            recorded[f"{key}/float32"], _ = replay_torch(case, "float32")
    packages = [f"{name} {version(name)}" for name in PACKAGES]
    np.savez_compressed(DATA, implementations=packages, steps=STEPS, start=start(), gradients=gradients(), **recorded)


if __name__ == "__main__":
    main()
