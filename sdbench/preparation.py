"""What a run needs before its first image: everything that its spec names, found, identified and planned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from metrics import PROTOCOLS
from metrics.features import Extractor
from sdbench import provenance
from sdbench.errors import InputError
from sdbench.extractors import build_extractor, extractor_names, features_identity
from sdbench.models import Source
from sdbench.plan import Plan, make_plan
from sdbench.precision import full_precision
from sdbench.prompts import Prompt, load_prompts
from sdbench.references import Real, Reference, load_reference, prepare_images, prepare_stats
from sdbench.registry import Checkpoint, locate_all
from sdbench.remembered import read_remembered, write_remembered
from sdbench.spec import FEWEST, ExperimentSpec, StatsReference
from sdbench.store import Store, open_store

__all__ = ["Inputs", "Prepared", "find_inputs", "prepare", "prepare_reference"]

WEIGHTS_CACHE = "checkpoints.json"

REFERENCE_BATCH = 64
"""Where the device decides on batches; features of real images must not hang on that."""


@dataclass(frozen=True)
class Inputs:
    """What the spec names, found on this machine."""

    sources: tuple[Source, ...]
    prompts: tuple[Prompt, ...]
    reference: Reference | None
    device: str
    extractors: dict[str, Extractor]


@dataclass(frozen=True)
class Prepared:
    """A run that can begin."""

    inputs: Inputs
    store: Store
    checkpoints: list[Checkpoint]
    identities: dict[str, str]
    plan: Plan


def prepare(spec: ExperimentSpec, place: str, note: Callable[[str], None]) -> Prepared:
    """Find everything that `spec` names, then open the store at `place` and plan.

    All inputs are looked up first, so that a missing file ends the run at once and leaves no run folder.
    """
    inputs = find_inputs(spec)
    store = open_store(place)
    note(f"{spec.name}: reading checkpoints")
    checkpoints = _identify(inputs.sources, store)
    identities = {name: features_identity(extractor) for name, extractor in inputs.extractors.items()}
    plan = make_plan(spec, checkpoints, inputs.prompts, identities, inputs.device)
    for cell in plan.cells:
        cell.checkpoint.source.check(cell)  # refuses impossible cells now
    return Prepared(inputs, store, checkpoints, identities, plan)


def find_inputs(spec: ExperimentSpec) -> Inputs:
    """What `spec` names; InputError for what is missing or wrong."""
    full_precision()
    sources = locate_all(spec.checkpoints)
    prompts = load_prompts(spec.prompts)
    if spec.distances and len(prompts) < FEWEST:
        raise InputError(f"prompts: {len(prompts)} prompt, a distance needs {FEWEST} images at least")
    reference = None
    if spec.reference is not None and not isinstance(spec.reference, StatsReference):
        reference = load_reference(spec.reference, spec.image_size)
    device = provenance.best_device()
    extractors = {name: build_extractor(name, device) for name in extractor_names(spec)}
    return Inputs(sources, prompts, reference, device, extractors)


def prepare_reference(
    spec: ExperimentSpec, prepared: Prepared, note: Callable[[str], None]
) -> dict[str, Real]:
    """What each distance of the spec needs of the real images, by the protocol's name."""
    inputs = prepared.inputs
    protocols = [PROTOCOLS[name] for name in spec.distances]
    if isinstance(spec.reference, StatsReference):
        return prepare_stats(spec.reference, protocols, inputs.extractors, spec.image_size)
    if inputs.reference is None:
        return {}
    size = REFERENCE_BATCH if spec.batch_size == "auto" else spec.batch_size
    return prepare_images(prepared.store, inputs.reference, protocols, inputs.extractors, size, note)


def _identify(sources: Sequence[Source], store: Store) -> list[Checkpoint]:
    """The checkpoints with the digests of their weights.

    The digest of what is loaded is what counts, but loading gigabytes only to find that all is done
    would be waste: the run remembers it under the digest of the files' bytes.
    """
    known = read_remembered(store, WEIGHTS_CACHE, "delete it and run again")
    checkpoints = []
    for source in sources:
        key = source.files_digest()
        if key not in known:
            known[key] = source.identify()
            write_remembered(store, WEIGHTS_CACHE, known)
        checkpoints.append(Checkpoint(source, known[key], source.config_digest()))
    return checkpoints
