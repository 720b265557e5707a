"""numbaopt: fast minimisation with numba."""

from ._minimize import minimize
from .rules.adadelta import Adadelta
from .rules.adam import Adam
from .rules.adamw import AdamW

__all__ = ["Adadelta", "Adam", "AdamW", "minimize"]
