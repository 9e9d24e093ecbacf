"""CLIP score: the mean cosine between an image's and its prompt's CLIP embedding.

Hessel et al., "CLIPScore: a reference-free evaluation metric for image captioning" (2021), without the
factor w = 2.5 and without clipping at zero: the raw cosine, as on the axis of the Stable Diffusion v1 plot.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics._checks import as_features
from metrics.errors import MetricsError
from metrics.uncertainty import Estimate, standard_error_of_mean

__all__ = ["clip_score_estimate"]


def clip_score_estimate(*, image: ArrayLike, text: ArrayLike) -> Estimate:
    """Return the mean cosine, in [-1, 1], of image [n, d] and text [n, d] embeddings, row by row.

    ``per_image`` holds the n cosines; the standard error is that of their mean and None for a single image.
    Raises MetricsError where the two differ in shape or a row has no length.
    """
    image_rows = as_features(image, "image")
    text_rows = as_features(text, "text")
    if image_rows.shape != text_rows.shape:
        raise MetricsError(
            f"CLIP score: image features {list(image_rows.shape)} and text features {list(text_rows.shape)} "
            "must have one shape, a prompt for every image"
        )
    cosines = np.einsum("ij,ij->i", _unit(image_rows, "image"), _unit(text_rows, "text"))
    value, n = float(cosines.mean()), int(cosines.size)
    if n == 1:
        note = "no standard error: 1 image, at least 2 are needed"
        return Estimate(value=value, standard_error=None, n=n, per_image=None, note=note)
    return Estimate(value=value, standard_error=standard_error_of_mean(cosines), n=n, per_image=cosines)


def _unit(rows: NDArray[np.float64], role: str) -> NDArray[np.float64]:
    """Return the rows [n, d] at length one."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not lengths.all():
        row = int(np.flatnonzero(lengths == 0)[0])
        raise MetricsError(f"{role} features: row {row} is all zeros, it has no cosine")
    return np.asarray(rows / lengths)
