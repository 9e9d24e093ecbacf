"""RUN/manifest.json: what a run consists of, where it was made, and how long it took."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sdbench.core import environment
from sdbench.core.errors import StoreError
from sdbench.core.json import load_json
from sdbench.core.timing import now
from sdbench.models.registry import Checkpoint
from sdbench.runs.plan import Cell, Plan
from sdbench.runs.store import Store
from sdbench.spec import ExperimentSpec

__all__ = ["Throughput", "account", "amend_manifest", "write_manifest"]


def account(
    spec: ExperimentSpec,
    plan: Plan,
    checkpoints: Sequence[Checkpoint],
    features_identities: Mapping[str, str],
    device: str,
) -> dict[str, Any]:
    """Return the manifest without its times: digests, cells with their units, machine and command."""
    return {
        "name": spec.name,
        "spec_digest": spec.digest,
        "prompts": spec.prompts.words,
        **({"negative_prompt": spec.negative_words} if spec.negative_prompt else {}),
        "weights_digests": {checkpoint.name: checkpoint.weights_digest for checkpoint in checkpoints},
        "checkpoints": {checkpoint.name: dict(checkpoint.source.describe()) for checkpoint in checkpoints},
        "features_identities": dict(features_identities),
        "cells": [_cell(cell) for cell in plan.cells],
        **environment.machine(device),
    }


@dataclass
class Throughput:
    """Images of a cell that were made, and the seconds that workers took for them."""

    images: int = 0
    seconds: float = 0.0

    def add(self, images: int, seconds: float) -> None:
        """Add `images` more images, made in `seconds`."""
        self.images += images
        self.seconds += seconds


def write_manifest(
    store: Store,
    content: Mapping[str, Any],
    seconds: Mapping[str, float],
    worker_seconds: Mapping[str, float],
    throughput: Mapping[str, Throughput],
) -> None:
    """Write `content` with its times.

    Args:
        store: The run's store.
        content: What `account` returned, and further entries.
        seconds: Wall seconds by stage.
        worker_seconds: Seconds by part of the work, summed over all workers.
        throughput: Images and seconds by the folder of a cell. Cells that made no image in this
            invocation keep the seconds per image of the earlier manifest.
    """
    times = {"seconds": _rounded(seconds), "worker_seconds": _rounded(worker_seconds)}
    known = _seconds_per_image(store)
    known.update({cell: round(one.seconds / one.images, 6) for cell, one in throughput.items() if one.images})
    cells = [
        {**cell, "seconds_per_image": known[cell["cell"]]} if cell["cell"] in known else cell
        for cell in content["cells"]
    ]
    manifest = {**content, "cells": cells, "finished": now(), **times}
    store.write("manifest.json", (json.dumps(manifest, indent=2) + "\n").encode())


def amend_manifest(store: Store, changes: Mapping[str, Any]) -> None:
    """Replace entries of a manifest that is there.

    Raises:
        StoreError: It is damaged.
    """
    if not store.exists("manifest.json"):
        return
    try:
        content = {**load_json(store.read("manifest.json")), **changes}
    except (ValueError, TypeError):
        raise StoreError(f"{store.where('manifest.json')}: damaged; 'sdbench run' writes it again") from None
    store.write("manifest.json", (json.dumps(content, indent=2) + "\n").encode())


def _rounded(seconds: Mapping[str, float]) -> dict[str, float]:
    return {part: round(value, 3) for part, value in seconds.items()}


def _seconds_per_image(store: Store) -> dict[str, float]:
    """Return the seconds per image of the cells in the earlier manifest; empty if none can be read."""
    if not store.exists("manifest.json"):
        return {}
    try:
        cells = load_json(store.read("manifest.json"))["cells"]
        return {cell["cell"]: cell["seconds_per_image"] for cell in cells if "seconds_per_image" in cell}
    except (ValueError, KeyError, TypeError):
        return {}


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        "cell": cell.folder,
        "checkpoint": cell.checkpoint,
        "sampler": cell.settings.sampler,
        "steps": cell.settings.steps,
        "eta": cell.settings.eta,
        "guidance_scale": cell.settings.guidance_scale,
    }
