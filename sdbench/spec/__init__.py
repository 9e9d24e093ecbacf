"""The experiment spec: what a YAML file may contain, as frozen and validated classes.

Reading a spec needs only the file: names of models, samplers and data are looked up when a run is prepared.
Unknown keys are errors. An error is one line: the file, the key, what is wrong and what is allowed.
"""

from __future__ import annotations

from sdbench.spec.experiment import ExperimentSpec, SweepSpec
from sdbench.spec.loading import load_spec, spec_of
from sdbench.spec.models import SamplerSpec
from sdbench.spec.prompts import (
    CocoPrompts,
    CsvPrompts,
    DrawBenchPrompts,
    FilePrompts,
    HuggingFacePrompts,
    JsonlPrompts,
    ListPrompts,
    ParquetPrompts,
    PartiPrompts,
    PromptsSpec,
    ShapesPrompts,
    TabularPrompts,
)
from sdbench.spec.records import MlflowTracker, TensorboardTracker, TrackerSpec, WandbTracker
from sdbench.spec.references import (
    CocoReference,
    FolderReference,
    ReferenceSpec,
    ShapesReference,
    StatsReference,
)
from sdbench.spec.values import FEWEST

__all__ = [
    "FEWEST",
    "CocoPrompts",
    "CocoReference",
    "CsvPrompts",
    "DrawBenchPrompts",
    "ExperimentSpec",
    "FilePrompts",
    "FolderReference",
    "HuggingFacePrompts",
    "JsonlPrompts",
    "ListPrompts",
    "MlflowTracker",
    "ParquetPrompts",
    "PartiPrompts",
    "PromptsSpec",
    "ReferenceSpec",
    "SamplerSpec",
    "ShapesPrompts",
    "ShapesReference",
    "StatsReference",
    "SweepSpec",
    "TabularPrompts",
    "TensorboardTracker",
    "TrackerSpec",
    "WandbTracker",
    "load_spec",
    "spec_of",
]
