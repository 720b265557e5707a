"""Random programs, their gradients by the generated text run by CPython and by complex step, and a shrinker.

Two grammars: `Scalars` (control flow on numbers and elements) and `Arrays` (views, aliases, mutation, helpers that
write to their arguments, matrices as well). By hand, with the first and the last seed:

    python tests/random_programs.py arrays 0 5000 [text | compiled | forward | second | segments]
"""

from __future__ import annotations

import ast
import collections
import copy
import itertools
import linecache
import random
import re
import sys
import warnings

import numba
import numpy as np
from plain_text import run_plainly

from numbaopt.autodiff import checkpoint
from numbaopt.autodiff.files import loaded
from numbaopt.autodiff.forward import generate_tangents
from numbaopt.autodiff.front import gradient_function
from numbaopt.autodiff.generation import generate
from numbaopt.autodiff.refusal import NotDifferentiable

N = 4
NUMBERS = ["a", "b", "c", "d"]


# --- helpers that programs call --------------------------------------------------------------------------------------


def h(a, b):
    return np.sin(a) * b + 0.5 * a


def pair(a, b):
    q = a * b
    if q.real > 0.0:
        q = q * q
    return np.tanh(q), a - q


def early(a, b):
    for k in range(3):
        if (a * b).real > 0.3 * k:
            return a * a + b
        b = b * 0.7 + a * 0.1
    return np.cos(b)


def scaled(u, a):
    return np.sin(u) * a + u


def written(u, b):
    u[1] = np.sin(b)
    return u[0] * b


def dot(u, w):
    s = u[0] * 0.0
    for i in range(u.shape[0]):
        s += u[i] * w[i] * w[i]
    return np.tanh(s)


def swept(u, w):
    for i in range(1, u.shape[0]):
        u[i] = np.tanh(u[i] + w[i - 1] * u[i - 1])
    return w


HELPER_FUNCTIONS = {f.__name__: f for f in (h, pair, early, scaled, written, dot, swept)}
COMPILED_HELPERS = {name: numba.njit(f) for name, f in HELPER_FUNCTIONS.items()}
B = np.random.default_rng(5).normal(size=(4, 4))
CONSTANTS = {
    "np": np,
    "B": B,
    "ONE": np.eye(2) * 3.0,
    "AT": np.array([2, 0, 2]),  # an element chosen twice
    "ALL": np.array([3, 1, 1, 0]),
    "SOME": np.array([True, False, True, True]),
    "ROWS": np.array([1, 0]),
}


# --- grammars --------------------------------------------------------------------------------------------------------


