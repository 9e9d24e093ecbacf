"""The interface of extractors, and the digest of their weights."""

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
        """Hexadecimal sha256 of the weights."""

    @property
    def dim(self) -> int:
        """Length of a feature vector."""

    def images(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the features [B, dim] of images uint8 [B, H, W, 3]; MetricsError for anything else."""


class TextExtractor(Extractor, Protocol):
    """An extractor that maps texts into the same space as images."""

    def texts(self, texts: list[str]) -> NDArray[np.float32]:
        """Return the features [B, dim] of B texts."""


def normalised(
    pixels: NDArray[np.uint8], mean: Sequence[float], std: Sequence[float], device: str
) -> torch.Tensor:
    """Return pixels uint8 [B, H, W, 3] as float32 [B, 3, H, W]: scaled to 0..1, less mean, over std."""
    shift, scale = (torch.tensor(values, device=device) for values in (mean, std))
    return ((torch.tensor(pixels, device=device) / 255 - shift) / scale).permute(0, 3, 1, 2)


def module_digest(module: torch.nn.Module) -> str:
    """Return the sha256 of the names, types, shapes and values of a module's weights, in order of name.

    It is taken from the loaded weights, so the format of the file makes no difference.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def one_line(error: BaseException) -> str:
    """Return an error's type and the start of its first line, for a message of one line."""
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first[:200]}"
