"""What `sdbench compare` says of planted changes to an engine: the tables of docs/compare.md.

compare judges each change against the unchanged engine, with a harmless repeat as the noise band. Beside it
stands the verdict of the usual gate, a floor of 0.95 under the mean SSIM.

    python benchmarks/compare_table.py --repeats 200

makes 17 sets of 256 images, prints the table, and judges 200 harmless repeats. Images that exist are kept.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from engine_changes import CHANGES, HARMLESS, OF_PIXELS, folder_of, make_all
from PIL import Image

from reference_model import shapes
from sdbench.comparison import CompareRequest, compare
from sdbench.comparison.facts import facts
from sdbench.core.progress import ImageProgress

SIZES = (8, 16, 32, 64, 128, 256, 512)
FLOOR = 0.95
REPEAT = "attention without the fused kernel"
DRAWN = 64
HEADINGS = (
    "change",
    "mean SSIM",
    "floor of 0.95",
    "compare",
    "largest shift, in margins",
    "moved from n",
    "changed from n",
)


def first(root: Path, name: str, n: int) -> Path:
    """A folder with the first n images of a change."""
    place = root / "first" / str(n) / folder_of(root, name).name
    place.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder_of(root, name).iterdir())[:n]:
        if not (place / path.name).exists():
            (place / path.name).symlink_to(path.resolve())
    return place


def judged(root: Path, name: str, places: Callable[[str], Path], prompts: Sequence[str]) -> dict[str, Any]:
    """Compare a change with the unchanged engine, with one harmless repeat."""
    file = root / "prompts.txt"
    file.write_text("\n".join(prompts) + "\n")
    a, b, repeat = (str(places(which)) for which in ("unchanged", name, REPEAT))
    request = CompareRequest(a, b, (repeat,), str(file), metrics=("clip-score-shapes",))
    return facts(compare(request, ImageProgress())[0])


def table(root: Path, n: int) -> None:
    """Print the table."""
    prompts = shapes.evaluation_prompts(n, 1)
    sizes = [size for size in SIZES if size <= n]
    print(f"| {' | '.join(HEADINGS)} |")
    print("|---" * len(HEADINGS) + "|")
    for name in [*HARMLESS, *CHANGES, *OF_PIXELS]:
        found = []
        for size in sizes:
            places = lambda which, size=size: first(root, which, size)  # noqa: E731
            found.append(judged(root, name, places, prompts[:size]))
        print(row(name, sizes, found), flush=True)


def row(name: str, sizes: Sequence[int], found: Sequence[dict[str, Any]]) -> str:
    """A row of the table, from what was found with the first prompts, fewest first."""
    last = found[-1]
    ssim = ssim_of_all(last)
    shift = max(last["measures"], key=lambda each: abs(each["difference"]) / each["margin"])
    cells = [
        name,
        f"{ssim:.4f}",
        "passes" if ssim >= FLOOR else "fails",
        last["verdict"],
        f"{shift['difference'] / shift['margin']:+.2f} ({shift['name']})",
        since(sizes, [one["verdict"] not in ("identical", "rounding") for one in found]),
        since(sizes, [one["verdict"] == "changed" for one in found]),
    ]
    return f"| {' | '.join(cells)} |"


def ssim_of_all(found: dict[str, Any]) -> float:
    """The mean SSIM as other gates take it, over all pairs; nearly 0 for a black image."""
    flagged = len(found["flagged"])
    return found["pixels"]["ssim_mean"] * found["judged"] / (found["judged"] + flagged)


def since(sizes: Sequence[int], found: Sequence[bool]) -> str:
    """The smallest size from which on all are found; "-" for none."""
    place = len(found)
    while place and found[place - 1]:
        place -= 1
    return str(sizes[place]) if place < len(sizes) else "-"


def alarms(root: Path, repeats: int, n: int) -> None:
    """Print the verdicts on random prompts of harmless variants, half of them stored as WebP without loss."""
    prompts = shapes.evaluation_prompts(n, 1)
    random, counts = np.random.default_rng(0), Counter()
    for number in range(repeats):
        name = list(HARMLESS)[number % len(HARMLESS)]
        chosen = np.sort(random.choice(n, DRAWN, replace=False))
        with TemporaryDirectory() as folder:
            for which in {"unchanged", REPEAT, name}:
                place = folder_of(Path(folder), which)
                place.mkdir()
                for source in (sorted(folder_of(root, which).iterdir())[index] for index in chosen):
                    if which == name and number % 2:
                        Image.open(source).save(place / f"{source.stem}.webp", lossless=True)
                    else:
                        (place / source.name).symlink_to(source.resolve())
            places = lambda which, folder=folder: folder_of(Path(folder), which)  # noqa: E731
            counts[judged(root, name, places, [prompts[index] for index in chosen])["verdict"]] += 1
    words = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
    print(f"{repeats} repeats of {DRAWN} prompts: {words}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=256, help="prompts (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=0, help="also judge this many harmless repeats")
    parser.add_argument("--out", type=Path, default=Path("build/engine-changes"), help="keeps the images")
    args = parser.parse_args()
    make_all(args.out, args.n)
    torch.set_num_threads(1)
    table(args.out, args.n)
    if args.repeats:
        alarms(args.out, args.repeats, args.n)


if __name__ == "__main__":
    main()
