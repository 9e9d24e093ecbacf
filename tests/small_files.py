"""Small valid files of every kind that is read, as bytes."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from metrics.moments import Moments
from metrics.reference_stats import Stats, write_stats
from reports.rows import read_published
from sdbench.comparison.kept import Kept, preview, write_kept
from sdbench.comparison.pictures import look_at
from sdbench.regression.baseline import Baseline, save_baseline
from sdbench.regression.cases import Case
from sdbench.regression.platforms import Platform
from sdbench.regression.record import CaseRecord
from sdbench.regression.rounding import ErrorBudget
from sdbench.runs.parquet import sealed

PUBLISHED = Path(__file__).parents[1] / "experiments" / "published" / "sd-v1-variants-scores.csv"


def picture(kind: str) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(np.arange(36, dtype=np.uint8).reshape(3, 4, 3)).save(sink, kind)
    return sink.getvalue()


def png_with_texts() -> bytes:
    texts = PngInfo()
    texts.add_text("Title", "none", zip=True)
    texts.add_itxt("parameters", "a cat\nNegative prompt: dog\nSteps: 20, Sampler: x", zip=True)
    sink = io.BytesIO()
    Image.fromarray(np.zeros((3, 4, 3), np.uint8)).save(sink, "PNG", pnginfo=texts)
    return sink.getvalue()


def kept() -> bytes:
    image = Image.open(io.BytesIO(picture("PNG")))
    seen, _ = look_at(picture("PNG"), lambda _: image)
    features = {"features x": {seen.sha256: b"1234"}}
    whole = Kept({"a": seen}, {"a": preview(image)}, features, {"a": "b"}, ("m",), 1, shapes=False)
    return written(lambda folder: write_kept(folder / "k.sdbench", whole), "k.sdbench")


def tar_of(files: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return sink.getvalue()


def zip_of(files: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return sink.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    sink = io.BytesIO()
    np.savez(sink, **arrays)
    return sink.getvalue()


def parquet(metadata: dict[bytes, bytes] | None = None) -> bytes:
    sink = io.BytesIO()
    table = pa.table({"prompt": ["a cat", "a dog"]})
    pq.write_table(sealed(table.replace_schema_metadata(metadata)), sink)
    return sink.getvalue()


def torch_file(*, zipped: bool) -> bytes:
    sink = io.BytesIO()
    weights = {"state_dict": {"a.weight": torch.ones(2, 3), "b": torch.zeros(4).half()}, "epoch": 3}
    torch.save(weights, sink, _use_new_zipfile_serialization=zipped)
    return sink.getvalue()


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()


def written(write: Callable[[Path], object], name: str) -> bytes:
    """The bytes of the file `name` that `write` makes in a folder."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        return (Path(folder) / name).read_bytes()


def statistics(name: str) -> bytes:
    rows = np.random.default_rng(1).random((8, 3), np.float32)
    stats = Stats(Moments.of(rows), "fid-inception-tf", 1, 8, features=rows, image_size=(8, 8))
    return written(lambda folder: write_stats(folder / name, stats), name)


@cache
def baseline(name: str) -> bytes:
    arrays = {name: np.zeros((2, 3, 4)) for name in ("x", "pred_x0", "images", "thumbnails", "features")}
    budget = ErrorBudget(x=np.ones(2), pred_x0=np.ones(2), levels=1, strays=0)
    case = Case("gaussian", "ddim", 2, 3.0)
    record = CaseRecord(case=case, testbed="t", calls=2, digests={"x": ["a"]}, budget=budget, **arrays)
    whole = Baseline(0, (record,), {}, Platform(), {})
    return written(lambda folder: save_baseline(folder, whole), name)


SMALL = {"000000-ca978112.png": picture("PNG"), "b/000001-3e23e816.png": picture("PNG")}
"""Names of which prompt files with the lines a and b, and COCO images 978112 and 816, are the captions."""
COCO = {
    "images": [{"file_name": "a.png"}],
    "annotations": [{"id": i, "image_id": i, "caption": "a cat"} for i in (816, 978112)],
}
RESULTS = read_published(PUBLISHED)[::8].to_csv(index=False).encode()
MANIFEST = {
    "name": "a",
    "finished": "now",
    "cells": [{"cell": f"v1.{i}_s1.5", "seconds_per_image": 1.5} for i in (1, 2, 3, 4)],
}
RUN = {"results.csv": RESULTS, "manifest.json": as_json(MANIFEST), "spec.yaml": b"name: a\n"}
FOLDER: dict[str, dict[str, Any]] = {
    "unet/config.json": {
        "block_out_channels": [32, 64],
        "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
        "in_channels": 4,
        "out_channels": 4,
        "sample_size": 8,
        "cross_attention_dim": 16,
    },
    "vae/config.json": {
        "block_out_channels": [32, 64],
        "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D"],
        "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D"],
        "latent_channels": 4,
    },
    "scheduler/scheduler_config.json": {"beta_schedule": "scaled_linear", "beta_start": 0.1, "beta_end": 0.2},
    "text_encoder/config.json": {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2},
}
