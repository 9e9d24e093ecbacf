"""RUN/manifest.json: what a run is made of, where it was made, and how long it took."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sdbench import provenance
from sdbench.plan import Cell, Plan
from sdbench.registry import Checkpoint
from sdbench.spec import ExperimentSpec
from sdbench.store import LocalStore

__all__ = ["account", "now", "write_manifest"]


def account(
    spec: ExperimentSpec,
    plan: Plan,
    checkpoints: Sequence[Checkpoint],
    features_identities: Mapping[str, str],
    device: str,
) -> dict[str, Any]:
    """Everything but times: digests, the folders of the cells with their units, machine and command."""
    return {
        "spec_digest": spec.digest,
        "weights_digests": {checkpoint.name: checkpoint.weights_digest for checkpoint in checkpoints},
        "checkpoints": {checkpoint.name: dict(checkpoint.source.describe()) for checkpoint in checkpoints},
        "features_identities": dict(features_identities),
        "cells": [_cell(plan, cell) for cell in plan.cells],
        **provenance.machine(device),
    }


def write_manifest(store: LocalStore, content: Mapping[str, Any], seconds: Mapping[str, float]) -> None:
    """Write `content` with the wall seconds of each stage and the time it is now."""
    rounded = {stage: round(value, 3) for stage, value in seconds.items()}
    manifest = {**content, "finished": now(), "seconds": rounded}
    store.write("manifest.json", (json.dumps(manifest, indent=2) + "\n").encode())


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _cell(plan: Plan, cell: Cell) -> dict[str, Any]:
    return {
        "cell": cell.folder,
        "checkpoint": cell.checkpoint.name,
        "sampler": cell.sampler.name,
        "steps": cell.sampler.steps,
        "eta": cell.sampler.eta,
        "guidance_scale": cell.guidance_scale,
        "units": [unit.name for unit in plan.units_of(cell)],
    }
