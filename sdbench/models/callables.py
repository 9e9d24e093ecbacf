"""Callables of installed packages in a sweep: the entry point group `sdbench.models`."""

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
from sdbench.models.counting import image_seed
from sdbench.models.settings import Settings
from sdbench.models.sources import CallableSource

__all__ = ["CallableModel", "CallableSettings", "load_callable"]


@dataclass(frozen=True)
class CallableSettings(Settings):
    """What a function is asked to do, and where: `device` is "cpu" or "cuda"."""

    device: str = "cpu"


class CallableModel:
    """A `Model` round a function (prompts, seeds, settings) -> images.

    `seeds` holds an integer for each prompt, from the seed of the spec and the prompt's id. Images are
    uint8 [B, H, W, 3] or a list of B images that NumPy reads as [H, W, 3], such as PIL's.
    """

    def __init__(self, function: Callable[..., Any], digest: str, device: str) -> None:
        self._function = function
        self._digest = digest
        self._device = device

    @property
    def digest(self) -> str:
        """The digest of where the function comes from and what it declares."""
        return self._digest

    def generate(self, prompts: Sequence[Prompt], settings: Settings, on_step: OnStep) -> Images:
        """Call the function; its evaluations are unknown."""
        sides = (settings.height, settings.width)
        asked = CallableSettings(**asdict(settings), device=self._device)
        seeds = [image_seed(settings.seed, prompt.id) for prompt in prompts]
        try:
            result = self._function([prompt.text for prompt in prompts], seeds, asked)
            pixels = result if isinstance(result, np.ndarray) else np.stack([np.asarray(x) for x in result])
        except Exception as error:  # it is not our code, so anything may be wrong in it
            raise ValueError(f"the model raised {type(error).__name__}: {one_line(error)}") from error
        if pixels.dtype != np.uint8 or pixels.shape != (len(prompts), *sides, 3):
            raise ValueError(
                f"the model gave {pixels.dtype} {list(pixels.shape)}, asked for "
                f"uint8 {[len(prompts), *sides, 3]}"
            )
        return Images(pixels, None, np.ones(len(prompts), bool))

    def release(self) -> None:
        """The package keeps what it keeps."""


def load_callable(source: CallableSource, device: str) -> CallableModel:
    """Import the entry point's object; InputError where that fails or it cannot be called."""
    point = source.entry_point
    try:
        function = point.load()
    except Exception as error:  # whatever a package raises while it is imported
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
    """Of the file that defines it: an editable installation changes without changing its version."""
    try:
        file = inspect.getsourcefile(function if inspect.isroutine(function) else type(function))
    except TypeError:
        return None
    return digest_file(Path(file)) if file else None
