"""A point against a curve of guidance scales: the move along it, the shift off it, and their errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metrics import MetricsError, PlanePoint
from metrics.curve_shift import CurveShift, curve_shift, move
from metrics.kernel import KernelReference, kernel_estimate
from metrics.uncertainty import Estimate, standard_error_of_mean, with_clusters

SCALES = (1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0)
BASELINE = 3.0
PLANTED = (-0.4, 0.02)
Rows = dict[float, np.ndarray]


def means(scale: float) -> np.ndarray:
    """Return the (distance, score) of a curve that turns at scale 3, as in sweeps."""
    return np.array([2 + 2 * np.log(scale / 2.5) ** 2, 0.7 - 0.3 * np.exp(-scale / 2)])


def drawn(seed: int, n: int, scales: tuple[float, ...], own: float = 0.2) -> Rows:
    """Return the images' contributions [2, n] by scale; images differ in level, slope and bend."""
    random = np.random.default_rng([seed, n])
    level, slope, bend = random.standard_normal((3, 2, n))
    size = np.array([[1.0], [0.1]])
    rows = {}
    for scale in scales:
        place = np.log(scale / 3)
        smooth = level + 0.5 * slope * place + 0.3 * bend * place**2
        noise = own * random.standard_normal((2, n))
        rows[scale] = means(scale)[:, None] + size * (smooth + noise)
    return rows


def of(rows: np.ndarray) -> PlanePoint:
    distance, score = (Estimate(row.mean(), standard_error_of_mean(row), row.size, row) for row in rows)
    return PlanePoint(distance, score)


def found(rows: Rows, point: float, shift: tuple[float, float] = (0, 0)) -> CurveShift:
    """Return the shift of the cell at scale `point`, which is not one of the curve's."""
    curve = {scale: of(rows[scale]) for scale in SCALES if scale != point}
    return curve_shift(curve, of(rows[point] + np.array(shift)[:, None]), curve[BASELINE])


def test_plain_guidance_at_another_scale_is_a_move_along_the_curve() -> None:
    rows = drawn(0, 1000, (*SCALES, 3.5))
    one = found(rows, 3.5)
    assert one.scale == pytest.approx(3.5, rel=0.02)
    assert one.low < one.scale < one.high < 1.05 * one.low
    assert one.along.vector == pytest.approx(means(3.5) - means(BASELINE), abs=0.05)
    assert np.abs(one.off.vector / np.sqrt(np.diag(one.off.covariance))).max() < 3


def test_gain_is_the_sum_of_both_parts() -> None:
    rows = drawn(1, 100, (*SCALES, 5.5))
    one = found(rows, 5.5, PLANTED)
    gain = move(of(rows[5.5] + np.array(PLANTED)[:, None]), of(rows[BASELINE]))
    assert one.along.vector + one.off.vector == pytest.approx(gain.vector)
    paired = (rows[5.5] - rows[BASELINE]).std(axis=1, ddof=1) / 10
    assert np.sqrt(np.diag(gain.covariance)) == pytest.approx(paired)


def test_plain_guidance_is_off_the_curve_in_at_most_5_per_cent_of_sets() -> None:
    shifts = [found(drawn(seed, 64, (*SCALES, 3.5)), 3.5) for seed in range(100)]
    assert sum(one.low < 3.5 < one.high for one in shifts) >= 90
    wrong = sum(one.p_value is not None and one.p_value < 0.05 for one in shifts)
    assert wrong <= 10  # 5% of 100, and two standard errors
    gone = np.array([one.off.vector for one in shifts])
    known = np.sqrt([np.diag(one.off.covariance) for one in shifts]).mean(axis=0)
    assert gone.std(axis=0) == pytest.approx(known, rel=0.35)


def test_a_planted_improvement_is_recovered_within_its_error() -> None:
    truth = found(drawn(9, 200_000, (*SCALES, 3.5), own=0.01), 3.5, PLANTED)
    assert truth.off.vector[0] < -0.25
    # So little own noise that the errors are mostly those of the nearest scale.
    shifts = [found(drawn(seed, 128, (*SCALES, 3.5), own=0.03), 3.5, PLANTED) for seed in range(60)]
    assert all(one.p_value is not None and one.p_value < 0.01 for one in shifts)
    for axis in (0, 1):
        errors = np.sqrt([one.off.covariance[axis, axis] for one in shifts])
        gaps = np.array([one.off.vector[axis] for one in shifts]) - truth.off.vector[axis]
        assert 50 <= (np.abs(gaps) < 1.96 * errors).sum() <= 60  # 95% of 60, and two standard errors
        moved = np.array([one.along.vector[axis] for one in shifts]) - truth.along.vector[axis]
        errors = np.sqrt([one.along.covariance[axis, axis] for one in shifts])
        assert 50 <= (np.abs(moved) < 1.96 * errors).sum() <= 60


