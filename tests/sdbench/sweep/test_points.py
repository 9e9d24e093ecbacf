"""The points of a sweep: controls of ways of guiding, at the same scale and at as many evaluations."""

from __future__ import annotations

from typing import Any

import pytest

from sdbench.models.registry import locate
from sdbench.models.sources import ReferenceSource
from sdbench.spec import ExperimentSpec
from sdbench.sweep.points import Point, evaluations_of, points_of
from tests.sdbench.tiny_runs import content

DDIM = {"name": "ddim", "steps": 20}


def planned(*guidance: dict[str, Any], sampler: dict[str, Any] = DDIM) -> list[Point]:
    given = {"samplers": [sampler], "guidance_scales": [2, 5], "guidance": list(guidance)}
    spec = ExperimentSpec.model_validate(content(**given))
    return list(points_of(spec, locate(spec.checkpoints[0])))


def named(points: list[Point]) -> list[tuple[int, str, float]]:
    return [(point.sampler.steps, point.guidance, point.scale) for point in points]


def evaluations(point: Point) -> int:
    source = locate(ExperimentSpec.model_validate(content()).checkpoints[0])
    assert isinstance(source, ReferenceSource)
    return evaluations_of(point, source.model_config.schedule)


def test_without_controls_there_are_the_scales_and_the_ways() -> None:
    assert named(planned({"name": "apg", "scale": 9})) == [(20, "cfg", 2), (20, "cfg", 5), (20, "apg", 9)]


def test_a_control_has_the_same_scale() -> None:
    controlled = planned({"name": "apg", "scale": 9, "control": "cfg"})
    assert named(controlled) == [(20, "cfg", 2), (20, "cfg", 5), (20, "cfg", 9), (20, "apg", 9)]
    # A scale that the run has already is not added.
    assert len(planned({"name": "apg", "scale": 5, "control": "cfg"})) == 3


@pytest.mark.parametrize(
    ("way", "evaluated", "steps"),
    [
        ({"name": "pag", "scale": 5}, 60, 30),
        ({"name": "interval", "scale": 5, "from": 0.25, "to": 0.75}, 30, 15),
        ({"name": "autoguidance", "scale": 1, "weak": "shapes-v1-1"}, 40, 40),
    ],
)
def test_a_control_with_as_many_evaluations(way: dict[str, Any], evaluated: int, steps: int) -> None:
    points = planned({**way, "control": "cfg"})
    guided = next(point for point in points if point.guidance != "cfg")
    assert evaluations(guided) == evaluated
    control = points[-1]
    assert (control.guidance, control.scale) == ("cfg", way["scale"])
    assert abs(evaluations(control) - evaluated) <= 2  # grids of DDIM have not every size
    assert abs(control.sampler.steps - steps) <= 3


def test_steps_are_those_of_the_sampler() -> None:
    points = planned({"name": "pag", "scale": 5, "control": "cfg"}, sampler={"name": "heun", "steps": 10})
    assert evaluations(points[-2]) == 3 * 19
    assert points[-1].sampler.name == "heun"
    assert evaluations(points[-1]) in (2 * 27, 2 * 29)


def test_a_control_is_made_once() -> None:
    ways = [{"name": "pag", "scale": 5, "pag_scale": scale, "control": "cfg"} for scale in (1, 2)]
    assert [point.guidance for point in planned(*ways)].count("cfg") == 3
