"""Bring weights from the Hugging Face hub: the licence first, then all files or none, and their sha256."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sdbench.core.digest import digest_file
from sdbench.core.errors import InputError, did_you_mean
from sdbench.core.timing import now
from sdbench.models.catalogue import SD_V1, SHAPES
from sdbench.models.diffusers_layout import INDEX, needed_files
from sdbench.models.fetched import Origin, file_digests, write_origin
from sdbench.models.home import weights_folder
from sdbench.models.hub import Listing, cached_file, download, is_hub_id, list_files
from sdbench.models.registry import hub_folder, known_names, repository_folder
from sdbench.models.user_models import user_models

__all__ = ["Download", "fetch", "wanted_download"]


@dataclass(frozen=True)
class Download:
    """What a name stands for on the hub: one `file`, or the whole diffusers folder if it is None."""

    name: str
    repository: str
    file: str | None
    licence: str

    @property
    def target(self) -> Path:
        """Where it will be put."""
        return weights_folder() / self.file if self.file else repository_folder(self.repository)

    def present(self) -> Path | None:
        """Where it is already: fetched, or in the Hugging Face cache; None if it is nowhere."""
        if self.file is None:
            return hub_folder(self.repository)
        return self.target if self.target.is_file() else cached_file(self.repository, self.file)


def wanted_download(name: str, layout: str = "original") -> Download:
    """The download that `name` asks for: sd-v1-N, a model of the user's with a hub id, or a hub id itself.

    `layout`, one of LAYOUTS, matters for sd-v1-N only. Raises InputError if there is nothing to download.
    """
    if name in SD_V1:
        published = SD_V1[name]
        licence = f"{published.licence.name}: {published.licence.url}"
        if layout == "original":
            return Download(name, published.original, published.file, licence)
        return Download(name, published.diffusers, None, licence)
    if name in SHAPES:
        raise InputError(f"{name} comes with the package: there is nothing to fetch")
    mine = user_models().get(name)
    repository = name if mine is None else (mine.diffusers or mine.path or "")
    if is_hub_id(repository):
        licence = mine.licence if mine and mine.licence else f"as https://huggingface.co/{repository} says"
        return Download(name, repository, None, licence)
    if name in known_names():
        raise InputError(f"{name} does not come from the hub: there is nothing to fetch")
    raise InputError(f"unknown model {name!r}: {did_you_mean(name, known_names())}; or a hub id, ORG/NAME")


def fetch(wanted: Download, note: Callable[[str], None]) -> Path:
    """Download, check against the sha256 that the hub knows, record the digests, and put in place.

    Files arrive in weights/.partial, where an interrupted call leaves the complete ones for the next; the
    weights get their name when all files have arrived. Raises InputError in one line.
    """
    listing = list_files(wanted.repository)
    files = _files(wanted, listing)
    partial = weights_folder() / ".partial" / wanted.target.name
    for number, file in enumerate(files, start=1):
        note(f"{wanted.name}: {file} ({number} of {len(files)})")
        download(listing, file, partial)
    _check(listing, files, partial)
    source = partial / wanted.file if wanted.file else partial
    shutil.rmtree(partial / ".cache", ignore_errors=True)  # the library's notes on half-fetched files
    digests = file_digests(source)
    write_origin(wanted.target, Origin(wanted.repository, listing.commit, wanted.licence, now(), digests))
    source.replace(wanted.target)
    shutil.rmtree(partial, ignore_errors=True)
    return wanted.target


def _files(wanted: Download, listing: Listing) -> list[str]:
    files = [wanted.file] if wanted.file else needed_files(listing.sha256)
    if not files or (files[0] not in listing.sha256) or (wanted.file is None and INDEX not in files):
        what = wanted.file or f"{INDEX}, so it is no diffusers folder"
        raise InputError(f"{wanted.name}: https://huggingface.co/{wanted.repository} has no {what}")
    return files


def _check(listing: Listing, files: list[str], folder: Path) -> None:
    for file in files:
        expected = listing.sha256[file]
        if expected is not None and digest_file(folder / file) != expected:
            (folder / file).unlink()
            raise InputError(
                f"{listing.repository}: {file} arrived damaged (sha256 differs); run the command again"
            )
