"""Cases in which the original scripts fail or surprise: what happens instead, and the line that says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reference_model import shapes
from reference_model.config import LAION_400M
from sdbench.cli import main
from sdbench.tools.compvis import arguments, img2img, loop, model
from tests.sdbench.tools.compvis.conftest import PICTURE, TINY, UNCHECKED, Golden, Watched, said

Command = Callable[..., Watched]


def images(folder: Path) -> list[np.ndarray]:
    return [np.asarray(Image.open(path)) for path in sorted((folder / "samples").iterdir())]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("plms_eta1", "sdbench: --plms is deterministic"),
        ("img2img_plms", "sdbench: img2img samples with DDIM: leave out --plms"),
        ("steps_27", "sdbench: --ddim_steps: steps=27 gives a last timestep of 1000"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    name: str, line: str, watch: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = watch(Golden(name).argv(tmp_path / "out"))
    assert seen.code == 2
    err = capsys.readouterr().err
    assert err.startswith(line)
    assert err.count("\n") == 1
    assert not seen.outdir.exists()


@pytest.mark.parametrize(
    ("name", "line", "size"),
    [
        ("W96", "note: --W, --H: sides must be multiples of 64: making 64 x 64", (64, 64)),
        ("H68_floors", "note: --W, --H: sides must be multiples of 64: making 64 x 64", (64, 64)),
        ("img2img_100x70", "note: --init-img: sides must be multiples of 64: making 64 x 64", (64, 64)),
    ],
)
def test_sides_are_rounded_down(
    name: str,
    line: str,
    size: tuple[int, int],
    watch: Command,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    seen = watch(Golden(name).argv(tmp_path / "out"))
    assert seen.code == 0
    assert said(capsys, "note:") == [line]
    assert images(seen.outdir)[0].shape == (*size, 3)


def test_short_batches_have_the_noise_of_full_ones(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["a red circle", "a green square", "a blue ring", "a star"]
    made = {}
    for count in (3, 4):
        (tmp_path / "prompts.txt").write_text("\n".join(lines[:count]))
        folder = tmp_path / str(count)
        command(
            "txt2img", "--n_samples=2", "--n_iter=2", f"--from-file={tmp_path / 'prompts.txt'}",
            f"--outdir={folder}", "--plms",
        )  # fmt: skip
        made[count] = images(folder)
    assert said(capsys, "note:") == ["note: --from-file: the last batch has 1 prompt"]
    assert len(made[3]) == 6
    same = [made[4][i] for i in (0, 1, 2, 4, 5, 6)]
    assert max(np.abs(a.astype(int) - b).max() for a, b in zip(made[3], same, strict=True)) <= 1
    with Image.open(tmp_path / "3/grid-0000.png") as grid:
        assert grid.size == (2 * 66 + 2, 3 * 66 + 2)


def test_blank_lines_are_the_empty_prompt(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "prompts.txt").write_text("a red circle\n\n   \n")
    seen = command("txt2img", f"--from-file={tmp_path / 'prompts.txt'}")
    assert said(capsys, "note:") == ["note: --from-file: 2 blank lines are drawn as the empty prompt"]
    assert len(images(seen.outdir)) == 3


def test_steps_that_do_not_divide_the_schedule(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("txt2img", "--ddim_steps=7").unet_calls == [8]
    assert len(said(capsys, "note: --ddim_steps 7 runs 8 steps")) == 1


def test_dpm_solver_wins(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    seen = command("txt2img", "--dpm_solver", "--plms", "--ddim_eta=0.5")
    assert seen.code == 0
    assert seen.unet_calls == [4]
    assert said(capsys, "note:") == [
        "note: --dpm_solver and --plms: sampling with DPM-Solver",
        "note: --ddim_eta has no effect on DPM-Solver",
    ]


def test_strength_0_runs_no_step(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("img2img", f"--init-img={PICTURE}", "--strength=0").unet_calls == [0]
    assert len(said(capsys, "note: --strength 0 runs no step")) == 1


def test_a_picture_at_strength_1(watch: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The original fails after it has encoded the picture; our latents of the picture match."""
    golden = Golden("img2img_strength1")
    seen = watch(golden.argv(tmp_path / "out"), golden.trace["init/posterior_noise"])
    assert (seen.code, seen.unet_calls) == (0, [50])
    assert said(capsys, "note:") == ["note: --strength 1 runs all steps, from the last point of the grid"]
    for name, moment in seen.moments.items():
        np.testing.assert_allclose(moment, golden.trace[f"init/{name}"], rtol=0, atol=2e-5)
    assert set(seen.moments) == {"mean", "std"}


