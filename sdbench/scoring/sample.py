"""Samples: images that are measured together, from the shards of a cell or from a scored set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from itertools import compress
from typing import Any

import numpy as np

from sdbench.core.digest import digest_value
from sdbench.core.errors import StoreError
from sdbench.data.prompts import prompt_by_prompt
from sdbench.runs.features import FeatureStore
from sdbench.runs.images import ImageStore
from sdbench.runs.plan import Unit
from sdbench.runs.shards import Made, Shard, ShardStore
from sdbench.runs.store import Store
from sdbench.runs.tables import FlaggedRow
from sdbench.scoring.audit import Flagged, audit
from sdbench.scoring.pictures import PICTURES, Pictures

__all__ = ["Sample", "SampleReader"]


@dataclass(frozen=True)
class Sample:
    """n images that are measured together.

    Attributes:
        ids: Ids of the images' prompts, or names of the images.
        prompts: The texts that the images were made from; empty if no metric reads text.
        sha256: Digests of the images' pixels.
        features: float32 [n, d] by extractor, and the images themselves under PICTURES, if they are kept.
        text_features: Features of the prompts, float32 [n, d], by extractor.
        audit: What the audit found of each image.
        guidance_scales: float32 [n, calls], as in `models.Images`; None if they are not known.
    """

    ids: tuple[str, ...]
    prompts: Sequence[str]
    sha256: Sequence[str]
    features: Mapping[str, Any]
    text_features: Mapping[str, np.ndarray]
    audit: Sequence[Flagged]
    guidance_scales: np.ndarray | None = None

    @property
    def flagged(self) -> int:
        """Number of images with a flag."""
        return sum(1 for image in self.audit if image.flags)

    @cached_property
    def prompts_digest(self) -> str:
        """The sha256 of ids and prompts in order; "" if the prompts are not known."""
        return (
            digest_value([list(pair) for pair in zip(self.ids, self.prompts, strict=True)])
            if self.prompts
            else ""
        )

    def only(self, kept: np.ndarray) -> Sample:
        """Return the images for which `kept`, bool [n], is true; `like` stays an index of this sample."""
        return Sample(
            tuple(compress(self.ids, kept)),
            list(compress(self.prompts, kept)),
            list(compress(self.sha256, kept)),
            {name: rows[kept] for name, rows in self.features.items()},
            {name: rows[kept] for name, rows in self.text_features.items()},
            list(compress(self.audit, kept)),
            None if self.guidance_scales is None else self.guidance_scales[kept],
        )

    def flagged_rows(self, cell: str) -> list[FlaggedRow]:
        """Return a row for each flagged image, in order."""
        return [
            FlaggedRow(cell, id_, image.flags, "" if image.like is None else self.ids[image.like])
            for id_, image in zip(self.ids, self.audit, strict=True)
            if image.flags
        ]


class SampleReader:
    """Reads samples from the shards of a run and its features by extractors, whose identities are given.

    Samples also have the images themselves, if all of them are kept; `kept` is their number in each cell.
    """

    def __init__(self, store: Store, extractors: Mapping[str, str], kept: int = 0) -> None:
        self._shards = ShardStore(store)
        self._features = FeatureStore(store, extractors)
        self._images = ImageStore(store, kept)

    def missing(self, units: Iterable[Unit]) -> int:
        """Return how many of the units' images are missing, or lack features."""
        return sum(len(unit.chunk.prompts) for unit in self.lacking(units))

    def lacking(self, units: Iterable[Unit]) -> tuple[Unit, ...]:
        """Return those of the units whose images are missing, or lack features."""
        wanted = list(units)
        complete = set(self._features.complete(self._shards.done(wanted)))
        return tuple(unit for unit in wanted if unit not in complete)

    def read(self, units: Sequence[Unit]) -> tuple[Sample, list[Made]]:
        """Return the images of a cell's units as one sample, prompt by prompt, and how each unit was made."""
        shards = [self._shards.read(unit) for unit in units]
        features: dict[str, Any] = {}
        texts: dict[str, np.ndarray] = {}
        for name in self._features.extractors:
            pairs = zip(units, shards, strict=True)
            parts = [self._features.read(unit, shard.pixels, name) for unit, shard in pairs]
            features[name] = np.concatenate([part.images for part in parts])
            if parts[0].texts is not None:
                texts[name] = np.concatenate([part.texts for part in parts if part.texts is not None])
        prompts = [prompt for unit in units for prompt in unit.chunk.prompts]
        if all(map(self._images.keeps_all, units)):
            features[PICTURES] = self._pictures(units, shards)
        flags = [given for shard in shards for given in shard.flags]
        sha256 = [digest for shard in shards for digest in shard.sha256]
        thumbnails = np.concatenate([shard.thumbnails for shard in shards])
        known = [shard.guidance_scales for shard in shards if shard.guidance_scales is not None]
        scales = np.concatenate(known) if len(known) == len(shards) else None
        if any(prompt.of for prompt in prompts):
            order = prompt_by_prompt(prompts)
            prompts = [prompts[place] for place in order]
            flags, sha256 = [flags[place] for place in order], [sha256[place] for place in order]
            features = {name: rows[order] for name, rows in features.items()}
            texts = {name: rows[order] for name, rows in texts.items()}
            thumbnails = thumbnails[order]
            scales = None if scales is None else scales[order]
        sample = Sample(
            tuple(prompt.id for prompt in prompts),
            [prompt.text for prompt in prompts],
            sha256,
            features,
            texts,
            audit(flags, sha256, thumbnails),
            scales,
        )
        return sample, [shard.made for shard in shards]

    def _pictures(self, units: Sequence[Unit], shards: Sequence[Shard]) -> Pictures:
        @lru_cache(maxsize=2)
        def pixels(place: int) -> np.ndarray:
            found = self._images.read(units[place], shards[place].sha256)
            if isinstance(found, str):
                raise StoreError(f"{found}; 'sdbench run' makes its unit again")
            return found

        return Pictures.of(
            [partial(pixels, place) for place in range(len(units))],
            [len(unit.chunk.prompts) for unit in units],
            [prompt.text for unit in units for prompt in unit.chunk.prompts],
        )
