"""Pictures of the page: as many as fit, each once, the same prompts in all cells."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from reports.album import Album, Wanted
from reports.runs import open_run
from reports.thumbnails import encode_prompts

MakeRun = Callable[..., Path]


def noise(path: Path, size: int) -> Path:
    pixels = np.random.default_rng(size).integers(0, 256, (size, size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_small_images_are_kept_bit_for_bit(tmp_path: Path) -> None:
    path = noise(tmp_path / "a.png", 64)
    (made,) = encode_prompts([{("cell", "p"): path}], 10**6, fewest=1)
    thumbnail = made["cell", "p"]
    assert (thumbnail.width, thumbnail.height, thumbnail.pixelated) == (64, 64, True)
    content = base64.b64decode(thumbnail.uri.removeprefix("data:image/webp;base64,"))
    decoded = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    np.testing.assert_array_equal(decoded, np.asarray(Image.open(path)))


def test_prompts_are_whole_and_stop_at_the_budget(tmp_path: Path) -> None:
    paths = [{(cell, f"p{n}"): noise(tmp_path / f"{cell}{n}.png", 64) for cell in "ab"} for n in range(5)]
    each = sum(len(thumbnail.uri) for thumbnail in encode_prompts(paths[:1], 10**9, fewest=1)[0].values())
    made = encode_prompts(paths, int(3.5 * each), fewest=1)
    assert len(made) == 3
    assert all(len(prompt) == 2 for prompt in made)


def test_pictures_shrink_rather_than_leave_too_few_prompts(tmp_path: Path) -> None:
    paths = [{("a", f"p{n}"): noise(tmp_path / f"{n}.png", 300)} for n in range(4)]
    wide = encode_prompts(paths, 10**9, fewest=4)
    assert wide[0]["a", "p0"].width == 256
    each = len(wide[0]["a", "p0"].uri)
    small = encode_prompts(paths, each, fewest=4)
    assert small[0]["a", "p0"].width < 192
    assert sum(len(prompt["a", f"p{n}"].uri) for n, prompt in enumerate(small)) <= each


def test_the_prompts_are_the_first_that_have_images(make_run: MakeRun) -> None:
    run = make_run()
    for image in run.glob("images/*/p0.png"):
        image.unlink()
    (run / "images" / "v2_s8" / "p1.png").unlink()
    album = Album(open_run(run))
    assert [name for name, _ in album.prompts] == ["p1", "p2"]
    assert album.shot(Wanted("v2_s8", "p1", "")) is None
    shot = album.shot(Wanted("v1_s2", "p1", "a prompt"))
    assert shot is not None
    assert shot.alt == "v1 at guidance scale 2: a prompt"
    assert shot.original == "../images/v1_s2/p1.png"


def test_prompts_of_other_specs_in_the_same_folder_are_not_shown(make_run: MakeRun) -> None:
    run = make_run()
    other = pd.DataFrame({"prompt_id": ["p9"], "prompt": ["from another spec"], "cell": ["v1_s9"]})
    pd.concat([other, pd.read_parquet(run / "images.parquet")]).to_parquet(run / "images.parquet")
    assert [name for name, _ in open_run(run).prompts] == ["p0", "p1", "p2"]


def test_a_picture_gives_its_bytes_once(make_run: MakeRun) -> None:
    album = Album(open_run(make_run()))
    album.add([Wanted("v1_s2", "p0", "")])
    first, second = album.shot(Wanted("v1_s2", "p0", "")), album.shot(Wanted("v1_s2", "p0", ""))
    assert first is not None
    assert second is not None
    assert first.ident == second.ident
    assert first.uri.startswith("data:image/webp")
    assert second.uri == ""


def test_pictures_beside_the_grid_stop_at_the_budget(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reports.album._MOST", 1)
    run = make_run()
    album = Album(open_run(run))
    assert len(album.prompts) == 1
    used = sum(len(thumbnail.uri) for thumbnail in album._thumbnails.values())
    monkeypatch.setattr("reports.album._BUDGET", used + 100)
    album.add([Wanted("v1_s2", "p1", ""), Wanted("v1_s2", "p2", "")])
    assert album.shot(Wanted("v1_s2", "p1", "")) is not None
    assert album.shot(Wanted("v1_s2", "p2", "")) is None
