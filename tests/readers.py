"""Every reader of people's files by name, each with a small valid file."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from safetensors.torch import save

from metrics.features.base import check_weights
from metrics.reference_stats import read_stats
from reference_model.checkpoints import read_config
from reference_model.checkpoints._files import DAMAGE, open_weights
from reference_model.checkpoints._stored import StoredTensor
from reference_model.checkpoints.lora import Lora, merge
from reference_model.config import ModelConfig
from reference_model.config_file import load_config
from reports.rows import read_results
from reports.runs import open_run
from sdbench.comparison.kept import read_kept
from sdbench.core.digest import digest_value
from sdbench.data.captions import captions_of
from sdbench.data.image_sets import ImageSet, open_image_set
from sdbench.data.prompts import load_prompts
from sdbench.models.diffusers_layout import read_index
from sdbench.models.fetched import Origin, read_origin
from sdbench.models.native_size import native_size
from sdbench.models.sources import ReferenceSource
from sdbench.models.user_models import user_models
from sdbench.regression.baseline import load_baseline
from sdbench.regression.policy import load_policy
from sdbench.runs.cache import read_text_map
from sdbench.runs.journal import JournalEntry, last_entry
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
    load_spec,
)
from tests.any_bytes import Reader
from tests.sdbench.synthetic import plan_of, write_plan
from tests.small_files import (
    COCO,
    FOLDER,
    MANIFEST,
    RESULTS,
    RUN,
    SMALL,
    as_json,
    baseline,
    kept,
    npz,
    parquet,
    picture,
    png_with_texts,
    statistics,
    tar_of,
    torch_file,
    written,
    zip_of,
)

ROOT = Path(__file__).parents[1]
PUBLISHED = ROOT / "experiments" / "published" / "sd-v1-variants-scores.csv"
SPEC = ROOT / "experiments" / "shapes-demo.yaml"
CONFIG = ROOT / "tests" / "goldens" / "tiny" / "v1-tiny.yaml"


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


def _of_data() -> dict[str, Reader]:
    kinds = ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"]
    images = {
        kind: Reader(f"a.{kind.lower()}", picture(kind), lambda path: use_images(path.parent))
        for kind in kinds
    }
    sets = {
        "x.zip": zip_of(SMALL),
        "x.tar": tar_of(SMALL),
        "x.npz": npz(arr_0=np.zeros((2, 3, 4, 3), np.uint8)),
    }
    prompts = {
        "p.txt": b"a cat\n\na dog\r\n",
        "p.csv": b'n,prompt\n1,"a cat, sitting"\n2,a dog\n',
        "p.tsv": b'Prompt\tCategory\n"a" cat\tAnimals\n',
        "p.jsonl": b'{"prompt": "a cat \\u00e9"}\n{"prompt": "b"}\n',
        "p.parquet": parquet(),
        "p.json": as_json(COCO),
    }
    texts = (
        b'{"file_name": "000000-ca978112.png", "text": "a", "flags": ["x"]}\n',
        b'{"file_name": "b/000001-3e23e816.png", "text": "b"}\n',
    )
    pairs = {
        "csv": b'file,prompt,flags\n000000-ca978112.png,"a cat",\nb/000001-3e23e816.png,a dog,unsafe\n',
        "jsonl": b"".join(texts),
        "coco": as_json(COCO),
        "index": b"a\nb\n",
        "name": b"a\nb\n",
        "000000-ca978112.txt": b"a cat\nNegative prompt: dog\nSteps: 20, Sampler: x\n",
        "metadata.jsonl": texts[0],
    }
    return {
        **images,
        **{name: Reader(name, whole, use_images) for name, whole in sets.items()},
        **{name: Reader(name, whole, use_prompts) for name, whole in prompts.items()},
        **{f"pairs-{name}": Reader(name, whole, use_pairs) for name, whole in pairs.items()},
        "png-texts": Reader("a.png", png_with_texts(), use_texts_of_pictures),
    }


def _of_models() -> dict[str, Reader]:
    folder = {
        name.partition("/")[0]: Reader(name, as_json(content), use_folder) for name, content in FOLDER.items()
    }
    config = CONFIG.read_bytes().replace(b"clip-text-tiny", b"openai/clip-vit-large-patch14")
    origin = Origin("a/b", "main", "MIT", "now", {"x": "00"})
    weights = save({"a": torch.ones(2, 3)}, {"modelspec.a": "b"})
    module = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    lora = {f"{module}.lora_A.weight": torch.ones(2, 3), f"{module}.lora_B.weight": torch.ones(3, 2)}
    scale = {"lora_adapter_metadata": '{"unet.r": 2, "unet.lora_alpha": 4}'}
    return {
        **folder,
        "zip.ckpt": Reader("w.ckpt", torch_file(zipped=True), use_weights),
        "old.ckpt": Reader("w.ckpt", torch_file(zipped=False), use_weights),
        "safetensors": Reader("w.safetensors", weights, use_weights),
        "lora": Reader("l.safetensors", save(lora, scale), use_lora),
        "config": Reader("c.yaml", config, use_config),
        "model-entry": Reader("models/m.yaml", b"name: a\npath: a.ckpt\nconfig: b.yaml\n", use_model_entry),
        "model-index": Reader(
            "model_index.json", b'{"_class_name": "X"}', lambda p: read_index(p.parent, "m")
        ),
        "origin": Reader("w.json", as_json(asdict(origin)), lambda path: read_origin(path.with_suffix(""))),
        "own-stats": Reader("s.safetensors", statistics("s.safetensors"), read_stats),
        "npz-stats": Reader("s.npz", statistics("s.npz"), read_stats),
        "feats-stats": Reader("s.npz", npz(feats=np.ones((4, 2), np.float32)), read_stats),
    }


def _of_runs() -> dict[str, Reader]:
    plan = plan_of([1, 2], ["a", "b", "c", "d"])
    plan_json = written(lambda folder: write_plan(LocalStore(folder), plan, 2), "plan.json")
    entry = as_json(asdict(JournalEntry("a", "b", "inline", 3, 1.5, True)))
    flagged = b"cell,image,flags,like\nv1.1_s1.5,a.png,black,\n"
    return {
        "spec": Reader("s.yaml", SPEC.read_bytes(), load_spec),
        "policy": Reader("p.yaml", b"default: rounding\ncases: {'*plms*': drift}\n", load_policy),
        "kept": Reader("k.sdbench", kept(), use_kept),
        "baseline": Reader("cpu-float32.json", baseline("cpu-float32.json"), use_baseline),
        "plan": Reader("plan.json", plan_json, use_plan),
        "journal": Reader("journal/1_a.json", entry, lambda path: last_entry(LocalStore(path.parents[1]))),
        "text-map": Reader(
            "m.json",
            b'{"a": "b"}',
            lambda path: read_text_map(LocalStore(path.parent), path.name, "delete it"),
        ),
        "table": Reader("t.parquet", parquet({b"sdbench.identity": b"{}"}), use_table),
        "results": Reader("results.csv", RESULTS, read_results),
        "run-results": Reader("results.csv", RESULTS, use_run),
        "manifest": Reader("manifest.json", as_json(MANIFEST), use_run),
        "flagged": Reader("flagged.csv", flagged, use_run),
    }


@cache
def readers() -> dict[str, Reader]:
    """The readers by name, each with a valid file."""
    return {**_of_data(), **_of_models(), **_of_runs()}
