"""Models: whatever turns prompts into images, behind one protocol.

A model is found before it is loaded. What was found is a `Source`: small, frozen, can be sent to another
process, knows its files and their digests. Loading it gives a `Model`, which the worker asks for images.
The kinds are the reference model (reference.py), diffusers pipelines (pipelines.py) and callables of
installed packages (callables.py); nothing else in the harness knows which kind it has before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sdbench.core.precision import FULL

if TYPE_CHECKING:
    import numpy as np

    from sdbench.core.precision import Arithmetic
    from sdbench.data.prompts import Prompt
    from sdbench.models.settings import Settings

__all__ = ["Images", "Model", "OnStep", "Source"]

OnStep = Callable[[int, int], None]
"""Told (steps done, steps in all) of the batch under way."""


@dataclass(frozen=True)
class Images:
    """A batch: uint8 [B, H, W, 3], and the evaluations of the denoiser (NFE) that each image took.

    Both halves of guidance are counted. None stands for a model that cannot be watched. `finite` [B] says
    which images are made of finite numbers; the others are black.
    """

    pixels: np.ndarray
    evaluations: int | None
    finite: np.ndarray


class Model(Protocol):
    """A loaded model."""

    @property
    def digest(self) -> str:
        """What it is by content, as a sha256."""

    def generate(self, prompts: Sequence[Prompt], settings: Settings, on_step: OnStep) -> Images:
        """The images of a batch of prompts.

        All that is random depends on the seed of the settings and each prompt's id alone. Raises ValueError
        if the model cannot make such images.
        """

    def release(self) -> None:
        """Let go of the weights: two models do not have to fit into memory. It is not used afterwards."""


class Source(Protocol):
    """A model that was found and is not loaded."""

    @property
    def name(self) -> str:
        """The name that the spec gives it."""

    def files_digest(self) -> str:
        """The sha256 of what lies on disk; InputError where it is not what was fetched."""

    def identify(self) -> str:
        """The digest that the loaded model will have; may load it."""

    def config_digest(self) -> str:
        """The sha256 of all else that makes images and is not in the weights."""

    def check(self, settings: Settings) -> None:
        """Raise InputError if it is plain without the weights that the model cannot follow the settings."""

    def load(self, device: str, arithmetic: Arithmetic = FULL, reuse: Model | None = None) -> Model:
        """The model on `device`; InputError where the files do not hold one.

        `reuse` is a loaded model that is not needed any more: a source of the same kind and configuration
        gives it these weights in place, which saves memory and keeps what was compiled.
        """

    def describe(self) -> Mapping[str, Any]:
        """What the manifest says of it beside the digests, as a JSON value."""
