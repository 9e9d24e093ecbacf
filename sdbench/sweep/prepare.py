"""Prepares a run: finds and identifies everything that its spec names, and plans the work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from metrics.features import Extractor
from sdbench.core import environment
from sdbench.core.errors import InputError
from sdbench.core.precision import compiles, full_precision
from sdbench.core.progress import Note
from sdbench.data.prompts import Prompt, load_columns, load_prompts, repeated, with_negatives
from sdbench.models import Source
from sdbench.models.native_size import common_size
from sdbench.models.registry import Checkpoint, locate, locate_all
from sdbench.runs.cache import read_text_map, write_text_map
from sdbench.runs.plan import Cell, Plan, lay_out
from sdbench.runs.shards import ShardStore
from sdbench.runs.store import Store, open_store
from sdbench.scoring.extractors import build_extractor, build_extractors, extractor_names, features_identity
from sdbench.scoring.pictures import PICTURES
from sdbench.scoring.protocols import distances_of, protocols_of
from sdbench.scoring.reference_sets import ReferenceSet, find_reference
from sdbench.scoring.references import (
    Real,
    captions_needed,
    own_images,
    own_reference,
    prepare_images,
    prepare_stats,
)
from sdbench.scoring.trial import check_prompts, try_out
from sdbench.spec import FEWEST, ExperimentSpec, StatsReference
from sdbench.sweep.names import check_names
from sdbench.sweep.planning import make_cells, settings_of
from sdbench.sweep.points import points_of

__all__ = [
    "PreparedRun",
    "RunInputs",
    "check_points",
    "find_inputs",
    "find_prompts",
    "prepare",
    "prepare_reference",
    "with_image_size",
]

WEIGHTS_CACHE = "checkpoints.json"

REFERENCE_BATCH = 64
"""Batch size of reference images under `batch_size: auto`; their features must not depend on the device."""


@dataclass(frozen=True)
class RunInputs:
    """Everything that a spec names, found on this machine.

    `columns` are those of the prompt file that results are grouped by, with a value for each prompt.
    """

    sources: tuple[Source, ...]
    prompts: tuple[Prompt, ...]
    reference: ReferenceSet | None
    columns: dict[str, list[str]]
    device: str
    extractors: dict[str, Extractor]


@dataclass(frozen=True)
class PreparedRun:
    """A run that is ready to begin: its inputs, store, identified checkpoints and extractors, and plan.

    `ends` is where the units of each cell end, as `lay_out` takes it.
    """

    inputs: RunInputs
    store: Store
    checkpoints: list[Checkpoint]
    identities: dict[str, str]
    ends: dict[str, list[int]]
    plan: Plan


def with_image_size(spec: ExperimentSpec, *, partly: bool = False) -> ExperimentSpec:
    """Return the spec with an image size: without `image_size`, the one that its models were trained for.

    Args:
        spec: The experiment.
        partly: Whether the models that are on this machine may decide for those that are not.

    Raises:
        InputError: The models do not say their size or have different ones, or one is missing.
    """
    if spec.image_size is not None:
        return spec
    if not partly:
        return spec.model_copy(update={"image_size": common_size(locate_all(spec.checkpoints))})
    found: list[Source] = []
    for entry in spec.checkpoints:
        with suppress(InputError):
            found.append(locate(entry))
    return spec.model_copy(update={"image_size": common_size(found)})


def prepare(spec: ExperimentSpec, place: str, note: Note) -> PreparedRun:
    """Find everything that `spec` names, then open the store at `place` and plan.

    The inputs come first, so that a missing file ends the run at once and leaves no run folder.
    """
    inputs = find_inputs(spec)
    _check_settings(spec, inputs)
    store = open_store(place)
    note(f"{spec.name}: reading checkpoints")
    checkpoints = _identify(inputs.sources, store)
    digest = inputs.reference.digest if inputs.reference else ""
    identities = {name: features_identity(found, digest) for name, found in inputs.extractors.items()}
    cells = make_cells(spec, checkpoints, inputs.device)
    ends = _ends(spec, store, cells, inputs.prompts)
    plan = lay_out(cells, inputs.prompts, spec.unit_size, ends)
    return PreparedRun(inputs, store, checkpoints, identities, ends, plan)


def find_inputs(spec: ExperimentSpec) -> RunInputs:
    """Find what `spec` names; raise InputError for what is missing or wrong."""
    full_precision()
    check_names(spec)
    sources = locate_all(spec.checkpoints)
    prompts = find_prompts(spec)
    columns = {
        name: values * spec.images_per_prompt for name, values in load_columns(spec.prompts, spec.by).items()
    }
    if columns and not any(protocol.formula.is_mean for protocol in protocols_of(spec.metrics)):
        raise InputError("by: no metric of the spec is a mean over images, as CLIP scores are")
    if distances_of(spec.metrics) and len(prompts) < FEWEST:
        raise InputError(f"prompts: {len(prompts)} prompt, a distance needs {FEWEST} images at least")
    reference = find_reference(spec.reference, spec.height_width)
    device = environment.best_device()
    extractors = build_extractors(extractor_names(spec), device)
    check_measurable(spec, extractors, prompts, reference)
    return RunInputs(sources, prompts, reference, columns, device, extractors)


def check_measurable(
    spec: ExperimentSpec,
    extractors: Mapping[str, Extractor],
    prompts: Sequence[Prompt],
    reference: ReferenceSet | None,
) -> None:
    """Try extractors and prompts; raise InputError for what a metric of the spec cannot have."""
    protocols = protocols_of(spec.metrics)
    of_sets = [protocol.name for protocol in protocols if protocol.extractor == PICTURES]
    if of_sets and spec.images != "all":
        raise InputError(f"images: {spec.images}, but {of_sets[0]} reads all images of a cell: write all")
    if of_sets and spec.images_per_prompt > 1:
        raise InputError(
            f"images_per_prompt: {of_sets[0]} is computed from whole sets, and its error takes images of one "
            "prompt as independent: write 1"
        )
    by_prompt = [protocol.name for protocol in protocols if protocol.formula.by_prompt]
    if by_prompt and len({prompt.text for prompt in prompts}) == len(prompts):
        raise InputError(f"images_per_prompt: {by_prompt[0]} compares images of a prompt: write 2 or more")
    if by_prompt and spec.budget is not None:
        raise InputError(f"budget: it may stop between images of a prompt, which {by_prompt[0]} compares")
    captions_needed(protocols, reference)
    check_prompts(protocols, extractors, (prompt.text for prompt in prompts), spec.height_width)
    try_out(extractors, spec.height_width, prompts, own_images(protocols, reference))


def find_prompts(spec: ExperimentSpec) -> tuple[Prompt, ...]:
    """Return a prompt for each image of a cell, with their own negative prompts if the spec lists them."""
    prompts = load_prompts(spec.prompts)
    if isinstance(spec.negative_prompt, tuple):
        prompts = with_negatives(prompts, spec.negatives, all_of_them=spec.prompts.count is None)
    return repeated(prompts, spec.images_per_prompt)


def prepare_reference(
    spec: ExperimentSpec,
    reference: ReferenceSet | None,
    store: Store,
    identities: Mapping[str, str],
    note: Note,
) -> dict[str, Real]:
    """Return what each distance of the spec needs of the reference set, by the protocol's name.

    An extractor is loaded only if `store` lacks its features of the reference set.

    Args:
        spec: The experiment.
        reference: The reference set that the spec names, or None.
        store: The run's store.
        identities: Identities of the features by extractor.
        note: Called with a line if features are computed.
    """
    protocols = distances_of(spec.metrics)
    build = partial(build_extractor, device=environment.best_device())
    if isinstance(spec.reference, StatsReference):
        return prepare_stats(spec.reference, protocols, build, spec.height_width)
    if reference is None:
        return {}
    size = REFERENCE_BATCH if spec.batch_size == "auto" else spec.batch_size
    return {
        **prepare_images(store, reference, protocols, identities, build, size, note),
        **own_reference(protocols_of(spec.metrics), reference),
    }


def check_points(spec: ExperimentSpec, source: Source, *, compiled: bool) -> None:
    """Raise InputError for a point of the sweep that the model cannot do."""
    some_negative = next(filter(None, spec.negatives), "")
    for point in points_of(spec, source):
        settings = settings_of(spec, point, compiled=compiled)
        source.check(replace(settings, negative_prompt=some_negative))


def _check_settings(spec: ExperimentSpec, inputs: RunInputs) -> None:
    """Raise InputError for a point of the sweep that its model cannot do."""
    compiled = compiles(spec.compile, inputs.device)
    for source in inputs.sources:
        check_points(spec, source, compiled=compiled)


def _ends(
    spec: ExperimentSpec, store: Store, cells: Sequence[Cell], prompts: Sequence[Prompt]
) -> dict[str, list[int]]:
    """Return where the units of each cell end, so that stored images of units of any size are found.

    A budget compares cells at the ends of their units, so it has all units of one size.
    """
    if spec.budget is not None:
        return {}
    shards = ShardStore(store)
    return {cell.folder: shards.ends(cell, prompts, spec.unit_size) for cell in cells}


def _identify(sources: Sequence[Source], store: Store) -> list[Checkpoint]:
    """Return the checkpoints with the digests of their weights.

    The digest of the loaded weights identifies a checkpoint. Loading gigabytes only to find that nothing is
    left to do would be wasteful, so the run caches it under the digest of the files' bytes.
    """
    known = read_text_map(store, WEIGHTS_CACHE, "delete it and run again")
    checkpoints = []
    for source in sources:
        key = source.files_digest()
        if key not in known:
            known[key] = source.identify()
            write_text_map(store, WEIGHTS_CACHE, known)
        checkpoints.append(Checkpoint(source, known[key], source.config_digest()))
    return checkpoints
