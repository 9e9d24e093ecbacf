"""The Vendi score per prompt: closed forms, unequal numbers of images, and its error."""

from __future__ import annotations

import numpy as np
import pytest

from metrics import PROTOCOLS, MetricsError, evaluate
from metrics.uncertainty import clustered_standard_error
from metrics.vendi import vendi_estimate


def test_closed_forms() -> None:
    alike, apart, half = np.ones((4, 8)), np.eye(4, 8) * 3, np.repeat(np.eye(2, 8), 2, axis=0)
    prompts = [word for word in ("alike", "apart", "half") for _ in range(4)]
    found = vendi_estimate(generated=np.concatenate([alike, apart, half]), prompts=prompts)
    assert found.per_image == pytest.approx([1] * 4 + [4] * 4 + [2] * 4)
    assert found.value == pytest.approx(7 / 3)
    cosine = 0.6
    pair = np.array([[1, 0], [cosine, 0.8]])
    shares = np.array([1 + cosine, 1 - cosine]) / 2
    expected = np.exp(-(shares * np.log(shares)).sum())
    assert vendi_estimate(generated=pair, prompts=["x", "x"]).value == pytest.approx(expected)


def test_the_order_of_images_does_not_matter_and_errors_cluster_by_prompt() -> None:
    random = np.random.default_rng(0)
    rows, prompts = random.normal(size=(60, 5)), [f"prompt {place % 20}" for place in range(60)]
    order = random.permutation(60)
    protocol = PROTOCOLS["vendi-shapes-clip"]
    found = evaluate(protocol, generated=rows, prompts=prompts)
    mixed = evaluate(protocol, generated=rows[order], prompts=[prompts[place] for place in order])
    assert mixed.value == pytest.approx(found.value)
    assert mixed.per_image == pytest.approx(found.per_image[order])
    assert found.standard_error == pytest.approx(clustered_standard_error(found.per_image, prompts))
    assert found.standard_error == pytest.approx(np.std(found.per_image[:20], ddof=1) / 20**0.5)


def test_unequal_numbers_are_noted_and_single_images_refused() -> None:
    rows = np.random.default_rng(1).normal(size=(5, 3))
    found = vendi_estimate(generated=rows, prompts=["a", "a", "b", "b", "b"])
    assert found.note == "prompts have 2 to 3 images, and scores rise with their number"
    assert found.value == pytest.approx(found.per_image.mean())
    lonely = evaluate(PROTOCOLS["vendi-shapes-clip"], generated=rows, prompts=["a", "a", "b", "c", "c"])
    rest = vendi_estimate(generated=rows[[0, 1, 3, 4]], prompts=["a", "a", "c", "c"])
    assert (lonely.value, lonely.n, lonely.per_image) == (pytest.approx(rest.value), 5, None)
    assert lonely.standard_error == pytest.approx(clustered_standard_error(rest.per_image, [0, 0, 1, 1]))
    assert lonely.note == "prompts with a single image are left out: 1 of 3"
    with pytest.raises(MetricsError, match="each of 2 prompts has a single image, at least 2 are needed"):
        vendi_estimate(generated=rows[:2], prompts=["a", "b"])
    with pytest.raises(MetricsError, match="5 images and 4 prompts"):
        vendi_estimate(generated=rows, prompts=["a"] * 4)
    with pytest.raises(MetricsError, match="vendi-shapes-clip needs the prompts"):
        evaluate(PROTOCOLS["vendi-shapes-clip"], generated=rows)
