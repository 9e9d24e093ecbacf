"""Refuse .safetensors files whose metadata contradict the model that they are loaded as."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from reference_model.errors import CheckpointError

__all__ = ["check_metadata"]

_LORA = "it says that it is a LoRA or the like: give it as 'lora', beside the checkpoint that it changes"
_OTHER = "it says that it is another architecture than Stable Diffusion v1"
_V = "it says that it was trained with v-prediction, which is not supported"

CLAIMS: tuple[tuple[str, str, str], ...] = (
    (r"modelspec\.prediction_type", r"v(_?prediction)?", _V),
    (r"ss_v_parameterization", r"true|1", _V),
    (r"modelspec\.architecture", r".*/.*", _LORA),
    (r"ss_network_module|ss_network_dim", r"(?!none$).+", _LORA),
    (r"modelspec\.architecture", r"(?!stable-diffusion-v1($|-|/)|latent-diffusion).+", _OTHER),
    (r"ss_v2", r"true|1", _OTHER),
    (r"ss_base_model_version", r"(?!sd_v1|sd_1).+", _OTHER),
)
"""Keys of the Stability AI model specification and of kohya's trainers, unsupported values, and why.

Keys and values are patterns for the whole text in lower case.
"""


def check_metadata(path: Path, metadata: Mapping[str, str], *, lora: bool) -> None:
    """Raise CheckpointError if the metadata declare an unsupported model; a LoRA is one, unless ``lora``."""
    claims = [claim for claim in CLAIMS if not (lora and claim[2] is _LORA)]
    for key, value in metadata.items():
        for keys, values, cause in claims:
            if re.fullmatch(keys, key.lower()) and re.fullmatch(values, value.strip().lower()):
                raise CheckpointError(f"{path}: {cause} ({key}: {value:.60})")
