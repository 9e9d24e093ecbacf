"""Loading a checkpoint of the size of Stable Diffusion v1 (4.3 GB) from a warm page cache."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from reference_model import LatentDiffusion, load_checkpoint
from reference_model.checkpoints import reload_checkpoint
from reference_model.config import ModelConfig
from sdbench.core.errors import InputError
from sdbench.tools.bench.clock import Work, interleaved
from sdbench.tools.bench.machine import Bench
from sdbench.tools.bench.rows import Row, rows_of

__all__ = ["measure"]

ROOM = 2
"""Free space required in the temporary folder, as a multiple of the file's size."""


def measure(bench: Bench, config: ModelConfig | None = None) -> list[Row]:
    """Time loading with our loader and with safetensors; both read every byte."""
    config = config or ModelConfig()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.safetensors"
        model = _written(path, config, bench)

        # Return nothing: the first result is kept, which would hold another 4.3 GB each.
        def new() -> None:
            load_checkpoint(path, config, bench.device)

        def theirs() -> None:
            tensors = load_file(path)
            for name in tensors:
                tensors[name] = tensors[name].to(bench.device, copy=True)

        works: dict[str, Work] = {
            "sdbench, new model": new,
            "sdbench, in place": lambda: reload_checkpoint(model, path),
            "safetensors": theirs,
        }
        timings = interleaved(works, bench.rounds, bench.say)
        note = f"{path.stat().st_size / 1e9:.1f} GB"
    notes = dict.fromkeys(works, note)
    return rows_of("loading", "checkpoint", 1, timings, against="safetensors", notes=notes)


def _written(path: Path, config: ModelConfig, bench: Bench) -> LatentDiffusion:
    with torch.device("meta"):
        model = LatentDiffusion(config)
    size = sum(tensor.nbytes for tensor in model.state_dict().values())
    if shutil.disk_usage(path.parent).free < ROOM * size:
        raise InputError(
            f"{path.parent}: no room for a checkpoint of {size / 1e9:.1f} GB; set TMPDIR to another folder"
        )
    bench.say(f"loading: writing {size / 1e9:.1f} GB")
    weights = {name: torch.full(t.shape, 0.01, dtype=t.dtype) for name, t in model.state_dict().items()}
    save_file(weights, path)
    return load_checkpoint(path, config, bench.device)
