"""`sdbench models fetch` and `verify` against a hub on this machine: the library's real client code."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import huggingface_hub
import pytest

from metrics.networks import Network
from sdbench.cli import main
from sdbench.core.errors import InputError
from sdbench.models.fetched import read_origin
from sdbench.models.networks import NETWORKS, network_file
from sdbench.models.registry import locate
from sdbench.spec.model_entry import ModelEntry
from tests.sdbench.fake_hub import COMMIT, ORIGINAL, WEIGHTS, Hub


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
    origin = read_origin(folder)
    assert origin is not None
    assert len(origin.sha256) == 4


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
    assert "run the command again to resume" in last_line(capsys)
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
        f"sdbench: {ORIGINAL}: HF_HUB_OFFLINE is set, so nothing is downloaded; "
        "unset it, or give a local path"
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nobody/nothing", "sdbench: nobody/nothing: there is no such model at https://huggingface.co/"),
        ("sd-v1-9", "sdbench: unknown model 'sd-v1-9': did you mean 'sd-v1-"),
        ("shapes-v1-1", "sdbench: shapes-v1-1 comes with the package"),
        ("shapes-clip", "sdbench: shapes-clip comes with the package"),
        ("inception-v4", "sdbench: unknown model 'inception-v4': did you mean 'inception-v3'?"),
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


def test_a_network_of_the_hub_is_fetched_under_its_own_name(
    hub: Hub, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = NETWORKS["clip-vit-b-32"]
    hub.repositories[str(network.repository)] = {network.published: WEIGHTS}
    assert main(["models", "fetch", "clip-vit-b-32", "--accept-licence"]) == 0
    assert network_file("clip-vit-b-32") == home / "weights" / network.file
    assert main(["models", "verify", "clip-vit-b-32"]) == 0
    assert f"{network.file} ok, sha256 {hashlib.sha256(WEIGHTS).hexdigest()}" in capsys.readouterr().out
    assert main(["models", "info", "clip-vit-b-32"]) == 0
    assert f"as https://huggingface.co/{network.repository} says" in capsys.readouterr().out


@pytest.mark.parametrize("lie", [b"", b"x"])
def test_a_network_from_elsewhere_is_checked_against_known_digits(
    lie: bytes,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    published, start = tmp_path / "net.pth", hashlib.sha256(WEIGHTS).hexdigest()[:8]
    published.write_bytes(WEIGHTS + lie)
    network = Network(published.name, None, published.as_uri(), sha256=start)
    monkeypatch.setitem(NETWORKS, "inception-v3", network)
    assert main(["models", "fetch", "inception-v3", "--accept-licence"]) == (2 if lie else 0)
    assert (home / "weights" / published.name).exists() == (not lie)
    if lie:
        assert "inception-v3: cannot download file://" in last_line(capsys)
    else:
        assert main(["models", "verify", "inception-v3"]) == 0


def test_the_list_says_what_is_here_and_needs_no_torch(home: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from sdbench.cli import main\n"
        "assert main(['models', 'list', '--json']) == 0\n"
        "sys.exit('imported torch' if 'torch' in sys.modules else 0)\n"
    )
    environment = {**os.environ, "HF_HUB_CACHE": str(tmp_path / "none"), "TORCH_HOME": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
    )
    assert result.returncode == 0, result.stderr
    found = {row["name"]: (row["network"], row["found"]) for row in json.loads(result.stdout)}
    assert found["shapes-v1-1"] == (False, True)
    assert found["sd-v1-4"] == (False, False)
    assert found["inception-v3"] == (True, False)
