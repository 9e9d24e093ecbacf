"""The options of the two commands. Fields have the names of the flags."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields
from typing import Self

__all__ = ["Img2ImgOptions", "Options", "Txt2ImgOptions"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of both commands. None in `outdir`, `config` or `ckpt` means the command's default."""

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
        """Take the options from a parsed command line."""
        return cls(**{field.name: getattr(args, field.name) for field in fields(cls)})


@dataclass(frozen=True, kw_only=True)
class Txt2ImgOptions(Options):
    """Options of txt2img; `H` and `W` are in pixels."""

    dpm_solver: bool
    laion400m: bool
    H: int
    W: int

    @property
    def sampler(self) -> str:
        """The sampler that the flags choose; `dpm_solver` wins over `plms`, as in the original."""
        if self.dpm_solver:
            return "dpm-solver"
        return "plms" if self.plms else "ddim"


@dataclass(frozen=True, kw_only=True)
class Img2ImgOptions(Options):
    """Options of img2img; `init_img` is the picture to vary."""

    init_img: str
    strength: float
