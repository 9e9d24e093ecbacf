"""The optimizers and the learning rate of the family's training."""

from __future__ import annotations

import pytest
import torch

from reference_model.shapes.training.optim import Muon, learning_rate, muon_and_adam


def test_learning_rate_warms_up_and_decays():
    rates = [learning_rate(step, 100, warmup=10) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == rates[10] == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize("shape", [(32, 48), (48, 32), (24, 8, 3, 3)])
def test_muon_moves_all_directions_alike(shape):
    """Whatever the gradient's spectrum, the update's singular values lie near the rate."""
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.zeros(shape))
    rows, columns = shape[0], weight[0].numel()
    left, _, right = torch.linalg.svd(torch.randn(rows, columns), full_matrices=False)
    weight.grad = (left @ torch.diag(torch.logspace(0, -1.5, min(rows, columns))) @ right).reshape(shape)
    Muon([weight], lr=0.1).step()
    move = -weight.detach().reshape(rows, columns) / 0.1 / max(1, rows / columns) ** 0.5
    values = torch.linalg.svdvals(move)
    assert 0.6 < values.min() < values.max() < 1.3
    assert torch.trace(left.T @ move @ right.T) > 0.8 * len(values)  # along the gradient, not against it


def test_muon_moves_parameters_of_one_shape_as_if_each_were_alone():
    torch.manual_seed(0)
    gradients = [scale * torch.randn(24, 16) for scale in (1.0, 100.0)]
    together, alone = ([torch.nn.Parameter(torch.zeros(24, 16)) for _ in gradients] for _ in range(2))
    for weight, twin, gradient in zip(together, alone, gradients, strict=True):
        weight.grad, twin.grad = gradient, gradient.clone()
        Muon([twin], lr=0.1).step()
    Muon(together, lr=0.1).step()
    for weight, twin in zip(together, alone, strict=True):
        torch.testing.assert_close(weight, twin, rtol=0, atol=1e-5)


def test_muon_keeps_momentum():
    weight = torch.nn.Parameter(torch.zeros(16, 16))
    optimizer = Muon([weight], lr=1.0)
    weight.grad = torch.eye(16)
    optimizer.step()
    before = weight.detach().clone()
    weight.grad = torch.zeros(16, 16)
    optimizer.step()
    assert (weight.diagonal() < before.diagonal() - 0.5).all()


def test_thin_layers_are_left_to_adam():
    layers = torch.nn.ModuleDict({"ends": torch.nn.Conv2d(3, 32, 3), "middle": torch.nn.Conv2d(32, 32, 3)})
    (muon, _), (adam, _) = muon_and_adam(layers).parts
    assert [p is layers["middle"].weight for p in muon.param_groups[0]["params"]] == [True]
    assert len(adam.param_groups[0]["params"]) == 3
