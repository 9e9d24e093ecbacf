"""Readers of people's files: any bytes give a result or one line, and what is accepted round-trips."""

from __future__ import annotations

import csv
import io
import json
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from sdbench.core.errors import SdbenchError
from sdbench.data import coco
from sdbench.data.captions import captions_of
from sdbench.data.image_sets import ImageSet, open_image_set
from sdbench.data.prompts import load_prompts
from sdbench.data.rows import csv_rows, decoded, json_rows, lines
from sdbench.spec import CocoPrompts, CsvPrompts, FilePrompts, JsonlPrompts, ParquetPrompts

settings.register_profile(
    "readers",
    max_examples=60,
    deadline=10_000,  # a reader that takes longer hangs
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
PROFILE = settings.get_profile("readers")

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=30)
PROMPTS = TEXTS.filter(str.strip)


def picture(kind: str) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(np.arange(36, dtype=np.uint8).reshape(3, 4, 3)).save(sink, kind)
    return sink.getvalue()


def tar_of(files: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return sink.getvalue()


def zip_of(files: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return sink.getvalue()


def npz() -> bytes:
    sink = io.BytesIO()
    np.savez(sink, np.zeros((2, 3, 4, 3), np.uint8))
    return sink.getvalue()


def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"prompt": ["a cat", "a dog"]}), sink)
    return sink.getvalue()


