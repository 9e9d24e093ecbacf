"""Whether two sets of images are equivalent, pair by pair."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from sdbench.api.inputs import as_display, as_images, as_texts, is_path
from sdbench.comparison import CompareRequest
from sdbench.comparison import compare as compare_sides
from sdbench.comparison.facts import facts
from sdbench.comparison.outputs import headline
from sdbench.core.errors import InputError
from sdbench.core.progress import ImageProgress

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ImageComparison", "compare"]


class ImageComparison:
    """What comparing two sets of images found; several parts if both are runs of several cells.

    Attributes:
        parts: Everything that was found in each part, as plain values.
    """

    def __init__(self, parts: Sequence[dict[str, Any]]) -> None:
        self.parts = list(parts)

    @property
    def verdicts(self) -> list[str]:
        """The verdict of each part: identical, rounding, equivalent, changed or undecided."""
        return [part["verdict"] for part in self.parts]

    @property
    def passed(self) -> bool:
        """Whether every part is at least equivalent."""
        return all(part["passed"] for part in self.parts)

    @cached_property
    def measures(self) -> pd.DataFrame:
        """A row per part and measure, with its difference and margin."""
        import pandas as pd

        return pd.DataFrame(
            [{"part": part["label"], **row} for part in self.parts for row in part["measures"]]
        )

    def __repr__(self) -> str:
        return f"ImageComparison({'; '.join(map(headline, self.parts))})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(part['label'])}</td><td><b>{escape(part['verdict'])}</b></td>"
            f"<td>{escape(part['reason'])}</td></tr>"
            for part in self.parts
        )
        return f"<table><tr><th></th><th>verdict</th><th>why</th></tr>{rows}</table>"


def compare(
    a: Any,
    b: Any,
    *,
    prompts: Any = None,
    metrics: str | Sequence[str] | None = None,
    reference: str | None = None,
    mapping: str = "index",
    progress: bool = True,
) -> ImageComparison:
    """Compare the images of `b` with those of `a`, pair by pair, like `sdbench compare`.

    Args:
        a: The baseline: a folder or archive of images, a run, one cell of a run as RUN:CELL, or images in any
            form that `score` takes. If either side is in memory, images are paired in their order.
        b: The candidate, in any of these forms.
        prompts: Prompts of the images, for CLIP scores: a file, or a list with one for each image.
        metrics: Names of protocols; by default the CLIP score whose weights are here.
        reference: Real images for distances, by their path.
        mapping: How a file of prompts belongs to the images.
        progress: Whether to show progress.

    Raises:
        InputError: Something is missing or does not fit.
        StoreError: A run is damaged.
    """
    with TemporaryDirectory(prefix="sdbench-") as name, ImageProgress(as_display(progress)) as shown:
        folder = Path(name)
        request = CompareRequest(
            *_paths(a, b, folder),
            prompts=_prompts(prompts, folder / "prompts.txt"),
            mapping=mapping,
            metrics=_names(metrics),
            reference=reference,
        )
        return ImageComparison([facts(each) for each in compare_sides(request, shown)])


def _names(metrics: str | Sequence[str] | None) -> tuple[str, ...] | None:
    if metrics is None:
        return None
    return (metrics,) if isinstance(metrics, str) else tuple(metrics)


def _paths(a: Any, b: Any, folder: Path) -> tuple[str, str]:
    """Return paths of both sides; unless both are paths already, their images are written to ``folder``."""
    if is_path(a) and is_path(b):
        return str(a), str(b)
    files = folder / "a.npz", folder / "b.npz"
    for images, file in zip((a, b), files, strict=True):
        found = as_images(images, file.stem)
        np.savez(file, arr_0=np.concatenate([batch.pixels for batch in found.batches(len(found.names))]))
    return str(files[0]), str(files[1])


def _prompts(prompts: Any, file: Path) -> str | None:
    if prompts is None or is_path(prompts):
        return None if prompts is None else str(prompts)
    texts = as_texts(prompts, "prompts")
    for place, text in enumerate(texts):
        if len(text.splitlines()) > 1:
            raise InputError(f"prompts: entry {place} has several lines")
    file.write_text("\n".join(texts), encoding="utf-8")
    return str(file)
