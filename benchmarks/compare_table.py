"""What `sdbench compare` says of changes to an engine: the tables of docs/compare.md.

The first table has planted changes, judged on the first 8, 16, ... 256 prompts (512 if those decide nothing),
with a harmless repeat as the noise band. Beside it stands the verdict of the usual gate, a floor of 0.95
under the mean SSIM. The second one has harmless changes, judged without a noise band. The last line compares
the engine with itself under other noise.

    time python benchmarks/compare_table.py

Images are made once and kept; an interrupted benchmark resumes.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from engine_changes import CHANGES, HARMLESS, OF_PIXELS, STEPS
from engine_images import Part, captions, make_all, write
from PIL import Image

from sdbench.comparison import CompareRequest, compare
from sdbench.comparison.facts import facts
from sdbench.core.progress import ImageProgress

Facts = dict[str, Any]

SIZES = (8, 16, 32, 64, 128, 256, 512)
USUAL = 256
PART = 64
FLOOR = 0.95
REPEAT = "attention without the fused kernel"
HEADINGS = (
    "change",
    "mean SSIM",
    "floor of 0.95",
    "compare",
    "largest shift, in margins",
    "moved from n",
    "changed from n",
)

REPEATS, OF_REPEAT, FEW_STEPS = 200, 16, 5
WRITTEN_AGAIN = ("PNG compressed again", "WebP without loss")
KINDS = (*HARMLESS, *WRITTEN_AGAIN)
FIRST = 1000
"""Number of the first prompt of the repeats: the first table has those before."""


DRAWN = 64


def planted_parts(names: Sequence[str], start: int, end: int) -> list[Part]:
    """Return what engines make of the prompts from `start` to `end`."""
    return [Part(name, place, PART, STEPS) for name in names for place in range(start, end, PART)]


def images_of(root: Path, name: str, n: int) -> list[Path]:
    """Return the first n images of a change; those of changes after the engine are made from its images."""
    if name not in OF_PIXELS:
        return [file for part in planted_parts([name], 0, n) for file in part.files(root)][:n]
    place = root / "after the engine" / str(n) / name.replace("%", " percent").replace("'", "")
    unchanged = images_of(root, "unchanged", n)
    if not place.is_dir():
        pixels = np.stack([np.asarray(Image.open(file)) for file in unchanged])
        write(place, [file.name for file in unchanged], OF_PIXELS[name](pixels))
    return [place / file.name for file in unchanged]


def judged(
    a: Sequence[Path], b: Sequence[Path], repeat: Sequence[Path] | None, prompts: Sequence[str]
) -> Facts:
    """Compare images pair by pair, as the command does."""
    with TemporaryDirectory() as name:
        places = []
        for letter, files in zip("abr", (a, b, repeat), strict=True):
            place = Path(name, letter)
            place.mkdir()
            places.append(str(place))
            for index, file in enumerate(files or ()):
                (place / f"{index:04d}{file.suffix}").symlink_to(file.resolve())
        texts = Path(name, "prompts.txt")
        texts.write_text("\n".join(prompts) + "\n")
        band = () if repeat is None else (places[2],)
        request = CompareRequest(*places[:2], band, str(texts), metrics=("clip-score-shapes",))
        return facts(compare(request, ImageProgress())[0])


def planted(root: Path, name: str, sizes: Sequence[int]) -> Iterator[Facts]:
    """Yield what compare finds on the first prompts, fewest first."""
    for n in sizes:
        yield judged(*(images_of(root, which, n) for which in ("unchanged", name, REPEAT)), captions()[:n])


def planted_table(root: Path) -> None:
    """Print the table of planted changes; more images are made for those that 256 prompts do not decide."""
    print_row(HEADINGS)
    print_row(["---"] * len(HEADINGS))
    for name in [*CHANGES, *OF_PIXELS]:
        sizes = [n for n in SIZES if n <= USUAL]
        found = list(planted(root, name, sizes))
        more = [n for n in SIZES if n > USUAL]
        if found[-1]["verdict"] == "undecided":
            engines = [which for which in ("unchanged", REPEAT, name) if which not in OF_PIXELS]
            make_all(root, planted_parts(engines, USUAL, more[-1]))
            found += planted(root, name, more)
            sizes += more
        print_row(row(name, sizes, found))


def row(name: str, sizes: Sequence[int], found: Sequence[Facts]) -> list[str]:
    """Return a row of the table, from what was found with the first prompts, fewest first."""
    last = found[-1]
    ssim = ssim_of_all(last)
    shift = max(last["measures"], key=lambda each: abs(each["difference"]) / each["margin"])
    at = f" (n = {sizes[-1]})" if sizes[-1] != USUAL else ""
    flagged = f", {len(last['flagged'])} pairs flagged" if last["flagged"] else ""
    return [
        name,
        f"{ssim:.4f}",
        "passes" if ssim >= FLOOR else "fails",
        f"{last['verdict']}{at}{flagged}",
        f"{shift['difference'] / shift['margin']:+.2f} ({shift['name']})",
        since(sizes, [one["verdict"] not in ("identical", "rounding") for one in found]),
        since(sizes, [one["verdict"] == "changed" for one in found]),
    ]


def ssim_of_all(found: Facts) -> float:
    """Return the mean SSIM as other gates take it, over all pairs; nearly 0 for a black image."""
    flagged = len(found["flagged"])
    return float(found["pixels"]["ssim_mean"] * found["judged"] / (found["judged"] + flagged))


def since(sizes: Sequence[int], found: Sequence[bool]) -> str:
    """Return the smallest size from which on all are found; "-" for none."""
    place = len(found)
    while place and found[place - 1]:
        place -= 1
    return str(sizes[place]) if place < len(sizes) else "-"


def repeat_parts(repeats: int) -> list[tuple[str, Part, Part]]:
    """Return a kind of harmless change, what the unchanged engine makes, and what the changed one does.

    No two repeats share a prompt or a noise; each part holds several repeats of one kind.
    """
    found = []
    for number in range(repeats * OF_REPEAT // PART):
        kind, start = KINDS[number % len(KINDS)], FIRST + PART * number
        name = "unchanged" if kind in WRITTEN_AGAIN else kind
        found.append((kind, *(Part(which, start, PART, FEW_STEPS) for which in ("unchanged", name))))
    return found


def written_again(root: Path, kind: str, files: Sequence[Path]) -> list[Path]:
    """Return the images in other files without loss, written if they are missing."""
    place = root / kind
    place.mkdir(exist_ok=True)
    options: dict[str, Any] = {"lossless": True} if kind.startswith("WebP") else {"compress_level": 9}
    again = [place / f"{file.stem}{'.webp' if kind.startswith('WebP') else '.png'}" for file in files]
    for file, made in zip(files, again, strict=True):
        if not made.exists():
            Image.open(file).save(made, **options)
    return again


def harmless_table(root: Path, repeats: int) -> None:
    """Print the verdicts on harmless changes by their kind."""
    found: dict[str, list[Facts]] = {kind: [] for kind in KINDS}
    for kind, unchanged, changed in repeat_parts(repeats):
        a, b = unchanged.files(root), changed.files(root)
        if kind in WRITTEN_AGAIN:
            b = written_again(root, kind, b)
        for start in range(0, PART, OF_REPEAT):
            chosen = slice(start, start + OF_REPEAT)
            prompts = captions()[unchanged.start : unchanged.start + PART][chosen]
            found[kind].append(judged(a[chosen], b[chosen], None, prompts))
    heads = (
        "harmless change",
        "repeats",
        "pairs with other pixels",
        "largest difference",
        "verdicts",
        "alarms",
    )
    print_row(heads)
    print_row(["---"] * len(heads))
    for kind, all_ in found.items():
        verdicts = Counter(one["verdict"] for one in all_)
        pairs, same = (sum(one[key] for one in all_) for key in ("judged", "same"))
        largest = max(one["pixels"]["largest"] for one in all_)
        alarms = sum(not one["passed"] for one in all_)
        print_row([kind, len(all_), f"{pairs - same} of {pairs}", largest, in_words(verdicts), alarms])
    every = [one for all_ in found.values() for one in all_]
    alarms = sum(not one["passed"] for one in every)
    print(f"\n{alarms} alarms in {len(every)} repeats of {OF_REPEAT} prompts\n", flush=True)


def other_noise(root: Path, repeats: int) -> None:
    """Print the verdicts on images of the same engine whose noise differs, coin by coin between the sides."""
    random, counts = np.random.default_rng(0), Counter[str]()
    sides = [images_of(root, name, USUAL) for name in ("unchanged", "other starting noise")]
    for _ in range(repeats):
        chosen = np.sort(random.choice(USUAL, DRAWN, replace=False))
        coins = random.integers(2, size=DRAWN)
        a, b = (
            [sides[coin ^ other][index] for index, coin in zip(chosen, coins, strict=True)]
            for other in (0, 1)
        )
        counts[judged(a, b, None, [captions()[index] for index in chosen])["verdict"]] += 1
    print(f"other noise, {repeats} draws of {DRAWN} of {USUAL} prompts: {in_words(counts)}", flush=True)


def in_words(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())


def print_row(fields: Sequence[object]) -> None:
    print(f"| {' | '.join(map(str, fields))} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--repeats", type=int, default=REPEATS, help="of harmless changes (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, default=Path("build/engine-changes"), help="keeps the images")
    args = parser.parse_args()
    start = time.monotonic()
    # Features that other comparisons remember would hide what the benchmark takes.
    os.environ["SDBENCH_HOME"] = str(args.out / "home")
    parts = planted_parts(["unchanged", REPEAT, *CHANGES], 0, USUAL)
    make_all(args.out, [*parts, *(part for _, *both in repeat_parts(args.repeats) for part in both)])
    torch.set_num_threads(1)
    planted_table(args.out)
    print(flush=True)
    harmless_table(args.out, args.repeats)
    other_noise(args.out, args.repeats)
    print(f"{time.monotonic() - start:.0f} seconds")


if __name__ == "__main__":
    main()
