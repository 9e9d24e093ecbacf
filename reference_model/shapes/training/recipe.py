"""The whole recipe: how the published checkpoints came to be, in miniature.

v1-1 starts at low resolution and ends at full resolution on the sharper pictures; v1-2 continues from it on
the pleasing ones; v1-3 and v1-4 both continue from v1-2 with more captions dropped, v1-4 for longer.
"""

from __future__ import annotations

import json
import time
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reference_model.autoencoder import Autoencoder
from reference_model.config import ModelConfig, TextEncoderConfig
from reference_model.errors import TrainingError
from reference_model.latent_diffusion import LatentDiffusion
from reference_model.schedule import Schedule
from reference_model.shapes.family import CLIP_CONFIG, load_family_config, load_tokenizer
from reference_model.shapes.training.autoencoder import encode_all, psnr, read_autoencoder, train_autoencoder
from reference_model.shapes.training.budgets import BUDGETS, EARLY_DROP, LATE_DROP, Budget
from reference_model.shapes.training.clip import text_tower, train_clip
from reference_model.shapes.training.contrasts import GROUP, draw_contrasts
from reference_model.shapes.training.data import TrainingSet, render
from reference_model.shapes.training.denoiser import Leg, train_leg
from reference_model.shapes.training.export import fold_scale, save_half, write_losses
from reference_model.shapes.training.facts import digest, same_threads
from reference_model.shapes.training.loop import Report, cached, write_aside
from reference_model.shapes.training.optim import Ema
from reference_model.text_encoder import TextEncoder
from reference_model.unet import UNet

__all__ = ["train"]

PSNR_SCENES = 256


def train(
    out: Path,
    budget: str,
    report: Report,
    *,
    seed: int = 0,
    device: str = "cpu",
    first_stage: Path | None = None,
) -> Path:
    """Train everything into ``out/weights`` and return that folder; run it again to resume.

    A checkpoint as ``first_stage`` gives its autoencoder, and none is trained. The same machine, versions
    and number of threads give the same bytes, however often it is killed. ``out/state`` holds what resuming
    needs, ``out/losses.csv`` and ``out/losses.png`` the loss of every step, ``out/training.json`` the facts,
    among them a digest of what each stage made.

    Raises:
        KeyError: an unknown budget.
        TrainingError: ``out`` holds a training with other settings or cannot be written, or
            ``first_stage`` is no checkpoint of the family.
    """
    work, config = BUDGETS[budget], load_family_config()
    given = None if first_stage is None else read_autoencoder(first_stage, config.autoencoder)
    state = out / "state"
    try:
        for folder in (state, out / "weights"):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"{out} cannot hold a training: {error.strerror}") from error
    started = time.monotonic()
    settings = {
        "work": asdict(work),
        "dropped_captions": [EARLY_DROP, LATE_DROP],
        "seed": seed,
        "config": config.digest,
        "clip": CLIP_CONFIG.read_text(),
    }
    if given is not None:
        settings["first_stage"] = digest(given.state_dict())
    _claim(state / "settings.json", settings)
    with same_threads(state / "machines.json", device) as machines:
        made, facts = _train_all(config, given, work, out, seed, device, report)
        facts |= {"seconds_of_last_start": round(time.monotonic() - started)}
    write_losses(made.losses, out)
    facts = {"budget": budget, "seed": seed, "machines": machines, "work": asdict(work), **facts}
    write_aside(json.dumps(facts | {"digests": made.digests}, indent=2) + "\n", out / "training.json")
    return out / "weights"


@dataclass(frozen=True)
class _Made:
    """What the stages made so far: the losses of all steps, and a digest of the result."""

    losses: dict[str, list[float]] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)


