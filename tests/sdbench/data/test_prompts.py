"""Prompt sources: order, permanent ids, and clear error messages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdbench.core.errors import InputError
from sdbench.data.prompts import load_prompts
from sdbench.spec import CocoPrompts, FilePrompts, ListPrompts, ShapesPrompts


def coco(path: Path, count: int, seed: int = 1) -> CocoPrompts:
    return CocoPrompts(source="coco", path=str(path), count=count, seed=seed)


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    annotations = [{"id": i, "image_id": i // 5, "caption": f" caption {i}\n"} for i in range(100)]
    path = tmp_path / "captions.json"
    path.write_text(json.dumps({"images": [], "annotations": annotations}))
    return path


def test_a_text_file_has_one_prompt_per_line(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text("a red circle\n\n  ein grüner Stern \r\na red circle\n", encoding="utf-8")
    prompts = load_prompts(FilePrompts(source="file", path=str(path)))
    assert [prompt.text for prompt in prompts] == ["a red circle", "ein grüner Stern", "a red circle"]
    assert len({prompt.id for prompt in prompts}) == 3
    assert load_prompts(FilePrompts(source="file", path=str(path), count=2)) == prompts[:2]


def test_an_edited_line_gets_another_id_and_the_others_keep_theirs() -> None:
    first = load_prompts(ListPrompts(source="list", prompts=("a", "b", "c")))
    second = load_prompts(ListPrompts(source="list", prompts=("a", "x", "c")))
    assert [one.id == two.id for one, two in zip(first, second, strict=True)] == [True, False, True]


@pytest.mark.parametrize("text", ["", "\n \n\t\n"])
def test_an_empty_file_is_an_error(text: str, tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=r"prompts\.path: .*prompts\.txt: contains no prompts"):
        load_prompts(FilePrompts(source="file", path=str(path)))


def test_too_few_prompts_are_an_error(tmp_path: Path, captions: Path) -> None:
    with pytest.raises(InputError, match="contains 2 prompts, but 3 are requested"):
        load_prompts(ListPrompts(source="list", prompts=("a", "b"), count=3))
    with pytest.raises(InputError, match="contains 100 prompts, but 101 are requested"):
        load_prompts(coco(captions, 101))


def test_coco_captions_are_a_seeded_draw_without_repeats(captions: Path) -> None:
    prompts = load_prompts(coco(captions, 30))
    assert len({prompt.id for prompt in prompts}) == 30
    assert all(prompt.text == f"caption {int(prompt.id.split('-')[1])}" for prompt in prompts)
    assert [prompt.id for prompt in prompts] != sorted(prompt.id for prompt in prompts)
    assert load_prompts(coco(captions, 30)) == prompts
    assert load_prompts(coco(captions, 10)) == prompts[:10]
    assert set(load_prompts(coco(captions, 30, seed=2))) != set(prompts)
    # About half of 30 of 100 come from the first half of the file.
    early = sum(int(prompt.id.split("-")[1]) < 50 for prompt in prompts)
    assert 7 <= early <= 23


def test_coco_ids_do_not_depend_on_the_order_of_the_file(captions: Path) -> None:
    content = json.loads(captions.read_text())
    before = load_prompts(coco(captions, 20))
    content["annotations"].reverse()
    captions.write_text(json.dumps(content))
    assert load_prompts(coco(captions, 20)) == before


def test_an_edited_coco_caption_gets_another_id(captions: Path) -> None:
    before = load_prompts(coco(captions, 100))
    content = json.loads(captions.read_text())
    content["annotations"][7]["caption"] = "another caption"
    captions.write_text(json.dumps(content))
    edited = set(load_prompts(coco(captions, 100))) - set(before)
    assert [prompt.text for prompt in edited] == ["another caption"]
    assert {prompt.id for prompt in edited}.isdisjoint(prompt.id for prompt in before)


def test_two_coco_captions_with_the_same_id_are_refused(captions: Path) -> None:
    content = json.loads(captions.read_text())
    content["annotations"][7]["id"] = content["annotations"][8]["id"]
    captions.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"captions\.json: two annotations have the id \d+; give"):
        load_prompts(coco(captions, 10))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{", "not JSON"),
        ("[]", "is not a COCO captions file"),
        ('{"annotations": 3}', "is not a COCO captions file"),
        ('{"annotations": [{"id": 1, "image_id": 2}]}', "annotation 1 has no key 'caption'"),
        ('{"annotations": [{"id": 1}]}', "annotation 1: image_id is None, not a whole number"),
    ],
)
def test_invalid_captions_files(content: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "captions.json"
    path.write_text(content)
    with pytest.raises(InputError, match=expected):
        load_prompts(coco(path, 1))


def test_missing_captions_are_an_error_that_says_where_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not found.*images\.cocodataset\.org"):
        load_prompts(coco(tmp_path / "none.json", 1))


def test_shapes_prompts_are_a_prefix_of_a_longer_set() -> None:
    five = load_prompts(ShapesPrompts(source="shapes", count=5, seed=3))
    assert load_prompts(ShapesPrompts(source="shapes", count=3, seed=3)) == five[:3]
    other = load_prompts(ShapesPrompts(source="shapes", count=5, seed=4))
    assert not {prompt.id for prompt in other} & {prompt.id for prompt in five}
