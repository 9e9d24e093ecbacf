"""Labels of samplers, curves and cells."""

from __future__ import annotations

from sdbench.runs.labels import cell_label, curve_label, sampler_label


def test_a_sampler_names_its_eta_only_if_it_has_any() -> None:
    assert sampler_label("plms", 50, 0.0) == "plms 50"
    assert sampler_label("ddim", 20, 0.5) == "ddim 20, eta 0.5"


def test_a_curve_names_its_sampler_only_among_several() -> None:
    assert curve_label("v1-4", "ddim", 20, 1.0, several=False) == "v1-4"
    assert curve_label("v1-4", "ddim", 20, 1.0, several=True) == "v1-4, ddim 20, eta 1"


def test_a_cell_is_its_curve_at_a_scale() -> None:
    assert cell_label("shapes-v1-4", 7.5) == "shapes-v1-4 at guidance scale 7.5"
