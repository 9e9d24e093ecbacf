"""Mappings from images to prompts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdbench.cli import score
from sdbench.core.errors import InputError
from sdbench.data.captions import MAPPINGS, Caption, captions_of
from sdbench.data.image_sets import open_image_set
from sdbench.data.prompts import load_prompts
from sdbench.spec import FilePrompts

Fill = Callable[..., None]


@pytest.fixture
def images(tmp_path: Path) -> Fill:
    """Write images of these names into the folder, and texts beside them."""

    def fill(*names: str, **texts: str) -> None:
        for name in names:
            path = tmp_path / "images" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.zeros((2, 2, 3), np.uint8)).save(path)
        for name, text in texts.items():
            (tmp_path / "images" / f"{name}.txt").write_text(text)

    return fill


def captions(folder: Path, mapping: str, prompts: Path | None = None) -> list[Caption]:
    images = open_image_set(str(folder / "images"), "images", 1)
    return captions_of(images, mapping, None if prompts is None else str(prompts))


def written(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_the_command_line_knows_the_same_mappings() -> None:
    assert set(score.MAPPINGS) == set(MAPPINGS)


def test_index(images: Fill, tmp_path: Path) -> None:
    images("b.png", "a.png")
    assert captions(tmp_path, "index", written(tmp_path, "p.txt", "one\n\ntwo\n")) == [
        Caption("one"),
        Caption("two"),
    ]
    with pytest.raises(InputError, match=r"p\.txt holds 3 prompts and .*images 2 images"):
        captions(tmp_path, "index", written(tmp_path, "p.txt", "one\ntwo\nthree\n"))
    with pytest.raises(InputError, match="mapping index needs --prompts FILE"):
        captions(tmp_path, "index")


def test_name_is_the_prompt_id_of_a_sweep(images: Fill, tmp_path: Path) -> None:
    path = written(tmp_path, "p.txt", "one\ntwo\n")
    first, second = load_prompts(FilePrompts(source="file", path=str(path)))
    images(f"x/{second.id}.png", f"y/{first.id}.png")
    assert captions(tmp_path, "name", path) == [Caption("two"), Caption("one")]
    with pytest.raises(InputError, match=r"1 prompts have no image, the first is that of 000002-"):
        captions(tmp_path, "name", written(tmp_path, "p.txt", "one\ntwo\nthree\n"))
    images("z.png")
    with pytest.raises(InputError, match=r"1 images have no prompt, the first is z\.png"):
        captions(tmp_path, "name", path)


def test_sidecar(images: Fill, tmp_path: Path) -> None:
    images("a.png", "b.png", a="a red\n circle\n", b="two")
    assert captions(tmp_path, "sidecar") == [Caption("a red circle"), Caption("two")]
    images("c.png", "d.png")
    with pytest.raises(InputError, match=r"2 images have no text, the first lacks c\.txt"):
        captions(tmp_path, "sidecar")
    images(c=" \n", d="x")
    with pytest.raises(InputError, match=r"c\.txt: the prompt is empty"):
        captions(tmp_path, "sidecar")
    with pytest.raises(InputError, match="leave --prompts away"):
        captions(tmp_path, "sidecar", written(tmp_path, "p.txt", "one"))


def test_csv(images: Fill, tmp_path: Path) -> None:
    images("a.png", "b/c.png")
    path = written(
        tmp_path, "p.csv", '\ufefffile,prompt,flags\nb/c.png,"two, with a comma",unsafe\na.png,one,\n'
    )
    assert captions(tmp_path, "csv", path) == [Caption("one"), Caption("two, with a comma", "unsafe")]
    with pytest.raises(InputError, match=r"p\.csv has no column 'prompt' or 'text': known: file, words"):
        captions(tmp_path, "csv", written(tmp_path, "p.csv", "file,words\na.png,one\n"))
    with pytest.raises(InputError, match=r"1 images have no prompt, the first is b/c\.png"):
        captions(tmp_path, "csv", written(tmp_path, "p.csv", "file,prompt\na.png,one\n"))
    (tmp_path / "p.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"p\.csv, line 1: not UTF-8 text"):
        captions(tmp_path, "csv", tmp_path / "p.csv")


def test_jsonl_of_an_image_folder(images: Fill, tmp_path: Path) -> None:
    images("train/a.png", "train/b.png", "test/a.png")
    for split, names in (("train", "ab"), ("test", "a")):
        lines = [json.dumps({"file_name": f"{name}.png", "text": f"{split} {name}"}) for name in names]
        written(tmp_path / "images" / split, "metadata.jsonl", "\n".join(lines) + "\n")
    expected = [Caption("test a"), Caption("train a"), Caption("train b")]
    assert captions(tmp_path, "jsonl") == expected
    written(tmp_path / "images" / "test", "metadata.jsonl", "not json")
    with pytest.raises(InputError, match=r"test/metadata\.jsonl, line 1: not JSON: "):
        captions(tmp_path, "jsonl")
    with pytest.raises(InputError, match=r"m\.jsonl, line 1 has no key 'file_name' or 'file': known: text"):
        captions(tmp_path, "jsonl", written(tmp_path, "m.jsonl", '{"text": "a"}'))
    for split in ("train", "test"):
        (tmp_path / "images" / split / "metadata.jsonl").unlink()
    with pytest.raises(InputError, match=r"holds no metadata\.jsonl; give one by --prompts"):
        captions(tmp_path, "jsonl")


def test_coco_takes_the_first_caption_of_each_image(images: Fill, tmp_path: Path) -> None:
    images("000000000139.png", "COCO_val2014_000000000042.png")
    annotations = [
        {"id": 9, "image_id": 139, "caption": "later"},
        {"id": 3, "image_id": 139, "caption": " a living\nroom "},
        {"id": 5, "image_id": 42, "caption": "a dog"},
        {"id": 6, "image_id": 7, "caption": "not among the images"},
    ]
    path = written(tmp_path, "c.json", json.dumps({"annotations": annotations, "images": []}))
    assert captions(tmp_path, "coco", path) == [Caption("a living room"), Caption("a dog")]
    images("000000000001.png")
    with pytest.raises(InputError, match=r"1 images have no prompt, the first is 000000000001\.png"):
        captions(tmp_path, "coco", path)
