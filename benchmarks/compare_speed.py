"""What a comparison costs beside reading and extracting each image once: the times of docs/compare.md.

Two folders of PNG files of 512 pixels, and a ViT-B/32 with random weights, which is as fast as a trained one.
The comparison is made twice; the second one must extract nothing.

    python benchmarks/compare_speed.py
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import interpolate
from torchvision.models import vit_b_32

from sdbench.comparison.gathering import BATCH, gather
from sdbench.comparison.memory import Memory
from sdbench.comparison.sides import open_pairs
from sdbench.core.progress import ImageProgress
from sdbench.data.image_sets.decoding import decode

EDGE, VIT_EDGE = 512, 224


class Untrained:
    """A ViT-B/32 as an extractor, which counts its images."""

    name, digest, dim = "untrained", "none", 1000

    def __init__(self) -> None:
        self.seen, self._network = 0, vit_b_32().eval()

    @torch.inference_mode()
    def images(self, images: np.ndarray) -> np.ndarray:
        self.seen += len(images)
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
        small = interpolate(pixels, (VIT_EDGE, VIT_EDGE), mode="bicubic", antialias=True)
        return self._network(small).numpy()


def write_images(root: Path, n: int) -> None:
    """Write two folders of soft colours with grain; the second has other grain."""
    random = np.random.default_rng(0)
    for number in range(n):
        soft = Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8)).resize(
            (EDGE, EDGE), Image.BICUBIC
        )
        for side in "ab":
            grainy = np.asarray(soft) + random.normal(0, 3, (EDGE, EDGE, 3))
            path = root / side / f"{number:05d}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(grainy.clip(0, 255).astype(np.uint8)).save(path, compress_level=1)


def once(root: Path, extractor: Untrained) -> None:
    """Read and extract every image once."""
    every = sorted(root.glob("[ab]/*.png"))
    for start in range(0, len(every), BATCH):
        paths = every[start : start + BATCH]
        extractor.images(np.stack([np.asarray(decode(path.read_bytes())) for path in paths]))


def compared(root: Path, extractor: Untrained) -> None:
    """Gather what a comparison needs."""
    ((_, a, b),) = open_pairs(str(root / "a"), str(root / "b"), None, "index")
    with Memory(root / "memory.sqlite") as memory:
        gather(a, [b], a.keys, {"untrained": extractor}, memory, ImageProgress(), {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=100, help="images of each side (default: %(default)s)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    print("| step | extracted | processor seconds | relative | seconds |\n|---|---|---|---|---|")
    with TemporaryDirectory() as name:
        root, extractor = Path(name), Untrained()
        write_images(root, args.n)
        first = 0.0
        steps: dict[str, Callable[[Path, Untrained], None]] = {
            "every image read and extracted once": once,
            "first comparison": compared,
            "second comparison": compared,
        }
        for step, work in steps.items():
            extractor.seen, start, began = 0, time.process_time(), time.perf_counter()
            work(root, extractor)
            took, clock = time.process_time() - start, time.perf_counter() - began
            first = first or took
            times = f"{took:.1f} | {took / first:.2f} | {clock:.1f}"
            print(f"| {step} | {extractor.seen} | {times} |", flush=True)


if __name__ == "__main__":
    main()
