"""CLIP score: the mean cosine of the CLIP embeddings of an image and its prompt, in two conventions.

Hessel et al., "CLIPScore: a reference-free evaluation metric for image captioning" (2021). The raw cosine, as
on the axis of the Stable Diffusion v1 plot, has neither their factor w = 2.5 nor their clipping at zero; the
other convention, used by torchmetrics, is 100 times the mean cosine, clipped at zero.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from metrics._checks import as_features, as_unit_rows
from metrics.errors import MetricsError
from metrics.uncertainty import Estimate, standard_error_of_mean

__all__ = ["clip_score_estimate", "clip_score_x100_estimate"]


def clip_score_estimate(*, generated: ArrayLike, text: ArrayLike) -> Estimate:
    """Return the mean cosine, in [-1, 1], of embeddings of images [n, d] and of their prompts [n, d].

    ``per_image`` holds the n cosines; the standard error is that of their mean. Raises MetricsError if the
    embeddings differ in shape or a row is all zeros.
    """
    image_rows = as_features(generated, "image")
    text_rows = as_features(text, "text")
    if image_rows.shape != text_rows.shape:
        raise MetricsError(
            f"CLIP score: image features {list(image_rows.shape)} and text features {list(text_rows.shape)} "
            "must have the same shape, a prompt for every image"
        )
    unit_images, unit_texts = as_unit_rows(image_rows, "image"), as_unit_rows(text_rows, "text")
    cosines = np.einsum("ij,ij->i", unit_images, unit_texts)
    value, n = float(cosines.mean()), int(cosines.size)
    if n == 1:
        note = "no standard error: 1 image, at least 2 are needed"
        return Estimate(value=value, standard_error=None, n=n, per_image=None, note=note)
    return Estimate(value=value, standard_error=standard_error_of_mean(cosines), n=n, per_image=cosines)


def clip_score_x100_estimate(*, generated: ArrayLike, text: ArrayLike) -> Estimate:
    """Return 100 times the mean cosine, or 0 if that is negative, in [0, 100].

    The mean is clipped, not each image. ``per_image`` holds 100 times the cosines; a clipped mean has no
    standard error.
    """
    raw = clip_score_estimate(generated=generated, text=text)
    if raw.value < 0:
        note = "no standard error: the mean cosine is negative and was clipped to 0"
        return Estimate(value=0.0, standard_error=None, n=raw.n, per_image=None, note=note)
    if raw.standard_error is None or raw.per_image is None:
        return replace(raw, value=100 * raw.value)
    return replace(
        raw, value=100 * raw.value, standard_error=100 * raw.standard_error, per_image=100 * raw.per_image
    )
