"""From images to metrics with their errors."""
