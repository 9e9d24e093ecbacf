"""Attention of each position to itself alone, as in diffusers' pipelines for perturbed-attention guidance."""

from __future__ import annotations

import pytest
import torch
from diffusers.models.attention_processor import PAGIdentitySelfAttnProcessor2_0

from reference_model import LatentDiffusion, load_checkpoint
from reference_model.attention import perturbed_attention, self_attentions

X, CONTEXT = (
    torch.randn(shape, generator=torch.Generator().manual_seed(1)) for shape in ((2, 4, 16, 8), (2, 77, 16))
)
T = torch.tensor([500, 500])


@pytest.fixture(scope="module")
def model(peer) -> LatentDiffusion:
    return load_checkpoint(peer.folder)


@pytest.mark.parametrize(
    ("layers", "theirs"),
    [
        (["middle_block"], ["mid_block"]),
        (["input_blocks.4.1", "output_blocks.5"], ["down_blocks.1.attentions.0", "up_blocks.1.attentions.2"]),
    ],
)
def test_perturbed_predictions_are_those_of_diffusers(peer, model, layers, theirs) -> None:
    plain = model.unet(X, T, CONTEXT)
    with perturbed_attention(self_attentions(model.unet, layers)):
        ours = model.unet(X, T, CONTEXT)
    kept = dict(peer.unet.attn_processors)
    chosen = [
        name for name in kept if "attn1" in name and any(f"{name}.".startswith(f"{t}.") for t in theirs)
    ]
    assert len(chosen) == len(theirs)
    peer.unet.set_attn_processor(kept | {name: PAGIdentitySelfAttnProcessor2_0() for name in chosen})
    try:
        # Their processor leaves the first half as it is and perturbs the second.
        both = peer.unet(torch.cat([X, X]), 500, torch.cat([CONTEXT, CONTEXT])).sample
    finally:
        peer.unet.set_attn_processor(kept)
    torch.testing.assert_close(plain, both[:2], rtol=0, atol=2e-5)
    torch.testing.assert_close(ours, both[2:], rtol=0, atol=2e-5)
    assert (ours - plain).abs().max() > 1e-3
    torch.testing.assert_close(
        model.unet(X, T, CONTEXT), plain, rtol=0, atol=0
    )  # afterwards all is as before


def test_layers_without_self_attention_are_refused_with_those_that_have_some(model) -> None:
    with pytest.raises(
        ValueError, match=r"no self-attention in the layer 'input_blocks.0'; there is some in"
    ):
        self_attentions(model.unet, ["middle_block", "input_blocks.0"])
    with pytest.raises(ValueError, match="layer 'middle'"):
        self_attentions(model.unet, ["middle"])
