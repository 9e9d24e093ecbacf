"""Texts that come with images: pairs are read as strictly as prompts, with file and line in every error."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from sdbench.core.errors import InputError
from sdbench.data.captions import Caption, captions_of
from sdbench.data.image_sets import open_image_set

TEXT = {
    "csv": lambda pairs: "file,prompt\n" + "".join(f'{file},"{text}"\n' for file, text in pairs),
    "jsonl": lambda pairs: "".join(
        json.dumps({"file_name": file, "text": text}, ensure_ascii=False) + "\n" for file, text in pairs
    ),
}


def images(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2, 2)).save(path)


def captions(folder: Path, mapping: str, content: str | bytes | None = None) -> list[Caption]:
    path = None
    if content is not None:
        path = folder / f"p.{mapping}"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    found = open_image_set(str(folder / "images"), "images", 1)
    return captions_of(found, mapping, None if path is None else str(path))


def refusal(folder: Path, mapping: str, content: str | bytes | None = None) -> str:
    with pytest.raises(InputError) as error:
        captions(folder, mapping, content)
    assert "\n" not in str(error.value)
    return str(error.value)


CSV = {
    "a comma without quotes": (
        "file,prompt\na.png,a cat, sitting\n",
        "line 2: 3 fields under 2 headings; put text",
    ),
    "an open quote": ('file,prompt\na.png,"a\n' + "b.png,b\n" * 30_000, "line 2: not CSV: "),
    "blanks": ("file,prompt\na.png,   \n", "line 2: column 'prompt' is empty"),
    "no file": ("file,prompt\n,a\n", "line 2: column 'file' is empty"),
    "a file twice": (
        "file,prompt\na.png,a\na.png,b\n",
        "line 3: a.png is listed a second time, first in line 2",
    ),
    "a column twice": ("file,prompt,prompt\na.png,a,b\n", "has 2 columns 'prompt': rename all but one"),
    "UTF-16": ("file,prompt\na.png,a\n".encode("utf-16-le"), "line 1: a NUL character, as in UTF-16"),
    "a flag that every image has": (
        "file,prompt,flags\na.png,a,False\n",
        "line 2: flags: 'False' names no flag",
    ),
}


@pytest.mark.parametrize("case", CSV)
def test_errors_in_csv_pairs_name_file_and_line(case: str, tmp_path: Path) -> None:
    images(tmp_path, "a.png")
    content, expected = CSV[case]
    line = refusal(tmp_path, "csv", content)
    assert line.startswith(f"prompts: {tmp_path}/p.csv")
    assert expected in line


JSONL = {
    "half a character": ('{"file": "a.png", "text": "a \\ud83d"}', "line 1: key 'text' contains half a char"),
    "a number": ('{"file": "a.png", "text": 3}', "line 1: key 'text' is int, not text"),
    "a number for a name": ('{"file": 3, "text": "a"}', "line 1: key 'file' is int, not text"),
    "a key twice": (
        '{"file": "a.png", "text": "a", "text": "b"}',
        "line 1: not JSON: the key 'text' is given twice",
    ),
    "deep nesting": ("[" * 100_000, "line 1: not JSON: "),
    "a flag that is no text": (
        '{"file": "a.png", "text": "a", "flags": true}',
        "line 1: flags is bool, not text",
    ),
}


@pytest.mark.parametrize("case", JSONL)
def test_errors_in_jsonl_pairs_name_file_and_line(case: str, tmp_path: Path) -> None:
    images(tmp_path, "a.png")
    content, expected = JSONL[case]
    line = refusal(tmp_path, "jsonl", content)
    assert line.startswith(f"prompts: {tmp_path}/p.jsonl, ")
    assert expected in line


@pytest.mark.parametrize("mapping", TEXT)
def test_pairs_are_read_whole(mapping: str, tmp_path: Path) -> None:
    composed, apart = (unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD"))
    images(tmp_path, "a.png", "b/c.png", composed)
    pairs = [("./a.png", "a\u2028b, c\x85d"), ("b\\c.png", "two"), (apart, "three")]
    assert captions(tmp_path, mapping, TEXT[mapping](pairs)) == [
        Caption("a\u2028b, c\x85d"),
        Caption("two"),
        Caption("three"),
    ]


def test_a_heading_may_have_blanks_and_names_that_do_not_fit_are_shown(tmp_path: Path) -> None:
    images(tmp_path, "a.png")
    assert captions(tmp_path, "csv", "file, prompt\na.png, x\n") == [Caption("x")]
    line = refusal(tmp_path, "csv", "file,prompt\nimages/a.png,x\n")
    assert line.endswith("1 images have no prompt, the first is a.png; the prompts name images/a.png")


def test_flags_are_a_text_or_a_list(tmp_path: Path) -> None:
    images(tmp_path, "a.png", "b.png", "c.png")
    rows = [
        {"file": "a.png", "text": "a", "flags": ["unsafe", "blurry"]},
        {"file": "b.png", "text": "b", "flags": "unsafe, blurry"},
        {"file": "c.png", "text": "c", "flags": []},
    ]
    content = "".join(json.dumps(row) + "\n" for row in rows)
    assert [caption.flags for caption in captions(tmp_path, "jsonl", content)] == [
        "unsafe,blurry",
        "unsafe,blurry",
        "",
    ]


def test_an_image_has_one_metadata_file(tmp_path: Path) -> None:
    images(tmp_path, "a/b.png")
    for folder, name in (("images", "a/b.png"), ("images/a", "b.png")):
        (tmp_path / folder / "metadata.jsonl").write_text(json.dumps({"file_name": name, "text": "x"}))
    assert "a/b.png already has a prompt in another metadata.jsonl" in refusal(tmp_path, "jsonl")


def test_sidecars_of_web_interfaces_hold_settings_after_the_prompt(tmp_path: Path) -> None:
    images(tmp_path, "a.png", "b.png")
    settings = "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 64x64"
    (tmp_path / "images" / "a.txt").write_text(f"a cat,\non a mat\nNegative prompt: dog\n{settings}")
    (tmp_path / "images" / "b.txt").write_text(f"Steps: of a house\n{settings}")
    assert captions(tmp_path, "sidecar") == [Caption("a cat, on a mat"), Caption("Steps: of a house")]
    (tmp_path / "images" / "b.txt").write_bytes(b"fine\nM\xfcnchen")
    assert refusal(tmp_path, "sidecar").endswith("b.txt, line 2: not UTF-8 text; save it as UTF-8")


@pytest.mark.parametrize(
    ("names", "clear"),
    [
        (["0.png", "1.png", "10.png", "2.png"], False),
        (["s/img-9.png", "s/img-10.png"], False),
        (["a/1.png", "a/2.png", "b/1.png", "b/10.png"], True),
        (["09.png", "10.png"], True),
        (["1a22.png", "11a2.png"], True),  # digests: all of one length
        (["cat.png", "dog.png", "7.png"], True),
    ],
)
def test_numbers_without_zeros_have_no_clear_order(names: list[str], clear: bool, tmp_path: Path) -> None:
    images(tmp_path, *names)
    lines = "".join(f"prompt {i}\n" for i in range(len(names)))
    if clear:
        assert len(captions(tmp_path, "index", lines)) == len(names)
    else:
        assert "write the numbers with leading zeros" in refusal(tmp_path, "index", lines)


def coco(*annotations: object) -> str:
    return json.dumps({"images": [], "annotations": annotations})


def test_coco_ids_are_the_number_that_a_stem_ends_in(tmp_path: Path) -> None:
    images(tmp_path, "139.png", "COCO_val2014_000000000042.png", "x-0.png")
    found = [{"id": i, "image_id": image, "caption": str(image)} for i, image in enumerate((139, 42, 0))]
    assert [caption.prompt for caption in captions(tmp_path, "coco", coco(*found))] == ["139", "42", "0"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"caption": None}, "annotation 1: key 'caption' is empty"),
        ({"caption": "half \ud83d"}, "annotation 1: key 'caption' contains half a character"),
        ({"caption": 3}, "annotation 1: key 'caption' is int, not text"),
        ({"id": True}, "annotation 1: id is True, not a whole number"),
        ({"image_id": 1.5}, "annotation 1: image_id is 1.5, not a whole number"),
        ({"image_id": None}, "annotation 1: image_id is None, not a whole number"),
    ],
)
def test_errors_in_coco_files_name_the_annotation(
    change: dict[str, object], expected: str, tmp_path: Path
) -> None:
    images(tmp_path, "1.png")
    line = refusal(tmp_path, "coco", coco({"id": 1, "image_id": 1, "caption": "a", **change}))
    assert line.startswith(f"prompts: {tmp_path}/p.coco, ")
    assert expected in line
