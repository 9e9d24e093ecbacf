"""Safety checker and watermark, tested with a small random checker and the real watermark library."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from sdbench.core.errors import InputError
from sdbench.tools.compvis import safety
from sdbench.tools.compvis.arguments import CHECKER
from sdbench.tools.compvis.safety import safety_checker
from sdbench.tools.compvis.watermark import watermark
from tests.sdbench.tools.compvis.conftest import TINY, Watched

CONCEPTS = 17


@pytest.fixture(scope="module")
def checker_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checker in the published layout that finds nothing, since no cosine exceeds 2."""
    pytest.importorskip("diffusers", reason="the safety checker comes with diffusers")
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from transformers import CLIPConfig, CLIPImageProcessor

    vision = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = CLIPConfig(vision_config={**vision, "image_size": 32, "patch_size": 8}, projection_dim=8)
    torch.manual_seed(0)
    checker = StableDiffusionSafetyChecker(config)
    checker.concept_embeds_weights.data.fill_(2.0)
    checker.special_care_embeds_weights.data.fill_(2.0)
    folder = tmp_path_factory.mktemp("checker")
    checker.save_pretrained(folder)
    size = {"shortest_edge": 32}
    CLIPImageProcessor(size=size, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def pictures() -> np.ndarray:
    """One red and one striped image, uint8 [2, 64, 64, 3]."""
    images = np.zeros((2, 64, 64, 3), np.uint8)
    images[0, :, :, 0] = 255
    images[1, ::8] = 200
    return images


def find_first(folder: Path) -> Callable[[np.ndarray], np.ndarray]:
    """The folder's checker, with the first of `pictures` as its only concept."""
    notes: list[str] = []
    check = safety_checker(str(folder), "cpu", notes.append)
    model, processor = check._checker, check._processor  # type: ignore[attr-defined]
    inputs = processor(list(pictures()), return_tensors="pt").pixel_values
    with torch.no_grad():
        embeds = model.visual_projection(model.vision_model(inputs)[1])
        model.concept_embeds.data.copy_(embeds[:1].expand(CONCEPTS, -1))
        between = (1 + torch.cosine_similarity(embeds[:1], embeds[1:])) / 2
        model.concept_embeds_weights.data.copy_(between.expand(CONCEPTS))
    check.notes = notes  # type: ignore[attr-defined]
    return check


def test_the_checker_lets_images_through(checker_folder: Path) -> None:
    check = safety_checker(str(checker_folder), "cpu", pytest.fail)
    assert np.array_equal(check(pictures()), pictures())


def test_the_checker_blackens_and_reports_what_it_finds(checker_folder: Path) -> None:
    check = find_first(checker_folder)
    checked = check(pictures())
    assert not checked[0].any()
    assert np.array_equal(checked[1], pictures()[1])
    assert check.notes == ["the safety checker replaced 1 of 2 images with black ones"]  # type: ignore[attr-defined]


def test_a_missing_or_damaged_checker_is_an_error(checker_folder: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(checker_folder, damaged)
    (damaged / "model.safetensors").write_bytes(b"not weights")
    for folder in ("/nowhere/checker", str(damaged)):
        with pytest.raises(InputError, match=f"--safety-checker {folder}: cannot be loaded"):
            safety_checker(folder, "cpu", pytest.fail)


def test_offline_the_line_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise OSError("We couldn't connect to 'https://huggingface.co' to load the files")

    monkeypatch.setattr(safety, "_load", unreachable)
    monkeypatch.setattr(safety.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(
        InputError, match=r"some/checker: cannot be loaded: HF_HUB_OFFLINE is set and the cache"
    ):
        safety_checker("some/checker", "cpu", pytest.fail)
    with pytest.raises(InputError, match="couldn't connect"):
        safety_checker("/no/hub/id", "cpu", pytest.fail)


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_the_keys_of_the_published_files_are_read(file: str, checker_folder: Path, tmp_path: Path) -> None:
    """Published files nest the vision tower one level deeper than the libraries may save it now."""
    folder = tmp_path / "published"
    shutil.copytree(checker_folder, folder)
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    deep, flat = "vision_model.vision_model.", "vision_model."
    published = {}
    for key, tensor in tensors.items():
        name = key.removeprefix(deep) if key.startswith(deep) else key.removeprefix(flat)
        published[deep + name if key.startswith(flat) else key] = tensor + 0.5
    assert sum(key.startswith(deep) for key in published) == len(published) - 5
    if file.endswith(".bin"):
        torch.save({**published, f"{deep}embeddings.position_ids": torch.arange(17)[None]}, folder / file)
    else:
        save_file(published, folder / file, {"format": "pt"})
    loaded = safety_checker(str(folder), "cpu", pytest.fail)._checker.state_dict()  # type: ignore[attr-defined]
    for key, tensor in published.items():
        (name,) = {key, key.replace(deep, flat)} & set(loaded)
        assert torch.equal(loaded[name], tensor), key


@pytest.mark.parametrize("cached", [None, "config.json"])
def test_a_missing_published_checker_is_reported_in_one_line(
    cached: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[str] = []

    def broken(source: str, *_: object, download: bool) -> None:
        assert (source, download, cached is None) == (CHECKER, False, False)
        raise OSError("no weights in the cache")

    monkeypatch.setattr(safety, "cached_file", lambda *_: cached)
    monkeypatch.setattr(safety, "_load", broken)
    check = safety_checker("auto", "cpu", notes.append)
    assert np.array_equal(check(pictures()), pictures())
    (note,) = notes
    assert note.startswith("images are not checked for safety (")
    assert ("no weights in the cache" in note) == (cached is not None)


def test_a_checker_in_the_cache_is_used(checker_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = safety._load
    monkeypatch.setattr(safety, "cached_file", lambda *_: "config.json")
    monkeypatch.setattr(safety, "_load", lambda _, *rest, **more: load(str(checker_folder), *rest, **more))
    assert isinstance(safety_checker("auto", "cpu", pytest.fail), safety.SafetyChecker)


def test_off_needs_no_library() -> None:
    assert np.array_equal(safety_checker("off", "cpu", pytest.fail)(pictures()), pictures())
    assert np.array_equal(watermark(False, pytest.fail)(pictures()[0]), pictures()[0])


def test_the_command_checks_before_it_saves(
    checker_folder: Path,
    watch: Callable[..., Watched],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    check = safety_checker(str(checker_folder), "cpu", lambda text: print(text))
    check._checker.concept_embeds_weights.data.fill_(-2.0)  # type: ignore[attr-defined]
    monkeypatch.setattr("sdbench.tools.compvis.loop.safety_checker", lambda *_: check)
    flags = ["--ddim_steps=2", "--n_iter=1", "--n_samples=2", "--H=64", "--W=64", "--no-watermark"]
    seen = watch(["txt2img", *TINY, *flags, "--outdir", str(tmp_path / "out")])
    assert seen.files == {"samples/00000.png", "samples/00001.png", "grid-0000.png"}
    assert all(not np.asarray(Image.open(seen.outdir / file)).any() for file in seen.files)
    assert "replaced 2 of 2 images" in capsys.readouterr().out


@pytest.mark.parametrize("code", ["import no_such_module", "raise RuntimeError('two\\nlines')", "None.array"])
def test_a_watermark_package_that_fails_is_reported_in_one_line(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[str] = []
    (tmp_path / "imwatermark.py").write_text(code)
    monkeypatch.delitem(sys.modules, "imwatermark", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    assert np.array_equal(watermark(True, notes.append)(pictures()[0]), pictures()[0])
    (note,) = notes
    assert "\n" not in note
    assert note.startswith("no watermark (")
    assert "pip install 'sdbench[watermark]'" in note


class TestWatermark:
    """With the library."""

    @pytest.fixture(autouse=True)
    def _library(self) -> None:
        # Its OpenCV needs system libraries, which may be missing.
        pytest.importorskip("imwatermark", reason="needs the extra sdbench[watermark]", exc_type=ImportError)

    def test_the_message_can_be_read_back(self) -> None:
        from imwatermark import WatermarkDecoder

        # Texture carries the watermark best. The library expects blue, green, red.
        image = np.random.default_rng(0).integers(40, 200, (512, 512, 3), dtype=np.uint8)
        marked = watermark(True, pytest.fail)(image)
        assert (marked.dtype, marked.shape) == (np.uint8, image.shape)
        decoder = WatermarkDecoder("bytes", 8 * 17)
        assert decoder.decode(np.ascontiguousarray(marked[:, :, ::-1]), "dwtDct") == b"StableDiffusionV1"

    def test_it_is_barely_visible(self) -> None:
        image = np.full((300, 300, 3), (200, 120, 60), np.uint8)
        difference = np.abs(watermark(True, pytest.fail)(image).astype(int) - image)
        assert 0 < difference.mean() < 5

    def test_small_images_stay_unchanged_and_are_reported_in_one_line(self) -> None:
        notes: list[str] = []
        mark = watermark(True, notes.append)
        for image in pictures():
            assert np.array_equal(mark(image), image)
        assert notes == ["no watermark: it needs 256 x 256 pixels, the images have 64 x 64"]
