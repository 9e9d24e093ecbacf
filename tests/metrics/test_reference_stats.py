"""Files of statistics: round trips, what other tools write, and everything that must not be taken quietly."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from metrics import PROTOCOLS, MetricsError, Moments, evaluate, prepare
from metrics.reference_stats import Stats, check_stats, read_stats, write_stats

FID = PROTOCOLS["fid-inception-tf"]


def made(n: int = 12, d: int = 5, features: bool = True) -> Stats:
    rows = np.random.default_rng(0).normal(size=(n, d)).astype(np.float32)
    return Stats(
        moments=Moments.of(rows),
        protocol="fid-inception-tf",
        version=1,
        n=n,
        features=rows if features else None,
        image_size=(512, 384),
        image_digest="ab" * 32,
        weights_digest="cd" * 32,
        versions={"torch": "2.14", "pillow": "12.0"},
    )


@pytest.mark.parametrize("features", [True, False])
def test_our_own_file_keeps_everything(tmp_path: Path, features: bool) -> None:
    stats, path = made(features=features), tmp_path / "coco.safetensors"
    write_stats(path, stats)
    found = read_stats(path)
    for name in ("protocol", "version", "n", "image_size", "image_digest", "weights_digest"):
        assert getattr(found, name) == getattr(stats, name)
    assert dict(found.versions) == {"torch": "2.14", "pillow": "12.0"}
    assert found.origin == "sdbench"
    assert found.moments.n == 12
    np.testing.assert_array_equal(found.moments.mean, stats.moments.mean)
    np.testing.assert_array_equal(found.moments.covariance, stats.moments.covariance)
    if stats.features is None:
        assert found.features is None
        assert found.best is found.moments
    else:
        np.testing.assert_array_equal(found.best, stats.features)
    assert [file.name for file in tmp_path.iterdir()] == ["coco.safetensors"]


def test_equal_statistics_are_equal_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_stats(tmp_path / f"{name}.safetensors", made())
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_files_of_pytorch_fid_and_clean_fid_go_both_ways(tmp_path: Path) -> None:
    stats = made()
    write_stats(tmp_path / "ours.npz", stats)
    with np.load(tmp_path / "ours.npz", allow_pickle=False) as archive:
        assert set(archive.files) == {"mu", "sigma"}
        np.testing.assert_array_equal(archive["mu"], stats.moments.mean)
    np.savez_compressed(
        tmp_path / "theirs.npz", mu=stats.moments.mean, sigma=stats.moments.covariance.astype(np.float32)
    )
    found = read_stats(tmp_path / "theirs.npz")
    assert (found.protocol, found.version, found.n, found.moments.n) == (None, None, None, 0)
    assert found.moments.covariance.dtype == np.float64
    np.testing.assert_allclose(found.moments.covariance, stats.moments.covariance, rtol=1e-6, atol=1e-8)


def test_statistics_alone_are_enough_for_a_frechet_distance(tmp_path: Path) -> None:
    write_stats(tmp_path / "s.npz", made(n=40))
    generated = np.random.default_rng(1).normal(size=(30, 5)) + 1
    stats = read_stats(tmp_path / "s.npz")
    value = evaluate(FID, generated=generated, real=prepare(FID, stats.best)).value
    assert value == pytest.approx(
        evaluate(FID, generated=generated, real=prepare(FID, made(n=40).features)).value, rel=1e-9
    )
    with pytest.raises(MetricsError, match="kid-inception-tf needs the real features"):
        prepare(PROTOCOLS["kid-inception-tf"], stats.best)


def test_clean_fids_features_for_kid(tmp_path: Path) -> None:
    stats = made()
    np.savez_compressed(tmp_path / "kid.npz", feats=stats.features)
    found = read_stats(tmp_path / "kid.npz")
    assert found.n == 12
    np.testing.assert_array_equal(found.features, stats.features)
    np.testing.assert_allclose(found.moments.covariance, stats.moments.covariance)


def test_adms_reference_batch_says_n_and_size(tmp_path: Path) -> None:
    stats = made()
    statistics = {"mu": stats.moments.mean, "sigma": stats.moments.covariance}
    images = np.zeros((7, 6, 4, 3), dtype=np.uint8)
    np.savez(tmp_path / "adm.npz", arr_0=images, mu_s=np.zeros(3), sigma_s=np.eye(3), **statistics)
    found = read_stats(tmp_path / "adm.npz")
    assert (found.n, found.image_size, found.moments.dim) == (7, (6, 4), 5)
    np.savez(tmp_path / "images.npz", arr_0=images)
    with pytest.raises(MetricsError, match=r"holds images \(arr_0\), not statistics"):
        read_stats(tmp_path / "images.npz")


def test_what_the_two_share_needs_no_note() -> None:
    notes = check_stats(made(n=50), FID, dim=5, image_size=(512, 384), weights_digest="cd" * 32)
    assert notes == []
    assert check_stats(made(n=50), PROTOCOLS["kid-inception-tf"], dim=5) == [], "the same features"


def test_what_a_file_leaves_open_is_said() -> None:
    unknown = Stats(moments=replace(made().moments, n=0))
    assert check_stats(unknown, FID, dim=5) == [
        "the statistics do not name their protocol; fid-inception-tf is assumed",
        "the statistics do not say how many images they come from",
    ]
    assert check_stats(made(n=5), FID, dim=5, image_size=(512, 512)) == [
        "the statistics come from 5 images, no more than the 5 dimensions",
        "the real images were 384x512 pixels, the generated ones are 512x512",
    ]


@pytest.mark.parametrize(
    ("stats", "protocol", "dim", "words"),
    [
        (made(), "fid-inception-clean", 5, "were made for fid-inception-tf, not for fid-inception-clean"),
        (replace(made(), protocol="unheard-of"), "fid-inception-tf", 5, "were made for unheard-of"),
        (
            replace(made(), version=0),
            "fid-inception-tf",
            5,
            "by version 0 of fid-inception-tf.*make them again",
        ),
        (made(), "fid-inception-tf", 2048, "have 5 dimensions, inception-v3 gives 2048"),
        (made(features=False), "kid-inception-tf", 5, "kid-inception-tf needs the real features"),
        (replace(made(), weights_digest="ef" * 32), "fid-inception-tf", 5, "other weights of inception-v3"),
    ],
)
def test_what_cannot_be_compared_is_refused(stats: Stats, protocol: str, dim: int, words: str) -> None:
    with pytest.raises(MetricsError, match=words):
        check_stats(stats, PROTOCOLS[protocol], dim=dim, weights_digest="cd" * 32)


class Trap:
    """Says so when a pickle that holds it is read."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return pytest.fail, ("a pickle was read",)