@pytest.mark.parametrize(("strength", "count"), [("1", 30), ("0.5", 15)])
def test_a_strength_is_a_share_of_the_steps_asked_for(
    strength: str, count: int, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = command("img2img", f"--init-img={PICTURE}", f"--strength={strength}", "--ddim_steps=30")
    assert seen.unet_calls == [count]
    assert said(capsys, "note:") == [
        "note: --ddim_steps 30 makes 31 grid points, because the stride through the schedule is rounded "
        f"down; --strength {strength} runs {count} of them"
    ]


def test_strength_1_runs_all_steps(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    seen = command("img2img", f"--init-img={PICTURE}", "--strength=1", "--fixed_code")
    assert seen.unet_calls == [4]
    notes = said(capsys, "note:")
    assert notes[0] == "note: --fixed_code has no effect: every batch gets new noise"
    assert notes[1].startswith("note: --strength 1 runs all steps")


def test_img2img_of_a_short_batch_and_its_own_posterior_noise(command: Command, tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("a red circle\na star\na ring")
    seen = command(
        "img2img", f"--init-img={PICTURE}", f"--from-file={tmp_path / 'prompts.txt'}", "--n_samples=2"
    )
    assert len(images(seen.outdir)) == 3
    # One for the posterior, then for each of two batches one for the latents and three for the steps.
    assert len(seen.draws) == 1 + 2 * (1 + 3)
    assert not np.array_equal(seen.draws[0], seen.draws[1])


def test_explicit_paths_win_over_laion400m(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("txt2img", "--laion400m", f"--outdir={tmp_path / 'mine'}").code == 0
    assert (tmp_path / "mine/grid-0000.png").is_file()
    line = "note: --laion400m does not change a --ckpt, --config or --outdir that is given"
    assert said(capsys, "note:") == [line]


def test_laion400m_has_its_own_defaults(
    watch: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (model.LAION_CKPT, model.LAION_CONFIG):
        (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / model.LAION_CKPT).write_bytes(b"")
    weights = Path(model.LAION_CKPT)
    assert model.model_source(None, None, laion400m=True) == model.ModelSource(weights, LAION_400M)
    (tmp_path / model.LAION_CONFIG).write_bytes(b"")
    found = model.model_source(None, None, laion400m=True)
    assert found == model.ModelSource(weights, Path(model.LAION_CONFIG))

    monkeypatch.setattr(model, "LAION_CKPT", TINY[3])
    monkeypatch.setattr(model, "LAION_CONFIG", TINY[1])
    small = ["--H=64", "--W=64", "--ddim_steps=2", "--n_iter=1", "--n_samples=1", *UNCHECKED]
    assert watch(["txt2img", "--laion400m", *small]).code == 0
    assert (tmp_path / "outputs/txt2img-samples-laion400m/samples/00000.png").is_file()


def test_named_checkpoints_bring_their_own_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the original's default config exists; an explicit config wins."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / arguments.CONFIG).parent.mkdir(parents=True)
    (tmp_path / arguments.CONFIG).write_bytes(b"")
    assert model.model_source("shapes-v1-4", None).config == shapes.CONFIG
    assert model.model_source(TINY[3], None).config == Path(arguments.CONFIG)
    assert model.model_source("shapes-v1-4", TINY[1]).config == Path(TINY[1])


def test_an_interruption_keeps_what_is_complete(
    command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sampled = loop._sampled
    left = iter([True, False])

    def interrupted(*args: object) -> np.ndarray:
        if next(left):
            return sampled(*args)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "_sampled", interrupted)
    seen = command("txt2img", "--n_iter=2")
    assert seen.code == 130
    assert seen.files == {"samples/00000.png"}
    assert len(said(capsys, "sdbench: interrupted")) == 1


def test_numbers_continue_after_the_highest(command: Command, tmp_path: Path) -> None:
    """The original counts files, and would replace 00003.png here."""
    samples = tmp_path / "out/samples"
    samples.mkdir(parents=True)
    for name in ("00001.png", "00002.png", "00003.png", "notes.txt"):
        (samples / name).write_bytes(b"mine")
    (tmp_path / "out/grid-0007.png").write_bytes(b"mine")
    seen = command("txt2img")
    assert seen.files >= {"samples/00004.png", "grid-0008.png"}
    assert (samples / "00003.png").read_bytes() == b"mine"


def test_the_defaults_of_the_original(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, object]] = []
    for command in ("txt2img", "img2img"):
        monkeypatch.setattr(f"sdbench.cli.{command}.run", lambda args: seen.append(vars(args)))
    main(["txt2img"])
    main(["img2img", "--init-img", "x.png"])
    both = {
        "prompt": "a painting of a virus monster playing guitar", "from_file": None, "skip_grid": False,
        "skip_save": False, "ddim_steps": 50, "ddim_eta": 0.0, "n_rows": 0, "plms": False, "C": 4, "f": 8,
        "fixed_code": False, "seed": 42, "precision": "autocast",
    }  # fmt: skip
    text = {"n_iter": 2, "n_samples": 3, "scale": 7.5, "H": 512, "W": 512, "laion400m": False}
    image = {"n_iter": 1, "n_samples": 2, "scale": 5.0, "strength": 0.75, "init_img": "x.png"}
    assert seen[0].items() >= {**both, **text, "dpm_solver": False}.items()
    assert seen[1].items() >= {**both, **image}.items()
    assert img2img.IMG2IMG_OUTDIR == "outputs/img2img-samples"
