"""What a baseline holds of one case."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sdbench.digest import digest_pixels
from sdbench.regression.cases import Case
from sdbench.regression.rounding import Budget
from sdbench.regression.sketches import DIGITS, sketch, step_digests, thumbnails
from sdbench.regression.testbeds import Testbed
from sdbench.regression.trace import TRACED, Trace

__all__ = ["Digests", "Record", "digests", "record_of"]

Digests = dict[str, list[str]]


@dataclass(frozen=True, eq=False)
class Record:
    """A case as it ran once: K steps, P traced prompts of n.

    testbed: the digest of its testbed. calls: of the denoiser. digests: of x and pred_x0 after each step and
    of all images. x, pred_x0 [K, P, d]: sketches. images uint8 [P, H, W, 3]; thumbnails [n, h, w, 3],
    float32, or uint8 where they are the images; features float32 [n, D].
    """

    case: Case
    testbed: str
    calls: int
    digests: Digests
    budget: Budget
    x: NDArray[np.float64]
    pred_x0: NDArray[np.float64]
    images: NDArray[np.uint8]
    thumbnails: NDArray[np.float32] | NDArray[np.uint8]
    features: NDArray[np.float32]


def record_of(case: Case, trace: Trace, budget: Budget, testbed: Testbed) -> Record:
    """Reduce a trace to what is kept of it."""
    return Record(
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
    """Of every step and of all images together."""
    return {
        "x": step_digests(trace.x),
        "pred_x0": step_digests(trace.pred_x0),
        "images": [digest_pixels(trace.images)[:DIGITS]],
    }
