"""The Vendi score of the images of one prompt: how many different images they amount to.

Friedman and Dieng, "The Vendi score: a diversity evaluation metric for machine learning" (arXiv 2210.02410),
definition 3.1: exp(-sum_i l_i log l_i) with the eigenvalues l_i of K / k, where K [k, k] holds the
similarities of k images, here the cosines of their features. 1 if all are alike, k if all are orthogonal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics._checks import as_features, as_unit_rows
from metrics.errors import MetricsError
from metrics.mean_value import mean_value_estimate
from metrics.uncertainty import Estimate, with_clusters

__all__ = ["vendi_estimate"]


def vendi_estimate(*, generated: ArrayLike, prompts: Sequence[str]) -> Estimate:
    """Return the mean, over images, of the Vendi score of all images with the same prompt.

    ``generated`` [n, d] are features, ``prompts`` the n prompts. If all prompts have k images, this is the
    mean over prompts, in [1, k]. Scores rise with k: prompts with different numbers of images are noted, and
    those with a single image left out. ``per_image`` holds the score of each image's prompt; None if some are
    left out. Raises MetricsError if every prompt has one image only.
    """
    rows = as_unit_rows(as_features(generated, "generated"), "generated")
    if len(rows) != len(prompts):
        raise MetricsError(f"{len(rows)} images and {len(prompts)} prompts, one for each is needed")
    _, members, counts = np.unique(list(prompts), return_inverse=True, return_counts=True)
    several = counts[members] > 1
    if not several.any():
        raise MetricsError(f"each of {counts.size} prompts has a single image, at least 2 are needed")
    if not several.all():
        kept = [prompt for prompt, keep in zip(prompts, several, strict=True) if keep]
        rest = with_clusters(vendi_estimate(generated=rows[several], prompts=kept), kept)
        note = f"prompts with a single image are left out: {int((counts == 1).sum())} of {counts.size}"
        notes = "; ".join(filter(None, [note, rest.note]))
        return replace(rest, n=len(rows), per_image=None, clusters=None, note=notes)
    order, scores = np.argsort(members, kind="stable"), np.empty(counts.size)
    starts = np.cumsum(counts) - counts
    for count in np.unique(counts):
        alike = np.flatnonzero(counts == count)
        scores[alike] = _scores(rows[order[starts[alike][:, None] + np.arange(count)]])
    estimate = mean_value_estimate(generated=scores[members][:, None])
    if counts.min() == counts.max():
        return estimate
    note = f"prompts have {counts.min()} to {counts.max()} images, and scores rise with their number"
    return replace(estimate, note=note)


def _scores(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the score of each group of k features of length one: [groups, k, d] -> [groups]."""
    shares = np.linalg.eigvalsh(rows @ rows.transpose(0, 2, 1) / rows.shape[1]).clip(min=0)
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    return np.asarray(np.exp(-(shares * logs).sum(axis=1)))
