"""Ways of guiding: as diffusers' guiders do over the same denoiser, and exact where an answer is known."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import pytest
import torch

from reference_model.guidance import guided
from reference_model.guidance_log import ScaleLog, plain_scale
from reference_model.guidance_methods import METHODS, Guidance, guided_by
from reference_model.samplers import SAMPLERS, ddim
from sdbench.regression.testbeds import load_testbed

STEPS, SCALE = 20, 5.0
BED = load_testbed("mixture")
GRID = SAMPLERS["ddim"].grid(BED.schedule, STEPS, 0.0)
UNET = BED.unet(torch.float64)
CONTEXT, EMPTY = BED.contexts(torch.float64)
CONTEXT = CONTEXT[:4]
NOISE = torch.randn(4, 4, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def walk(denoise: Any) -> torch.Tensor:
    return [step.x for step in ddim(denoise, NOISE, GRID)][-1]


def ours(
    name: str, scale: float = SCALE, start: float = 0.0, stop: float = 1.0, **settings: Any
) -> torch.Tensor:
    guidance = Guidance(METHODS[name], settings, start, stop)
    return walk(guided_by(guidance, UNET, CONTEXT, EMPTY, scale, BED.schedule, GRID))


WEAK = partial(UNET, context=0.5 * CONTEXT)
PERTURBED = partial(UNET, context=CONTEXT.flip(0))
"""Stand for a weaker model and for perturbed attention."""


def second(name: str, scale: float = SCALE, count: list[int] | None = None, **settings: Any) -> torch.Tensor:
    """Walk with a way of guiding that has a second prediction."""

    def counted(predict: Any) -> Any:
        def called(x: torch.Tensor, t: torch.Tensor, *context: torch.Tensor) -> torch.Tensor:
            (count if count is not None else []).append(len(x))
            return torch.as_tensor(predict(x, t, *context))

        return called

    weak = {"weak": counted(WEAK)} if name == "autoguidance" else {"perturbed": counted(PERTURBED)}
    guidance = Guidance(METHODS[name], settings, **weak)
    return walk(guided_by(guidance, counted(UNET), CONTEXT, EMPTY, scale, BED.schedule, GRID))


def theirs(guider: Any) -> torch.Tensor:
    steps = iter(range(STEPS))

    def denoise(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        guider.set_state(next(steps), STEPS, t)
        out = guider.forward(UNET(x, t, CONTEXT), UNET(x, t, EMPTY.expand_as(CONTEXT)))
        return torch.as_tensor(out.pred)

    return walk(denoise)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_methods_agree_with_the_guiders_of_diffusers() -> None:
    guiders = pytest.importorskip("diffusers.guiders")
    plain, projected = guiders.ClassifierFreeGuidance, guiders.AdaptiveProjectedGuidance
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from diffusers.guiders.adaptive_projected_guidance import MomentumBuffer

        # Their "original formulation" starts from the conditional half, like the paper: its scale is 1 less.
        apg = projected(
            SCALE - 1, adaptive_projected_guidance_rescale=2.0, eta=0.5, use_original_formulation=True
        )
        apg.momentum_buffer = MomentumBuffer(-0.5)
        pairs = {
            "cfg": (ours("cfg"), theirs(plain(SCALE))),
            "rescale": (ours("rescale", phi=0.7), theirs(plain(SCALE, guidance_rescale=0.7))),
            "interval": (ours("interval", start=0.2, stop=0.8), theirs(plain(SCALE, start=0.2, stop=0.8))),
            "apg": (ours("apg", eta=0.5, norm=2.0, momentum=-0.5), theirs(apg)),
        }
    for name, (mine, other) in pairs.items():
        assert (mine - other).abs().max() < 1e-5, name
        assert name == "cfg" or (mine - pairs["cfg"][0]).abs().max() > 0.1, name


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_second_predictions_are_used_as_by_the_guiders_of_diffusers() -> None:
    guiders = pytest.importorskip("diffusers.guiders")
    auto = guiders.AutoGuidance(3.0, auto_guidance_layers=[0], dropout=0.1)
    both, alone = (
        # Their perturbed guidance leaves out the step at which it starts.
        guiders.PerturbedAttentionGuidance(
            scale,
            perturbed_guidance_scale=2.5,
            perturbed_guidance_layers=[0],
            perturbed_guidance_start=-0.1,
            perturbed_guidance_stop=2.0,
            use_original_formulation=original,
        )
        for scale, original in ((SCALE, False), (0.0, True))
    )
    halves = {"uncond": partial(UNET, context=EMPTY.expand_as(CONTEXT)), "weak": WEAK, "perturbed": PERTURBED}
    for name, mine, guider, used in (
        ("autoguidance", second("autoguidance", 3.0), auto, ["weak"]),
        ("pag with cfg", second("pag", SCALE, pag_scale=2.5), both, ["uncond", "perturbed"]),
        ("pag alone", second("pag", 1.0, pag_scale=2.5), alone, ["perturbed"]),
    ):
        steps = iter(range(STEPS))

        def denoise(x: torch.Tensor, t: torch.Tensor, guider=guider, used=used, steps=steps) -> torch.Tensor:  # type: ignore[no-untyped-def]
            guider.set_state(next(steps), STEPS, t)
            others = [halves[half](x, t) for half in used]
            named = {"pred_cond_skip": others[0]} if used == ["perturbed"] else {}
            return torch.as_tensor(
                guider.forward(UNET(x, t, CONTEXT), *([] if named else others), **named).pred
            )

        other = walk(denoise)
        assert (mine - other).abs().max() < 1e-5, name
        assert (mine - ours("cfg", 3.0)).abs().max() > 0.1, name


def test_what_a_way_has_no_use_for_is_not_evaluated() -> None:
    for name, scale, rows in (
        ("autoguidance", 3.0, [4, 4] * STEPS),
        ("pag", 1.0, [4, 4] * STEPS),
        ("pag", 3.0, [8, 4] * STEPS),
    ):
        count: list[int] = []
        second(name, scale, count)
        assert count == rows


def test_autoguidance_of_normal_data_is_the_denoiser_of_a_shifted_mean() -> None:
    bed = load_testbed("gaussian")
    unet, (context, empty) = bed.unet(torch.float64), bed.contexts(torch.float64)
    few = context[:4]
    way = Guidance(METHODS["autoguidance"], weak=lambda x, t: unet(x, t, 0.5 * few))
    denoise = guided_by(way, unet, few, empty, 3.0, bed.schedule, GRID)
    t = GRID.timesteps[7].expand(4)
    assert torch.allclose(denoise(NOISE, t), unet(NOISE, t, 2.0 * few), atol=1e-12)  # 0.5 + 3 (1 - 0.5)


def test_pag_without_a_perturbed_prediction_is_refused() -> None:
    with pytest.raises(ValueError, match="pag needs a prediction with perturbed attention"):
        ours("pag")


def test_cfg_plus_plus_guides_x0_but_not_the_noise() -> None:
    x = NOISE
    for index in reversed(range(len(GRID.timesteps))):
        t = GRID.timesteps[index].expand(4)
        alpha, after = GRID.alphas[index].double(), GRID.alphas_prev[index]
        uncond, cond = UNET(x, t, EMPTY.expand_as(CONTEXT)), UNET(x, t, CONTEXT)
        x0 = (x - (1 - alpha).sqrt() * (uncond + 0.6 * (cond - uncond))) / alpha.sqrt()
        x = after.sqrt() * x0 + (1 - after).sqrt() * uncond
    assert (ours("cfg++", 0.6) - x).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("name", "settings"),
    [("cfg", {}), ("rescale", {"phi": 0.0}), ("apg", {"eta": 1.0, "norm": 0.0, "momentum": 0.0})],
)
def test_each_method_contains_plain_guidance(name: str, settings: dict[str, float]) -> None:
    assert torch.allclose(ours(name, **settings), walk(guided(UNET, CONTEXT, EMPTY, SCALE)), atol=1e-9)


def test_apg_at_scale_1_changes_nothing() -> None:
    assert torch.allclose(ours("apg", 1.0, norm=1.0), walk(lambda x, t: UNET(x, t, CONTEXT)), atol=1e-12)


def test_guidance_of_normal_data_is_the_denoiser_of_a_shifted_mean() -> None:
    bed = load_testbed("gaussian")
    unet, (context, empty) = bed.unet(torch.float64), bed.contexts(torch.float64)
    denoise = guided_by(Guidance(METHODS["cfg"]), unet, context[:4], empty, 3.0, bed.schedule, GRID)
    t = GRID.timesteps[7].expand(4)
    assert torch.allclose(denoise(NOISE, t), unet(NOISE, t, 3.0 * context[:4]), atol=1e-12)


def test_outside_the_interval_one_half_is_evaluated() -> None:
    rows: list[int] = []

    def counting(x: torch.Tensor, t: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        rows.append(len(x))
        return UNET(x, t, context)

    guidance = Guidance(METHODS["interval"], {}, 0.2, 0.8)
    walk(guided_by(guidance, counting, CONTEXT, EMPTY, SCALE, BED.schedule, GRID))
    assert rows == [4] * 4 + [8] * 12 + [4] * 4


@pytest.mark.parametrize(("name", "settings"), [("rescale", {"phi": 1.5}), ("apg", {"norm": -1.0})])
def test_settings_out_of_range(name: str, settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        ours(name, **settings)


def logged(bed: Any, name: str, scale: float, start: float = 0.0, stop: float = 1.0, **way: Any) -> Any:
    """Walk in float32 with a log -> the scales [4, STEPS], and the evaluations for the log alone.

    The log changes nothing of the walk.
    """
    unet, (context, empty) = bed.unet(torch.float32), bed.contexts(torch.float32)
    second = {key: partial(unet, context=share * context[:4]) for key, share in way.items()}
    log = ScaleLog()
    given = Guidance(METHODS[name], {}, start, stop, **second)
    ends = [
        [step.x for step in ddim(denoise, NOISE.float(), GRID)][-1]
        for denoise in (
            guided_by(given, unet, context[:4], empty, scale, bed.schedule, GRID, kept)
            for kept in (log, None)
        )
    ]
    assert torch.equal(*ends)
    return log.scales(), log.evaluations


def test_plain_guidance_amounts_to_its_scale() -> None:
    scales, more = logged(BED, "cfg", SCALE)
    assert scales.shape == (4, STEPS)
    known = ~scales.isnan()
    assert known[:, :16].all()
    assert not known[:, -1].any()  # at the end both halves predict the same
    assert (scales[known] - SCALE).abs().max() < 1e-6 * SCALE
    assert more == 0
    within, _ = logged(BED, "interval", SCALE, start=0.25, stop=0.75)
    expected = torch.tensor([1.0] * 5 + [SCALE] * 10 + [1.0] * 5).expand(4, STEPS)
    assert torch.allclose(within, expected, rtol=1e-6)


def test_each_image_of_a_batch_has_its_own_scale() -> None:
    scales, _ = logged(BED, "rescale", SCALE)
    assert scales[:, :16].std(dim=0).min() > 0.01
    uncond, cond, guided_halves = NOISE, NOISE.flip(0), 0.3 * NOISE.roll(1, 0)
    one = plain_scale(guided_halves[2:3], uncond[2:3], cond[2:3])
    gap = (cond - uncond)[2]
    assert one.item() == pytest.approx(float(((guided_halves - uncond)[2] * gap).sum() / (gap**2).sum()))


@pytest.mark.parametrize(
    ("name", "scale", "second"), [("autoguidance", 3.0, "weak"), ("pag", 1.0, "perturbed")]
)
def test_ways_without_an_unconditional_half_are_measured_at_some_calls(
    name: str, scale: float, second: str
) -> None:
    scales, more = logged(load_testbed("gaussian"), name, scale, **{second: 0.5})
    known = ~scales[0].isnan()
    assert known.nonzero().flatten().tolist() == [0, 4, 8, 12, 16]
    assert more == 4 * 5
    # On normal data the prediction is linear in the prompt: 0.5 + 3 (1 - 0.5), or 1 + 3 (1 - 0.5).
    expected = 2.0 if name == "autoguidance" else 2.5
    assert torch.allclose(scales[:, known], torch.tensor(expected), rtol=1e-5)
