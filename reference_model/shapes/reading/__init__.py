"""Read scenes off pictures: which shapes, colours, sizes, textures, places and background a picture shows.

The renderer draws every picture of the family's distribution, so it also recognises them: its own shapes and
backgrounds are the templates, and no network takes part.
"""

from __future__ import annotations

from reference_model.shapes.reading.judging import judge
from reference_model.shapes.reading.scenes import Sighting, View, read_scenes
from reference_model.shapes.reading.statements import KINDS, Statement, check, statements

__all__ = ["KINDS", "Sighting", "Statement", "View", "check", "judge", "read_scenes", "statements"]
