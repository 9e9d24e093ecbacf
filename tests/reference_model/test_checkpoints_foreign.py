"""Files that are no checkpoints are refused in one line that says what they are."""

from __future__ import annotations

import os
import pickle
import zipfile

import pytest

from reference_model import load_checkpoint

from .conftest import TINY_CKPT, TINY_YAML, refused


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "it is empty"),
        (b"<!DOCTYPE html><html>not found</html>", "a web page"),
        (b"\n  <html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        (b"\x1f\x8b\x08", "unpack it"),
        (b"hello", "neither safetensors nor"),
        (b"PK\x03\x04" + b"\0" * 100, "end is missing"),
        (b"\x05\0\0\0\0\0\0\0{nope", "damaged"),
        (pickle.dumps({"a": 1}), "not one that torch.save wrote"),
    ],
)
@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])
def test_files_that_are_no_checkpoints(tmp_path, content, expected, suffix):
    (tmp_path / f"m{suffix}").write_bytes(content)
    assert expected in refused(tmp_path / f"m{suffix}")


def test_a_zip_that_is_no_checkpoint(tmp_path):
    with zipfile.ZipFile(tmp_path / "zip.ckpt", "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "not one that torch.save wrote" in refused(tmp_path / "zip.ckpt")


def test_nowhere_and_folders(tmp_path):
    assert "no checkpoint at" in refused(tmp_path / "nowhere.ckpt")
    (tmp_path / "folder.ckpt").mkdir()
    assert "not a diffusers folder" in refused(tmp_path / "folder.ckpt")


def test_the_suffix_does_not_decide(tiny, tmp_path):
    (tmp_path / "m.safetensors").write_bytes(TINY_CKPT.read_bytes())
    assert load_checkpoint(tmp_path / "m.safetensors", TINY_YAML).weights_digest == tiny.weights_digest


def test_a_named_pipe_is_refused_instead_of_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.ckpt")
    assert "is not a file" in refused(tmp_path / "pipe.ckpt")