def _train_all(
    config: ModelConfig,
    given: Autoencoder | None,
    work: Budget,
    out: Path,
    seed: int,
    device: str,
    report: Report,
) -> tuple[_Made, dict[str, Any]]:
    """Carry out the recipe; return what it made, and what was measured on the way."""
    made, state, weights = _Made(), out / "state", out / "weights"
    data = render(work.scenes, seed, state / "scenes.pt", report)
    made.digests["scenes"] = digest({"images": data.images})

    if given is None:
        autoencoder, made.losses["autoencoder"] = train_autoencoder(
            config.autoencoder, data, work, state, seed, device, report
        )
    else:
        autoencoder = given.to(device)
    made.digests["autoencoder"] = digest(autoencoder.state_dict())
    contrasts = draw_contrasts(work.scenes // GROUP, seed, state / "contrasts.pt", report)
    made.digests["contrasts"] = digest({"images": contrasts.images})
    clip, made.losses["clip"] = train_clip(CLIP_CONFIG, contrasts, work, state, seed, device, report)
    made.digests["clip"] = digest(clip.state_dict())
    save_half(clip.state_dict(), weights / "shapes-clip.safetensors")

    assert isinstance(config.text_encoder, TextEncoderConfig)
    text = TextEncoder(config.text_encoder)
    text.load_state_dict(text_tower(clip))
    text.to(device).eval().requires_grad_(False)
    legs = _Legs(text, data, autoencoder, config.scale_factor, state, device, report)
    made.digests["latents"] = digest({"full": legs.full, "small": legs.small})
    facts = {
        "first_stage": "trained" if given is None else "given",
        "autoencoder_psnr_db": round(psnr(autoencoder, device, min(PSNR_SCENES, work.scenes)), 2),
        "latent_std": round(legs.std, 4),
    }
    if given is None:  # a checkpoint's autoencoder has the scale in its weights
        legs.rescale()
        fold_scale(autoencoder, 1.0 / legs.std)
    base = LatentDiffusion(config)
    base.first_stage_model, base.cond_stage_model = autoencoder, text
    _train_checkpoints(base, legs, work, weights, seed, made)
    return made, facts


def _claim(path: Path, settings: dict[str, Any]) -> None:
    """Write down what is trained here, or check that a training to resume is the same one."""
    text = json.dumps(settings, sort_keys=True, indent=2)
    if path.exists() and path.read_text(encoding="utf-8") != text:
        out = path.parent.parent
        raise TrainingError(f"{out} holds a training with other settings; choose another folder")
    write_aside(text, path)


class _Legs:
    """What the legs share: latents at both sizes, encoded captions, subsets."""

    def __init__(
        self,
        text: TextEncoder,
        data: TrainingSet,
        autoencoder: Autoencoder,
        scale: float,
        state: Path,
        device: str,
        report: Report,
    ) -> None:
        self.scale = scale
        self.state, self.device, self.report = state, device, report
        full, small = (
            cached(state / f"{name}.pt", partial(encode_all, autoencoder, data, half, device, report))
            for name, half in (("latents", False), ("latents-small", True))
        )
        self.std = float(full[:, 0].std())
        self.full, self.small = full, small
        self.everything, self.sharp, self.pleasing = (
            torch.arange(len(data.images)),
            data.high_resolution,
            data.aesthetic,
        )
        tokens = load_tokenizer()(data.captions)
        with torch.inference_mode():
            self.contexts = torch.cat([text(part.to(device)).cpu() for part in tokens.split(1024)]).clone()
            self.empty = text(load_tokenizer()([""]).to(device)).cpu()[0].clone()

    def rescale(self) -> None:
        """Divide the latents by their standard deviation."""
        self.full, self.small = self.full / self.std, self.small / self.std

    def leg(self, part: str, rows: Tensor, drop: float, steps: int, batch: int, small: bool = False) -> Leg:
        latents = self.small if small else self.full
        return Leg(part, latents, self.scale, self.contexts, rows, self.empty, drop, steps, batch)


def _train_checkpoints(
    base: LatentDiffusion, legs: _Legs, work: Budget, weights: Path, seed: int, made: _Made
) -> None:
    """Train the UNet through all legs; write each checkpoint as soon as it is done."""
    torch.manual_seed(seed + 2)
    schedule = Schedule(base.config.schedule)
    unet = UNet(base.config.unet).to(legs.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    ema = Ema(unet)

    def walk(unet: UNet, ema: Ema, leg: Leg) -> None:
        made.losses[leg.part] = train_leg(
            leg, unet, ema, schedule, legs.state, seed, legs.device, legs.report
        )
        made.digests[leg.part] = digest(ema.average.state_dict())

    def write(name: str, ema: Ema) -> None:
        base.model["diffusion_model"] = ema.average
        save_half(base.state_dict(), weights / f"{name}.safetensors")

    batch = work.denoiser_batch
    walk(unet, ema, legs.leg("v1-1-low", legs.everything, EARLY_DROP, work.v1_1_low, batch, small=True))
    walk(unet, ema, legs.leg("v1-1", legs.sharp, EARLY_DROP, work.v1_1_high, batch))
    write("shapes-v1-1", ema)
    walk(unet, ema, legs.leg("v1-2", legs.pleasing, EARLY_DROP, work.v1_2, batch))
    write("shapes-v1-2", ema)
    for name, steps in (("v1-3", work.v1_3), ("v1-4", work.v1_4)):
        branch, average = deepcopy(unet), deepcopy(ema)
        walk(branch, average, legs.leg(name, legs.pleasing, LATE_DROP, steps, batch))
        write(f"shapes-{name}", average)
