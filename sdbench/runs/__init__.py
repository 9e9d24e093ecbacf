"""A run as it is stored: its plan, shards, images, tables and report."""
