"""Jobs that share the parts of a sweep: grids, benchmarks, the original command lines."""
