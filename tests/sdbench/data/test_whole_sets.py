"""A set of images is never silently smaller or larger than its folder looks."""

from __future__ import annotations

import io
import os
import re
import stat
import tarfile
import unicodedata
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdbench.core.errors import InputError
from sdbench.data.image_sets import ImageSet, open_image_set
from sdbench.data.image_sets.listing import BROKEN_LINK, EARLIER, HIDDEN, INNER_LINK, SPECIAL
from tests.small_files import zip_of


def picture(level: int = 9, kind: str = "PNG") -> bytes:
    sink = io.BytesIO()
    Image.new("RGB", (4, 3), (level, 0, 0)).save(sink, kind)
    return sink.getvalue()


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(picture())
    return folder


def opened(path: Path) -> ImageSet:
    return open_image_set(str(path), "images", 0)


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as error:
        list(open_image_set(str(path), "images", 1).batches(8))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_links_to_folders_are_followed_and_no_folder_is_read_twice(tmp_path: Path) -> None:
    images = fill(tmp_path / "set", "a/1.png", "b.png")
    fill(tmp_path / "elsewhere", "c.png", "d/e.png")
    (images / "linked").symlink_to("../elsewhere")
    (images / "latest").symlink_to("a")
    (images / "up").symlink_to("..")
    (images / "gone.png").symlink_to("nowhere.png")
    (images / "round.png").symlink_to("round.png")
    (images / "same.png").symlink_to("b.png")
    os.mkfifo(images / "pipe.png")
    found = opened(images)
    assert found.names == ("a/1.png", "b.png", "linked/c.png", "linked/d/e.png", "same.png")
    assert {rule: sorted(names) for rule, names in found.passed_over.items()} == {
        INNER_LINK: ["latest", "up/elsewhere", "up/set"],
        BROKEN_LINK: ["gone.png", "round.png"],
        SPECIAL: ["pipe.png"],
    }
    assert "2 broken links (such as gone.png)" in found.note
    assert len(next(iter(found.batches(8))).names) == 5


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_hidden_and_system_entries_count_once_at_their_top(kind: str, tmp_path: Path) -> None:
    names = ["1.png", "@eaDir/1.png/SYNOPHOTO_THUMB.jpg", "@eaDir/1.png/S.jpg", "a/.x/2.png", "a/Thumbs.db"]
    folder = fill(tmp_path / "set", *names)
    if kind == "zip":
        with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
            for name in names:
                archive.write(folder / name, name)
    if kind == "tar":
        with tarfile.open(tmp_path / "set.tar", "w") as packed:
            packed.add(folder, ".")
    found = opened(folder if kind == "folder" else tmp_path / f"set.{kind}")
    assert found.names == ("1.png",)
    assert {rule: sorted(each) for rule, each in found.passed_over.items()} == {
        HIDDEN: ["@eaDir", "a/.x", "a/Thumbs.db"]
    }
    assert found.note == ""
    assert found.about.startswith("3 hidden or system entries (such as ")


def test_other_formats_are_read_or_counted_by_suffix(tmp_path: Path) -> None:
    for kind, suffix in (("BMP", "bmp"), ("GIF", "gif"), ("TIFF", "TIF"), ("PPM", "ppm"), ("JPEG", "jfif")):
        (tmp_path / f"a.{suffix}").write_bytes(picture(9, kind))
    for name in ("b.heic", "c.heic", "notes.txt", "d"):
        (tmp_path / name).write_bytes(b"x")
    found = opened(tmp_path)
    assert found.names == ("a.TIF", "a.bmp", "a.gif", "a.jfif", "a.ppm")
    (batch,) = found.batches(8)
    assert (np.abs(batch.pixels[:, 0, 0].astype(int) - [9, 0, 0]) <= 3).all()
    assert found.counts == {".heic": 2, ".txt": 1, "files without a suffix": 1}
    assert found.note == "passed over: 2 .heic files (such as b.heic), 1 files without a suffix (such as d)"


def test_the_first_image_of_an_animation_counts(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 3), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    (batch,) = opened(tmp_path).batches(1)
    assert (batch.pixels == [255, 0, 0]).all()


def test_a_folder_of_shards_is_read_as_its_archives(tmp_path: Path) -> None:
    fill(tmp_path / "x", "0.png", "1.png", "2.png")
    (tmp_path / "x" / "0.txt").write_text("a prompt")
    (tmp_path / "shards").mkdir()
    for shard, names in (("00000.tar", ("0.png", "0.txt", "1.png")), ("00001.tar", ("2.png",))):
        with tarfile.open(tmp_path / "shards" / shard, "w") as archive:
            for name in names:
                archive.add(tmp_path / "x" / name, name)
    found = opened(tmp_path / "shards")
    assert found.names == ("00000.tar/0.png", "00000.tar/1.png", "00001.tar/2.png")
    assert found.digest() == opened(tmp_path / "x").digest()
    assert list(found.read(["00000.tar/0.txt"])) == [b"a prompt"]
    fill(tmp_path / "shards", "beside.png")
    found = opened(tmp_path / "shards")
    assert found.names == ("beside.png",)
    assert found.note == "passed over: 2 .tar files (such as 00000.tar)"
    (tmp_path / "shards" / "beside.png").unlink()
    (tmp_path / "shards" / "00002.tar").write_bytes(b"no archive")
    assert "holds 00002.tar, which is not a readable .tar" in refusal(tmp_path / "shards")


