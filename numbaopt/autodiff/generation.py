"""From a function and the types of its arguments to the text of its gradient."""

from __future__ import annotations

import ast
from typing import Any, NamedTuple

from numba.core import types

from .activity import Activity
from .cleaning import Swept, Zeroed
from .copies import without_copies
from .derivatives import HELPERS
from .desugaring import Desugared
from .emission import Tree, needed_names
from .facts import names_of
from .fusion import Fusion
from .inference import Types, loops_in
from .liveness import live_before
from .loops import arrays_written, in_conflict, must_tape
from .lowering import Lowered
from .numba_typing import kind, plain
from .parsing import Parsed, parse
from .printing import Text, top_of
from .refusal import NotDifferentiable, refuse
from .splitting import split_costly
from .statements import block
from .sums import Kinds, sums_outside
from .sweep import TOP, Place, State
from .syntax import Names


class Generated(NamedTuple):
    """A gradient as Python text.

    `name(*arguments, *shadows)` fills the shadows, arrays like those arguments that are arrays and are differentiated
    by, and returns the value; and, where some of these arguments are numbers, a tuple of the value and the derivatives.
    """

    name: str
    text: str
    environment: dict[str, Any]
    returned: Any  # numba's type of what the function itself returns
    tapes: tuple[str, ...] = ()  # parameters after the shadows: see `generate`

    def with_gradient_second(self) -> Generated:
        """The same with its last parameter, a shadow, after the first."""
        head, rest = self.text.split("\n", 1)
        start, names = head[:-2].split("(")
        first, *others, shadow = names.split(", ")
        return self._replace(text=f"{start}({', '.join([first, shadow, *others])}):\n{rest}")


class Outline(NamedTuple):
    """A function in lowered statements, and what is known about it."""

    parsed: Parsed
    desugared: Desugared
    types: Types
    activity: Activity
    body: list[ast.stmt]
    by: list[str]  # the parameters to differentiate by

    @property
    def results(self) -> list[str]:
        """The variables with what the function returns."""
        result = self.desugared.result
        return self.desugared.tuples.get(result, [result])


def outlined(function: Any, argument_types: tuple, argnums: tuple[int, ...], generated: bool = False) -> Outline:
    """`function` as statements that have derivatives by the arguments `argnums`; `generated`: see Desugared."""
    parsed = parse(function)
    argument_types = tuple(plain(t) for t in argument_types)
    _check_arguments(parsed, argument_types, argnums)
    desugared = Desugared(parsed, parsed.parameters[: len(argument_types)], generated)
    parameters = desugared.parameters
    types_ = Types(desugared, f"{parsed.name}_types", parameters, argument_types, function)
    by = [parameters[i] for i in argnums]
    activity = Activity(desugared.body, types_, set(by))
    lowered = Lowered(desugared.body, types_, activity, desugared.names, stacks=generated)
    return Outline(parsed, desugared, types_, activity, lowered.body, by)


def generate(
    function: Any, argument_types: tuple, argnums: tuple[int, ...], weighted: bool = False, workspace: bool = False
) -> Generated:
    """The gradient of `function` with respect to the arguments `argnums`.

    With `weighted`, of its result, an array, times an array of weights, which is a further argument before the shadows.
    With `workspace`, tapes are further arguments after the shadows, vectors that stay as they are: where one is too
    short, NaN is returned. A function that allocates nothing then has a gradient that allocates nothing.
    """
    outline = outlined(function, argument_types, argnums)
    returned = outline.types.returned
    if kind(returned) not in ("A" if weighted else "fi"):
        refuse(
            outline.parsed.definition,
            f"it returns {plain(returned)}",
            f"return {'an array' if weighted else 'a number'}",
        )
    split_costly(outline.body, outline.types, outline.activity, outline.desugared.names)
    live_before(outline.body, {outline.desugared.result})
    return _Writer(outline, weighted, workspace).written()


