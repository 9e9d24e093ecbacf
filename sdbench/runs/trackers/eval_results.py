"""Results for a leaderboard of the Hugging Face Hub: a `.eval_results/*.yaml` file of a model repository."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from huggingface_hub.utils import HFValidationError, validate_repo_id

from sdbench.core.errors import InputError
from sdbench.runs.trackers.scored import Scored, ScoredCell, read_scored
from sdbench.spec import HuggingFacePrompts

__all__ = ["eval_results"]


def eval_results(folder: Path, checkpoint: str, dataset: str | None) -> str:
    """Return YAML with an entry per protocol: the best cell of the checkpoint.

    A leaderboard takes one value of a model for a task. Tasks are named as protocols are. The format has no
    field for an error, so the notes give it, with n, the settings, and how many cells the best is the best
    of. See https://huggingface.co/docs/hub/eval-results.

    Args:
        folder: A scored run.
        checkpoint: One of the run.
        dataset: The Hub data set that hosts the leaderboard; by default the one with the run's prompts.

    Raises:
        InputError: The run has no results of that checkpoint, or the data set is unknown or no Hub id.
    """
    scored = read_scored(folder)
    cells = scored.of_checkpoint(checkpoint)
    benchmark = _benchmark(scored, dataset)
    rows = scored.rows.drop_duplicates("protocol")
    entries = []
    for protocol, label, better in zip(rows["protocol"], rows["label"], rows["better"], strict=True):
        having = [cell for cell in cells if protocol in cell.values]
        if having:
            pick = min if better == "lower" else max
            best = pick(having, key=lambda cell: cell.values[protocol][0])
            entries.append(
                {
                    "dataset": {"id": benchmark, "task_id": protocol},
                    "value": best.values[protocol][0],
                    "notes": _notes(str(label), best, str(protocol), len(having)),
                }
            )
    return yaml.safe_dump(entries, sort_keys=False, allow_unicode=True, width=100)


def _benchmark(scored: Scored, dataset: str | None) -> str:
    prompts: Any = scored.spec.prompts
    if dataset is None and isinstance(prompts, HuggingFacePrompts):
        dataset = prompts.dataset
    if dataset is None:
        raise InputError(
            "--eval-results needs --dataset OWNER/NAME, the Hub data set that hosts the leaderboard: the "
            "prompts of this run come from no data set of the Hub"
        )
    try:
        validate_repo_id(dataset)
    except HFValidationError:
        raise InputError(f"--dataset: {dataset!r} is no id of a Hub data set, such as OWNER/NAME") from None
    return dataset


def _notes(label: str, cell: ScoredCell, protocol: str, cells: int) -> str:
    _, error, n = cell.values[protocol]
    known = "standard error not known" if error is None else f"standard error {error:.2g}"
    best = f", the best of {cells} cells" if cells > 1 else ""
    settings = cell.settings
    return (
        f"{label}: {known}, n = {n}; {cell.name}{best}; {settings['sampler']}, {settings['steps']} steps, "
        f"{settings['image_size']} pixels, seed {settings['seed']}, {settings['precision']} precision"
    )
