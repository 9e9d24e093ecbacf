"""`sdbench compare` on folders, archives and runs: verdicts, exit codes, odd images, certificates."""

from __future__ import annotations

import json
import shutil
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from sdbench.comparison import gathering
from sdbench.comparison.closeness import compare_pixels
from tests.sdbench.comparison.conftest import as_pixels, scene

N = 24


def noisy(sigma, seed=0):
    random = np.random.default_rng(seed)
    return lambda image, number: image + random.normal(0, sigma, image.shape)


def only(number, change):
    return lambda image, at: change(image) if at == number else image


CHANGES = {
    "identical": (lambda image, number: image, 0, "identical"),
    "one level": (lambda image, number: as_pixels(image) + np.eye(32)[..., None], 0, "rounding"),
    "a little smoother": (lambda image, number: 0.99 * image + 1, 0, "equivalent"),
    "darker": (lambda image, number: image - 25, 1, "beyond the margin: brightness"),
    "one black": (only(3, lambda image: 0 * image), 1, "flagged: 003 (B: black)"),
    "one constant": (only(3, lambda image: 0 * image + 90), 1, "flagged: 003 (B: constant)"),
    "one repeated": (only(3, lambda image: scene(5)), 1, "flagged: 003 (B: the same pixels as 005)"),
    "swapped": (
        lambda image, number: noisy(1)(scene({3: 5, 5: 3}.get(number, number)), 0),
        1,
        "flagged: 003 (B: shows the image of 005)",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_verdicts_and_exit_codes(folder, compare, change):
    function, code, words = CHANGES[change]
    found, said = compare(folder("a"), folder("b", change=function))
    assert (found, words in said) == (code, True), said


def test_too_few_prompts_are_undecided_and_say_how_many_more(folder, compare):
    code, said = compare(folder("a", 8), folder("b", 8, change=lambda i, n: i + 30 * (n % 2) - 15))
    assert code == 2
    assert "not settled" in said
    assert "more prompts would decide" in said


def test_repeats_are_the_noise_band(folder, compare):
    a, repeat, b = (folder(name, change=noisy(3, seed)) for seed, name in enumerate("arb"))
    code, said = compare(a, b, "--repeats", repeat)
    assert code == 0
    assert "rounding (24 pairs): as close to A as 1 repeat of A" in said
    shutil.rmtree(repeat)
    code, said = compare(a, b, "--repeats", folder("few", 20))
    assert (code, "repeat" in said, "4 of 24 images are missing or broken, first 020" in said) == (
        2,
        True,
        True,
    )


def test_odd_folders_that_no_code_here_made(folder, compare, tmp_path):
    """PNG, JPEG and WebP, spaces and Unicode; truncated, of another size, missing, and no image at all."""
    a, b = tmp_path / "a", tmp_path / "b"
    for side, suffixes in ((a, (".png", ".jpg", ".webp")), (b, (".webp", ".png", ".jpg"))):
        (side / "été 1").mkdir(parents=True)
        for number in range(N):
            path = side / "été 1" / f"Bild {number:02d} ü{suffixes[number % 3]}"
            Image.fromarray(as_pixels(scene(number))).save(path, quality=99)
    (b / "été 1" / "Bild 04 ü.png").unlink()
    cut = b / "été 1" / "Bild 07 ü.png"
    cut.write_bytes(cut.read_bytes()[:900])
    Image.fromarray(as_pixels(scene(10))[:16, :16]).save(b / "été 1" / "Bild 10 ü.png")
    (b / "été 1" / "Bild 13 ü.png").write_text("no image")
    (b / "notes.txt").write_text("hello")
    code, said = compare(a, b)
    assert code == 1
    for line in (
        "flagged: été 1/Bild 07 ü (B: truncated)",
        "flagged: été 1/Bild 10 ü (B: 16x16 instead of 32x32 pixels)",
        "flagged: été 1/Bild 13 ü (B: unreadable: cannot be read as an image: unknown or damaged format)",
        "missing in B: été 1/Bild 04 ü",
    ):
        assert said.splitlines().count(line) == 1, said
    policy = tmp_path / "policy.yaml"
    policy.write_text("flagged: allow\nmissing: allow\n")
    code, said = compare(a, b, "--policy", policy)
    assert code == 0
    assert "the others: " in said


def test_a_flag_never_helps(folder, compare):
    """The baseline's broken image fails too, even if B has the same."""
    a = folder("a", change=only(3, lambda image: 0 * image))
    code, said = compare(a, a)
    assert (code, "A: black, B: black" in said) == (1, True)


def test_images_are_read_and_extracted_once(folder, compare, monkeypatch):
    a, b = folder("a"), folder("b", change=noisy(3))
    looked = []
    look_at = gathering.look_at
    monkeypatch.setattr(gathering, "look_at", lambda *given: looked.append(1) or look_at(*given))
    assert compare(a, b)[0] == compare(a, b)[0]
    assert len(looked) == 2 * N


def test_reports_and_certificate(folder, compare, tmp_path):
    a, b, out = folder("a"), folder("b", change=noisy(0.8)), tmp_path / "out"
    code, _ = compare(a, b, "--out", out)
    assert code == 0
    assert ElementTree.parse(out / "junit.xml").getroot().attrib["failures"] == "0"
    assert "| brightness |" in (out / "summary.md").read_text()
    page = (out / "index.html").read_text()
    assert page.count('type="range"') == 8  # the worst pairs
    assert "equivalent" in page
    assert "http" not in page.replace("http-equiv", "")
    assert len((out / "pairs.csv").read_text().splitlines()) == N + 1
    certificate = out / "certificate.json"
    assert compare(a, b, "--verify", certificate)[0] == 0
    c = folder("c", change=noisy(0.9))
    _, said = compare(a, c, "--out", out)
    assert f"replaces the earlier {out / 'index.html'} and 4 more" in said
    assert compare(a, b, "--out", out)[0] == 0
    code, said = compare(a, c, "--verify", certificate)
    assert (code, "the images of B are not those of the certificate" in said) == (1, True)
    content = json.loads(certificate.read_text())
    content["comparisons"][0]["measures"][0]["difference"] += 1
    certificate.write_text(json.dumps(content))
    code, said = compare(a, b, "--verify", certificate)
    assert (code, "brightness: difference" in said) == (1, True)


def test_the_page_shows_broken_images_and_hides_markup(folder, compare, tmp_path):
    a, b = folder("a", 6), folder("b", 6, change=lambda image, number: image[: 16 + 16 * (number != 2)])
    for side in (a, b):
        (side / "000.png").rename(side / "<b>.png")
    (b / "003.png").write_bytes((b / "003.png").read_bytes()[:800])
    assert compare(a, b, "--out", tmp_path / "out")[0] == 1
    page = (tmp_path / "out" / "index.html").read_text()
    assert "B: truncated" in page
    assert "B: 32x16 instead of 32x32 pixels" in page
    assert "<b>" not in page


def test_ssim_is_that_of_the_paper():
    """Against a direct sum over windows, and at the formula's known points."""
    a, b = as_pixels(scene(0)), as_pixels(scene(1))
    assert compare_pixels(a, a).ssim == pytest.approx(1, abs=1e-6)
    flat = [np.full((32, 32, 3), level, np.uint8) for level in (50, 100)]
    c1 = (0.01 * 255) ** 2
    assert compare_pixels(*flat).ssim == pytest.approx((2 * 5000 + c1) / (12500 + c1), abs=1e-4)
    grey = [image @ np.array([0.299, 0.587, 0.114]) for image in (a, b)]
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    window /= window.sum()
    values = []
    for y in range(5, 27):
        for x in range(5, 27):
            p, q = (image[y - 5 : y + 6, x - 5 : x + 6] for image in grey)
            mp, mq = (window * p).sum(), (window * q).sum()
            vp, vq = (window * p * p).sum() - mp**2, (window * q * q).sum() - mq**2
            cov, c2 = (window * p * q).sum() - mp * mq, (0.03 * 255) ** 2
            values.append((2 * mp * mq + c1) * (2 * cov + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))
    assert compare_pixels(a, b).ssim == pytest.approx(np.mean(values), abs=1e-3)


WRONG = {
    "missing folder": (["nowhere", "{a}"], "nowhere not found"),
    "no partner": (["{a}", "{other}"], "has a partner"),
    "unknown metric": (["{a}", "{a}", "--metrics", "clipscore"], "unknown metric 'clipscore'"),
    "no prompts": (["{a}", "{a}", "--metrics", "clip-score-shapes"], "reads prompts: give them by --prompts"),
    "distance without reference": (["{a}", "{a}", "--metrics", "fd-shapes-clip"], "give --reference"),
    "no policy": (["{a}", "{a}", "--policy", "none.yaml"], "policy none.yaml"),
    "unknown key": (["{a}", "{a}", "--policy", "{key}"], "unknown key 'alow'; did you mean 'allow'?"),
    "changed allowed": (["{a}", "{a}", "--policy", "{allow}"], "cannot allow 'changed'"),
    "margin of nothing": (["{a}", "{a}", "--policy", "{margin}"], "'brightnes' is not measured"),
    "no certificate": (["{a}", "{a}", "--verify", "{key}"], "is not a certificate"),
    "other size": (["{a}", "{small}"], "differ in size (32x32 and 16x16)"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_input_is_one_line(folder, compare, tmp_path, wrong):
    a, small = folder("a", 3), folder("small", 3, change=lambda image, number: image[:16, :16])
    places = {"a": a, "small": small, "other": tmp_path / "other"}
    places["other"].mkdir()
    Image.new("RGB", (32, 32)).save(places["other"] / "x.png")
    for name, text in {
        "key": "alow: rounding",
        "allow": "allow: changed",
        "margin": "margins: {brightnes: 0.1}",
    }.items():
        places[name] = tmp_path / f"{name}.yaml"
        places[name].write_text(text)
    arguments, words = WRONG[wrong]
    code, said = compare(*(text.format(**places) for text in arguments))
    assert code == 2
    assert words in said
    assert sum(line.startswith("sdbench: ") for line in said.splitlines()) == 1


def test_runs_and_cells(tiny, run_tiny, compare, tmp_path):
    run = tmp_path / "run"
    run_tiny(tiny, run)
    cells = sorted(place.name for place in (run / "images").iterdir())
    code, said = compare(run, run)
    assert code == 0
    assert said.count("identical (6 pairs)") == len(cells) == 2
    code, said = compare(f"{run}:{cells[0]}", run / "images" / cells[0], "--metrics", "clip-score-vit-l-14")
    assert (code, "clip-score-vit-l-14" in said) == (0, True)
    code, said = compare(f"{run}:nothing", run)
    assert (code, "has no cell 'nothing'" in said) == (2, True)
    code, said = compare(run, run / "images" / cells[0])
    assert (code, "has 2 cells: name one as" in said) == (2, True)


def test_models_make_the_same_prompts_from_the_same_noise(compare, tmp_path):
    """Made once: the second comparison finds every image."""
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a red circle\na blue square\na green cross\na yellow star\n")
    few = ["--prompts", prompts, "--sampler", "ddim", "--steps", "2"]
    code, said = compare("shapes-v1-1", "shapes-v1-4", *few, "--out", tmp_path / "out")
    assert (code, "clip-score-shapes" in said) in ((1, True), (2, True))
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "home" / "compared").rglob("*.png")}
    assert len(made) == 8
    code, said = compare("shapes-v1-1", "shapes-v1-1", *few)
    assert (code, "identical (4 pairs)" in said) == (0, True)
    certificate = tmp_path / "out" / "certificate.json"
    code, said = compare("shapes-v1-1", "shapes-v1-4", "--prompts", prompts, "--verify", certificate)
    assert (code, "the certificate is confirmed" in said) == (0, True)
    assert made == {path: path.stat().st_mtime_ns for path in made}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["shapes-v1-4", "{folder}"], "is a model and"),
        (["shapes-v1-4", "shapes-v1-4", "--sampler", "plm"], "did you mean 'plms'?"),
        (["shapes-v1-4", "shapes-v1-4", "--steps", "0"], "steps"),
        (["shapes-v1-4", "nothing.safetensors", "--prompts", "p.txt"], "nothing.safetensors"),
    ],
)
def test_models_that_cannot_be_compared(compare, folder, arguments, words):
    place = folder("a", 2)
    code, said = compare(*(text.format(folder=place) for text in arguments))
    assert (code, words in said) == (2, True), said
