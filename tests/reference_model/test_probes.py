"""Scale some weights, so that wrong normalisation epsilons and activations show."""

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


def test_epsilons_of_all_normalisations(tiny):
    """The probes reach only the first layers: a wrong epsilon does not show if activations are large."""
    groups = {
        name: layer.eps for name, layer in tiny.named_modules() if isinstance(layer, torch.nn.GroupNorm)
    }
    for name, eps in groups.items():
        # Residual blocks and the head of the UNet keep torch's default.
        unet_default = name.startswith("model.") and not name.endswith(".norm")
        assert eps == (1e-5 if unet_default else 1e-6), name
    layers = [layer.eps for layer in tiny.modules() if isinstance(layer, torch.nn.LayerNorm)]
    assert len(groups) > 60
    assert set(layers) == {1e-5}