class Scalars:
    """Control flow, numbers, vectors as a whole and by elements."""

    def __init__(self, seed):
        self.random, self.count = random.Random(seed), 0

    def number(self, depth=0, loops=()):
        r = self.random
        p = r.random()
        if depth > 2 or p < 0.3:
            return r.choice(NUMBERS)
        if p < 0.4:
            return f"x[{self.index(loops)}]"
        if p < 0.5:
            return f"u[{self.index(loops)}]"
        if p < 0.55:
            return f"{r.uniform(-1, 1):.2f}"
        if p < 0.6:
            return f"0.2 * np.sum({self.vector(depth + 1, loops)})"
        if p < 0.64:
            return f"0.1 * np.dot(w, {r.choice(['u', 'x', 'w'])})"
        one, two = self.number(depth + 1, loops), self.number(depth + 1, loops)
        if p < 0.75:
            return f"np.{r.choice(['sin', 'tanh', 'cos', 'arctan'])}({one})"
        if p < 0.8:
            return f"({one}) / (2.0 + ({two}) ** 2)"
        if p < 0.85:
            return f"{r.choice(['h', 'h', 'early'])}({one}, {two})"
        return f"({one} {r.choice('+-**')} {two})"

    def vector(self, depth, loops):
        r = self.random
        p = r.random()
        if depth > 2 or p < 0.4:
            return r.choice(["u", "w", "x", "w", "u"])
        if p < 0.6:
            return f"np.{r.choice(['sin', 'tanh', 'cos'])}({self.vector(depth + 1, loops)})"
        if p < 0.75:
            return f"{self.vector(depth + 1, loops)} * {self.number(depth + 1, loops)}"
        return f"({self.vector(depth + 1, loops)} {r.choice('+-*')} {self.vector(depth + 1, loops)})"

    def index(self, loops):
        r = self.random
        if loops and r.random() < 0.8:
            i = r.choice(loops)
            return r.choice([i, f"({i} + {r.randint(0, 3)}) % {N}"])
        return str(r.randrange(N))

    def condition(self, loops):
        r = self.random
        if loops and r.random() < 0.3:
            return f"{r.choice(loops)} {r.choice(['<', '>=', '!='])} {r.randrange(3)}"
        test = f"({self.number(1, loops)}).real {r.choice('<>')} ({self.number(2, loops)}).real"
        return test if r.random() < 0.8 else f"{test} and a.real < 0.5"

    def block(self, depth, loops):
        return [line for _ in range(self.random.randint(1, 4)) for line in self.statement(depth, loops)]

    def indented(self, lines):
        return ["    " + line for line in lines]

    def statement(self, depth, loops):
        r = self.random
        p, v = r.random(), r.choice(NUMBERS)
        others = [s for s in NUMBERS if s != v]
        if p < 0.25:
            return [f"{v} = np.tanh({self.number(0, loops)})"]
        if p < 0.37:
            return [f"{v} {r.choice(['+=', '-=', '*='])} np.sin({self.number(1, loops)})"]
        if p < 0.47:
            return [f"u[{self.index(loops)}] {r.choice(['=', '+=', '*=', '='])} np.sin({self.number(1, loops)})"]
        if p < 0.55:
            return [f"w = np.tanh({self.vector(0, loops)})"]
        if p < 0.58:
            return [f"{v}, {r.choice(others)} = pair({self.number(1, loops)}, {self.number(1, loops)})"]
        if p < 0.62:
            return [r.choice(["w = u.copy()", "w = x[::-1] * 1.0", "a, b = b, a", "a, c = c, 0.5 * a"])]
        if p < 0.64:
            return [f"{v} = ({self.number(1, loops)}) if {self.condition(loops)} else np.cos({self.number(1, loops)})"]
        if depth >= 3:
            return [f"{v} = np.cos({self.number(0, loops)})"]
        if p < 0.78:
            return self.branch(depth, loops)
        return self.loop(depth, loops)

    def branch(self, depth, loops):
        r = self.random
        lines = [f"if {self.condition(loops)}:", *self.indented(self.block(depth + 1, loops))]
        if r.random() < 0.6:
            lines += ["else:", *self.indented(self.block(depth + 1, loops))]
        if loops and r.random() < 0.25:
            leave = r.choice(["break", "continue", "return a * np.sum(u * w) - b"])
            lines += [f"if {self.condition(loops)}:", "    " + leave]
        return lines

    def loop(self, depth, loops):
        r = self.random
        self.count += 1
        if r.random() < 0.7:
            i = f"i{self.count}"
            ranges = [
                f"range({r.randint(0, 4)})",
                f"range({r.randint(0, 3)}, -1, -1)",
                f"range(0, {N}, 2)",
                f"range({r.choice(loops)}, {N})" if loops else "range(3)",
            ]
            return [f"for {i} in {r.choice(ranges)}:", *self.indented(self.block(depth + 1, (*loops, i)))]
        n = f"n{self.count}"
        test = f"{n} < {r.randint(1, 4)} and ({self.number(2, loops)}).real < 0.7"
        return [f"{n} = 0", f"while {test}:", *self.indented([f"{n} += 1", *self.block(depth + 1, loops)])]

    def start(self):
        vector = "u = np.zeros(4)" if self.random.random() < 0.5 else "u = x * x"
        return ["a = x[0] * 1.0", "b = x[1] * x[2]", "c = 0.3", "d = np.sin(x[3])", vector, "w = x * 0.5 + 1.0"]

    end = "return a + 2.0 * b - c * d + np.sum(u * u) + np.dot(w, u)"

    def program(self):
        """The text of a function of one vector."""
        body = [line for _ in range(self.blocks) for line in self.block(self.depth, ())]
        return "def f(x):\n" + "\n".join(self.indented([*self.start(), *body, self.end])) + "\n"

    blocks = 2
    depth = 0


