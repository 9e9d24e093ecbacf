"""The embedded family as a testbed: both precisions, and metrics that tell good images from bad ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from catalogue import IN_THE_NETWORK, subject_of

from reference_model import shapes
from sdbench.regression import Case, Policy, check_case, record_case
from sdbench.regression.testbeds import load_testbed
from sdbench.regression.trace import run


@pytest.fixture(scope="module")
def bed():
    return load_testbed("shapes")


def test_both_precisions_follow_the_same_trajectory(bed):
    """They are close but not equal."""
    case = Case("shapes", "ddim", 2, 3.0)
    single, double = (
        run(bed, case, subject_of("ddim"), 0, count=2, dtype=dtype)
        for dtype in (torch.float32, torch.float64)
    )
    assert double.x.dtype == double.decoded.dtype == torch.float64
    apart = (single.decoded - double.decoded).abs().max()
    assert 0 < apart < 1e-3
    assert np.abs(single.images.astype(int) - double.images).max() <= 1


def test_true_pictures_beat_those_of_other_prompts(bed):
    pictures, captions = shapes.reference_set(len(bed.prompts), 0)
    assert tuple(captions) == bed.prompts
    right, wrong = bed.features(pictures), bed.features(np.roll(pictures, 1, axis=0))
    assert bed.scores(right).mean() > bed.scores(wrong).mean() + 0.1
    np.testing.assert_allclose(bed.distances(right), 0, atol=1e-6)
    assert bed.distances(wrong).mean() > 0.1


@pytest.fixture(scope="module")
def short_record():
    return record_case(Case("shapes", "ddim", 2, 3.0), subject_of("ddim"))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name == "torch.compile" else [])
        for name in IN_THE_NETWORK
    ],
)
def test_another_kernel_passes(short_record, name):
    subject = IN_THE_NETWORK[name].plant("ddim", subject_of("ddim"))
    result = check_case(short_record, subject)
    assert Policy().passes(result.case, result.verdict), result.reason


def test_a_slightly_wrong_network_is_not(short_record):
    def guide(unet, context, uncond, scale):
        return subject_of("ddim").guide(lambda *given: 1.0001 * unet(*given), context, uncond, scale)

    result = check_case(short_record, replace(subject_of("ddim"), guide=guide))
    assert (result.verdict, result.first_step) == ("drift", "1")