KINDS = ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"]
FILES = {f"{kind.lower()}.{kind.lower()}": picture(kind) for kind in KINDS}
SMALL = {"a.png": picture("PNG"), "b/c.png": picture("PNG")}
COCO = {"images": [{"file_name": "a.png"}], "annotations": [{"id": 1, "image_id": 2, "caption": "a cat"}]}


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """Bytes near `whole`: some overwritten, inserted or cut off; or any bytes."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data)))
        piece = draw(st.binary(max_size=8))
        kind = draw(st.sampled_from(["overwrite", "insert", "cut", "anything"]))
        if kind == "overwrite":
            data[place : place + len(piece)] = piece
        elif kind == "insert":
            data[place:place] = piece
        elif kind == "cut":
            del data[place:]
        else:
            data = bytearray(draw(st.binary(max_size=200)))
    return bytes(data)


def one_line_or(result: Callable[[], object]) -> None:
    """A result, or an error of one line."""
    message = ""
    try:
        result()
    except SdbenchError as error:
        message = str(error)
    assert "\n" not in message


def used(path: Path) -> None:
    def use() -> None:
        images = open_image_set(str(path), "images", 1)
        for batch in images.batches(4):
            assert batch.pixels.dtype == np.uint8
        assert images.digest()

    one_line_or(use)


def in_a_file(name: str, data: bytes, read: Callable[[Path], object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        read(path)


@pytest.mark.parametrize("name", FILES)
@settings(PROFILE, max_examples=40)
@given(data=st.data())
def test_any_bytes_of_an_image(name: str, data: st.DataObject) -> None:
    in_a_file(name, data.draw(damaged(FILES[name])), lambda path: used(path.parent))


@pytest.mark.parametrize(
    ("name", "whole"), [("x.zip", zip_of(SMALL)), ("x.tar", tar_of(SMALL)), ("x.npz", npz())]
)
@settings(PROFILE, max_examples=100)
@given(data=st.data())
def test_any_bytes_of_an_archive(name: str, whole: bytes, data: st.DataObject) -> None:
    in_a_file(name, data.draw(damaged(whole)), used)


def prompts_of(path: Path) -> None:
    kind = path.suffix[1:]
    spec = {
        "txt": lambda: FilePrompts(source="file", path=str(path)),
        "csv": lambda: CsvPrompts(source="csv", path=str(path), column="prompt"),
        "tsv": lambda: CsvPrompts(source="csv", path=str(path), column="prompt"),
        "jsonl": lambda: JsonlPrompts(source="jsonl", path=str(path), key="prompt"),
        "parquet": lambda: ParquetPrompts(source="parquet", path=str(path), column="prompt"),
        "json": lambda: CocoPrompts(source="coco", path=str(path), count=1, seed=1),
    }[kind]()

    def use() -> None:
        for prompt in load_prompts(spec):
            assert prompt.text.strip()
            assert prompt.text.encode()

    one_line_or(use)


PROMPT_FILES = {
    "p.txt": b"a cat\n\na dog\r\n",
    "p.csv": b'n,prompt\n1,"a cat, sitting"\n2,a dog\n',
    "p.tsv": b'n\tprompt\n1\t"a" cat\n',
    "p.jsonl": b'{"prompt": "a cat \\u00e9"}\n{"prompt": "b"}\n',
    "p.parquet": parquet(),
    "p.json": json.dumps(COCO).encode(),
}


@pytest.mark.parametrize("name", PROMPT_FILES)
@settings(PROFILE, max_examples=100)
@given(data=st.data())
def test_any_bytes_of_a_prompt_file(name: str, data: st.DataObject) -> None:
    in_a_file(name, data.draw(damaged(PROMPT_FILES[name])), prompts_of)


PAIRS = {
    "csv": b'file,prompt,flags\na.png,"a cat",\nb/c.png,a dog,unsafe\n',
    "jsonl": b'{"file_name": "a.png", "text": "a", "flags": ["x"]}\n{"file_name": "b/c.png", "text": "b"}\n',
    "coco": json.dumps(COCO).encode(),
    "index": b"a\nb\n",
    "name": b"a\nb\n",
}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    folder = tmp_path_factory.mktemp("images")
    for name, data in SMALL.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    return open_image_set(str(folder), "images", 1)


@pytest.mark.parametrize("mapping", PAIRS)
@settings(PROFILE, max_examples=40)
@given(data=st.data())
def test_any_bytes_of_a_file_of_pairs(mapping: str, images: ImageSet, data: st.DataObject) -> None:
    def use(path: Path) -> None:
        one_line_or(
            lambda: [c.prompt.encode() + c.flags.encode() for c in captions_of(images, mapping, str(path))]
        )

    in_a_file("p", data.draw(damaged(PAIRS[mapping])), use)


@settings(PROFILE)
@given(texts=st.lists(PROMPTS, min_size=1, max_size=5))
def test_texts_round_trip(texts: list[str]) -> None:
    sink = io.StringIO(newline="")
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerows([["n", "prompt"], *([i, text] for i, text in enumerate(texts))])
    stripped = [text.strip() for text in texts]
    rows = list(csv_rows(sink.getvalue().encode(), "p", ["prompt"]))
    assert [row.text("prompt") for row in rows] == stripped
    for ascii_only in (True, False):
        blob = "".join(json.dumps({"p": text}, ensure_ascii=ascii_only) + "\n" for text in texts).encode()
        assert [row.text("p") for row in json_rows(blob, "p", "p")] == stripped
    whole = [" ".join(text.split("\n")).strip() for text in texts]
    read = [line.strip() for _, line in lines("\n".join(whole).encode(), "p")]
    assert read == [text for text in whole if text]
    assert decoded("\ufeffa\r\nb\rc".encode(), "p") == "a\nb\nc"


@settings(PROFILE)
@given(ids=st.lists(st.integers(0, 10**12), min_size=1, max_size=5, unique=True), text=PROMPTS)
def test_captions_round_trip(ids: list[int], text: str) -> None:
    content = {"annotations": [{"id": i, "image_id": i, "caption": text} for i in ids]}

    def read(path: Path) -> None:
        found = coco.captions(str(path), "prompts.path")
        assert [(caption.id, caption.text) for caption in found] == [
            (i, " ".join(text.split())) for i in sorted(ids)
        ]

    in_a_file("c.json", json.dumps(content).encode(), read)


NAMES = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\"), min_size=1, max_size=9
)


@settings(PROFILE)
@given(names=st.lists(NAMES.filter(lambda name: not name.startswith(".")), max_size=5, unique=True))
def test_the_files_of_archives_are_taken_or_named(names: list[str]) -> None:
    files = {f"{name}.png": name.encode() for name in names}
    for suffix, pack in ((".zip", zip_of), (".tar", tar_of)):

        def read(path: Path) -> None:
            def use() -> None:
                images = open_image_set(str(path), "images", 0)
                passed = sum(len(each) for each in images.passed_over.values())
                assert len(images.names) + passed == len(files)
                assert set(images.read(images.names)) <= set(files.values())

            one_line_or(use)

        in_a_file(f"x{suffix}", pack(files), read)