class Arrays(Scalars):
    """The same with views, aliases, swapped buffers, slices, matrices, and helpers that write to arrays."""

    blocks = 3

    def statement(self, depth, loops):
        r = self.random
        p = r.random()
        if p > 0.5:
            return super().statement(depth, loops)
        if p > 0.35:
            return self.chosen_or_made(loops)
        v, number = r.choice(NUMBERS), self.number(1, loops)
        return [
            r.choice(
                [
                    f"v = {r.choice(['u', 'w'])}[{r.choice(['1:4', '0:3', ':3'])}]",
                    f"{v} = np.tanh(v[{r.randrange(3)}] * {number})",
                    f"v[{r.randrange(3)}] {r.choice(['=', '+='])} np.sin({number})",
                    "u, w = w, u",
                    r.choice(["w = u", "u = w"]),
                    f"w = scaled({r.choice('uwx')}, {v})",
                    f"{v} = written(u, {r.choice('abcd')})",
                    f"{v} = dot({r.choice('uwx')}, {r.choice('uw')})",
                    r.choice(["w = swept(u, w)", "u = swept(w, x)", "v = swept(u, w)[:3]", "w = swept(u, u)"]),
                    f"M[{r.randrange(2)}, {self.index(loops)} % 2] {r.choice(['=', '+=', '*='])} np.sin({number})",
                    f"{v} = np.tanh(np.sum(M * M) * {v}) + M[{self.index(loops)} % 2, 1]",
                    f"u[:] = np.tanh(w * {v})",
                    f"u[1:3] = w[0:2] * {v}",
                    "w[:] = 0.5",
                    "u[::2] = np.sin(u[1::2])",
                    f"u[:2] += {v}",
                    f"u *= np.cos({v})",
                    "u += w",
                    f"w = np.tanh(B @ {r.choice('uwx')})",
                    f"M = np.tanh(M * {v} + 0.1)",
                    f"M[{r.randrange(2)}] = u[:2] * {v}",
                    f"M = np.outer(u[:2], w[1:3]) * {v}",
                    f"q = M[{r.randrange(2)}]",
                    f"q[{r.randrange(2)}] = np.sin({number})",
                    f"{v} = np.tanh(q[0] + q[1]) * {v}",
                    "u = np.tanh(np.cumsum(u))",
                ]
            )
        ]

    def chosen_or_made(self, loops):
        """Elements chosen by arrays, arrays joined, reduced along an axis, made by lists and functions of their own."""
        r = self.random
        v, number = r.choice(NUMBERS), self.number(1, loops)
        self.count += 1
        f, u = f"f{self.count}", r.choice("uw")
        lines = [
            f"{u}[AT] = {r.choice(['w[1:]', 'u[:3]', 'x[1:]', 'np.sin(w[:3])'])} * {v}",
            f"{u}[AT] {r.choice(['+=', '-=', '*='])} {r.choice(['w[1:]', 'u[:3]', v])}",
            f"{u}[ALL] = np.tanh({r.choice('uw')})",
            f"{u}[SOME] {r.choice(['=', '+=', '*='])} {r.choice(['w[1:]', 'u[:3] * u[1:]', f'np.sin({number})'])}",
            f"{u}[{r.choice('uwx')}.real > 0.1] = {v} * 0.3",
            f"w = np.tanh({r.choice(['u[ALL]', 'w[ALL]', 'x[ALL]'])} * {v})",
            f"w = {r.choice(['np.sort(u)', 'u[np.argsort(u.real)]', 'np.roll(u, 1)', 'np.cumprod(np.tanh(u))'])}",
            f"{v} = np.tanh(np.sum(u[SOME]) * {v} + {r.choice(['np.max(u)', 'np.prod(w)', 'np.sum(w[AT])'])})",
            f"M[ROWS] = {r.choice(['np.outer(u[:2], w[1:3])', 'M * 0.5', 'u[:2]', v])}",
            f"M[{r.choice(['0, ROWS', 'ROWS, 1', 'ROWS, ROWS'])}] {r.choice(['=', '+='])} {u}[1:3]",
            f"M[:, ROWS] *= np.cos({v})",
            f"M = np.tanh({r.choice(['M[ROWS]', 'M[:, ROWS]', 'np.diag(u[:2])', 'np.triu(M)'])} + 0.1)",
            f"M = np.tanh(np.{r.choice(['stack', 'vstack', 'column_stack'])}((u[:2], w[1:3])) + {v})",
            f"M = np.tanh(np.concatenate((M[:1], M[1:] * {v}){r.choice(['', ', axis=0'])}))",
            f"M = np.tanh(np.hstack((M[:, 1:], {r.choice(['M[:, :1]', 'np.outer(u[:2], w[:1])'])})))",
            f"u[:2] = np.tanh({r.choice(['np.sum(M, axis=0)', 'M.sum(axis=1)', 'np.sum(M, axis=-1)'])})",
            f"M = np.tanh(np.cumsum(M, axis={r.choice('01')}))",
            f"{v} = np.tanh(np.linalg.det(M) * {v} + np.prod(M) + np.trace(M))",
            f"M = np.tanh(np.linalg.{r.choice(['inv(ONE + 0.1 * M)', 'solve(ONE + 0.1 * M, M)'])})",
            f"w = np.array([np.sin(t) * {v} for t in {r.choice('uwx')}])",
            f"w = np.array([h(u[t], {v}) if t % 2 == 0 else w[t] for t in range(4)])",
            f"{v} = np.tanh(sum([early(s, t) for s, t in zip(u, w)]))",
            f"M = np.array([[np.sin(u[s] * {v}) * w[t] for t in range(2)] for s in range(2)])",
            f"w = np.tanh({r.choice(['u * w[:1]', 'w[1:2] + u', 'w[-1:] * u[1:2] * x'])})",
        ]
        several = [
            [f"{f} = lambda t: np.sin(t) * {v} + u[0]", f"{r.choice(NUMBERS)} = {f}({number}) * {f}(0.5)"],
            [
                f"def {f}(t):",
                "    if t.real > 0.2:",
                "        return t * 0.5",
                f"    return t * {v}",
                f"a = {f}({number})",
            ],
            [f"def {f}(i):", f"    w[i] = np.sin(u[i] * {v})", f"{f}(1)", f"{f}(0)"],
            [f"for {f} in ({v}, {number}, u[1]):", f"    {r.choice(NUMBERS)} = np.tanh({f} * {v})"],
            [f"{f} = (a, np.sin({number}), u[2])", f"{v} = np.tanh({f}[{self.index(loops)} % 3] + {f}[0])"],
        ]
        return [r.choice(lines)] if r.random() < 0.8 else r.choice(several)

    def start(self):
        first = ["a = x[0] * 1.0", "b = x[1] * x[2]", "c = 0.3", "d = np.sin(x[3])", "u = x * x", "w = x * 0.5 + 1.0"]
        return [*first, "v = u[1:4]", "M = np.zeros((2, 2))", "M[0, 1] = a", "q = M[1]"]

    end = "return a + 2.0 * b - c * d + np.sum(u * u) + np.dot(w, u) + np.sum(M * M) * v[1] + q[0]"


