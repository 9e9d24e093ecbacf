"""A pytest fixture that checks a project's own sampler against exact answers and a baseline.

    def test_my_sampler(sampler_regression):
        sampler_regression("my_package.samplers:mine", baseline="tests/sampler-baseline")

`pytest --record-samplers` or `sdbench regress record --sampler` writes the baseline.
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
        "--record-samplers", action="store_true", help="record the baselines of sampler_regression tests"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line("markers", "sampler_regression: runs a sampler against its baseline")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use the fixture, for -m sampler_regression."""
    for item in items:
        if "sampler_regression" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.sampler_regression)


@pytest.fixture
def sampler_regression(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """A function that checks a sampler and fails the test if the result is worse than allowed.

    It takes these arguments and returns a `CheckResult`:

    - ``source``: "module:function", "file.py:function", or "diffusers:CLASS?key=value".
    - ``baseline``: The baseline's folder, relative to pytest's root folder.
    - ``allow``: The worst verdict that passes (default: "rounding").
    - ``quick``: Skip the embedded family (default: True).
    - ``device``, ``dtype``: Where and in which precision to run (default: "cpu", "float32").
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
        from sdbench.core.errors import SdbenchError
        from sdbench.regression import Platform, Policy, Verdict, load_baseline, save_baseline, session

        name, platform = source.partition("?")[0].rpartition(":")[2], Platform(device, dtype)
        given, folder = [f"{name}={source}"], request.config.rootpath / baseline
        try:
            if request.config.getoption("--record-samplers"):
                save_baseline(folder, session.record(given, quick=quick, platform=platform))
            recorded = load_baseline(folder, platform)
            checked = session.check(recorded, given, Policy(Verdict(allow)), quick=quick)
            session.require(checked)
        except SdbenchError as error:
            pytest.fail(str(error), pytrace=False)
        return checked

    return check
