"""Prompts in the texts of PNG files and in file names."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from sdbench.core.errors import InputError
from sdbench.data import image_texts
from sdbench.data.captions import captions_of
from sdbench.data.image_sets import open_image_set

Save = Callable[..., None]

SETTINGS = "Negative prompt: blurry, low quality\nSteps: 20, Sampler: DPM++ 2M, CFG scale: 7, Seed: 1"

WORKFLOW = {
    "3": {"class_type": "KSampler", "inputs": {"positive": ["9", 0], "negative": ["7", 0], "seed": 1}},
    "9": {"class_type": "FluxGuidance", "inputs": {"conditioning": ["6", 0], "guidance": 3.5}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a red circle", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["4", 1]}},
}
TEXT_ELSEWHERE = {
    **WORKFLOW,
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": ["8", 0], "clip": ["4", 1]}},
    "8": {"class_type": "PrimitiveString", "inputs": {"value": "a red circle"}},
}
GUIDER = {
    "1": {"class_type": "SamplerCustomAdvanced", "inputs": {"guider": ["2", 0]}},
    "2": {"class_type": "BasicGuider", "inputs": {"conditioning": ["6", 0], "model": ["4", 0]}},
    "6": WORKFLOW["6"],
}
TWO = {**WORKFLOW, "5": {"inputs": {"positive": ["7", 0]}}}
CIRCLE = {"1": {"inputs": {"positive": ["2", 0]}}, "2": {"inputs": {"conditioning": ["2", 0]}}}


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Write a PNG with a text chunk; `how` is a keyword of Pillow's `PngInfo`."""

    def write(name: str, key: str = "", text: str = "", how: str = "add_text", **options: bool) -> None:
        info = PngInfo()
        if key:
            getattr(info, how)(key, text, **options)
        (tmp_path / "images").mkdir(exist_ok=True)
        Image.new("RGB", (2, 2)).save(tmp_path / "images" / name, pnginfo=info)

    return write


def prompts(folder: Path, mapping: str) -> list[str]:
    images = open_image_set(str(folder / "images"), "images", 1)
    return [caption.prompt for caption in captions_of(images, mapping, None)]


@pytest.mark.parametrize(
    ("key", "text", "options"),
    [
        ("parameters", f"a red\ncircle\n{SETTINGS}", {}),
        ("parameters", f"a red\ncircle\n{SETTINGS}", {"zip": True}),
        ("parameters", f"a red circle\n{SETTINGS}", {"how": "add_itxt"}),
        ("parameters", f"a red circle\n{SETTINGS}", {"how": "add_itxt", "zip": True}),
        ("prompt", json.dumps(WORKFLOW), {}),
        ("prompt", json.dumps(TEXT_ELSEWHERE), {}),
        ("prompt", json.dumps(GUIDER), {}),
        ("prompt", "a red circle", {}),
    ],
)
def test_the_prompt_in_a_png(save: Save, tmp_path: Path, key: str, text: str, options: dict) -> None:
    save("a.png", key, text, **options)
    assert prompts(tmp_path, "metadata") == ["a red circle"]


def test_other_alphabets(save: Save, tmp_path: Path) -> None:
    save("a.png", "parameters", "ein grüner Kreis ◯")
    assert prompts(tmp_path, "metadata") == ["ein grüner Kreis ◯"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ({}, r"a\.png has no text chunk 'parameters' or 'prompt'$"),
        ({"key": "Title", "text": "x"}, r"a\.png has no text chunk .*; its texts are 'Title'"),
        ({"key": "parameters", "text": SETTINGS}, r"a\.png: the prompt is empty"),
        ({"key": "prompt", "text": json.dumps(TWO)}, r"a\.png has a workflow with 2 prompts instead of one"),
        ({"key": "prompt", "text": json.dumps(CIRCLE)}, r"a\.png has a workflow with 0 prompts"),
        ({"key": "parameters", "text": "x" * 2000, "zip": True}, r"a\.png has a text chunk of more than"),
    ],
)
def test_no_prompt_is_one_line(
    save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: dict, words: str
) -> None:
    monkeypatch.setattr(image_texts, "LARGEST", 1000)
    save("a.png", **text)
    with pytest.raises(InputError, match=words):
        prompts(tmp_path, "metadata")


@pytest.mark.parametrize("cut", [lambda packed: packed[:-6], lambda packed: b"\xff" + packed[1:]])
def test_a_damaged_text_is_refused(tmp_path: Path, cut: Callable[[bytes], bytes]) -> None:
    data = b"parameters\0\0" + cut(zlib.compress(b"a red circle"))
    chunk = len(data).to_bytes(4, "big") + b"zTXt" + data + b"\0\0\0\0"
    with pytest.raises(ValueError, match="damaged text chunk"):
        image_texts.prompt_in_png(b"\x89PNG\r\n\x1a\n" + chunk)


def test_file_names(save: Save, tmp_path: Path) -> None:
    for name in ("a_red_circle.png", "a blue  square.png"):
        save(name)
    assert prompts(tmp_path, "filename") == ["a blue square", "a red circle"]
    save("_.png")
    with pytest.raises(InputError, match=r"_\.png: the prompt is empty"):
        prompts(tmp_path, "filename")


@pytest.mark.parametrize("mapping", ["metadata", "filename"])
def test_no_file_of_prompts_is_read(save: Save, tmp_path: Path, mapping: str) -> None:
    save("a.png", "prompt", "x")
    images = open_image_set(str(tmp_path / "images"), "images", 1)
    with pytest.raises(InputError, match=f"mapping {mapping} reads .*: leave --prompts away"):
        captions_of(images, mapping, "p.txt")
