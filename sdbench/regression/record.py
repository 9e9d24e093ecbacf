"""What a baseline stores of one case."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sdbench.core.digest import digest_pixels
from sdbench.regression.cases import Case
from sdbench.regression.rounding import ErrorBudget
from sdbench.regression.sketches import DIGITS, sketch, step_digests, thumbnails
from sdbench.regression.testbeds import Testbed
from sdbench.regression.trace import TRACED, Trace

__all__ = ["CaseRecord", "Digests", "digests", "record_of"]

Digests = dict[str, list[str]]


@dataclass(frozen=True, eq=False)
class CaseRecord:
    """One recorded run of a case, with K steps, n prompts and P traced prompts.

    Attributes:
        case: The case.
        testbed: Digest of its testbed.
        calls: Number of denoiser calls.
        digests: Digests of x and pred_x0 after each step, and of all images.
        budget: How far rounding may move a run.
        x: Sketches of the latents [K, P, d].
        pred_x0: Sketches of the predicted x_0 [K, P, d].
        images: Images [P, H, W, 3] of the traced prompts.
        thumbnails: Block means [n, h, w, 3]; uint8 if they are the images themselves.
        features: Features [n, D] of all images.
    """

    case: Case
    testbed: str
    calls: int
    digests: Digests
    budget: ErrorBudget
    x: NDArray[np.float64]
    pred_x0: NDArray[np.float64]
    images: NDArray[np.uint8]
    thumbnails: NDArray[np.float32] | NDArray[np.uint8]
    features: NDArray[np.float32]


def record_of(case: Case, trace: Trace, budget: ErrorBudget, testbed: Testbed) -> CaseRecord:
    """Reduce a trace to what a baseline stores."""
    return CaseRecord(
        case=case,
        testbed=testbed.digest,
        calls=trace.calls,
        digests=digests(trace),
        budget=budget,
        x=sketch(trace.x),
        pred_x0=sketch(trace.pred_x0),
        images=trace.images[:TRACED],
        thumbnails=thumbnails(trace.images),
        features=testbed.features(trace.images),
    )


def digests(trace: Trace) -> Digests:
    """Return digests of every step and of all images together."""
    return {
        "x": step_digests(trace.x),
        "pred_x0": step_digests(trace.pred_x0),
        "images": [digest_pixels(trace.images)[:DIGITS]],
    }
