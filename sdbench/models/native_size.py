"""The image size that a model was trained for, which a spec without `image_size` takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sdbench.core.errors import InputError
from sdbench.core.json import load_json
from sdbench.core.yaml import load_yaml
from sdbench.models import Source
from sdbench.models.pipeline_guidance import DENOISERS
from sdbench.models.sources import PipelineSource, ReferenceSource

__all__ = ["SD_V1", "common_size", "native_size"]

SD_V1 = 512
"""Side in pixels of Stable Diffusion v1, which weights without a configuration are taken for."""


def common_size(sources: Sequence[Source]) -> tuple[int, int]:
    """Return the height and width in pixels that all these models were trained for.

    Raises:
        InputError: One does not say its size, the sizes differ, or there is no model.
    """
    if not sources:
        raise InputError("image_size: missing, and no checkpoint on this machine can tell its size")
    sizes = {source.name: native_size(source) for source in sources}
    for name, size in sizes.items():
        if size is None:
            raise InputError(f"image_size: missing, and checkpoint {name} does not say which size it makes")
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise InputError(f"image_size: missing, and the checkpoints make different sizes: {listed}")
    side = next(iter(sizes.values()))
    assert side is not None
    return side, side


def native_size(source: Source) -> int | None:
    """Return the side in pixels of the square images that a model was trained for; None if unknown."""
    if not isinstance(source, ReferenceSource | PipelineSource):
        return None
    if source.path.is_dir():
        return _of_folder(source.path)
    if not isinstance(source, ReferenceSource) or source.config is None:
        return SD_V1
    return _of_config(source.config)


def _of_config(file: Path) -> int | None:
    """Return the side that a configuration in the original format gives: latents times downsampling."""
    try:
        params = load_yaml(file.read_text(encoding="utf-8"))["model"]["params"]
        levels = len(params["first_stage_config"]["params"]["ddconfig"]["ch_mult"])
        return _pixels(params["image_size"], levels)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _of_folder(folder: Path) -> int | None:
    """Return the side that a diffusers folder gives: sample_size of the denoiser times downsampling."""
    denoisers = (_json(folder / part / "config.json") for part in DENOISERS)
    latents = next((found["sample_size"] for found in denoisers if "sample_size" in found), None)
    return _pixels(latents, len(_json(folder / "vae" / "config.json").get("block_out_channels", ())))


def _pixels(latents: Any, levels: int) -> int | None:
    return latents * 2 ** (levels - 1) if isinstance(latents, int) and levels else None


def _json(file: Path) -> dict[str, Any]:
    try:
        content = load_json(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
