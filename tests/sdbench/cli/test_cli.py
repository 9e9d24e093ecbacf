"""The command line: exit codes, one-line errors, start-up time."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sdbench.cli import main
from sdbench.core.console import display_for
from sdbench.core.terminal import VERBOSITY, Verbosity
from sdbench.sweep import runner
from sdbench.sweep.progress import RunProgress

EXPERIMENTS = Path(__file__).parents[3] / "experiments"
Write = Callable[[dict[str, Any]], Path]


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.startswith("sdbench: ")
    return err


def test_help_needs_neither_torch_nor_pandas() -> None:
    code = (
        "import sys; from sdbench.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'torch', 'pandas', 'matplotlib', 'pyarrow', 'pydantic', 'rich'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    for command in ("run", "plot", "report", "models", "shapes"):
        assert command in result.stdout


def test_module_and_unknown_command() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "sdbench", "rum"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert result.stderr.startswith("sdbench: argument COMMAND: invalid choice: 'rum'; did you mean 'run'?")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("count", ["0", "-3", "x", "1.5"])
def test_a_wrong_count(count: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["run", str(EXPERIMENTS / "shapes-demo.yaml"), f"--count={count}"])
    assert end.value.code == 2
    assert "argument --count" in one_line(capsys)


def test_the_published_sweep_without_weights_says_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SDBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    assert main(["run", str(EXPERIMENTS / "sd-v1-variants.yaml")]) == 2
    err = capsys.readouterr().err.splitlines()[-1]
    assert f"{tmp_path}/home/weights/sd-v1-1.ckpt not found" in err
    assert err.endswith("fetch with: sdbench models fetch sd-v1-1 sd-v1-2 sd-v1-3 sd-v1-4")
    assert not (tmp_path / "runs").exists()


def test_a_file_that_is_no_checkpoint(
    tiny: dict[str, Any], spec_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.ckpt").write_bytes(b"not weights")
    path = spec_file({**tiny, "checkpoints": [str(tmp_path / "bad.ckpt")]})
    assert main(["run", str(path), "--out", str(tmp_path / "run")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len([line for line in lines if line.startswith("sdbench:")]) == 1
    assert lines[-1].startswith("sdbench: checkpoint bad: ")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"image_size": 60}, "checkpoint tiny: image sides must be multiples of"),
        ({"samplers": [{"name": "plms", "steps": 3}]}, "checkpoint tiny: steps=3 gives a last timestep"),
        ({"prompts": {"source": "file", "path": "none.txt"}}, "prompts.path: none.txt not found"),
        ({"reference": {"source": "folder", "path": "none"}}, "reference.path: none not found"),
    ],
)
def test_input_errors_that_only_a_run_can_find(
    change: dict[str, Any],
    expected: str,
    tiny: dict[str, Any],
    spec_file: Write,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", str(spec_file({**tiny, **change})), "--out", "run"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith(f"sdbench: {expected}")
    assert "Traceback" not in "".join(lines)


def test_an_interruption_says_how_to_resume(
    tiny: dict[str, Any],
    spec_file: Write,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupt(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "run_experiment", interrupt)
    path = spec_file(tiny)
    assert main(["run", str(path), "--out", str(tmp_path / "a run")]) == 130
    assert f"to resume: sdbench run {path} --out '{tmp_path / 'a run'}'" in capsys.readouterr().err


def test_plot_and_report_without_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("plot", "report"):
        assert main([command, str(tmp_path)]) == 2
        assert f"{tmp_path / 'results.csv'} does not exist" in one_line(capsys)
    (tmp_path / "results.csv").write_text("a,b\n1,2\n")
    assert main(["plot", str(tmp_path / "results.csv")]) == 2
    assert "it is not a results table" in one_line(capsys)


def test_plotting_the_published_points_needs_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from sdbench.cli import main\n"
        f"assert main(['plot', 'published', '--out', {str(tmp_path / 'new')!r}]) == 0\n"
        "sys.exit('imported torch' if 'torch' in sys.modules else 0)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    files = [tmp_path / "new" / f"published.{kind}" for kind in ("png", "svg", "pdf")]
    assert result.stdout.split() == [str(file) for file in files]
    assert all(file.stat().st_size > 5_000 for file in files)


def test_a_run_ends_with_plots_and_a_page(
    tiny: dict[str, Any], spec_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "run"
    assert main(["run", str(spec_file(tiny)), "--out", str(root), "--count", "5"]) == 0
    first, *_, results, report = capsys.readouterr().out.splitlines()
    assert first == "10 images made, 0 reused"
    assert results == f"results: {root / 'results.csv'}"
    assert report == f"report: {root / 'report' / 'index.html'}"
    page = (root / "report" / "index.html").read_text(encoding="utf-8")
    assert "a red circle" in page
    written = {path.name: path.read_bytes() for path in (root / "report").iterdir()}
    assert {
        "distance-against-clip-score.png",
        "distance-against-clip-score.svg",
        "metrics-against-scale.png",
    } < set(written)

    # Each command writes its files again, with the same bytes.
    for path in (root / "report").iterdir():
        path.unlink()
    assert main(["plot", str(root)]) == 0
    assert main(["report", str(root)]) == 0
    assert {path.name: path.read_bytes() for path in (root / "report").iterdir()} == written


def test_folders_that_are_files(
    tiny: dict[str, Any], spec_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["run", str(spec_file(tiny)), "--out", str(tmp_path / "file")]) == 2
    assert "run folder" in one_line(capsys)
    assert main(["plot", "published", "--out", str(tmp_path / "file")]) == 2
    assert f"{tmp_path / 'file'} is not a folder" in one_line(capsys)
    assert main(["report", str(tmp_path / "file")]) == 2
    assert "is not a run folder" in one_line(capsys)


def test_a_distance_needs_two_images(
    tiny: dict[str, Any], spec_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = spec_file({**tiny, "prompts": ["only one"]})
    assert main(["run", str(path), "--out", str(tmp_path / "run")]) == 2
    assert "needs 2 images at least" in one_line(capsys)
    assert not (tmp_path / "run").exists()


def test_an_impossible_last_sampler_is_refused_before_the_first_image(
    tiny: dict[str, Any], spec_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samplers = [{"name": "plms", "steps": 2}, {"name": "ddim", "steps": 333}]
    path = spec_file({**tiny, "samplers": samplers})
    assert main(["run", str(path), "--out", str(tmp_path / "run")]) == 2
    assert "steps=333" in capsys.readouterr().err.splitlines()[-1]
    assert not list((tmp_path / "run").rglob("*.parquet"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ["run", "--cuont", "3"],
            "unrecognized arguments: --cuont 3; did you mean --count? (see sdbench run -",
        ),
        (
            ["models", "lsit"],
            "invalid choice: 'lsit'; did you mean 'list'? known: list, fetch, verify, info (see",
        ),
        (["status"], "the following arguments are required: RUN (see sdbench status --help)"),
        (
            ["regress", "check", "--dtype", "fp8"],
            "known: float32, float16, bfloat16 (see sdbench regress check",
        ),
        (
            ["completion", "fish"],
            "argument SHELL: invalid choice: 'fish'; did you mean 'zsh'? known: bash, zsh, tcsh",
        ),
    ],
)
def test_a_mistake_points_to_the_help_of_its_command(
    words: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if words[0] == "run":
        words = [words[0], "shapes-demo", *words[1:]]
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert expected in one_line(capsys)


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert not end.value.code
    assert capsys.readouterr().out == f"sdbench {importlib.metadata.version('sdbench')}\n"


def test_metrics_and_samplers_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["metrics", "list"]) == 0
    assert main(["metrics", "list", "--json"]) == 0
    lines, _, listed = capsys.readouterr().out.partition("[\n")
    assert [row["name"] for row in json.loads(f"[{listed}")] == [
        line.split()[0] for line in lines.splitlines()
    ]
    assert main(["metrics", "show", "kid-inception-tf"]) == 0
    assert "needs: real images\n  extractor: inception-v3\n" in capsys.readouterr().out
    assert main(["metrics", "show", "kid-inception"]) == 2
    assert one_line(capsys) == (
        "sdbench: unknown metric 'kid-inception': did you mean 'kid-inception-tf'? "
        "'sdbench metrics list' lists all\n"
    )
    assert main(["samplers", "list"]) == 0
    assert main(["samplers", "list", "--json"]) == 0
    lines, _, listed = capsys.readouterr().out.partition("[\n")
    assert "ddim" in lines
    assert {row["name"]: row["takes_eta"] for row in json.loads(f"[{listed}")}["ddim"] is True


def test_completion_knows_commands_and_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    assert "--accept-licence" in script
    assert "regress" in script


@pytest.mark.parametrize(("flag", "shown"), [("-q", 0), ("-v", 3), ("--debug", 1)])
def test_how_much_is_told(
    flag: str, shown: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def tell(*unused: object) -> None:
        with RunProgress(display_for()) as progress, progress.stage({}, "prepare"):
            progress.note("a note")
        if VERBOSITY.get() is Verbosity.VERBOSE:
            print("more", file=sys.stderr)

    monkeypatch.setattr("sdbench.cli.status.run", tell)
    assert main([flag, "status", "somewhere"]) == 0
    assert len(capsys.readouterr().err.splitlines()) == shown
    assert VERBOSITY.get() is Verbosity.NORMAL
