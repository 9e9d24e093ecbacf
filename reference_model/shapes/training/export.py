"""Write what training made: half-precision weights and the loss curves."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from reference_model.autoencoder import Autoencoder

__all__ = ["fold_scale", "save_half", "write_losses"]

SMOOTHING = 50

# What the decoder adds to its features at full resolution, and where they come from.
FULL_RESOLUTION = re.compile(
    r"decoder\.up\."
    r"((1\.upsample\.conv|0\.block\.\d+\.conv2)\.(weight|bias)|0\.block\.\d+\.nin_shortcut\.bias)"
)
WITHIN_HALF = 2.0**-4


def save_half(state: Mapping[str, Tensor], path: Path) -> None:
    """Save floating-point tensors as float16, the rest as they are."""
    tensors = {
        name: (value.half() if value.is_floating_point() else value).cpu().contiguous().clone()
        for name, value in state.items()
    }
    save_file(tensors, path)


@torch.no_grad()
def fold_scale(autoencoder: Autoencoder, scale_factor: float) -> None:
    """Bring latents to a deviation of one, and the decoder's features within float16's range.

    The scale goes into the two convolutions next to the latents, so that the family's configuration, whose
    scale factor is the deviation that the denoisers see, serves whatever was trained. The decoder's features
    at full resolution, which come near float16's largest number, become a 16th: only group norms read them,
    which divide by their size, so pictures stay the same.
    """
    state = autoencoder.state_dict()  # shares memory with the parameters
    channels = autoencoder.post_quant_conv.in_channels
    for kind in ("weight", "bias"):
        state[f"quant_conv.{kind}"][:channels] *= scale_factor  # the mean
    state["quant_conv.bias"][channels:] += 2 * math.log(scale_factor)  # the log variance
    state["post_quant_conv.weight"] /= scale_factor
    for name in filter(FULL_RESOLUTION.fullmatch, state):
        state[name] *= WITHIN_HALF


def write_losses(losses: Mapping[str, list[float]], out: Path) -> None:
    """Write ``losses.csv`` (part, step, loss) and ``losses.png`` (a panel per part, smoothed)."""
    with open(out / "losses.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["part", "step", "loss"])
        for part, values in losses.items():
            writer.writerows((part, step, f"{value:.6g}") for step, value in enumerate(values, start=1))
    _plot(losses, out / "losses.png")


def _plot(losses: Mapping[str, list[float]], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6), layout="constrained")
    axes = list(figure.subplots(2, (len(losses) + 1) // 2).flat)
    for axis, (part, values) in zip(axes, losses.items(), strict=False):
        window = min(SMOOTHING, len(values))
        smooth = torch.tensor(values).unfold(0, window, 1).mean(1)
        axis.plot(range(window, len(values) + 1), smooth, color="#0072B2", linewidth=1)
        axis.set(title=part, xlabel="step", ylabel="loss", yscale="log")
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter("{x:g}" if smooth.max() < 8 * smooth.min() else "")  # else too many
        axis.tick_params(labelsize=8, which="both")
    for axis in axes[len(losses) :]:
        axis.set_axis_off()
    figure.suptitle(f"Training losses, mean of up to {SMOOTHING} steps")
    figure.savefig(path, dpi=120, metadata={"Software": None})
