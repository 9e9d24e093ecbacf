"""The original key layout: `model.diffusion_model.*`, `first_stage_model.*`, `cond_stage_model.*`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from reference_model.checkpoints._stored import StoredTensor
from reference_model.errors import CheckpointError

__all__ = [
    "BUFFERS",
    "EMA_PREFIX",
    "KNOWN_EXTRAS",
    "UNET_PREFIX",
    "choose_weights",
    "ema_name",
    "is_known_extra",
]

UNET_PREFIX = "model.diffusion_model."
EMA_PREFIX = "model_ema."

# Original files store these; here they are derived from the schedule's configuration.
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

KNOWN_EXTRAS: dict[str, str] = {
    r"model_ema\..*": "the other weight set of a full file, with decay and num_updates",
    r"lvlb_weights": "weights of the variational bound, for training",
    r"logvar": "log-variances of the training loss",
    r"first_stage_model\.loss\..*": "discriminator and perceptual loss of the autoencoder's training",
    r"cond_stage_model\.transformer\.text_model\.embeddings\.position_ids": "0 to 76; built here",
    r"cond_stage_model\.transformer\.text_projection\.weight": "CLIP's projection, not used here",
    r"cond_stage_model\.logit_scale": "CLIP's temperature",
    r"ddim_(timesteps|sigmas|alphas|alphas_prev|sqrt_one_minus_alphas|sigmas_for_original_num_steps)": (
        "buffers of the original's samplers"
    ),
    r"(log_)?sigmas": "buffers of the k-diffusion wrapper",
    r"embedding_manager\..*": "embeddings of a textual inversion, which is not used here",
    r"(epoch|global_step|pytorch-lightning_version|callbacks|optimizer_states|lr_schedulers|loops|"
    r"hyper_parameters|hparams_name|(native_)?amp_scaling_state)(\..*)?": "state of the training",
}
"""Keys (as patterns) that files hold besides the weights and `BUFFERS`, and what they are; never read."""


def is_known_extra(key: str) -> bool:
    """Whether files of this layout may hold the key although no model needs it."""
    return key in BUFFERS or any(re.fullmatch(pattern, key) for pattern in KNOWN_EXTRAS)


def ema_name(name: str) -> str:
    """Key of the moving average of the denoiser's weight ``name``: without "model." and without dots."""
    return EMA_PREFIX + name.removeprefix("model.").replace(".", "")


def _with_text_model(stored: Mapping[str, StoredTensor]) -> Mapping[str, StoredTensor]:
    """Insert the module `text_model` into the text encoder's keys, because some files leave it out.

    If a file has both forms, its keys stay unchanged and are refused later as unexpected.
    """
    modules = r"^cond_stage_model\.transformer\.(?=(embeddings|encoder|final_layer_norm)\.)"
    renamed = {re.sub(modules, r"\g<0>text_model.", key): tensor for key, tensor in stored.items()}
    return renamed if len(renamed) == len(stored) else stored


def choose_weights(
    stored: Mapping[str, StoredTensor],
    wanted: Iterable[str],
    use_ema: bool | None,
    configured: bool,
    label: str,
) -> dict[str, StoredTensor]:
    """The tensors of a file under the model's names, with the denoiser from the requested set of weights.

    ``use_ema`` None follows the config (``configured``), or takes the set under `model_ema.` if it is the
    only one.

    Raises:
        CheckpointError: the file does not hold the requested set.
    """
    stored = _with_text_model(stored)
    has_ema = any(key.startswith(f"{EMA_PREFIX}diffusion_model") for key in stored)
    has_plain = any(key.startswith(UNET_PREFIX) for key in stored)
    if use_ema is None:
        use_ema = configured or (has_ema and not has_plain)
    if use_ema and has_plain and not has_ema:
        raise CheckpointError(
            f"{label} has no EMA weights under {EMA_PREFIX}: published EMA-only files hold them as their "
            "plain weights, so load it with use_ema: false"
        )
    if has_ema and not has_plain and not use_ema:
        raise CheckpointError(f"{label} holds EMA weights alone: load it with use_ema: true")
    chosen = {key: tensor for key, tensor in stored.items() if not key.startswith(EMA_PREFIX)}
    if use_ema:
        for name in wanted:
            if name.startswith(UNET_PREFIX):
                chosen.pop(name, None)
                if ema_name(name) in stored:
                    chosen[name] = stored[ema_name(name)]
    return chosen
