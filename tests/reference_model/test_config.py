"""The original YAML files, as published: same keys, same values, nothing taken out."""

from __future__ import annotations

import pytest
import yaml

from reference_model import CheckpointError
from reference_model.config import LAION_400M, BertConfig, ModelConfig, load_config

UNET = {
    "target": "ldm.modules.diffusionmodules.openaimodel.UNetModel",
    "params": {
        "image_size": 32,
        "in_channels": 4,
        "out_channels": 4,
        "model_channels": 320,
        "attention_resolutions": [4, 2, 1],
        "num_res_blocks": 2,
        "channel_mult": [1, 2, 4, 4],
        "num_heads": 8,
        "use_spatial_transformer": True,
        "transformer_depth": 1,
        "context_dim": 768,
        "use_checkpoint": True,
        "legacy": False,
    },
}
FIRST_STAGE = {
    "target": "ldm.models.autoencoder.AutoencoderKL",
    "params": {
        "embed_dim": 4,
        "monitor": "val/rec_loss",
        "ddconfig": {
            "double_z": True,
            "z_channels": 4,
            "resolution": 256,
            "in_channels": 3,
            "out_ch": 3,
            "ch": 128,
            "ch_mult": [1, 2, 4, 4],
            "num_res_blocks": 2,
            "attn_resolutions": [],
            "dropout": 0.0,
        },
        "lossconfig": {"target": "torch.nn.Identity"},
    },
}
PARAMS = {
    "linear_start": 0.00085,
    "linear_end": 0.012,
    "num_timesteps_cond": 1,
    "log_every_t": 200,
    "timesteps": 1000,
    "first_stage_key": "jpg",
    "cond_stage_key": "txt",
    "image_size": 64,
    "channels": 4,
    "cond_stage_trainable": False,
    "conditioning_key": "crossattn",
    "monitor": "val/loss_simple_ema",
    "scale_factor": 0.18215,
    "use_ema": False,
    "scheduler_config": {
        "target": "ldm.lr_scheduler.LambdaLinearScheduler",
        "params": {
            "warm_up_steps": [10000],
            "cycle_lengths": [10000000000000],
            "f_start": [1.0e-6],
            "f_max": [1.0],
            "f_min": [1.0],
        },
    },
    "unet_config": UNET,
    "first_stage_config": FIRST_STAGE,
    "cond_stage_config": {"target": "ldm.modules.encoders.modules.FrozenCLIPEmbedder"},
}
LAION_PARAMS = {
    **PARAMS,
    "first_stage_key": "image",
    "cond_stage_key": "caption",
    "image_size": 32,
    "cond_stage_trainable": True,
    "unet_config": {**UNET, "params": {**UNET["params"], "context_dim": 1280}},
    "cond_stage_config": {
        "target": "ldm.modules.encoders.modules.BERTEmbedder",
        "params": {"n_embed": 1280, "n_layer": 32},
    },
}


@pytest.fixture
def read(tmp_path):
    def from_params(params: dict) -> ModelConfig:
        model = {"base_learning_rate": 1e-4, "target": "ldm.models.diffusion.ddpm.LatentDiffusion"}
        path = tmp_path / "c.yaml"
        path.write_text(yaml.safe_dump({"model": {**model, "params": params}}), encoding="utf-8")
        return load_config(path)

    return from_params


def test_the_published_configuration_is_the_default(read):
    assert read(PARAMS) == ModelConfig()


def test_the_laion_400m_configuration(read):
    assert read(LAION_PARAMS) == LAION_400M


def test_the_encoder_may_be_named_by_its_published_id(read):
    encoder = {**PARAMS["cond_stage_config"], "params": {"version": "openai/clip-vit-large-patch14"}}
    assert read({**PARAMS, "cond_stage_config": encoder}) == ModelConfig()


def test_a_vocabulary_beside_the_file(read, tmp_path):
    encoder = {
        **LAION_PARAMS["cond_stage_config"],
        "params": {"n_embed": 8, "n_layer": 1, "version": "words"},
    }
    text = read({**LAION_PARAMS, "cond_stage_config": encoder}).text_encoder
    assert text == BertConfig(n_embed=8, n_layer=1, vocabulary_file=tmp_path / "words" / "vocab.txt")


def test_ema_is_read_and_belongs_to_the_digest(read):
    assert read({**PARAMS, "use_ema": True}).use_ema
    assert read({**PARAMS, "use_ema": True}).digest != ModelConfig().digest
    assert not read({key: value for key, value in PARAMS.items() if key != "use_ema"}).use_ema


def test_the_digest_is_as_it_always_was():
    assert ModelConfig().digest == "7cfc5ee0c451763c69ca4bf0d9a77b9fd481bd65fd410eb3340a703c66ee0fa4"


def test_other_text_encoders_are_refused(read):
    encoder = {"target": "ldm.modules.encoders.modules.FrozenOpenCLIPEmbedder"}
    with pytest.raises(CheckpointError, match="FrozenOpenCLIPEmbedder' is not supported"):
        read({**PARAMS, "cond_stage_config": encoder})
