"""Train the autoencoder: absolute and squared error, and a weak pull towards a standard normal.

Like the original's, it mostly sees other pictures than the denoisers do: clean scenes, which show the edges
and textures that blurred pictures of the web lack.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from reference_model.autoencoder import Autoencoder
from reference_model.config import AutoencoderConfig
from reference_model.errors import TrainingError
from reference_model.shapes.dataset import clean_batch, reference_set
from reference_model.shapes.training.budgets import Budget
from reference_model.shapes.training.data import TrainingSet, half_size, to_float
from reference_model.shapes.training.loop import Report, Stateful, run_loop, step_generator
from reference_model.shapes.training.optim import Ema, learning_rate, muon_and_adam
from reference_model.shapes.training.precision import mixed_precision

__all__ = ["encode_all", "psnr", "read_autoencoder", "train_autoencoder"]

PART = "autoencoder"
KL_WEIGHT = 2e-4
CLEAN_SHARE = 0.75
HALF_SIZE_EVERY = 8  # the first checkpoint starts on half-size images, so their latents must be good too


def train_autoencoder(
    config: AutoencoderConfig,
    data: TrainingSet,
    budget: Budget,
    folder: Path,
    seed: int,
    device: str,
    report: Report,
) -> tuple[Autoencoder, list[float]]:
    """Return the trained autoencoder, averaged over its last steps, and the loss of every step."""
    torch.manual_seed(seed)
    model = Autoencoder(config).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizers, ema = muon_and_adam(model), Ema(model)
    batch = budget.autoencoder_batch
    clean = round(CLEAN_SHARE * batch)

    def step(i: int) -> float:
        generator = step_generator(seed, PART, i)
        rows = torch.randint(len(data.images), (batch - clean,), generator=generator)
        fresh = torch.from_numpy(clean_batch(i * clean, clean, seed))
        images = to_float(torch.cat([fresh, data.images[rows]]))
        if i % HALF_SIZE_EVERY == HALF_SIZE_EVERY - 1:
            images = half_size(images)
        with mixed_precision(device):
            loss = _loss(model, images.to(device), generator)
        value = optimizers.update(loss, learning_rate(i, budget.autoencoder_steps, warmup=50))
        ema.follow(model)
        return value

    objects: dict[str, Stateful] = {"model": model, "ema": ema, "optimizers": optimizers}
    losses = run_loop(PART, budget.autoencoder_steps, objects, step, folder, report)
    assert isinstance(ema.average, Autoencoder)
    return ema.average, losses


def read_autoencoder(checkpoint: Path, config: AutoencoderConfig) -> Autoencoder:
    """Return the autoencoder of a checkpoint of the family (.safetensors).

    Raises:
        TrainingError: the file cannot be read, or holds none of this configuration.
    """
    try:
        stored = load_file(checkpoint)
        model = Autoencoder(config)
        prefix = "first_stage_model."
        model.load_state_dict(
            {name.removeprefix(prefix): value for name, value in stored.items() if name.startswith(prefix)}
        )
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{checkpoint} cannot be read as a .safetensors file: {error}") from error
    except RuntimeError as error:
        raise TrainingError(f"{checkpoint} holds no autoencoder of the embedded family") from error
    return model.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def _loss(model: Autoencoder, images: Tensor, generator: torch.Generator) -> Tensor:
    posterior = model.encode(images)
    noise = torch.randn(posterior.mean.shape, generator=generator).to(images.device)
    error = model.decode(posterior.mean + posterior.std * noise) - images
    # Divergence from a standard normal per latent value (Kingma and Welling 2014, appendix B).
    divergence = 0.5 * (posterior.mean**2 + posterior.logvar.exp() - 1.0 - posterior.logvar).mean()
    return error.abs().mean() + 2.0 * (error**2).mean() + KL_WEIGHT * divergence


@torch.inference_mode()
def psnr(model: Autoencoder, device: str, count: int) -> float:
    """Peak signal-to-noise ratio in dB of ``count`` reconstructed clean scenes, over all their pixels."""
    images = to_float(torch.from_numpy(reference_set(count, seed=0)[0])).to(device)
    error = (model.decode(model.encode(images).mean).clamp(-1, 1) - images) / 2
    return float(-10 * torch.log10((error**2).mean()))


@torch.inference_mode()
def encode_all(model: Autoencoder, data: TrainingSet, small: bool, device: str, report: Report) -> Tensor:
    """Posterior mean and standard deviation of every scene: float32 [n, 2, C, h, w] on the CPU."""
    rows, total = [], len(data.images)
    part = "latents at half size" if small else "latents"
    for start in range(0, total, 256):
        images = to_float(data.images[start : start + 256])
        posterior = model.encode((half_size(images) if small else images).to(device))
        rows.append(torch.stack([posterior.mean, posterior.std], dim=1).cpu().contiguous())
        report(part, min(total, start + 256), total, 0.0)
    return torch.cat(rows)
