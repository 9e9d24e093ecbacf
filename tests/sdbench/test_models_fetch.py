"""`sdbench models fetch` and `verify` against a hub on this machine: the library's real client code."""

from __future__ import annotations

import functools
import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest

from reference_model import hub as cache
from sdbench.cli import main
from sdbench.errors import InputError
from sdbench.models.entry import ModelEntry
from sdbench.models.records import read_record
from sdbench.registry import NotFetchedError, locate
from tests.sdbench.fake_hub import COMMIT, Hub, serving

ORIGINAL = "CompVis/stable-diffusion-v-1-1-original"
FOLDER = "CompVis/stable-diffusion-v1-1"
WEIGHTS = bytes(range(256)) * 4096

REPOSITORIES = {
    ORIGINAL: {"sd-v1-1.ckpt": WEIGHTS, "README.md": b"# a model"},
    FOLDER: {
        "model_index.json": b'{"_class_name": "StableDiffusionPipeline"}',
        "unet/config.json": b"{}",
        "unet/diffusion_pytorch_model.safetensors": b"weights of the unet",
        "unet/diffusion_pytorch_model.fp16.safetensors": b"half",
        "unet/diffusion_pytorch_model.bin": b"pickled",
        "vae/diffusion_pytorch_model.bin": b"pickled weights of the vae",
        "safety_checker/model.safetensors": b"unused",
        "sd-v1-1-pruned.safetensors": b"all in one",
        "README.md": b"# a model",
    },
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and an empty Hugging Face cache."""
    monkeypatch.setenv("SDBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "home"


@pytest.fixture
def hub(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving(Hub(REPOSITORIES)) as hub:
        client = functools.partial(huggingface_hub.HfApi, endpoint=hub.endpoint)
        monkeypatch.setattr(huggingface_hub, "HfApi", client)
        yield hub


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.splitlines()[-1]


def test_without_consent_nothing_is_downloaded(
    hub: Hub, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))  # a pipe is no person
    assert main(["models", "fetch", "sd-v1-1"]) == 2
    err = capsys.readouterr().err
    assert "CreativeML OpenRAIL-M: https://huggingface.co/spaces/CompVis/stable-diffusion-license" in err
    assert err.splitlines()[-1].startswith("sdbench: nothing was downloaded")
    assert "--accept-licence" in err.splitlines()[-1]
    assert hub.requests == []
    assert not home.exists()


@pytest.mark.parametrize(("answer", "code"), [("n\n", 2), ("\n", 2), ("yes\n", 0), ("y\n", 0)])
def test_a_person_is_asked(
    answer: str, code: int, hub: Hub, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = io.StringIO(answer)
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    assert main(["models", "fetch", "sd-v1-1"]) == code
    assert (home / "weights" / "sd-v1-1.ckpt").exists() == (code == 0)


def test_fetching_records_the_digest_and_leaves_nothing_else(
    hub: Hub, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "fetch", "sd-v1-1", "--accept-licence"]) == 0
    weights = home / "weights" / "sd-v1-1.ckpt"
    assert capsys.readouterr().out == f"sd-v1-1: {weights}\n"
    assert weights.read_bytes() == WEIGHTS
    record = json.loads((home / "weights" / "sd-v1-1.ckpt.json").read_text())
    assert record["sha256"] == {"sd-v1-1.ckpt": hashlib.sha256(WEIGHTS).hexdigest()}
    assert (record["repository"], record["commit"]) == (ORIGINAL, COMMIT)
    assert "OpenRAIL-M" in record["licence"]
    left = {path.name for path in (home / "weights").rglob("*") if path.is_file()}
    assert left == {"sd-v1-1.ckpt", "sd-v1-1.ckpt.json"}

    asked = len(hub.requests)
    assert main(["models", "fetch", "sd-v1-1"]) == 0  # there already: no question, no request
    assert len(hub.requests) == asked


def test_the_diffusers_layout_takes_what_is_loaded_and_no_more(hub: Hub, home: Path) -> None:
    assert main(["models", "fetch", "sd-v1-1", "--layout", "diffusers", "--accept-licence"]) == 0
    folder = home / "weights" / "CompVis--stable-diffusion-v1-1"
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == {
        "model_index.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.bin",
    }
    record = read_record(folder)
    assert record is not None
    assert len(record.sha256) == 4


def downloads(hub: Hub) -> list[tuple[str, str | None]]:
    return [
        (path.rpartition("/")[2], given)
        for method, path, given in hub.requests
        if method == "GET" and "/resolve/" in path
    ]


def test_a_broken_connection_is_taken_up_where_it_broke(
    hub: Hub, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # the library waits before it tries again
    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 100_000)
    hub.breaks = [300_000]
    assert main(["models", "fetch", "sd-v1-1", "--accept-licence"]) == 0
    assert downloads(hub) == [("sd-v1-1.ckpt", None), ("sd-v1-1.ckpt", "bytes=300000-")]
    assert (home / "weights" / "sd-v1-1.ckpt").read_bytes() == WEIGHTS


def test_a_folder_is_not_there_before_it_is_complete_and_keeps_its_complete_files(
    hub: Hub, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    fetch = ["models", "fetch", "sd-v1-1", "--layout", "diffusers", "--accept-licence"]
    hub.breaks = [10**9, 10**9] + 20 * [0]  # two files arrive
    assert main(fetch) == 2
    assert "run the command again to go on" in last_line(capsys)
    assert not (home / "weights" / "CompVis--stable-diffusion-v1-1").exists()
    hub.breaks = []
    hub.requests.clear()
    assert main(fetch) == 0
    assert [name for name, _ in downloads(hub)] == [
        "diffusion_pytorch_model.safetensors",
        "diffusion_pytorch_model.bin",
    ]


def test_a_file_that_is_not_the_hubs_is_not_kept(
    hub: Hub, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.lies["sd-v1-1.ckpt"] = WEIGHTS[:-1] + b"?"
    assert main(["models", "fetch", "sd-v1-1", "--accept-licence"]) == 2
    assert "sd-v1-1.ckpt arrived damaged" in last_line(capsys)
    assert not (home / "weights" / "sd-v1-1.ckpt").exists()
    hub.lies.clear()
    assert main(["models", "fetch", "sd-v1-1", "--accept-licence"]) == 0


def test_verify_says_when_a_byte_has_changed(
    hub: Hub, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["models", "fetch", "sd-v1-1", "--accept-licence"])
    capsys.readouterr()
    assert main(["models", "verify", "sd-v1-1"]) == 0
    assert (
        capsys.readouterr().out == f"sd-v1-1: sd-v1-1.ckpt ok, sha256 {hashlib.sha256(WEIGHTS).hexdigest()}\n"
    )
    weights = home / "weights" / "sd-v1-1.ckpt"
    weights.write_bytes(b"?" + WEIGHTS[1:])
    assert main(["models", "verify", "sd-v1-1"]) == 2
    assert f"{weights}: sd-v1-1.ckpt is not what was fetched from {ORIGINAL}" in last_line(capsys)


def test_the_digest_is_held_against_the_record_on_reuse(hub: Hub, home: Path) -> None:
    main(["models", "fetch", "sd-v1-1", "--accept-licence"])
    source = locate(ModelEntry(name="sd-v1-1"))
    source.files_digest()
    (home / "weights" / "sd-v1-1.ckpt").write_bytes(WEIGHTS[::-1])
    with pytest.raises(InputError, match=r"sd-v1-1\.ckpt is not what was fetched"):
        source.files_digest()


def test_verify_without_a_record_is_no_success(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "weights").mkdir(parents=True)
    (home / "weights" / "sd-v1-1.ckpt").write_bytes(WEIGHTS)
    assert main(["models", "verify", "sd-v1-1"]) == 2
    assert "nothing to compare" in last_line(capsys)


def test_offline_is_one_line(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert main(["models", "fetch", "sd-v1-1", "--accept-licence"]) == 2
    assert last_line(capsys) == (
        f"sdbench: {ORIGINAL}: HF_HUB_OFFLINE is set, so nothing is downloaded; unset it"
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nobody/nothing", "sdbench: nobody/nothing: there is no such model at https://huggingface.co/"),
        ("sd-v1-9", "sdbench: unknown model 'sd-v1-9': did you mean 'sd-v1-"),
        ("shapes-v1-1", "sdbench: shapes-v1-1 comes with the package"),
    ],
)
def test_what_cannot_be_fetched(
    name: str, expected: str, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "fetch", name, "--accept-licence"]) == 2
    assert last_line(capsys).startswith(expected)


def test_a_gated_model_says_where_to_consent(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    hub.gated.add(ORIGINAL)
    assert main(["models", "fetch", "sd-v1-1", "--accept-licence"]) == 2
    assert f"https://huggingface.co/{ORIGINAL} asks for consent" in last_line(capsys)


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

    def snapshot(repo: str, allow_patterns: list[str]) -> str:
        asked.append(allow_patterns)
        return str(tmp_path)

    listing = SimpleNamespace(list_repo_files=lambda repo: list(repository))
    monkeypatch.setattr(cache, "HfApi", lambda: listing)
    monkeypatch.setattr(cache, "snapshot_download", snapshot)
    assert cache.hub_folder(FOLDER, sorted, "model_index.json") == tmp_path
    assert asked == [sorted(repository)]
    cached(hub, tmp_path, WHOLE.keys() - repository.keys())
    assert (cache.hub_folder(FOLDER, sorted, "model_index.json") / absent).is_file()
    assert len(asked) == 1
