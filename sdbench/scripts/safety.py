"""The published safety checker of Stable Diffusion, through its library."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from huggingface_hub import constants
from safetensors import SafetensorError

from sdbench.errors import InputError, one_line
from sdbench.models.hub import cached_file, is_hub_id
from sdbench.scripts.arguments import CHECKER

__all__ = ["SafetyChecker", "safety_checker"]

Check = Callable[[np.ndarray], np.ndarray]
"""Images uint8 [B, H, W, 3] -> the same, with black ones in place of unsafe ones."""

FAILURES = (ImportError, OSError, RuntimeError, SafetensorError, ValueError)
"""What the libraries raise where a checker is missing or damaged."""


class SafetyChecker:
    """Blackens images whose CLIP embedding comes close to one of the checker's concepts."""

    def __init__(self, checker: Any, processor: Any, note: Callable[[str], None]) -> None:
        self._checker = checker
        self._processor = processor
        self._note = note

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """uint8 [B, H, W, 3] -> the same, with black in place of what the checker holds back."""
        inputs = self._processor(list(images), return_tensors="pt").pixel_values.to(self._checker.device)
        _, unsafe = self._checker(clip_input=inputs, images=list(images))
        if any(unsafe):
            self._note(f"the safety checker replaced {sum(unsafe)} of {len(unsafe)} images by black ones")
        return np.where(np.array(unsafe)[:, None, None, None], np.uint8(0), images)


def safety_checker(choice: str, device: str, note: Callable[[str], None]) -> Check:
    """The check for "off", "auto" (the published checker where it is on disk), or a folder or hub id.

    `note` is told where "auto" finds none. Raises InputError where a checker that was named cannot be had.
    """
    if choice == "off":
        return _unchecked
    if choice != "auto":
        try:
            return _load(choice, device, note, download=True)
        except FAILURES as error:
            reason = _reason(choice, error)
            raise InputError(f"--safety-checker {choice}: cannot be loaded: {reason}") from None
    reason = f"--safety-checker {CHECKER} downloads the published checker"
    # Asked first, since the libraries take seconds to import.
    if cached_file(CHECKER, "config.json") is not None:
        try:
            return _load(CHECKER, device, note, download=False)
        except FAILURES as error:
            reason = one_line(error)
    note(
        f"images are not checked for safety ({reason}; it needs pip install 'sdbench[diffusers]'; "
        "--safety-checker off says that none is wanted)"
    )
    return _unchecked


def _reason(choice: str, error: BaseException) -> str:
    missing = isinstance(error, OSError) and is_hub_id(choice) and not Path(choice).exists()
    if missing and constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set and the cache does not hold all of it; unset it, or give a folder"
    return one_line(error)


def _unchecked(images: np.ndarray) -> np.ndarray:
    return images


def _load(source: str, device: str, note: Callable[[str], None], *, download: bool) -> SafetyChecker:
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from diffusers.utils import logging
    from transformers import CLIPImageProcessor

    logging.set_verbosity_error()  # its warning about unsafe images is said in our words
    processor = CLIPImageProcessor.from_pretrained(source, local_files_only=not download)
    checker: Any = StableDiffusionSafetyChecker.from_pretrained(source, local_files_only=not download)
    return SafetyChecker(checker.to(device).eval(), processor, note)
