"""Some weights scaled, so that wrong normalisation epsilons and activations show."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from reference_model import load_checkpoint

from .conftest import GOLDENS

PROBES = json.loads((GOLDENS / "tiny" / "probes.json").read_text(encoding="utf-8"))
EXPECTED = np.load(GOLDENS / "tiny" / "probes.npz")


@pytest.mark.parametrize("name", PROBES)
def test_probe(goldens, name):
    model = load_checkpoint(GOLDENS / "tiny" / "v1-tiny.ckpt", GOLDENS / "tiny" / "v1-tiny.yaml")
    weights = model.state_dict()
    for key, factor in PROBES[name]["scale"].items():
        weights[key] *= factor
    out = {
        "unet": lambda: model.unet(goldens["unet/x"], torch.tensor([500, 500]), goldens["unet/context"]),
        "decode": lambda: model.decode(goldens["plms/S50/scale7.5/final"]),
        "encode": lambda: _moments(model, goldens),
        "clip": lambda: model.cond_stage_model(
            goldens["tok/ids"][goldens["clip/prompt_index"].long()].long()
        ),
    }[PROBES[name]["kind"]]()
    expected = torch.from_numpy(EXPECTED[name])
    torch.testing.assert_close(out, expected, rtol=0, atol=2e-5 * float(expected.abs().max().clamp(min=1)))


def _moments(model, goldens):
    posterior = model.encode(goldens["img2img/init_64x64"])
    return torch.cat([posterior.mean, posterior.logvar], dim=1)
