"""The published safety checker of Stable Diffusion, run by diffusers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from huggingface_hub import constants
from safetensors import SafetensorError

from sdbench.core.errors import InputError, one_line
from sdbench.models.hub import cached_file, is_hub_id
from sdbench.tools.compvis.arguments import CHECKER

__all__ = ["SafetyChecker", "safety_checker"]

Check = Callable[[np.ndarray], np.ndarray]
"""Images uint8 [B, H, W, 3] -> the same images, unsafe ones replaced with black."""

FAILURES = (ImportError, OSError, RuntimeError, SafetensorError, ValueError)
"""What the libraries raise if a checker is missing or damaged."""


class SafetyChecker:
    """Replaces images whose CLIP embedding is close to one of the checker's concepts with black ones."""

    def __init__(self, checker: Any, processor: Any, note: Callable[[str], None]) -> None:
        self._checker = checker
        self._processor = processor
        self._note = note

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return the images uint8 [B, H, W, 3], unsafe ones replaced with black."""
        inputs = self._processor(list(images), return_tensors="pt").pixel_values.to(self._checker.device)
        _, unsafe = self._checker(clip_input=inputs, images=list(images))
        if any(unsafe):
            self._note(f"the safety checker replaced {sum(unsafe)} of {len(unsafe)} images with black ones")
        return np.where(np.array(unsafe)[:, None, None, None], np.uint8(0), images)


def safety_checker(choice: str, device: str, note: Callable[[str], None]) -> Check:
    """Return the check that `choice` asks for.

    Args:
        choice: "off", "auto" (the published checker if it is on disk), or a folder or hub id.
        device: Where the checker runs.
        note: Receives a line if "auto" finds no checker, or if images are replaced.

    Raises:
        InputError: The checker that `choice` names cannot be loaded.
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
    # Look in the cache first: importing the libraries takes seconds.
    if cached_file(CHECKER, "config.json") is not None:
        try:
            return _load(CHECKER, device, note, download=False)
        except FAILURES as error:
            reason = one_line(error)
    note(
        f"images are not checked for safety ({reason}; it needs pip install 'sdbench[diffusers]'; "
        "--safety-checker off hides this note)"
    )
    return _unchecked


def _reason(choice: str, error: BaseException) -> str:
    missing = isinstance(error, OSError) and is_hub_id(choice) and not Path(choice).exists()
    if missing and constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set and the cache does not contain all files; unset it, or give a folder"
    return one_line(error)


def _unchecked(images: np.ndarray) -> np.ndarray:
    return images


def _load(source: str, device: str, note: Callable[[str], None], *, download: bool) -> SafetyChecker:
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from diffusers.utils import logging
    from transformers import CLIPImageProcessor

    logging.set_verbosity_error()  # SafetyChecker reports unsafe images itself
    processor = CLIPImageProcessor.from_pretrained(source, local_files_only=not download)
    checker: Any = StableDiffusionSafetyChecker.from_pretrained(source, local_files_only=not download)
    return SafetyChecker(checker.to(device).eval(), processor, note)
