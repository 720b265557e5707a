"""Forward code and adjoint of each kind of statement."""

from __future__ import annotations

import ast
from typing import Any

from numba.core import types

from .array_rules import RULES, Call, matmul, own
from .elements import COUNTERS, arrays_read, indexed, loops, other_shapes
from .emission import Ahead, Block, Branch, Fused, Pop, Primal, Push, When, when
from .expressions import ExpressionAdjoint
from .fancy import gather
from .fusion import is_increment
from .loops import loop_piece
from .refusal import refuse
from .segments import checkpointed_loop
from .splitting import is_costly
from .stretching import guarded, is_short, note_short
from .sweep import FRAME, TAPE, TOP, Piece, Place, State, note
from .syntax import copied, load, names_read, text_of, walk


def block(state: State, body: list[ast.stmt], place: Place) -> Piece:
    """Code of some statements: adjoints in the opposite order."""
    forward: list = []
    again: list = []
    backward: list = []
    for s in body:
        piece = statement(state, s, place)
        forward += piece.forward
        again += piece.again
        backward = piece.backward + backward
        note(place, s)
        if place.kind == TOP and not place.in_branch and isinstance(s, ast.Assign):
            state.definite |= {t.id for t in s.targets if isinstance(t, ast.Name)}
    return Piece(forward, again, backward)


def statement(state: State, s: Any, place: Place) -> Piece:
    """Code of a statement."""
    if isinstance(s, ast.Assign):
        if s.form != "store" and state.kind(s.targets[0].id) in "AI":  # type: ignore[attr-defined]
            note_short(state, s.targets[0].id, s.value)  # type: ignore[attr-defined]
        if s.form == "store":  # type: ignore[attr-defined]
            return _store(state, s, place)
        return _ASSIGNMENTS[s.form](state, s, place)  # type: ignore[attr-defined]
    if isinstance(s, ast.If):
        return _branch(state, s, place)
    if isinstance(s, (ast.For, ast.While)):
        if getattr(s, "checkpointed", False):
            return checkpointed_loop(state, s, place, block)
        return loop_piece(state, s, place, block, taped=id(s) in state.on_tape)
    return Piece([] if isinstance(s, ast.Pass) else [Primal(text_of(s))], [], [])


def _branch(state: State, s: ast.If, place: Place) -> Piece:
    outer = place.in_branch, place.straight
    place.in_branch, place.straight = True, False
    yes, no = block(state, s.body, place), block(state, s.orelse, place)
    place.in_branch, place.straight = outer
    test = state.temporary("branch", state.flag)
    taken = f"{test} = bool({text_of(s.test)})"
    backward: list = [Branch(test, yes.backward, no.backward)]
    if place.kind == FRAME:
        forward: list = [Branch(text_of(s.test), yes.forward or [Primal("pass")], no.forward)]
        return Piece(forward, [when(test, taken), Branch(test, yes.again, no.again)], backward)
    forward = [taken, Branch(test, yes.forward or [Primal("pass")], no.forward)]
    if place.kind == TAPE:
        entry = [(test, state.tape(state.flag))]
        return Piece([*forward, Push(entry)], [], [Pop(entry), *backward])
    return Piece(forward, [], backward)


def _around(state: State, s: Any, place: Place, lines: list, backward: list, take: list | None = None) -> Piece:
    """An assignment to a variable: `take` is read from the state after it, `backward` from the state before it."""
    name = s.targets[0].id
    saved = state.saved(name, place, s)
    whole = [*(take or []), *saved.backward, *backward]
    if place.kind == FRAME:
        primal: list = [line for line in lines if isinstance(line, str)]
        again = [line if isinstance(line, When) else when(name, str(line)) for line in lines]
        if place.short and state.kind(name) == "f" and is_costly(s.value, state.activity):
            kept = state.temporary(f"{name}_kept", state.types.variables[name])
            place.captured.append(kept)
            primal, again = [*primal, when(kept, f"{kept} = {name}")], [when(name, f"{name} = {kept}")]
        return Piece(primal, saved.again + again, whole)
    return Piece(saved.forward + lines, [], whole)


