"""Baselines per device and precision: their budgets, and that each is found by its own key."""

from __future__ import annotations

import pytest
import torch
from catalogue import FAULTS, in_loop, subject_of

from sdbench.cli import main, regress
from sdbench.core.errors import InputError
from sdbench.regression import Case, Platform, check_case, load_baseline, record_case, save_baseline
from sdbench.regression.baseline import Baseline
from sdbench.regression.platforms import DTYPES
from sdbench.regression.sketches import root_mean_square

CASE = Case("gaussian", "ddim", 20, 3.0)


@pytest.mark.parametrize(
    ("dtype", "fault", "verdict"),
    [("float16", "x_T times 1.01", "drift"), ("bfloat16", "alphas_prev shifted", "changed")],
)
def test_half_precision_has_budgets_of_its_own(dtype, fault, verdict):
    platform, subject = Platform("cpu", dtype), subject_of("ddim")
    half = record_case(CASE, subject, platform=platform)
    assert (half.budget.x >= 1.9 * platform.roundoff * root_mean_square(half.x)).all()
    assert check_case(half, subject, platform=platform).verdict == "identical"
    assert check_case(half, in_loop()("ddim", subject), platform=platform).verdict == "rounding"
    found = check_case(half, FAULTS[fault].plant("ddim", subject), platform=platform)
    assert (found.verdict, found.first_step) == (verdict, "1")


def test_a_folder_may_have_several_and_the_error_names_them(tmp_path, capsys):
    half = Platform("cpu", "float16")
    for platform in (Platform(), half):
        record = record_case(CASE, subject_of("ddim"), platform=platform)
        save_baseline(tmp_path, Baseline(0, (record,), {}, platform, {}))
    assert load_baseline(tmp_path).platform == Platform()
    assert load_baseline(tmp_path, half).records[0].budget.x.min() > 1e-4
    check = ["regress", "check", "--baseline", str(tmp_path)]
    assert main([*check, "--dtype", "float16"]) == 0
    capsys.readouterr()
    assert main([*check, "--dtype", "bfloat16"]) == 2
    assert capsys.readouterr().err == (
        f"sdbench: no baseline for cpu-bfloat16 in {tmp_path}, only for cpu-float16, cpu-float32; "
        "create one with sdbench regress record --device cpu --dtype bfloat16\n"
    )


def test_the_command_offers_all_dtypes():
    assert tuple(DTYPES) == regress.DTYPES


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there():
    with pytest.raises(InputError, match="--device cuda: this machine has no CUDA device; use --device cpu"):
        Platform("cuda").require()


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("testbed", "dtype"),
    [
        ("mixture", "float32"),
        ("mixture", "float16"),
        ("shapes", "float32"),
        # The testbed's prompts in half precision take a minute where a CPU stands in for the GPU.
        pytest.param("shapes", "float16", marks=pytest.mark.slow),
    ],
)
def test_cuda_holds_its_own_baseline(testbed, dtype):
    platform, subject = Platform("cuda", dtype), subject_of("plms")
    record = record_case(Case(testbed, "plms", 4, 3.0), subject, platform=platform)
    assert check_case(record, subject, platform=platform).verdict in ("identical", "rounding")
