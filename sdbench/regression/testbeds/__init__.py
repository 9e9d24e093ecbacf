"""Testbeds: denoisers with prompts, and metrics to judge their images.

To add one, add a file and a line in ``TESTBEDS``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from sdbench.core.errors import InputError, did_you_mean
from sdbench.regression.testbeds._testbed import Testbed, signal_power
from sdbench.regression.testbeds.flow import FlowGaussianTestbed, FlowMixtureTestbed
from sdbench.regression.testbeds.gaussian import GaussianTestbed
from sdbench.regression.testbeds.mixture import MixtureTestbed
from sdbench.regression.testbeds.shapes import ShapesTestbed

__all__ = [
    "TESTBEDS",
    "FlowGaussianTestbed",
    "FlowMixtureTestbed",
    "GaussianTestbed",
    "MixtureTestbed",
    "ShapesTestbed",
    "Testbed",
    "load_testbed",
    "signal_power",
]

TESTBEDS: dict[str, Callable[[str], Testbed]] = {
    "gaussian": GaussianTestbed,
    "mixture": MixtureTestbed,
    "flow-gaussian": FlowGaussianTestbed,
    "flow-mixture": FlowMixtureTestbed,
    "shapes": ShapesTestbed,
}


@cache
def load_testbed(name: str, device: str = "cpu") -> Testbed:
    """Return the testbed ``name``, made once per process and device; an unknown name raises InputError."""
    if name not in TESTBEDS:
        raise InputError(f"unknown testbed {name!r}: {did_you_mean(name, TESTBEDS)}")
    return TESTBEDS[name](device)
