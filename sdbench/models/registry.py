"""Model names: the known ones, and the model on this machine that a name or path refers to."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sdbench.core.errors import InputError, did_you_mean
from sdbench.core.paths import existing_file, existing_path
from sdbench.models import Source
from sdbench.models.catalogue import SD_V1, SHAPES
from sdbench.models.diffusers_layout import INDEX, REFERENCE_PARTS, is_whole
from sdbench.models.home import weights_folder
from sdbench.models.hub import cached_file, is_hub_id
from sdbench.models.sources import CallableSource, PipelineSource, ReferenceSource
from sdbench.models.user_models import installed_models, user_models
from sdbench.spec.model_entry import WEIGHTS_SUFFIXES, ModelEntry, entry_of_text

__all__ = [
    "Checkpoint",
    "NotFetchedError",
    "hub_folder",
    "known_names",
    "locate",
    "locate_all",
    "repository_folder",
]


@dataclass(frozen=True)
class Checkpoint:
    """A model that was found, with the digests of its content."""

    source: Source
    weights_digest: str
    config_digest: str

    @property
    def name(self) -> str:
        """Its name in the spec."""
        return self.source.name


class NotFetchedError(InputError):
    """Weights that `sdbench models fetch` can download; `wanted` is its argument."""

    def __init__(self, name: str, wanted: str, place: str) -> None:
        super().__init__(f"checkpoint {name}: {place}")
        self.wanted = wanted


def known_names() -> tuple[str, ...]:
    """Return the names that need no path; InputError if a file of the user's models is wrong."""
    return tuple(dict.fromkeys([*SHAPES, *SD_V1, *user_models(), *installed_models()]))


def locate(entry: ModelEntry) -> Source:
    """Find the model that `entry` describes on this machine.

    Raises:
        NotFetchedError: It is missing and can be downloaded.
        InputError: It is missing otherwise, or its name is unknown.
    """
    name = entry.name
    if entry.diffusers is not None:
        return PipelineSource(name, _folder_or_repository(name, entry.diffusers))
    if entry.path is not None:
        return _reference(entry, entry.path)
    if entry.base is not None and entry.lora is not None:
        return _with_lora(entry, entry.base, entry.lora)
    if name in SHAPES:
        return _shapes(entry)
    if name in SD_V1:
        return ReferenceSource(name, _sd_v1(name), use_ema=entry.use_ema, catalogued=True)
    if name in user_models():
        mine = user_models()[name]
        ema = mine.use_ema if entry.use_ema is None else entry.use_ema
        return locate(ModelEntry(**{**mine.model_dump(exclude={"licence"}), "use_ema": ema}))
    if name in installed_models():
        return CallableSource(name, installed_models()[name])
    raise InputError(f"unknown checkpoint {name!r}: {did_you_mean(name, known_names())}; or give a path")


def locate_all(entries: Sequence[ModelEntry]) -> tuple[Source, ...]:
    """Find each model; one InputError with the command that downloads all missing ones."""
    found, missing = [], []
    for entry in entries:
        try:
            found.append(locate(entry))
        except NotFetchedError as error:
            missing.append(error)
    if missing:
        wanted = dict.fromkeys(error.wanted for error in missing)
        raise InputError(f"{missing[0]}; fetch with: sdbench models fetch {' '.join(wanted)}")
    return tuple(found)


def repository_folder(repository: str) -> Path:
    """Return the folder that a diffusers folder of the hub is fetched to: weights/ORGANISATION--NAME."""
    return weights_folder() / repository.replace("/", "--")


def hub_folder(repository: str, parts: Collection[str] | None = None) -> Path | None:
    """Return a diffusers folder of the hub that was fetched or is in the Hugging Face cache, else None.

    In the cache, all its components must be complete, or those in `parts`: interrupted downloads and single
    files stay there too.
    """
    fetched = repository_folder(repository)
    if (fetched / INDEX).is_file():
        return fetched
    index = cached_file(repository, INDEX)
    return index.parent if index and is_whole(index.parent, parts) else None


def _reference(entry: ModelEntry, path: str) -> ReferenceSource:
    weights = _folder_or_repository(entry.name, path, REFERENCE_PARTS)
    if weights.is_file() and weights.suffix not in WEIGHTS_SUFFIXES:
        suffixes = " or ".join(WEIGHTS_SUFFIXES)
        raise InputError(f"checkpoint {entry.name}: {weights} is not a folder or a {suffixes} file")
    config = existing_file(entry.config, f"config of {entry.name}") if entry.config else None
    return ReferenceSource(entry.name, weights, config, entry.use_ema)


def _with_lora(entry: ModelEntry, base: str, lora: str) -> ReferenceSource:
    source = locate(ModelEntry.model_validate(entry_of_text(base)))
    if not isinstance(source, ReferenceSource):
        raise InputError(
            f"checkpoint {entry.name}: base {base} does not run in the reference model, which merges LoRA "
            "files; merge this one into the pipeline's folder"
        )
    if source.lora is not None:
        raise InputError(f"checkpoint {entry.name}: base {base} is a LoRA itself; only one can be merged")
    file = existing_file(lora, f"lora of {entry.name}")
    weight = 1.0 if entry.weight is None else entry.weight
    return replace(source, name=entry.name, lora=file, lora_weight=weight, catalogued=False)


def _folder_or_repository(name: str, text: str, parts: Collection[str] | None = None) -> Path:
    try:
        return existing_path(text, f"checkpoint {name}")
    except InputError:
        if not is_hub_id(text) or text.endswith(WEIGHTS_SUFFIXES):
            raise
    folder = hub_folder(text, parts)
    if folder is None:
        raise NotFetchedError(name, text, f"{text} is neither an existing path nor a fetched model")
    return folder


def _shapes(entry: ModelEntry) -> ReferenceSource:
    from reference_model import shapes

    weights = shapes.CHECKPOINTS[entry.name]
    if not weights.is_file():
        raise InputError(
            f"checkpoint {entry.name}: {weights} not found; train it with 'sdbench shapes train'"
        )
    return ReferenceSource(entry.name, weights, shapes.CONFIG, entry.use_ema, catalogued=True)


def _sd_v1(name: str) -> Path:
    published = SD_V1[name]
    places = [
        weights_folder() / published.file,
        cached_file(published.original, published.file),
        hub_folder(published.diffusers, REFERENCE_PARTS),
    ]
    for place in places:
        if place is not None and place.exists():
            return place
    raise NotFetchedError(name, name, f"{places[0]} not found, and it is not in the Hugging Face cache")
