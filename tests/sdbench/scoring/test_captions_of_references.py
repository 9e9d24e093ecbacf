"""Metrics that need a caption of each real image: where captions come from, and what happens without them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from reference_model import shapes
from sdbench.cli import main
from sdbench.core.errors import InputError
from sdbench.scoring.reference_sets import load_reference
from sdbench.spec import CocoReference, FolderReference, ShapesReference

CFRED = "cfred-shapes-clip"


def test_each_kind_of_reference_has_captions(reference_folder: Path, tmp_path: Path) -> None:
    drawn = load_reference(ShapesReference(source="shapes", count=5, seed=3), (64, 64))
    assert drawn.captions() == shapes.reference_set(5, 3)[1]
    names = sorted(path.name for path in reference_folder.glob("*.png"))
    records = {
        "images": [{"id": place, "file_name": name} for place, name in enumerate(names)],
        "annotations": [
            {"id": 100 - place, "image_id": place // 2, "caption": f"caption {place}"} for place in range(24)
        ],
    }
    captions = tmp_path / "captions.json"
    captions.write_text(json.dumps(records))
    spec = CocoReference(source="coco", path=str(reference_folder), captions=str(captions))
    found = load_reference(spec, (64, 64))
    assert found.captions() == [f"caption {2 * place + 1}" for place in range(12)]
    records["annotations"] = records["annotations"][:-2]
    captions.write_text(json.dumps(records))
    with pytest.raises(InputError, match=r"no caption for 1 images, first 11\.png"):
        found.captions()
    for name in names:
        (reference_folder / name).with_suffix(".txt").write_text(f"of {name}")
    folder = FolderReference(source="folder", path=str(reference_folder))
    assert load_reference(folder, (64, 64)).captions() == [f"of {name}" for name in names]


def test_cfred_of_a_run_compares_with_the_captions(
    tiny: dict[str, Any], tmp_path: Path, run_tiny: Callable[..., Any], reference_folder: Path,
    spec_file: Callable[[dict[str, Any]], Path], capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    spec, root = {**tiny, "guidance_scales": [2], "metrics": ["clip-score-shapes", CFRED]}, tmp_path / "run"
    assert main(["run", str(spec_file(spec)), "--out", str(root)]) == 2
    expected = f"images have no text, the first lacks 00.txt; {CFRED} needs a caption of each real image"
    assert expected in capsys.readouterr().err
    assert not root.exists()
    values, digests = [], []
    for words in ("a red circle", "a blue square"):
        for place, path in enumerate(sorted(reference_folder.glob("*.png"))):
            path.with_suffix(".txt").write_text(words if place % 2 else "a green ring on white")
        run_tiny(spec, root)
        row = pd.read_csv(root / "results.csv").set_index("protocol").loc[CFRED]
        values.append(row["value"])
        digests.append(row["reference_digest"])
        assert "no standard error: n = 6 images" in row["note"]
    assert values[0] > 0
    assert values[0] != values[1]
    assert digests[0] != digests[1]
