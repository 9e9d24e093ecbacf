"""The key layout of the published Stable Diffusion v1 checkpoints."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["BUFFERS", "EMA_PREFIX", "POSITION_IDS", "compare_keys"]

# Stored in the original files, but derived from the schedule's configuration here.
BUFFERS = frozenset(
    {
        "betas",
        "alphas_cumprod",
        "alphas_cumprod_prev",
        "sqrt_alphas_cumprod",
        "sqrt_one_minus_alphas_cumprod",
        "log_one_minus_alphas_cumprod",
        "sqrt_recip_alphas_cumprod",
        "sqrt_recipm1_alphas_cumprod",
        "posterior_variance",
        "posterior_log_variance_clipped",
        "posterior_mean_coef1",
        "posterior_mean_coef2",
    }
)
EMA_PREFIX = "model_ema."
POSITION_IDS = "cond_stage_model.transformer.text_model.embeddings.position_ids"


def compare_keys(found: Iterable[str], wanted: Iterable[str]) -> tuple[list[str], list[str]]:
    """(missing, unexpected) keys of a checkpoint against those of a model, known extras aside."""
    found, wanted = set(found), set(wanted)
    missing = wanted - found
    unexpected = {key for key in found - wanted - BUFFERS if not key.startswith(EMA_PREFIX)}
    return sorted(missing), sorted(unexpected)
