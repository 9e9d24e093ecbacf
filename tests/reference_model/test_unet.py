from __future__ import annotations

import pytest
import torch

from reference_model.unet import Stage, timestep_embedding

TOLERANCE = {"rtol": 0, "atol": 2e-5}


@pytest.mark.parametrize("row", range(5))
def test_eps_is_the_original_one(tiny, goldens, row):
    x, context, t = goldens["unet/x"], goldens["unet/context"], goldens["unet/t"][row]
    torch.testing.assert_close(tiny.unet(x, t.expand(2), context), goldens["unet/eps"][row], **TOLERANCE)


@pytest.mark.parametrize("row", range(5))
def test_eps_at_fractional_timesteps(tiny, goldens, row):
    t = goldens["unet/t_float"][row].expand(2)
    eps = tiny.unet(goldens["unet/x"], t, goldens["unet/context"])
    torch.testing.assert_close(eps, goldens["unet/eps_float_t"][row], **TOLERANCE)


def test_each_image_has_its_own_timestep(tiny, goldens):
    eps = tiny.unet(goldens["unet/mixed_x"], goldens["unet/mixed_t"], goldens["unet/context"])
    torch.testing.assert_close(eps, goldens["unet/mixed_eps"], **TOLERANCE)


def test_wide_and_large_latents(tiny, goldens):
    wide = tiny.unet(goldens["unet/wide_x"], goldens["unet/wide_t"].reshape(1), goldens["unet/wide_context"])
    torch.testing.assert_close(wide, goldens["unet/wide_eps"], **TOLERANCE)
    big_t = goldens["unet/big_t"].reshape(-1).expand(2)
    big = tiny.unet(goldens["unet/big_x"], big_t, goldens["unet/context"])
    torch.testing.assert_close(big, goldens["unet/big_eps"], **TOLERANCE)


def test_timestep_embedding(tiny, goldens):
    sinusoid = timestep_embedding(goldens["unet/t"], tiny.config.unet.model_channels)
    torch.testing.assert_close(sinusoid, goldens["unet/t_sinusoid"], rtol=0, atol=1e-6)
    embedded = tiny.unet.time_embed(sinusoid)
    torch.testing.assert_close(embedded, goldens["unet/t_embed"], **TOLERANCE)


def test_every_block(tiny, goldens):
    outputs = {}
    names = {id(tiny.unet.middle_block): "mid"}
    names |= {id(block): f"in{i}" for i, block in enumerate(tiny.unet.input_blocks)}
    names |= {id(block): f"out{i}" for i, block in enumerate(tiny.unet.output_blocks)}
    hooks = [
        block.register_forward_hook(lambda module, _, out: outputs.__setitem__(names[id(module)], out))
        for block in tiny.unet.modules()
        if isinstance(block, Stage)
    ]
    tiny.unet(goldens["unet/x"][:1], torch.tensor([500]), goldens["unet/context"][:1])
    for hook in hooks:
        hook.remove()
    assert len(outputs) == 25
    for name, out in outputs.items():
        expected = goldens[f"unet/block/{name}"].reshape(out.shape)
        scale = float(expected.abs().max().clamp(min=1))
        torch.testing.assert_close(
            out, expected, rtol=0, atol=2e-5 * scale, msg=lambda m, n=name: f"{n}: {m}"
        )
