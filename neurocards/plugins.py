"""How plugins are found: the modules of a package, and the entry points that installed packages name after it."""

import pkgutil
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points


@cache
def load_plugins(package: str) -> None:
    """Imports every module of `package` and every entry point of the group of that name, once a process; they register themselves."""
    for module in pkgutil.iter_modules(import_module(package).__path__):
        import_module(f"{package}.{module.name}")
    for plugin in entry_points(group=package):
        plugin.load()