def _check_arguments(parsed: Any, argument_types: tuple, argnums: tuple[int, ...]) -> None:
    missing = [p for p in parsed.parameters[len(argument_types) :] if p not in parsed.defaults]
    if missing or len(argument_types) > len(parsed.parameters):
        raise TypeError(f"{parsed.name}() takes {len(parsed.parameters)} arguments, not {len(argument_types)}.")
    for i in argnums:
        if i >= len(argument_types) or kind(argument_types[i]) not in "fA":
            given = argument_types[i] if i < len(argument_types) else "missing"
            raise NotDifferentiable(
                f"autodiff cannot differentiate {parsed.name}() by its argument {i}, which is {given}: only by floats "
                "and arrays of floats."
            )


class _Writer:
    """Generates the sweeps, until no loop is run again that must not be, and writes them down."""

    def __init__(self, outline: Outline, weighted: bool, workspace: bool):
        self.workspace = workspace
        self.name, self.body, self.by, self.desugared = outline.parsed.name, outline.body, outline.by, outline.desugared
        self.types, self.activity = outline.types, outline.activity
        taken = self.desugared.names.taken
        self.suffix = next(s for s in ("_b", "_bar", "_adjoint", "_x_") if not any(n.endswith(s) for n in taken))
        self.result = self.desugared.result
        self.weights = self.desugared.names.new("weights") if weighted else ""

    def written(self) -> Generated:
        """The text."""
        loops = loops_in(self.body)
        on_tape: set[int] = set()
        alone: set[int] = set()  # loops whose adjoint runs by itself
        variables, active = dict(self.types.variables), set(self.activity.active)
        while True:
            self.types.variables, self.activity.active = dict(variables), set(active)
            names = Names(self.desugared.names.taken)
            state = State(self.types, self.activity, names, self.suffix, on_tape, alone)
            if not on_tape:
                on_tape |= {id(s) for s in loops if must_tape(state, s)}
            piece = block(state, self.body, Place(TOP))
            needed = needed_names(piece.forward, [*self._seed(state), *piece.backward], state.shadows)
            again = [s for s in state.loops if id(s) not in on_tape and id(s) not in state.fused]
            bad = [s for s in again if in_conflict(state, s, needed)]
            around = {id(s) for s in loops if any(b in loops_in(s.body) for b in bad)}
            on_tape |= {id(s) for s in bad} | around
            if not bad:
                fusion = self._fusion(state, Tree(needed), piece)
                if not fusion.failed:
                    return self._assembled(state, needed, fusion.nodes)
                alone |= fusion.failed

    def _fusion(self, state: State, tree: Tree, piece: Any) -> Fusion:
        value = {"f": "{}", "i": "float({})", "A": "{}.copy()"}[kind(self.types.returned)].format(self.result)
        nodes = [*tree.of(piece.forward), f"value = {value}", *self._seed(state), *tree.of(piece.backward)]
        return Fusion(nodes, self._returned(state), state.is_shadow, state.root)

    def _returned(self, state: State) -> set[str]:
        return {"value", *(state.shadow(p) for p in self.by)}

    def _assembled(self, state: State, needed: set[str], nodes: list) -> Generated:
        scalars = {v for v in state.shadows if kind(self._own_type(v)) == "f"}
        swept = Swept(Zeroed(nodes, scalars).nodes, self._returned(state), state.root)
        arrays = [p for p in self.by if kind(self.types.variables[p]) == "A"]
        numbers = [state.shadow(p) for p in self.by if kind(self.types.variables[p]) == "f"]
        printed = Text(f"return {', '.join(['math.nan'] * (1 + len(numbers)))}" if self.workspace else "")
        body = sums_outside(without_copies(printed.lines(swept.nodes), self._returned(state)), self._kinds(state))
        used = names_of(body)
        tapes = sorted(printed.tapes | {n for n in used if n.startswith("tape") and top_of(n) in used})
        head = self._arguments_prepared(state, body) + self._declarations(state, swept, needed, body, tapes)
        weights = [self.weights] if self.weights else []
        given = tapes if self.workspace else []
        signature = ", ".join([*self.types.parameters, *weights, *(state.shadow(p) for p in arrays), *given])
        ended = f"return {', '.join(['value', *numbers])}"
        text = f"def {self.name}_gradient({signature}):\n" + "".join(f"    {line}\n" for line in [*head, *body, ended])
        return Generated(
            f"{self.name}_gradient", text, self.desugared.environment | HELPERS, self.types.returned, tuple(given)
        )

    def _kinds(self, state: State) -> Kinds:
        """What of variables counts for sums that are taken out of loops."""
        variables = self.types.variables

        def dimensions(name: str) -> int:
            ty = self._own_type(name) if state.is_shadow(name) else types.undefined
            return ty.ndim if kind(ty) == "A" and ty.dtype == types.float64 else 0

        def number(name: str) -> bool | None:
            if state.is_shadow(name):
                return kind(self._own_type(name)) in "fi"
            return kind(variables[name]) in "fi" if name in variables else None

        return Kinds(
            lambda name: name in variables and not state.is_shadow(name),
            lambda name: name in variables and isinstance(plain(variables[name]), types.Integer),
            number,
            dimensions,
        )

    def _seed(self, state: State) -> list[str]:
        """The derivative with respect to the result."""
        if self.result not in self.activity.active:
            return []
        if not self.weights:
            return [f"{state.shadow(self.result)} += 1.0"]
        return [f"add_{self.types.returned.ndim}d({state.shadow(self.result)}, {self.weights})"]

    def _own_type(self, shadow: str) -> Any:
        """The type of the variable that a shadow belongs to."""
        return self.types.variables.get(shadow[: -len(self.suffix)], types.undefined)

    def _arguments_prepared(self, state: State, body: list[str]) -> list[str]:
        """Copies of arguments that are written to, zeros in shadows."""
        roots = {state.activity.root(v) for v in arrays_written(self.body)}
        used = names_of(body)
        lines = []
        for p in self.types.parameters:
            ty = self.types.variables[p]
            if kind(ty) in "AI" and state.activity.root(p) in roots:
                lines.append(f"{p} = {p}.copy()")
            if kind(ty) == "A" and p in self.by:
                lines.append(f"fill_{ty.ndim}d({state.shadow(p)}, 0.0)")
            elif kind(ty) == "A" and p in state.activity.active and p + self.suffix in used:
                lines.append(f"{state.shadow(p)} = np.zeros_like({p})")
        return lines

    def _declarations(
        self, state: State, swept: Swept, needed: set[str], body: list[str], tapes: list[str]
    ) -> list[str]:
        used = names_of(body) | {state.shadow(p) for p in self.by}
        zeros: dict[str, list[str]] = {}
        for v, ty in self.types.variables.items():
            shadow = v + self.suffix
            if kind(ty) == "f" and shadow in swept.at_start:
                zeros.setdefault("0.0", []).append(shadow)
            if v in self.types.parameters or v not in swept.at_start:
                continue
            if kind(ty) in "fi":
                zeros.setdefault(_zero(ty), []).append(v)
        lines = [f"{' = '.join(sorted(names))} = {zero}" for zero, names in sorted(zeros.items())]
        for v in sorted(state.declared):
            empty = _empty(self.types.variables[v])
            lines += [f"{name} = {empty}" for name in (v, v + self.suffix) if name in needed]
        for kept, v in sorted(state.lists.items()):
            if kept in used:
                own = v if v in self.types.variables else v[: -len(self.suffix)]
                lines.append(f"{kept} = [{_empty(self.types.variables[own])}]")
        for tape in tapes:
            lines += [] if self.workspace else [f"{tape} = np.empty(64, {_tape_dtype(tape)})"]
            lines.append(f"{top_of(tape)} = 0")
        return lines


def _zero(ty: Any) -> str:
    if ty == types.boolean:
        return "False"
    if kind(ty) == "i":
        return "0"
    return "np.float32(0.0)" if ty == types.float32 else "0.0"


def _empty(array: Any) -> str:
    """An array of that type without elements."""
    empty = f"np.empty(({'0, ' * array.ndim}), np.{'bool_' if array.dtype == types.boolean else array.dtype})"
    if array.layout == "F":
        return f"{empty}.T"
    return empty if array.layout == "C" else f"{empty}[{', '.join(['::1'] * array.ndim)}]"


def _tape_dtype(tape: str) -> str:
    if tape.endswith("tape32"):
        return "np.float32"
    return "np.float64" if tape.endswith("tape") else "np.int64"
