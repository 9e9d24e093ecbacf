"""LoRA: low-rank changes to weights (Hu et al., arXiv 2106.09685, Eq. 3), merged as a checkpoint is read."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from reference_model.checkpoints._files import DAMAGE, open_weights
from reference_model.checkpoints._safetensors import metadata_of
from reference_model.checkpoints._stored import StoredTensor
from reference_model.checkpoints.diffusers import their_names
from reference_model.config import ModelConfig
from reference_model.errors import CheckpointError

__all__ = ["Lora", "merge"]

FACTORS: tuple[str, ...] = (
    r"(?P<module>.+)\.lora_(?P<factor>down|up|A|B)(\.default)?\.weight",
    r"(?P<module>.+)\.lora(_linear_layer)?\.(?P<factor>down|up)\.weight",
    r"(?P<module>.+)\.processor\.(?P<layer>to_[qkv]|to_out)_lora\.(?P<factor>down|up)\.weight",
    r"(?P<module>.+)\.(?P<factor>alpha)",
)
"""Keys of kohya's trainers and of diffusers in its several forms: the module, and which factor it is."""

NAMES = {"A": "down", "B": "up"}
PREFIXES = {
    "lora_unet_": "unet",
    "lora_te_": "text_encoder",
    "unet.": "unet",
    "text_encoder.": "text_encoder",
}
OTHER_KINDS: tuple[tuple[str, str], ...] = (
    (
        r"\.hada_|\.lokr_|\.oft_|\.lora_mid\.|\.diff(_b)?$",
        "a kind of LyCORIS that is not supported",
    ),
    (r"dora_scale|magnitude_vector", "a DoRA, which is not supported"),
    (r"^lora_te[12]_|^text_encoder_2\.", "a LoRA for SDXL or another model with two text encoders"),
    (r"^transformer\.|^lora_transformer_", "a LoRA for a transformer such as SD3 or Flux"),
)
METADATA = "lora_adapter_metadata"
PLAIN = {"rank_pattern", "alpha_pattern", "use_rslora", "use_dora"}
"""Settings of PEFT that change the scale of layers; only files that leave them unset are supported."""


@dataclass(frozen=True)
class Lora:
    """A LoRA file, and the weight that its change is multiplied with: 0 is none, 1 as trained."""

    path: Path
    weight: float = 1.0


@dataclass(frozen=True)
class _Layer:
    """The factors of a layer: down [r, in, ...], up [out, r, ...], and alpha / r."""

    down: StoredTensor
    up: StoredTensor
    scale: float


def merge(
    stored: Mapping[str, StoredTensor], lora: Lora, wanted: Mapping[str, Tensor], config: ModelConfig
) -> dict[str, StoredTensor]:
    """The tensors with the change of the file added, computed in float32 when a tensor is read.

    W + weight * (alpha / r) * up @ down, with r the rank of the layer. Without an alpha, the ratio is 1.

    Args:
        stored: tensors under the names of the model's weights, in the model's shapes.
        lora: a file of kohya's trainers or of diffusers, for the denoiser and the text encoder.
        wanted: the model's weights by name.
        config: the model's configuration.

    Raises:
        CheckpointError: the file is damaged, of another kind, or has a layer that the model lacks.
    """
    places = _places(wanted, config)
    merged = dict(stored)
    for module, layer in _layers(lora.path).items():
        name = places.get(module)
        if name is None:
            raise CheckpointError(f"{lora.path} does not fit the checkpoint: the model has no layer {module}")
        _check_shapes(lora.path, module, layer, tuple(wanted[name].shape))
        merged[name] = StoredTensor(
            tuple(wanted[name].shape), partial(_changed, stored[name], layer, lora.weight * layer.scale)
        )
    return merged


def _changed(base: StoredTensor, layer: _Layer, factor: float) -> Tensor:
    weight = base.read().float()
    down, up = layer.down.read().float().flatten(1), layer.up.read().float().flatten(1)
    return weight + factor * (up @ down).reshape(weight.shape)


