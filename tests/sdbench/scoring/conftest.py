"""Metrics from outside for the tests of scoring."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sdbench.plugged import MODULE, forget


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield the file of an importable module `plugged`, of the package `plugged` 1.0."""
    folder = tmp_path / "plugins"
    facts = folder / "plugged-1.0.dist-info"
    facts.mkdir(parents=True)
    (folder / "plugged.py").write_text(MODULE)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(
        "[sdbench.metrics]\nbright = plugged:mean_of\n[sdbench.extractors]\ntiles = plugged:Tiles\n"
    )
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    yield folder / "plugged.py"
    forget()