def archive(path: Path, **arrays: object) -> None:
    np.savez(path, **arrays)  # type: ignore[arg-type]


def test_pickles_are_never_read(tmp_path: Path) -> None:
    (tmp_path / "stats.pkl").write_bytes(pickle.dumps(Trap()))
    archive(tmp_path / "object.npz", mu=np.array([Trap()], dtype=object), sigma=np.eye(1))
    for name, words in (("stats.pkl", "pickles are not read"), ("object.npz", "allow_pickle=False")):
        with pytest.raises(MetricsError, match=words) as caught:
            read_stats(tmp_path / name)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"mu": np.zeros(3), "sigma": np.eye(4)}, r"got \[3\] and \[4, 4\]"),
        ({"mu": np.zeros((1, 3)), "sigma": np.eye(3)}, r"a mean \[d\]"),
        ({"mu": np.full(2, np.nan), "sigma": np.eye(2)}, "NaN or infinity"),
        ({"mu": np.zeros(2), "sigma": np.array([[1.0, 0.5], [0.0, 1.0]])}, "not symmetric"),
        ({"mu": np.zeros(2), "sigma": np.eye(2) + 1j}, "covariance complex128, not numbers"),
        ({"mean": np.zeros(2)}, "holds mean; mu and sigma are needed"),
        ({"feats": np.array([[1.0], [np.nan]])}, r"s\.npz: feats: .*1 of 2 rows hold NaN"),
        ({"feats": np.zeros(3)}, r"s\.npz: feats: "),
        (
            {"mu": np.zeros(2), "sigma": np.diag([1.0, -0.5])},
            r"s\.npz: .*negative eigenvalues \(down to -0\.5",
        ),
    ],
)
def test_numbers_that_are_no_statistics_are_refused(
    tmp_path: Path, arrays: dict[str, np.ndarray], words: str
) -> None:
    archive(tmp_path / "s.npz", **arrays)
    with pytest.raises(MetricsError, match=words):
        read_stats(tmp_path / "s.npz")


@pytest.mark.parametrize("name", ["s.safetensors", "s.npz"])
@pytest.mark.parametrize(
    ("content", "words"),
    [(b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"), (b"\n<!DOCTYPE html>", "a web page")],
)
def test_what_a_download_left_instead_is_named(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MetricsError, match=words):
        read_stats(tmp_path / name)


def test_a_covariance_summed_in_float32_is_one(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).normal(size=(40, 64)).astype(np.float32)  # of rank 39: 25 zeros
    archive(tmp_path / "s.npz", mu=rows.mean(axis=0), sigma=np.cov(rows, rowvar=False).astype(np.float32))
    assert read_stats(tmp_path / "s.npz").moments.dim == 64


@pytest.mark.parametrize("name", ["s.safetensors", "s.npz"])
@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 not really", None])
def test_damaged_files_get_one_line(tmp_path: Path, name: str, damage: bytes | None) -> None:
    path = tmp_path / name
    write_stats(path, made())
    path.write_bytes(path.read_bytes()[:-60] if damage is None else damage)
    with pytest.raises(MetricsError, match=name) as caught:
        read_stats(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    write_stats(tmp_path / "s.safetensors", replace(made(), n=99))
    with pytest.raises(MetricsError, match="features of 12 images but says that n is 99"):
        read_stats(tmp_path / "s.safetensors")


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    for name, stats, words in (
        ("s.pkl", made(), r"as .safetensors \(everything\) or .npz"),
        ("s.safetensors", replace(made(), n=None), "without protocol, version and n"),
        ("none/s.npz", made(), "cannot be written: No such file"),
    ):
        with pytest.raises(MetricsError, match=words):
            write_stats(tmp_path / name, stats)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(MetricsError, match="does not exist"):
        read_stats(tmp_path / "s.npz")
