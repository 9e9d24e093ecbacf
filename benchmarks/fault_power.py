"""Checks the extrapolated power of `sdbench audit-metrics` against tests of disjoint blocks of 64 images.

Run `python benchmarks/fault_power.py`; it measures 2048 scenes without a fault and under four doses.
"""

from __future__ import annotations

import numpy as np

from metrics.compare import compare
from sdbench.core.console import display_for
from sdbench.core.progress import ImageProgress
from sdbench.tools.faults.audit import power, prepare
from sdbench.tools.faults.doses import FAULTS

COUNT, BLOCK = 2048, 64
METRICS = ["kd-shapes-clip", "clip-score-shapes", "density-shapes-clip"]
DOSES = [("blur", 1.0), ("colour-cast", 16.0), ("wrong-colour", 16.0), ("black", 4.0)]


def main() -> None:
    """Print the power at 64 images, extrapolated from all images and counted over blocks."""
    with ImageProgress(display_for()) as progress:
        measurer = prepare(METRICS, COUNT, progress)
        progress.start(COUNT * (1 + len(DOSES)))
        clean = measurer.sample(measurer.clean.images)
        faulty = {key: measurer.sample(FAULTS[key[0]].apply(measurer.clean, key[1])) for key in DOSES}
    blocks = [np.arange(COUNT) // BLOCK == block for block in range(COUNT // BLOCK)]
    none, parts = measurer.values(clean), [measurer.values(clean.only(block)) for block in blocks]
    print("| metric | fault | dose | extrapolated from 2048 | told in blocks of 64 |\n|---|---|---|---|---|")
    for (fault, dose), sample in faulty.items():
        whole, others = measurer.values(sample), [measurer.values(sample.only(block)) for block in blocks]
        for name in METRICS:
            test = compare(whole[name], none[name])
            predicted = power(test.difference, test.standard_error or 0.0, COUNT, BLOCK)
            tests = [compare(a[name], b[name]).p_value for a, b in zip(others, parts, strict=True)]
            told = sum(p is not None and p < 0.05 for p in tests)
            print(f"| {name} | {fault} | {dose:g} | {predicted:.0%} | {told} of {len(blocks)} |")


if __name__ == "__main__":
    main()
