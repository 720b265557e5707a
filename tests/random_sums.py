"""Random programs of loops that sum: their adjoints may run iteration by iteration, or in any order.

python tests/random_sums.py 0 5000
"""

from __future__ import annotations

import random
import sys

from random_programs import GRAMMARS, NUMBERS, Scalars, survey

TOTALS = ["s1", "s2", "s3"]
LOCALS = ["p", "q", "r"]


class Sums(Scalars):
    """Loops that add to totals what they compute in variables and arrays of their own, and some that do more."""

    def own(self, loops, depth=0):
        """A number from what an iteration has."""
        r = self.random
        p = r.random()
        if p < 0.35 or depth > 1:
            return r.choice([*LOCALS, *LOCALS, "a", "c", f"x[{self.index(loops)}]", f"u[{self.index(loops)}]"])
        if p < 0.45:
            return r.choice(["np.sin({})", "np.tanh({})", "np.exp(-np.tanh({}))"]).format(self.own(loops, depth + 1))
        if p < 0.5:
            return f"1.0 / (2.0 + {self.own(loops, depth + 1)} ** 2)"
        return f"({self.own(loops, depth + 1)} {r.choice('+-**')} {self.own(loops, depth + 1)})"

    def summing(self, depth, loops):
        """A loop."""
        r = self.random
        self.count += 1
        i = f"i{self.count}"
        inner = (*loops, i)
        body = [f"{v} = {self.first(inner)}" for v in LOCALS]
        for _ in range(r.randint(2, 5)):
            body += self.part(depth, inner)
        bounds = [f"range({r.randint(0, 4)})", "range(1, 4)", "range(3, -1, -1)", "range(0, 4, 2)"]
        bounds += [f"range({loops[-1]})"] if loops else []
        return [f"for {i} in {r.choice(bounds)}:", *self.indented(body)]

    def first(self, loops):
        return self.random.choice([f"x[{self.index(loops)}] * 0.7", f"np.cos(x[{self.index(loops)}])", "0.2", "a * c"])

    def part(self, depth, loops):
        r = self.random
        p, t, v = r.random(), r.choice(TOTALS), r.choice(LOCALS)
        if p < 0.35:
            return [f"{t} {r.choice(['+=', '-='])} {self.own(loops)}"]
        if p < 0.6:
            return [f"{v} {r.choice(['=', '=', '+=', '*='])} {self.own(loops)}"]
        if p < 0.68 and depth < 2:
            return self.summing(depth + 1, loops)
        if p < 0.76:
            test = f"({self.own(loops)}).real > 0.1"
            lines = [f"if {test}:", *self.indented(self.part(depth + 1, loops))]
            return lines + (["else:", *self.indented(self.part(depth + 1, loops))] if r.random() < 0.5 else [])
        if p < 0.82:
            return [f"e = x * {v}", f"e[{self.index(loops)}] = {self.own(loops)}", f"{t} += np.sum(e * u)"]
        if p < 0.86:
            return [f"n1 += {r.randint(1, 2)}", f"{v} = x[n1 % 4]"]
        if p < 0.9:
            return self.loop(2, loops)
        if p < 0.93:
            return [f"u[{self.index(loops)}] {r.choice(['=', '+='])} {self.own(loops)}"]
        if p < 0.95:
            return [f"{r.choice(NUMBERS)} = {self.own(loops)}"]
        if p < 0.97:
            return [f"{t} = {t} * 0.5"]
        return [r.choice(["break", "continue"])] if r.random() < 0.3 and depth == 0 else [f"{v} = {t} * 0.3"]

    def block(self, depth, loops):
        if depth > 0:
            return super().block(depth, loops)
        r = self.random
        lines = []
        for _ in range(r.randint(1, 2)):
            lines += self.summing(0, ())
            if r.random() < 0.3:
                t = r.choice(TOTALS)
                lines.append(
                    r.choice(
                        [f"{t} = {t} * a", f"{t} = {t} / 3.0", f"a = np.sin({t})", f"{t} = 2.0 * {t} + s1", "s2 = s1"]
                    )
                )
        return lines

    def start(self):
        return [*super().start(), "s1 = 0.0", "s2 = a * 0.0", "s3 = x[0]", "n1 = 0", "p = 0.1", "q = x[1]", "r = 0.0"]

    @property
    def end(self):
        r = random.Random(self.count)
        return r.choice(
            [
                "return s1 * 2.0 + 0.5 * s2 - s3 / 3.0",
                "return s1 + s2 * s2 + s3",
                "return s1 + a * s2 + s3 * c",
                "return s1 + s2 - s3 + 0.1 * (a + b + c + d + np.sum(u) + np.sum(w))",
                "return s1 + s2 + s3 + p * q + r",
            ]
        )


NAME = "sums"
GRAMMARS[NAME] = Sums

if __name__ == "__main__":
    counted = survey(NAME, int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
    for what, count in counted.most_common():
        print(f"{count:>7} {what}")