def _plain(state: State, s: Any, place: Place) -> Piece:
    name = s.targets[0].id
    if place.kind == FRAME and state.kind(name) == "o":
        return Piece([Primal(text_of(s))], [when(name, text_of(s))], state.saved(name, place, s).backward)
    return _around(state, s, place, [Primal(text_of(s))], [])


def _scalar(state: State, s: Any, place: Place) -> Piece:
    name, e = s.targets[0].id, s.value
    shadow = state.shadow(name)
    if is_increment(e, name):  # the derivative with respect to the old value is that of the new
        adjoint = ExpressionAdjoint(state.activity, state.names, state.shadow)
        adjoint.pull(e.right, shadow if isinstance(e.op, ast.Add) else f"-{shadow}")
        return _around(state, s, place, [Primal(text_of(s))], adjoint.lines)
    g, result = state.names.new("g"), state.names.new("r")
    adjoint = ExpressionAdjoint(state.activity, state.names, state.shadow, whole=e, result=result)
    adjoint.pull(e, g)
    take = [f"{g} = {shadow}"] if adjoint.after else []
    take += [f"{shadow} = 0.0"]
    if adjoint.result_used:
        take.append(f"{result} = {name}")
    return _around(state, s, place, [Primal(text_of(s))], adjoint.lines, take)


# --- arrays ----------------------------------------------------------------------------------------------------------


def _new_shadow(state: State, name: str) -> When:
    shadow = state.shadow(name)
    return when(shadow, f"{shadow} = np.zeros_like({name})")


def _alias(state: State, s: Any, place: Place) -> Piece:
    """v = u and v = view of u: the shadow is the same view of the shadow."""
    name = s.targets[0].id
    mirrored = copied(s.value)
    source = _viewed(mirrored)
    if source.id in state.types.variables:
        source.id = state.shadow(source.id)
        text = text_of(mirrored)
    else:  # a global array, which is a constant
        original = source.id
        source.id = "_constant_"
        text = text_of(mirrored).replace("_constant_", f"np.zeros_like({original})")
    shadow = state.shadow(name)
    lines = [Primal(text_of(s)), when(shadow, f"{shadow} = {text}")]
    return _around(state, s, place, lines, [])


def _viewed(e: Any) -> ast.Name:
    """The variable in a view of it."""
    while not isinstance(e, ast.Name):
        if isinstance(e, ast.Call):
            e = e.func.value if e.method else e.args[0]  # type: ignore[attr-defined]
        else:
            e = e.value
    return e


def _fresh(state: State, s: Any, place: Place) -> Piece:
    """A new array that does not depend on what is differentiated."""
    return _around(state, s, place, [Primal(text_of(s)), _new_shadow(state, s.targets[0].id)], [])


def _elementwise(state: State, s: Any, place: Place) -> Piece:
    name = s.targets[0].id
    g = state.names.new(f"{name}_g")
    ndim = state.types.variables[name].ndim
    backward = elementwise_adjoint(state, s.value, g, ndim)
    take = [f"{g} = {state.shadow(name)}"] if backward else []
    return _around(state, s, place, [Primal(text_of(s)), _new_shadow(state, name)], backward, take)


def elementwise_adjoint(state: State, e: Any, g: str, ndim: int) -> list:
    """The loops that bring an array of derivatives `g` to the variables of an expression, element by element."""
    if ndim > 3:
        refuse(e, "an expression of arrays with more than 3 dimensions", "write loops")
    at = [state.names.new(c) for c in COUNTERS[:ndim]]
    above = state.names.new("g")

    def adjoint_loops(stretched: bool) -> list:
        adjoint = ExpressionAdjoint(state.activity, state.names, state.shadow, _element(state, at, stretched))
        adjoint.pull(e, above)
        body: list = [f"{above} = {g}[{', '.join(at)}]", *adjoint.lines] if adjoint.lines else []
        return loops(at, [f"{g}.shape[{d}]" for d in range(ndim)], body) if adjoint.lines else []

    plain, tests = adjoint_loops(False), other_shapes(state.types, e, g, ndim)
    if not plain or not tests:
        return plain
    if ndim == 1:
        return guarded(state, e, tests, plain, lambda: adjoint_loops(True))
    return [Branch(" or ".join(tests), adjoint_loops(True), plain)]


