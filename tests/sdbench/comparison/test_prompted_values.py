"""Values of an image with its prompt, such as ImageReward, as measures of `sdbench compare`."""

from __future__ import annotations

import csv
import json

import numpy as np
from PIL import Image

N = 12


def brighter(image, number):
    return image + 1 + number % 3


def levels(folder):
    return np.array([np.asarray(Image.open(path)).mean() for path in sorted(folder.glob("*.png"))])


def test_each_image_has_the_value_of_its_own_prompt(reward, folder, compare, tmp_path):
    a, b, prompts = folder("a", N), folder("b", N, change=brighter), tmp_path / "prompts.txt"
    texts = [f"{'very ' * (number % 4)}red" for number in range(N)]
    prompts.write_text("\n".join(texts))
    out = tmp_path / "out"
    arguments = ["--prompts", prompts, "--metrics", "image-reward"]
    said = compare(a, b, *arguments, "--out", out)[1]
    assert "no CLIP score was taken" not in said
    measure = json.loads((out / "certificate.json").read_text())["comparisons"][0]["measures"][0]
    assert measure["name"] == "image-reward"
    lengths = np.mean([len(text) for text in texts])
    np.testing.assert_allclose(measure["a"], levels(a).mean() + lengths, atol=1e-4)
    with (out / "pairs.csv").open(encoding="utf-8") as stream:
        shifts = [float(row["difference_image-reward"]) for row in csv.DictReader(stream)]
    np.testing.assert_allclose(shifts, levels(b) - levels(a), atol=1e-4)
    compare(a, b, *arguments)
    assert reward.seen == 2 * N
    prompts.write_text("\n".join(["other", *texts[1:]]))
    compare(a, b, *arguments)
    assert reward.seen == 2 * N + 2


def test_a_baseline_keeps_them_with_its_prompts(reward, folder, compare, tmp_path):
    a, prompts, kept = folder("a", N), tmp_path / "prompts.txt", tmp_path / "kept.sdbench"
    prompts.write_text("\n".join(f"red {number}" for number in range(N)))
    assert compare(a, "--record", kept, "--prompts", prompts, "--metrics", "image-reward")[0] == 0
    (tmp_path / "home" / "compare.sqlite").unlink()
    said = compare(kept, folder("b", N, change=brighter))[1]
    assert ("image-reward" in said, reward.seen) == (True, 2 * N)


def test_without_prompts_they_are_refused(reward, folder, compare):
    code, said = compare(folder("a", N), folder("b", N), "--metrics", "image-reward")
    assert (code, "image-reward reads prompts: give them by --prompts FILE" in said) == (2, True)
