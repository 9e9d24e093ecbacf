"""Records of the cases that tests use, made once; puts the folder of the catalogue on the path."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def record():
    """(sampler, testbed, eta) -> the record of 20 steps at guidance 3."""
    from catalogue import subject_of

    from sdbench.regression import Case, record_case

    return cache(
        lambda sampler, testbed="mixture", eta=0.0: record_case(
            Case(testbed, sampler, 20, 3.0, eta), subject_of(sampler)
        )
    )
