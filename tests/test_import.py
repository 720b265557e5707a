"""What `import numbaopt` costs: nothing that takes long to import, and that few need."""

from __future__ import annotations

import subprocess
import sys


def test_what_is_not_imported():
    slow = ("scipy.stats", "scipy.signal", "matplotlib", "tqdm", "distributed", "jax", "torch")
    code = f"import sys, numbaopt; print([name for name in {slow} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
