"""Models: everything that turns prompts into images, behind one protocol.

A model is found first and loaded later. A found model is a `Source`: small, frozen, can be sent to another
process, knows its files and their digests. Loading it returns a `Model`, which generates images. There are
three kinds: the reference model (reference.py), diffusers pipelines (pipelines.py) and callables of
installed packages (callables.py). The rest of the harness does not depend on the kind.
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
"""Called with (steps done, number of steps) of the current batch."""


@dataclass(frozen=True)
class Images:
    """A batch of images.

    Attributes:
        pixels: uint8 [B, H, W, 3].
        evaluations: Evaluations of the denoiser per image (NFE); both halves of guidance count. None if
            they cannot be counted.
        finite: bool [B]: False if the model's output was NaN or infinite; such images are black.
        decoded_again: bool [B]: True if the image left float16's range and was decoded again in bfloat16.
            None if none was.
        guidance_scales: float32 [B, calls]: the plain guidance scale that each denoiser call amounts to, NaN
            where it is not known. None under plain guidance, and for models that do not say.
    """

    pixels: np.ndarray
    evaluations: int | None
    finite: np.ndarray
    decoded_again: np.ndarray | None = None
    guidance_scales: np.ndarray | None = None


class Model(Protocol):
    """A loaded model."""

    @property
    def digest(self) -> str:
        """A sha256 of the model's content."""

    @property
    def fills_batches(self) -> bool:
        """Whether a short batch may be filled up to the full size; False if each image may cost money."""

    def generate(self, prompts: Sequence[Prompt], settings: Settings, on_step: OnStep) -> Images:
        """Return an image for each prompt; ValueError if the model cannot make such images.

        All randomness of an image depends only on the seed of the settings and the id of its prompt.
        """

    def release(self) -> None:
        """Free the weights, so that two models need not fit into memory. The model is not used again."""


class Source(Protocol):
    """A model that was found but is not loaded."""

    @property
    def name(self) -> str:
        """Its name in the spec."""

    def files_digest(self) -> str:
        """Return the sha256 of its files; InputError if they changed since they were fetched."""

    def identify(self) -> str:
        """Return the digest that the loaded model will have; may load the model."""

    def config_digest(self) -> str:
        """Return the sha256 of everything that determines images besides the weights."""

    def check(self, settings: Settings) -> None:
        """Raise InputError if the model, as far as is known without its weights, cannot use the settings."""

    def load(self, device: str, arithmetic: Arithmetic = FULL, reuse: Model | None = None) -> Model:
        """Load the model onto `device`.

        Args:
            device: "cpu" or "cuda".
            arithmetic: How the model computes.
            reuse: A loaded model that is no longer needed. A model of the same kind and configuration gets
                the new weights in place, which saves memory and keeps its compiled code.

        Raises:
            InputError: The files do not hold a model.
        """

    def guided_by(self) -> str:
        """Return what the guidance scale of a spec is to the model; "" if that is not known."""

    def describe(self) -> Mapping[str, Any]:
        """Return what the manifest says about the model besides its digests, as a JSON object."""
