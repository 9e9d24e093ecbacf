"""Classes of torchmetrics: the values are those that torchmetrics gives by hand on the same images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from metrics import evaluate
from sdbench.cli import main
from sdbench.core.errors import InputError
from sdbench.scoring.extract import Beside, image_features
from sdbench.scoring.extractors import build_extractor
from sdbench.scoring.outside import build, resolve
from sdbench.scoring.protocols import protocol_of
from sdbench.spec import ExperimentSpec
from sdbench.sweep.prepare import find_inputs
from tests.sdbench.plugged import forget

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:torchmetrics", "ignore::FutureWarning")

IMAGES = np.random.default_rng(3).integers(0, 256, (6, 48, 48, 3), dtype=np.uint8)
OTHERS = (IMAGES // 2 + np.random.default_rng(4).integers(0, 128, IMAGES.shape)).astype(np.uint8)
PROMPTS = ["a red circle", "a blue square", "two cats", "a dog", "red", "green"]
MSSSIM = (
    "torchmetrics:image.MultiScaleStructuralSimilarityIndexMeasure"
    "?betas=[0.4%2C0.6]&data_range=1.0&kernel_size=5"
)
VARIATION = "torchmetrics:image.TotalVariation?reduction=none"
CLIP_SCORE = "torchmetrics:multimodal.CLIPScore"
MIFID = "torchmetrics:image.MemorizationInformedFrechetInceptionDistance"
Run = Callable[..., Any]


class TinyInception(torch.nn.Module):
    """Stands in for the network that torchmetrics downloads: mean colours of 4 x 4 tiles."""

    def __init__(self, name: str = "", features_list: Any = (), **others: Any) -> None:
        super().__init__()
        self.INPUT_IMAGE_SIZE = 16
        self.num_features = 48

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        assert images.dtype == torch.uint8
        return torch.nn.functional.adaptive_avg_pool2d(images.float(), 4).flatten(1) / 50


@pytest.fixture(autouse=True)
def looked_up_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from torchmetrics.image import fid, inception, mifid

    for module in (fid, inception, mifid):
        monkeypatch.setattr(module, "NoTrainInceptionV3", TinyInception)
    yield
    forget()


class TinyClip(torch.nn.Module):
    """Stands in for the model and the processor that torchmetrics downloads."""

    config = SimpleNamespace()

    def __init__(self) -> None:
        super().__init__()
        self.weights = torch.nn.Parameter(torch.rand(16, 48), requires_grad=False)

    def forward(self, **given: Any) -> dict[str, torch.Tensor]:
        """Process images or texts, as CLIPProcessor does."""
        if "images" in given:
            assert all(image.dtype == torch.uint8 for image in given["images"])
            return {"pixel_values": torch.stack(given["images"]).float()}
        ids = torch.tensor([[ord(letter) for letter in text.ljust(48)] for text in given["text"]])
        return {"input_ids": ids, "attention_mask": ids}

    def get_image_features(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(pixels, 4).flatten(1) @ self.weights.T

    def get_text_features(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return ids.float() @ self.weights.T


@pytest.fixture
def tiny_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchmetrics.multimodal import clip_score

    made = TinyClip()
    monkeypatch.setattr(clip_score, "_get_clip_model_and_processor", lambda name: (made, made))


def as_floats(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2) / 255


def estimate_of(name: str) -> Any:
    protocol = protocol_of(name)
    beside = Beside(PROMPTS, lambda start, end: OTHERS[start:end])
    extractor = build_extractor(protocol.extractor, "cpu")
    return evaluate(
        protocol, generated=image_features({"x": extractor}, [IMAGES[:4], IMAGES[4:]], beside)["x"]
    )


def by_hand_msssim() -> Any:
    from torchmetrics.image import MultiScaleStructuralSimilarityIndexMeasure

    return MultiScaleStructuralSimilarityIndexMeasure(betas=(0.4, 0.6), data_range=1.0, kernel_size=5)


def test_a_class_with_a_value_per_image_is_its_mean_with_an_error() -> None:
    from torchmetrics.image import TotalVariation

    by_hand = by_hand_msssim()
    assert protocol_of(MSSSIM).with_reference
    assert protocol_of(MSSSIM).formula.better == "higher"
    found = estimate_of(MSSSIM)
    assert found.value == pytest.approx(float(by_hand(as_floats(IMAGES), as_floats(OTHERS))), abs=1e-6)
    each = [float(by_hand(as_floats(IMAGES[i : i + 1]), as_floats(OTHERS[i : i + 1]))) for i in range(6)]
    assert found.standard_error == pytest.approx(np.std(each, ddof=1) / 6**0.5, rel=1e-4)
    variation = estimate_of("torchmetrics:image.TotalVariation?reduction=none")
    assert (
        build.mode_of(resolve.parse_metric_name("torchmetrics:image.TotalVariation?reduction=none"))
        == "vector"
    )
    assert variation.value == pytest.approx(float(TotalVariation("mean")(as_floats(IMAGES))), rel=1e-6)


def test_a_class_with_prompts(tiny_clip: None) -> None:
    from torchmetrics.multimodal import CLIPScore

    assert protocol_of(CLIP_SCORE).needs_prompts
    by_hand = CLIPScore()
    expected = float(by_hand([torch.from_numpy(image).permute(2, 0, 1) for image in IMAGES], PROMPTS))
    assert expected > 0.1
    found = estimate_of(CLIP_SCORE)
    assert found.value == pytest.approx(expected, rel=1e-6)
    assert (found.standard_error or 0) > 0


def by_hand_mifid(real: np.ndarray, generated: np.ndarray) -> float:
    from torchmetrics.image import MemorizationInformedFrechetInceptionDistance

    metric = MemorizationInformedFrechetInceptionDistance()
    metric.update(torch.from_numpy(real).permute(0, 3, 1, 2), real=True)
    metric.update(torch.from_numpy(generated).permute(0, 3, 1, 2), real=False)
    return float(metric.compute())


def folder_of(folder: Path, images: np.ndarray) -> Path:
    folder.mkdir()
    for place, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{place:02d}.png")
    return folder


def test_a_class_of_sets_has_the_jackknife_over_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    real, generated = np.random.default_rng(5).integers(0, 256, (2, 80, 16, 16, 3), dtype=np.uint8)
    generated //= 2
    folder_of(tmp_path / "real", real), folder_of(tmp_path / "mine", generated)
    command = ["score", "mine", "--reference", "real", "--metrics"]
    assert main([*command, f"{MIFID},torchmetrics:image.InceptionScore?splits=2"]) == 0
    results = pd.read_csv(tmp_path / "scores" / "mine" / "results.csv").set_index("protocol")
    assert results.loc[MIFID, "value"] == pytest.approx(by_hand_mifid(real, generated), rel=1e-6)
    left = [by_hand_mifid(real, np.delete(generated, range(5 * b, 5 * b + 5), axis=0)) for b in range(16)]
    error = np.sqrt(15 / 16 * ((np.array(left) - np.mean(left)) ** 2).sum())
    assert results.loc[MIFID, "standard_error"] == pytest.approx(error, rel=1e-4)
    assert results.loc[MIFID, "better"] == "lower"
    assert (results["standard_error"] > 0).all()
    images = pd.read_parquet(tmp_path / "scores" / "mine" / "images.parquet")
    assert images[f"influence_{MIFID}"].isna().all()


def test_a_run_takes_a_class_of_sets_from_its_pngs(
    tiny: dict[str, Any], tmp_path: Path, run_tiny: Run
) -> None:
    inception = "torchmetrics:image.InceptionScore?splits=1"
    content = {**tiny, "metrics": [inception, "torchmetrics:image.TotalVariation?reduction=mean"]}
    outcome = run_tiny(content, tmp_path / "run")
    assert outcome.images_made == 12
    results = pd.read_csv(tmp_path / "run" / "results.csv")
    assert set(results["n"]) == {6}
    assert (results["standard_error"] > 0).all()
    comparisons = pd.read_csv(tmp_path / "run" / "comparisons.csv").set_index("protocol")
    assert (comparisons.loc[inception, "standard_error"] > 0).all()
    next((tmp_path / "run" / "images").rglob("*.png")).unlink()
    assert main(["score", str(tmp_path / "run")]) == 1


FAULTS = {
    "torchmetrics:image.TotalVariatoin": "cannot be imported: AttributeError",
    "torchmetrics:image.TotalVariation?reduction=meen": "raises ValueError",
    "torchmetrics:image.PeakSignalNoiseRatio?data_range=1.0": "gives no value for each image alone",
    "torchmetrics:classification.BinaryAccuracy": "on random images",
    "torchmetrics:image.PerceptualPathLength": "raises",
    "torchmetrics:image.InceptionScore?splits=two": "must be int, not str, on random images",
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_one_line(name: str) -> None:
    with pytest.raises(InputError) as error:
        estimate_of(name)
    assert FAULTS[name] in str(error.value)
    assert name.split("?")[0] in str(error.value)
    assert "\n" not in str(error.value)


def test_sets_need_all_images_and_pairs_need_reference_images(tiny: dict[str, Any], tmp_path: Path) -> None:
    spec = ExperimentSpec.model_validate({**tiny, "metrics": [MIFID], "images": "none"})
    with pytest.raises(InputError, match=r"^images: none, but .* reads all images of a cell"):
        find_inputs(spec)
    folder_of(tmp_path / "real", IMAGES[:2]), folder_of(tmp_path / "mine", IMAGES[:4])
    command = [
        "score",
        str(tmp_path / "mine"),
        "--out",
        str(tmp_path / "s"),
        "--metrics",
        MSSSIM.replace("%2C", "%2C"),
    ]
    assert main(command) == 2
    assert main([*command, "--reference", "shapes:4:1"]) == 2
    assert main([*command, "--reference", str(tmp_path / "real")]) == 2
    folder_of(tmp_path / "own", OTHERS[:4])
    assert main([*command, "--reference", str(tmp_path / "own")]) == 0
    by_hand = float(by_hand_msssim()(as_floats(IMAGES[:4]), as_floats(OTHERS[:4])))
    assert pd.read_csv(tmp_path / "s" / "results.csv")["value"][0] == pytest.approx(by_hand, abs=1e-6)
