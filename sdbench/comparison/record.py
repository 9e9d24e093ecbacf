"""Records one side as a compact baseline."""

from __future__ import annotations

from pathlib import Path

from sdbench.comparison.compare import CompareRequest, single_side
from sdbench.comparison.gathering import feature_key, gather
from sdbench.comparison.kept import FEATURES, SUFFIX, Kept, preview, write_kept
from sdbench.comparison.measures import choose_protocols
from sdbench.comparison.memory import Memory
from sdbench.comparison.sides import Side
from sdbench.core import environment
from sdbench.core.errors import InputError
from sdbench.core.files import say_replaced
from sdbench.core.precision import full_precision
from sdbench.core.progress import ImageProgress
from sdbench.core.terminal import note
from sdbench.scoring.extractors import build_extractors, features_identity

__all__ = ["record"]


def record(request: CompareRequest, path: Path, progress: ImageProgress) -> Kept:
    """Write the baseline of a request to a file; its other side is not read.

    Raises:
        InputError: The baseline cannot be read, or the file's name does not say what it is, or is a folder's.
        StoreError: The file cannot be written.
    """
    if path.suffix != SUFFIX:
        raise InputError(f"--record {path}: a baseline's name ends in {SUFFIX}, such as baseline{SUFFIX}")
    if path.is_dir():
        raise InputError(f"--record {path} is a folder: name a file")
    full_precision()
    side = single_side(request, progress)
    protocols = choose_protocols(side, request.metrics)
    extractors = build_extractors((each.extractor for each in protocols), environment.best_device())
    with Memory() as memory:
        gathered = gather(side, [], side.keys, extractors, memory, progress, side.prompts)
    pictures, features = gathered.pictures[side.name], gathered.features[side.name]
    kept = Kept(
        pictures,
        _previews(side, [key for key, one in pictures.items() if one.sha256], progress),
        {
            f"{FEATURES}{features_identity(each)}": {
                feature_key(each, pictures[key].sha256, side.prompts.get(key, "")): row.tobytes()
                for key, row in features[name].items()
            }
            for name, each in extractors.items()
        },
        dict(side.prompts),
        tuple(each.name for each in protocols),
        side.seed,
        side.shapes,
    )
    say_replaced([path], note)
    write_kept(path, kept)
    return kept


def _previews(side: Side, keys: list[str], progress: ImageProgress) -> dict[str, bytes]:
    progress.start(len(keys))
    found = {}
    for key, blob in zip(keys, side.read(keys), strict=True):
        found[key] = preview(side.decode(blob))
        progress.finished(1)
    return found