def test_errors_are_those_of_a_nearest_point_that_moves() -> None:
    # Noise of the point alone: what a small change of it does to the shift gives the error.
    curve = {scale: of(np.repeat(means(scale)[:, None], 100, axis=1)) for scale in SCALES}
    noise = np.array([np.tile([0.1, -0.1], 50), np.tile([0.01, 0.01, -0.01, -0.01], 25)])

    def at(change: tuple[float, float]) -> CurveShift:
        place = means(3.5) + PLANTED + np.array(change)
        return curve_shift(curve, of(place[:, None] + noise), curve[BASELINE])

    one, small = at((0, 0)), (0.01, 0.001)
    changes = [((small[0], 0), (-small[0], 0)), ((0, small[1]), (0, -small[1]))]
    for part in ("off", "along"):
        moved = [getattr(at(up), part).vector - getattr(at(down), part).vector for up, down in changes]
        by = np.array(moved).T / (2 * np.array(small))
        expected = by @ np.cov(noise) @ by.T / 100
        assert np.diag(getattr(one, part).covariance) == pytest.approx(np.diag(expected), rel=0.1)


def test_noise_that_cells_share_cancels() -> None:
    rows = drawn(2, 100, (*SCALES, 3.5))
    louder = {
        scale: row + 20 * np.random.default_rng(3).standard_normal((2, 100)) for scale, row in rows.items()
    }
    quiet, loud = (found(each, 3.5).difference for each in (rows, louder))
    # Another unit moves the nearest point a little.
    assert np.sqrt(np.diag(loud)) == pytest.approx(np.sqrt(np.diag(quiet)), rel=0.2)


def test_images_of_one_prompt_count_once() -> None:
    rows = drawn(4, 50, (*SCALES, 3.5))
    prompts = [f"p{place}" for place in range(50)] * 4

    def repeated(row: np.ndarray) -> PlanePoint:
        point = of(np.tile(row, 4))
        return PlanePoint(with_clusters(point.distance, prompts), with_clusters(point.agreement, prompts))

    curve = {scale: repeated(rows[scale]) for scale in SCALES}
    twins = curve_shift(curve, repeated(rows[3.5]), curve[BASELINE])
    once = found(rows, 3.5)
    assert twins.off.vector == pytest.approx(once.off.vector, abs=1e-3)
    assert np.diag(twins.off.covariance) == pytest.approx(np.diag(once.off.covariance), rel=0.05)


def test_a_distance_brings_its_pairs_of_images() -> None:
    random = np.random.default_rng(5)
    half = random.normal(size=(200, 4))
    real = KernelReference.of(np.vstack([half, -half]))
    base, score = random.normal(size=(100, 4)), random.normal(size=100)

    def at(scale: float) -> PlanePoint:
        row = score + np.log(scale)
        agreement = Estimate(row.mean(), standard_error_of_mean(row), 100, row)
        return PlanePoint(kernel_estimate(generated=base + np.log(scale / 3), real=real), agreement)

    curve = {scale: at(scale) for scale in SCALES}
    gained = move(at(3.5), curve[8.0])
    bare = {
        scale: replace(each, distance=replace(each.distance, per_pair=None)) for scale, each in curve.items()
    }
    without = move(replace(at(3.5), distance=replace(at(3.5).distance, per_pair=None)), bare[8.0])
    assert gained.covariance[0, 0] < without.covariance[0, 0]
    one = curve_shift(curve, at(3.5), curve[8.0])
    assert one.scale == pytest.approx(3.5, rel=0.01)


def test_beyond_the_ends_nothing_is_claimed() -> None:
    one = found(drawn(6, 400, (*SCALES, 12.0)), 12.0)
    assert (one.low, one.scale, one.high) == (8.0, 8.0, 8.0)
    assert one.p_value is None


def test_what_cannot_be_split_is_refused() -> None:
    rows = drawn(7, 40, SCALES)
    curve = {scale: of(row) for scale, row in rows.items()}
    point = curve.pop(5.0)
    with pytest.raises(MetricsError, match="3 guidance scales, at least 4"):
        curve_shift({scale: curve[scale] for scale in (2.0, 3.0, 4.0)}, point, curve[3.0])
    with pytest.raises(MetricsError, match="same number of images"):
        curve_shift(curve, of(rows[5.0][:, :30]), curve[3.0])
    with pytest.raises(MetricsError, match="between points over the same number of images"):
        move(of(rows[5.0][:, :30]), curve[3.0])
    flat = PlanePoint(point.distance, Estimate(1.0, 0.0, 40, np.zeros(40)))
    with pytest.raises(MetricsError, match="without spread"):
        curve_shift(curve, flat, curve[3.0])
    bare = replace(point, agreement=Estimate(1.0, None, 40, None, "too few"))
    with pytest.raises(MetricsError, match="too few"):
        curve_shift(curve, bare, curve[3.0])
