"""Pytest fixtures that check a project's own sampler, or the images that it makes, against a baseline.

    def test_my_sampler(sampler_regression):
        sampler_regression("my_package.samplers:mine", baseline="tests/sampler-baseline")

    def test_my_engine(image_regression):
        image_regression("outputs/", baseline="tests/baseline/")

`pytest --record-samplers` (or `sdbench regress record --sampler`) and `pytest --record-images` write the
baselines.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sdbench.comparison import CompareRequest

__all__ = [
    "image_regression",
    "pytest_addoption",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "sampler_regression",
]

FIXTURES = {
    "sampler_regression": "runs a sampler against its baseline",
    "image_regression": "compares images with a baseline",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --record-samplers and --record-images."""
    group = parser.getgroup("sdbench")
    group.addoption(
        "--record-samplers", action="store_true", help="record the baselines of sampler_regression tests"
    )
    group.addoption(
        "--record-images", action="store_true", help="record the baselines of image_regression tests"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare a marker for each fixture."""
    for name, words in FIXTURES.items():
        config.addinivalue_line("markers", f"{name}: {words}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use a fixture with its name, for -m sampler_regression."""
    for item in items:
        for name in FIXTURES:
            if name in getattr(item, "fixturenames", ()):
                item.add_marker(name)


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


@pytest.fixture
def image_regression(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """A function that compares a folder of images with a baseline and fails the test unless they pass.

    Images are paired by path without suffix: name them after their prompts. It takes these arguments, paths
    relative to pytest's root folder, and returns what was found, a `Compared` for each comparison:

    - ``outputs``: The images to check, a folder or an archive.
    - ``baseline``: The images of the baseline; --record-images copies ``outputs`` there. A name that ends in
      .sdbench is one small file without pixels, which knows the prompts that it was recorded with.
    - ``repeats``: Other images of the baseline, whose differences from it are noise (default: none).
    - ``prompts``, ``mapping``: A file with the prompts, and how it matches, as for `sdbench score`.
    - ``metrics``: Names of protocols (default: the CLIP score whose weights are here).
    - ``policy``: The path of a policy file (default: equivalent passes).
    - ``report``: A folder for the reports (default: none are written).
    """

    def check(
        outputs: str | Path,
        baseline: str | Path,
        repeats: Sequence[str | Path] = (),
        prompts: str | Path | None = None,
        mapping: str = "index",
        metrics: Sequence[str] | None = None,
        policy: str | Path | None = None,
        report: str | Path | None = None,
    ) -> Any:
        __tracebackhide__ = True
        from sdbench.comparison import CompareRequest, ComparisonPolicy, compare, load_comparison_policy
        from sdbench.comparison.reports import require, write_reports
        from sdbench.comparison.sides import is_kept
        from sdbench.core.errors import SdbenchError
        from sdbench.core.progress import ImageProgress

        root = request.config.rootpath
        try:
            asked = CompareRequest(
                str(root / baseline),
                str(root / outputs),
                tuple(str(root / each) for each in repeats),
                None if prompts is None else str(root / prompts),
                mapping,
                None if metrics is None else tuple(metrics),
                policy=ComparisonPolicy() if policy is None else load_comparison_policy(root / policy),
            )
            if request.config.getoption("--record-images"):
                _record(asked)
            if is_kept(asked.a):
                asked = replace(asked, prompts=None, mapping="index")
            compared = compare(asked, ImageProgress())
            if report is not None:
                write_reports(root / report, asked, compared)
            require(compared)
        except SdbenchError as error:
            pytest.fail(str(error), pytrace=False)
        return compared

    return check


def _record(asked: CompareRequest) -> None:
    """Replace the baseline by the outputs: a compact one by its name, else a copy of their folder."""
    from sdbench.comparison.record import record
    from sdbench.comparison.sides import is_kept
    from sdbench.core.progress import ImageProgress

    if is_kept(asked.a):
        record(replace(asked, a=asked.b), Path(asked.a), ImageProgress())
    else:
        _copy(Path(asked.b), Path(asked.a))


def _copy(outputs: Path, baseline: Path) -> None:
    """Replace a baseline's folder by a copy of the outputs, which is complete before the old one goes."""
    if not outputs.is_dir():
        pytest.fail(f"--record-images: {outputs} is not a folder", pytrace=False)
    aside = baseline.with_name(f".{baseline.name}.tmp")
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(outputs, aside)
    shutil.rmtree(baseline, ignore_errors=True)
    aside.rename(baseline)
