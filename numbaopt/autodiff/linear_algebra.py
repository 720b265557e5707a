"""Adjoints of products of matrices and of what is in numpy.linalg."""

from __future__ import annotations

from .refusal import refuse
from .rules_of_arrays import Call, number, rule
from .syntax import text_of


def matmul(c: Call) -> list[str]:
    """r = a @ b."""
    a, b = c.arguments
    g, (ta, tb) = c.g, (text_of(a), text_of(b))
    match c.ndim(a), c.ndim(b):
        case 1, 1:
            return c.lines((a, f"add_scaled({{s}}, {g}, {tb})"), (b, f"add_scaled({{s}}, {g}, {ta})"))
        case 2, 1:
            return c.lines((a, f"add_outer({{s}}, {g}, {tb})"), (b, f"add_matvec({{s}}, {ta}.T, {g})"))
        case 1, 2:
            return c.lines((a, f"add_matvec({{s}}, {tb}, {g})"), (b, f"add_outer({{s}}, {ta}, {g})"))
        case 2, 2:
            return c.lines((a, f"add_matmat({{s}}, {g}, {tb}.T)"), (b, f"add_matmat({{s}}, {ta}.T, {g})"))
        case _:
            return refuse(c.node, f"`{text_of(c.node)}` of these dimensions", "use vectors and matrices")


@rule("outer")
def _outer(c: Call) -> list[str]:
    u, v = c.given("a b", 2)
    if c.ndim(u) != 1 or c.ndim(v) != 1:
        refuse(c.node, "np.outer of matrices", "flatten them first")
    return c.lines((u, f"add_matvec({{s}}, {c.g}, {text_of(v)})"), (v, f"add_matvec({{s}}, {c.g}.T, {text_of(u)})"))


@rule("cross")
def _cross(c: Call) -> list[str]:
    """r = a x b: a gets b x g, b gets g x a."""
    a, b = c.given("a b", 2)
    if c.ndim(a) != 1 or c.ndim(b) != 1:
        c.refuse("take the product of two vectors at a time")
    ta, tb = text_of(a), text_of(b)
    return c.lines((a, f"add_cross({{s}}, {tb}, {c.g})"), (b, f"add_cross({{s}}, {c.g}, {ta})"))


@rule("kron")
def _kron(c: Call) -> list[str]:
    a, b = c.given("a b", 2)
    if c.ndim(a) != 2 or c.ndim(b) != 2:
        c.refuse("use matrices, or np.outer(a, b).ravel() for vectors")
    ta, tb = text_of(a), text_of(b)
    return c.lines((a, f"kron_adjoint_left({{s}}, {tb}, {c.g})"), (b, f"kron_adjoint_right({{s}}, {ta}, {c.g})"))


@rule("trace")
def _trace(c: Call) -> list[str]:
    """To each element of the diagonal."""
    (a,) = c.given("a")
    return c.lines((a, f"add_to_diagonal({{s}}, {c.g})"))


@rule("norm")
def _norm(c: Call) -> list[str]:
    """a / norm(a) of a vector, or a matrix as one; 0 at 0."""
    a, order = c.given("x ord")
    name, ndim = text_of(a), c.ndim(a)
    if ndim not in (1, 2):
        c.refuse("use a vector or a matrix")
    plain = order is None or (ndim == 1 and number(order) == 2) or (ndim == 2 and text_of(order) == "'fro'")
    if plain:
        return c.lines((a, f"add_scaled{'' if ndim == 1 else '_2d'}({{s}}, over({c.g}, {c.result}), {name})"))
    if ndim == 1 and number(order) == 1:
        return c.lines((a, f"sum_of_sizes_adjoint({{s}}, {name}, {c.g})"))
    if ndim == 1 and text_of(order) in ("np.inf", "math.inf"):
        return c.lines((a, f"largest_size_adjoint({{s}}, {name}, {c.g})"))
    return c.refuse("use the norm of order 1, 2 or infinity of a vector, or the Frobenius norm of a matrix")


@rule("solve")
def _solve(c: Call) -> list[str]:
    """r = A^-1 b: b gets A^-T g, A gets -(A^-T g) r^T."""
    matrix, b = c.given("a b", 2)
    ndim = c.ndim(b)
    if ndim not in (1, 2):
        c.refuse("use a vector or a matrix")
    u = c.new("u")
    first = f"{u} = np.linalg.solve({text_of(matrix)}.T.copy(), {c.g})"
    product = f"add_outer({{s}}, -{u}, {c.result})" if ndim == 1 else f"add_matmat({{s}}, -{u}, {c.result}.T)"
    return [first, *c.lines((b, f"add_{ndim}d({{s}}, {u})"), (matrix, product))]


@rule("inv")
def _inv(c: Call) -> list[str]:
    """r = A^-1: -r^T g r^T."""
    (a,) = c.given("a")
    t = c.new("t")
    product = f"{t} = (-{c.result}.T) @ {c.g}"
    return [product, *c.lines((a, f"add_matmat({{s}}, {t}, {c.result}.T)"))]


@rule("det")
def _det(c: Call) -> list[str]:
    """The cofactors, of singular matrices too."""
    (a,) = c.given("a")
    return c.lines((a, f"add_2d({{s}}, {c.g} * cofactors({text_of(a)}))"))


@rule("cofactors")
def _cofactors(c: Call) -> list[str]:
    return c.refuse("take its derivative in forward mode")


@rule("signed_log_of_det")
def _signed_log_of_det(c: Call) -> list[str]:
    """r[1] = log |det(A)|: A^-T."""
    (a,) = c.given("a")
    return c.lines((a, f"add_2d({{s}}, {c.g}[1] * np.linalg.inv({text_of(a)}).T)"))


@rule("cholesky")
def _cholesky(c: Call) -> list[str]:
    """A = r r^T, of which the lower triangle is read."""
    (a,) = c.given("a")
    return c.lines((a, f"cholesky_adjoint({{s}}, {c.result}, {c.g})"))
