"""Prompts from files: tables, JSON lines, Parquet, Hugging Face datasets."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sdbench.core.errors import InputError
from sdbench.data.prompts import load_prompts
from sdbench.spec import (
    CocoPrompts,
    CsvPrompts,
    DrawBenchPrompts,
    FilePrompts,
    HuggingFacePrompts,
    JsonlPrompts,
    ParquetPrompts,
    PartiPrompts,
)

TEXTS = [
    "a red circle",
    '"Toaday", a newspaper',
    'a sign that says "Diffusion"',
    "one, two, three",
    "a corgi’s head",
]


def texts(spec: object) -> list[str]:
    return [prompt.text for prompt in load_prompts(spec)]  # type: ignore[arg-type]


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def as_text(path: Path) -> FilePrompts:
    path.write_text("\n".join(TEXTS), encoding="utf-8")
    return FilePrompts(source="file", path=str(path))


def as_csv(path: Path) -> CsvPrompts:
    rows = [f"{i},{quoted(text)}" for i, text in enumerate(TEXTS)]
    path.write_text("\n".join(["id,caption", *rows]), encoding="utf-8-sig")
    return CsvPrompts(source="csv", path=str(path), column="caption")


def as_jsonl(path: Path) -> JsonlPrompts:
    path.write_text("".join(json.dumps({"caption": text}) + "\n" for text in TEXTS))
    return JsonlPrompts(source="jsonl", path=str(path), key="caption")


def as_parquet(path: Path) -> ParquetPrompts:
    pq.write_table(pa.table({"id": range(len(TEXTS)), "caption": TEXTS}), path)
    return ParquetPrompts(source="parquet", path=str(path), column="caption")


def as_parti(path: Path) -> PartiPrompts:
    rows = [f"{text}\tAnimals\tBasic\t" for text in TEXTS]
    path.write_text("\n".join(["Prompt\tCategory\tChallenge\tNote", *rows, ""]), encoding="utf-8")
    return PartiPrompts(source="parti", path=str(path))


def as_drawbench(path: Path) -> DrawBenchPrompts:
    rows = [f"{quoted(text)},Colors" for text in TEXTS]
    path.write_text("\r\n".join(["Prompts,Category", *rows]), encoding="utf-8", newline="")
    return DrawBenchPrompts(source="drawbench", path=str(path))


@pytest.mark.parametrize("write", [as_text, as_csv, as_jsonl, as_parquet, as_parti, as_drawbench])
def test_the_same_prompts_have_the_same_ids_in_every_kind_of_file(
    write: Callable[[Path], FilePrompts], tmp_path: Path
) -> None:
    spec = write(tmp_path / "prompts")
    prompts = load_prompts(spec)
    assert [prompt.text for prompt in prompts] == TEXTS
    assert prompts == load_prompts(as_text(tmp_path / "prompts.txt"))
    assert load_prompts(spec.model_copy(update={"count": 2})) == prompts[:2]


def test_a_file_named_tsv_has_tabs(tmp_path: Path) -> None:
    path = tmp_path / "prompts.tsv"
    path.write_text('n\tprompt\n1\ta "quoted" cat, sitting\n')
    assert texts(CsvPrompts(source="csv", path=str(path), column="prompt")) == ['a "quoted" cat, sitting']


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^prompts\.path: .* is a folder; name a file in it$"):
        load_prompts(FilePrompts(source="file", path=str(tmp_path)))


def test_a_field_may_contain_line_breaks(tmp_path: Path) -> None:
    path = tmp_path / "prompts.csv"
    path.write_text('prompt,n\n"a cat\non a mat",1\na\u2028dog,2\n', encoding="utf-8")
    read = texts(CsvPrompts(source="csv", path=str(path), column="prompt"))
    assert read == ["a cat\non a mat", "a\u2028dog"]


CSV = {
    "no column": ("prompt,n\na,1\n", "has no column 'caption': known: prompt, n"),
    "no heading": ("", "has no column 'caption': known: none"),
    "no table": ("x" * 5000 + "\n", f"has no column 'caption': known: {'x' * 80}…"),
    "a heading of two lines": ('"a\nb",n\n', "has no column 'caption': known: a b, n"),
    "an empty field": (
        "caption,n\na,1\n ,2\n",
        "line 3: column 'caption' is empty; fill it in or remove the row",
    ),
    "a short row": ("n,caption\n1,a\n2\n", "line 3: column 'caption' is empty"),
    "a comma without quotes": (
        "caption,n\na cat, sitting,1\n",
        "line 2: 3 fields under 2 headings; put text",
    ),
    "an open quote": ('caption,n\n"a,1\n', "line 2: not CSV: unexpected end of data"),
    "a heading alone": ("caption,n\n", "contains no prompts"),
    "another encoding": (b"caption\nfine\nM\xfcnchen\n", "line 3: not UTF-8 text; save it as UTF-8"),
}


@pytest.mark.parametrize("case", CSV)
def test_errors_in_tables_name_file_and_line(case: str, tmp_path: Path) -> None:
    content, expected = CSV[case]
    path = tmp_path / "wrong.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError) as error:
        load_prompts(CsvPrompts(source="csv", path=str(path), column="caption"))
    assert str(error.value).startswith(f"prompts.path: {path}")
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


JSONL = {
    "no JSON": ('{"p": "a"}\n{"p": \n', "line 2: not JSON: "),
    "no object": ('["a"]\n', 'line 1: not a JSON object such as {"p": ...}'),
    "no key": ('{"p": "a"}\n\n{"q": "b"}\n', "line 3 has no key 'p': "),
    "no text": ('{"p": 3}\n', "line 1: key 'p' is int, not text"),
    "null": ('{"p": null}\n', "line 1: key 'p' is empty"),
    "half a character": ('{"p": "a \\ud83d"}\n', "line 1: key 'p' contains half a character"),
}


@pytest.mark.parametrize("case", JSONL)
def test_errors_in_json_lines_name_file_and_line(case: str, tmp_path: Path) -> None:
    content, expected = JSONL[case]
    path = tmp_path / "wrong.jsonl"
    path.write_text(content)
    with pytest.raises(InputError) as error:
        load_prompts(JsonlPrompts(source="jsonl", path=str(path), key="p"))
    assert str(error.value).startswith(f"prompts.path: {path}, {expected}")


def test_errors_in_parquet_files(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    spec = ParquetPrompts(source="parquet", path=str(path), column="p")
    with pytest.raises(InputError, match=r"prompts\.path: .*p\.parquet not found"):
        load_prompts(spec)
    path.write_text("no table")
    with pytest.raises(InputError, match="is not a Parquet file"):
        load_prompts(spec)
    pq.write_table(pa.table({"p": ["a", None], "n": [1, 2]}), path)
    with pytest.raises(InputError, match="row 2: column 'p' is empty"):
        load_prompts(spec)
    with pytest.raises(InputError, match="row 1: column 'n' is int, not text"):
        load_prompts(ParquetPrompts(source="parquet", path=str(path), column="n"))
    with pytest.raises(InputError, match="has no column 'q': known: p, n"):
        load_prompts(ParquetPrompts(source="parquet", path=str(path), column="q"))


def captions(path: Path, images: int = 40) -> Path:
    """Captions of 40 images: fifty for the first image, five for each other."""
    sizes = [50] + [5] * (images - 1)
    pairs = [image for image, size in enumerate(sizes) for _ in range(size)]
    annotations = [{"id": i, "image_id": image, "caption": f"{image}:{i}"} for i, image in enumerate(pairs)]
    path.write_text(json.dumps({"images": [], "annotations": annotations}))
    return path


def test_one_caption_per_image(tmp_path: Path) -> None:
    path = str(captions(tmp_path / "captions.json"))

    def images(count: int, seed: int = 1, pick: str = "one-per-image") -> list[str]:
        spec = CocoPrompts(source="coco", path=path, count=count, seed=seed, pick=pick)  # type: ignore[arg-type]
        return [text.split(":")[0] for text in texts(spec)]

    assert sorted(images(40), key=int) == [str(i) for i in range(40)]
    assert images(10) == images(40)[:10]
    assert len(set(images(40, pick="any"))) < 40
    # An image with ten times as many captions is not drawn more often: 10 of 40 images, 60 seeds.
    hits = sum("0" in images(10, seed) for seed in range(60))
    assert 6 <= hits <= 24
    with pytest.raises(InputError, match="contains 40 prompts, but 41 are requested"):
        images(41)


def test_the_caption_of_an_image_is_random_too(tmp_path: Path) -> None:
    path = str(captions(tmp_path / "captions.json"))
    spec = CocoPrompts(source="coco", path=path, count=40, seed=3, pick="one-per-image")
    places = [int(text.split(":")[1]) % 5 for text in texts(spec)]
    assert set(places) == {0, 1, 2, 3, 4}
    ids = {prompt.id for prompt in load_prompts(spec)}
    assert ids <= {p.id for p in load_prompts(spec.model_copy(update={"pick": "any", "count": 245}))}


@pytest.fixture
def data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of data files; nothing is cached outside."""
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "set"
    folder.mkdir()
    pq.write_table(pa.table({"prompt": TEXTS}), folder / "train.parquet")
    return folder


