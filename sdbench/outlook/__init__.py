"""What a run will cost before it is begun: `counts` what the spec asks for, `disk` how many bytes that is,
`calibration` how fast this device is, `forecast` all of it together. Nothing here writes results.
"""

from __future__ import annotations

__all__: list[str] = []