def _element(state: State, at: list[str], stretched: bool = False) -> Any:
    """Text of the element of an array or of its shadow."""
    element = indexed(state.types, at, stretched)
    return lambda name: element(name if name in state.types.variables else name[: -len(state.suffix)], name)


def _sum(state: State, s: Any, place: Place) -> Piece:
    """v = np.sum(expression of vectors): one loop, without an array for the expression."""
    name, source = s.targets[0].id, s.value.args[0]
    shadow, mean = state.shadow(name), s.value.func.attr == "mean"
    g = state.names.new("g")
    take = [f"{g} = {shadow}", f"{shadow} = 0.0"]
    if not state.activity.is_active(source):
        return _around(state, s, place, [Primal(text_of(s))], [], take[1:])
    if state.types.of(source).ndim != 1:
        size = f" / {text_of(source)}.size" if mean else ""
        ndim = state.types.of(source).ndim
        at = [state.names.new(c) for c in COUNTERS[:ndim]]
        target = state.shadow(source.id)
        body: list = [f"{target}[{', '.join(at)}] += {g}"]
        body = loops(at, [f"{target}.shape[{d}]" for d in range(ndim)], body)
        return _around(state, s, place, [Primal(text_of(s))], [f"{g} = {g}{size}", *body] if mean else body, take)
    long = _longest(state, source)
    tests = other_shapes(state.types, source, long, 1)
    if _sums_at_once(state, s, place) and not (tests and any(is_short(state, v) for v in names_read(source))):
        return _summed(state, s, place, long, mean, guarded(state, source, tests, [], list))

    def adjoint_loops(stretched: bool) -> list:
        i = state.names.new("i")
        arrays = arrays_read(state.types, source)
        length = f"max({', '.join(f'{v}.shape[0]' for v in arrays)})" if stretched else f"{long}.shape[0]"
        adjoint = ExpressionAdjoint(state.activity, state.names, state.shadow, _element(state, [i], stretched))
        adjoint.pull(source, g)
        return [*([f"{g} = {g} / {length}"] if mean else []), Block(f"for {i} in range({length}):", adjoint.lines)]

    backward = guarded(state, source, tests, adjoint_loops(False), lambda: adjoint_loops(True))
    return _around(state, s, place, [Primal(text_of(s))], backward, take)


def _sums_at_once(state: State, s: Any, place: Place) -> bool:
    """Whether one loop may sum the elements and bring their adjoints: see `fusion`."""
    number = state.types.variables[s.targets[0].id]
    return place.kind == TOP and place.straight and id(s) not in state.alone and number == types.float64


def _summed(state: State, s: Any, place: Place, long: str, mean: bool, check: list) -> Piece:
    name, source = s.targets[0].id, s.value.args[0]
    i, size = state.names.new("i"), f"{long}.size"
    head = f"for {i} in range({long}.shape[0]):"
    adjoint = ExpressionAdjoint(state.activity, state.names, state.shadow, _element(state, [i]))
    shadow = above = state.shadow(name)
    if mean:
        above = state.names.new("g")
        adjoint.after.append(f"{above} = np.divide({shadow}, {size})")
    added = Primal(f"{name} = {name} + {adjoint.value(source)}")
    adjoint.pull(source, above)
    forward = [*adjoint.before, added]
    divided = [Primal(f"{name} = np.divide({name}, {size})")] if mean else []
    lines = [*check, Primal(f"{name} = 0.0"), Ahead(head, forward, id(s)), *divided]
    fused = Fused(head, forward, adjoint.after, {}, id(s), "")
    return _around(state, s, place, lines, [fused, f"{shadow} = 0.0"])


