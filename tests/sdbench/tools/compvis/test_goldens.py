"""Every successful run of the original scripts is reproduced: files, pixels, latents, noise, UNet calls."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from reference_model.image_to_image import encode_init, image_tensor, steps_to_run, stochastic_encode
from tests.sdbench.tools.compvis.conftest import GOLDENS, TINY, Golden, Watched, load_once

RUNS = sorted(path.parent.name for path in (GOLDENS / "cli").glob("*/run.json"))
MET = [name for name in RUNS if json.loads((GOLDENS / "cli" / name / "run.json").read_text())["ok"]]
FAILED_LATE = ["from_file_5_n2", "from_file_5_n2_scale1"]
"""Runs in which the original made the full batches before it failed on the short one."""


def tolerance(golden: Golden) -> float:
    """Tolerance of latents. At ten steps the original in float32 is up to 5e-4 from float64 arithmetic."""
    return 1e-3 if "10" in golden.record["command"] else 5e-4


def test_no_golden_is_forgotten() -> None:
    assert len(RUNS) == 32
    failed = {"W96", "img2img_100x70", "img2img_plms", "img2img_strength1", "plms_eta1", "steps_27"}
    assert set(RUNS) - set(MET) == failed | set(FAILED_LATE)  # the others are in test_differences.py


@pytest.mark.parametrize("name", MET + FAILED_LATE)
def test_golden(name: str, watch: Callable[..., Watched], tmp_path: Path) -> None:
    golden = Golden(name)
    if "started_in_outdir_left_by" in golden.record:
        before = GOLDENS / "cli" / golden.record["started_in_outdir_left_by"] / "out"
        shutil.copytree(before, tmp_path / "out")
    seen = watch(golden.argv(tmp_path / "out"), golden.trace.get("init/posterior_noise"))
    assert seen.code == 0
    complete = name not in FAILED_LATE

    files = set(golden.record["files"])
    assert seen.files == files if complete else seen.files >= files
    for file in files:
        expected, actual = pixels(golden.folder / "out" / file), pixels(seen.outdir / file)
        assert actual.shape == expected.shape, file
        assert np.abs(actual - expected).max() <= 1, file

    calls = [call["unet_calls"] for call in golden.record["calls"] if call["unet_calls"] is not None]
    assert seen.unet_calls[: len(calls)] == calls
    assert len(seen.unet_calls) == len(calls) + (not complete)
    for name, actual in seen.moments.items():
        close(actual, golden.trace[f"init/{name}"], 2e-5)
    for i in range(len(calls)):
        close(seen.latents[i], golden.trace[f"call{i}/latents"], tolerance(golden))
        if seen.moments:
            close(seen.init_latents[i], golden.trace[f"call{i}/init_latent"], 2e-5)
            close(seen.noised[i], golden.trace[f"call{i}/z_enc"], 2e-5)
        if f"call{i}/decoded" in golden.trace:
            close(seen.decoded[i], golden.trace[f"call{i}/decoded"], 5e-4)
    check_draws(golden, seen, complete)


def check_draws(golden: Golden, seen: Watched, complete: bool) -> None:
    """Check that we draw the tensors that the original drew on the device, in the same order."""
    logged = [(shape, count) for source, shape, count in golden.record["draw_log"] if source == "device"]
    expected = [shape for shape, count in logged for _ in range(count)]
    drawn = [list(draw.shape) for draw in seen.draws]
    assert (drawn if complete else drawn[: len(expected)]) == expected
    position = 0
    for i, call in enumerate(golden.record["calls"]):
        if call["unet_calls"] is None:  # the original failed here
            continue
        start = 0 if call.get("x_T_given") else position
        first = "encode_noise" if f"call{i}/encode_noise" in golden.trace else "x_T"
        assert np.array_equal(seen.draws[start].numpy(), golden.trace[f"call{i}/{first}"])
        for step, noise in enumerate(golden.trace.get(f"call{i}/step_noise", [])):
            assert np.array_equal(seen.draws[start + 1 + step].numpy(), noise)
        of_steps = (
            "device_noise_draws_in_decode" if first == "encode_noise" else "device_noise_draws_after_x_T"
        )
        position = start + 1 + call[of_steps]


def test_latents_of_a_picture_that_the_original_fails_on_later() -> None:
    """The original's UNet cannot halve this size; our command rounds it down further."""
    golden = Golden("img2img_100x70")
    model = load_once(Path(TINY[3]), Path(TINY[1]), "cpu", None)
    with Image.open(GOLDENS / "tiny/init-100x70.png") as picture:
        image = image_tensor(picture, (96, 64))
    posterior = model.encode(image)
    close(posterior.mean, golden.trace["init/mean"], 2e-5)
    close(posterior.std, golden.trace["init/std"], 2e-5)
    z = encode_init(model, image, torch.from_numpy(golden.trace["init/posterior_noise"]))
    close(z, golden.trace["call0/init_latent"], 2e-5)
    (count,) = golden.record["calls"][0]["t_enc"]
    assert count == steps_to_run(0.5, 20)
    noise = torch.from_numpy(golden.trace["call0/encode_noise"])
    close(stochastic_encode(z, model.schedule.grid(20, 0.0), count, noise), golden.trace["call0/z_enc"], 2e-5)


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image).astype(np.int64)


def close(actual: object, expected: np.ndarray, atol: float) -> None:
    np.testing.assert_allclose(np.asarray(actual), expected, rtol=0, atol=atol)
