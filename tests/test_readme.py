"""What the README says of the methods."""

from __future__ import annotations

import pathlib
import re

from numbaopt._rule import compiled_form, method_class, method_names, slot_names

README = (pathlib.Path(__file__).parents[1] / "README.md").read_text()


def test_every_method_is_in_the_table_with_its_arrays_of_state() -> None:
    table = README[README.index("| `method=` |") :].partition("\n\n")[0]
    said = {}
    for line in table.splitlines()[2:]:
        names, counts = (column.strip() for column in line.split("|")[1:3])
        named = re.findall(r'`"(\w+)"`', names)
        numbers = [int(count) for count in counts.split(",")]
        said |= dict(zip(named, numbers if len(numbers) > 1 else numbers * len(named), strict=True))
    around = {name for name in method_names() if "inner" in method_class(name)._fields}
    assert said == {n: len(slot_names(compiled_form(method_class(n)()))) for n in set(method_names()) - around}
    assert all(
        f"{method_class(name).__name__}(" in README or f"`{method_class(name).__name__}`" in README for name in around
    )
