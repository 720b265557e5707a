# ruff: noqa: C408
"""Cases of the rules as data: a class by its name, the hyper-parameters that are not the defaults, the reference.

`cases(make)` builds them; `make(name, **values)` returns the hyper-parameter object, `stand_in` one with no package.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from math import inf
from typing import Any

import reference_beyond as beyond
import reference_torch as rules
from reference import Case

BETAS = (0.9, 0.999)
FIELDS: dict[str, dict[str, Any]] = {  # the classes' fields and defaults, without `maximize=False`, which all have
    "SGD": dict(lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False),
    "RMSprop": dict(lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False),
    "Adagrad": dict(lr=1e-2, lr_decay=0, weight_decay=0, initial_accumulator_value=0, eps=1e-10),
    "Adam": dict(lr=1e-3, betas=BETAS, eps=1e-8, weight_decay=0, amsgrad=False),
    "AMSGrad": dict(lr=1e-3, betas=BETAS, eps=1e-8, weight_decay=0),
    "SparseAdam": dict(lr=1e-3, betas=BETAS, eps=1e-8),
    "Adamax": dict(lr=2e-3, betas=BETAS, eps=1e-8, weight_decay=0),
    "NAdam": dict(lr=2e-3, betas=BETAS, eps=1e-8, weight_decay=0, momentum_decay=4e-3, decoupled_weight_decay=False),
    "NAdamW": dict(lr=2e-3, betas=BETAS, eps=1e-8, weight_decay=1e-2, momentum_decay=4e-3),
    "RAdam": dict(lr=1e-3, betas=BETAS, eps=1e-8, weight_decay=0, decoupled_weight_decay=False),
    "Rprop": dict(lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50)),
    "ASGD": dict(lr=1e-2, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0),
    "Lion": dict(lr=1e-4, betas=(0.9, 0.99), weight_decay=0),
    "AdaBelief": dict(lr=1e-3, betas=BETAS, eps=1e-16, weight_decay=0, rectify=True),
    "Yogi": dict(lr=1e-2, betas=BETAS, eps=1e-3, initial_accumulator_value=1e-6, weight_decay=0),
    "Adan": dict(lr=1e-3, betas=(0.98, 0.92, 0.99), eps=1e-8, weight_decay=0, no_prox=False),
    "AdEMAMix": dict(lr=1e-3, betas=(0.9, 0.999, 0.9999), alpha=2, t_alpha=0, t_beta3=0, eps=1e-8, weight_decay=0),
    "LAMB": dict(lr=1e-3, betas=BETAS, eps=1e-6, weight_decay=0, bias_correction=False),
    "LARS": dict(lr=1.0, momentum=0.9, weight_decay=0, trust_coefficient=1e-3, eps=0, nesterov=False),
    "Prodigy": dict(
        lr=1.0, betas=BETAS, beta3=0, eps=1e-8, weight_decay=0, decouple=True, use_bias_correction=False,
        safeguard_warmup=False, d0=1e-6, d_coef=1, growth_rate=inf,
    ),
    "DAdaptAdam": dict(
        lr=1.0, betas=BETAS, eps=1e-8, weight_decay=0, decouple=False, use_bias_correction=False, d0=1e-6,
        growth_rate=inf,
    ),
    "ScheduleFreeAdamW": dict(lr=2.5e-3, betas=BETAS, eps=1e-8, weight_decay=0, warmup_steps=0, r=0, weight_lr_power=2),
    "ScheduleFreeSGD": dict(lr=1.0, momentum=0.9, weight_decay=0, warmup_steps=0, r=0, weight_lr_power=2),
    "SM3": dict(lr=0.1, momentum=0.9, eps=1e-8),
    "Lookahead": dict(inner=("SGD", {}), sync_period=6, slow_step_size=0.5),
    "DoG": dict(inner=("SGD", {}), lr=1.0, reps_rel=1e-6, eps=0.0, gamma=8.0, safeguard=True),
}  # fmt: skip

NEW_CASES: list[tuple[str, str, dict[str, Any], Callable, int, bool]] = [
    # name, class, hyper-parameters, reference, slots, whether weight decay is added to the gradient
    ("sgd", "SGD", {}, rules.sgd, 0, True),
    ("sgd_decay_maximize", "SGD", dict(lr=0.01, weight_decay=0.1, maximize=True), rules.sgd, 0, True),
    ("sgd_momentum", "SGD", dict(lr=0.01, momentum=0.9, dampening=0.2, weight_decay=0.1), rules.sgd, 1, True),
    ("sgd_nesterov", "SGD", dict(lr=0.01, momentum=0.8, nesterov=True), rules.sgd, 1, True),
    ("sgd_nesterov_decay_maximize", "SGD", dict(momentum=0.9, nesterov=True, weight_decay=0.1, maximize=True),
     rules.sgd, 1, True),
    ("rmsprop", "RMSprop", {}, rules.rmsprop, 1, True),
    ("rmsprop_decay_maximize", "RMSprop", dict(alpha=0.9, eps=1e-3, weight_decay=0.1, maximize=True),
     rules.rmsprop, 1, True),
    ("rmsprop_momentum", "RMSprop", dict(momentum=0.9), rules.rmsprop, 2, True),
    ("rmsprop_centered", "RMSprop", dict(eps=1e-6, centered=True), rules.rmsprop, 2, True),
    ("rmsprop_centered_momentum_decay", "RMSprop",
     dict(alpha=0.995, eps=1e-4, momentum=0.5, centered=True, weight_decay=0.1),
     rules.rmsprop, 3, True),
    ("adagrad", "Adagrad", {}, rules.adagrad, 1, True),
    ("adagrad_lr_decay", "Adagrad", dict(lr=0.5, lr_decay=0.1, initial_accumulator_value=0.1), rules.adagrad, 1, True),
    ("adagrad_decay_maximize", "Adagrad", dict(lr=0.1, weight_decay=0.1, eps=1e-3, maximize=True),
     rules.adagrad, 1, True),
    ("amsgrad", "AMSGrad", dict(lr=0.02, betas=(0.9, 0.9)), rules.amsgrad, 3, True),
    ("amsgrad_decay_maximize", "AMSGrad", dict(weight_decay=0.5, maximize=True), rules.amsgrad, 3, True),
    ("sparseadam", "SparseAdam", {}, rules.sparseadam, 2, False),
    ("sparseadam_tuned", "SparseAdam", dict(lr=0.05, betas=(0.7, 0.95), eps=1e-3), rules.sparseadam, 2, False),
    ("sparseadam_maximize", "SparseAdam", dict(lr=0.02, maximize=True), rules.sparseadam, 2, False),
    ("adamax", "Adamax", {}, rules.adamax, 2, True),
    ("adamax_tuned", "Adamax", dict(lr=0.1, betas=(0.7, 0.95), eps=1e-3), rules.adamax, 2, True),
    ("adamax_decay_maximize", "Adamax", dict(lr=0.02, weight_decay=0.1, maximize=True), rules.adamax, 2, True),
    ("nadam", "NAdam", {}, rules.nadam, 2, True),
    ("nadam_tuned", "NAdam", dict(lr=0.05, betas=(0.7, 0.95), eps=1e-3, momentum_decay=0.1), rules.nadam, 2, True),
    ("nadam_decay_maximize", "NAdam", dict(lr=0.01, weight_decay=0.1, maximize=True), rules.nadam, 2, True),
    ("nadam_decoupled", "NAdam", dict(lr=0.05, weight_decay=0.1, decoupled_weight_decay=True), rules.nadam, 2, False),
    ("nadamw", "NAdamW", dict(lr=0.01), rules.nadamw, 2, False),
    ("nadamw_decay_maximize", "NAdamW", dict(lr=0.05, weight_decay=0.3, maximize=True), rules.nadamw, 2, False),
    ("radam", "RAdam", {}, rules.radam, 2, True),
    ("radam_never_rectified", "RAdam", dict(lr=0.01, betas=(0.9, 0.6)), rules.radam, 2, True),
    ("radam_decay_maximize", "RAdam", dict(lr=0.02, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1, maximize=True),
     rules.radam, 2, True),
    ("radam_decoupled", "RAdam", dict(lr=0.02, weight_decay=0.1, decoupled_weight_decay=True), rules.radam, 2, False),
    ("rprop", "Rprop", {}, rules.rprop, 2, False),
    ("rprop_tuned_maximize", "Rprop", dict(lr=0.1, etas=(0.3, 1.5), step_sizes=(1e-3, 0.5), maximize=True),
     rules.rprop, 2, False),
    ("rprop_clipped_at_once", "Rprop", dict(lr=1.0, step_sizes=(1e-6, 0.2)), rules.rprop, 2, False),
    ("asgd", "ASGD", {}, rules.asgd, 1, True),
    ("asgd_averaging", "ASGD", dict(lr=0.05, lambd=0.1, alpha=0.6, t0=20), rules.asgd, 1, True),
    ("asgd_decay_maximize", "ASGD", dict(lr=0.001, weight_decay=0.1, t0=0, maximize=True), rules.asgd, 1, True),
    ("lion", "Lion", {}, beyond.lion, 1, False),
    ("lion_decay", "Lion", dict(lr=0.05, betas=(0.95, 0.98), weight_decay=0.1), beyond.lion, 1, False),
    ("lion_decay_maximize", "Lion", dict(lr=0.01, weight_decay=1.0, maximize=True), beyond.lion, 1, False),
    ("adabelief", "AdaBelief", {}, beyond.adabelief, 2, False),
    ("adabelief_decay_maximize", "AdaBelief",
     dict(lr=0.02, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.3, maximize=True),
     beyond.adabelief, 2, False),
    ("adabelief_not_rectified", "AdaBelief", dict(lr=0.01, eps=1e-8, rectify=False), beyond.adabelief, 2, False),
    ("adabelief_not_rectified_decay", "AdaBelief", dict(eps=1e-6, rectify=False, weight_decay=0.1),
     beyond.adabelief, 2, False),
    ("yogi", "Yogi", {}, beyond.yogi, 2, True),
    ("yogi_tuned", "Yogi", dict(lr=0.1, betas=(0.7, 0.97), eps=1e-6, initial_accumulator_value=0.01),
     beyond.yogi, 2, True),
    ("yogi_decay_maximize", "Yogi", dict(weight_decay=0.1, maximize=True), beyond.yogi, 2, True),
    ("adan", "Adan", {}, beyond.adan, 4, False),
    ("adan_tuned", "Adan", dict(lr=0.05, betas=(0.9, 0.8, 0.95), eps=1e-3), beyond.adan, 4, False),
    ("adan_decay_maximize", "Adan", dict(lr=0.02, weight_decay=0.3, maximize=True), beyond.adan, 4, False),
    ("adan_no_prox", "Adan", dict(lr=0.02, weight_decay=0.3, no_prox=True), beyond.adan, 4, False),
    ("ademamix", "AdEMAMix", {}, beyond.ademamix, 3, False),
    ("ademamix_warmup", "AdEMAMix", dict(lr=0.01, alpha=5, t_alpha=40, t_beta3=100), beyond.ademamix, 3, False),
    ("ademamix_warmup_decay", "AdEMAMix", dict(betas=(0.8, 0.95, 0.99), eps=1e-4, t_alpha=300, weight_decay=0.1),
     beyond.ademamix, 3, False),
    ("ademamix_decay_maximize", "AdEMAMix", dict(lr=0.01, t_beta3=400, weight_decay=0.5, maximize=True),
     beyond.ademamix, 3, False),
    ("lamb", "LAMB", {}, beyond.lamb, 2, False),
    ("lamb_decay_maximize", "LAMB", dict(lr=0.01, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1, maximize=True),
     beyond.lamb, 2, False),
    ("lamb_corrected", "LAMB", dict(lr=0.01, bias_correction=True), beyond.lamb, 2, False),
    ("lamb_corrected_decay", "LAMB", dict(eps=1e-3, weight_decay=0.3, bias_correction=True), beyond.lamb, 2, False),
    ("lars", "LARS", {}, beyond.lars, 1, True),
    ("lars_decay_maximize", "LARS", dict(lr=2.0, weight_decay=0.1, eps=0.1, maximize=True), beyond.lars, 1, True),
    ("lars_nesterov", "LARS", dict(momentum=0.8, trust_coefficient=0.01, nesterov=True), beyond.lars, 1, True),
    ("lars_nesterov_decay", "LARS", dict(weight_decay=0.5, nesterov=True), beyond.lars, 1, True),
    ("prodigy", "Prodigy", {}, beyond.prodigy, 4, False),
    ("prodigy_tuned", "Prodigy",
     dict(lr=0.5, betas=(0.8, 0.95), beta3=0.9, eps=1e-4, d0=1e-3, d_coef=2, growth_rate=1.1),
     beyond.prodigy, 4, False),
    ("prodigy_corrected_decay", "Prodigy",
     dict(d0=1e-4, d_coef=0.5, weight_decay=0.01, use_bias_correction=True, safeguard_warmup=True),
     beyond.prodigy, 4, False),
    ("prodigy_coupled_decay_maximize", "Prodigy",
     dict(d0=1e-4, d_coef=0.2, weight_decay=0.01, decouple=False, maximize=True),
     beyond.prodigy, 4, True),
    ("prodigy_no_momentum", "Prodigy", dict(betas=(0, 0.99), d0=1e-4), beyond.prodigy, 4, False),
    ("dadaptadam", "DAdaptAdam", {}, beyond.dadaptadam, 3, True),
    ("dadaptadam_tuned", "DAdaptAdam", dict(lr=0.5, betas=(0.8, 0.99), eps=1e-4, d0=1e-4, growth_rate=1.2),
     beyond.dadaptadam, 3, True),
    ("dadaptadam_coupled_decay", "DAdaptAdam", dict(d0=1e-4, weight_decay=0.1, use_bias_correction=True),
     beyond.dadaptadam, 3, True),
    ("dadaptadam_decay_maximize", "DAdaptAdam", dict(d0=1e-4, weight_decay=0.1, decouple=True, maximize=True),
     beyond.dadaptadam, 3, False),
    ("schedulefreeadamw", "ScheduleFreeAdamW", {}, beyond.schedulefreeadamw, 2, False),
    ("schedulefreeadamw_warmup_decay", "ScheduleFreeAdamW", dict(lr=0.05, eps=1e-3, weight_decay=0.1, warmup_steps=20),
     beyond.schedulefreeadamw, 2, False),
    ("schedulefreeadamw_weights_maximize", "ScheduleFreeAdamW",
     dict(lr=0.01, betas=(0.8, 0.95), warmup_steps=300, r=1.5, weight_lr_power=1, maximize=True),
     beyond.schedulefreeadamw, 2, False),
    ("schedulefreesgd", "ScheduleFreeSGD", {}, beyond.schedulefreesgd, 1, True),
    ("schedulefreesgd_warmup_decay", "ScheduleFreeSGD", dict(lr=0.01, weight_decay=0.1, warmup_steps=20),
     beyond.schedulefreesgd, 1, True),
    ("schedulefreesgd_weights_maximize", "ScheduleFreeSGD",
     dict(lr=0.1, momentum=0.7, r=1, weight_lr_power=0, maximize=True),
     beyond.schedulefreesgd, 1, True),
    ("sm3", "SM3", dict(lr=1.0), beyond.sm3, 2, False),
    ("sm3_no_momentum", "SM3", dict(lr=0.5, momentum=0), beyond.sm3_no_momentum, 1, False),
    ("sm3_tuned_maximize", "SM3", dict(lr=0.1, momentum=0.5, eps=1e-3, maximize=True), beyond.sm3, 2, False),
    ("lookahead_sgd", "Lookahead", dict(inner=("SGD", dict(lr=0.01, momentum=0.9))),
     beyond.lookahead(rules.sgd), 2, True),
    ("lookahead_adam", "Lookahead", dict(inner=("Adam", dict(lr=0.05)), sync_period=5, slow_step_size=0.8),
     beyond.lookahead(rules.adam), 3, True),
    ("lookahead_sgd_decay_maximize", "Lookahead",
     dict(inner=("SGD", dict(weight_decay=0.1, maximize=True)), sync_period=1),
     beyond.lookahead(rules.sgd), 1, True),
    ("dog_sgd", "DoG", dict(inner=("SGD", dict(lr=1.0)), eps=1e-8, safeguard=False), beyond.dog(rules.sgd), 2, True),
    ("dog_sgd_tuned_decay_maximize", "DoG",
     dict(inner=("SGD", dict(lr=1.0, weight_decay=0.1, maximize=True)), lr=0.5, reps_rel=1e-2, eps=1.0, gamma=2.0,
          safeguard=False),
     beyond.dog(rules.sgd), 2, True),
]  # fmt: skip


def cases(make: Callable, data: list = NEW_CASES) -> list[Case]:
    """The cases with `make(name, **values)` for the hyper-parameter object of the class of that name."""

    def built(name: str, values: dict) -> Any:
        nested = FIELDS[name] | values
        more = {"inner": built(*nested["inner"])} if "inner" in nested else {}
        return make(name, **values | more)

    return [Case(name, built(of, values), update, *rest) for name, of, values, update, *rest in data]


def stand_in(name: str, **values: Any) -> Any:
    """A NamedTuple with the fields and defaults of the class."""
    fields = FIELDS[name] if "inner" in FIELDS[name] else FIELDS[name] | {"maximize": False}
    return namedtuple(name, fields, defaults=fields.values())(**values)
