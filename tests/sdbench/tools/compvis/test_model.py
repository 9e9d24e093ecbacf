"""Which weights a name stands for, and how they are verified before use."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from reference_model import bert_tokenizer, hub
from sdbench.core.digest import digest_file
from sdbench.core.progress import ImageProgress
from sdbench.models.fetched import Origin, write_origin
from sdbench.tools.compvis import model
from tests.sdbench.tools.compvis.conftest import GOLDENS, TINY, Watched, load_once

Command = Callable[..., Watched]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of weights and models."""
    monkeypatch.setenv("SDBENCH_HOME", str(tmp_path / "home"))
    for name in ("weights", "models"):
        (tmp_path / "home" / name).mkdir(parents=True)
    return tmp_path / "home"


@pytest.mark.parametrize("use_ema", [True, False, None])
def test_a_model_of_the_users_says_which_weights_count(
    use_ema: bool | None, home: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, config = GOLDENS / "tiny/v1-tiny-full.ckpt", GOLDENS / "tiny/v1-tiny-full.yaml"
    line = "" if use_ema is None else f"use_ema: {str(use_ema).lower()}\n"
    (home / "models/mine.yaml").write_text(f"name: mine\npath: {path}\nconfig: {config}\n{line}")
    loaded = []

    def load(*args: object) -> object:
        loaded.append(load_once(*args))
        return loaded[-1]

    monkeypatch.setattr(model, "load_checkpoint", load)
    files = ["--ckpt", "mine", "--config", str(config)]
    assert command("txt2img", *files).code == 0
    digests = {given: load_once(path, config, "cpu", given).weights_digest for given in (True, False)}
    assert digests[True] != digests[False]
    assert loaded[0].weights_digest == digests[bool(use_ema)]  # the config says false


def fetched(target: Path, sha256: str) -> None:
    """Put tiny weights at `target`, marked as fetched with that digest."""
    shutil.copy(TINY[3], target)
    write_origin(target, Origin("CompVis/it", "c0ffee", "a licence", "2024-05-01", {target.name: sha256}))


@pytest.mark.parametrize("name", ["txt2img", "img2img"])
def test_weights_that_changed_since_they_were_fetched(
    name: str, home: Path, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    fetched(home / "weights/sd-v1-4.ckpt", "0" * 64)
    picture = [f"--init-img={GOLDENS / 'tiny/init-64x64.png'}"] if name == "img2img" else []
    seen = command(name, "--ckpt", "sd-v1-4", *picture)
    assert seen.code == 2
    assert not seen.outdir.exists()
    err = capsys.readouterr().err
    assert "sd-v1-4.ckpt is not what was fetched from CompVis/it on 2024-05-01" in err
    assert err.count("\n") == 1


def test_weights_that_did_not_change(
    home: Path, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    fetched(home / "weights/sd-v1-4.ckpt", digest_file(Path(TINY[3])))
    assert command("txt2img", "--ckpt", "sd-v1-4").code == 0
    assert capsys.readouterr().err.count("note:") == 0


def test_only_fetched_weights_are_hashed(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "file_digests", lambda path: pytest.fail(f"{path} was not fetched"))
    assert command("txt2img").code == 0


def test_hashing_that_takes_long_is_reported(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = Event()

    class Shown:
        def note(self, text: str) -> None:
            print(text)
            said.set()

        def close(self) -> None: ...

    weights = home / "weights/sd-v1-4.ckpt"
    fetched(weights, "")
    monkeypatch.setattr(model, "SILENCE", 0.01)
    monkeypatch.setattr(model, "file_digests", lambda path: said.wait(60))
    with ImageProgress(Shown()) as progress:  # type: ignore[arg-type]
        model._check_digests(weights, progress)
    assert capsys.readouterr().out == f"note: verifying the digests of {weights}\n"


def test_the_vocabulary_of_laion400m_may_be_cached_under_its_older_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program filled the cache; the hub is not asked."""
    file = tmp_path / "vocab.txt"
    file.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\ncat\n")
    cache = {("bert-base-uncased", "vocab.txt"): str(file)}
    monkeypatch.setattr(hub.huggingface_hub, "try_to_load_from_cache", lambda *names: cache.get(names))
    monkeypatch.setattr(bert_tokenizer, "hub_file", lambda *names: pytest.fail("asks the hub"))
    assert bert_tokenizer.BertTokenizer()(["Cat"])[0, :4].tolist() == [2, 4, 3, 0]