def _places(wanted: Mapping[str, Tensor], config: ModelConfig) -> dict[str, str]:
    """Module as LoRA files name it, "component:path_with_underscores" -> the model's weight."""
    places = {}
    for name in wanted:
        if name.endswith(".weight"):
            for theirs in their_names(name, config):
                component, _, key = theirs.partition("/")
                places[_module(component, key.removesuffix(".weight"))] = name
    return places


def _module(component: str, path: str) -> str:
    return f"{component}:{path.replace('.', '_')}"


def _layers(path: Path) -> dict[str, _Layer]:
    """The layers of a file by module."""
    tensors = open_weights(path, lora=True)
    for sign, kind in OTHER_KINDS:
        if any(re.search(sign, key) for key in tensors):
            raise CheckpointError(f"{path} is {kind}")
    parts: dict[str, dict[str, StoredTensor]] = {}
    for key, tensor in tensors.items():
        module, factor = _parsed(path, key)
        parts.setdefault(module, {})[factor] = tensor
    ratios = _stated_ratios(path)
    return {module: _layer(path, module, found, ratios) for module, found in parts.items()}


def _parsed(path: Path, key: str) -> tuple[str, str]:
    """The module and the factor that a key names."""
    found = next(filter(None, (re.fullmatch(pattern, key) for pattern in FACTORS)), None)
    if found is None:
        raise CheckpointError(f"{path} is not a LoRA of a supported kind: it has the key {key:.80}")
    parts = found.groupdict()
    module = parts["module"]
    prefix = next((prefix for prefix in PREFIXES if module.startswith(prefix)), "")
    component = PREFIXES.get(prefix, "unet")  # files of the first diffusers versions have no prefix
    layer = {"to_out": ".to_out.0", None: ""}.get(parts.get("layer"), f".{parts.get('layer')}")
    return _module(component, module.removeprefix(prefix) + layer), NAMES.get(
        parts["factor"], parts["factor"]
    )


def _layer(path: Path, module: str, parts: Mapping[str, StoredTensor], ratios: Mapping[str, float]) -> _Layer:
    missing = {"down", "up"} - parts.keys()
    if missing:
        raise CheckpointError(
            f"{path} is incomplete: {module} has no {' and no '.join(sorted(missing))} factor"
        )
    if "alpha" not in parts:
        return _Layer(parts["down"], parts["up"], ratios.get(module.partition(":")[0], 1.0))
    try:
        ratio = float(parts["alpha"].read()) / parts["down"].shape[0]
    except (*DAMAGE, ZeroDivisionError) as error:
        raise CheckpointError(f"{path} is damaged: the alpha of {module} cannot be read: {error}") from error
    return _Layer(parts["down"], parts["up"], ratio)


def _check_shapes(path: Path, module: str, layer: _Layer, wanted: tuple[int, ...]) -> None:
    down, up = layer.down.shape, layer.up.shape
    fits = (
        len(down) >= 2
        and len(up) >= 2
        and up[:2] == (wanted[0], down[0])
        and math.prod(up[2:]) == 1
        and math.prod(down[1:]) == math.prod(wanted[1:])
    )
    if not fits:
        raise CheckpointError(
            f"{path} does not fit the checkpoint: the factors {up} and {down} of {module} make no {wanted}"
        )


def _stated_ratios(path: Path) -> dict[str, float]:
    """Component -> alpha / r, from the metadata that diffusers writes; empty without them."""
    text = metadata_of(path).get(METADATA)
    if text is None:
        return {}
    try:
        stated: dict[str, Any] = json.loads(text)
        unusual = [key for key, value in stated.items() if key.rpartition(".")[2] in PLAIN and value]
        ratios = {
            component: float(stated[f"{component}.lora_alpha"]) / float(stated[f"{component}.r"])
            for component in ("unet", "text_encoder")
            if f"{component}.r" in stated
        }
    except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError, RecursionError):
        raise CheckpointError(f"{path}: its {METADATA} cannot be read") from None
    if unusual:
        raise CheckpointError(f"{path}: its {METADATA} sets {unusual[0]}, which is not supported")
    return ratios
