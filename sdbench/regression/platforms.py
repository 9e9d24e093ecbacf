"""The device and precision that cases run on, and that a baseline is valid for."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from sdbench.core.errors import InputError

__all__ = ["DTYPES", "Platform"]

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Platform:
    """A device, "cpu" or "cuda", and the dtype of latents, denoiser and decoder, one of ``DTYPES``."""

    device: str = "cpu"
    dtype: str = "float32"

    @property
    def key(self) -> str:
        """The name of the baseline's files, such as "cpu-float32"."""
        return f"{self.device}-{self.dtype}"

    @property
    def torch_dtype(self) -> torch.dtype:
        """The dtype as a torch dtype."""
        return DTYPES[self.dtype]

    @property
    def roundoff(self) -> float:
        """The largest relative error of one rounding: 2 ** -24 in float32."""
        return torch.finfo(self.torch_dtype).eps / 2

    def require(self) -> None:
        """Raise InputError if this machine lacks the device."""
        if self.device == "cuda" and not torch.cuda.is_available():
            raise InputError("--device cuda: this machine has no CUDA device; use --device cpu")
