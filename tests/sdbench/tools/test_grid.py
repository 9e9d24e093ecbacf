"""The quick grid: its ranges, images as a sweep makes them, and a picture even if interrupted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdbench.cli import main
from sdbench.cli.ranges import parse_range, parse_whole_range
from sdbench.core.errors import InputError
from sdbench.core.progress import ImageProgress
from sdbench.data.prompts import Prompt
from sdbench.models import Images
from sdbench.models.settings import Settings
from sdbench.tools import grid
from sdbench.tools.grid import GridRequest, make_grid


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("7.5", (7.5,)),
        ("1.5, 3,7", (1.5, 3.0, 7.0)),
        ("1-5", (1.0, 2.0, 3.0, 4.0, 5.0)),
        ("1-10 [5]", (1.0, 3.25, 5.5, 7.75, 10.0)),
        ("1.5-8 [8]", (1.5, 2.43, 3.36, 4.29, 5.21, 6.14, 7.07, 8.0)),
        ("10-50 (+20)", (10.0, 30.0, 50.0)),
        ("1-2[3], 8", (1.0, 1.5, 2.0, 8.0)),
    ],
)
def test_ranges(text: str, numbers: tuple[float, ...]) -> None:
    assert parse_range(text, "--scales") == numbers


def test_whole_ranges_round_between_whole_ends() -> None:
    assert parse_whole_range("1-10 [5]", "--steps") == (1, 3, 6, 8, 10)
    assert parse_whole_range("1-3 [5]", "--steps") == (1, 2, 3)
    with pytest.raises(InputError, match=r"--steps: '10\.5' holds a number that is not whole"):
        parse_whole_range("10.5", "--steps")


@pytest.mark.parametrize(
    "text", ["", "a", "5-1", "1-5 [1]", "1-5 (+0)", "1,,2", "-3", "1-2000", "1-9000000000"]
)
def test_text_that_is_not_a_range_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--scales: "):
        parse_range(text, "--scales")


NEGATIVES = (["", "a star"], ["a star"], [""])
SQUARE = Image.new("RGB", (8, 8))


class Painter:
    """A model that paints its settings: the scale in red, the steps in green, the prompt in blue."""

    digest = "painter"

    def __init__(self, stop_after: int | None = None) -> None:
        self.left = stop_after

    def generate(self, prompts: list[Prompt], settings: Settings, on_step: object) -> Images:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left = None if self.left is None else self.left - 1
        pixels = np.zeros((len(prompts), settings.height, settings.width, 3), np.uint8)
        pixels[..., 0], pixels[..., 1] = round(settings.guidance_scale * 10), settings.steps
        for place, prompt in enumerate(prompts):
            pixels[place, ..., 2] = len(prompt.text)
        return Images(pixels, None, np.ones(len(prompts), bool))


def request(out: Path, **changed: object) -> GridRequest:
    asked = {
        "prompts": ("a ring",),
        "models": ("shapes-v1-1",),
        "samplers": ("plms",),
        "steps": (10,),
        "scales": (2.0, 7.5),
        "seed": 42,
        "size": (64, 64),
        "out": out,
    }
    return GridRequest(**{**asked, **changed})  # type: ignore[arg-type]


def colours(path: Path) -> set[tuple[int, ...]]:
    """Return the colours that fill a field of 128 x 128, ignoring the few words in it."""
    with Image.open(path) as image:
        found = image.convert("RGB").getcolors(1 << 20)
    assert found is not None
    return {colour for count, colour in found if count >= 120 * 128 and colour != (255, 255, 255)}


def test_every_setting_has_its_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdbench.models.sources.ReferenceSource.load", lambda *args: Painter())
    asked = request(
        tmp_path / "new" / "g.png", prompts=("a ring", "a star!"), steps=(10, 20), scales=(2.0, 5.0, 7.5)
    )
    path = make_grid(asked, ImageProgress())
    expected = {(scale, steps, text) for scale in (20, 50, 75) for steps in (10, 20) for text in (6, 7)}
    assert colours(path) == expected


def test_negative_prompts_are_an_axis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, float]] = []

    class Listening(Painter):
        def generate(self, prompts: list[Prompt], settings: Settings, on_step: object) -> Images:
            asked.append((settings.negative_prompt, settings.guidance_scale))
            return super().generate(prompts, settings, on_step)

    monkeypatch.setattr("sdbench.models.sources.ReferenceSource.load", lambda *args: Listening())
    drawn: list[tuple[list[tuple[str, ...]], str]] = []
    monkeypatch.setattr(
        grid,
        "xyz_grid",
        lambda axes, images, title: drawn.append(([a.labels for a in axes], title)) or SQUARE,
    )
    make_grid(request(tmp_path / "a.png", negatives=("", "a star")), ImageProgress())
    make_grid(request(tmp_path / "b.png", negatives=("a star",)), ImageProgress())
    make_grid(request(tmp_path / "c.png"), ImageProgress())
    both, one, none = ([(text, scale) for text in texts for scale in (2.0, 7.5)] for texts in NEGATIVES)
    assert asked == [*both, *one, *none]
    assert drawn[0][0][4] == ("no negative prompt", "away from “a star”")
    assert "away from “a star” · seed 42" in drawn[1][1]
    assert "negative" not in drawn[2][1]


def test_an_interrupted_grid_shows_the_images_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    painter = Painter(stop_after=1)
    monkeypatch.setattr("sdbench.models.sources.ReferenceSource.load", lambda *args: painter)
    with pytest.raises(KeyboardInterrupt):
        make_grid(request(tmp_path / "g.png"), ImageProgress())
    assert colours(tmp_path / "g.png") == {(20, 10, 6), (236, 236, 236)}


def test_the_same_request_is_the_same_file_and_another_seed_is_not(tmp_path: Path) -> None:
    arguments = ["grid", "--prompt", "a red circle", "--steps", "2", "--scales", "2,7"]
    for name in ("a.png", "b.png"):
        assert main([*arguments, "--models", "shapes-v1-4", "--out", str(tmp_path / name)]) == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert main([*arguments, "--seed", "1", "--out", str(tmp_path / "c.png")]) == 0
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "c.png").read_bytes()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (["--models", "shapes-v1-9"], "--models: checkpoints.0: unknown checkpoint 'shapes-v1-9'"),
        (["--models", "a,,b"], "--models: 'a,,b' contains an empty name"),
        (["--samplers", "plmz"], "--samplers and --steps: samplers.0.name: "),
        (["--scales", "0"], "--scales: guidance_scales.0: "),
        (["--steps", "3"], "checkpoint shapes-v1-4: steps=3 gives a last timestep"),
        (["--size", "60"], "checkpoint shapes-v1-4: image sides must be multiples of"),
        (["--size", "big"], "--size: 'big' is neither"),
        (["--negative", "a", "--negative", "a"], "--negative: a text is given twice"),
        (["--negative", "a\x00"], "--negative: "),
        (["--out", "grid.jpg"], "--out grid.jpg: a grid is written as .png"),
    ],
)
def test_bad_input_is_one_line(
    changed: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(grid, "_generate", lambda *args: pytest.fail("an image was asked for"))
    assert main(["grid", "--prompt", "a ring", *changed]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"sdbench: {message}")
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())
