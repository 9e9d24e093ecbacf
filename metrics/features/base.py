"""The interface of extractors, and the digest of their weights."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from metrics.errors import MetricsError

__all__ = [
    "Extractor",
    "PromptedValues",
    "TextExtractor",
    "check_weights",
    "module_digest",
    "normalised",
    "one_line",
]

_FOREIGN = {
    b"<": "a web page, not weights; download the file again",
    b"version https://git-lfs": "a Git LFS pointer, not weights; run 'git lfs pull'",
}
"""First bytes of files that people take for weights."""


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


class PromptedValues(Protocol):
    """From an image and its prompt to one number or a few, which no features of either give."""

    @property
    def digest(self) -> str:
        """Hexadecimal sha256 of the weights, or of whatever determines the values."""

    def __call__(self, images: NDArray[np.uint8], prompts: Sequence[str]) -> NDArray[np.float64]:
        """Return the values, [B] or [B, dim], of images uint8 [B, H, W, 3] and their B prompts."""


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


def check_weights(name: str, path: Path) -> None:
    """Raise MetricsError if ``path`` is missing, empty, or a pointer or page in the place of weights."""
    if not path.is_file():
        raise MetricsError(f"{name}: the weights {path} do not exist")
    with path.open("rb") as stream:
        head = stream.read(64)
    if not head:
        raise MetricsError(f"{name}: {path} is empty; download the file again")
    for start, kind in _FOREIGN.items():
        if head.lstrip().startswith(start):
            raise MetricsError(f"{name}: {path} is {kind}")


def one_line(error: BaseException) -> str:
    """Return an error's type and the start of its first line, for a message of one line.

    Of a pickle that holds more than tensors it says just that: torch's own words advise to run what it holds.
    """
    if isinstance(error, pickle.UnpicklingError):
        return "the file is damaged or holds more than tensors, and nothing in it was run"
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first[:200]}"
