"""The size of images that a model was trained for, and that of a spec which leaves it to the models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reference_model import shapes
from sdbench.core.errors import InputError
from sdbench.models import Source
from sdbench.models.native_size import common_size, native_size
from sdbench.models.registry import locate_all
from sdbench.models.sources import PipelineSource, ReferenceSource
from sdbench.spec import load_spec
from sdbench.spec.model_entry import ModelEntry
from sdbench.sweep.prepare import with_image_size

SHAPES = ReferenceSource("shapes", shapes.CHECKPOINTS["shapes-v1-1"], shapes.CONFIG)
SD_V1 = ReferenceSource("sd", Path("sd.ckpt"))


def folder(root: Path, denoiser: str = "unet", latents: object = 96) -> Path:
    """Write the configurations of a diffusers folder whose autoencoder has four levels."""
    contents = {denoiser: {"sample_size": latents}, "vae": {"block_out_channels": [1, 2, 3, 4]}}
    for part, content in contents.items():
        (root / part).mkdir(parents=True)
        (root / part / "config.json").write_text(json.dumps(content))
    return root


@pytest.mark.parametrize(
    ("denoiser", "latents", "side"), [("unet", 96, 768), ("transformer", 128, 1024), ("unet", None, None)]
)
def test_a_diffusers_folder_says_its_size(
    denoiser: str, latents: object, side: int | None, tmp_path: Path
) -> None:
    path = folder(tmp_path / "model", denoiser, latents)
    assert native_size(PipelineSource("a", path)) == side
    assert native_size(ReferenceSource("a", path)) == side


def test_files_have_the_size_of_their_configuration(tmp_path: Path) -> None:
    assert (native_size(SHAPES), native_size(SD_V1)) == (64, 512)
    (tmp_path / "other.yaml").write_text("model: {}\n")
    assert native_size(ReferenceSource("a", Path("a.ckpt"), tmp_path / "other.yaml")) is None


def test_models_of_one_size_decide_and_others_are_refused(tmp_path: Path) -> None:
    assert common_size(locate_all([ModelEntry(name="shapes-v1-1"), ModelEntry(name="shapes-v1-2")])) == (
        64,
        64,
    )
    silent: Source = PipelineSource("quiet", tmp_path)
    for sources, expected in (
        ([SHAPES, SD_V1], "image_size: missing, and the checkpoints make different sizes: shapes 64, sd 512"),
        ([SHAPES, silent], "image_size: missing, and checkpoint quiet does not say which size it makes"),
        ([], "no checkpoint on this machine can tell its size"),
    ):
        with pytest.raises(InputError, match=expected):
            common_size(sources)


def test_a_size_that_is_left_out_is_the_same_experiment(tmp_path: Path) -> None:
    text = (shapes.CONFIG.parents[3] / "experiments" / "shapes-demo.yaml").read_text()
    short = tmp_path / "short.yaml"
    without = ("image_size", "seed", "batch_size", "unit_size")
    short.write_text("".join(line for line in text.splitlines(True) if not line.startswith(without)))
    decided = with_image_size(load_spec(short))
    assert decided == load_spec(Path("shapes-demo"), []).model_copy(update={"batch_size": "auto"})
    assert with_image_size(load_spec(short), partly=True) == decided
    with pytest.raises(ValueError, match="not decided"):
        _ = load_spec(short).height_width
