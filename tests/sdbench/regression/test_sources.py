"""Samplers from files and schedulers of diffusers, compared with the built-in samplers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from catalogue import subject_of

from reference_model.samplers import SAMPLERS
from sdbench.core.errors import InputError
from sdbench.models.samplers import resolve_sampler, sampler_identity
from sdbench.regression import Case, Platform, Subject, check_case, load_baseline, save_baseline, session
from sdbench.regression.baseline import Baseline
from sdbench.regression.exact import check_exactly

pytest.importorskip("diffusers")

PNDM = "diffusers:PNDMScheduler?skip_prk_steps=true&steps_offset=1"
DDIM = "diffusers:DDIMScheduler?clip_sample=false&set_alpha_to_one=false&steps_offset=1"


def against(record, name, source, testbed="mixture", eta=0.0, **fields):
    subject = Subject(resolve_sampler(source), predicts=False, **fields)
    return check_case(record(name, testbed, eta), subject)


@pytest.mark.parametrize(
    ("name", "source", "eta"),
    [
        ("plms", PNDM, 0.0),
        ("ddim", DDIM, 0.0),
        ("ddim", DDIM, 1.0),
        ("euler", "diffusers:EulerDiscreteScheduler", 0.0),
        ("euler-ancestral", "diffusers:EulerAncestralDiscreteScheduler?timestep_spacing=linspace", 0.0),
        ("heun", "diffusers:HeunDiscreteScheduler", 0.0),
        ("unipc", "diffusers:UniPCMultistepScheduler", 0.0),
    ],
)
def test_schedulers_are_the_built_in_samplers_up_to_rounding(record, name, source, eta):
    """Fresh noise is the same too, and steps correspond one to one, so predictor calls are not steps."""
    result = against(record, name, source, eta=eta)
    assert result.verdict == "rounding", result.reason
    assert list(result.errors) == ["x"]


def test_dpm_solver_is_at_the_edge_of_the_budget(record):
    """diffusers keeps half log-SNRs in float32 and takes their differences, which cancel."""
    result = against(record, "dpm-solver++", "diffusers:DPMSolverMultistepScheduler")
    assert result.verdict in ("rounding", "drift")
    assert 0.5 < (result.errors["x"] / result.budget["x"]).max() < 1.5


@pytest.mark.parametrize(
    ("setting", "verdict"), [("steps_offset=0", "drift"), ("beta_schedule=linear", "changed")]
)
def test_a_wrong_setting_shows_in_the_first_step(record, setting, verdict):
    result = against(record, "plms", f"diffusers:PNDMScheduler?skip_prk_steps=true&{setting}")
    assert (result.verdict, result.first_step) == (verdict, "1")


def test_fresh_noise_of_a_scheduler_does_not_depend_on_the_batch(record):
    whole, split = (against(record, "ddim", DDIM, eta=1.0, batch_size=size) for size in (512, 100))
    assert (whole.images == split.images).all()
    assert (whole.errors["x"] == split.errors["x"]).all()


def test_exact_answers_find_a_scheduler_that_clips_latents():
    for name, source in (("plms", PNDM), ("unipc", "diffusers:UniPCMultistepScheduler")):
        assert all(result.passed for result in check_exactly(name, resolve_sampler(source), SAMPLERS[name]))
    clipped = check_exactly("ddim", resolve_sampler("diffusers:DDIMScheduler"), SAMPLERS["ddim"])
    assert [result.passed for result in clipped] == [False, False, True]


def test_a_baseline_remembers_its_source(tmp_path):
    subject = Subject(resolve_sampler(PNDM), predicts=False)
    record = session.record_case(Case("gaussian", "theirs", 20, 3.0), subject)
    save_baseline(tmp_path, Baseline(0, (record,), {}, Platform(), {"theirs": PNDM}))
    loaded = load_baseline(tmp_path)
    (result,) = session.check(loaded).results
    assert result.verdict == "identical"
    (moved,) = session.check(loaded, ["theirs=diffusers:PNDMScheduler?skip_prk_steps=true"]).results
    assert moved.verdict == "drift"


def test_the_budget_of_a_scheduler_covers_rounded_coefficients(record):
    """With a baseline recorded from PNDM, our PLMS passes, which rounds its coefficients differently."""
    subject = Subject(resolve_sampler(PNDM), predicts=False)
    theirs = session.record_case(Case("mixture", "plms", 20, 3.0), subject)
    assert check_case(theirs, replace(subject_of("plms"), predicts=False)).verdict == "rounding"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("diffusers:PNDMSchedular", "scheduler for noise or velocity; did you mean 'PNDMScheduler'?"),
        ("diffusers:FlowMatchEulerDiscrete", "no such scheduler for noise or velocity"),
        (
            "diffusers:PNDMScheduler?skip_prk=true",
            "PNDMScheduler has no 'skip_prk'; did you mean 'skip_prk_s",
        ),
        ("diffusers:PNDMScheduler?skip_prk_steps", "is not written CLASS?key=value&key=value"),
        ("diffusers:PNDMScheduler?beta_schedule=square", "NotImplementedError: square"),
        ("diffusers:PNDMScheduler?num_train_timesteps=many", "TypeError"),
        ("diffusers:DDIMScheduler?prediction_type=v_prediction", "prediction_type must be epsilon"),
        ("diffusers:DDIMInverseScheduler", "walks from data to noise"),
        ("diffusers:CogVideoXDPMScheduler", "raises TypeError"),
    ],
)
def test_faults_of_a_scheduler_are_one_line(source, words):
    with pytest.raises(InputError) as error:
        resolve_sampler(source)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_sampler_in_a_file(tmp_path):
    folder = tmp_path / "somewhere else"
    folder.mkdir()
    (folder / "beside.py").write_text("from reference_model.samplers import ddim\n")
    code = folder / "mine.py"
    code.write_text("from beside import ddim\n\ndef walk(*given):\n    yield from ddim(*given)\n")
    name = f"{code}:walk"
    assert [result.passed for result in check_exactly("ddim", resolve_sampler(name))] == [True, True]
    before = sampler_identity(name)
    sampler_identity.cache_clear()
    code.write_text(code.read_text() + "\n")
    assert sampler_identity(name) != before


@pytest.mark.parametrize(
    ("content", "attribute", "words"),
    [
        (None, "walk", "FileNotFoundError"),
        ("1 / 0", "walk", "ZeroDivisionError: division by zero"),
        ("def walk(: ...", "walk", "SyntaxError"),
        ("walk = 3", "walk", "is not a function: 3"),
        ("walk = 3", "run", "AttributeError"),
    ],
)
def test_faults_of_a_file_are_one_line(tmp_path, content, attribute, words):
    if content is not None:
        (tmp_path / "mine.py").write_text(content)
    with pytest.raises(InputError, match=words) as error:
        resolve_sampler(f"{tmp_path}/mine.py:{attribute}")
    assert "\n" not in str(error.value)
