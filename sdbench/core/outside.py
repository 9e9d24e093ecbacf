"""Parts from outside the repository: found by name, imported, and identified by package, version and source.

`module:function` is something in an importable module or a module of the current folder,
`folder/file.py:function` something in a file, `ext:package/name` an entry point of an installed package.
Importing it runs its code.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import (
    Distribution,
    EntryPoint,
    PackageNotFoundError,
    distribution,
    entry_points,
    packages_distributions,
)
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from sdbench.core.digest import SHORT, digest_file, digest_value
from sdbench.core.errors import InputError, did_you_mean, one_line

__all__ = [
    "FORMS",
    "Kind",
    "error_words",
    "find_outside",
    "is_outside",
    "load_outside",
    "origin",
    "source_digest",
]

FORMS = "module:function, file.py:function or ext:package/name"
"""How a part from outside is named."""

_OF_A_FILE = "sdbench_outside_"
"""Start of the names of modules that are imported from a file by its path."""

_IN_FILE = re.compile(r"(.+\.py):(\w+(?:\.\w+)*)")
_IN_PACKAGE = re.compile(r"ext:([\w.-]+)/([\w.-]+)")
_IN_MODULE = re.compile(r"\w+(\.\w+)*:\w+(\.\w+)*")


@dataclass(frozen=True)
class Kind:
    """What is looked for: the word that messages use, and the group of its entry points."""

    word: str
    group: str


def is_outside(name: str) -> bool:
    """Return whether `name` has one of the forms of a part from outside; nothing is looked up."""
    return any(form.fullmatch(name) for form in (_IN_FILE, _IN_PACKAGE, _IN_MODULE))


def find_outside(name: str, kind: Kind) -> EntryPoint:
    """Return where the part is defined. A file is imported here, under a module name of its own.

    Raises:
        InputError: The name has none of the forms, no package has such an entry point, or the file fails.
    """
    if in_file := _IN_FILE.fullmatch(name):
        module = _module_of(name, Path(in_file[1]), kind)
        return EntryPoint(name=name, value=f"{module}:{in_file[2]}", group=kind.group)
    if in_package := _IN_PACKAGE.fullmatch(name):
        return _offered(name, _normalised(in_package[1]), in_package[2], kind)
    if not _IN_MODULE.fullmatch(name):
        raise InputError(f"{kind.word} {name!r} is not of the form {FORMS}")
    return EntryPoint(name=name, value=name, group=kind.group)


def load_outside(point: EntryPoint, kind: Kind) -> Any:
    """Import the part; InputError if that fails."""
    _search(Path.cwd())
    try:
        return point.load()
    except Exception as error:  # importing a module may raise anything
        raise InputError(f"{kind.word} {point.name!r} cannot be imported: {error_words(error)}") from None


def origin(point: EntryPoint) -> str:
    """Return the package and version of a loaded part, "my-package 1.0"; else its file, or module."""
    package = point.dist or _package_of(point.module.split(".")[0])
    if package is not None:
        return f"{package.name} {package.version}"
    file = getattr(sys.modules.get(point.module), "__file__", None)
    return Path(file).name if file else point.module


def source_digest(modules: Iterable[str | None]) -> str:
    """Return the sha256 of the files of these modules; of those that they import nothing is included."""
    found = [sys.modules[module] for module in sorted({m for m in modules if m}) if module in sys.modules]
    files = [module.__file__ for module in found if getattr(module, "__file__", None)]
    return digest_value(sorted(digest_file(Path(str(file))) for file in files))


def error_words(error: BaseException) -> str:
    """Return an exception of foreign code as one line."""
    return f"{type(error).__name__}: {one_line(error)}"


def _package_of(module: str) -> Distribution | None:
    """Return the installed package that brings a module of the top level; None if there is none."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None or module.startswith(_OF_A_FILE):
        return None
    folder = Path(file).parents[1] if Path(file).name == "__init__.py" else Path(file).parent
    try:
        package = distribution(module)  # most have the name of their module; looking at all takes seconds
        editable = "editable" in (package.read_text("direct_url.json") or "")
        if editable or Path(str(package.locate_file(""))).resolve() == folder.resolve():
            return package
    except PackageNotFoundError:
        pass
    if not any(folder.glob("*.dist-info")):
        return None
    names = packages_distributions().get(module)
    return distribution(names[0]) if names else None


def _offered(name: str, package: str, entry: str, kind: Kind) -> EntryPoint:
    points = {
        f"ext:{_normalised(point.dist.name)}/{point.name}": point
        for point in entry_points(group=kind.group)
        if point.dist is not None
    }
    if (wanted := f"ext:{package}/{entry}") not in points:
        hint = did_you_mean(wanted, points)
        raise InputError(f"{kind.word} {name!r}: no installed package has it: {hint}")
    return points[wanted]


def _normalised(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()


def _module_of(name: str, path: Path, kind: Kind) -> str:
    """Import a file once, under a unique module name; it may import other modules of its folder."""
    module = f"{_OF_A_FILE}{digest_value(str(path.resolve()))[:SHORT]}"
    if module in sys.modules:
        return module
    _search(path.resolve().parent)
    spec = spec_from_file_location(module, path)
    assert spec is not None
    assert spec.loader is not None
    sys.modules[module] = module_from_spec(spec)
    try:
        spec.loader.exec_module(sys.modules[module])
    except Exception as error:
        del sys.modules[module]
        raise InputError(f"{kind.word} {name!r} cannot be imported: {error_words(error)}") from None
    return module


def _search(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.append(str(folder))  # last, so that nothing there shadows an installed package
