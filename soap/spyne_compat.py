"""Makes Spyne 2.14 import on Python 3.11 to 3.13, without a warning and without a word in the log.

Imported with the package, so that it is there before any ``spyne``; Spyne itself is loaded when somebody asks for it.
Spyne carries a copy of six 1.14, whose importer of moved modules has no ``find_spec``: 3.11 complains of that, and
3.12 does not ask such an importer at all. Here the copy is loaded first, and another importer stands in for its own.
Spyne also imports ``cgi``, which 3.13 has not; there it comes from legacy-cgi.

Spyne's loggers write requests that it cannot read as they are, passwords included, and the text of every Fault. They
are shut: what there is to say the transport says.
"""

from __future__ import annotations

import logging
import sys
import warnings
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location, spec_from_loader
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

_SPYNE = "spyne"
_SIX = "spyne.util.six"
_USED = ("spyne.interface.wsdl", "spyne.protocol.soap", "spyne.server")
"""What of Spyne is used, but for what it imports by itself."""


class _Moves(MetaPathFinder, Loader):
    """Finds the modules that six moves, in the way that Python has asked since 3.4."""

    def __init__(self, importer: Any) -> None:
        self._importer = importer

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        if fullname not in self._importer.known_modules:
            return None
        return spec_from_loader(fullname, self, is_package=self._importer.is_package(fullname))

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module: ModuleType = self._importer.load_module(spec.name)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: it was loaded when it was made."""


class _Quietly(SourceFileLoader):
    """Loads Spyne, and at once all of it that is used, while nobody hears what it complains of."""

    def exec_module(self, module: ModuleType) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _load_six(Path(self.path).with_name("util") / "six.py")
            super().exec_module(module)
            for name in _USED:
                import_module(name)


class _First(MetaPathFinder):
    """Finds Spyne before anybody else does."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del target
        if fullname != _SPYNE:
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Quietly(spec.name, spec.loader.path)
        return spec


def _load_six(file: Path) -> None:
    spec = spec_from_file_location(_SIX, file)
    if spec is None or spec.loader is None:
        message = f"{file} is no module"
        raise ImportError(message, name=_SIX)
    six: Any = module_from_spec(spec)
    sys.modules[_SIX] = six
    spec.loader.exec_module(six)
    sys.meta_path[sys.meta_path.index(six._importer)] = _Moves(six._importer)  # noqa: SLF001 - it has no other name


logging.getLogger(_SPYNE).setLevel(logging.CRITICAL + 1)
if _SPYNE not in sys.modules:
    sys.meta_path.insert(0, _First())
