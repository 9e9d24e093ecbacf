"""Metrics for generated images, as pure functions of arrays, each value with its standard error.

PROTOCOLS, evaluate, prepare    a named recipe, applied to features
FORMULAS, *_estimate            the formulas behind them
compare, pairwise               whether two values differ
confidence_region, dominance    a distance and a CLIP score taken together
EXTRACTORS                      networks from images to features (imports torch)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from metrics.clip_score import clip_score_estimate, clip_score_x100_estimate
from metrics.cmmd import CmmdReference, cmmd_estimate
from metrics.compare import Comparison, compare, pairwise
from metrics.errors import MetricsError
from metrics.evaluate import Reference, evaluate, evaluate_all, prepare, prepare_all
from metrics.formulas import FORMULAS, Formula
from metrics.frechet import FrechetReference, frechet_distance, frechet_estimate
from metrics.infinity import frechet_infinity
from metrics.kernel import KernelReference, kernel_estimate
from metrics.moments import Moments, merge
from metrics.precision_recall import (
    ManifoldReference,
    coverage_estimate,
    density_estimate,
    precision_estimate,
    recall_estimate,
)
from metrics.protocols import PROTOCOLS, Protocol
from metrics.regions import PlanePoint, Region, confidence_region, curve_dominance, dominance
from metrics.uncertainty import Estimate

if TYPE_CHECKING:
    from metrics.features import EXTRACTORS, Extractor, TextExtractor
    from metrics.reference_stats import Stats, check_stats, read_stats, write_stats

__all__ = [
    "EXTRACTORS",
    "FORMULAS",
    "PROTOCOLS",
    "CmmdReference",
    "Comparison",
    "Estimate",
    "Extractor",
    "Formula",
    "FrechetReference",
    "KernelReference",
    "ManifoldReference",
    "MetricsError",
    "Moments",
    "PlanePoint",
    "Protocol",
    "Reference",
    "Region",
    "Stats",
    "TextExtractor",
    "check_stats",
    "clip_score_estimate",
    "clip_score_x100_estimate",
    "cmmd_estimate",
    "compare",
    "confidence_region",
    "coverage_estimate",
    "curve_dominance",
    "density_estimate",
    "dominance",
    "evaluate",
    "evaluate_all",
    "frechet_distance",
    "frechet_estimate",
    "frechet_infinity",
    "kernel_estimate",
    "merge",
    "pairwise",
    "precision_estimate",
    "prepare",
    "prepare_all",
    "read_stats",
    "recall_estimate",
    "write_stats",
]


_LAZY = {
    **dict.fromkeys(("EXTRACTORS", "Extractor", "TextExtractor"), "metrics.features"),
    **dict.fromkeys(("Stats", "check_stats", "read_stats", "write_stats"), "metrics.reference_stats"),
}
"""Name -> module that is imported on first use: torch takes seconds to load, Pillow a tenth of one."""


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