GRAMMARS = {"scalars": Scalars, "arrays": Arrays}

# --- running ---------------------------------------------------------------------------------------------------------

_number = itertools.count()


def functions(text):
    """The function to be differentiated, and the one that takes complex numbers."""
    file = f"<random program {next(_number)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    real = CONSTANTS | COMPILED_HELPERS | {"checkpoint": checkpoint}
    exec(compile(text, file, "exec"), real)
    complex_text = text.replace("np.zeros(4)", "np.zeros(4, complex)").replace("(2, 2))", "(2, 2), complex)")
    plane = CONSTANTS | HELPER_FUNCTIONS
    exec(compile(complex_text, "<complex>", "exec"), plane)
    return real["f"], plane["f"]


def complex_step(function, x):
    """Value and gradient, exact to rounding; CPython runs it."""
    gradient = np.empty(x.size)
    for i in range(x.size):
        z = x.astype(complex)
        z[i] += 1e-30j
        value = function(z)
        gradient[i] = value.imag / 1e-30
    return value.real, gradient


def by_text(function, x):
    """Value and gradient by the generated text, run by CPython."""
    gradient = np.full(x.size, np.nan)
    return run_plainly(generate(function, (numba.typeof(x),), (0,)), x.copy(), gradient), gradient


def by_machine_code(function, x):
    """Value and gradient by the generated text, compiled."""
    gradient = np.full(x.size, np.nan)
    return gradient_function(function, (numba.typeof(x),), (0,))(x.copy(), gradient), gradient


