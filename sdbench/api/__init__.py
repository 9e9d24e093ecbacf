"""What `import sdbench` offers: the package's `__init__` lists it, docs/python.md describes it."""
