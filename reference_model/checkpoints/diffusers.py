"""The key layout of diffusers folders, expressed as renamings of the original one.

The weights have the same values. The layouts differ in names, in the order of the decoder's levels, and in
attention layers that are linear in one and 1x1 convolutions in the other.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from reference_model.checkpoints._stored import StoredTensor
from reference_model.config import AutoencoderConfig, ModelConfig, UNetConfig

__all__ = ["COMPONENTS", "original_layout", "their_names"]

COMPONENTS = {
    "model.diffusion_model.": "unet",
    "first_stage_model.": "vae",
    "cond_stage_model.transformer.": "text_encoder",
}
"""Key prefix of each part of the model -> its component in a folder."""

UNET_LAYERS = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}
VAE_LAYERS = {
    "nin_shortcut": "conv_shortcut",
    "norm": "group_norm",
    "q": "to_q",
    "k": "to_k",
    "v": "to_v",
    "proj_out": "to_out.0",
}
VAE_LAYERS_BEFORE_0_15 = {"q": "query", "k": "key", "v": "value", "proj_out": "proj_attn"}
KNOWN_EXTRAS = frozenset(
    {
        "text_encoder/text_model.embeddings.position_ids",
        "text_encoder/embeddings.position_ids",
        "text_encoder/text_projection.weight",
        "text_encoder/logit_scale",
    }
)


def unet_modules(config: UNetConfig) -> dict[str, str]:
    """Module of the denoiser -> its name in diffusers."""
    names = {
        "time_embed.0": "time_embedding.linear_1",
        "time_embed.2": "time_embedding.linear_2",
        "input_blocks.0.0": "conv_in",
        "middle_block.0": "mid_block.resnets.0",
        "middle_block.1": "mid_block.attentions.0",
        "middle_block.2": "mid_block.resnets.1",
        "out.0": "conv_norm_out",
        "out.2": "conv_out",
    }
    blocks = config.num_res_blocks
    for level in range(len(config.channel_mult)):
        first = level * (blocks + 1)
        for i in range(blocks):
            names[f"input_blocks.{first + 1 + i}.0"] = f"down_blocks.{level}.resnets.{i}"
            names[f"input_blocks.{first + 1 + i}.1"] = f"down_blocks.{level}.attentions.{i}"
        names[f"input_blocks.{first + 1 + blocks}.0.op"] = f"down_blocks.{level}.downsamplers.0.conv"
        for i in range(blocks + 1):
            names[f"output_blocks.{first + i}.0"] = f"up_blocks.{level}.resnets.{i}"
            names[f"output_blocks.{first + i}.1"] = f"up_blocks.{level}.attentions.{i}"
        for place in (1, 2):  # after the attention, if any
            names[f"output_blocks.{first + blocks}.{place}.conv"] = f"up_blocks.{level}.upsamplers.0.conv"
    return names


def vae_modules(config: AutoencoderConfig) -> dict[str, str]:
    """Module of the autoencoder -> its name in diffusers, whose decoder counts levels in reverse."""
    names = {}
    for half in ("encoder", "decoder"):
        names[f"{half}.mid.block_1"] = f"{half}.mid_block.resnets.0"
        names[f"{half}.mid.block_2"] = f"{half}.mid_block.resnets.1"
        names[f"{half}.mid.attn_1"] = f"{half}.mid_block.attentions.0"
        names[f"{half}.norm_out"] = f"{half}.conv_norm_out"
    levels = len(config.ch_mult)
    for level in range(levels):
        down, up = f"encoder.down_blocks.{level}", f"decoder.up_blocks.{levels - 1 - level}"
        for i in range(config.num_res_blocks + 1):
            names[f"encoder.down.{level}.block.{i}"] = f"{down}.resnets.{i}"
            names[f"decoder.up.{level}.block.{i}"] = f"{up}.resnets.{i}"
        names[f"encoder.down.{level}.downsample"] = f"{down}.downsamplers.0"
        names[f"decoder.up.{level}.upsample"] = f"{up}.upsamplers.0"
    return names


def their_names(name: str, config: ModelConfig) -> tuple[str, ...]:
    """The names "component/key" that the model's weight ``name`` may have in a folder."""
    prefix = next(prefix for prefix in COMPONENTS if name.startswith(prefix))
    component, key = COMPONENTS[prefix], name.removeprefix(prefix)
    keys: tuple[str, ...]
    if component == "text_encoder":
        # transformers 5 omits the outer module.
        keys = (key, key.removeprefix("text_model."))
    elif component == "unet":
        keys = (_renamed(key, unet_modules(config.unet), UNET_LAYERS),)
    else:
        modules = vae_modules(config.autoencoder)
        keys = tuple(_renamed(key, modules, VAE_LAYERS | old) for old in ({}, VAE_LAYERS_BEFORE_0_15))
    return tuple(f"{component}/{key}" for key in keys)


def _renamed(key: str, modules: Mapping[str, str], layers: Mapping[str, str]) -> str:
    """Rename the longest known module at the start of ``key``, then the layer within it."""
    path, _, leaf = key.rpartition(".")
    module = path
    while module and module not in modules:
        module = module.rpartition(".")[0]
    layer = path.removeprefix(module).removeprefix(".")
    parts = (modules.get(module, ""), layers.get(layer, layer), leaf)
    return ".".join(part for part in parts if part)


def original_layout(
    folder: Mapping[str, StoredTensor], wanted: Mapping[str, Tensor], config: ModelConfig
) -> dict[str, StoredTensor]:
    """The tensors of a folder under the model's names; those that the model does not need keep theirs."""
    rest = {key: tensor for key, tensor in folder.items() if key not in KNOWN_EXTRAS}
    tensors = {}
    for name, target in wanted.items():
        found = [key for key in their_names(name, config) if key in rest]
        if found:
            tensors[name] = _as_convolution(rest.pop(found[0]), tuple(target.shape))
    return tensors | rest


def _as_convolution(tensor: StoredTensor, shape: tuple[int, ...]) -> StoredTensor:
    """Reshape a linear layer's weight [out, in] to that of the equivalent 1x1 convolution [out, in, 1, 1]."""
    if (*tensor.shape, 1, 1) != shape:
        return tensor
    return StoredTensor(shape, lambda: tensor.read().reshape(shape))
