"""Folders of diffusers pipelines: which are loaded, which are refused, and which of their files count."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("diffusers", reason="needs the extra sdbench[diffusers]")

from sdbench.core.errors import InputError
from sdbench.models.sources import PipelineSource
from tests.sdbench.tiny_pipelines import WARNINGS_IGNORED, copied, images, settings

pytestmark = WARNINGS_IGNORED


def test_pickled_weights_are_not_opened(stable_diffusion: Path, tmp_path: Path) -> None:
    folder = copied(stable_diffusion, tmp_path / "pickled")
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.unlink()
    weights.with_suffix(".bin").write_bytes(b"\x80\x04cos\nsystem\n(S'touch opened'\ntR.")
    with pytest.raises(InputError, match=r"^checkpoint pickled: .*safetensors"):
        PipelineSource("pickled", folder).load("cpu")


def in_half(folder: Path, components: tuple[str, ...]) -> None:
    """Give the weights of these components the names of a variant."""
    for component in components:
        for weights in (folder / component).glob("*.safetensors"):
            weights.rename(weights.with_name(f"{weights.stem}.fp16.safetensors"))


@pytest.mark.parametrize("components", [("unet", "vae", "text_encoder"), ("unet",)])
def test_a_folder_of_one_variant_is_loaded(
    components: tuple[str, ...], stable_diffusion: Path, tmp_path: Path
) -> None:
    folder = copied(stable_diffusion, tmp_path / "half")
    in_half(folder, components)
    source, plain = PipelineSource("half", folder), PipelineSource("plain", stable_diffusion)
    assert np.array_equal(images(source, settings("ddim")), images(plain, settings("ddim")))


def test_weights_that_the_identity_does_not_cover_are_not_loaded(
    stable_diffusion: Path, tmp_path: Path
) -> None:
    """By a variant the library would take that of the UNet, whose plain weights are the ones hashed."""
    folder = copied(stable_diffusion, tmp_path / "mixed")
    in_half(folder, ("unet", "vae"))
    plain = stable_diffusion / "unet" / "diffusion_pytorch_model.safetensors"
    shutil.copy(plain, folder / "unet")
    with pytest.raises(InputError, match=r"^checkpoint mixed: .*vae"):
        PipelineSource("mixed", folder).load("cpu")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"unet": ["evil", "Net"]}, "names components of 'evil'"),
        ({"_class_name": ["pipeline", "Evil"]}, "names no pipeline"),
        ({"_class_name": "NoSuchPipeline"}, "NoSuchPipeline"),
        ({"_class_name": "StableDiffusionImg2ImgPipeline"}, "takes no height, width"),
    ],
)
def test_a_folder_that_is_no_text_to_image_pipeline(
    change: dict[str, Any], expected: str, stable_diffusion: Path, tmp_path: Path
) -> None:
    folder = copied(stable_diffusion, tmp_path / "changed")
    (folder / "unet" / "evil.py").write_text("raise SystemExit('code of the folder ran')")
    index = folder / "model_index.json"
    index.write_text(json.dumps({**json.loads(index.read_text()), **change}))
    with pytest.raises(InputError, match=f"^checkpoint changed: .*{expected}") as error:
        PipelineSource("changed", folder).load("cpu")
    assert "\n" not in str(error.value)


def test_a_folder_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is not a diffusers folder: it has no model_index\.json"):
        PipelineSource("empty", tmp_path).check(settings("default"))


def test_identity_is_that_of_the_files_that_count(stable_diffusion: Path, tmp_path: Path) -> None:
    folder = copied(stable_diffusion, tmp_path / "copy")
    source = PipelineSource("copy", folder)
    original = PipelineSource("tiny", stable_diffusion).identify()
    (folder / "README.md").write_text("words")
    assert source.identify() == original == source.load("cpu").digest
    settings = folder / "scheduler" / "scheduler_config.json"
    settings.write_text(settings.read_text().replace("0.012", "0.013"))
    assert source.identify() != original
