"""Scores images that others made, by the protocols of a sweep."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from metrics import Protocol
from sdbench.core.errors import InputError, encodable
from sdbench.core.paths import typed_path
from sdbench.core.precision import full_precision
from sdbench.core.progress import ImageProgress
from sdbench.data.captions import Caption, captions_of
from sdbench.data.image_sets import ImageSet, open_image_set
from sdbench.runs.store import LocalStore
from sdbench.runs.tables import (
    CategoryRow,
    FlaggedRow,
    ProtocolRow,
    ResultRow,
    write_images,
    write_results,
    write_rows,
)
from sdbench.scoring.image_scores import score_set
from sdbench.scoring.place import RECORD, check_place, record
from sdbench.scoring.protocols import protocols_of
from sdbench.scoring.references import STATS_SUFFIX
from sdbench.spec import FEWEST, FolderReference, ShapesReference, StatsReference

__all__ = ["ScoringRequest", "reference_spec", "score_images"]


@dataclass(frozen=True)
class ScoringRequest:
    """What to score: paths as the user gave them, a key of MAPPINGS, and names of protocols."""

    images: str
    prompts: str | None
    mapping: str
    reference: str | None
    metrics: tuple[str, ...]


def score_images(request: ScoringRequest, root: Path, progress: ImageProgress) -> list[ResultRow]:
    """Score the images, write tables and scored.json into the folder `root`, and return the rows of results.

    One pass over the images feeds all extractors.

    Raises:
        InputError: Something that the request names is missing or does not fit.
    """
    full_precision()
    protocols = protocols_of(request.metrics)
    distances = any(protocol.formula.needs_reference for protocol in protocols)
    check_place(root, request.images, progress.note)
    images = open_image_set(request.images, "images", FEWEST if distances else 1)
    if images.about:
        progress.note(f"{images.where}: {len(images.names)} images; passed over: {images.about}")
    captions = _captions(request, images, protocols)
    reference = reference_spec(request.reference, [p for p in protocols if p.needs_real_images])
    store = LocalStore(root)
    scores = score_set(_name(request), images, captions, protocols, reference, store, progress)
    store.write(RECORD, record(request.images, _facts(request, images)))
    write_rows(store, "flagged.csv", FlaggedRow, scores.flagged)
    write_rows(store, "protocols.csv", ProtocolRow, scores.protocols)
    if scores.categories or store.exists("categories.csv"):
        write_rows(store, "categories.csv", CategoryRow, scores.categories)
    write_images(store, scores.images)
    write_results(store, scores.rows)
    return scores.rows


def _facts(request: ScoringRequest, images: ImageSet) -> dict[str, Any]:
    """What was asked, and what the set of images holds."""
    return {
        "prompts": request.prompts,
        "mapping": request.mapping,
        "reference": request.reference,
        "metrics": list(request.metrics),
        "n": len(images.names),
        "passed_over": images.counts,
    }


def _captions(request: ScoringRequest, images: ImageSet, protocols: Sequence[Protocol]) -> list[Caption]:
    """Return the images' captions; none if no protocol reads text."""
    if not any(protocol.needs_prompts for protocol in protocols):
        return []
    return captions_of(images, request.mapping, request.prompts)


def reference_spec(
    text: str | None, compared: Sequence[Protocol]
) -> ShapesReference | FolderReference | StatsReference | None:
    """Return the spec that --reference stands for: shapes:COUNT:SEED, statistics, or images.

    Raises:
        InputError: It is missing and protocols compare with it, or cannot be used.
    """
    if not compared:
        return None
    if text is None:
        raise InputError(f"{compared[0].name} compares with real images: give --reference")
    if text.startswith("shapes:"):
        try:
            _, count, seed = text.split(":")
            return ShapesReference(source="shapes", count=int(count), seed=int(seed))
        except (ValueError, ValidationError):
            raise InputError(f"reference: {text} is not shapes:COUNT:SEED, such as shapes:5000:7") from None
    if _holds_statistics(typed_path(text)):
        return StatsReference(source="stats", path=text)
    return FolderReference(source="folder", path=text)


_UNREAD = (".npy", ".pkl", ".pickle", ".pt", ".pth")
"""Endings that other tools give to their statistics. They are refused, with what is needed instead."""


def _holds_statistics(path: Path) -> bool:
    if path.is_dir():
        if not any(path.glob(f"[!.]*{STATS_SUFFIX}")):
            return False
        if open_image_set(str(path), "reference", 0).names:
            both = f"holds both images and statistics ({STATS_SUFFIX})"
            raise InputError(f"reference: {path} {both}: name the file, or move it elsewhere")
        return True
    if path.suffix != ".npz" or not zipfile.is_zipfile(path):
        return path.suffix in (STATS_SUFFIX, *_UNREAD)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    return "arr_0.npy" not in names or not {"mu.npy", "feats.npy"}.isdisjoint(names)


def _name(request: ScoringRequest) -> str:
    """Return the images' name in the results: the last part of their path."""
    path = typed_path(request.images)
    return encodable(path.resolve().name if path.is_dir() else path.stem)
