"""Dispatch: every protocol reaches its own formula, and nothing else is taken for what it needs."""

from __future__ import annotations

import numpy as np
import pytest

from metrics import (
    FORMULAS,
    PROTOCOLS,
    CmmdReference,
    KernelReference,
    MetricsError,
    Moments,
    Protocol,
    clip_score_estimate,
    cmmd_estimate,
    evaluate,
    frechet_estimate,
    kernel_estimate,
    prepare,
)
from metrics.clip_score import clip_score_x100_estimate
from metrics.conditional import ConditionalReference, conditional_frechet_estimate
from metrics.evaluate import Reference, evaluate_all, prepare_all
from metrics.frechet import FrechetReference
from metrics.infinity import frechet_infinity
from metrics.mean_value import inner_product_estimate, mean_value_estimate
from metrics.precision_recall import (
    ManifoldReference,
    coverage_estimate,
    density_estimate,
    precision_estimate,
    recall_estimate,
)
from metrics.prompt_accuracy import prompt_accuracy_estimate
from metrics.uncertainty import with_clusters
from metrics.vendi import vendi_estimate

SHIFTS = np.array([0.0, 0.3, 1.0])[:, None, None]
REAL, GENERATED, TEXT = np.random.default_rng(0).normal(size=(3, 40, 6)) + SHIFTS

COUNTS = np.random.default_rng(1).integers(0, 2, (40, 12)) + np.repeat([0, 1], 6)

PAIRS = [f"prompt {row // 2}" for row in range(40)]

DIRECT = {
    "frechet": lambda: frechet_estimate(real=Moments.of(REAL), generated=GENERATED),
    "frechet_infinity": lambda: frechet_infinity(real=Moments.of(REAL), generated=GENERATED),
    "conditional_frechet": lambda: conditional_frechet_estimate(
        real=ConditionalReference.of(REAL, TEXT[:, ::-1]), generated=GENERATED, text=TEXT
    ),
    "kernel": lambda: kernel_estimate(real=KernelReference.of(REAL), generated=GENERATED),
    "cmmd": lambda: cmmd_estimate(real=CmmdReference.of(REAL), generated=GENERATED),
    "precision": lambda: precision_estimate(real=ManifoldReference.of(REAL, 3), generated=GENERATED),
    "recall": lambda: recall_estimate(real=ManifoldReference.of(REAL, 3), generated=GENERATED),
    "density": lambda: density_estimate(real=ManifoldReference.of(REAL, 5), generated=GENERATED),
    "coverage": lambda: coverage_estimate(real=ManifoldReference.of(REAL, 5), generated=GENERATED),
    "clip_score": lambda: clip_score_estimate(generated=GENERATED, text=TEXT),
    "clip_score_x100": lambda: clip_score_x100_estimate(generated=GENERATED, text=TEXT),
    "inner_product": lambda: inner_product_estimate(generated=GENERATED, text=TEXT),
    "mean_value": lambda: mean_value_estimate(generated=GENERATED[:, :1]),
    "prompt_accuracy": lambda: prompt_accuracy_estimate(generated=COUNTS),
    "vendi": lambda: with_clusters(vendi_estimate(generated=GENERATED, prompts=PAIRS), PAIRS),
}
NAMES = {formula: name for name, formula in FORMULAS.items()}
ONE_EACH = {NAMES[protocol.formula]: protocol for protocol in PROTOCOLS.values()}


def generated(protocol: Protocol) -> np.ndarray:
    if protocol.formula == FORMULAS["prompt_accuracy"]:
        return COUNTS
    return GENERATED[:, :1] if protocol.formula == FORMULAS["mean_value"] else GENERATED


def prepared(protocol: Protocol) -> Reference | None:
    captions = TEXT[:, ::-1] if protocol.formula.needs_captions else None
    return prepare(protocol, REAL, captions=captions) if protocol.formula.needs_reference else None


@pytest.mark.parametrize("features", [REAL, Moments.of(REAL)])
def test_frechet_distances_are_computed_on_the_device(features: np.ndarray | Moments) -> None:
    here, there = (prepare(ONE_EACH["frechet"], features, device).real for device in ("cpu", "meta"))
    assert isinstance(here, FrechetReference)
    assert isinstance(there, FrechetReference)
    assert (type(here.factor), there.factor.device.type) == (np.ndarray, "meta")


@pytest.mark.parametrize("metric", DIRECT)
def test_each_metric_is_its_formula(metric: str) -> None:
    protocol, expected = ONE_EACH[metric], DIRECT[metric]()
    prompts = PAIRS if protocol.formula.by_prompt else None
    rows, real = generated(protocol), prepared(protocol)
    estimate = evaluate(protocol, generated=rows, real=real, text=TEXT, prompts=prompts)
    assert estimate.value == expected.value
    assert estimate.standard_error == expected.standard_error


