"""What `sdbench models` prints about a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sdbench.core.errors import InputError
from sdbench.models import Source
from sdbench.models.catalogue import SD_V1
from sdbench.models.download import wanted_download
from sdbench.models.fetched import file_digests, read_origin
from sdbench.models.hub import is_hub_id
from sdbench.models.networks import NETWORKS, network_file
from sdbench.models.registry import NotFetchedError, known_names, locate
from sdbench.models.sources import PipelineSource, ReferenceSource
from sdbench.models.training_facts import training_facts
from sdbench.models.user_models import user_models
from sdbench.spec.model_entry import ModelEntry

__all__ = ["Row", "facts", "overview", "verify"]


@dataclass(frozen=True)
class Row:
    """A model, or the network of a metric.

    Attributes:
        name: Its name in specs, or that of the extractor.
        network: Whether it is the network of a metric.
        found: Whether it is on this machine.
        words: What and where it is, or how to fetch it.
    """

    name: str
    network: bool
    found: bool
    words: str


def overview() -> list[Row]:
    """Return each known model and each network of a metric."""
    names = known_names()
    return [_model(name, names) for name in names] + [_network(name) for name in NETWORKS]


def verify(name: str) -> list[str]:
    """Hash the weights of `name` again and return a line for each file.

    Raises:
        InputError: The weights changed since they were fetched, or were not fetched by sdbench.
    """
    path = network_file(name) if name in NETWORKS else _path(_locate(name, known_names()))
    if path is None or read_origin(path) is None:
        raise InputError(
            f"{name}: {path or 'it'} was not fetched by sdbench, so there is nothing to compare it with"
        )
    return [f"{name}: {file} ok, sha256 {digest}" for file, digest in file_digests(path).items()]


def facts(name: str) -> list[str]:
    """Return what is known about `name`: where it is, its origin, licence and training."""
    if name in NETWORKS:
        download = wanted_download(name)
        origin = f"  from {download.url or f'https://huggingface.co/{download.repository}'}"
        return [name, f"  {_network(name).words}", origin, f"  licence: {download.licence}"]
    lines = [name, f"  {_model(name, known_names()).words}"]
    if name in SD_V1:
        published = SD_V1[name]
        lines.append(f"  original layout: https://huggingface.co/{published.original} ({published.file})")
        lines.append(f"  diffusers layout: https://huggingface.co/{published.diffusers}")
        lines.append(f"  licence: {published.licence.name}, {published.licence.url}")
    mine = user_models().get(name)
    if mine and mine.licence:
        lines.append(f"  licence: {mine.licence}")
    lines += [f"  trained {stage}" for stage in training_facts(name)]
    return lines


def _path(source: Source) -> Path | None:
    return source.path if isinstance(source, ReferenceSource | PipelineSource) else None


def _network(name: str) -> Row:
    file = network_file(name)
    words = f"network of metrics, {file or f'not on this machine: sdbench models fetch {name}'}"
    return Row(name, True, file is not None, words)


def _model(name: str, known: Sequence[str]) -> Row:
    """Return what is known of a model; InputError if it is neither among the known ones nor a hub id."""
    try:
        source = _locate(name, known)
    except NotFetchedError as error:
        return Row(name, False, False, f"not on this machine: sdbench models fetch {error.wanted}")
    except InputError as error:
        if name in known:
            return Row(name, False, False, f"{error}")
        raise
    described = source.describe()
    place = described.get("path") or f"{described['object']} of {described['distribution']}"
    origin = f", {described['repository']} at {described['commit'][:12]}" if "repository" in described else ""
    return Row(name, False, True, f"{described['kind']}, {place}{origin}")


def _locate(name: str, known: Sequence[str]) -> Source:
    if name not in known and is_hub_id(name):
        return locate(ModelEntry(name=name.split("/")[1], diffusers=name))
    return locate(ModelEntry(name=name))
