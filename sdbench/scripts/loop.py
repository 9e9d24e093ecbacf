"""Batches through the sampler, the checks and into the output folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdbench.errors import InputError, SamplingError
from sdbench.memory import is_out_of_memory
from sdbench.progress import ImageProgress
from sdbench.scripts.outputs import OutputFolder, image_grid
from sdbench.scripts.safety import safety_checker
from sdbench.scripts.settings import Settings
from sdbench.scripts.watermark import watermark

__all__ = ["Outcome", "Sample", "within_memory", "write_images"]

Sample = Callable[[list[str], Callable[[int, int], None]], np.ndarray]
"""(prompts of a batch, on_step) -> uint8 [B, H, W, 3]; ValueError where images are not finite."""


@dataclass(frozen=True)
class Outcome:
    """What has been written: how many images into which folder, and the grid."""

    saved: int
    samples: Path
    grid: Path | None

    @property
    def summary(self) -> str:
        """A line for each thing written."""
        lines = [f"{self.saved} images: {self.samples}"] if self.saved else []
        lines += [f"grid: {self.grid}"] if self.grid else []
        return "\n".join(lines) or "nothing was saved"


@contextmanager
def within_memory(sides: str) -> Iterator[None]:
    """Turn a full memory into InputError; `sides` are the flags that the size of the images comes from."""
    try:
        yield
    except (MemoryError, RuntimeError, TypeError) as error:
        # Sides that overflow the library's integers are not its OutOfMemoryError.
        if not (is_out_of_memory(error) or "overflow" in str(error).lower()):
            raise
        raise InputError(f"{sides}: out of memory: give smaller sides, or a smaller --n_samples") from error


def write_images(
    settings: Settings,
    outdir: str,
    batches: list[list[str]],
    sample: Sample,
    device: str,
    progress: ImageProgress,
) -> Outcome:
    """Sample every batch `n_iter` times; save the images one by one as they come, the grid at the end.

    The grid is made of images as they were checked; the watermark goes on what is saved.
    """

    def note(line: str) -> None:
        progress.notes([line])

    check = safety_checker(settings.safety_checker, device, note)
    mark = watermark(settings.watermark, note)
    folder = OutputFolder(Path(outdir).expanduser())
    saved = 0
    for_grid: list[np.ndarray] = []
    progress.start(settings.n_iter * sum(map(len, batches)))
    for prompts in batches * settings.n_iter:
        images = check(_sampled(sample, prompts, progress))
        if not settings.skip_save:
            for image in images:
                folder.save_sample(mark(image))
            saved += len(images)
        if not settings.skip_grid:
            for_grid.extend(images)
        progress.finished(len(images))
    grid = None
    if for_grid:
        grid = folder.save_grid(mark(image_grid(for_grid, settings.n_rows or settings.n_samples)))
    return Outcome(saved, folder.samples, grid)


def _sampled(sample: Sample, prompts: list[str], progress: ImageProgress) -> np.ndarray:
    try:
        return sample(prompts, lambda done, total: progress.step(len(prompts), done, total))
    except ValueError as error:
        raise SamplingError(f"prompt {prompts[0]!r}: {error}") from error
