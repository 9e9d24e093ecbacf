"""Check stored tensors against a model and load them one by one as its weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

from reference_model.checkpoints._files import DAMAGE
from reference_model.checkpoints._stored import StoredTensor
from reference_model.checkpoints.compvis import UNET_PREFIX
from reference_model.checkpoints.diagnose import likely_cause
from reference_model.errors import CheckpointError
from reference_model.latent_diffusion import LatentDiffusion, WeightsDigest
from reference_model.schedule import Schedule

__all__ = ["POSITION_IDS", "check_fit", "check_schedule", "fill", "refill"]

POSITION_IDS = "cond_stage_model.transformer.text_model.embeddings.position_ids"


def check_fit(
    stored: Mapping[str, StoredTensor],
    wanted: Mapping[str, Tensor],
    is_extra: Callable[[str], bool],
    label: str,
) -> None:
    """Check that every wanted tensor is stored in its shape, and nothing else except known extras.

    Raises:
        CheckpointError: some tensors do not fit; the line names keys and the likely cause.
    """
    missing = sorted(wanted.keys() - stored.keys() - {POSITION_IDS})
    unexpected = sorted(key for key in stored.keys() - wanted.keys() if not is_extra(key))
    common = wanted.keys() & stored.keys() - {POSITION_IDS}
    wrong = sorted(key for key in common if stored[key].shape != tuple(wanted[key].shape))
    if not (missing or unexpected or wrong):
        return
    found = {key: tensor.shape for key, tensor in stored.items()}
    shapes = {key: tuple(tensor.shape) for key, tensor in wanted.items()}
    faults = [f"{len(missing)} missing keys{_examples(missing)}"] if missing else []
    faults += [f"{len(unexpected)} unexpected keys{_examples(unexpected)}"] if unexpected else []
    if wrong:
        first = f"{wrong[0]} has shape {found[wrong[0]]}, expected {shapes[wrong[0]]}"
        faults.append(f"{len(wrong)} keys of another shape (first: {first})")
    cause = likely_cause(found, shapes, only_gaps=not unexpected and not wrong)
    raise CheckpointError(f"{label} does not fit its config: {', '.join(faults)}; {cause}")


def check_schedule(stored: Mapping[str, StoredTensor], schedule: Schedule, label: str) -> None:
    """Check that the signal powers in a file, with which the original samples, match the configuration.

    Files in half precision hold rounded values; bfloat16 changes them by at most 0.4%.

    Raises:
        CheckpointError: they differ; the line names the largest difference.
    """
    if "alphas_cumprod" not in stored:
        return
    ours, theirs = schedule.alphas_cumprod, _read(stored, "alphas_cumprod", label).double()
    if theirs.shape != ours.shape:
        fault = f"has shape {tuple(theirs.shape)}, expected {tuple(ours.shape)}"
    elif not torch.isclose(theirs, ours, rtol=0.01, atol=1e-6).all():
        at = int((theirs - ours).abs().argmax())  # a NaN counts as the largest
        fault = f"is {theirs[at]:.4g} at timestep {at}, expected {ours[at]:.4g}"
    else:
        return
    raise CheckpointError(
        f"{label} does not fit its config: its alphas_cumprod {fault}; give the config that it was trained "
        "with (linear_start, linear_end, timesteps), other kinds of schedule are not supported"
    )


def fill(model: LatentDiffusion, stored: Mapping[str, StoredTensor], device: str, label: str) -> None:
    """Load the weights of ``model`` onto ``device``, reading one tensor at a time.

    Raises:
        CheckpointError: the file is damaged, or a weight is not finite.
    """
    weights = {}
    for name, tensor in _tensors(stored, model.state_dict(), label):
        # Makes the UNet a third faster on a CPU. The decoder keeps its layout, because it amplifies rounding.
        last = device == "cpu" and name.startswith(UNET_PREFIX) and tensor.dim() == 4
        layout = torch.channels_last if last else torch.preserve_format
        weights[name] = tensor.to(device, memory_format=layout)
    model.load_state_dict(weights, assign=True)


@torch.no_grad()
def refill(model: LatentDiffusion, stored: Mapping[str, StoredTensor], label: str) -> None:
    """Overwrite the weights of ``model`` in place: they keep their device, layout and precision.

    The new digest is that of the weights before rounding to the model's precision. Raises as `fill` does.
    """
    digest = WeightsDigest()
    targets = model.state_dict()
    for name, tensor in _tensors(stored, targets, label):
        digest.add(name, tensor)
        targets[name].copy_(tensor)
    model.weights_digest = digest.value


def _tensors(
    stored: Mapping[str, StoredTensor], targets: Mapping[str, Tensor], label: str
) -> Iterator[tuple[str, Tensor]]:
    """The wanted tensors in order of name, all weights in float32."""
    for name, target in sorted(targets.items()):
        if name == POSITION_IDS:
            # A constant that newer files leave out.
            yield name, torch.arange(target.shape[1])[None]
            continue
        tensor = _read(stored, name, label)
        if not _is_finite(tensor):
            raise CheckpointError(f"{label} is damaged: {name} holds values that are not finite")
        yield name, tensor.to(torch.float32)


def _read(stored: Mapping[str, StoredTensor], name: str, label: str) -> Tensor:
    try:
        return stored[name].read()
    except DAMAGE as error:
        raise CheckpointError(f"{label} is damaged: {name} cannot be read: {error}") from error


def _is_finite(tensor: Tensor) -> bool:
    """Whether all values are finite; testing the minimum and maximum takes one pass and no copy."""
    return all(bool(value.isfinite()) for value in tensor.aminmax()) if tensor.numel() else True


def _examples(keys: list[str]) -> str:
    return f" (first: {', '.join(keys[:2])})"
