"""What reads each kind of people's files, called with a file that may be damaged."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch

from metrics.features.base import check_weights
from reference_model.checkpoints import read_config
from reference_model.checkpoints._files import DAMAGE, open_weights
from reference_model.checkpoints._stored import StoredTensor
from reference_model.checkpoints.lora import Lora, merge
from reference_model.config import ModelConfig
from reference_model.config_file import load_config
from reports.runs import open_run
from sdbench.comparison.kept import read_kept
from sdbench.core.digest import digest_value
from sdbench.data.captions import captions_of
from sdbench.data.image_sets import ImageSet, open_image_set
from sdbench.data.prompts import load_prompts
from sdbench.models.native_size import native_size
from sdbench.models.sources import ReferenceSource
from sdbench.models.user_models import user_models
from sdbench.regression.baseline import load_baseline
from sdbench.runs.parquet import is_as_written, read_metadata, read_table
from sdbench.runs.plan_file import read_plan_file
from sdbench.runs.store import LocalStore
from sdbench.spec import (
    CocoPrompts,
    CsvPrompts,
    FilePrompts,
    JsonlPrompts,
    ParquetPrompts,
    PartiPrompts,
)
from tests.small_files import (
    FOLDER,
    RUN,
    SMALL,
    as_json,
    baseline,
)


def use_images(path: Path) -> None:
    images = open_image_set(str(path), "images", 1)
    for batch in images.batches(4):
        assert batch.pixels.dtype == np.uint8
    assert images.digest()


def use_prompts(path: Path) -> None:
    text = str(path)
    spec = {
        ".txt": lambda: FilePrompts(source="file", path=text),
        ".csv": lambda: CsvPrompts(source="csv", path=text, column="prompt"),
        ".tsv": lambda: PartiPrompts(source="parti", path=text),
        ".jsonl": lambda: JsonlPrompts(source="jsonl", path=text, key="prompt"),
        ".parquet": lambda: ParquetPrompts(source="parquet", path=text, column="prompt"),
        ".json": lambda: CocoPrompts(source="coco", path=text, count=1, seed=1),
    }[path.suffix]()
    for prompt in load_prompts(spec):
        assert prompt.text.strip()
        assert prompt.text.encode()


@cache
def two_images() -> ImageSet:
    folder = Path(tempfile.mkdtemp())
    for name, data in SMALL.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    return open_image_set(str(folder), "images", 1)


def use_pairs(path: Path) -> None:
    """The file's name is that of the mapping; a text or metadata.jsonl lies beside its image instead."""
    mapping = {".txt": "sidecar", ".jsonl": "jsonl"}.get(path.suffix)
    if mapping is None:
        captions = captions_of(two_images(), path.name, str(path))
    else:
        (path.parent / "000000-ca978112.png").write_bytes(SMALL["000000-ca978112.png"])
        captions = captions_of(open_image_set(str(path.parent), "images", 1), mapping, None)
    for caption in captions:
        assert caption.prompt.strip().encode()
        assert "\0" not in caption.prompt + caption.flags.encode().decode()


def use_weights(path: Path) -> None:
    check_weights("inception-v3", path)
    for stored in open_weights(path).values():
        with suppress(*DAMAGE):  # what loads a model reports these
            assert tuple(stored.read().shape) == stored.shape


LORA_LAYER = "input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight"


def use_lora(path: Path) -> None:
    """Merged into the one layer that the valid file changes."""
    name = f"model.diffusion_model.{LORA_LAYER}"
    base = {name: StoredTensor((3, 3), lambda: torch.zeros(3, 3))}
    for stored in merge(base, Lora(path), {name: torch.zeros(3, 3)}, ModelConfig()).values():
        with suppress(*DAMAGE):  # what loads a model reports these
            assert tuple(stored.read().shape) == stored.shape


def use_texts_of_pictures(path: Path) -> None:
    for caption in captions_of(open_image_set(str(path.parent), "images", 1), "metadata", None):
        assert caption.prompt.strip().encode()


def use_kept(path: Path) -> None:
    assert set(read_kept(path).previews)


def use_config(path: Path) -> None:
    native_size(ReferenceSource("m", path, config=path))
    load_config(path)


def use_folder(path: Path) -> None:
    """A diffusers folder of which one file is damaged."""
    root = path.parent.parent
    for name, content in FOLDER.items():
        (root / name).parent.mkdir(exist_ok=True)
        if not (root / name).exists():
            (root / name).write_bytes(as_json(content))
    native_size(ReferenceSource("m", root))
    read_config(root)


def use_model_entry(path: Path) -> None:
    with patch.dict(os.environ, {"SDBENCH_HOME": str(path.parent.parent)}):
        assert all(name for name in user_models())


def use_plan(path: Path) -> None:
    content = read_plan_file(LocalStore(path.parent))
    assert content.units is not None
    assert content.ids_kept is not None


def use_table(path: Path) -> None:
    store = LocalStore(path.parent)
    read_metadata(store, path.name)
    is_as_written(read_table(store, path.name))


def use_run(path: Path) -> None:
    for name, data in RUN.items():
        if not (path.parent / name).exists():
            (path.parent / name).write_bytes(data)
    run = open_run(path.parent)
    assert run.title
    assert len(run.cells)
    assert run.flagged is None or len(run.flagged) >= 0


def use_baseline(path: Path) -> None:
    """With digests that fit, which would hide the rest of the reader."""
    arrays = "cpu-float32.safetensors"
    (path.parent / arrays).write_bytes(baseline(arrays))
    with suppress(ValueError, TypeError, AttributeError, RecursionError):
        content = json.loads(path.read_bytes())
        content.pop("sha256", None)
        path.write_bytes(as_json(content | {"sha256": digest_value(content)}))
    load_baseline(path.parent)
