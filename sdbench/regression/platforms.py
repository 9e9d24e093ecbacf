"""Where cases run, and in which precision: what a baseline holds for."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from sdbench.errors import InputError

__all__ = ["DTYPES", "Platform"]

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Platform:
    """``device`` is "cpu" or "cuda", ``dtype`` one of DTYPES: that of latents, denoiser and decoder."""

    device: str = "cpu"
    dtype: str = "float32"

    @property
    def key(self) -> str:
        """Such as "cpu-float32": the name of the baseline."""
        return f"{self.device}-{self.dtype}"

    @property
    def torch_dtype(self) -> torch.dtype:
        """The dtype as torch names it."""
        return DTYPES[self.dtype]

    @property
    def roundoff(self) -> float:
        """The largest relative error of one rounding: 2 ** -24 in float32."""
        return torch.finfo(self.torch_dtype).eps / 2

    def require(self) -> None:
        """Raise InputError where this machine has no such device."""
        if self.device == "cuda" and not torch.cuda.is_available():
            raise InputError("there is no CUDA device here; --device cpu runs on the processor")
