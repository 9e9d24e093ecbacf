"""Bring weights from the Hugging Face hub: the licence first, then all files or none, and their sha256."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from metrics.networks import Network
from sdbench.core.digest import digest_file
from sdbench.core.errors import InputError, did_you_mean, one_line
from sdbench.core.timing import now
from sdbench.models.catalogue import SD_V1, SHAPES
from sdbench.models.diffusers_layout import INDEX, needed_files
from sdbench.models.fetched import Origin, file_digests, write_origin
from sdbench.models.home import weights_folder
from sdbench.models.hub import Listing, cached_file, download, is_hub_id, list_files
from sdbench.models.networks import NETWORKS, network_file
from sdbench.models.registry import hub_folder, known_names, repository_folder
from sdbench.models.user_models import user_models

__all__ = ["Download", "fetch", "wanted_download"]


@dataclass(frozen=True)
class Download:
    """What a name stands for.

    Attributes:
        name: A model, or the network of a metric.
        repository: Its repository on the hub, or the address of the project that publishes `url`.
        file: The file in the repository; None for the whole diffusers folder.
        licence: The licence, or where it is given.
        stored: The name of the file on this machine, if it is another.
        url: The file's address outside the hub.
        sha256: First digits of the sha256 of the file at `url`; "" if its publisher gives none.
    """

    name: str
    repository: str
    file: str | None
    licence: str
    stored: str | None = None
    url: str | None = None
    sha256: str = ""

    @property
    def target(self) -> Path:
        """Where it will be put."""
        file = self.stored or self.file
        return weights_folder() / file if file else repository_folder(self.repository)

    def present(self) -> Path | None:
        """Where it is already: fetched, or in the Hugging Face cache; None if it is nowhere."""
        if self.name in NETWORKS:
            return network_file(self.name)
        if self.file is None:
            return hub_folder(self.repository)
        return self.target if self.target.is_file() else cached_file(self.repository, self.file)


def wanted_download(name: str, layout: str = "original") -> Download:
    """The download that `name` asks for: sd-v1-N, the network of a metric, a user's model, or a hub id.

    `layout`, one of LAYOUTS, matters for sd-v1-N only. Raises InputError if there is nothing to download.
    """
    if name in SD_V1:
        published = SD_V1[name]
        licence = f"{published.licence.name}: {published.licence.url}"
        if layout == "original":
            return Download(name, published.original, published.file, licence)
        return Download(name, published.diffusers, None, licence)
    if name in NETWORKS:
        return _network(name)
    if name in SHAPES or name == "shapes-clip":
        raise InputError(f"{name} comes with the package: there is nothing to fetch")
    mine = user_models().get(name)
    repository = name if mine is None else (mine.diffusers or mine.path or "")
    if is_hub_id(repository):
        licence = mine.licence if mine and mine.licence else f"as https://huggingface.co/{repository} says"
        return Download(name, repository, None, licence)
    if name in known_names():
        raise InputError(f"{name} does not come from the hub: there is nothing to fetch")
    raise InputError(
        f"unknown model {name!r}: {did_you_mean(name, [*known_names(), *NETWORKS])}; or a hub id, ORG/NAME"
    )


def _network(name: str) -> Download:
    network = NETWORKS[name]
    if network.repository is None:
        project = network.project or "/".join(network.published.split("/")[:5])
        licence = _licence(network, project)
        return Download(name, project, network.file, licence, url=network.published, sha256=network.sha256)
    licence = _licence(network, f"https://huggingface.co/{network.repository}")
    return Download(name, network.repository, network.published, licence, stored=network.file)


def _licence(network: Network, source: str) -> str:
    return f"{network.licence}, as {source} says" if network.licence else f"as {source} says"


def fetch(wanted: Download, note: Callable[[str], None]) -> Path:
    """Download, check against the sha256 that the hub knows, record the digests, and put in place.

    Files arrive in weights/.partial, where an interrupted call leaves the complete ones for the next; the
    weights get their name when all files have arrived. Raises InputError in one line.
    """
    if wanted.url is not None:
        return _fetch_url(wanted, wanted.url, note)
    listing = list_files(wanted.repository)
    files = _files(wanted, listing)
    partial = weights_folder() / ".partial" / wanted.target.name
    for number, file in enumerate(files, start=1):
        note(f"{wanted.name}: {file} ({number} of {len(files)})")
        download(listing, file, partial)
    _check(listing, files, partial)
    source = (partial / wanted.file).rename(partial / wanted.target.name) if wanted.file else partial
    shutil.rmtree(partial / ".cache", ignore_errors=True)  # the library's notes on half-fetched files
    digests = file_digests(source)
    write_origin(wanted.target, Origin(wanted.repository, listing.commit, wanted.licence, now(), digests))
    source.replace(wanted.target)
    shutil.rmtree(partial, ignore_errors=True)
    return wanted.target


def _fetch_url(wanted: Download, url: str, note: Callable[[str], None]) -> Path:
    """Download a file from outside the hub, check it against known digits, and put it in place."""
    from torch.hub import download_url_to_file

    note(f"{wanted.name}: {url}")
    wanted.target.parent.mkdir(parents=True, exist_ok=True)
    try:
        download_url_to_file(url, str(wanted.target), hash_prefix=wanted.sha256 or None, progress=False)
    except (OSError, RuntimeError) as error:
        raise InputError(f"{wanted.name}: cannot download {url}: {one_line(error)}") from None
    origin = Origin(wanted.repository, url, wanted.licence, now(), file_digests(wanted.target))
    write_origin(wanted.target, origin)
    return wanted.target


def _files(wanted: Download, listing: Listing) -> list[str]:
    files = [wanted.file] if wanted.file else needed_files(listing.sha256)
    if not files or (files[0] not in listing.sha256) or (wanted.file is None and INDEX not in files):
        what = wanted.file or f"{INDEX}, so it is not a diffusers folder"
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