def _longest(state: State, e: Any) -> str:
    """An array that is as long as the result."""
    return next(n.id for n in walk(e) if isinstance(n, ast.Name) and state.kind(n.id) in "AI")


def _rule(state: State, s: Any, place: Place) -> Piece:
    """v = a function that has a rule."""
    name, e = s.targets[0].id, s.value
    array = state.kind(name) == "A"
    shadow, g, result = state.shadow(name), state.names.new("g"), state.names.new("r")
    take = [f"{g} = {shadow}"] + ([] if array else [f"{shadow} = 0.0"]) + [when(result, f"{result} = {name}")]
    lines = [Primal(text_of(s)), _new_shadow(state, name)] if array else [Primal(text_of(s))]

    def shadow_of(a: Any) -> str | None:
        active = isinstance(a, ast.Name) and a.id in state.activity.active
        return state.shadow(a.id) if active else None

    def ndim(a: Any) -> int:
        return getattr(state.types.of(a), "ndim", 0)

    call = Call(e, _arguments(e), g, result, shadow_of, ndim, state.names.new)
    if isinstance(e, ast.BinOp):
        backward = matmul(call)
    elif isinstance(e, ast.Subscript):
        backward = gather(call)
    elif e.vjp:
        backward = own(call, e.vjp)
    else:
        function = RULES.get(e.rule)
        backward = function(call) if function is not None and state.activity.is_active(e) else []
    return _around(state, s, place, lines, backward, take)


def _arguments(e: Any) -> list[Any]:
    if isinstance(e, ast.BinOp):
        return [e.left, e.right]
    if isinstance(e, ast.Subscript):
        return [e.value, e.slice]
    return [e.func.value, *e.args] if e.method else list(e.args)


# --- elements --------------------------------------------------------------------------------------------------------


def _store(state: State, s: Any, place: Place) -> Piece:
    """u[...] = value."""
    target = s.targets[0]
    name, text = target.value.id, text_of(target)
    old = state.saved_content(target, text, s.whole, place)
    backward: list = [*old.backward]
    if name in state.activity.active:
        backward = _store_adjoint(state, s, old.backward)
    return Piece([*old.forward, Primal(text_of(s))], [], backward)


def _store_adjoint(state: State, s: Any, restore: list) -> list:
    target, e = s.targets[0], s.value
    mirrored = copied(target)
    mirrored.value = load(state.shadow(target.value.id))
    place_of = text_of(mirrored)
    ndim = state.dimensions(target)
    if s.whole and state.types.kind(e) in "AI":
        g = state.names.new("g")
        loops = elementwise_adjoint(state, e, g, ndim)
        take = [f"{g} = {place_of}.copy()"] if loops else []
        return [*take, f"fill_{ndim}d({place_of}, 0.0)", *restore, *loops]
    g = state.names.new("g")
    if not s.whole and isinstance(e, ast.BinOp) and isinstance(e.op, (ast.Add, ast.Sub)) and _same(e.left, target):
        adjoint = ExpressionAdjoint(state.activity, state.names, state.shadow)
        adjoint.pull(e.right, g if isinstance(e.op, ast.Add) else f"-{g}")
        return [f"{g} = {place_of}", *restore, *adjoint.lines] if adjoint.lines else restore
    adjoint = ExpressionAdjoint(state.activity, state.names, state.shadow)
    adjoint.pull(e, g)
    zero = f"fill_{ndim}d({place_of}, 0.0)" if s.whole else f"{place_of} = 0.0"
    taken = f"np.sum({place_of})" if s.whole else place_of
    return [*([f"{g} = {taken}"] if adjoint.lines else []), zero, *restore, *adjoint.lines]


def _same(e: Any, target: ast.Subscript) -> bool:
    return isinstance(e, ast.Subscript) and text_of(e) == text_of(target)


_ASSIGNMENTS = {
    "plain": _plain,
    "scalar": _scalar,
    "elementwise": _elementwise,
    "sum": _sum,
    "alias": _alias,
    "rule": _rule,
    "fresh": _fresh,
}