def by_tangents(function, x):
    """Value and gradient in forward mode, two directions at a time."""
    generated = generate_tangents(function, (numba.typeof(x),), (0,), 2)
    value, gradient = np.nan, np.full(x.size, np.nan)
    for i in range(0, x.size, 2):
        value, gradient[i], gradient[i + 1] = run_plainly(generated, x.copy(), *np.eye(x.size)[i : i + 2])
    return value, gradient


def by_second_derivatives(function, x):
    """Value and gradient as they are beside second derivatives; NaN where these are not symmetric."""
    given = numba.typeof(x)
    reverse = loaded(generate(function, (given,), (0,)))[0]
    forward = generate_tangents(reverse, (given, given), (0,), 1, gradient=True)
    gradient, hessian = np.full(x.size, np.nan), np.full((x.size, x.size), np.nan)
    for i, e in enumerate(np.eye(x.size)):
        value, _ = run_plainly(forward, x.copy(), gradient, e, hessian[i])
    symmetric = np.abs(hessian - hessian.T).max() <= 1e-9 * max(1.0, np.abs(hessian).max())
    return value, gradient if symmetric else gradient * np.nan


def by_segments(function, x):
    """Value and gradient with checkpoint() around the range of each outermost loop."""
    text = "".join(linecache.getlines(function.__code__.co_filename))
    marked = re.sub(r"(?m)^    for (\w+) in (range\(.*\)):$", r"    for \1 in checkpoint(\2):", text)
    return by_text(functions(marked)[0], x)


WAYS = {
    "text": by_text,
    "compiled": by_machine_code,
    "forward": by_tangents,
    "second": by_second_derivatives,
    "segments": by_segments,
}


def outcome(text, seed, way="text"):
    """ "right", "wrong", "refused: why", "error: what", or "no oracle"."""
    x = np.random.default_rng(seed).normal(size=N)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            function, plane = functions(text)
            value, gradient = complex_step(plane, x)
        except Exception:
            return "no oracle"
        if not np.isfinite(gradient).all():
            return "no oracle"
        try:
            found, g = WAYS[way](function, x)
        except NotDifferentiable as refusal:
            return f"refused: {str(refusal).splitlines()[0].split(': ', 1)[-1]}"
        except Exception as error:
            return f"error: {type(error).__name__}: {str(error)[:300]}"
        scale = max(1.0, np.abs(gradient).max())
        error = np.abs(g - gradient).max()
        if abs(found - value) < 1e-9 * max(1.0, abs(value)) and error < 1e-9 * scale:
            return "right"
        if error < 10 * by_rounding(plane, x, gradient) or led_elsewhere(function, x, value, found, g):
            return "no oracle"
    return "wrong"