def test_links_in_archives_lead_to_other_entries(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        for name, kind, target in (
            ("./a/1.png", tarfile.REGTYPE, ""),
            ("./b/hard.png", tarfile.LNKTYPE, "./a/1.png"),
            ("./b/soft.png", tarfile.SYMTYPE, "../a/1.png"),
            ("./b/twice.png", tarfile.SYMTYPE, "soft.png"),
            ("./b/gone.png", tarfile.SYMTYPE, "/etc/passwd"),
            ("./b/round.png", tarfile.SYMTYPE, "round.png"),
            ("./c", tarfile.SYMTYPE, "a"),
            ("./pipe", tarfile.FIFOTYPE, ""),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            member.size = 0 if target or kind == tarfile.FIFOTYPE else len(picture())
            archive.addfile(member, io.BytesIO(picture()))
    found = opened(tmp_path / "set.tar")
    assert found.names == ("a/1.png", "b/hard.png", "b/soft.png", "b/twice.png")
    assert found.passed_over == {
        BROKEN_LINK: ["b/gone.png", "b/round.png"],
        INNER_LINK: ["c"],
        SPECIAL: ["pipe"],
    }
    assert len(set(found.read(found.names))) == 1
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as packed:
        packed.writestr("a/1.png", picture())
        link = zipfile.ZipInfo("b/soft.png")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        packed.writestr(link, "../a/1.png")
    assert list(opened(tmp_path / "set.zip").read(["b/soft.png"])) == [picture()]


def test_archives_of_windows_have_backslashes_for_slashes(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for system, name in ((0, "samples\\1.png"), (0, "samples\\"), (3, "back\\slash.png")):
            entry = zipfile.ZipInfo("x")
            entry.filename, entry.create_system = name, system
            archive.writestr(entry, picture())
    assert opened(tmp_path / "set.zip").names == ("back\\slash.png", "samples/1.png")


def test_the_last_entry_of_a_name_counts_and_the_others_are_counted(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        for level in (1, 2, 3):
            member = tarfile.TarInfo("a.png")
            member.size = len(picture(level))
            archive.addfile(member, io.BytesIO(picture(level)))
    found = opened(tmp_path / "set.tar")
    (batch,) = found.batches(1)
    assert batch.pixels[0, 0, 0, 0] == 3
    assert found.passed_over == {EARLIER: ["a.png", "a.png"]}


def test_names_are_text_of_one_unicode_form(tmp_path: Path) -> None:
    composed, apart = (unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD"))
    fill(tmp_path / "set", apart)
    (tmp_path / "set" / os.fsdecode(b"caf\xe9.png")).write_bytes(picture())
    found = opened(tmp_path / "set")
    assert found.names == (r"caf\xe9.png", composed)
    assert len(list(found.read(found.names))) == 2
    fill(tmp_path / "set", composed)
    assert "holds two files whose names look the same" in refusal(tmp_path / "set")


def test_a_tar_that_is_cut_or_joined_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "x", "0.png", "1.png")
    path = tmp_path / "set.tar"
    with tarfile.open(path, "w") as archive:
        for name in ("0.png", "1.png"):
            archive.add(tmp_path / "x" / name, name)
    whole = path.read_bytes()
    entry = 512 * 2  # a header and a block of bytes
    for length in (entry, entry + 100, entry + 512 + 10, 2 * entry):
        path.write_bytes(whole[:length])
        assert re.search(r"without an end mark|not a readable .tar", refusal(path)), length
    path.write_bytes(whole[:entry] + b"\xff" * 512 + whole[entry + 512 :])
    assert re.search(r"without an end mark|not a readable .tar", refusal(path))
    path.write_bytes(whole + whole)
    assert "holds more after its end mark" in refusal(path)


def test_an_unreadable_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = fill(tmp_path / "set", "a/1.png", "b.png")
    scandir = os.scandir

    def denied(path: Path) -> object:
        if Path(path).name == "a":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denied)
    assert refusal(images).endswith("set/a: Permission denied")


def test_other_arrays_of_an_npz_are_counted(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", np.zeros((2, 4, 3, 3), np.uint8), np.zeros(2))
    assert opened(tmp_path / "x.npz").note == "passed over: 1 other arrays (such as arr_1.npy)"


def test_a_zip_whose_names_are_not_the_utf8_that_it_says_is_refused(tmp_path: Path) -> None:
    whole = zip_of({"\u00e9.png": b""})
    (tmp_path / "x.zip").write_bytes(whole.replace("\u00e9".encode(), b"\xe9!"))
    with pytest.raises(InputError, match=r"x\.zip is not a readable \.zip: "):
        open_image_set(str(tmp_path / "x.zip"), "images", 0)
