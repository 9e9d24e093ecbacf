"""What `sdbench bench` measures: our settings beside other tools on the same work, in one run.

Every part takes the machine and a word about progress, and returns rows. Works are warmed up, then done in
turn, round after round, so that a machine that slows down slows all of them; a row holds the median.
"""

from __future__ import annotations

__all__: list[str] = []
