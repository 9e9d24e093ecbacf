"""How close two images are, pixel by pixel: root mean square, largest difference, SSIM, mean levels."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import numpy as np

from sdbench.comparison.pictures import channel_means, luma

__all__ = ["SAME", "VERSION", "Closeness", "compare_pixels", "psnr"]

VERSION = 1
"""Raised when a change could move what is remembered of a pair."""

SIGMA, RADIUS = 1.5, 5
K1, K2, LARGEST = 0.01, 0.03, 255.0


@dataclass(frozen=True)
class Closeness:
    """Two images of one size compared, in levels of 255.

    Attributes:
        rms: Root mean square difference over pixels and channels.
        largest: Largest difference of a value.
        ssim: Structural similarity of the brightness, 1 for equal images.
        shift: Mean difference of red, green and blue, second minus first.
    """

    rms: float
    largest: int
    ssim: float
    shift: tuple[float, float, float]

    def to_bytes(self) -> bytes:
        """Return the numbers as JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Closeness:
        """Return what `to_bytes` wrote."""
        known = json.loads(data)
        return cls(**{**known, "shift": tuple(known["shift"])})


SAME = Closeness(0.0, 0, 1.0, (0.0, 0.0, 0.0))


def compare_pixels(a: np.ndarray, b: np.ndarray) -> Closeness:
    """Compare two images uint8 [H, W, 3] of the same size."""
    apart = b.astype(np.int16) - a
    red, green, blue = channel_means(apart)
    rms = float(np.sqrt(np.mean(np.square(apart, dtype=np.float32), dtype=np.float64)))
    return Closeness(rms, int(np.abs(apart).max()), _ssim(luma(a), luma(b)), (red, green, blue))


def psnr(rms: float) -> float:
    """Return the peak signal-to-noise ratio of a root mean square difference, in dB; infinite for 0."""
    return float("inf") if rms == 0 else float(20 * np.log10(LARGEST / rms))


def _ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mean structural similarity of float32 [H, W], 0 to 255.

    Wang et al., "Image quality assessment: from error visibility to structural similarity" (2004), equation
    13, with their Gaussian window of 11 x 11 and sigma 1.5; the border of 5 pixels counts only if the image
    is smaller than the window.
    """
    from scipy.ndimage import gaussian_filter

    def blurred(image: np.ndarray) -> np.ndarray:
        return np.asarray(gaussian_filter(image, SIGMA, radius=RADIUS))

    mean_a, mean_b = blurred(a), blurred(b)
    var_a, var_b = blurred(a * a) - mean_a**2, blurred(b * b) - mean_b**2
    both = blurred(a * b) - mean_a * mean_b
    c1, c2 = (K1 * LARGEST) ** 2, (K2 * LARGEST) ** 2
    value = (2 * mean_a * mean_b + c1) * (2 * both + c2)
    value /= (mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)
    whole = min(a.shape) > 2 * RADIUS
    return float(value[RADIUS:-RADIUS, RADIUS:-RADIUS].mean() if whole else value.mean())