def led_elsewhere(function, x, value, found, g):
    """Whether complex numbers took another branch than real ones, for which these are the value and the gradient."""
    real, h = function(x), 1e-5
    size = max(1.0, abs(real))
    elsewhere = abs(found - real) < 1e-12 * size and abs(value - real) > 1e-13 * size
    steps = [(function(x + h * e) - function(x - h * e)) / (2 * h) for e in np.eye(x.size)]
    return elsewhere and np.abs(g - steps).max() < 1e-6 * max(1.0, np.abs(g).max())


def by_rounding(plane, x, gradient):
    """How far the oracle itself moves where x does by its rounding: some programs square large numbers in loops.

    One step of rounding may leave the sine of a number of size 1e14 as it is, four do not.
    """
    eps = np.finfo(float).eps
    moved = [complex_step(plane, x * (1 + k * eps))[1] for k in (-4, -3, -2, -1, 1, 2, 3, 4)]
    return max(np.abs(other - gradient).max() for other in moved)


# --- shrinking -------------------------------------------------------------------------------------------------------


def _smaller(tree):
    """Programs with one statement less, or a statement replaced by what is in it."""
    spots = []

    def visit(node, path):
        for field in ("body", "orelse"):
            for i, s in enumerate(getattr(node, field, None) or []):
                spots.append((path, field, i))
                visit(s, [*path, (field, i)])

    visit(tree.body[0], [])
    for path, field, i in spots:
        for mode in ("delete", "body", "orelse"):
            new = copy.deepcopy(tree)
            node = new.body[0]
            for name, k in path:
                node = getattr(node, name)[k]
            statements = getattr(node, field)
            if path == [] and i == len(statements) - 1:
                continue
            inner = [] if mode == "delete" else getattr(statements[i], mode, None)
            if inner or mode == "delete":
                statements[i : i + 1] = inner
                if statements or field != "body":
                    yield ast.unparse(new) + "\n"


def shrunk(text, seed, way="text"):
    """The smallest program found that fails in the same way."""
    kind = outcome(text, seed, way).split(":")[0]
    while True:
        for smaller in sorted(_smaller(ast.parse(text)), key=len):
            if outcome(smaller, seed, way).split(":")[0] == kind:
                text = smaller
                break
        else:
            return text


def survey(grammar, first, last, way="text"):
    """How many of the programs have which outcome; what is wrong is printed, shrunk, and the counts now and then."""
    counts = collections.Counter()
    for seed in range(first, last):
        text = GRAMMARS[grammar](seed).program()
        result = outcome(text, seed, way)
        counts[result] += 1
        if result.startswith(("wrong", "error")):
            print(f"seed {seed}: {result}\n{shrunk(text, seed, way)}", flush=True)
        if (seed + 1) % 500 == 0:
            print(f"seeds {first} to {seed}: {dict(counts)}", flush=True)
    return counts


PROGRAMS, PARTS = 300, 4
EVERY_TENTH = {0: "compiled", 3: "forward", 6: "second", 9: "segments"}


def check(grammar: str, part: int, programs: int = PROGRAMS) -> None:
    """Right or refused, never wrong: the generated text is run by CPython, every tenth, a shorter one, is compiled."""
    counts: collections.Counter = collections.Counter()
    for seed in range(part * programs // PARTS, (part + 1) * programs // PARTS):
        program, way = GRAMMARS[grammar](seed), EVERY_TENTH.get(seed % 10, "text")
        if way == "compiled":
            program.blocks = program.depth = 1  # compiling takes longer than in proportion to the text
        text = program.program()
        result = outcome(text, seed, way)
        counts[result.split(":")[0]] += 1
        if result.startswith(("wrong", "error")):
            raise AssertionError(f"{result}, seed {seed}, {way}:\n{shrunk(text, seed, way)}")
    print(grammar, dict(counts))
    assert counts["right"] > 0.9 * sum(counts.values())


if __name__ == "__main__":
    counted = survey(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
    for what, count in counted.most_common():
        print(f"{count:>7} {what}")
