"""A package with metrics and extractors, right and wrong ones, that sdbench finds from outside."""

from __future__ import annotations

import sys

from sdbench.scoring.extractors import build_extractor
from sdbench.scoring.outside import build, found, resolve

MODULE = """
import numpy as np
import torch
from metrics import Estimate

def mean_of(images):
    return images.mean(axis=(1, 2, 3))
mean_of.better = "higher"
mean_of.label = "Brightness"

def letters(images, prompts, weight=1.0):
    return torch.tensor([weight * len(prompt) for prompt in prompts])
letters.better = "lower"

def distance(images, references):
    difference = images.astype(float) - references
    images[:] = 0
    return np.abs(difference).mean(axis=(1, 2, 3))
distance.better = "lower"

class Level:
    better = "higher"
    digest = "weights"
    def __init__(self, power, device):
        self.power, self.device = power, device
    def __call__(self, images):
        return (images / 255.0).mean(axis=(1, 2, 3)) ** self.power

class Tiles:
    dim = 12
    def __init__(self, side=2):
        self.side = side
    def images(self, images):
        batch, height, width, _ = images.shape
        shape = (batch, self.side, height // self.side, self.side, width // self.side, 3)
        return images.reshape(shape).mean(axis=(2, 4)).reshape(batch, 12) / 255
    def texts(self, texts):
        return np.array([[len(text) + place for place in range(12)] for text in texts])

def spread(*, generated):
    squares = ((generated - generated.mean(axis=0)) ** 2).sum(axis=1)
    return Estimate(float(squares.mean()), float(squares.std()), len(squares), squares)
spread.better = "higher"

def gap(*, generated, real, text):
    return abs(generated.mean() - real.mean()) + 0 * text.sum()
gap.better = "lower"

number = 3
def without_direction(images):
    return images.mean(axis=(1, 2, 3))
def takes_no_images(prompts):
    return [0] * len(prompts)
takes_no_images.better = "lower"
def asks_for_more(images, threshold):
    return [0] * len(images)
asks_for_more.better = "lower"
def raises(images):
    raise RuntimeError("two\\nlines")
raises.better = "lower"
def one_number(images):
    return 3.0
one_number.better = "lower"
def words(images):
    return ["a"] * len(images)
words.better = "lower"
def not_a_number(images, prompts):
    return [0.0] * (len(images) - 1) + [float("nan")]
not_a_number.better = "lower"
class NoDim:
    def images(self, images):
        return images
class Short(Tiles):
    def images(self, images):
        return np.zeros((len(images), 11))
class Infinite(Tiles):
    def images(self, images):
        return np.full((len(images), 12), np.inf)
class Broken:
    def __init__(self):
        raise OSError("no file of weights")
def wrong_estimate(*, generated):
    return Estimate(float("nan"), None, len(generated), None)
wrong_estimate.better = "lower"
def two_numbers(*, generated):
    return 1, 2
two_numbers.better = "lower"
"""


def forget() -> None:
    """Let every part be looked up anew, as another process does."""
    for name in [name for name in sys.modules if name == "plugged" or name.startswith("sdbench_outside_")]:
        del sys.modules[name]
    for cached in (found.find, resolve.outside_protocol, build_extractor, build.mode_of):
        cached.cache_clear()
