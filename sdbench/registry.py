"""Checkpoint names: which there are, and the file each one stands for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sdbench.digest import digest_file, digest_value
from sdbench.errors import InputError, did_you_mean
from sdbench.paths import existing_file

if TYPE_CHECKING:
    from reference_model.config import ModelConfig

__all__ = [
    "SD_V1",
    "SHAPES",
    "SUFFIXES",
    "Checkpoint",
    "CheckpointFile",
    "known_names",
    "locate",
    "weights_folder",
]

SHAPES = ("shapes-v1-1", "shapes-v1-2", "shapes-v1-3", "shapes-v1-4")
"""The embedded family: its weights come with the package."""

SD_V1 = {
    "sd-v1-1": "https://huggingface.co/CompVis/stable-diffusion-v-1-1-original",
    "sd-v1-2": "https://huggingface.co/CompVis/stable-diffusion-v-1-2-original",
    "sd-v1-3": "https://huggingface.co/CompVis/stable-diffusion-v-1-3-original",
    "sd-v1-4": "https://huggingface.co/CompVis/stable-diffusion-v-1-4-original",
}
"""Stable Diffusion v1 by name: the page that offers the file NAME.ckpt."""

WEIGHTS_VARIABLE = "SDBENCH_WEIGHTS"
WEIGHTS_FOLDER = Path("weights")
SUFFIXES = (".ckpt", ".safetensors")


@dataclass(frozen=True)
class CheckpointFile:
    """A checkpoint that has been found on disk; `config` None means the original SD v1 configuration."""

    name: str
    path: Path
    config: Path | None

    def file_digest(self) -> str:
        """The sha256 of the weights file and its configuration together: reading, not loading."""
        return digest_value([digest_file(self.path), self.config_digest()])

    @cached_property
    def model_config(self) -> ModelConfig:
        """What the configuration says; InputError where it cannot be read."""
        from reference_model import CheckpointError
        from reference_model.config import ModelConfig, load_config

        try:
            return load_config(self.config) if self.config else ModelConfig()
        except CheckpointError as error:
            raise InputError(f"checkpoint {self.name}: {error}") from None

    def config_digest(self) -> str:
        """The sha256 of what the configuration says, the tokenizer's merges included.

        It belongs to a cell's identity beside the weights: the latent scale factor, the noise schedule
        and the number of heads stand in the configuration alone.
        """
        return self.model_config.digest


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint file with the identity of what is in it."""

    file: CheckpointFile
    weights_digest: str
    config_digest: str

    @property
    def name(self) -> str:
        """The name that the spec gives it."""
        return self.file.name


def known_names() -> tuple[str, ...]:
    """The names that need no path."""
    return SHAPES + tuple(SD_V1)


def weights_folder() -> Path:
    """Where downloaded weights are looked for: ${SDBENCH_WEIGHTS}, else ./weights."""
    return Path(os.environ.get(WEIGHTS_VARIABLE) or WEIGHTS_FOLDER)


def locate(name: str, path: str | None = None, config: str | None = None) -> CheckpointFile:
    """The files of the checkpoint `name`, or of the weights at `path` with the optional `config`.

    Raises InputError, in one line that says where to get the weights, when they are not there.
    """
    if path is not None:
        return _at_path(name, path, config)
    if name in SHAPES:
        return _shapes(name)
    if name in SD_V1:
        return _sd_v1(name)
    raise InputError(f"unknown checkpoint {name!r}: {did_you_mean(name, known_names())}; or give a path")


def _at_path(name: str, path: str, config: str | None) -> CheckpointFile:
    weights = existing_file(path, f"checkpoint {name}")
    if weights.suffix not in SUFFIXES:
        raise InputError(f"checkpoint {name}: {weights} is not one of {', '.join(SUFFIXES)}")
    return CheckpointFile(name, weights, existing_file(config, f"config of {name}") if config else None)


def _shapes(name: str) -> CheckpointFile:
    from reference_model import shapes

    weights = shapes.CHECKPOINTS[name]
    if not weights.is_file():
        raise InputError(f"checkpoint {name}: {weights} not found: train it with 'sdbench shapes train'")
    return CheckpointFile(name, weights, shapes.CONFIG)


def _sd_v1(name: str) -> CheckpointFile:
    weights = weights_folder() / f"{name}.ckpt"
    if not weights.is_file():
        raise InputError(
            f"checkpoint {name}: {weights} not found: download {name}.ckpt from {SD_V1[name]} "
            f"and put it there, or set {WEIGHTS_VARIABLE} to the folder that holds it"
        )
    return CheckpointFile(name, weights, None)
