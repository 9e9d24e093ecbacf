"""Results sent to trackers, offline, and read back with the services' own tools."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sdbench.cli import main
from sdbench.core.errors import InputError
from sdbench.runs.store import LocalStore
from sdbench.runs.tables import write_results
from sdbench.runs.trackers import PLACES, check_records, send_records, to_wandb
from sdbench.spec import MlflowTracker, TensorboardTracker, WandbTracker, load_spec
from tests.sdbench.conftest import loaded_once
from tests.sdbench.runs.conftest import row

Scored = Callable[[dict[str, Any]], Path]


def sent(folder: Path) -> list[str]:
    notes: list[str] = []
    assert send_records(folder, notes.append) == []
    return notes


def test_mlflow(scored: Scored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    from mlflow.tracking import MlflowClient

    uri = str(tmp_path / "mlruns")
    folder = scored({"to": "mlflow", "uri": uri})
    assert sent(folder)[-1].startswith("records: mlflow: experiment sweep, run ")
    client = MlflowClient(tracking_uri=uri)
    runs = client.search_runs([client.get_experiment_by_name("sweep").experiment_id])
    by_name = {run.data.tags["mlflow.runName"]: run for run in runs}
    assert set(by_name) == {"sweep", "sd-v1-4 at guidance scale 1.5", "sd-v1-4 at guidance scale 7"}
    sweep, cell = by_name["sweep"], by_name["sd-v1-4 at guidance scale 1.5"]
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert cell.data.tags["mlflow.parentRunId"] == sweep.info.run_id
    assert cell.data.params["guidance_scale"] == "1.5"
    assert cell.data.metrics == {
        "fid": 20.5,
        "fid.standard_error": 0.25,
        "fid.n": 8,
        "clip": 0.25,
        "clip.standard_error": 0.5,
        "clip.n": 8,
    }
    assert by_name["sd-v1-4 at guidance scale 7"].data.metrics == {"fid": 12.0, "fid.n": 8}
    files = {file.path for file in client.list_artifacts(sweep.info.run_id)}
    assert files == {"spec.yaml", "results.csv", "plane.png"}
    assert sent(folder) == []  # nothing is sent twice unless the results change
    assert len(client.search_runs([sweep.info.experiment_id])) == 3
    write_results(LocalStore(folder), [row(1.5, "fid", 20.75, 0.25)])
    assert len(sent(folder)) == 2


def test_tensorboard(scored: Scored, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = scored({"to": "tensorboard", "folder": str(tmp_path / "logs")})
    assert sent(folder)[-1] == f"records: tensorboard: {tmp_path / 'logs' / 'sweep'}"
    curve = EventAccumulator(str(tmp_path / "logs" / "sweep" / "sd-v1-4")).Reload()
    assert [(event.step, event.value) for event in curve.Scalars("fid")] == [(150, 20.5), (700, 12.0)]
    assert [(event.step, event.value) for event in curve.Scalars("fid/standard_error")] == [(150, 0.25)]
    (image,) = curve.Images("images/1 a cat")
    assert (image.step, image.width, image.height) == (150, 20, 10)
    whole = EventAccumulator(str(tmp_path / "logs" / "sweep" / "sweep")).Reload()
    assert (whole.Images("plane")[0].width, whole.Images("plane")[0].height) == (20, 10)
    assert "guidance_scales" in whole.Tensors("spec/text_summary")[0].tensor_proto.string_val[0].decode()


def test_wandb_offline(scored: Scored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
    folder = scored({"to": "wandb", "project": "sweeps", "mode": "offline"})
    place = Path(sent(folder)[-1].removeprefix("records: wandb: "))
    assert place.parent == tmp_path / "wandb"
    assert place.name.startswith("offline-run-")
    tables = list(place.rglob("results_*.table.json"))
    table = json.loads(tables[0].read_text())
    rows = [dict(zip(table["columns"], values, strict=True)) for values in table["data"]]
    assert [(r["guidance_scale"], r["value"], r["standard_error"]) for r in rows] == [
        (1.5, 20.5, 0.25),
        (1.5, 0.25, 0.5),
        (7, 12.0, None),
    ]
    (images,) = place.rglob("images_*.table.json")
    table = json.loads(images.read_text())
    assert table["columns"] == ["prompt", "sd-v1-4 at guidance scale 1.5", "sd-v1-4 at guidance scale 7"]
    assert table["data"] == [["a cat", "Image", None]]  # the images themselves are in the run's artifact
    staged = [path.read_bytes() for path in (tmp_path / "data" / "artifacts" / "staging").iterdir()]
    assert (folder / "images" / "sd-v1-4_plms50_s1.5" / "p.png").read_bytes() in staged
    assert (place / "files" / "spec.yaml").read_bytes() == (folder / "spec.yaml").read_bytes()
    assert list(place.rglob("plane_*.png"))
    assert [file for file in place.glob("*.wandb") if file.stat().st_size]


@pytest.mark.parametrize(
    "tracker",
    [
        MlflowTracker(to="mlflow"),
        WandbTracker(to="wandb", project="p"),
        TensorboardTracker(to="tensorboard", folder="f"),
    ],
    ids=lambda tracker: tracker.to,
)
def test_a_missing_extra_is_one_line_before_the_run(
    tracker: Any, monkeypatch: pytest.MonkeyPatch, scored: Scored, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, PLACES[tracker.to].module, None)
    with pytest.raises(
        InputError, match=rf"{tracker.to} is not installed: pip install 'sdbench\[{tracker.to}\]'"
    ):
        check_records([tracker])
    folder = scored(tracker.model_dump(exclude_none=True))
    before = sorted(folder.rglob("*"))
    assert main(["run", str(folder / "spec.yaml"), "--out", str(folder / "new")]) == 2
    assert capsys.readouterr().err.startswith(f"sdbench: records: {tracker.to} is not installed")
    assert sorted(folder.rglob("*")) == before


def test_wandb_online_needs_a_login(monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setattr(
        wandb, "login", lambda prompt, verify: prompt or verify
    )  # without this it asks the network
    with pytest.raises(InputError, match="nobody is logged in: run 'wandb login' or set mode: offline"):
        to_wandb.check(WandbTracker(to="wandb", project="p"))
    check_records([TensorboardTracker(to="tensorboard", folder="f")])


def test_a_failure_is_reported_and_the_next_call_tries_again(
    scored: Scored, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorboard")
    (tmp_path / "logs").write_text("a file where the folder should be")
    folder = scored({"to": "tensorboard", "folder": str(tmp_path / "logs")})
    (failure,) = send_records(folder, lambda line: None)
    assert failure.startswith("records: tensorboard failed: ")
    assert "\n" not in failure
    assert main(["records", str(folder)]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("sdbench: records: tensorboard failed: ")
    (tmp_path / "logs").unlink()
    assert main(["records", str(folder)]) == 0
    assert (folder / "results.csv").is_file()


def test_a_run_without_records_says_so(scored: Scored, capsys: pytest.CaptureFixture[str]) -> None:
    folder = scored({"to": "mlflow"})
    spec = load_spec(folder / "spec.yaml").model_copy(update={"records": ()})
    (folder / "spec.yaml").write_text(spec.to_yaml())
    assert main(["records", str(folder)]) == 2
    assert "its spec lists no records" in capsys.readouterr().err


def test_a_run_survives_a_record_that_fails(
    tiny: dict[str, Any],
    spec_file: Callable[[dict[str, Any]], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("tensorboard")
    from sdbench.models import reference

    monkeypatch.setattr(reference, "load_checkpoint", loaded_once)
    (tmp_path / "logs").write_text("a file where the folder should be")
    content = {**tiny, "prompts": tiny["prompts"][:2], "guidance_scales": [2]}
    content |= {"metrics": ["clip-score-vit-l-14"], "images": "none"}
    content["records"] = [{"to": "tensorboard", "folder": str(tmp_path / "logs")}]
    log = tmp_path / "log.jsonl"
    command = ["run", str(spec_file(content)), "--out", str(tmp_path / "run"), "--log", str(log)]
    assert main(command) == 1
    out, err = capsys.readouterr()
    assert out.startswith("2 images made, 0 reused\n")
    assert "\nresults: " in out
    assert err.splitlines()[-1].startswith("sdbench: records: tensorboard failed: ")
    (tmp_path / "logs").unlink()
    assert main(command) == 0
    assert f"records: tensorboard: {tmp_path / 'logs' / 'tiny'}" in capsys.readouterr().err
    assert main(command) == 0
    assert "records: " not in capsys.readouterr().err
    events = [json.loads(line) for line in log.read_text().splitlines()]
    failed, *others = [event["how"] for event in events if event["event"] == "end"]
    assert failed.startswith("records: tensorboard failed: ")
    assert others == ["done"] * 2
    assert [event["images"] for event in events if event["event"] == "unit"] == [2]
    assert {"prepare", "work", "score"} <= {e["stage"] for e in events if e["event"] == "stage"}
