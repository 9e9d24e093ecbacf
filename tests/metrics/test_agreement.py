"""Same features, same numbers: FID and KID by protocol against torch-fidelity and torchmetrics."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from metrics import PROTOCOLS, evaluate, prepare

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torch_fidelity.metric_kid import kid_features_to_metric
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance

MIXING = np.random.default_rng(0).normal(size=(24, 24)) / 5 + np.eye(24)
REAL, GENERATED = (np.random.default_rng(seed).gamma(2.0, size=(150, 24)) @ MIXING for seed in (1, 2))
GENERATED = GENERATED * 1.2 + 0.3


def ours(name: str) -> float:
    return evaluate(PROTOCOLS[name], generated=GENERATED, real=prepare(PROTOCOLS[name], REAL)).value


def torchmetrics_value(metric: FrechetInceptionDistance | KernelInceptionDistance) -> float:
    metric.set_dtype(torch.float64)
    metric.update(torch.tensor(REAL), real=True)
    metric.update(torch.tensor(GENERATED), real=False)
    value = metric.compute()
    return float(value[0] if isinstance(value, tuple) else value)


@pytest.mark.parametrize("name", ["fid-inception-tf", "fid-inception-clean", "fd-dinov2-vit-l-14"])
def test_frechet_distances(name: str) -> None:
    statistics = [fid_features_to_statistics(torch.tensor(rows)) for rows in (GENERATED, REAL)]
    theirs = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert ours(name) == pytest.approx(float(theirs), rel=1e-6)
    identity = torch.nn.Identity()
    identity.num_features = 24
    metric = FrechetInceptionDistance(feature=identity, normalize=True)
    assert ours(name) == pytest.approx(torchmetrics_value(metric), rel=1e-6)


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance` will save all")
@pytest.mark.parametrize("name", ["kid-inception-tf", "kid-inception-clean"])
def test_kernel_distances(name: str) -> None:
    theirs = kid_features_to_metric(
        torch.tensor(GENERATED),
        torch.tensor(REAL),
        kid_subsets=1,
        kid_subset_size=150,
        kid_kernel="poly",
        rng_seed=0,
        verbose=False,
    )
    assert ours(name) == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-6)
    metric = KernelInceptionDistance(feature=torch.nn.Identity(), subsets=1, subset_size=150, normalize=True)
    assert ours(name) == pytest.approx(torchmetrics_value(metric), rel=1e-6)
