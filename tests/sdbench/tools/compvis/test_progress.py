"""What the two commands show while they work."""

from __future__ import annotations

from sdbench.core.progress import ImageProgress


class Shown:
    """A display that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.states: list[tuple[str, float, float]] = []

    def note(self, text: str) -> None:
        self.lines.append(text)

    def update(self, words: str, done: float, total: float) -> None:
        self.states.append((words, done, total))

    def close(self) -> None: ...


def test_progress_counts_fractions_of_images_during_a_batch() -> None:
    shown = Shown()
    with ImageProgress(shown) as progress:
        progress.notes(["one", "two"])
        progress.start(6)
        progress.step(3, 10, 50)
        progress.finished(3)
        progress.step(3, 50, 50)
        progress.finished(3)
    assert shown.lines == ["note: one", "note: two"]
    assert [(done, total) for _, done, total in shown.states] == [(0.6, 6), (3, 6), (6, 6), (6, 6)]
    assert shown.states[0][0].startswith("0/6 images, step 10/50, ")
    assert shown.states[-1][0].startswith("6/6 images, ")
