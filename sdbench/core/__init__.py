"""What every other package of the harness uses: errors, digests, paths, files, the console.

Nothing here knows about sweeps or models.
"""
