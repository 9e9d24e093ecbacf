"""The whole model: autoencoder, denoiser, text encoder, tokenizer and schedule in one module."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from copy import deepcopy
from functools import cached_property

import torch
from torch import Tensor, nn

from reference_model.attention import Context
from reference_model.autoencoder import Autoencoder, Posterior
from reference_model.bert_encoder import BertEncoder
from reference_model.bert_tokenizer import BertTokenizer
from reference_model.computation import computed
from reference_model.config import BertConfig, ModelConfig
from reference_model.schedule import Schedule
from reference_model.text_encoder import TextEncoder
from reference_model.tokenizer import Tokenizer, clip_merges, read_merges
from reference_model.unet import UNet

__all__ = ["LatentDiffusion", "WeightsDigest"]


class LatentDiffusion(nn.Module):
    """Stable Diffusion v1, the LAION-400M model or a smaller relative (Rombach et al. 2022).

    Submodules carry the names of the published checkpoints: ``model.diffusion_model``,
    ``first_stage_model``, ``cond_stage_model``.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.schedule = Schedule(config.schedule)
        self.model = nn.ModuleDict({"diffusion_model": UNet(config.unet)})
        self.first_stage_model = Autoencoder(config.autoencoder)
        text = config.text_encoder
        self.cond_stage_model = BertEncoder(text) if isinstance(text, BertConfig) else TextEncoder(text)
        self.evaluations = 0
        self.compute_in("full", compiled=False)

    @property
    def unet(self) -> UNet:
        """The denoiser."""
        return self.model["diffusion_model"]  # type: ignore[return-value]

    def compute_in(self, precision: str, *, compiled: bool) -> None:
        """Choose how denoiser and autoencoder compute; see `computed`. The text encoder stays in float32.

        Half precision rounds the weights: only loading them again restores them.
        """
        unet, autoencoder = self.unet, self.first_stage_model
        self._exact = precision == "full" and not compiled
        # Methods, because assigning a module would register it under a second name.
        self._denoise = computed(unet, unet.__call__, precision, compiled=compiled, exact=(1,))
        self._decode = computed(autoencoder, autoencoder.decode, precision, compiled=compiled)

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return next(self.parameters()).device

    @cached_property
    def tokenizer(self) -> Tokenizer | BertTokenizer:
        """The tokenizer with which the text encoder was trained."""
        text = self.config.text_encoder
        if isinstance(text, BertConfig):
            return BertTokenizer(text.vocabulary_file, text.max_seq_len)
        merges = clip_merges() if text.merges is None else read_merges(text.merges)
        return Tokenizer(merges, text.max_position_embeddings)

    @cached_property
    def weights_digest(self) -> str:
        """sha256 over names, shapes, types and values of all weights: identifies the checkpoint."""
        return _digest(self)

    @property
    def text_digest(self) -> str:
        """Digests of the tokenizer's vocabulary and the text encoder's weights: equal ones encode alike."""
        vocabulary = hashlib.sha256(self.config.text_encoder.vocabulary).hexdigest()
        return f"{vocabulary} {_digest(self.cond_stage_model)}"

    @torch.inference_mode()
    def encode_prompts(self, prompts: list[str]) -> Tensor:
        """Prompts -> context [B, L, D], on the model's device."""
        return self.cond_stage_model(self.tokenizer(prompts).to(self.device))

    def denoise(self, x: Tensor, timesteps: Tensor, context: Tensor | Context) -> Tensor:
        """Predict the noise with the UNet; adds the number of rows to ``evaluations``."""
        eps = self._denoise(x, timesteps, context)
        self.evaluations += len(eps)
        return eps

    def for_walk(self) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        """Return `denoise` for one walk, in which neither the weights nor a context's values change.

        In exact networks, what depends on a context alone is computed once. Others take tensors alone: a CUDA
        graph would copy keys and values in every step.
        """
        if not self._exact:
            return self.denoise
        contexts: dict[int, Context] = {}

        def denoise(x: Tensor, timesteps: Tensor, context: Tensor) -> Tensor:
            # An id stays that tensor's own, because the context here keeps it alive.
            return self.denoise(x, timesteps, contexts.setdefault(id(context), Context(context)))

        return denoise

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Tensor:
        """Scaled latents [B, C, h, w] -> images [B, 3, f h, f w], in about [-1, 1], not clamped."""
        return self._decode(latents / self.config.scale_factor)

    @torch.inference_mode()
    def decode_in_bf16(self, latents: Tensor) -> Tensor:
        """Decode like `decode`, in bfloat16 and one by one: for images beyond the range of float16.

        bfloat16 has the range of float32.
        """
        decoder = deepcopy(self.first_stage_model).to(torch.bfloat16)
        scaled = (latents / self.config.scale_factor).to(torch.bfloat16)
        return torch.cat([decoder.decode(one[None]).float() for one in scaled])

    @torch.inference_mode()
    def encode(self, images: Tensor) -> Posterior:
        """Images [B, 3, H, W] in [-1, 1] -> posterior over latents, before scaling."""
        return self.first_stage_model.encode(images)


class WeightsDigest:
    """sha256 over names, shapes, types and values of weights, to be added in order of name."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, name: str, tensor: Tensor) -> None:
        """Add one tensor."""
        self._digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        values = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        self._digest.update(values.numpy().data)

    @property
    def value(self) -> str:
        """The digest in hexadecimal."""
        return self._digest.hexdigest()


def _digest(module: nn.Module) -> str:
    digest = WeightsDigest()
    for name, tensor in sorted(module.state_dict().items()):
        digest.add(name, tensor)
    return digest.value
