"""A metric's value over some of its images, from the values that its images have by themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from metrics.errors import MetricsError
from metrics.uncertainty import Estimate, clustered_standard_error

__all__ = ["independent", "mean_over", "simultaneous_interval"]


def mean_over(estimate: Estimate, chosen: NDArray[np.bool_]) -> Estimate:
    """Return the mean over the images for which ``chosen`` [n] is true, with its standard error.

    Only for formulas whose value is the mean of ``per_image`` (Formula.is_mean). Images that share a prompt
    stay dependent (clustered_standard_error); images of a single prompt give no error.

    Raises:
        MetricsError: The estimate has no values per image, ``chosen`` is not of its length, or is nowhere
            true.
    """
    if estimate.per_image is None or chosen.shape != estimate.per_image.shape or not chosen.any():
        raise MetricsError(f"cannot take {chosen.sum()} of {chosen.size} images of {estimate!r}")
    values, clusters = estimate.per_image[chosen], None
    if estimate.clusters is not None:
        clusters = np.unique(estimate.clusters[chosen], return_inverse=True)[1]
    part = Estimate(
        float(values.mean()), None, values.size, values, clusters=clusters, protocol=estimate.protocol
    )
    if (prompts := independent(part)) < 2:
        note = f"no standard error: {prompts} prompt, at least 2 are needed"
        return replace(part, per_image=None, clusters=None, note=note)
    labels = np.arange(values.size) if clusters is None else clusters
    return replace(part, standard_error=clustered_standard_error(values, labels))


def simultaneous_interval(part: Estimate, intervals: int) -> tuple[float, float] | None:
    """Return an interval that holds together with ``intervals`` - 1 others with 95% probability.

    Student's t interval with Bonferroni's correction, which holds however the intervals depend on each other.
    None without an error.
    """
    from scipy.special import stdtrit

    if part.standard_error is None:
        return None
    reach = float(stdtrit(independent(part) - 1, 1 - 0.025 / intervals)) * part.standard_error
    return part.value - reach, part.value + reach


def independent(part: Estimate) -> int:
    """Return the number of independent observations: prompts if images share them, else images."""
    return part.n if part.clusters is None else int(np.unique(part.clusters).size)
