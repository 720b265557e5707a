"""Exact gradients of ordinary numba code, by generating the Python text of the gradient.

parsing       the function's source as a syntax tree, with places for messages
desugaring    few kinds of statement: helpers inlined, tuples taken apart; `control_flow` removes return and break,
              `iteration` loops over all but range, `closures` inner functions, `flattening` makes expressions plain
inference     numba's own types for every sub-expression
activity      what depends on the parameters, which arrays may share memory
lowering      active statements in the few forms that have adjoints; `fancy` has elements chosen by arrays
splitting     variables for what is better kept than computed again
liveness      what a loop's iteration needs from the one before
statements    forward code and adjoint of each form; `loops`, `expressions`, `derivatives`, `stretching`
array_rules   those of NumPy's functions: `reductions`, `linear_algebra`, `arrangements`; `runtime` is what they call
registered    derivatives that users give
segments      loops that record only where segments start
sweep         how values that are overwritten come back
emission      the code as a tree, of what adjoints need; `facts` says what its lines read and write
fusion        adjoints of iterations right after them, where these only add to what they share
cleaning      what nothing reads later is left out
printing      the tree as text, with tapes
generation    all of that, for a function and types; `files` writes it down, `front` compiles it
forward       the same statements with tangents, by `tangents`, `partials` and `array_tangents`
jacobians     Jacobians and Hessians from both, put together by `columns`
"""

from .checkpoint import checkpoint
from .front import grad, gradient_function, inplace, register_vjp, source, value_and_grad
from .jacobians import hessian, hvp, jacobian
from .refusal import NotDifferentiable

__all__ = [
    "NotDifferentiable",
    "checkpoint",
    "grad",
    "gradient_function",
    "hessian",
    "hvp",
    "inplace",
    "jacobian",
    "register_vjp",
    "source",
    "value_and_grad",
]
