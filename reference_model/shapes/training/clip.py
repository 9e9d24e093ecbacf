"""Train the family's CLIP (Radford et al. 2021), an open_clip model."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import open_clip
import torch
from torch import Tensor

from reference_model.shapes.family import load_tokenizer
from reference_model.shapes.training.budgets import Budget
from reference_model.shapes.training.contrasts import GROUP, Contrasts
from reference_model.shapes.training.data import to_float
from reference_model.shapes.training.loop import Report, run_loop, step_generator
from reference_model.shapes.training.optim import Optimizers, learning_rate, muon_and
from reference_model.shapes.training.precision import mixed_precision

__all__ = ["text_tower", "train_clip"]

PART = "clip"
PEAK_RATE, MUON_RATE = 1e-3, 5e-3
MAX_LOGIT_SCALE = 4.6052  # ln 100, as in the paper


def train_clip(
    config: Path,
    data: Contrasts,
    budget: Budget,
    folder: Path,
    seed: int,
    device: str,
    report: Report,
) -> tuple[open_clip.CLIP, list[float]]:
    """Return the trained model and the loss of every step."""
    document = json.loads(config.read_text(encoding="utf-8"))
    mean, std = (torch.tensor(document["preprocess_cfg"][key])[:, None, None] for key in ("mean", "std"))
    torch.manual_seed(seed + 1)
    model = open_clip.CLIP(**document["model_cfg"]).to(device)
    optimizers, tokenize, contrast = _optimizers(model), load_tokenizer(), open_clip.ClipLoss()

    def step(i: int) -> float:
        generator = step_generator(seed, PART, i)
        wanted, held = budget.clip_batch // GROUP, len(data.images) // GROUP
        first = GROUP * torch.randint(held, (wanted, 1), generator=generator)
        rows = (first + torch.arange(GROUP)).flatten()
        images = ((to_float(data.images[rows]) + 1) / 2 - mean) / std
        tokens = tokenize([data.captions[row] for row in rows.tolist()])
        with mixed_precision(device):
            image = model.encode_image(images.contiguous().to(device), normalize=True)
            text = model.encode_text(tokens.to(device), normalize=True)
        loss = contrast(image.float(), text.float(), model.logit_scale.exp())
        value = optimizers.update(loss, learning_rate(i, budget.clip_steps, warmup=100))
        with torch.no_grad():
            model.logit_scale.clamp_(0, MAX_LOGIT_SCALE)
        return value

    objects = {"model": model, "optimizers": optimizers}
    losses = run_loop(PART, budget.clip_steps, objects, step, folder, report)
    return model.eval().requires_grad_(False), losses


def _optimizers(model: open_clip.CLIP) -> Optimizers:
    """Muon for the transformers' matrices, AdamW for embeddings, projections and vectors."""
    hidden = [p for name, p in model.named_parameters() if "resblocks" in name and p.ndim > 1]
    adam = partial(torch.optim.AdamW, betas=(0.9, 0.98), weight_decay=0.05)
    return muon_and(model, hidden, adam, PEAK_RATE, MUON_RATE)


def text_tower(model: open_clip.CLIP) -> dict[str, Tensor]:
    """The text transformer's weights under the names of the published checkpoints' text encoder.

    open_clip keeps query, key and value in one matrix, Hugging Face's layout in three.
    """
    state = model.state_dict()
    out = {
        "embeddings.token_embedding.weight": state["token_embedding.weight"],
        "embeddings.position_embedding.weight": state["positional_embedding"],
        "embeddings.position_ids": torch.arange(len(state["positional_embedding"]))[None],
        "final_layer_norm.weight": state["ln_final.weight"],
        "final_layer_norm.bias": state["ln_final.bias"],
    }
    renamed = {
        "attn.out_proj": "self_attn.out_proj",
        "ln_1": "layer_norm1",
        "ln_2": "layer_norm2",
        "mlp.c_fc": "mlp.fc1",
        "mlp.c_proj": "mlp.fc2",
    }
    for layer in range(len(model.transformer.resblocks)):
        old, new = f"transformer.resblocks.{layer}.", f"encoder.layers.{layer}."
        for kind in ("weight", "bias"):
            for theirs, ours in renamed.items():
                out[f"{new}{ours}.{kind}"] = state[f"{old}{theirs}.{kind}"]
            parts = state[f"{old}attn.in_proj_{kind}"].chunk(3)
            for name, part in zip(("q_proj", "k_proj", "v_proj"), parts, strict=True):
                out[f"{new}self_attn.{name}.{kind}"] = part
    return {f"transformer.text_model.{name}": tensor.clone() for name, tensor in out.items()}
