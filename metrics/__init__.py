"""Metrics for generated images, as pure functions of arrays, each value with its standard error.

PROTOCOLS, evaluate, prepare    a named recipe, applied to features
FORMULAS, *_estimate            the formulas behind them
compare, pairwise               whether two values differ
pooled, chances_of_best         curves as a whole; which value may be the best
confidence_region, dominance    a distance and a CLIP score taken together
EXTRACTORS                      networks from images to features
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metrics.best import Needed, chances_of_best, images_to_settle, pooled
from metrics.clip_score import clip_score_estimate
from metrics.cmmd import CmmdReference, cmmd_estimate
from metrics.compare import Comparison, compare, pairwise
from metrics.errors import MetricsError
from metrics.evaluate import Reference, evaluate, evaluate_all, prepare, prepare_all
from metrics.formulas import FORMULAS, Formula
from metrics.frechet import frechet_distance, frechet_estimate
from metrics.kernel import KernelReference, kernel_estimate
from metrics.moments import Moments, merge
from metrics.protocols import PROTOCOLS, Protocol
from metrics.regions import PlanePoint, Region, confidence_region, curve_dominance, dominance
from metrics.uncertainty import Estimate

if TYPE_CHECKING:
    from metrics.features import EXTRACTORS, Extractor, TextExtractor

__all__ = [
    "EXTRACTORS",
    "FORMULAS",
    "PROTOCOLS",
    "CmmdReference",
    "Comparison",
    "Estimate",
    "Extractor",
    "Formula",
    "KernelReference",
    "MetricsError",
    "Moments",
    "Needed",
    "PlanePoint",
    "Protocol",
    "Reference",
    "Region",
    "TextExtractor",
    "chances_of_best",
    "clip_score_estimate",
    "cmmd_estimate",
    "compare",
    "confidence_region",
    "curve_dominance",
    "dominance",
    "evaluate",
    "evaluate_all",
    "frechet_distance",
    "frechet_estimate",
    "images_to_settle",
    "kernel_estimate",
    "merge",
    "pairwise",
    "pooled",
    "prepare",
    "prepare_all",
]


def __getattr__(name: str) -> Any:
    """Import the extractors on first use: they need torch, which takes seconds to load."""
    if name not in ("EXTRACTORS", "Extractor", "TextExtractor"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from metrics import features

    return getattr(features, name)
