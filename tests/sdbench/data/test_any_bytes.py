"""Readers of people's files: any bytes give a result or one line, and what is accepted round-trips."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdbench.core.errors import InputError
from sdbench.data import coco
from sdbench.data.image_sets import open_image_set
from sdbench.data.rows import csv_rows, decoded, json_rows, lines
from tests.any_bytes import damaged
from tests.readers import readers
from tests.small_files import tar_of, zip_of

CORPUS = Path(__file__).parents[2] / "corpus"

settings.register_profile(
    "readers",
    max_examples=25,
    deadline=10_000,  # a reader that takes longer hangs
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
PROFILE = settings.get_profile("readers")

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=30)
PROMPTS = TEXTS.filter(str.strip)


# First of all, since what a reader imports when it first reads counts against the deadline below.
@pytest.mark.parametrize("name", readers())
def test_whole_files_are_accepted(name: str, tmp_path: Path) -> None:
    reader = readers()[name]
    path = tmp_path / reader.name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(reader.whole)
    reader.read(path)


@pytest.mark.parametrize("name", readers())
@settings(PROFILE)
@given(random=st.randoms(use_true_random=False))
def test_any_bytes_give_a_result_or_one_line(name: str, random: Random) -> None:
    reader = readers()[name]
    reader.check(damaged(random, reader.whole))


@pytest.mark.parametrize("name", readers())
def test_what_fuzzing_kept(name: str) -> None:
    for file in sorted((CORPUS / name).glob("*")):
        readers()[name].check(file.read_bytes())


def in_a_file(name: str, data: bytes, read: Callable[[Path], object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        read(path)


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
            with suppress(InputError):
                images = open_image_set(str(path), "images", 0)
                passed = sum(len(each) for each in images.passed_over.values())
                assert len(images.names) + passed == len(files)
                assert set(images.read(images.names)) <= set(files.values())

        in_a_file(f"x{suffix}", pack(files), read)
