"""What every extractor offers, and the identity of its weights."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["Extractor", "TextExtractor", "module_digest", "normalised", "one_line"]


class Extractor(Protocol):
    """A frozen network from images to vectors."""

    @property
    def name(self) -> str:
        """The key in EXTRACTORS."""

    @property
    def digest(self) -> str:
        """The sha256 of the weights, in hexadecimal."""

    @property
    def dim(self) -> int:
        """The length of a feature vector."""

    def images(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the features [B, dim] of images uint8 [B, H, W, 3]; MetricsError for anything else."""


class TextExtractor(Extractor, Protocol):
    """An extractor that places texts in the space of its images."""

    def texts(self, texts: list[str]) -> NDArray[np.float32]:
        """Return the features [B, dim] of B texts."""


def normalised(
    pixels: NDArray[np.uint8], mean: Sequence[float], std: Sequence[float], device: str
) -> torch.Tensor:
    """Bring pixels uint8 [B, H, W, 3] to float32 [B, 3, H, W]: on the 0..1 scale, less mean, over std."""
    shift, scale = (torch.tensor(values, device=device) for values in (mean, std))
    return ((torch.tensor(pixels, device=device) / 255 - shift) / scale).permute(0, 3, 1, 2)


def module_digest(module: torch.nn.Module) -> str:
    """Return the sha256 over names, types, shapes and values of a module's weights, in order of name.

    Taken from what was loaded, not from the file: the same weights in another container are the same.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def one_line(error: BaseException) -> str:
    """Return an error's type and the first line of its text, short enough for a message of one line."""
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first[:200]}"
