"""Image sets: kinds of sources, and one-line errors for unusable input."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from sdbench.core.errors import InputError
from sdbench.data.image_sets import ImageSet, open_image_set
from sdbench.scoring.reference_sets import load_reference
from sdbench.spec import CocoReference, FolderReference

RANDOM = np.random.default_rng(2)
PIXELS = RANDOM.integers(0, 256, (5, 6, 9, 3), dtype=np.uint8)
NAMES = ("a.png", "b/a.png", "b/c.png", "b-2/c.png", "d.png")


def encoded(pixels: np.ndarray | Image.Image, kind: str = "PNG") -> bytes:
    sink = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(sink, kind)
    return sink.getvalue()


def folder(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (root / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "images" / name).write_bytes(data)
    return root / "images"


def as_zip(root: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(root / "images.zip", "w") as archive:
        for name, data in reversed(files.items()):
            archive.writestr(name, data)
    return root / "images.zip"


def as_tar(root: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(root / "images.tar", "w") as archive:
        for name, data in reversed(files.items()):
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return root / "images.tar"


KINDS = [folder, as_zip, as_tar]
Make = Callable[[Path, dict[str, bytes]], Path]
FILES = {name: encoded(pixels) for name, pixels in zip(NAMES, PIXELS, strict=True)}


def opened(path: Path, fewest: int = 1) -> ImageSet:
    return open_image_set(str(path), "images", fewest)


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as error:
        list(opened(path, 2).batches(2))
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("make", KINDS)
def test_every_container_gives_the_same_images_in_order_of_name(make: Make, tmp_path: Path) -> None:
    hidden = {".DS_Store": b"x", "__MACOSX/._a.png": b"x", "b/._a.png": b"x", "notes.txt": b"words"}
    images = opened(make(tmp_path, {**FILES, **hidden}))
    assert images.names == NAMES
    batches = list(images.batches(2))
    assert [batch.names for batch in batches] == [NAMES[:2], NAMES[2:4], NAMES[4:]]
    assert (np.concatenate([batch.pixels for batch in batches]) == PIXELS).all()
    assert images.digest() == opened(folder(tmp_path / "again", FILES)).digest()
    assert "notes.txt" in images.files.names


def test_an_array_is_read_row_by_row(tmp_path: Path) -> None:
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "images.npz", PIXELS)
        batches = list(opened(tmp_path / "images.npz").batches(3))
        assert [len(batch.pixels) for batch in batches] == [3, 2]
        assert (np.concatenate([batch.pixels for batch in batches]) == PIXELS).all()


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (PIXELS.astype(np.float32), "holds no images arr_0, uint8 [n, H, W, 3] (float32 [5, 6, 9, 3])"),
        (PIXELS[0], "(uint8 [6, 9, 3])"),
        (np.array([{"a": 1}], dtype=object), "(object [1])"),
    ],
)
def test_arrays_that_are_not_images(array: np.ndarray, expected: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "images.npz", array)
    assert expected in refusal(tmp_path / "images.npz")


def test_invalid_archives(tmp_path: Path) -> None:
    np.savez(tmp_path / "mu.npz", mu=np.zeros(3))
    assert "holds no images arr_0" in refusal(tmp_path / "mu.npz")
    for suffix, words in ((".zip", "not a readable .zip"), (".tar", "not a readable .tar"), (".npz", ".npz")):
        (tmp_path / f"bad{suffix}").write_bytes(b"nothing of the kind")
        assert words in refusal(tmp_path / f"bad{suffix}")
    (tmp_path / "images.7z").write_bytes(b"7z")
    assert "is neither a folder nor one of .zip, .tar" in refusal(tmp_path / "images.7z")
    with tarfile.open(tmp_path / "packed.tar", "w:gz") as archive:
        archive.add(tmp_path / "images.7z", "x")
    assert "not a readable .tar without compression" in refusal(tmp_path / "packed.tar")


@pytest.mark.parametrize("make", [as_zip, as_tar])
def test_names_that_point_outside_an_archive_are_harmless(make: Make, tmp_path: Path) -> None:
    before = {path for path in tmp_path.parent.rglob("*") if tmp_path not in path.parents}
    path = make(tmp_path, {"../../evil.png": FILES["a.png"], "/tmp/evil.png": FILES["d.png"]})
    assert sum(len(batch.names) for batch in opened(path).batches(1)) == 2
    assert {p for p in tmp_path.parent.rglob("*") if tmp_path not in p.parents} == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("make", KINDS)
def test_too_few(make: Make, tmp_path: Path) -> None:
    line = refusal(make(tmp_path, {"a.png": FILES["a.png"], "words.txt": b"a"}))
    assert line.endswith(
        "contains 1 images, at least 2 are needed; passed over: 1 .txt files (such as words.txt)"
    )


def test_an_empty_folder(tmp_path: Path) -> None:
    assert f"images: {tmp_path} contains 0 images" in refusal(tmp_path)


def test_grey_and_palette_images_become_rgb(tmp_path: Path) -> None:
    grey = Image.fromarray(PIXELS[0, ..., 0])
    palette = Image.fromarray(PIXELS[1]).quantize(8)
    opaque = Image.fromarray(np.dstack([PIXELS[2], np.full((6, 9), 255, np.uint8)]))
    files = {"a.png": encoded(grey), "b.png": encoded(palette), "c.png": encoded(opaque)}
    (batch,) = opened(folder(tmp_path, files)).batches(8)
    assert (batch.pixels[0] == PIXELS[0, ..., :1]).all()
    assert (batch.pixels[1] == np.asarray(palette.convert("RGB"))).all()
    assert (batch.pixels[2] == PIXELS[2]).all()


def test_large_texts_and_profiles_hide_no_pixels(tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("workflow", '{"nodes":' + "[1,2,3]" * 200_000 + "}", zip=True)
    info.add_itxt("prompt", "a" * 2_000_000, zip=True)
    sink = io.BytesIO()
    Image.fromarray(PIXELS[0]).save(sink, "PNG", pnginfo=info, icc_profile=bytes(2_000_000))
    (batch,) = opened(folder(tmp_path, {"a.png": sink.getvalue()})).batches(4)
    assert np.array_equal(batch.pixels[0], PIXELS[0])
    cut = sink.getvalue()[:-30]
    (batch,) = opened(folder(tmp_path / "cut", {"a.png": cut})).batches(4)
    assert batch.truncated == {"a.png"}


def sixteen_bit_rgb() -> bytes:
    """The start of a PNG with 16 bits per channel; the decoder reads no further."""
    data = bytearray(FILES["a.png"])
    data[24] = 16
    return bytes(data)


def broken_pixels() -> bytes:
    data = bytearray(FILES["a.png"])
    data[60:64] = b"\xff" * 4
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "is empty (0 bytes)"),
        (b"\x89PNG\r\n\x1a\n and then nothing", "cannot be read as an image: unknown or damaged format"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "is a Git LFS pointer, not the image",
        ),
        (b"<html>404</html>", "cannot be read as an image: unknown or damaged format"),
        (broken_pixels(), "cannot be read as an image: broken"),
        (sixteen_bit_rgb(), "has 16 bits per channel; convert it to 8 bits first"),
        (encoded(Image.fromarray(PIXELS[0, ..., 0].astype(np.uint16) * 256)), "has 16 bits per channel"),
        (encoded(Image.fromarray(np.dstack([PIXELS[0], PIXELS[1, ..., 0]]))), "has transparent pixels"),
        (encoded(Image.new("CMYK", (9, 6)), "JPEG"), "is CMYK, whose colours depend on a profile"),
    ],
)
def test_files_that_cannot_be_used(data: bytes, expected: str, tmp_path: Path) -> None:
    path = folder(tmp_path, {**FILES, "b/bad.png": data})
    assert f"images: {path}: b/bad.png {expected}" in refusal(path)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_truncated_file_is_black_and_flagged_but_refused_as_a_reference(kind: str, tmp_path: Path) -> None:
    noise = encoded(RANDOM.integers(0, 256, (64, 48, 3), dtype=np.uint8), kind)
    files = {f"{name}.{kind.lower()}": noise for name in "abc"}
    files[f"b.{kind.lower()}"] = noise[: len(noise) // 2]
    path = folder(tmp_path, files)
    (batch,) = opened(path).batches(8)
    assert batch.truncated == {f"b.{kind.lower()}"}
    assert [image.max() == 0 for image in batch.pixels] == [False, True, False]
    reference = load_reference(FolderReference(source="folder", path=str(path)), (8, 8))
    with pytest.raises(InputError, match=r"b\.(png|jpeg) cannot be read as an image: .*truncated"):
        list(reference.batches(8))


def test_mixed_sizes_name_the_first_two_that_differ(tmp_path: Path) -> None:
    path = folder(tmp_path, {**FILES, "b/d.png": encoded(PIXELS[0, :5]), "e.png": encoded(PIXELS[0, :4])})
    assert (
        "a.png has 9x6 pixels and b/d.png has 9x5 pixels; images that are not resized must have the same size"
        in refusal(path)
    )


@pytest.mark.parametrize("make", KINDS)
def test_a_reference_may_be_an_archive(make: Make, tmp_path: Path) -> None:
    files = {**FILES, "e.png": encoded(PIXELS[0, :4])}
    reference = load_reference(FolderReference(source="folder", path=str(make(tmp_path, files))), (6, 9))
    (batch,) = reference.batches(8)
    assert (batch[:5] == PIXELS).all()
    assert batch.shape == (6, 6, 9, 3)
    plain = load_reference(FolderReference(source="folder", path=str(folder(tmp_path / "x", files))), (6, 9))
    assert reference.identity == plain.identity


def test_coco_takes_the_images_that_the_captions_list(tmp_path: Path) -> None:
    captions = tmp_path / "captions.json"

    def reference(*listed: str) -> list[np.ndarray]:
        images = [{"id": place, "file_name": name} for place, name in enumerate(listed)]
        captions.write_text(json.dumps({"images": images, "annotations": []}))
        path = as_zip(tmp_path, {f"val2017/{name}": data for name, data in FILES.items()})
        spec = CocoReference(source="coco", path=str(path), captions=str(captions))
        return list(load_reference(spec, (6, 9)).batches(8))

    (batch,) = reference("d.png", "c.png")
    assert (batch == PIXELS[[2, 3, 4]]).all()  # two files are called c.png
    with pytest.raises(InputError, match=r"images\.zip lacks 2 of 3 images, the first is x\.png"):
        reference("d.png", "y.png", "x.png")
    with pytest.raises(InputError, match="lists 1 images, 2 are needed"):
        reference("d.png")
