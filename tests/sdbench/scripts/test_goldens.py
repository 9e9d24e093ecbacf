"""Every run of the original scripts that succeeded is met: files, pixels, latents, noise and UNet calls."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.sdbench.scripts.conftest import GOLDENS, Golden, Watched

RUNS = sorted(path.parent.name for path in (GOLDENS / "cli").glob("*/run.json"))
MET = [name for name in RUNS if json.loads((GOLDENS / "cli" / name / "run.json").read_text())["ok"]]
FAILED_LATE = ["from_file_5_n2", "from_file_5_n2_scale1"]
"""The original made the full batches before it failed on the short one."""


def tolerance(golden: Golden) -> float:
    """Of latents. At ten steps the original's own float32 is up to 5e-4 from float64 arithmetic."""
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
    for i in range(len(calls)):
        close(seen.latents[i], golden.trace[f"call{i}/latents"], tolerance(golden))
        if f"call{i}/decoded" in golden.trace:
            close(seen.decoded[i], golden.trace[f"call{i}/decoded"], 5e-4)
    if complete:
        check_draws(golden, seen)


def check_draws(golden: Golden, seen: Watched) -> None:
    """Every tensor that the original drew on the device was drawn, in its order."""
    logged = [(shape, count) for source, shape, count in golden.record["draw_log"] if source == "device"]
    assert [list(draw.shape) for draw in seen.draws] == [s for s, count in logged for _ in range(count)]
    position = 0
    for i, call in enumerate(golden.record["calls"]):
        start = 0 if call.get("x_T_given") else position
        first = "encode_noise" if f"call{i}/encode_noise" in golden.trace else "x_T"
        assert np.array_equal(seen.draws[start].numpy(), golden.trace[f"call{i}/{first}"])
        for step, noise in enumerate(golden.trace.get(f"call{i}/step_noise", [])):
            assert np.array_equal(seen.draws[start + 1 + step].numpy(), noise)
        of_steps = (
            "device_noise_draws_in_decode" if first == "encode_noise" else "device_noise_draws_after_x_T"
        )
        position = start + 1 + call[of_steps]


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image).astype(np.int64)


def close(actual: object, expected: np.ndarray, atol: float) -> None:
    np.testing.assert_allclose(np.asarray(actual), expected, rtol=0, atol=atol)
