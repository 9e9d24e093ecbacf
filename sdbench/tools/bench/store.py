"""Images to PNG files in a run folder: our writer against Pillow writing one file after the other."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from sdbench.runs.images import ImageWriter
from sdbench.runs.store import open_store
from sdbench.tools.bench.clock import interleaved
from sdbench.tools.bench.machine import Bench
from sdbench.tools.bench.rows import Row, rows_of

__all__ = ["measure"]

COUNT = 16


def measure(bench: Bench) -> list[Row]:
    """Time writing smooth images with noise, which compress like generated ones."""
    side = bench.image_size
    ramp = np.linspace(0, 200, side)[:, None, None] + np.zeros((side, side, 3))
    noise = np.random.default_rng(0).integers(0, 24, (COUNT, side, side, 3))
    pictures = (ramp + noise).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        store = open_store(root)

        def ours() -> None:
            writing = ImageWriter()
            for i, picture in enumerate(pictures):
                writing.begin(store, f"images/{i}.png", picture)
            writing.wait()
            writing.close()

        def theirs() -> None:
            for i, picture in enumerate(pictures):
                Image.fromarray(picture).save(root / f"{i}.png")

        timings = interleaved({"sdbench": ours, "pillow": theirs}, bench.rounds, bench.say)
    return rows_of(f"store: PNG of {side} pixels", "image", COUNT, timings, against="pillow")
