"""Which metrics see which faults: graded faults of clean scenes, and the smallest doses that are told."""
