"""VQAScore: the probability that a vision-language model says "Yes" when asked if an image shows its prompt.

Lin et al., "Evaluating text-to-visual generation with image-to-text generation" (2024), section 3:
P("Yes" | image, 'Does this figure show "{prompt}"? Please answer yes or no.'). Values of different models are
on different scales, so a spec names the model: {name: "metrics.vqa_score:VqaScore", args: {model: ORG/NAME}}.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.errors import MetricsError
from metrics.features.base import one_line

__all__ = ["VqaScore"]

_QUESTION = 'Does this figure show "{}"? Please answer yes or no.'
_READ = (".json", ".jinja", ".model", ".safetensors", ".txt")
"""Endings of the files that determine what a model answers."""


class VqaScore:
    """A model of transformers from images and text to text that follows instructions, such as Qwen2.5-VL.

    Attributes:
        better: The direction of improvement.
        digest: The sha256 of the files of the model.
    """

    better = "higher"

    def __init__(self, model: str, answer: str = "Yes", device: str = "cpu") -> None:
        """Load a model in the precision of its file. No code that comes with it is run.

        Args:
            model: A folder, or the id of a repository in the cache of the Hugging Face hub.
            answer: The word whose probability is taken: that of its first token.
            device: A torch device.

        Raises:
            MetricsError: The model is not on this machine, cannot be loaded, or is of another kind.
        """
        folder = _folder(model)
        self.digest = _digest(model, folder)
        try:
            from transformers import AutoModelForImageTextToText, AutoProcessor

            self._processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
            self._model: Any = AutoModelForImageTextToText.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype="auto"
            )
        except Exception as error:  # the library and torch raise their own types
            raise MetricsError(f"{model}: cannot be loaded ({one_line(error)})") from error
        if getattr(self._model.config, "is_encoder_decoder", False):
            raise MetricsError(f"{model} has an encoder and a decoder: choose one with a decoder alone")
        if not getattr(self._processor, "chat_template", None):
            raise MetricsError(f"{model} has no chat template: choose one that follows instructions")
        self._model.eval().requires_grad_(False).to(device)
        self._device = device
        tokens = self._processor.tokenizer.encode(answer, add_special_tokens=False)
        if not tokens:
            raise MetricsError(f"{model} has no token for the answer {answer!r}")
        self._answer = tokens[0]

    def __call__(self, images: NDArray[np.uint8], prompts: Sequence[str]) -> NDArray[np.float64]:
        """Return the probabilities [B], 0 to 1, of images uint8 [B, H, W, 3] and their prompts.

        Each image is asked about alone: in a batch, padding could change the last bits.
        """
        return np.array([self._probability(*pair) for pair in zip(images, prompts, strict=True)])

    def _probability(self, image: NDArray[np.uint8], prompt: str) -> float:
        import torch
        from PIL import Image

        content = [
            {"type": "image", "image": Image.fromarray(image)},
            {"type": "text", "text": _QUESTION.format(prompt)},
        ]
        inputs = self._processor.apply_chat_template(
            [{"role": "user", "content": content}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        ).to(self._device, dtype=self._model.dtype)
        with torch.inference_mode():
            logits = self._model(**inputs).logits[0, -1].float()
        return float(logits.softmax(dim=-1)[self._answer])


def _folder(model: str) -> Path:
    """Return the folder of a model."""
    path = Path(model).expanduser()
    if path.is_dir():
        return path
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(model, local_files_only=True))
    except Exception as error:  # the hub client raises its own types
        why = f"is neither a folder nor a model in the hub's cache ({one_line(error)})"
        raise MetricsError(f"{model} {why}; fetch it with: hf download {model}") from None


def _digest(model: str, folder: Path) -> str:
    """Return the sha256 of the names and contents of the files that are read."""
    files = sorted(path for path in folder.iterdir() if path.suffix in _READ)
    if not any(path.suffix == ".safetensors" for path in files):
        raise MetricsError(f"{model} holds no .safetensors, and no other weights are read")
    whole = hashlib.sha256()
    for path in files:
        with path.open("rb") as stream:
            whole.update(f"{path.name} {hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return whole.hexdigest()
