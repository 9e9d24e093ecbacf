"""`sdbench txt2img` and `sdbench img2img`: the flags, noise, files and grid of the original scripts.

Like the original scripts, and unlike a sweep, these commands draw noise batch by batch from one generator:
an image depends on the seed, the batch size and its position in the run.
"""

from __future__ import annotations
