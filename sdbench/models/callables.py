"""Callables of installed packages as models: the entry point group `sdbench.models`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sdbench.core.digest import digest_file, digest_value
from sdbench.core.errors import InputError, one_line
from sdbench.data.prompts import Prompt
from sdbench.models import Images, OnStep
from sdbench.models.settings import Settings
from sdbench.models.sources import CallableSource

__all__ = ["CallableModel", "CallableSettings", "load_callable"]


@dataclass(frozen=True)
class CallableSettings(Settings):
    """The settings, the device ("cpu" or "cuda"), and a negative prompt for each prompt, "" for none."""

    device: str = "cpu"
    negative_prompts: tuple[str, ...] = ()


class CallableModel:
    """A `Model` that calls a function (prompts, seeds, settings) -> images.

    `seeds` holds an integer for each prompt, computed from the seed of the spec and the id of the prompt.
    Images are uint8 [B, H, W, 3], or a list of B images that NumPy reads as [H, W, 3], such as PIL images.
    """

    def __init__(self, function: Callable[..., Any], digest: str, device: str) -> None:
        self._function = function
        self._digest = digest
        self._device = device

    @property
    def digest(self) -> str:
        """The digest of the function's origin and of what it declares about itself."""
        return self._digest

    @property
    def fills_batches(self) -> bool:
        """False: the function may be a service that is paid per image."""
        return False

    def generate(self, prompts: Sequence[Prompt], settings: Settings, on_step: OnStep) -> Images:
        """Call the function; its number of evaluations is unknown."""
        sides = (settings.height, settings.width)
        negatives = tuple(settings.negatives(prompts))
        asked = CallableSettings(**asdict(settings), device=self._device, negative_prompts=negatives)
        seeds = [settings.image_seed(prompt.id) for prompt in prompts]
        try:
            result = self._function([prompt.text for prompt in prompts], seeds, asked)
            pixels = result if isinstance(result, np.ndarray) else np.stack([np.asarray(x) for x in result])
        except Exception as error:  # third-party code may raise anything
            raise ValueError(f"the model raised {type(error).__name__}: {one_line(error)}") from error
        if pixels.dtype != np.uint8 or pixels.shape != (len(prompts), *sides, 3):
            raise ValueError(
                f"the model returned {pixels.dtype} {list(pixels.shape)}, expected "
                f"uint8 {[len(prompts), *sides, 3]}"
            )
        return Images(pixels, None, np.ones(len(prompts), bool))

    def release(self) -> None:
        """Do nothing: the package manages its own memory."""


def load_callable(source: CallableSource, device: str) -> CallableModel:
    """Import the object of the entry point; InputError if that fails or the object is not callable."""
    point = source.entry_point
    try:
        function = point.load()
    except Exception as error:  # importing a package may raise anything
        raise InputError(
            f"checkpoint {source.name}: {point.value} cannot be imported: {one_line(error)}"
        ) from None
    if not callable(function):
        raise InputError(f"checkpoint {source.name}: {point.value} is not callable")
    identity = {
        **source.describe(),
        "source": _source_digest(function),
        "identity": getattr(function, "identity", None),
    }
    return CallableModel(function, digest_value(identity), device)


def _source_digest(function: Any) -> str | None:
    """Return the digest of the defining file: an editable install can change while its version stays."""
    try:
        file = inspect.getsourcefile(function if inspect.isroutine(function) else type(function))
    except TypeError:
        return None
    return digest_file(Path(file)) if file else None
