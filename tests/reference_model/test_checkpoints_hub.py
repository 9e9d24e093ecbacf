"""Hub ids: which files are downloaded, and what is reported if none can be."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

from reference_model import CheckpointError, hub, load_checkpoint
from reference_model.folder_files import REFERENCE_PARTS, needed_files


@pytest.fixture(scope="module")
def model(peer):
    return load_checkpoint(peer.folder)


REPOSITORY = [
    "README.md",
    "model_index.json",
    "safety_checker/model.safetensors",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model.fp16.safetensors",
    "text_encoder/model.safetensors",
    "text_encoder/pytorch_model.bin",
    "tokenizer/merges.txt",
    "tokenizer/tokenizer_config.json",
    "tokenizer/vocab.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.bin",
    "unet/diffusion_pytorch_model.fp16.safetensors",
    "v1-4.ckpt",
    "vae/config.json",
    "vae/diffusion_pytorch_model.fp16.bin",
]


def test_only_the_needed_files_of_a_repository_are_fetched():
    assert needed_files(REPOSITORY, REFERENCE_PARTS) == [
        "model_index.json",
        "scheduler/scheduler_config.json",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "tokenizer/merges.txt",
        "tokenizer/tokenizer_config.json",
        "tokenizer/vocab.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.bin",
        "vae/config.json",
        "vae/diffusion_pytorch_model.fp16.bin",
    ]


def listed(names: list[str]):
    """What the hub's client returns for a repository with these files."""
    siblings = [SimpleNamespace(rfilename=name, lfs=None) for name in names]
    return lambda *_, **__: SimpleNamespace(sha="c0ffee", siblings=siblings)


def test_a_repository_of_single_files_is_named_with_its_file(hub_without_network, monkeypatch):
    monkeypatch.setattr(hub.huggingface_hub.HfApi, "model_info", listed(["README.md", "sd-v1-4.ckpt"]))
    with pytest.raises(CheckpointError, match=r"download sd-v1-4\.ckpt from there"):
        load_checkpoint("some/model")


@pytest.fixture
def hub_without_network(monkeypatch, tmp_path):
    """An empty cache, and a hub that cannot be reached."""

    def unreachable(*_, **__):
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(hub.huggingface_hub.HfApi, "model_info", unreachable)
    monkeypatch.setattr(hub.huggingface_hub.HfApi, "hf_hub_download", unreachable)
    cached: dict[str, str] = {}
    monkeypatch.setattr(
        hub.huggingface_hub, "try_to_load_from_cache", lambda repo, name: cached.get(f"{repo}/{name}")
    )
    return cached


def test_a_hub_id_without_network(hub_without_network, peer, model):
    with pytest.raises(
        CheckpointError, match=r"cannot download from https://huggingface\.co/some/model"
    ) as caught:
        load_checkpoint("some/model")
    assert "\n" not in str(caught.value)
    hub_without_network["some/model/model_index.json"] = str(peer.folder / "model_index.json")
    assert load_checkpoint("some/model").weights_digest == model.weights_digest


def test_a_cache_that_holds_only_a_part_is_not_enough(hub_without_network, folder):
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    hub_without_network["some/model/model_index.json"] = str(folder / "model_index.json")
    with pytest.raises(CheckpointError, match="no route to host"):
        load_checkpoint("some/model")


def test_offline_is_said(hub_without_network, monkeypatch):
    monkeypatch.setattr(hub.huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(CheckpointError, match="some/model: HF_HUB_OFFLINE is set, so nothing is downloaded"):
        load_checkpoint("some/model")


def test_repositories_that_are_not_there_or_closed(hub_without_network, monkeypatch):
    def answers(error):
        def ask(*_, **__):
            raise error("no", response=SimpleNamespace(headers={}, request=None))

        monkeypatch.setattr(hub.huggingface_hub.HfApi, "model_info", ask)

    answers(GatedRepoError)
    with pytest.raises(CheckpointError, match="asks for consent: accept the licence there"):
        load_checkpoint("some/model")
    answers(RepositoryNotFoundError)
    with pytest.raises(CheckpointError, match="there is no such model"):
        load_checkpoint("some/model")


def test_a_file_that_is_not_there_is_no_hub_id(hub_without_network):
    for source in ("weights/sd-v1-4.ckpt", Path("some/model"), "one", "a/b/c"):
        with pytest.raises(CheckpointError, match="no checkpoint at"):
            load_checkpoint(source)


def test_the_hub_is_asked_for_what_is_needed(monkeypatch, peer, model):
    asked = {}

    def snapshot(_, repo, allow_patterns):
        asked[repo] = allow_patterns
        return str(peer.folder)

    monkeypatch.setattr(hub.huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr(hub.huggingface_hub.HfApi, "model_info", listed(REPOSITORY))
    monkeypatch.setattr(hub.huggingface_hub.HfApi, "snapshot_download", snapshot)
    assert load_checkpoint("some/model").weights_digest == model.weights_digest
    assert asked == {"some/model": needed_files(REPOSITORY, REFERENCE_PARTS)}
