"""Built-in samplers match the exact answers, and broken ones do not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from catalogue import in_loop, on_grid, shifted_ends, subject_of

from reference_model.samplers import SAMPLERS
from sdbench.regression.exact import check_exactly


@pytest.mark.parametrize("name", SAMPLERS)
def test_built_in_samplers_pass(name):
    results = check_exactly(name, SAMPLERS[name], SAMPLERS[name])
    assert bool(results) == (SAMPLERS[name].order is not None) == (name != "euler-ancestral")
    assert all(result.passed for result in results), results


def test_a_sampler_of_ones_own_must_have_the_order_that_it_states():
    stated = (check_exactly("mine", replace(SAMPLERS["ddim"], order=order))[0] for order in (None, 1, 2))
    assert [(result.expected, result.passed) for result in stated] == [
        (">= 0.85", True),
        (">= 0.85", True),
        (">= 1.85", False),
    ]


def quantities_missed(name, plant):
    sampler = plant(name, subject_of(name)).sampler
    return [r.quantity.split(",")[0] for r in check_exactly(name, sampler, SAMPLERS[name]) if not r.passed]


def test_a_lost_order_is_seen():
    assert quantities_missed("dpm-solver++", in_loop(late=True)) == ["order of convergence"]


def test_unipc_without_its_corrector_loses_its_third_order():
    order, *_ = check_exactly("unipc", SAMPLERS["dpm-solver++"], SAMPLERS["unipc"])
    assert (order.quantity, order.expected, order.passed) == ("order of convergence", ">= 2.85", False)


def test_a_lost_evaluation_is_seen():
    assert "evaluations" in quantities_missed("plms", in_loop(corrected=False))


def test_a_wrong_end_is_seen():
    assert "terminal error" in quantities_missed("ddim", on_grid(shifted_ends))
