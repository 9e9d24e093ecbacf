"""Scores images that any tool made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from functools import cached_property
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from metrics import Estimate, Protocol
from sdbench.api.inputs import as_display, as_images, as_texts, is_path
from sdbench.core.errors import InputError, did_you_mean
from sdbench.core.precision import full_precision
from sdbench.core.progress import ImageProgress
from sdbench.data.captions import BESIDE, MAPPINGS, Caption, captions_of
from sdbench.data.image_sets import ImageSet
from sdbench.runs.store import LocalStore
from sdbench.runs.tables import FlaggedRow
from sdbench.scoring.image_scores import RealImages, SetScores, score_set
from sdbench.scoring.images import reference_spec
from sdbench.scoring.protocols import protocols_of
from sdbench.spec import FEWEST

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Scores", "score"]

DISTANCE, TEXT_SCORE = "fid-inception-clean", "clip-score-vit-l-14"
"""The metrics that are measured if none is named."""


class Scores:
    """The scores of a set of images.

    Attributes:
        estimates: The values by the name of the metric; ``scores["fid-inception-clean"]`` is short for one.
        results: A row per metric, with the columns of results.csv.
        images: A row per image: its prompt, flags, score and influence.
        flagged: A row for each image that the audit flagged.
    """

    def __init__(self, scores: SetScores) -> None:
        self._scores = scores
        self.estimates: dict[str, Estimate] = {
            name: replace(value.estimate, note=value.note) for name, value in scores.values.items()
        }

    @cached_property
    def results(self) -> pd.DataFrame:
        """A row per metric."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self._scores.rows])

    @cached_property
    def images(self) -> pd.DataFrame:
        """A row per image."""
        frame: pd.DataFrame = self._scores.images.to_pandas()
        return frame

    @cached_property
    def flagged(self) -> pd.DataFrame:
        """A row per flagged image."""
        import pandas as pd

        columns = [field.name for field in fields(FlaggedRow)]
        return pd.DataFrame([asdict(row) for row in self._scores.flagged], columns=columns)

    def __getitem__(self, metric: str) -> Estimate:
        if metric not in self.estimates:
            raise InputError(f"{metric!r} was not measured: {did_you_mean(metric, self.estimates)}")
        return self.estimates[metric]

    def __repr__(self) -> str:
        words = [f"{name} {estimate.in_words()}" for name, estimate in self.estimates.items()]
        return f"Scores({'; '.join(words)})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{escape(estimate.in_words())}</td>"
            f"<td>{escape(estimate.note)}</td></tr>"
            for name, estimate in self.estimates.items()
        )
        return f"<table><tr><th>metric</th><th>value</th><th>note</th></tr>{rows}</table>"


def score(
    images: Any,
    *,
    prompts: Any = None,
    reference: Any = None,
    metrics: str | Sequence[str] | None = None,
    mapping: str = "index",
    progress: bool = True,
) -> Scores:
    """Score images by protocols, with standard errors.

    Args:
        images: A folder, .zip, .tar or .npz by its path; an array or a tensor of images; a list of PIL
            images, arrays, tensors or paths; or a data frame with a column `file`. All of one size.
        prompts: Each image's prompt, in order: a list, a column, or a data frame with a column `prompt`. Or
            the path of a file, which `mapping` reads.
        reference: Real images in any form that `images` takes, fitted to the size of `images`; or a file of
            statistics; or `shapes:COUNT:SEED`.
        metrics: Names of protocols. By default the FID if there is a reference, and the CLIP score if there
            are prompts.
        mapping: How a file of prompts belongs to the images: a name that `sdbench score --mapping` takes.
        progress: Whether to show progress.

    Raises:
        InputError: Something is missing, unknown or cannot be used.
    """
    names = _names(metrics, prompts, reference, mapping)
    protocols = protocols_of(names)
    full_precision()
    distances = any(protocol.formula.needs_reference for protocol in protocols)
    given = as_images(images, "images", FEWEST if distances else 1)
    captions = _captions(given, protocols, prompts, mapping)
    name = Path(images).name if is_path(images) else "images"
    with TemporaryDirectory(prefix="sdbench-") as folder, ImageProgress(as_display(progress)) as shown:
        real = _real(reference, [protocol for protocol in protocols if protocol.needs_real_images])
        return Scores(score_set(name, given, captions, protocols, real, LocalStore(Path(folder)), shown))


def _names(metrics: str | Sequence[str] | None, prompts: Any, reference: Any, mapping: str) -> list[str]:
    if mapping not in MAPPINGS:
        raise InputError(f"mapping {mapping!r}: {did_you_mean(mapping, MAPPINGS)}")
    if metrics is not None:
        names = [metrics] if isinstance(metrics, str) else list(metrics)
    else:
        has_prompts = prompts is not None or mapping in BESIDE
        names = [DISTANCE] * (reference is not None) + [TEXT_SCORE] * has_prompts
    if not names:
        raise InputError("nothing to measure: give a reference, prompts, or metrics that need neither")
    return names


def _real(reference: Any, compared: Sequence[Protocol]) -> RealImages | None:
    if reference is None or is_path(reference) or not compared:
        return reference_spec(None if reference is None else str(reference), compared)
    return as_images(reference, "reference", FEWEST)


def _captions(images: ImageSet, protocols: Sequence[Protocol], prompts: Any, mapping: str) -> list[Caption]:
    readers = [protocol.name for protocol in protocols if protocol.needs_prompts]
    if not readers:
        return []
    if is_path(prompts) or mapping != "index":
        return captions_of(images, mapping, None if prompts is None else str(prompts))
    if prompts is None:
        raise InputError(f"{readers[0]} compares images with their prompts: give prompts")
    texts = as_texts(prompts, "prompts")
    if len(texts) != len(images.names):
        raise InputError(f"prompts: {len(texts)} prompts for {len(images.names)} images; give one for each")
    return [Caption(text) for text in texts]
