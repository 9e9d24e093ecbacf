"""Every reader of people's files by name, each with a small valid file."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save

from metrics.reference_stats import read_stats
from reports.rows import read_results
from sdbench.models.diffusers_layout import read_index
from sdbench.models.fetched import Origin, read_origin
from sdbench.regression.policy import load_policy
from sdbench.runs.cache import read_text_map
from sdbench.runs.journal import JournalEntry, last_entry
from sdbench.runs.store import LocalStore
from sdbench.spec import (
    load_spec,
)
from tests.any_bytes import Reader
from tests.reader_calls import (
    use_baseline,
    use_config,
    use_folder,
    use_images,
    use_kept,
    use_lora,
    use_model_entry,
    use_pairs,
    use_plan,
    use_prompts,
    use_run,
    use_table,
    use_texts_of_pictures,
    use_weights,
)
from tests.sdbench.synthetic import plan_of, write_plan
from tests.small_files import (
    COCO,
    FOLDER,
    MANIFEST,
    RESULTS,
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
