"""Image-generation metrics as pure functions of arrays, each with its standard error.

The formulas need numpy alone; torch is imported only with ``metrics.features``.
"""

from __future__ import annotations

from metrics.clip_score import clip_score_estimate
from metrics.cmmd import CmmdReference, cmmd_estimate
from metrics.errors import MetricsError
from metrics.evaluate import evaluate, prepare
from metrics.frechet import frechet_distance, frechet_estimate
from metrics.kernel import KernelReference, kernel_estimate
from metrics.moments import Moments, merge
from metrics.protocols import PROTOCOLS, Protocol
from metrics.uncertainty import Estimate

__all__ = [
    "PROTOCOLS",
    "CmmdReference",
    "Estimate",
    "KernelReference",
    "MetricsError",
    "Moments",
    "Protocol",
    "clip_score_estimate",
    "cmmd_estimate",
    "evaluate",
    "frechet_distance",
    "frechet_estimate",
    "kernel_estimate",
    "merge",
    "prepare",
]
