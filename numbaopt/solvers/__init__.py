"""The solvers, one file each. A new file in this folder is imported, and so registered, by itself."""

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
