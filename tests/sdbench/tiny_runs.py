"""Whole runs of a tiny model in processes of their own, with an extractor that comes with the package."""

from __future__ import annotations

from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
import yaml

from sdbench.runs.store import open_store
from sdbench.runs.verify import verify
from sdbench.spec import load_spec
from sdbench.sweep.progress import RunProgress
from sdbench.sweep.runner import run_experiment, score_run

GOLDENS = Path(__file__).parents[1] / "goldens" / "tiny"
_COLOURS = ("red", "green", "blue", "white")
_SHAPES = ("circle", "square")

# A server that has imported this module forks a process for each run: importing takes longer than running.
_PROCESSES = get_context("forkserver")
_PROCESSES.set_forkserver_preload([__name__])


def content(**changes: Any) -> dict[str, Any]:
    """A spec of 2 cells of 8 images in units of 2."""
    return {
        "name": "tiny",
        "checkpoints": [
            {
                "name": "tiny",
                "path": str(GOLDENS / "v1-tiny.ckpt"),
                "config": str(GOLDENS / "v1-tiny.yaml"),
            }
        ],
        "samplers": [{"name": "plms", "steps": 2}],
        "guidance_scales": [2, 7.5],
        "prompts": [f"a {colour} {shape}" for colour in _COLOURS for shape in _SHAPES],
        "reference": {"source": "shapes", "count": 16, "seed": 1},
        "image_size": 64,
        "seed": 42,
        "batch_size": 2,
        "unit_size": 2,
        "metrics": ["kd-shapes-clip", "clip-score-shapes"],
        "images": "all",
        **changes,
    }


def no_page(folder: Path) -> Path:
    """Stands for drawing the plots and the page of the run in `folder`."""
    return folder / "report" / "index.html"


def run_here(spec: Path, root: Path) -> None:
    """Carry out the spec with one thread and no page."""
    torch.set_num_threads(1)
    run_experiment(load_spec(spec), root, RunProgress(), draw=no_page)


def score_here(root: Path, metric: str) -> None:
    """Add a metric to the run with one thread and no page, as `sdbench score RUN --metrics METRIC` does."""
    torch.set_num_threads(1)
    score_run(root, RunProgress(), [metric], draw=no_page)


def start_scoring(root: Path, metric: str) -> BaseProcess:
    """Begin to add a metric to the run in another process."""
    process = _PROCESSES.Process(target=score_here, args=(root, metric))
    process.start()
    return process


def start(folder: Path, root: Path, **changes: Any) -> BaseProcess:
    """Begin the run in another process; its spec goes into `folder`."""
    spec = folder / f"{root.name}.yaml"
    if not spec.exists():  # two processes may share it
        spec.write_text(yaml.safe_dump(content(**changes)), encoding="utf-8")
    process = _PROCESSES.Process(target=run_here, args=(spec, root))
    process.start()
    return process


def run(folder: Path, root: Path, **changes: Any) -> None:
    """Carry out the run in another process."""
    process = start(folder, root, **changes)
    process.join()
    assert process.exitcode == 0


def files(root: Path) -> dict[str, bytes]:
    """All files but those that hold times."""
    found = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    return {name: data for name, data in found.items() if not name.startswith(("manifest.json", "journal/"))}


def damage(root: Path | str) -> list[str]:
    """What verifying the run finds."""
    return verify(open_store(root), lambda done, total: None).damage
