"""Wrong captions for CLIP's training: wrong in one respect, and nothing but their meaning gives them away."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from reference_model.shapes.captions import VOCABULARY
from reference_model.shapes.dataset import web_batch
from reference_model.shapes.reading import statements
from reference_model.shapes.training.negatives import made_wrong


def wrong_kinds(caption: str, wrong: str) -> set[str]:
    """Kinds of the statements that the two captions do not share."""
    return {statement.kind for statement in {*statements(caption)} ^ {*statements(wrong)}}


def test_a_wrong_caption_is_wrong_in_one_respect():
    chances = np.random.default_rng(0)
    captions = web_batch(0, 600, seed=0).captions
    wrong = [made_wrong(caption, chances) for caption in captions]
    for caption, other in zip(captions, wrong, strict=True):
        # Swapping a figure's colour with the background's changes statements of two kinds.
        kinds = wrong_kinds(caption, other)
        assert kinds
        assert len(kinds) == 1 or kinds == {"colour", "background"}, (caption, other)
        assert len(other.split()) == len(caption.split()) or "place" in kinds
        assert {*other.split()} <= {*VOCABULARY}
        for article, word in pairwise(other.split()):
            assert article not in ("a", "an") or (article == "an") == (word[0] in "aeiou")


def test_half_of_the_relations_are_made_wrong():
    chances = np.random.default_rng(0)
    caption = "a large striped red circle above a small blue square on a shaded pink background"
    wrong = Counter(made_wrong(caption, chances) for _ in range(2000))
    kinds = Counter(kind for other in wrong.elements() for kind in wrong_kinds(caption, other))
    assert kinds["place"] / 2000 == pytest.approx(0.5, abs=0.04)
    assert {*kinds} == {"shape", "colour", "size", "pattern", "place", "background"}
    swapped = wrong["a large striped red square above a small blue circle on a shaded pink background"]
    assert swapped / kinds["shape"] == pytest.approx(0.5, abs=0.12)
