"""Generated text run by CPython, with nothing compiled in it but what users compiled."""

from types import FunctionType

from numbaopt.autodiff.derivatives import HELPERS

_homes: dict[str, dict] = {}


def _plain(helper):
    """A helper of generated text as plain Python, calling others that are."""
    function = helper.py_func
    home = function.__module__
    if home not in _homes:
        _homes[home] = namespace = dict(function.__globals__)
        namespace |= {name: _plain(value) for name, value in namespace.items() if hasattr(value, "py_func")}
    return FunctionType(function.__code__, _homes[home], function.__name__, function.__defaults__, function.__closure__)


PLAIN_HELPERS = {name: _plain(helper) for name, helper in HELPERS.items()}


def run_plainly(generated, *args):
    """What the generated text gives, run by CPython."""
    namespace = dict(generated.environment) | PLAIN_HELPERS
    exec(compile(generated.text, f"<{generated.name}>", "exec"), namespace)
    return namespace[generated.name](*args)
