"""Compact baselines: the same measures as with the images, and plain words for what they cannot tell."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from sdbench.comparison.kept import SUFFIX
from tests.sdbench.comparison.conftest import scene
from tests.sdbench.comparison.test_compare_command import N, noisy, only
from tests.sdbench.comparison.test_in_ci import fixture

NAME = f"baseline{SUFFIX}"


@pytest.fixture
def baseline(compare, tmp_path):
    """Record a folder; returns the file."""

    def record(place, *options):
        code, said = compare(place, "--record", tmp_path / NAME, *options)
        assert code == 0, said
        return tmp_path / NAME

    return record


def measures(out):
    return json.loads((out / "certificate.json").read_text())["comparisons"][0]["measures"]


def test_the_measures_are_those_of_the_images(folder, compare, baseline, tmp_path):
    a, b, prompts = folder("a"), folder("b", change=noisy(0.8)), tmp_path / "prompts.txt"
    prompts.write_text("".join(f"waves number {number}\n" for number in range(N)))
    options = ["--metrics", "clip-score-shapes", "--prompts", prompts]
    file = baseline(a, *options)
    assert file.stat().st_size / N < 4096
    code, said = compare(file, b, "--out", tmp_path / "small")
    assert (code, "equivalent (24 pairs)" in said, "keeps no pixels" in said) == (0, True, True), said
    assert "SSIM 0" not in said
    compare(a, b, *options, "--out", tmp_path / "whole")
    assert measures(tmp_path / "small") == measures(tmp_path / "whole")
    page = (tmp_path / "small" / "index.html").read_text()
    assert page.count("a preview: the baseline keeps no pixels") == 8
    assert (
        (tmp_path / "small" / "pairs.csv").read_text().splitlines()[1].startswith(",000,waves number 0,,,,,,")
    )
    certificate = tmp_path / "small" / "certificate.json"
    assert compare(file, b, "--verify", certificate)[0] == 0
    code, said = compare(file, b, "--prompts", prompts)
    assert (code, "knows its prompts: leave --prompts away" in said) == (2, True)


def test_flags_and_equal_pixels_are_seen(folder, compare, baseline):
    a = folder("a")
    file = baseline(a)
    code, said = compare(file, a)
    assert (code, "identical (24 pairs)" in said) == (0, True), said
    broken = {3: lambda image: 0 * image, 5: lambda image: scene(7), 9: lambda image: image[:16]}
    b = folder("b", 20, change=lambda image, number: broken.get(number, lambda image: image)(image))
    code, said = compare(file, b)
    assert code == 1
    for words in (
        "003 (B: black)",
        "005 (B: the same pixels as 007)",
        "009 (B: 32x16 instead of 32x32 pixels)",
    ):
        assert f"flagged: {words}" in said
    assert "missing in B: 023" in said


def test_one_level_is_not_called_rounding(folder, compare, baseline):
    """Without pixels nobody knows by how much they moved; the looks still say that it does not matter."""
    file = baseline(folder("a"))
    code, said = compare(file, folder("b", change=lambda image, number: image + np.eye(32)[..., None]))
    assert (code, "equivalent (24 pairs)" in said) == (0, True), said
    code, said = compare(file, folder("c", change=lambda image, number: image - 25))
    assert (code, "beyond the margin: brightness" in said) == (1, True), said


WRONG = {
    "no B": (["{a}"], "name A and B, or A and --record FILE.sdbench"),
    "B and a file": (["{a}", "{a}", "--record", "x.sdbench"], "name A and B, or A and --record"),
    "another name": (["{a}", "--record", "x.sqlite"], "name ends in .sdbench"),
    "a folder": (["{a}", "--record", "{folder}"], "folder.sdbench is a folder: name a file"),
    "reports": (["{a}", "--record", "x.sdbench", "--out", "x"], "leave --out away"),
    "a baseline of a baseline": (["{file}", "--record", "x.sdbench"], "is a baseline without images"),
    "on the other side": (["{a}", "{file}"], "is a baseline without images: it can only be A"),
    "with repeats": (["{file}", "{a}", "--repeats", "{a}"], "--repeats needs the pixels of A"),
    "with prompts": (
        ["{file}", "{a}", "--prompts", "p.txt"],
        "recorded without prompts: record it with --prompts",
    ),
    "without their features": (
        ["{file}", "{a}", "--metrics", "fd-shapes-clip", "--reference", "{a}"],
        "keeps no features of shapes-clip with the weights that are here, only none: record it again",
    ),
    "missing": (["nowhere.sdbench", "{a}"], "nowhere.sdbench not found"),
    "cut off": (["{cut}", "{a}"], "is not a whole baseline"),
    "one bit": (["{bit}", "{a}"], "is not a whole baseline"),
    "no baseline": (["{text}", "{a}"], "is not a whole baseline"),
}


def test_wrong_input_is_one_line(folder, compare, baseline, tmp_path):
    a = folder("a", 4)
    file = baseline(a)
    data = file.read_bytes()
    place = data.index(b'"prompts"') - 70  # inside the digest
    contents = {"cut": data[:9000], "bit": data[:place] + b"z" + data[place + 1 :], "text": b"hello"}
    places = {"a": a, "file": file, "folder": tmp_path / f"folder{SUFFIX}"}
    places["folder"].mkdir()
    for name, content in contents.items():
        places[name] = tmp_path / f"{name}{SUFFIX}"
        places[name].write_bytes(content)
    for name, (arguments, words) in WRONG.items():
        code, said = compare(*(text.format(**places) for text in arguments))
        lines = [line for line in said.splitlines() if line.startswith("sdbench: ")]
        assert (name, code, len(lines)) == (name, 2, 1)
        assert words in lines[0]
    assert file.read_bytes() == data
    (tmp_path / "no-folder").write_text("")
    code, said = compare(a, "--record", tmp_path / "no-folder" / NAME)
    assert (code, "cannot be written: is its folder writable" in said) == (1, True)


def test_the_fixture_takes_a_compact_baseline(folder, tmp_path):
    folder("outputs")
    fixture(tmp_path, record=True)("outputs", baseline=NAME, mapping="filename")
    (found,) = fixture(tmp_path)("outputs", baseline=NAME, mapping="filename")
    assert found.verdict == "identical"
    assert found.prompts["003"] == "003"
    folder("black", change=only(3, lambda image: 0 * image))
    with pytest.raises(pytest.fail.Exception, match=re.escape("003, B: black")):
        fixture(tmp_path)("black", baseline=NAME)
