"""Metrics and extractors from outside the repository, as protocols and extractors like the built-in ones.

A metric is a value per image, a class of torchmetrics, or a formula of an extractor's features. What it
raises, and results of a wrong shape or with NaN, end in one line that names it.
"""

from __future__ import annotations

from sdbench.scoring.outside.build import VALUES, outside_extractor
from sdbench.scoring.outside.resolve import outside_protocol
from sdbench.scoring.outside.values import ImageValues

__all__ = ["VALUES", "ImageValues", "outside_extractor", "outside_protocol"]
