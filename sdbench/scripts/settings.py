"""What the two commands are asked to do. Field names are the flags' names."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields
from typing import Self

__all__ = ["Img2ImgSettings", "Settings", "Txt2ImgSettings"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What both commands need to know. None in `outdir`, `config`, `ckpt`: the command's own default."""

    prompt: str
    outdir: str | None
    skip_grid: bool
    skip_save: bool
    ddim_steps: int
    plms: bool
    fixed_code: bool
    ddim_eta: float
    n_iter: int
    C: int
    f: int
    n_samples: int
    n_rows: int
    scale: float
    from_file: str | None
    config: str | None
    ckpt: str | None
    seed: int
    precision: str
    safety_checker: str
    watermark: bool

    @classmethod
    def parsed(cls, args: argparse.Namespace) -> Self:
        """From the parsed command line."""
        return cls(**{field.name: getattr(args, field.name) for field in fields(cls)})


@dataclass(frozen=True, kw_only=True)
class Txt2ImgSettings(Settings):
    """Images from prompts alone; `H` and `W` are pixels."""

    dpm_solver: bool
    laion400m: bool
    H: int
    W: int

    @property
    def sampler(self) -> str:
        """The sampler that the flags choose; the first of the two wins, as in the original."""
        if self.dpm_solver:
            return "dpm-solver"
        return "plms" if self.plms else "ddim"


@dataclass(frozen=True, kw_only=True)
class Img2ImgSettings(Settings):
    """Variations of the picture `init_img`."""

    init_img: str
    strength: float
