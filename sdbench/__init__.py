"""Evaluation of text-to-image models: sweeps of checkpoints, metrics with their errors, comparisons.

    run, open_run                   carry out an experiment spec; open what it made
    score                           score images of any origin
    fid, kid, cmmd, clip_score,     one metric of images or features, as an `Estimate`
    precision, recall, density,
    coverage
    compare                         whether two sets of images are equivalent
    load_model                      make images from prompts

docs/python.md describes them. Other modules are internal and may change. Importing this package loads nothing
else; each function loads what it needs when it is first used. The command line is `sdbench`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metrics import Estimate
    from sdbench.api.comparisons import ImageComparison, compare
    from sdbench.api.metric_functions import (
        clip_score,
        cmmd,
        coverage,
        density,
        fid,
        kid,
        precision,
        recall,
    )
    from sdbench.api.models import LoadedModel, load_model
    from sdbench.api.runs import Run, open_run, run
    from sdbench.api.scores import Scores, score
    from sdbench.core.errors import InputError, SamplingError, SdbenchError, SpecError, StoreError

    __version__: str

__all__ = [
    "Estimate",
    "ImageComparison",
    "InputError",
    "LoadedModel",
    "Run",
    "SamplingError",
    "Scores",
    "SdbenchError",
    "SpecError",
    "StoreError",
    "__version__",
    "clip_score",
    "cmmd",
    "compare",
    "coverage",
    "density",
    "fid",
    "kid",
    "load_model",
    "open_run",
    "precision",
    "recall",
    "run",
    "score",
]

_HOMES = {
    "metrics": ("Estimate",),
    "sdbench.api.comparisons": ("ImageComparison", "compare"),
    "sdbench.api.metric_functions": (
        *("fid", "kid", "cmmd", "clip_score"),
        *("precision", "recall", "density", "coverage"),
    ),
    "sdbench.api.models": ("LoadedModel", "load_model"),
    "sdbench.api.runs": ("Run", "open_run", "run"),
    "sdbench.api.scores": ("Scores", "score"),
    "sdbench.core.errors": ("InputError", "SamplingError", "SdbenchError", "SpecError", "StoreError"),
}
"""The public names by the module that has them, which is imported when one is first used."""


def __getattr__(name: str) -> Any:
    from importlib import import_module, metadata

    if name == "__version__":
        return metadata.version("sdbench")
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
