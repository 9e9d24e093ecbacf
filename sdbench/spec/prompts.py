"""The kinds of `prompts` that a spec may have. `sdbench.data.prompts` reads the prompts themselves.

Each kind has `words`, a description of its source for reports, because the choice of captions changes FID.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from sdbench.spec.values import Count, Part, Seed, Text

__all__ = [
    "CocoPrompts",
    "CsvPrompts",
    "DrawBenchPrompts",
    "FilePrompts",
    "HuggingFacePrompts",
    "JsonlPrompts",
    "ListPrompts",
    "ParquetPrompts",
    "PartiPrompts",
    "PromptsSpec",
    "ShapesPrompts",
    "TabularPrompts",
]


class ShapesPrompts(Part):
    """Captions drawn from the evaluation distribution of the embedded family."""

    source: Literal["shapes"]
    count: Count
    seed: Seed

    @property
    def words(self) -> str:
        """Where the prompts come from."""
        return f"captions of the embedded family, seed {self.seed}"


class CocoPrompts(Part):
    """Random captions from a COCO captions JSON, each at most once.

    `pick` is "any" for any caption of any image, or "one-per-image" for a random caption of each image.
    """

    source: Literal["coco"]
    path: str
    count: Count
    seed: Seed
    pick: Literal["any", "one-per-image"] = "any"

    @property
    def words(self) -> str:
        """Where the prompts come from."""
        pick = "any caption of an image" if self.pick == "any" else "one caption per image"
        return f"COCO captions of {Path(self.path).name}, {pick}, seed {self.seed}"


class ListPrompts(Part):
    """Prompts written in the spec itself; `count` takes the first ones."""

    source: Literal["list"]
    prompts: Annotated[tuple[Text, ...], Field(min_length=1)]
    count: Count | None = None

    @property
    def words(self) -> str:
        """Where the prompts come from."""
        return "prompts of the spec"


class _InOrder(Part):
    """Prompts of a file, in file order; `count` takes the first ones."""

    path: str
    count: Count | None = None

    @property
    def words(self) -> str:
        """Where the prompts come from."""
        return f"prompts of {Path(self.path).name}, in order"


class FilePrompts(_InOrder):
    """A text file with one prompt per line; blank lines are skipped."""

    source: Literal["file"]


class PartiPrompts(_InOrder):
    """PartiPrompts.tsv, as published by its authors."""

    source: Literal["parti"]


class DrawBenchPrompts(_InOrder):
    """The DrawBench sheet, saved as CSV."""

    source: Literal["drawbench"]


class CsvPrompts(_InOrder):
    """A CSV file with a header row, or a TSV file if its name ends in .tsv."""

    source: Literal["csv"]
    column: Text


class JsonlPrompts(_InOrder):
    """A file with one JSON object per line."""

    source: Literal["jsonl"]
    key: Text


class ParquetPrompts(_InOrder):
    """A Parquet file."""

    source: Literal["parquet"]
    column: Text


class HuggingFacePrompts(Part):
    """A data set on the Hugging Face hub, or a folder of data files; `count` takes the first rows."""

    source: Literal["huggingface"]
    dataset: Text
    config: Text | None = None
    split: Text
    revision: Text | None = None
    column: Text
    count: Count | None = None

    @property
    def words(self) -> str:
        """Where the prompts come from."""
        revision = f" at {self.revision}" if self.revision else ""
        return f"prompts of the data set {self.dataset}{revision}, split {self.split}, in order"


def _as_list(value: Any) -> Any:
    return {"source": "list", "prompts": value} if isinstance(value, list) else value


TabularPrompts = (
    PartiPrompts | DrawBenchPrompts | CsvPrompts | JsonlPrompts | ParquetPrompts | HuggingFacePrompts
)
"""Sources whose rows may have other columns than that of the prompts."""

_Sources = ShapesPrompts | FilePrompts | CocoPrompts | ListPrompts | TabularPrompts

_Tagged = Annotated[_Sources, Field(discriminator="source")]

PromptsSpec = Annotated[_Tagged, BeforeValidator(_as_list, json_schema_input_type=list[Text] | _Tagged)]
