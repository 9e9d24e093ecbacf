"""The command: what it writes, and its exit codes."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from reference_model.samplers import SAMPLERS
from sdbench.cli import main
from sdbench.core.errors import InputError
from sdbench.regression import Subject, check_case, load_baseline

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
    assert sum(path.stat().st_size for path in baseline.iterdir()) < 4 * 140_000


def test_unchanged_passes_and_writes_reports(check, tmp_path, capsys):
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
    assert "case 1/4 (gaussian/ddim-20-g3)\n" in capsys.readouterr().err


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
        (("--sampler", "ddim"), "expected NAME=SOURCE"),
        (("--sampler", "plms=rewritten:plms"), "the baseline has no case of 'plms'"),
        (("--quick", "--sampler", "plms=rewritten:plms"), "the baseline has no --quick case of 'plms'"),
        (("--baseline", "nowhere"), "no baseline: nowhere/cpu-float32.json"),
        (("--policy", "nowhere.yaml"), "policy nowhere.yaml"),
        (("--policy", "policy.yaml"), "policy: 'shapes/*' matches no case of the baseline"),
        (("--device", "cuda"), "no baseline for cuda-float32 in"),
        (("--sampler", "ddim=ddim", "--sampler", "ddim=plms"), "'ddim' is given twice"),
        (("--sampler", "ddim=diffusers:DDIMSchedulr"), "did you mean 'DDIMScheduler'?"),
        (("--sampler", "ddim=diffusers:DDIMScheduler?clip=false"), "did you mean 'clip_sample'?"),
        (("--sampler", "ddim=nowhere.py:walk"), "FileNotFoundError"),
    ],
)
def test_bad_input_is_one_line(check, capsys, tmp_path, monkeypatch, more, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.yaml").write_text("cases: {'shapes/*': drift}\n")
    assert check(*more) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        ("safetensors", lambda data: data[:-1] + b"x", "does not belong to cpu-float32.json"),
        ("json", lambda data: data[:-20], "not JSON"),
        ("json", lambda data: b"[]", "baseline has format None, not 2; record it again"),
        ("json", lambda data: data.replace(b'"format": 2', b'"format": 1'), "baseline has format 1, not 2"),
        ("json", lambda data: data.replace(b'"steps": 20', b'"steps": 30'), "changed since it was written"),
        ("json", lambda data: data.replace(b'"sha256"', b'"sha"'), "changed since it was written"),
    ],
)
def test_a_damaged_baseline_is_refused(baseline, tmp_path, capsys, name, damage, words):
    for path in baseline.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    file = tmp_path / f"cpu-float32.{name}"
    damaged = damage(file.read_bytes())
    assert damaged != file.read_bytes()
    file.write_bytes(damaged)
    capsys.readouterr()
    assert main(["regress", "check", "--baseline", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert words in error


def test_a_testbed_with_other_data_is_refused(baseline):
    record = load_baseline(baseline).records[0]
    with pytest.raises(InputError, match="with different weights or data of the testbed 'gaussian'"):
        check_case(replace(record, testbed="0"), Subject(SAMPLERS["ddim"]))
