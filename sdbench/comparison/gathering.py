"""One pass over two sides: every image and every pair in numbers, remembered by content.

Files are read in order; threads decode and compare them; the extractor sees only images that it has not seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from metrics.features import Extractor
from metrics.lpips import SMALLEST, Lpips
from sdbench.comparison.closeness import SAME, Closeness, compare_pixels
from sdbench.comparison.closeness import VERSION as CLOSENESS_VERSION
from sdbench.comparison.kept import FEATURES
from sdbench.comparison.memory import Memory
from sdbench.comparison.pictures import VERSION as PICTURE_VERSION
from sdbench.comparison.pictures import Picture, look_at
from sdbench.comparison.sides import Side
from sdbench.core.digest import digest_bytes, digest_value
from sdbench.core.errors import InputError
from sdbench.core.progress import ImageProgress
from sdbench.scoring.extract import Beside, image_features
from sdbench.scoring.extractors import features_identity, takes_prompts

__all__ = ["Gathered", "feature_key", "gather"]

BATCH = 32
LPIPS_BATCH = 4
"""Pairs given to LPIPS at a time: their features take about 0.5 GB at 1024 pixels."""
PICTURE, CLOSENESS = f"picture {PICTURE_VERSION}", f"closeness {CLOSENESS_VERSION}"


@dataclass(frozen=True)
class Gathered:
    """Numbers by key.

    Attributes:
        pictures: The images of each side.
        features: Features float32 [d] of the readable images, by side, extractor and key.
        closeness: Pairs of readable images of one size, by the name of the second side and key.
        lpips: Pairs of the baseline and the candidate by key, if there is a network for them, but for images
            that are too small for it.
    """

    pictures: dict[str, dict[str, Picture]]
    features: dict[str, dict[str, dict[str, np.ndarray]]]
    closeness: dict[str, dict[str, Closeness]]
    lpips: dict[str, float] = field(default_factory=dict)


@dataclass
class _Image:
    """An image on its way: its content's digest, what is known, and its pixels if they had to be decoded."""

    side: Side
    key: str
    prompt: str
    blob: bytes
    digest: str
    picture: Picture | None = None
    pixels: np.ndarray | None = None

    def look(self) -> None:
        if self.picture is None or self.pixels is None:
            self.picture, self.pixels = look_at(self.blob, self.side.decode)


def gather(
    baseline: Side,
    others: Sequence[Side],
    keys: Sequence[str],
    extractors: Mapping[str, Extractor],
    memory: Memory,
    progress: ImageProgress,
    prompts: Mapping[str, str],
    lpips: Lpips | None = None,
) -> Gathered:
    """Return the numbers of the images that `keys` name on the sides that have them.

    Args:
        baseline: What the others are compared with.
        others: The candidate, and repeats of the baseline.
        keys: Keys of at least one side.
        extractors: Networks by name.
        memory: Remembers numbers by content.
        progress: Counts images; told the total here.
        prompts: Prompts by key, as far as known.
        lpips: Compares the first of the others with the baseline; None for none.

    Raises:
        InputError: A file cannot be read, an extractor cannot use the images, or a compact baseline lacks its
            features.
    """
    sides = [baseline, *others]
    gathered = Gathered(
        {side.name: {} for side in sides},
        {side.name: {name: {} for name in extractors} for side in sides},
        {side.name: {} for side in others},
    )
    progress.start(sum(len(set(side.keys) & set(keys)) for side in sides))
    identities = {name: f"{FEATURES}{features_identity(each)}" for name, each in extractors.items()}
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(keys), BATCH):
            part = keys[start : start + BATCH]
            rows = [_read(side, part, prompts) for side in sides]
            _look(rows, memory, pool)
            _measure_pairs(rows, gathered, memory, pool)
            if lpips is not None:
                _measure_lpips(rows[0], rows[1], lpips, gathered, memory)
            images = [image for row in rows for image in row.values()]
            for name, extractor in extractors.items():
                _extract(images, name, extractor, identities[name], gathered, memory)
            progress.finished(len(images))
    return gathered


def feature_key(extractor: Extractor, sha256: str, prompt: str) -> str:
    """Return what features are remembered by: the digest of the pixels, and of the prompt if that counts."""
    return f"{sha256} {digest_value(prompt)}" if takes_prompts(extractor) else sha256


def _read(side: Side, keys: Sequence[str], prompts: Mapping[str, str]) -> dict[str, _Image]:
    wanted = [key for key in keys if key in side.names]
    if side.kept is not None:
        pictures = side.kept.pictures
        return {key: _Image(side, key, prompts.get(key, ""), b"", "", pictures[key]) for key in wanted}
    blobs: Iterator[bytes] = side.read(wanted)
    return {
        key: _Image(side, key, prompts.get(key, ""), blob, f"{side.salt}{digest_bytes(blob)}")
        for key, blob in zip(wanted, blobs, strict=True)
    }


def _look(rows: Sequence[dict[str, _Image]], memory: Memory, pool: ThreadPoolExecutor) -> None:
    """Fill in the pictures, from memory or by decoding."""
    images = [image for row in rows for image in row.values()]
    known = memory.get(PICTURE, [image.digest for image in images])
    for image in images:
        if image.digest in known:
            image.picture = Picture.from_bytes(known[image.digest])
    new = [image for image in images if image.picture is None]
    _decode(new, pool)
    memory.put(PICTURE, {image.digest: _picture(image).to_bytes() for image in new})


