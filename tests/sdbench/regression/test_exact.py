"""Exact answers hold for the built-in samplers, and not for broken ones."""

from __future__ import annotations

import pytest
from catalogue import in_loop, on_grid, shifted_ends, subject_of

from reference_model.samplers import SAMPLERS
from sdbench.regression.exact import ORDERS, check_exactly


@pytest.mark.parametrize("name", SAMPLERS)
def test_built_in_samplers_hold(name):
    results = check_exactly(name, SAMPLERS[name], SAMPLERS[name])
    assert bool(results) == (name in ORDERS)
    assert all(result.passed for result in results), results


def quantities_missed(name, plant):
    sampler = plant(name, subject_of(name)).sampler
    return [r.quantity.split(",")[0] for r in check_exactly(name, sampler, SAMPLERS[name]) if not r.passed]


def test_a_lost_order_is_seen():
    assert quantities_missed("dpm-solver++", in_loop(late=True)) == ["order of convergence"]


def test_a_lost_evaluation_is_seen():
    assert "evaluations" in quantities_missed("plms", in_loop(corrected=False))


def test_a_wrong_end_is_seen():
    assert "terminal error" in quantities_missed("ddim", on_grid(shifted_ends))
