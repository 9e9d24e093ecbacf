"""Metrics that are added to a finished run: what they need of it, and whether it has that."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sdbench.core.environment import best_device
from sdbench.core.errors import StoreError
from sdbench.runs.features import FeatureStore
from sdbench.runs.images import ImageStore
from sdbench.runs.needs import needs_of
from sdbench.runs.plan import Plan
from sdbench.runs.plan_file import PlanFile
from sdbench.runs.shards import ShardStore
from sdbench.runs.store import Store, is_url
from sdbench.scoring.extractors import build_extractors, extractor_names, features_identity
from sdbench.scoring.reference_sets import ReferenceSet
from sdbench.spec import ExperimentSpec, spec_of
from sdbench.sweep.names import check_metrics
from sdbench.sweep.prepare import check_measurable
from sdbench.sweep.worker import Job

__all__ = ["all_identities", "require_readable", "with_metrics"]


def with_metrics(spec: ExperimentSpec, metrics: Sequence[str]) -> ExperimentSpec:
    """Return the spec with these metrics after its own; those that it has stay where they are.

    Raises:
        SpecError: A metric is unknown, or lacks what it needs.
    """
    if metrics:
        names = list(dict.fromkeys([*spec.metrics, *metrics]))
        spec = spec_of({**spec.model_dump(mode="json", exclude_none=True), "metrics": names})
    check_metrics(spec)
    return spec


def all_identities(spec: ExperimentSpec, stored: PlanFile, reference: ReferenceSet | None) -> dict[str, str]:
    """Return the identities of the extractors that the spec needs; those that are not stored are loaded.

    Raises:
        InputError: One cannot be loaded, or a metric lacks what it needs.
    """
    names = extractor_names(spec)
    new = build_extractors(set(names) - stored.extractors.keys(), best_device())
    check_measurable(spec, new, stored.prompts, reference)
    digest = reference.digest if reference else ""
    found = {name: features_identity(extractor, digest) for name, extractor in new.items()}
    return {name: found.get(name) or stored.extractors[name] for name in names}


def require_readable(place: str | Path, plan: Plan, planned: int, job: Job, store: Store) -> None:
    """Raise StoreError unless the features that `plan` lacks can be computed from stored PNGs.

    `planned` is the number of images of the whole run.
    """
    images = ImageStore(store, job.images_kept)
    need = needs_of(plan, ShardStore(store), images, FeatureStore(store, job.extractors))
    unread = need.without_pngs + need.without_pixels
    if need.made > unread:
        again = f"sdbench run {'SPEC' if is_url(place) else Path(place) / 'spec.yaml'} --out {place}"
        raise StoreError(
            f"{place}: {need.made - unread} of {planned} images are not made yet; resume with: {again}"
        )
    if unread:
        raise StoreError(
            f"{place}: {unread} images have no PNG to read for new features; add the metrics to the spec and "
            "run it, which makes these images again"
        )
