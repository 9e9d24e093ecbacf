"""The example notebook runs from its first cell to its last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[1] / "examples" / "notebook.ipynb"


# The kernel's own libraries warn about each other.
@pytest.mark.filterwarnings("default")
def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    book = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(book, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = {kind: _outputs(book, kind) for kind in ("text/html", "image/png", "text/plain")}
    assert any("<progress" in html for html in shown["text/html"])
    assert any("the best value is bold" in html for html in shown["text/html"])
    assert len(shown["image/png"]) == 2  # the plot and an image
    assert not any("stderr" in str(output.get("name")) for cell in book.cells for output in _of(cell))
    assert (tmp_path / "runs" / "notebook" / "report" / "index.html").is_file()


def _of(cell: Any) -> list[Any]:
    return list(cell.get("outputs", []))


def _outputs(book: Any, kind: str) -> list[str]:
    return [
        output["data"][kind] for cell in book.cells for output in _of(cell) if kind in output.get("data", {})
    ]
