"""The main loop: batches go through the sampler and the checks into the output folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdbench.core.errors import InputError, SamplingError
from sdbench.core.memory import is_out_of_memory
from sdbench.core.paths import typed_path
from sdbench.core.progress import ImageProgress
from sdbench.tools.compvis.outputs import OutputFolder, image_grid
from sdbench.tools.compvis.safety import safety_checker
from sdbench.tools.compvis.settings import Options
from sdbench.tools.compvis.watermark import watermark

__all__ = ["Output", "Sample", "within_memory", "write_images"]

Sample = Callable[[list[str], Callable[[int, int], None]], np.ndarray]
"""(prompts of a batch, on_step) -> uint8 [B, H, W, 3]; raises ValueError if images are not finite."""


@dataclass(frozen=True)
class Output:
    """What a command wrote: how many images to which folder, and the path of the grid."""

    saved: int
    samples: Path
    grid: Path | None

    @property
    def summary(self) -> str:
        """One line for the images and one for the grid."""
        lines = [f"{self.saved} images: {self.samples}"] if self.saved else []
        lines += [f"grid: {self.grid}"] if self.grid else []
        return "\n".join(lines) or "nothing was saved"


@contextmanager
def within_memory(sides: str) -> Iterator[None]:
    """Turn out-of-memory errors into InputError; `sides` names the flags that set the image size."""
    try:
        yield
    except (MemoryError, RuntimeError, TypeError) as error:
        # Sides that overflow torch's integers raise no OutOfMemoryError.
        if not (is_out_of_memory(error) or "overflow" in str(error).lower()):
            raise
        raise InputError(f"{sides}: out of memory: use smaller sides or a smaller --n_samples") from error


def write_images(
    options: Options,
    outdir: str,
    batches: list[list[str]],
    sample: Sample,
    device: str,
    progress: ImageProgress,
) -> Output:
    """Sample all batches `n_iter` times; save each batch's images as it finishes, the grid at the end.

    The grid is composed of checked images without a watermark; each saved file gets one watermark.
    """

    def note(line: str) -> None:
        progress.notes([line])

    check = safety_checker(options.safety_checker, device, note)
    mark = watermark(options.watermark, note)
    folder = OutputFolder(typed_path(outdir))
    saved = 0
    for_grid: list[np.ndarray] = []
    progress.start(options.n_iter * sum(map(len, batches)))
    for prompts in batches * options.n_iter:
        images = check(_sampled(sample, prompts, progress))
        if not options.skip_save:
            for image in images:
                folder.save_sample(mark(image))
            saved += len(images)
        if not options.skip_grid:
            for_grid.extend(images)
        progress.finished(len(images))
    grid = None
    if for_grid:
        grid = folder.save_grid(mark(image_grid(for_grid, options.n_rows or options.n_samples)))
    return Output(saved, folder.samples, grid)


def _sampled(sample: Sample, prompts: list[str], progress: ImageProgress) -> np.ndarray:
    try:
        return sample(prompts, lambda done, total: progress.step(len(prompts), done, total))
    except ValueError as error:
        raise SamplingError(f"prompt {prompts[0]!r}: {error}") from error
