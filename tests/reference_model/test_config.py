"""The original YAML files, as published: same keys, same values, nothing omitted."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import asdict
from hashlib import sha256

import pytest
import yaml

from reference_model import CheckpointError
from reference_model.config import (
    LAION_400M,
    AutoencoderConfig,
    BertConfig,
    ModelConfig,
    ScheduleConfig,
    TextEncoderConfig,
    UNetConfig,
    describe,
)
from reference_model.config_file import load_config

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


def test_the_digest_is_that_of_the_values_in_json():
    values = json.dumps(asdict(ModelConfig()), sort_keys=True)
    assert ModelConfig().digest == sha256(values.encode()).hexdigest()
    assert ModelConfig().digest == "d7ce5716c067da7304d04fc768a557919038be216de4441e0e6550aaa7b9e137"


def test_other_text_encoders_are_refused(read):
    encoder = {"target": "ldm.modules.encoders.modules.FrozenOpenCLIPEmbedder"}
    with pytest.raises(CheckpointError, match="FrozenOpenCLIPEmbedder' is not supported"):
        read({**PARAMS, "cond_stage_config": encoder})


UNET_PLACE, VAE_PLACE = "unet_config.params", "first_stage_config.params.ddconfig"
TEXT_PLACE = "cond_stage_config.params"


def changed(params: dict, place: str, key: str, value: object) -> dict:
    """A copy of ``params`` with another ``value`` in the section ``place`` ("a.b", or "" for the top)."""
    copy = deepcopy(params)
    section = copy
    for name in filter(None, place.split(".")):
        section = section.setdefault(name, {})
    section[key] = value
    return copy


@pytest.mark.parametrize(
    ("place", "key", "value"),
    [
        ("", "given_betas", [0.1] * 1000),
        ("", "v_posterior", 0.5),
        ("", "scale_by_std", True),
        ("", "cond_stage_forward", "encode"),
        (UNET_PLACE, "disable_self_attentions", [True, False, False, False]),
        (UNET_PLACE, "disable_middle_self_attn", True),
        (UNET_PLACE, "num_attention_blocks", [1, 1, 1, 1]),
        (UNET_PLACE, "use_linear_in_transformer", True),
        (VAE_PLACE, "use_linear_attn", True),
        (VAE_PLACE, "resamp_with_conv", False),
        (VAE_PLACE, "tanh_out", True),
        (VAE_PLACE, "give_pre_end", True),
        (TEXT_PLACE, "layer", "hidden"),
        (TEXT_PLACE, "max_length", 50),
    ],
)
def test_options_that_change_the_result_are_refused(read, place, key, value):
    with pytest.raises(CheckpointError, match=r"'.*' is not supported, only '.*' is$") as caught:
        read(changed(PARAMS, place, key, value))
    assert ".".join(filter(None, ("params", place, key))) in str(caught.value)
    assert len(str(caught.value)) < 300


def test_berts_tokenizer_cannot_be_left_out(read):
    with pytest.raises(CheckpointError, match=r"cond_stage_config\.params\.use_tokenizer 'False'"):
        read(changed(LAION_PARAMS, TEXT_PLACE, "use_tokenizer", False))


@pytest.mark.parametrize(
    ("place", "key", "value"),
    [
        ("", "given_betas", None),
        ("", "v_posterior", 0.0),
        ("", "scale_by_std", False),
        (UNET_PLACE, "disable_self_attentions", [False] * 4),
        (UNET_PLACE, "use_linear_in_transformer", None),
        (VAE_PLACE, "tanh_out", False),
        (VAE_PLACE, "resamp_with_conv", True),
        (TEXT_PLACE, "layer", "last"),
        (TEXT_PLACE, "max_length", 77),
        (TEXT_PLACE, "freeze", True),
    ],
)
def test_options_may_be_given_as_they_are_implemented(read, place, key, value):
    assert read(changed(PARAMS, place, key, value)) == ModelConfig()


@pytest.mark.parametrize(
    ("place", "key", "value", "expected"),
    [
        (UNET_PLACE, "num_heads", 3, "'num_heads': 3 does not divide the 320 channels"),
        (UNET_PLACE, "num_heads", -1, "'num_heads': should be greater than 0, not -1"),
        (UNET_PLACE, "num_heads", 8.5, "'num_heads': should be a valid integer, not 8.5"),
        (UNET_PLACE, "num_heads", True, "'num_heads': should be a valid integer, not True"),
        (UNET_PLACE, "model_channels", 10**9, "'model_channels': should be less than or equal to 1000000"),
        (UNET_PLACE, "num_res_blocks", [1, 2], "'num_res_blocks': should be a valid integer"),
        (UNET_PLACE, "channel_mult", 4, "'channel_mult': should be a valid list, not 4"),
        (UNET_PLACE, "channel_mult", [1, "two"], "'channel_mult': should be a valid"),
        (UNET_PLACE, "channel_mult", [], "'channel_mult': list should have at least 1 item"),
        (UNET_PLACE, "attention_resolutions", [2.5], "'attention_resolutions': should be a valid integer"),
        (VAE_PLACE, "ch_mult", [1, 0], "'ch_mult': should be greater than 0"),
        (VAE_PLACE, "ch_mult", [], "'ch_mult': list should have at least 1 item"),
        ("", "timesteps", 0, "'timesteps': should be greater than 0"),
        ("", "timesteps", 1, "'timesteps': at least 2"),
        ("", "scale_factor", 0, "'scale_factor': should be greater than 0"),
        ("", "scale_factor", True, "'scale_factor': should be a valid number"),
        ("", "scale_factor", 10**400, "malformed entry"),
        ("", "linear_start", "small", "'linear_start': should be a valid number, not small"),
        ("", "linear_start", float("nan"), "'linear_start': should be"),
        ("", "linear_end", 1.0, "'linear_start', 'linear_end': betas are below 1"),
    ],
)
def test_values_of_another_type_or_range_are_named(read, place, key, value, expected):
    with pytest.raises(CheckpointError, match="malformed entry") as caught:
        read(changed(PARAMS, place, key, value))
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("config", "values", "expected"),
    [
        (UNetConfig, {"num_heads": 5, "channel_mult": (1, 2, 3)}, None),
        (UNetConfig, {"num_heads": 6, "channel_mult": (1, 3), "attention_resolutions": ()}, None),
        (UNetConfig, {"num_heads": 6, "channel_mult": (3, 1), "attention_resolutions": ()}, "num_heads"),
        (TextEncoderConfig, {"num_attention_heads": 7}, "num_attention_heads"),
        (TextEncoderConfig, {"hidden_act": 3}, "hidden_act"),
        (AutoencoderConfig, {"embed_dim": 0}, "embed_dim"),
        (BertConfig, {"n_layer": "32"}, "n_layer"),
        (ScheduleConfig, {"linear_start": "0.1"}, "linear_start"),
        (ModelConfig, {"scale_factor": float("inf")}, "scale_factor"),
    ],
)
def test_configurations_check_themselves(config, values, expected):
    """In whatever way they are built; the heads must divide only the widths of levels with attention."""
    if expected is None:
        assert config(**values)
    else:
        with pytest.raises(ValueError) as caught:  # noqa: PT011 - the line below tells which
            config(**values)
        assert f"'{expected}'" in describe(caught.value)


def test_numbers_that_yaml_takes_for_text(tmp_path):
    model = {"target": "ldm.models.diffusion.ddpm.LatentDiffusion", "params": PARAMS}
    text = yaml.safe_dump({"model": model})
    for key, old, new in (("linear_start", "0.00085", "85e-5"), ("timesteps", "1000", "1e3")):
        assert f" {key}: {old}\n" in text
        text = text.replace(f" {key}: {old}\n", f" {key}: {new}\n")
    assert isinstance(yaml.safe_load(text)["model"]["params"]["linear_start"], str)
    (tmp_path / "c.yaml").write_text(text, encoding="utf-8")
    config = load_config(tmp_path / "c.yaml")
    assert config == ModelConfig()
    assert config.digest == ModelConfig().digest
