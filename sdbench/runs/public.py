"""A copy of a run's page, plots and tables for other people: no names of machines and users, no paths."""

from __future__ import annotations

import getpass
import io
import json
import platform
import re
import shlex
import shutil
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from sdbench.core.errors import InputError, StoreError
from sdbench.core.files import TEMPORARY
from sdbench.core.json import load_json
from sdbench.runs.report import write_report

__all__ = ["write_public"]

#: Texts under these keys are prompts: a word that is also somebody's name stays in them.
_PROMPTS = {"prompts", "negative_prompt"}
_IN_TEXT = r"[^\s/\\'\"`,;:<>|()]+"
_PATH = re.compile(rf"(?<![\w/\\.~])(?:~(?:[/\\]{_IN_TEXT})+|(?:[A-Za-z]:)?(?:[/\\]{_IN_TEXT}){{2,}})")
_PLACE = re.compile(r"\b(?!https?:)[A-Za-z][A-Za-z0-9+]*://[^\s'\"`,;<>()]+")
_WHOLE = re.compile(r"(?:~|[A-Za-z]:)?[/\\](?:\S*|.*[/\\].*)")


def write_public(root: Path, target: Path) -> Path:
    """Write the page, plots, tables, manifest and spec of the run in `root` to `target`; return the page.

    Of every path only the last name stays; the trackers of the spec are left out. The only images are those
    inside the page.

    Raises:
        InputError: The run has no results, or `target` exists and is not an empty folder.
        StoreError: A file cannot be read or written.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"--public {target} exists already; name a new folder")
    aside = target.absolute().with_name(f".{target.name}.{uuid.uuid4().hex}{TEMPORARY}")
    try:
        aside.mkdir(parents=True)
        _write_tables(root, aside, _Cleaner(root))
        images = aside / "images"
        images.symlink_to(root.resolve() / "images")
        page = write_report(aside, originals=False).relative_to(aside)
        images.unlink()
        if target.exists():
            target.rmdir()
        aside.replace(target)
    except OSError as error:
        raise StoreError(f"{target}: cannot be written: {error.strerror}") from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return target / page


def _write_tables(root: Path, folder: Path, clean: _Cleaner) -> None:
    for path in sorted(root.glob("*.csv")):
        (folder / path.name).write_text(clean.text(path.read_text(encoding="utf-8")), encoding="utf-8")
    for path in sorted(root.glob("*.parquet")):
        (folder / path.name).write_bytes(_clean_parquet(path, clean))
    try:
        manifest = load_json((root / "manifest.json").read_bytes())
        spec = yaml.safe_load((root / "spec.yaml").read_text(encoding="utf-8"))
        command = shlex.split(manifest["command"])
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        raise InputError(
            f"{root} is not a scored run: its manifest.json or spec.yaml is missing or damaged"
        ) from None
    manifest["command"] = shlex.join(_clean_command(command, clean))
    (folder / "manifest.json").write_text(
        json.dumps(clean.nested(manifest), indent=2) + "\n", encoding="utf-8"
    )
    public = {key: value for key, value in spec.items() if key != "records"}
    text = yaml.safe_dump(clean.nested(public), sort_keys=False, allow_unicode=True)
    (folder / "spec.yaml").write_text(text, encoding="utf-8")


def _clean_command(command: list[str], clean: _Cleaner) -> list[str]:
    """Return the words of a command line; the address of a cluster is left out."""
    cleaned = [clean.value(word) for word in command]
    for place, word in enumerate(command):
        if word == "--address":
            cleaned[place + 1 : place + 2] = ["ADDRESS"]
        elif word.startswith("--address="):
            cleaned[place] = "--address=ADDRESS"
    return cleaned


def _clean_parquet(path: Path, clean: _Cleaner) -> bytes:
    """Return the file without paths in its texts, which are prompts too."""
    table = pq.read_table(path)
    for place, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            texts = [text and clean.paths(text) for text in table.column(place).to_pylist()]
            table = table.set_column(place, field, pa.array(texts, field.type))
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


class _Cleaner:
    """Takes paths, and names of this machine and its user, out of texts."""

    def __init__(self, root: Path) -> None:
        folders = {Path.home(), Path.cwd(), Path(gettempdir()), root.resolve(), root.resolve().parent}
        longest = sorted((str(folder) for folder in folders if folder.name), key=len, reverse=True)
        self._folders = re.compile(rf"(?:{'|'.join(map(re.escape, longest))})(?:[/\\]{_IN_TEXT})*(?![\w-])")
        host = platform.node()
        names = {host: "MACHINE", host.split(".")[0]: "MACHINE"}
        with suppress(OSError, KeyError):  # a container's user may have no name
            names[getpass.getuser()] = "USER"
        self._names = {name: word for name, word in names.items() if name not in ("", "root", "localhost")}

    def paths(self, text: str) -> str:
        """Return the text with the last name of each path in its place."""
        for pattern in (self._folders, _PLACE, _PATH):
            text = pattern.sub(lambda found: _last(found[0]), text)
        return text

    def text(self, text: str) -> str:
        """Return the text without paths and names."""
        text = self.paths(text)
        for name, word in self._names.items():
            text = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", word, text, flags=re.IGNORECASE)
        return text

    def value(self, text: str) -> str:
        """Return a text that may be a path as a whole, with spaces in it."""
        return self.text(_last(text) if _WHOLE.fullmatch(text) else text)

    def nested(self, value: Any, key: str = "") -> Any:
        """Return mappings and lists with all their texts cleaned."""
        if isinstance(value, Mapping):
            return {name: self.nested(each, key if key in _PROMPTS else name) for name, each in value.items()}
        if isinstance(value, list):
            return [self.nested(each, key) for each in value]
        if isinstance(value, str):
            return self.paths(value) if key in _PROMPTS else self.value(value)
        return value


def _last(path: str) -> str:
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]
