"""What `sdbench bench` measures: sdbench and other tools on the same workload, in one run.

A part takes the settings of the benchmark and returns rows. Its workloads are warmed up, then timed in
alternating rounds, so that a machine that slows down slows all of them. A row holds the median.
"""

from __future__ import annotations

__all__: list[str] = []
