"""Prompt accuracy: the share of its prompt's statements that an image bears out.

The question is that of Ghosh et al., "GenEval: an object-focused framework for evaluating text-to-image
alignment" (2023), who let a detector answer it. Here whoever made the features knows the answers, so each
statement is right or wrong without doubt.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from metrics._checks import as_features
from metrics.errors import MetricsError
from metrics.mean_value import mean_value_estimate
from metrics.uncertainty import Estimate

__all__ = ["STATEMENT_KINDS", "prompt_accuracy_estimate"]

STATEMENT_KINDS = ("shape", "colour", "size", "pattern", "place", "background")
"""Kinds of statements about an image."""


def prompt_accuracy_estimate(*, generated: ArrayLike) -> Estimate:
    """Return the mean share of statements that hold, in [0, 1].

    Every image counts once, however much its prompt says: so the error is that of a mean, and images can be
    ranked and compared one by one. ``parts`` holds the images' shares by kind of statement.

    Args:
        generated: [n, 12], for each image how many statements of each of STATEMENT_KINDS hold, then how many
            its prompt makes.

    Raises:
        MetricsError: A row has another length, more statements hold than are made, or none is made.
    """
    counts = as_features(generated, "image")
    kinds = len(STATEMENT_KINDS)
    if counts.shape[1] != 2 * kinds:
        raise MetricsError(f"prompt accuracy takes {2 * kinds} counts per image, not {counts.shape[1]}")
    hold, made = counts[:, :kinds], counts[:, kinds:]
    if (hold < 0).any() or (hold > made).any():
        raise MetricsError("prompt accuracy: more statements hold than are made")
    if not made.any(axis=1).all():
        raise MetricsError("prompt accuracy: a prompt makes no statement")
    estimate = mean_value_estimate(generated=(hold.sum(axis=1) / made.sum(axis=1))[:, None])
    shares = np.divide(hold, made, out=np.full_like(hold, np.nan), where=made > 0)
    return replace(estimate, parts=dict(zip(STATEMENT_KINDS, shares.T, strict=True)))
