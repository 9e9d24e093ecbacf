"""Protocols: consistent names, extractors that exist, and labels that claim no more than they may."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from metrics import FORMULAS, PROTOCOLS
from metrics.features import EXTRACTORS


def test_every_protocol_is_complete_and_points_at_an_extractor() -> None:
    for name, protocol in PROTOCOLS.items():
        assert protocol.name == name
        assert protocol.version >= 1
        assert protocol.extractor in EXTRACTORS
        assert protocol.resize
        assert protocol.quantisation
        assert protocol.features
        assert protocol.formula.words
        assert protocol.agrees_with
        distance = protocol.formula in [
            FORMULAS[key] for key in ("frechet", "frechet_infinity", "conditional_frechet", "kernel", "cmmd")
        ]
        assert protocol.formula.better == ("lower" if distance else "higher")
        reads_text = protocol.formula in [
            FORMULAS[key] for key in ("clip_score", "clip_score_x100", "inner_product")
        ]
        alone = [FORMULAS[key] for key in ("mean_value", "prompt_accuracy", "vendi")]
        of_images_alone = reads_text or protocol.formula in alone
        assert protocol.formula.needs_reference == (not of_images_alone)
        assert protocol.formula.needs_text == (reads_text or protocol.formula.needs_captions)
        with_prompts = EXTRACTORS[protocol.extractor].with_prompts
        assert protocol.with_prompts == with_prompts
        needs_prompts = protocol.formula.needs_text or protocol.formula.by_prompt or with_prompts
        assert protocol.needs_prompts == needs_prompts
    assert len({protocol.label for protocol in PROTOCOLS.values()}) == len(PROTOCOLS)


def test_only_inception_distances_are_called_fid() -> None:
    for protocol in PROTOCOLS.values():
        is_fid = protocol.extractor.startswith("inception-v3") and protocol.formula.moments_suffice
        assert ("FID" in protocol.label) == is_fid


def test_every_frechet_distance_has_its_limit_beside_it() -> None:
    plain = {name for name, protocol in PROTOCOLS.items() if protocol.formula == FORMULAS["frechet"]}
    limits = {
        name for name, protocol in PROTOCOLS.items() if protocol.formula == FORMULAS["frechet_infinity"]
    }
    assert limits == {f"{name}-infinity" for name in plain}


def test_every_protocol_is_in_the_documentation() -> None:
    text = (Path(__file__).parents[2] / "docs" / "protocols.md").read_text(encoding="utf-8")
    assert [name for name in PROTOCOLS if f"`{name}`" not in text] == []


def test_the_two_clip_score_conventions_share_their_features_and_are_labelled_apart() -> None:
    for variant in ("vit-l-14", "vit-b-32", "vit-h-14"):
        raw, scaled = PROTOCOLS[f"clip-score-{variant}"], PROTOCOLS[f"clip-score-x100-{variant}"]
        assert raw.extractor == scaled.extractor
        assert "raw cosine" in raw.label
        assert "x100 and clipped" in scaled.label


def test_the_formulas_load_without_torch_and_the_extractors_with_it() -> None:
    code = (
        "import sys, metrics; assert 'torch' not in sys.modules; "
        "assert all(hasattr(metrics, name) for name in metrics.__all__); assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
