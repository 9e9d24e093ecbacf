"""Models in the Hugging Face cache: found where they are whole, and asked for where a part is absent."""

from __future__ import annotations

import json
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import HfApi as RealApi

from reference_model import hub as cache
from reference_model.folder_files import REFERENCE_PARTS
from sdbench.cli import main
from sdbench.models.registry import NotFetchedError, locate
from sdbench.spec.model_entry import ModelEntry
from tests.sdbench.fake_hub import FOLDER, ORIGINAL, REPOSITORIES, WEIGHTS, Hub


def test_what_lies_in_the_hugging_face_cache_is_found(
    hub: Hub, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    huggingface_hub.hf_hub_download(
        ORIGINAL, "sd-v1-1.ckpt", endpoint=hub.endpoint, cache_dir=tmp_path / "cache"
    )
    capsys.readouterr()
    source = locate(ModelEntry(name="sd-v1-1"))
    assert source.path.read_bytes() == WEIGHTS
    assert main(["models", "fetch", "sd-v1-1"]) == 0
    assert capsys.readouterr().out == f"sd-v1-1: {source.path}\n"
    assert not home.exists()


WHOLE = {
    "model_index.json": json.dumps(
        {
            "_class_name": "StableDiffusionPipeline",
            "feature_extractor": ["transformers", "CLIPImageProcessor"],
            "image_encoder": [None, None],
            "requires_safety_checker": True,
            "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
            "scheduler": ["diffusers", "PNDMScheduler"],
            "text_encoder": ["transformers", "CLIPTextModel"],
            "tokenizer": ["transformers", "CLIPTokenizer"],
            "unet": ["diffusers", "UNet2DConditionModel"],
            "vae": ["diffusers", "AutoencoderKL"],
        }
    ).encode(),
    "feature_extractor/preprocessor_config.json": b"{}",
    "safety_checker/config.json": b"{}",
    "safety_checker/model.safetensors": b"unused",
    "scheduler/scheduler_config.json": b"{}",
    "text_encoder/config.json": b"{}",
    "text_encoder/model.safetensors": b"weights",
    "tokenizer/tokenizer_config.json": b"{}",
    "tokenizer/merges.txt": b"",
    "unet/config.json": b"{}",
    "unet/diffusion_pytorch_model-00001-of-00002.safetensors": b"one half",
    "unet/diffusion_pytorch_model-00002-of-00002.safetensors": b"the other",
    "vae/config.json": b"{}",
    "vae/diffusion_pytorch_model.fp16.safetensors": b"weights",
}


UNUSED = {"safety_checker/config.json", "safety_checker/model.safetensors"}


def cached(hub: Hub, folder: Path, absent: set[str]) -> None:
    """Leave a repository in the cache, but for some of its files."""
    for file in WHOLE.keys() - absent:
        huggingface_hub.hf_hub_download(FOLDER, file, endpoint=hub.endpoint, cache_dir=folder / "cache")


@pytest.mark.parametrize(
    "absent",
    [
        set(WHOLE) - {"model_index.json"},
        {"scheduler/scheduler_config.json"},
        {"tokenizer/tokenizer_config.json"},
        {"unet/config.json"},
        {"unet/diffusion_pytorch_model-00002-of-00002.safetensors"},
        {"vae/diffusion_pytorch_model.fp16.safetensors"},
    ],
)
def test_a_part_of_a_folder_in_the_cache_is_not_the_model(
    absent: set[str], hub: Hub, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.repositories = {**REPOSITORIES, FOLDER: WHOLE}
    cached(hub, tmp_path, absent)
    for entry in ({"name": "sd-v1-1"}, {"name": "a", "path": FOLDER}, {"name": "b", "diffusers": FOLDER}):
        with pytest.raises(NotFetchedError):
            locate(ModelEntry(**entry))
    assert main(["models", "fetch", "sd-v1-1", "--layout", "diffusers", "--accept-licence"]) == 0
    folder = home / "weights" / FOLDER.replace("/", "--")
    left = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert left == WHOLE.keys() - UNUSED
    assert locate(ModelEntry(name="sd-v1-1")).path == folder


def test_what_is_not_run_may_be_absent_from_the_cache(hub: Hub, home: Path, tmp_path: Path) -> None:
    hub.repositories = {**REPOSITORIES, FOLDER: WHOLE}
    cached(hub, tmp_path, {*UNUSED, "feature_extractor/preprocessor_config.json"})
    found = locate(ModelEntry(name="sd-v1-1"))  # the reference model has no use for the feature extractor
    assert found.path.is_relative_to(tmp_path / "cache")
    with pytest.raises(NotFetchedError):
        locate(ModelEntry(name="sd", diffusers=FOLDER))
    cached(hub, tmp_path, UNUSED)
    assert locate(ModelEntry(name="sd", diffusers=FOLDER)).path == found.path


@pytest.mark.parametrize("absent", ["scheduler/scheduler_config.json", "tokenizer/merges.txt"])
def test_the_reference_model_asks_for_what_its_cached_folder_lacks(
    absent: str, hub: Hub, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = {name: data for name, data in WHOLE.items() if name != "tokenizer/tokenizer_config.json"}
    hub.repositories = {**REPOSITORIES, FOLDER: repository}
    cached(hub, tmp_path, WHOLE.keys() - repository.keys() | {absent})
    asked: list[list[str]] = []

    def snapshot(self: object, repo: str, allow_patterns: list[str]) -> str:
        asked.append(allow_patterns)
        return str(tmp_path)

    monkeypatch.setattr(RealApi, "snapshot_download", snapshot)
    assert cache.hub_folder(FOLDER, REFERENCE_PARTS) == tmp_path
    unneeded = {*UNUSED, "feature_extractor/preprocessor_config.json"}
    assert asked == [sorted(repository.keys() - unneeded)]
    cached(hub, tmp_path, WHOLE.keys() - repository.keys())
    assert (cache.hub_folder(FOLDER, REFERENCE_PARTS) / absent).is_file()
    assert len(asked) == 1
