"""CLIP features of small sweeps of the embedded family, for simulations: made once, and kept in files."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["FamilySweep", "Features", "real_features", "run_simulation"]

Features = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class FamilySweep:
    """What is sampled: every checkpoint at every scale for a number of prompts, with DPM-Solver++.

    Sweep number i has prompts and noise of its own, from the seeds ``prompt_seed`` + i and ``seed`` + i.
    """

    checkpoints: Sequence[str]
    scales: Sequence[float]
    prompts: int
    steps: int
    prompt_seed: int
    seed: int

    def features(self, number: int, folder: Path) -> Features:
        """Return features [prompts, d] by "checkpoint@scale", and of the prompts as "text".

        They come from a file in ``folder`` if it is there, else they are made and kept.
        """
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{number:03d}.npz"
        if not file.exists():
            np.savez(file.with_suffix(".part.npz"), **self._made(number))
            file.with_suffix(".part.npz").rename(file)
            print(f"sweep {number + 1} made", flush=True)
        return dict(np.load(file))

    def _made(self, number: int) -> Features:
        from sdbench import load_model
        from sdbench.data.prompts import load_prompts
        from sdbench.scoring.extractors import build_extractor
        from sdbench.spec import ShapesPrompts

        extractor = build_extractor("shapes-clip", "cpu")
        spec = ShapesPrompts(source="shapes", count=self.prompts, seed=self.prompt_seed + number)
        prompts = [prompt.text for prompt in load_prompts(spec)]
        features = {"text": extractor.texts(prompts)}
        for name in self.checkpoints:
            model = load_model(name, device="cpu")
            for scale in self.scales:
                images = model.generate(
                    prompts,
                    guidance_scale=scale,
                    sampler="dpm-solver++",
                    steps=self.steps,
                    seed=self.seed + number,
                    batch_size=self.prompts,
                    progress=False,
                )
                pixels = np.stack([np.asarray(image) for image in images])
                features[f"{name}@{scale:g}"] = extractor.images(pixels)
        return features


def real_features(folder: Path) -> NDArray[np.float32]:
    """Return the features [1024, d] of clean scenes, from a file in ``folder`` if it is there."""
    from reference_model import shapes
    from sdbench.scoring.extractors import build_extractor

    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "real.npy"
    if not file.exists():
        images, _ = shapes.reference_set(1024, 2)
        np.save(file, build_extractor("shapes-clip", "cpu").images(images))
    rows: NDArray[np.float32] = np.load(file)
    return rows


def run_simulation(
    description: str | None,
    drawn: Callable[[int], None],
    of_images: Callable[[int, Path], None],
    repeats: int,
    folder: str,
) -> None:
    """Read the arguments and run one of two simulations, which go by the names of their functions.

    Args:
        description: The text of --help.
        drawn: A simulation from random numbers; takes the number of repeats.
        of_images: One from images of the family; takes the folder that keeps their features too.
        repeats: The default of --repeats.
        folder: The default of --folder.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=[drawn.__name__, of_images.__name__])
    parser.add_argument("--repeats", type=int, default=repeats)
    parser.add_argument("--folder", type=Path, default=Path(folder), help="where features of images are kept")
    args = parser.parse_args()
    if args.what == drawn.__name__:
        drawn(args.repeats)
    else:
        of_images(args.repeats, args.folder)