def hub(dataset: Path | str, **more: str) -> HuggingFacePrompts:
    return HuggingFacePrompts.model_validate(
        {"source": "huggingface", "dataset": str(dataset), "split": "train", "column": "prompt", **more}
    )


def test_a_hugging_face_dataset(data_set: Path, tmp_path: Path) -> None:
    import datasets

    prompts = load_prompts(hub(data_set))
    assert prompts == load_prompts(as_text(tmp_path / "prompts.txt"))
    assert load_prompts(hub(data_set, split="train[1:3]")) != prompts[1:3]  # other positions have other ids
    with pytest.raises(InputError, match="has no column 'caption': known: prompt"):
        load_prompts(hub(data_set, column="caption"))
    with pytest.raises(InputError, match="split test: cannot be loaded: "):
        load_prompts(hub(data_set, split="test"))
    saved = tmp_path / "saved"
    datasets.DatasetDict({"train": datasets.Dataset.from_dict({"prompt": TEXTS})}).save_to_disk(saved)
    assert load_prompts(hub(saved)) == prompts
    with pytest.raises(InputError, match=r"prompts\.split: .*known: train"):
        load_prompts(hub(saved, split="test"))


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("{folder}.py", "import datasets", "cannot be loaded: Dataset scripts are no longer supported"),
        ("train.jsonl", '{"prompt": "a"}\n{"prompt"', "cannot be loaded: An error occurred .*: .*JSON"),
    ],
)
def test_datasets_that_cannot_be_loaded(name: str, content: str, expected: str, tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / name.format(folder=folder.name)).write_text(content)
    with pytest.raises(InputError, match=expected) as error:
        load_prompts(hub(folder))
    assert "\n" not in str(error.value)


def test_a_missing_extra_is_named(data_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(
        InputError, match=r"huggingface needs the datasets package: pip install 'sdbench\[datasets\]'"
    ):
        load_prompts(hub(data_set))


def test_being_offline_is_one_line(data_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets
    import huggingface_hub.constants

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="HF_HUB_OFFLINE is set") as error:
        load_prompts(hub("someone/some-prompts"))
    assert str(error.value).startswith("prompts.dataset: someone/some-prompts, split train: cannot be loaded")
    assert "\n" not in str(error.value)


def test_unicode_separators_belong_to_a_prompt(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a red\u2028circle\r\nb\n", encoding="utf-8", newline="")
    found = load_prompts(FilePrompts(source="file", path=str(tmp_path / "a.txt")))
    assert [prompt.text for prompt in found] == ["a red\u2028circle", "b"]
