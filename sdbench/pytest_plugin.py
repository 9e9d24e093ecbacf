"""A pytest fixture that holds a project's own sampler to exact answers and to its baseline.

    def test_my_sampler(sampler_regression):
        sampler_regression("my_package.samplers:mine", baseline="tests/sampler-baseline")

The baseline is written by `pytest --record-samplers`, or by `sdbench regress record --sampler`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

__all__ = ["pytest_addoption", "pytest_collection_modifyitems", "pytest_configure", "sampler_regression"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --record-samplers."""
    group = parser.getgroup("sdbench")
    group.addoption(
        "--record-samplers", action="store_true", help="write the baselines of sampler_regression tests anew"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line("markers", "sampler_regression: runs a sampler against its baseline")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use the fixture, so that -m sampler_regression selects them."""
    for item in items:
        if "sampler_regression" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.sampler_regression)


@pytest.fixture
def sampler_regression(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """``(source, baseline, allow="rounding", quick=True) -> Outcome``; fails the test where it does not hold.

    ``source`` is "module:function", "file.py:function", or "diffusers:CLASS?key=value". ``baseline`` is a
    folder, relative to pytest's root folder. ``allow`` is the worst verdict that passes. With ``quick=False``
    the embedded family is run too. ``device`` and ``dtype`` choose the baseline and how it is run.
    """

    def check(
        source: str,
        baseline: str | Path,
        allow: str = "rounding",
        quick: bool = True,
        device: str = "cpu",
        dtype: str = "float32",
    ) -> Any:
        __tracebackhide__ = True
        from sdbench.errors import SdbenchError
        from sdbench.regression import Platform, Policy, Verdict, load_baseline, save_baseline, session

        name, platform = source.partition("?")[0].rpartition(":")[2], Platform(device, dtype)
        given, folder = [f"{name}={source}"], request.config.rootpath / baseline
        try:
            if request.config.getoption("--record-samplers"):
                save_baseline(folder, session.record(given, quick=quick, platform=platform))
            held = load_baseline(folder, platform)
            outcome = session.check(held, given, Policy(Verdict(allow)), quick=quick)
            session.require(outcome)
        except SdbenchError as error:
            pytest.fail(str(error), pytrace=False)
        return outcome

    return check
