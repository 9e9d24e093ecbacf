"""Where the original scripts fail or do something unexpected: what is done instead, in a line each."""

from __future__ import annotations

from collections.abc import Iterator

from reference_model.image_to_image import rounded_down, steps_to_run
from sdbench.errors import InputError
from sdbench.scripts.settings import Img2ImgSettings, Txt2ImgSettings

__all__ = ["about_image", "about_prompts", "about_steps", "about_strength", "about_text", "fitting_size"]


def about_text(settings: Txt2ImgSettings) -> Iterator[str]:
    """Flags of txt2img that exclude each other or have no effect; InputError where neither can win."""
    if settings.sampler == "plms" and settings.ddim_eta:
        raise InputError("--plms is deterministic: leave out --ddim_eta, or leave out --plms for DDIM")
    if settings.dpm_solver and settings.plms:
        yield "--dpm_solver and --plms: sampling with DPM-Solver"
    if settings.dpm_solver and settings.ddim_eta:
        yield "--ddim_eta has no effect on DPM-Solver"
    if settings.laion400m and (settings.ckpt or settings.config or settings.outdir):
        yield "--laion400m: --ckpt, --config and --outdir stay as given"


def about_image(settings: Img2ImgSettings) -> Iterator[str]:
    """The same for img2img."""
    if settings.plms:
        raise InputError("img2img samples with DDIM: leave out --plms")
    if settings.fixed_code:
        yield "--fixed_code has no effect: every batch is noised anew"


def about_prompts(settings: Txt2ImgSettings | Img2ImgSettings, batches: list[list[str]]) -> Iterator[str]:
    """Lines of `--from-file` that are blank, and a last batch that is not full."""
    if settings.from_file is None:
        return
    blank = sum(not prompt.strip() for batch in batches for prompt in batch)
    if blank:
        yield f"--from-file: {blank} blank {_plural(blank, 'line is', 'lines are')} drawn as the empty prompt"
    short = len(batches[-1])
    if short < settings.n_samples:
        yield f"--from-file: the last batch has {short} {_plural(short, 'prompt', 'prompts')}"


def about_steps(asked: int, run: int) -> Iterator[str]:
    """A number of steps that does not divide the schedule."""
    if run != asked:
        yield f"--ddim_steps {asked} runs {run} steps: its stride through the schedule is rounded down"


def about_strength(settings: Img2ImgSettings, points: int) -> Iterator[str]:
    """Both ends of the strength, and steps that do not divide the schedule: its grid has `points` points.

    The strength is a share of the steps asked for, also where the grid has more points than that.
    """
    asked, strength = settings.ddim_steps, f"--strength {settings.strength:g}"
    count = steps_to_run(settings.strength, asked)
    if points != asked:
        yield (
            f"--ddim_steps {asked} makes {points} grid points, since its stride through the schedule is "
            f"rounded down; {strength} runs {count} of them"
        )
    if count == 0:
        yield f"{strength} runs no step: the image comes back with a little noise"
    if count == points:
        yield f"{strength} runs all steps, from the schedule's last grid point"


def fitting_size(size: tuple[int, int], multiple: int, what: str) -> tuple[tuple[int, int], list[str]]:
    """Both sides rounded down to what the model can make, and the line that says so, if any.

    Raises InputError where a side would vanish.
    """
    fitting = rounded_down(size, multiple)
    if 0 in fitting:
        raise InputError(f"{what}: sides must be at least {multiple} pixels, got {size[0]} x {size[1]}")
    lines = (
        [] if fitting == size else [f"{what}: sides are multiples of {multiple}: making {_times(fitting)}"]
    )
    return fitting, lines


def _times(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


def _plural(count: int, one: str, more: str) -> str:
    return one if count == 1 else more
