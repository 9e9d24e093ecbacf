"""Loading needs little more memory than the weights themselves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from reference_model import LatentDiffusion
from reference_model.checkpoints.compvis import UNET_PREFIX, ema_name
from reference_model.config import AutoencoderConfig, ModelConfig, TextEncoderConfig, UNetConfig

from .conftest import GOLDENS

CONFIG = ModelConfig(
    unet=UNetConfig(model_channels=160, channel_mult=(1, 2, 2), num_heads=4, context_dim=8),
    autoencoder=AutoencoderConfig(ch=32, ch_mult=(1, 1)),
    text_encoder=TextEncoderConfig(
        hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2
    ),
)
MEASURE = """
import sys
from reference_model import load_checkpoint
from reference_model.config import *

def resident(field):
    for line in open("/proc/self/status"):
        if line.startswith(field):
            return int(line.split()[1]) * 1024

# What is loaded once, whatever the file: modules that torch imports late, the tokenizer's vocabulary.
tiny = load_checkpoint(sys.argv[2], sys.argv[3])
open("/proc/self/clear_refs", "w").write("5")  # the peak is counted from here
before = resident("VmRSS")
model = load_checkpoint(sys.argv[1], eval(sys.argv[4]))
print(resident("VmHWM") - before)
"""
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is measured through /proc")


@pytest.fixture(scope="module")
def weights():
    with torch.device("meta"):
        state = LatentDiffusion(CONFIG).state_dict()
    return {name: torch.zeros(value.shape, dtype=value.dtype) for name, value in state.items()}


def size(tensors: dict[str, torch.Tensor]) -> int:
    return sum(value.nbytes for value in tensors.values())


def peak(path: Path) -> int:
    """Peak memory of loading in bytes, including mapped pages of the file."""
    tiny = GOLDENS / "tiny" / "v1-tiny-full"
    arguments = [path, tiny.with_suffix(".ckpt"), tiny.with_suffix(".yaml"), repr(CONFIG)]
    command = [sys.executable, "-c", MEASURE, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout)


def need(path: Path, limit: float) -> int:
    """The lowest of up to three peaks, stopping below ``limit``: other system activity can only add."""
    peaks = [peak(path)]
    while len(peaks) < 3 and peaks[-1] >= limit:
        peaks.append(peak(path))
    return min(peaks)


@pytest.mark.parametrize("layout", ["zip", "old", "safetensors"])
def test_float32_files_take_less_than_a_fifth_more(weights, tmp_path, layout):
    path = tmp_path / "m.ckpt"
    if layout == "safetensors":
        save_file(weights, path)
    else:
        torch.save({"state_dict": weights}, path, _use_new_zipfile_serialization=layout == "zip")
    limit = 1.2 * path.stat().st_size
    assert 150e6 < size(weights) <= need(path, limit) < limit


def test_half_precision_files_take_what_float32_takes(weights, tmp_path):
    save_file(
        {name: v.half() if v.is_floating_point() else v for name, v in weights.items()}, tmp_path / "m.ckpt"
    )
    limit = 1.2 * size(weights)
    assert need(tmp_path / "m.ckpt", limit) < limit


def test_the_weight_set_that_is_not_wanted_is_not_read(weights, tmp_path):
    ema = {ema_name(name): value for name, value in weights.items() if name.startswith(UNET_PREFIX)}
    save_file({name: value.clone() for name, value in (weights | ema).items()}, tmp_path / "m.ckpt")
    assert (tmp_path / "m.ckpt").stat().st_size > 1.8 * size(weights)
    limit = 1.2 * size(weights)
    assert need(tmp_path / "m.ckpt", limit) < limit
