"""What every room uses: errors, digests, paths, files, the console. Knows nothing of sweeps."""
