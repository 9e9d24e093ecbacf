"""What `sdbench txt2img` and `sdbench img2img` share: the original scripts' flags, noise, files and grid.

Unlike a sweep, these commands draw noise batch by batch from one generator, as the original scripts do:
an image depends on the seed, the batch size and its place in the run.
"""

from __future__ import annotations
