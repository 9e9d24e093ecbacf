"""A reference implementation of the latent diffusion model behind Stable Diffusion v1.

Imports none of the sibling packages; usable on its own.
"""

from __future__ import annotations

from reference_model.checkpoints import load_checkpoint
from reference_model.errors import CheckpointError
from reference_model.latent_diffusion import LatentDiffusion

__all__ = ["CheckpointError", "LatentDiffusion", "load_checkpoint"]
