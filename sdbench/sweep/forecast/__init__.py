"""What a run will cost.

`counts` counts the images and evaluations of a spec, `disk` estimates their bytes, `calibration` measures the
speed of this device, and `forecast` combines them. Nothing here writes results.
"""

from __future__ import annotations

__all__: list[str] = []
