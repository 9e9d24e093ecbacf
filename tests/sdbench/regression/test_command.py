"""The command: what is written, and how it ends."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from sdbench.cli import main

MODULE = """
from rewritten import ddim

def same(denoise, x, grid, draw):
    return ddim(denoise, x, grid, draw)

def larger(denoise, x, grid, draw):
    return ddim(denoise, 1.2 * x, grid, draw)
"""


@pytest.fixture(scope="module")
def baseline(tmp_path_factory):
    folder = tmp_path_factory.mktemp("baseline")
    assert (
        main(["regress", "record", "--quick", "--baseline", str(folder), "--sampler", "ddim=rewritten:ddim"])
        == 0
    )
    return folder


@pytest.fixture
def check(baseline, tmp_path, monkeypatch):
    (tmp_path / "candidates.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    return lambda *more: main(["regress", "check", "--baseline", str(baseline), *more])


def test_baseline_is_small_and_readable(baseline):
    content = json.loads((baseline / "cpu-float32.json").read_text())
    assert [case["name"] for case in content["cases"]][:2] == [
        "gaussian/ddim-20-g3",
        "gaussian/ddim-20-g3-eta1",
    ]
    assert "torch=" in content["environment"]["versions"]
    assert sum(path.stat().st_size for path in baseline.iterdir()) < 4 * 200_000


def test_unchanged_passes_and_writes_reports(check, tmp_path):
    assert check("--sampler", "ddim=candidates:same", "--out", str(tmp_path / "out")) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "report.json",
        "junit.xml",
        "summary.md",
        "errors.png",
    }
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert {case["verdict"] for case in report["cases"]} == {"identical"}
    assert report["passed"]


def test_a_change_fails_with_its_step_and_pictures(check, tmp_path, capsys):
    assert check("--sampler", "ddim=candidates:larger", "--out", str(tmp_path / "out")) == 1
    assert "worse than allowed: gaussian/ddim-20-g3" in capsys.readouterr().err
    suite = ElementTree.parse(tmp_path / "out" / "junit.xml").getroot()
    assert suite.attrib["failures"] == str(len(suite.findall("testcase/failure")))
    assert "at step 1" in suite.find("testcase/failure").attrib["message"]
    assert (tmp_path / "out" / "images" / "gaussian-ddim-20-g3.png").stat().st_size > 1000
    assert "**gaussian/ddim-20-g3**" in (tmp_path / "out" / "summary.md").read_text()


def test_policy_allows_drift_only_where_it_says_so(check, tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text("default: identical\ncases: {'*': drift}\n")
    arguments = ("--sampler", "ddim=candidates:same", "--policy", str(policy))
    assert check(*arguments) == 0
    policy.write_text("default: changed\n")
    assert check(*arguments) == 2


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--sampler", "ddim"), "is not written NAME=MODULE:FUNCTION"),
        (("--sampler", "plms=rewritten:plms"), "the baseline has no such case of 'plms'"),
        (("--baseline", "nowhere"), "no baseline: nowhere/cpu-float32.json"),
        (("--policy", "nowhere.yaml"), "policy nowhere.yaml"),
    ],
)
def test_bad_input_is_one_line(check, capsys, more, words):
    assert check(*more) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_a_damaged_baseline_is_refused(baseline, tmp_path, capsys):
    for path in baseline.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    arrays = tmp_path / "cpu-float32.safetensors"
    arrays.write_bytes(arrays.read_bytes()[:-1] + b"x")
    assert main(["regress", "check", "--baseline", str(tmp_path)]) == 2
    assert "not the file that cpu-float32.json was written with" in capsys.readouterr().err
