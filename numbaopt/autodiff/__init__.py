"""Exact gradients of ordinary numba code, by generating the Python text of the gradient.

parsing       the function's source as a syntax tree, with places for messages
desugaring    few kinds of statement: helpers inlined, tuples taken apart; `control_flow` removes return and break,
              `iteration` loops over all but range, `closures` inner functions, `flattening` makes expressions plain
inference     numba's own types for every sub-expression
activity      what depends on the parameters, which arrays may share memory
lowering      active statements in the few forms that have adjoints; `fancy` has elements chosen by arrays
liveness      what a loop's iteration needs from the one before
statements    forward code and adjoint of each form; `loops`, `expressions`, `derivatives`, `stretching`
array_rules   those of NumPy's functions: `reductions`, `linear_algebra`, `arrangements`; `runtime` is what they call
sweep         how values that are overwritten come back
emission      only what adjoints need becomes text
generation    all of that, for a function and types; `files` writes it down, `front` compiles it
"""

from .front import grad, gradient_function, inplace, source, value_and_grad
from .refusal import NotDifferentiable

__all__ = ["NotDifferentiable", "grad", "gradient_function", "inplace", "source", "value_and_grad"]
