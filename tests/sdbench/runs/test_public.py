"""`sdbench report --public`: nothing that is written names the machine, its user or a path."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

from sdbench.cli import main
from sdbench.runs.public import _Cleaner
from tests.reports.conftest import add_scores, build_results, build_run

SECRETS = ("vault-77", "carolx", "secret", "s3://", "tracking.example")
SPEC = {
    "name": "test",
    "checkpoints": [{"name": "v1", "path": "/home/carolx/secret/old weights.ckpt"}],
    "prompts": ["a portrait of carolx-the-cat", "black/white"],
    "reference": {"source": "folder", "path": "~/secret/photos"},
    "records": [{"to": "mlflow", "uri": "http://tracking.example"}],
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a run in a folder and with files that say much about who made it."""
    monkeypatch.setattr("platform.node", lambda: "vault-77.example.org")
    monkeypatch.setattr("getpass.getuser", lambda: "carolx")
    monkeypatch.setenv("HOME", "/home/carolx")
    folder = tmp_path / "secret place" / "run"
    folder.parent.mkdir()
    note = f"read from {folder}/images/p0.png on vault-77"
    rows = build_results().assign(note=note, metric_source="/home/carolx/secret/mine.py:score 0123")
    add_scores(build_run(folder, rows))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["command"] = f"sdbench run '{folder}/my spec.yaml' --out s3://secret/run --address vault-77:6379"
    manifest["checkpoints"] = {"v1": {"path": "/home/carolx/secret/old weights.ckpt", "host": "vault-77"}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "spec.yaml").write_text(yaml.safe_dump(SPEC))
    return folder


def test_a_public_copy_names_no_machine_user_or_path(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    target = tmp_path / "public"
    assert main(["report", str(run), "--public", str(target)]) == 0
    page = target / "report" / "index.html"
    assert capsys.readouterr().out == f"{page}\n"
    html = page.read_text()
    parts = [base64.b64decode(text) for text in re.findall(r"data:text/csv;base64,([\w+/=]+)", html)]
    assert parts, "the page embeds tables, which are read too"
    parts += [path.read_bytes() for path in target.rglob("*") if path.is_file()]
    parts += [pd.read_parquet(path).to_csv().encode() for path in target.glob("*.parquet")]
    for secret in (*SECRETS, str(run), str(tmp_path)):
        found = [part for part in parts if secret.encode() in part.replace(b"carolx-the-cat", b"")]
        assert not found, secret
    assert "carolx-the-cat" in html, "prompts stay as they are"
    assert 'data-original=""' in html
    assert not (target / "images").exists()
    assert not list(tmp_path.glob(".*"))
    manifest, spec = json.loads((target / "manifest.json").read_text()), (target / "spec.yaml").read_text()
    assert manifest["command"] == "sdbench run 'my spec.yaml' --out run --address ADDRESS"
    assert manifest["checkpoints"]["v1"] == {"path": "old weights.ckpt", "host": "MACHINE"}
    assert yaml.safe_load(spec)["reference"]["path"] == "photos"
    values = pd.read_csv(target / "results.csv")
    assert values["note"][0] == "read from p0.png on MACHINE"
    assert values["metric_source"][0] == "mine.py:score 0123"
    pd.testing.assert_series_equal(values["value"], build_results()["value"])
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("text", "public"),
    [
        (
            "https://huggingface.co/a/b and https://example.org/x",
            "https://huggingface.co/a/b and https://example.org/x",
        ),
        ("FID/KID at 1/2, and/or n/a; 64x64", "FID/KID at 1/2, and/or n/a; 64x64"),
        ("--set=prompts.path=/data/p/x.csv", "--set=prompts.path=x.csv"),
        ("diffusers:DDIMScheduler?a=b", "diffusers:DDIMScheduler?a=b"),
        (r"C:\Users\carolx\w.pt", "w.pt"),
        ("gs://bucket/a/run", "run"),
        ("CAROLX on vault-77", "USER on MACHINE"),
    ],
)
def test_what_is_a_path_and_what_only_looks_like_one(text: str, public: str, run: Path) -> None:
    assert _Cleaner(run).text(text) == public


def test_what_cannot_be_copied_is_one_line(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    (tmp_path / "file").touch()
    (run / "manifest.json").write_text("{")
    for target, problem in (
        ("full", "exists already"),
        ("file", "exists already"),
        ("new", "is missing or damaged"),
    ):
        assert main(["report", str(run), "--public", str(tmp_path / target)]) == 2
        err = capsys.readouterr().err
        assert problem in err
        assert err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "full", "secret place"]
