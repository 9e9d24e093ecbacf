"""Plans: the order and identity of cells and units."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sdbench.data.prompts import Prompt
from sdbench.models.registry import Checkpoint
from sdbench.models.sources import ReferenceSource
from sdbench.runs.plan import Plan
from sdbench.spec import ExperimentSpec
from tests.sdbench.synthetic import planned

PROMPTS = tuple(Prompt(f"p{i}", f"picture {i}") for i in range(5))


def checkpoint(name: str, weights: str = "", config: str = "default") -> Checkpoint:
    return Checkpoint(ReferenceSource(name, Path(f"{name}.ckpt")), weights or f"weights of {name}", config)


def spec(**changes: object) -> ExperimentSpec:
    content = {
        "name": "plan",
        "checkpoints": ["sd-v1-1", "sd-v1-2"],
        "samplers": [{"name": "plms", "steps": 50}, {"name": "ddim", "steps": 20, "eta": 0.5}],
        "guidance_scales": [7.5, 2],
        "prompts": ["any"],
        "image_size": [512, 768],
        "seed": 1,
        "batch_size": 2,
        "unit_size": 2,
        "metrics": ["clip-score-vit-l-14"],
    }
    return ExperimentSpec.model_validate({**content, **changes})


def plan(*, prompts: tuple[Prompt, ...] = PROMPTS, weights: str = "", **changes: object) -> Plan:
    checkpoints = [checkpoint("sd-v1-1", weights), checkpoint("sd-v1-2")]
    return planned(spec(**changes), checkpoints, prompts)


def names(plan: Plan) -> list[tuple[str, str]]:
    return [(unit.cell.folder, unit.name) for unit in plan.units]


def test_checkpoints_are_outermost_and_prompts_innermost() -> None:
    order = [
        (
            unit.cell.checkpoint,
            unit.cell.settings.sampler,
            unit.cell.settings.guidance_scale,
            unit.chunk.start,
        )
        for unit in plan().units
    ]
    assert order == [
        (name, sampler, scale, start)
        for name in ("sd-v1-1", "sd-v1-2")
        for sampler in ("plms", "ddim")
        for scale in (7.5, 2.0)
        for start in (0, 2, 4)
    ]


def test_units_cover_every_prompt_of_every_cell_once() -> None:
    whole = plan()
    assert whole.images == 8 * 5
    for cell in whole.cells:
        found = [prompt for unit in whole.units_of(cell) for prompt in unit.chunk.prompts]
        assert tuple(found) == PROMPTS


def test_folder_names_can_be_read() -> None:
    folders = [cell.folder for cell in plan().cells]
    assert folders[0].startswith("sd-v1-1_plms50_s7.5_")
    assert folders[3].startswith("sd-v1-1_ddim20_eta0.5_s2_")
    assert all(len(folder.rsplit("_", 1)[1]) == 12 for folder in folders)
    assert len(set(folders)) == 8


def test_curves_carry_the_sampler_only_if_there_are_several() -> None:
    several = plan()
    assert list(dict.fromkeys(several.curves.values())) == [
        "sd-v1-1, plms 50",
        "sd-v1-1, ddim 20, eta 0.5",
        "sd-v1-2, plms 50",
        "sd-v1-2, ddim 20, eta 0.5",
    ]
    one = [cell for cell in several.cells if cell.settings.sampler == "ddim"]
    assert set(replace(several, cells=tuple(one)).curves.values()) == {"sd-v1-1", "sd-v1-2"}


def test_the_same_experiment_has_the_same_names() -> None:
    assert names(plan()) == names(plan())
    assert names(plan(batch_size=7, images="none", name="other")) == names(plan())


def test_whatever_changes_images_changes_the_cell() -> None:
    first = plan().cells[0]
    settings = [
        {"sampler": "ddim"},
        {"steps": 51},
        {"eta": 0.5},
        {"guidance_scale": 7.500001},
        {"height": 256},
        {"width": 256},
        {"seed": 2},
        {"precision": "half"},
        {"compiled": True},
    ]
    changes = [
        {"weights_digest": "others"},
        {"config_digest": "another"},
        {"sampler_source": "edited"},
        *({"settings": replace(first.settings, **change)} for change in settings),
    ]
    folders = [replace(first, **change).folder for change in changes]
    assert len({first.folder, *folders}) == len(changes) + 1


def test_the_path_of_a_file_does_not_matter() -> None:
    moved = Checkpoint(
        ReferenceSource("sd-v1-1", Path("/elsewhere.safetensors")), "weights of sd-v1-1", "default"
    )
    (cell, *_) = planned(spec(), [moved], PROMPTS).cells
    assert cell.folder == plan().cells[0].folder


def test_more_prompts_keep_the_units_of_fewer() -> None:
    fewer = plan(prompts=PROMPTS[:4])
    assert set(names(fewer)) < set(names(plan()))


def test_an_edited_prompt_is_another_unit() -> None:
    edited = plan(prompts=(Prompt("p0", "another picture"), *PROMPTS[1:]))
    same = set(names(edited)) & set(names(plan()))
    assert len(same) == 2 * len(plan().units) // 3
