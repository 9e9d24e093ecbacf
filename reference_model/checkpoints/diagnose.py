"""Guess what a set of weights is if it does not fit the model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

__all__ = ["likely_cause", "sign_of"]

Shape = tuple[int, ...]

SIGNS: tuple[tuple[str, str], ...] = (
    (
        r"lora[._](up|down|linear_layer|A|B)\b|^lora_|\.hada_w",
        "this is a LoRA: give it as 'lora', beside the checkpoint that it changes",
    ),
    (r"^(string_to_param|string_to_token|emb_params)", "this is a textual inversion, not a checkpoint"),
    (r"^(v_pred|ztsnr)$", "it was trained with v-prediction, which is not supported"),
    (
        r"^control_model\.|^controlnet_|^input_hint_block\.|zero_convs",
        "this is a ControlNet, not a checkpoint",
    ),
    (r"^conditioner\.embedders\.|\.label_emb\.", "this is SDXL, which is not supported as a file"),
    (r"^cond_stage_model\.model\.", "this is Stable Diffusion 2.x, which is not supported"),
    (
        r"joint_blocks\.|double_blocks\.",
        "this is a transformer such as SD3 or Flux, which is not supported as a file",
    ),
    (
        r"^(unet|vae|text_encoder)\.|^(down_blocks|mid_block|up_blocks)\.",
        "this is a part of a diffusers folder: give the folder",
    ),
    (r"^(encoder|decoder)\.(conv_in|down|up|mid)", "this is an autoencoder alone"),
    (r"^text_model\.", "this is a text encoder alone"),
    (
        r"^(input_blocks|middle_block|output_blocks)\.",
        "this is a denoiser alone, its keys without 'model.diffusion_model.'",
    ),
)
"""Keys that reveal another kind of file, and what to report about it; the first match counts."""

BERT_SIGN = "cond_stage_model.transformer.attn_layers."
PARTS = {
    "model.diffusion_model.": "denoiser",
    "first_stage_model.": "autoencoder",
    "cond_stage_model.": "text encoder",
}


def likely_cause(found: Mapping[str, Shape], wanted: Mapping[str, Shape], only_gaps: bool) -> str:
    """One clause on why the tensors ``found`` (name -> shape) do not fit those ``wanted``.

    ``only_gaps``: everything found fits, but something is missing.
    """
    return (
        sign_of(found) or _by_shape(found) or _by_encoder(found, wanted) or _by_gap(found, wanted, only_gaps)
    )


def sign_of(keys: Iterable[str]) -> str:
    """The kind of file that the keys reveal, or "" if they reveal nothing."""
    names = list(keys)
    return next((cause for pattern, cause in SIGNS if any(re.search(pattern, key) for key in names)), "")


def _by_shape(found: Mapping[str, Shape]) -> str:
    """The kind of model that the denoiser's context width and input channels reveal."""
    for key, shape in found.items():
        if key.endswith("attn2.to_k.weight") and shape[1:] == (1024,):
            return "this is Stable Diffusion 2.x (context of 1024 channels), which is not supported"
        if key.endswith("attn2.to_k.weight") and shape[1:] == (2048,):
            return "this is SDXL (context of 2048 channels), which is not supported as a file"
        if key.endswith(".proj_in.weight") and len(shape) == 2:
            return "this is Stable Diffusion 2.x (linear proj_in), which is not supported"
        if key == "model.diffusion_model.input_blocks.0.0.weight" and shape[1:2] in {(5,), (8,), (9,)}:
            return f"this is an inpainting or image-conditioned model ({shape[1]} input channels)"
    return ""


def _by_encoder(found: Mapping[str, Shape], wanted: Mapping[str, Shape]) -> str:
    bert = [any(key.startswith(BERT_SIGN) for key in keys) for keys in (found, wanted)]
    if bert == [True, False]:
        return "this is the LAION-400M model: use its config"
    if bert == [False, True]:
        return "the config describes the LAION-400M model, the file does not hold it"
    return ""


def _by_gap(found: Mapping[str, Shape], wanted: Mapping[str, Shape], only_gaps: bool) -> str:
    for prefix, part in PARTS.items():
        if any(key.startswith(prefix) for key in wanted) and not any(key.startswith(prefix) for key in found):
            return f"it holds no {part} ({prefix}*)"
    if only_gaps:
        return "the file is incomplete, or the config is another model's"
    return "check the config"
