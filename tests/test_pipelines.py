"""Parts of kernels are compiled without machine code and without counting references: what they share stays whole."""

import os
import pathlib
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from numbaopt._compile import inlined_part, kernel, part


@part
def copied(a):
    return a.copy()


@part
def total(a):
    return copied(a).sum()


@part
def itself(a):
    return a, 2.5


@inlined_part
def first(a):
    return itself(a)[0][0] + itself(a)[0][-1]


@kernel
def together(a):
    kept = itself(a)
    part_of_it = copied(kept[0][1:])
    return total(a) + first(a) + part_of_it.sum() + kept[1]


def test_kernel_of_parts_that_pass_arrays_on():
    a = np.arange(5.0)
    assert together(a) == 10 + 4 + 10 + 2.5


def test_references_are_neither_lost_nor_kept():
    a = np.arange(1000.0)
    together(a)
    before = sys.getrefcount(a)
    for _ in range(100):
        together(a)
    assert sys.getrefcount(a) == before
    np.testing.assert_array_equal(a, np.arange(1000.0))


def test_what_parts_allocate_is_freed():
    code = """
        import numpy as np
        from numba.core.runtime import rtsys
        from test_pipelines import together
        together(np.arange(5.0))
        for _ in range(100):
            together(np.arange(5.0))
        stats = rtsys.get_allocation_stats()
        print(stats.alloc - stats.free, stats.mi_alloc - stats.mi_free)
    """

    environment = os.environ | {"NUMBA_NRT_STATS": "1", "PYTHONPATH": str(pathlib.Path(__file__).parent)}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["0", "0"]


def test_parts_cannot_be_called_from_python():
    together(np.arange(5.0))
    with pytest.raises(TypeError):
        total(np.arange(5.0))
