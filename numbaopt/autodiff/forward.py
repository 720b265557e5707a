"""From a function and the types of its arguments to the text of its forward mode."""

from __future__ import annotations

from typing import Any

from .derivatives import HELPERS
from .emission import Tree
from .generation import Generated, outlined
from .loops import arrays_written
from .numba_typing import kind
from .printing import Text
from .refusal import refuse
from .tangents import Tangents


def generate_tangents(
    function: Any, argument_types: tuple, argnums: tuple[int, ...], count: int, gradient: bool = False
) -> Generated:
    """`function` with `count` tangents.

    `name(*arguments, *tangents)` gets those of each argument in `argnums` in turn, and returns each number or array
    that `function` returns, followed by its tangents. The arguments stay as they were.

    `gradient`: `function` is a generated gradient by one argument. If that is an array, the last argument is its
    shadow, which is filled; so are tangents for it that follow the others.
    """
    outline = outlined(function, argument_types, argnums, generated=gradient)
    types_, activity, parameters = outline.types, outline.activity, outline.desugared.parameters
    for part in outline.results:
        if kind(types_.variables.get(part, types_.returned)) not in "fiAI":
            refuse(outline.parsed.definition, f"it returns {types_.returned}", "return numbers and arrays")
    tangents = Tangents(types_, activity, outline.desugared.names, count)
    body = Text().lines(Tree(set()).of(tangents.block(outline.body)))
    filled = parameters[-1:] if gradient and kind(argument_types[argnums[0]]) == "A" else []
    given = [tangents.of(p, c) for p in [*outline.by, *filled] for c in range(count)]
    head = []
    written = {activity.root(v) for v in arrays_written(outline.body)}
    for p in parameters:
        if kind(types_.variables[p]) in "AI" and activity.root(p) in written and p not in filled:
            copied = [p, *(t for t in given if t in {tangents.of(p, c) for c in range(count)})]
            head += [f"{v} = {v}.copy()" for v in copied]
        if p in activity.active and p not in outline.by and p not in filled:
            zero = f"np.zeros_like({p})" if kind(types_.variables[p]) == "A" else "0.0"
            head += [f"{tangents.of(p, c)} = {zero}" for c in range(count)]
    returned = [v for part in outline.results for v in (part, *_of_result(tangents, part))]
    name = f"{outline.parsed.name}_tangents"
    lines = [*head, *body, f"return {', '.join(returned)}"]
    text = f"def {name}({', '.join([*parameters, *given])}):\n" + "".join(f"    {line}\n" for line in lines)
    return Generated(name, text, outline.desugared.environment | HELPERS, types_.returned)


def _of_result(tangents: Tangents, part: str) -> list[str]:
    """The tangents of what is returned."""
    if part in tangents.activity.active:
        return [tangents.of(part, c) for c in tangents.each]
    array = tangents.types.kind_of_name(part) in "AI"
    return [f"np.zeros({part}.shape)" if array else "0.0" for _ in tangents.each]
