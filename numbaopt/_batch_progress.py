"""How far a batch is: a bar by tqdm where that is installed, else a line a second."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def progress_of(count: int, disp: bool) -> Iterator[Callable[[int], None] | None]:
    """What is to be called with the number of problems that are done; None where nothing is to be shown."""
    if not disp:
        yield None
        return
    try:
        from tqdm.auto import tqdm
    except ImportError:
        yield Lines(count)
        return
    with tqdm(total=count, unit="problem") as bar:
        yield lambda done: _advance(bar, done)


def _advance(bar: Any, done: int) -> None:
    bar.update(done - bar.n)


class Lines:
    """Prints a line a second."""

    def __init__(self, count: int):
        self.count, self.start = count, time.perf_counter()
        self.next_line = 1.0

    def __call__(self, done: int) -> None:
        seconds = time.perf_counter() - self.start
        if seconds >= self.next_line:
            left = (self.count - done) * seconds / done if done else float("inf")
            print(f"  {seconds:6.1f} s  {done} of {self.count} problems, about {left:.0f} s left")
            self.next_line = seconds + 1.0