def _decode(images: Sequence[_Image], pool: ThreadPoolExecutor) -> None:
    list(pool.map(_Image.look, [image for image in images if image.pixels is None]))


def _measure_pairs(
    rows: Sequence[dict[str, _Image]], gathered: Gathered, memory: Memory, pool: ThreadPoolExecutor
) -> None:
    pairs = [
        (row[key], other[key])
        for row in rows[:1]
        for other in rows[1:]
        for key in row
        if key in other and _comparable(row[key], other[key])
    ]
    names = {f"{a.digest} {b.digest}": (a, b) for a, b in pairs if _picture(a).sha256 != _picture(b).sha256}
    known = {name: Closeness.from_bytes(data) for name, data in memory.get(CLOSENESS, names).items()}
    new = {name: pair for name, pair in names.items() if name not in known}
    _decode([image for pair in new.values() for image in pair], pool)
    measured = dict(zip(new, pool.map(_closeness, new.values()), strict=True))
    memory.put(CLOSENESS, {name: each.to_bytes() for name, each in measured.items()})
    known |= measured
    for row in rows:
        for image in row.values():
            gathered.pictures[image.side.name][image.key] = _picture(image)
    for a, b in pairs:
        gathered.closeness[b.side.name][b.key] = known.get(f"{a.digest} {b.digest}", SAME)


def _closeness(pair: tuple[_Image, _Image]) -> Closeness:
    a, b = map(_pixels, pair)
    return compare_pixels(a, b)


def _measure_lpips(
    ours: Mapping[str, _Image], theirs: Mapping[str, _Image], lpips: Lpips, gathered: Gathered, memory: Memory
) -> None:
    """Fill in LPIPS by the digests of the pixels, whatever their files."""
    kind = f"lpips {lpips.digest}"
    pairs = {
        key: (ours[key], theirs[key])
        for key in ours
        if key in theirs and _comparable(ours[key], theirs[key]) and min(_picture(ours[key]).size) >= SMALLEST
    }
    names = {key: " ".join(_picture(image).sha256 for image in pair) for key, pair in pairs.items()}
    known = {name: float(np.frombuffer(value)[0]) for name, value in memory.get(kind, names.values()).items()}
    new = {name: pairs[key] for key, name in names.items() if name not in known}
    by_size: dict[tuple[int, int], list[str]] = {}
    for name, (a, b) in new.items():
        if _picture(a).sha256 == _picture(b).sha256:
            known[name] = 0.0
        else:
            by_size.setdefault(_picture(a).size, []).append(name)
    for alike in by_size.values():
        for start in range(0, len(alike), LPIPS_BATCH):
            part = alike[start : start + LPIPS_BATCH]
            first, second = (np.stack([_pixels(new[name][side]) for name in part]) for side in (0, 1))
            known |= dict(zip(part, lpips(first, second).tolist(), strict=True))
    memory.put(kind, {name: np.float64(known[name]).tobytes() for name in new})
    gathered.lpips.update({key: known[name] for key, name in names.items()})


def _comparable(a: _Image, b: _Image) -> bool:
    """Whether two images can be compared pixel by pixel: readable, of one size, and their pixels are here."""
    first, second = _picture(a), _picture(b)
    has_pixels = a.side.kept is None or first.sha256 == second.sha256
    return bool(first.sha256 and second.sha256) and first.size == second.size and has_pixels


def _extract(
    images: Sequence[_Image],
    name: str,
    extractor: Extractor,
    kind: str,
    gathered: Gathered,
    memory: Memory,
) -> None:
    """Fill in the features of readable images; equal pixels have equal features, whatever their files."""
    readable = [
        (feature_key(extractor, _picture(image).sha256, image.prompt), image)
        for image in images
        if _picture(image).sha256
    ]
    known = memory.get(kind, [key for key, _ in readable])
    for key, image in readable:
        if image.side.kept is not None:
            known[key] = _kept_features(key, image.side, kind, name)
    new = {key: image for key, image in readable if key not in known}
    by_size: dict[tuple[int, int], list[str]] = {}
    for key, image in new.items():
        by_size.setdefault(_picture(image).size, []).append(key)
    found: dict[str, bytes] = {}
    for alike in by_size.values():
        pixels = np.stack([_pixels(new[key]) for key in alike])
        beside = Beside([new[key].prompt for key in alike])
        rows = image_features({name: extractor}, [pixels], beside)[name].astype(np.float32)
        found |= {key: row.tobytes() for key, row in zip(alike, rows, strict=True)}
    memory.put(kind, found)
    known |= found
    for key, image in readable:
        gathered.features[image.side.name][name][image.key] = np.frombuffer(known[key], np.float32)


def _kept_features(key: str, side: Side, kind: str, name: str) -> bytes:
    kept = side.kept
    assert kept is not None
    try:
        return kept.features[kind][key]
    except KeyError:
        found = f"those of {', '.join(kept.metrics)}" if kept.metrics else "none"
        raise InputError(
            f"{side.name} keeps no features of {name} with the weights that are here, only {found}: "
            f"record it again"
        ) from None


def _pixels(image: _Image) -> np.ndarray:
    image.look()
    assert image.pixels is not None
    return image.pixels


def _picture(image: _Image) -> Picture:
    assert image.picture is not None
    return image.picture
