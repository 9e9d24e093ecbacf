"""What `prompts` in a spec may be. What each one stands for is read by `sdbench.data.prompts`.

`words` says where prompts come from, for people: which captions are taken moves FID.
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
]


class ShapesPrompts(Part):
    """Captions of the embedded family's evaluation distribution."""

    source: Literal["shapes"]
    count: Count
    seed: Seed

    @property
    def words(self) -> str:
        """Where the prompts come from."""
        return f"captions of the embedded family, seed {self.seed}"


class CocoPrompts(Part):
    """Random captions of a COCO captions JSON, none twice.

    `pick`: any caption of any image, or one caption of each image, drawn at random too.
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
    """Prompts written into the spec. `count` takes the first ones."""

    source: Literal["list"]
    prompts: Annotated[tuple[Text, ...], Field(min_length=1)]
    count: Count | None = None

    @property
    def words(self) -> str:
        """Where the prompts come from."""
        return "prompts of the spec"


class _InOrder(Part):
    """Prompts of a file in its order. `count` takes the first ones."""

    path: str
    count: Count | None = None

    @property
    def words(self) -> str:
        """Where the prompts come from."""
        return f"prompts of {Path(self.path).name}, in order"


class FilePrompts(_InOrder):
    """A text file, one prompt a line; blank lines are not prompts."""

    source: Literal["file"]


class PartiPrompts(_InOrder):
    """PartiPrompts.tsv as its authors publish it."""

    source: Literal["parti"]


class DrawBenchPrompts(_InOrder):
    """The DrawBench sheet, saved as CSV."""

    source: Literal["drawbench"]


class CsvPrompts(_InOrder):
    """A CSV file with a heading, or a TSV file if its name says so."""

    source: Literal["csv"]
    column: Text


class JsonlPrompts(_InOrder):
    """A JSON object a line."""

    source: Literal["jsonl"]
    key: Text


class ParquetPrompts(_InOrder):
    """A Parquet file."""

    source: Literal["parquet"]
    column: Text


class HuggingFacePrompts(Part):
    """A data set of the Hugging Face hub, or a folder of data files. `count` takes the first rows."""

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


_Sources = (
    ShapesPrompts
    | FilePrompts
    | CocoPrompts
    | ListPrompts
    | PartiPrompts
    | DrawBenchPrompts
    | CsvPrompts
    | JsonlPrompts
    | ParquetPrompts
    | HuggingFacePrompts
)

PromptsSpec = Annotated[
    Annotated[_Sources, Field(discriminator="source")],
    BeforeValidator(_as_list),
]
