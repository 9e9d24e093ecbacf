"""The `model-index` block of a Hugging Face model card, from the results of a run."""

from __future__ import annotations

from pathlib import Path

import yaml
from huggingface_hub import EvalResult
from huggingface_hub.repocard_data import eval_results_to_model_index

from sdbench.runs.trackers.scored import ScoredCell, read_scored
from sdbench.spec import ExperimentSpec

__all__ = ["model_index"]


def model_index(folder: Path, checkpoint: str) -> str:
    """Return YAML for the metadata of the checkpoint's card: each value with its settings, n and error.

    Raises:
        InputError: The run in `folder` has no results of that checkpoint.
    """
    scored = read_scored(folder)
    cells = scored.of_checkpoint(checkpoint)
    labels = dict(zip(scored.rows["protocol"], scored.rows["label"], strict=True))
    results = [result for cell in cells for result in _results(scored.spec, cell, labels)]
    index = eval_results_to_model_index(checkpoint, results)
    return yaml.safe_dump({"model-index": index}, sort_keys=False, allow_unicode=True, width=100)


def _results(spec: ExperimentSpec, cell: ScoredCell, labels: dict[str, str]) -> list[EvalResult]:
    settings = {
        key: value for key, value in cell.settings.items() if value is not None and key != "checkpoint"
    }
    return [
        EvalResult(
            task_type="text-to-image",
            task_name="Text-to-Image",
            dataset_type=spec.prompts.source,
            dataset_name=spec.prompts.words,
            metric_type=protocol,
            metric_name=labels[protocol],
            metric_value=value,
            metric_args={"protocol": protocol, "n": n, "standard_error": error, **settings},
        )
        for protocol, (value, error, n) in cell.values.items()
    ]
