"""Files of statistics of real image sets: our own format, and those of other tools.

    NAME.safetensors   our own: mean, covariance, features if kept, and how they were made
    NAME.npz           mu and sigma, as pytorch-fid, clean-fid and ADM's evaluator read and write them;
                       feats, as clean-fid writes for KID; arr_0, ADM's images, which are not statistics

Files hold numbers only; nothing is unpickled. Those of other tools do not say how they were made, and rarely
from how many images; ``check_stats`` reports what is missing.
"""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from metrics._stats import Stats, check_stats
from metrics.adm_images import adm_shape
from metrics.errors import MetricsError
from metrics.moments import Moments

__all__ = ["Stats", "check_stats", "read_stats", "write_stats"]

_ROUNDING = 1e-4
"""How far below zero, relative to the largest, the eigenvalues of a covariance summed in float32 may lie."""

_HEADER = "sdbench-statistics"
_NAMED = ("protocol", "version", "n", "image_size", "image_digest", "weights_digest", "versions")


def write_stats(path: Path, stats: Stats) -> None:
    """Write ``stats`` in the format that the suffix names; the file appears complete or not at all.

    A .safetensors file keeps everything and requires protocol, version and n; an .npz file keeps only mu and
    sigma, for other tools.

    Raises:
        MetricsError: The suffix is another one, protocol, version or n are missing, or writing fails.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        match path.suffix:
            case ".safetensors":
                aside.write_bytes(_packed(path, stats))
            case ".npz":
                with aside.open("wb") as stream:
                    np.savez(stream, mu=stats.moments.mean, sigma=stats.moments.covariance)
            case _:
                raise MetricsError(
                    f"{path}: write statistics as .safetensors (everything) or .npz (mu and sigma)"
                )
        aside.replace(path)
    except OSError as error:
        raise MetricsError(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        aside.unlink(missing_ok=True)


def read_stats(path: Path) -> Stats:
    """Return the statistics in a file of any known format.

    Raises:
        MetricsError: The file is missing or damaged, holds images or pickles, or no valid statistics.
    """
    if not path.is_file():
        raise MetricsError(f"{path}: this file of statistics does not exist")
    with path.open("rb") as stream:
        start = stream.read(64)
    if start.startswith(b"version https://git-lfs"):
        raise MetricsError(f"{path}: is a Git LFS pointer, not statistics; run 'git lfs pull'")
    if start.lstrip().startswith(b"<"):
        raise MetricsError(f"{path}: is a web page, not statistics; download the file again")
    if path.suffix == ".safetensors":
        return _unpacked(path)
    if zipfile.is_zipfile(path):
        return _from_npz(path)
    raise MetricsError(
        f"{path}: is neither .safetensors nor .npz; pickles are not read, since loading one runs code"
    )


def _packed(path: Path, stats: Stats) -> bytes:
    if stats.protocol is None or stats.version is None or stats.n is None:
        raise MetricsError(f"{path}: statistics without protocol, version and n can be written as .npz only")
    arrays: dict[str, NDArray[Any]] = {"mean": stats.moments.mean, "covariance": stats.moments.covariance}
    if stats.features is not None:
        arrays["features"] = stats.features
    header = {name: getattr(stats, name) for name in _NAMED}
    header["versions"] = dict(stats.versions)
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return safetensors.numpy.save(contiguous, {_HEADER: json.dumps(header, sort_keys=True)})


def _unpacked(path: Path) -> Stats:
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {})[_HEADER])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        known = {name: header[name] for name in _NAMED}
        n, size = int(known["n"]), known["image_size"]
        mean, covariance = arrays["mean"], arrays["covariance"]
    except (
        safetensors.SafetensorError,
        OSError,
        LookupError,
        ValueError,
        TypeError,
        RecursionError,
    ) as error:
        why = str(error).splitlines()[0]
        raise MetricsError(f"{path}: is not a file of statistics of sdbench, or is damaged: {why}") from None
    features = arrays.get("features")
    if features is not None and len(features) != n:
        raise MetricsError(f"{path}: holds features of {len(features)} images but says that n is {n}")
    known["image_size"] = tuple(size) if size else None
    return Stats(_moments(path, mean, covariance, n), features=features, origin="sdbench", **known)


def _from_npz(path: Path) -> Stats:
    """Read a file of pytorch-fid, clean-fid or ADM; the contents do not tell which of them wrote it."""
    arrays: dict[str, NDArray[Any]] = {}
    try:
        # numpy leaves a file open that it opened itself and cannot read.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            names = set(archive.files)
            wanted = {"mu", "sigma"} if {"mu", "sigma"} <= names else {"feats"} & names
            arrays = {name: archive[name] for name in wanted}
    except (OSError, ValueError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile) as error:
        raise MetricsError(f"{path}: cannot be read as .npz: {error}") from None
    if "feats" in arrays:
        return _from_features(path, arrays["feats"])
    if arrays:
        n, size = _images_beside(path, names)
        moments = _moments(path, arrays["mu"], arrays["sigma"], n or 0)
        return Stats(moments, n=n, image_size=size, origin="mu/sigma .npz")
    if "arr_0" in names:
        raise MetricsError(f"{path}: holds images (arr_0), not statistics: make statistics of them first")
    raise MetricsError(f"{path}: holds {', '.join(sorted(names)) or 'nothing'}; mu and sigma are needed")


def _from_features(path: Path, features: NDArray[Any]) -> Stats:
    try:
        rows = np.asarray(features, dtype=np.float32)
        return Stats(Moments.of(rows), n=len(rows), features=rows, origin="feats .npz")
    except (MetricsError, ValueError, TypeError) as error:
        raise MetricsError(f"{path}: feats: {error}") from None


def _images_beside(path: Path, names: set[str]) -> tuple[int | None, tuple[int, int] | None]:
    """Return n and (height, width) of the images that ADM's reference batches hold along with statistics."""
    if "arr_0" not in names:
        return None, None
    n, height, width = adm_shape(path)
    return n, (height, width)


def _moments(path: Path, mean: NDArray[Any], covariance: NDArray[Any], n: int) -> Moments:
    """Return the arrays as moments; MetricsError if they cannot be a mean [d] and a covariance [d, d]."""
    if mean.ndim != 1 or covariance.shape != (mean.size, mean.size) or mean.size == 0:
        raise MetricsError(
            f"{path}: needs a mean [d] and a covariance [d, d], got {list(mean.shape)} and "
            f"{list(covariance.shape)}"
        )
    kinds = {mean.dtype.kind, covariance.dtype.kind}
    if not kinds <= set("fiu"):
        raise MetricsError(
            f"{path}: the mean is {mean.dtype} and the covariance {covariance.dtype}, not numbers"
        )
    mean, covariance = mean.astype(np.float64), covariance.astype(np.float64)
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise MetricsError(f"{path}: the mean or covariance contains NaN or infinity")
    # Files of float32 are symmetric to six digits.
    if not np.allclose(covariance, covariance.T, rtol=1e-4, atol=1e-6 * np.abs(covariance).max()):
        raise MetricsError(f"{path}: the covariance is not symmetric")
    covariance = (covariance + covariance.T) / 2
    eigenvalues = np.linalg.eigvalsh(covariance)
    if eigenvalues[0] < -_ROUNDING * eigenvalues[-1]:
        raise MetricsError(
            f"{path}: not a covariance: it has negative eigenvalues (down to {eigenvalues[0]:.3g}, the "
            f"largest is {eigenvalues[-1]:.3g}); compute it again, in float64"
        )
    return Moments(n, mean, covariance)
