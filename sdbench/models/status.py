"""What `sdbench models` prints about a model."""

from __future__ import annotations

from sdbench.core.errors import InputError
from sdbench.models import Source
from sdbench.models.catalogue import SD_V1
from sdbench.models.fetched import file_digests, read_origin
from sdbench.models.hub import is_hub_id
from sdbench.models.registry import NotFetchedError, known_names, locate
from sdbench.models.sources import PipelineSource, ReferenceSource
from sdbench.models.training_facts import training_facts
from sdbench.models.user_models import user_models
from sdbench.spec.model_entry import ModelEntry

__all__ = ["facts", "overview", "verify"]


def overview() -> list[tuple[str, str]]:
    """Return each known model with a line that says what and where it is, or how to fetch it."""
    return [(name, _whereabouts(name)) for name in known_names()]


def verify(name: str) -> list[str]:
    """Hash the weights of `name` again and return a line for each file.

    Raises:
        InputError: The weights changed since they were fetched, or were not fetched by sdbench.
    """
    source = _locate(name)
    path = source.path if isinstance(source, ReferenceSource | PipelineSource) else None
    if path is None or read_origin(path) is None:
        raise InputError(
            f"{name}: {path or 'it'} was not fetched by sdbench, so there is nothing to compare it with"
        )
    return [f"{name}: {file} ok, sha256 {digest}" for file, digest in file_digests(path).items()]


def facts(name: str) -> list[str]:
    """Return what is known about `name`: where it is, its origin, licence and training."""
    lines = [name, f"  {_whereabouts(name)}"]
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


def _whereabouts(name: str) -> str:
    try:
        source = _locate(name)
    except NotFetchedError as error:
        return f"not on this machine: sdbench models fetch {error.wanted}"
    except InputError as error:
        if name in known_names():
            return f"{error}"
        raise
    described = source.describe()
    place = described.get("path") or f"{described['object']} of {described['distribution']}"
    origin = f", {described['repository']} at {described['commit'][:12]}" if "repository" in described else ""
    return f"{described['kind']}, {place}{origin}"


def _locate(name: str) -> Source:
    if name not in known_names() and is_hub_id(name):
        return locate(ModelEntry(name=name.split("/")[1], diffusers=name))
    return locate(ModelEntry(name=name))