def test_images_of_one_prompt_are_not_independent_for_any_metric() -> None:
    for metric, protocol in ONE_EACH.items():
        if protocol.formula.by_prompt:
            continue
        rows, real = generated(protocol), prepared(protocol)
        plain = evaluate(protocol, generated=rows, real=real, text=TEXT)
        estimate = evaluate(protocol, generated=rows, real=real, text=TEXT, prompts=PAIRS)
        expected = with_clusters(plain, PAIRS)
        assert (estimate.value, estimate.standard_error) == (plain.value, expected.standard_error)
        assert (estimate.clusters is None) == (plain.standard_error is None), metric


def test_every_formula_has_a_protocol() -> None:
    assert set(ONE_EACH) == set(DIRECT) == set(FORMULAS)


ASKING = [protocol for name, protocol in ONE_EACH.items() if name not in ("mean_value", "prompt_accuracy")]


@pytest.mark.parametrize("protocol", ASKING, ids=lambda protocol: protocol.name)
def test_what_a_protocol_needs_is_asked_for(protocol: Protocol) -> None:
    lacking = "the prompts" if protocol.formula.by_prompt else "text features"
    needs = "a reference set prepared for its formula" if protocol.formula.needs_reference else lacking
    with pytest.raises(MetricsError, match=f"{protocol.name} needs {needs}"):
        evaluate(protocol, generated=GENERATED)


def test_a_reference_of_another_metric_is_refused() -> None:
    for metric, other in (
        ("frechet", "kernel"),
        ("kernel", "cmmd"),
        ("precision", "density"),
        ("coverage", "recall"),
    ):
        with pytest.raises(MetricsError, match="a reference set prepared for its formula"):
            evaluate(ONE_EACH[metric], generated=GENERATED, real=prepare(ONE_EACH[other], REAL))


def test_moments_do_for_frechet_distances_alone() -> None:
    moments = Moments.of(REAL)
    prepared = prepare(ONE_EACH["frechet"], moments)
    assert (
        evaluate(ONE_EACH["frechet"], generated=GENERATED, real=prepared).value == DIRECT["frechet"]().value
    )
    for metric in ("kernel", "cmmd", "recall", "coverage"):
        with pytest.raises(MetricsError, match="needs the real features, not only their mean"):
            prepare(ONE_EACH[metric], moments)
    with pytest.raises(MetricsError, match="needs the captions of the real images"):
        prepare(ONE_EACH["conditional_frechet"], REAL)
    with pytest.raises(MetricsError, match="compares with no real images"):
        prepare(ONE_EACH["clip_score"], REAL)


def test_protocols_share_what_they_need_of_the_same_features() -> None:
    names = ["fd", "kd", "precision", "recall", "density", "coverage"]
    of = {name: PROTOCOLS[f"{name}-shapes-clip"] for name in names}
    precision_elsewhere = PROTOCOLS["precision-dinov2-vit-l-14"]
    features = {"shapes-clip": REAL, precision_elsewhere.extractor: REAL + 1}
    made = prepare_all([*of.values(), precision_elsewhere], features)
    found = {name: made[protocol.name] for name, protocol in of.items()}
    assert found["precision"] is found["recall"]
    assert found["density"] is found["coverage"]
    kinds = [found[name] for name in ("fd", "kd", "precision", "density")] + [made[precision_elsewhere.name]]
    assert len({id(reference) for reference in kinds}) == 5
    assert [type(found[name].real) for name in names[:2]] == [FrechetReference, KernelReference]


def test_a_distance_and_its_limit_share_their_decomposition(monkeypatch: pytest.MonkeyPatch) -> None:
    protocols = [
        PROTOCOLS[name] for name in ("fid-inception-tf-infinity", "kid-inception-tf", "fid-inception-tf")
    ]
    real = prepare_all(protocols, {"inception-v3": REAL})
    assert real["fid-inception-tf"] is real["fid-inception-tf-infinity"]
    taken, leave_out = [], FrechetReference.leave_out

    def counting(self: FrechetReference, generated: np.ndarray, minimum: int) -> object:
        taken.append(minimum)
        return leave_out(self, generated, minimum)

    monkeypatch.setattr(FrechetReference, "leave_out", counting)
    found = evaluate_all(protocols, generated={"inception-v3": GENERATED}, real=real, text={})
    assert list(found) == [protocol.name for protocol in protocols]
    assert len(taken) == 1
    for protocol in protocols:
        alone = evaluate(protocol, generated=GENERATED, real=real[protocol.name])
        assert found[protocol.name].value == alone.value
        assert found[protocol.name].standard_error == alone.standard_error
    with pytest.raises(MetricsError, match=r"^kid-inception-tf: .* at least 2 needed"):
        evaluate_all(protocols[1:2], generated={"inception-v3": GENERATED[:1]}, real=real, text={})
