"""Carrying out a spec: plan it, make its images, score them."""
