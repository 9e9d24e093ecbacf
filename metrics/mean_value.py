"""The mean of a value that each image has by itself: one that a network gives, or an inner product."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from metrics._checks import as_features
from metrics.errors import MetricsError
from metrics.uncertainty import Estimate, standard_error_of_mean

__all__ = ["inner_product_estimate", "mean_value_estimate"]


def mean_value_estimate(*, generated: ArrayLike) -> Estimate:
    """Return the mean of the values [n, 1] of n images, in their own unit.

    ``per_image`` holds the values; the standard error is that of their mean. Raises MetricsError if a value
    is not finite or an image has several.
    """
    values = as_features(generated, "image")
    if values.shape[1] != 1:
        raise MetricsError(f"a mean takes one value per image, not {values.shape[1]}")
    single, n = values[:, 0], len(values)
    if n == 1:
        note = "no standard error: 1 image, at least 2 are needed"
        return Estimate(float(single[0]), None, n, None, note=note)
    return Estimate(float(single.mean()), standard_error_of_mean(single), n, per_image=single)


def inner_product_estimate(*, generated: ArrayLike, text: ArrayLike) -> Estimate:
    """Return the mean inner product of embeddings of images [n, d] and of their prompts [n, d].

    ``per_image`` holds the n products; the standard error is that of their mean. Raises MetricsError if the
    embeddings differ in shape.
    """
    images, texts = as_features(generated, "image"), as_features(text, "text")
    if images.shape != texts.shape:
        raise MetricsError(
            f"image features {list(images.shape)} and text features {list(texts.shape)} must have the same "
            "shape, a prompt for every image"
        )
    return mean_value_estimate(generated=np.einsum("ij,ij->i", images, texts)[:, None])
