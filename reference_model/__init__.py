"""A reference implementation of the latent diffusion model behind Stable Diffusion v1.

It imports none of the sibling packages and can be used on its own.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reference_model.checkpoints import load_checkpoint
    from reference_model.errors import CheckpointError
    from reference_model.latent_diffusion import LatentDiffusion
    from reference_model.pipeline import generate_images

__all__ = ["CheckpointError", "LatentDiffusion", "generate_images", "load_checkpoint"]

_MODULES = {
    "CheckpointError": "errors",
    "LatentDiffusion": "latent_diffusion",
    "generate_images": "pipeline",
    "load_checkpoint": "checkpoints",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that `config` and `hub` load without torch."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
