"""Distances between sets of features against closed forms, reference implementations and formulas written out."""

from dataclasses import dataclass
from importlib import import_module
from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist, pdist
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import poly_mmd

import tiny
from mien.faces import Faces
from mien.metrics.evaluated_model import Subject
from mien.metrics.image_counts import cut, halves, in_words, round_count
from mien.metrics.intervals import jackknife, share_score
from mien.metrics.samples.coverage import coverage_scores, nearest
from mien.metrics.samples.distribution import common_count, distribution, look
from mien.metrics.samples.diversity import diversity, duplicates, mean_distance, variety_score
from mien.metrics.samples.frechet import Gaussian, frechet_distance, frechet_distance_of, frechet_score, gaussian_of
from mien.metrics.samples.kernel_distance import kernel_score
from mien.metrics.samples.sharpness import power_spectra, real_images, sharpness, spectrum_score


def features(count: int, dimensions: int = 8, *, seed: int = 0, shift: float = 0.0, scale: float = 1.0) -> np.ndarray:
    """Numbers with a mean and a covariance of their own, as features have."""
    mixed = np.random.default_rng(99).normal(size=(dimensions, dimensions)) / dimensions**0.5
    return np.random.default_rng(seed).normal(size=(count, dimensions)) @ mixed * scale + shift


A, B = features(500), features(400, seed=1, shift=0.3, scale=1.4)


# The Fréchet distance


def test_gaussians_with_diagonal_covariances_are_as_far_apart_as_the_closed_form_says() -> None:
    mean, deviation = np.array([[1.0, 2, 3], [3, 2, 1]]), np.array([[1.0, 2, 3], [2, 2, 0.5]])
    one, other = (Gaussian(m, np.diag(d**2)) for m, d in zip(mean, deviation, strict=True))
    assert frechet_distance(one, other) == pytest.approx(8 + 1 + 6.25, rel=1e-9)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-9)


def test_the_frechet_distance_is_that_of_the_classical_formula() -> None:
    a, b = gaussian_of(A), gaussian_of(B)
    np.testing.assert_allclose(a.covariance, np.cov(A.T), rtol=1e-9)
    root = sqrtm(a.covariance @ b.covariance).real
    classical = ((a.mean - b.mean) ** 2).sum() + np.trace(a.covariance + b.covariance - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(classical, rel=1e-9)


@pytest.mark.parametrize("count", [500, 20], ids=["many images", "fewer images than dimensions"])
def test_the_frechet_distance_is_that_of_torchmetrics_to_a_thousandth(count: int) -> None:
    identity = nn.Identity()
    identity.num_features = 40
    a, b = features(count, 40), features(count, 40, seed=1, shift=0.3, scale=1.4)
    reference = FrechetInceptionDistance(identity)
    reference.update(torch.from_numpy(a), real=True)
    reference.update(torch.from_numpy(b), real=False)
    assert frechet_distance_of(a, b) == pytest.approx(float(reference.compute()), abs=1e-3)


def test_the_frechet_distance_does_not_depend_on_the_order_or_on_a_rotation() -> None:
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(8, 8)))[0]
    there = frechet_distance_of(A, B)
    assert frechet_distance_of(B, A) == pytest.approx(there, rel=1e-9)
    assert frechet_distance_of(A @ turn, B @ turn) == pytest.approx(there, rel=1e-9)


# The kernel distance


def test_the_kernel_distance_is_that_of_a_double_loop_over_pairs() -> None:
    a, b = A[:13], B[:9]

    def mean(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
        return float(np.mean([(x @ y / 8 + 1) ** 3 for x, y in pairs]))

    within = [mean([(x, y) for x, y in product(s, s) if x is not y]) for s in (list(a), list(b))]
    assert kernel_score(a, b, "").value == pytest.approx(sum(within) - 2 * mean(list(product(a, b))), rel=1e-9)


def test_the_kernel_distance_is_that_of_torchmetrics() -> None:
    reference = poly_mmd(torch.from_numpy(A[:400]), torch.from_numpy(B))
    assert kernel_score(A[:400], B, "").value == pytest.approx(float(reference), rel=1e-9)


def test_the_kernel_distance_of_two_draws_of_one_distribution_is_about_zero() -> None:
    scores = [kernel_score(features(200, seed=s), features(200, seed=s + 50), "") for s in range(40)]
    values = np.array([score.value for score in scores])
    assert abs(values.mean()) < 2 * values.std() / 40**0.5
    assert np.mean([score.low < 0 < score.high for score in scores]) > 0.9


# Precision, recall, density, coverage


def test_precision_recall_density_and_coverage_are_those_of_their_formulas() -> None:
    fake, real = features(60, scale=0.8), features(70, seed=1)

    def reach(points: np.ndarray, k: int) -> np.ndarray:
        return np.sort(cdist(points, points))[:, k]  # the 0th is the point itself

    apart = cdist(real, fake)
    inside = apart <= reach(real, 5)[:, None]
    expected = {
        "precision": (apart <= reach(real, 3)[:, None]).any(0).mean(),
        "recall": (apart <= reach(fake, 3)).any(1).mean(),
        "density": inside.sum(0).mean() / 5,
        "coverage": inside.any(1).mean(),
    }
    values = {name: score.value for name, score in coverage_scores(fake, real, "").items()}
    assert values == pytest.approx(expected, rel=1e-9)
    assert min(values.values()) > 0
    assert values["recall"] < 1


def test_a_nearest_neighbour_is_found_with_its_distance_in_every_block() -> None:
    points = features(2_500, 2)
    index, distance = nearest(points + np.array([0.5, 0]), points)
    apart = cdist(points + np.array([0.5, 0]), points)
    np.testing.assert_array_equal(index, apart.argmin(1))
    np.testing.assert_allclose(distance, apart.min(1), atol=1e-6)


# Diversity


def test_variety_is_the_ratio_of_mean_distances_between_pairs() -> None:
    ratio = pdist(A).mean() / pdist(B).mean()
    assert mean_distance(A) / mean_distance(B) == pytest.approx(ratio, rel=1e-9)
    assert variety_score(A, B, "").value == pytest.approx(ratio, rel=1e-6)
    assert variety_score(np.zeros((50, 8)), B, "").value == 0


def test_only_images_that_have_a_twin_are_duplicates() -> None:
    doubled = np.concatenate([A[:100], A[:40] + 1e-3])
    found = duplicates(doubled, features(140, seed=1))
    assert found[:40].all()
    assert found[100:].all()
    assert found[40:100].mean() < 0.1


# The spectrum


def test_a_wave_has_its_power_at_its_own_frequency() -> None:
    wave = 127.5 + 100 * np.sin(2 * np.pi * 5 * np.arange(32) / 32)
    image = np.broadcast_to(wave[:, None], (1, 3, 32, 32)).transpose(0, 2, 3, 1)
    assert power_spectra(image.round().astype(np.uint8))[0].argmax() + 1 == 5


def test_noise_has_the_same_power_at_all_frequencies() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 32, 32, 3), dtype=np.uint8)
    spectrum = power_spectra(noise).mean(0)
    np.testing.assert_allclose(spectrum[1:] / spectrum[1:].mean(), 1, atol=0.1)  # the window blurs the mean into 1


def test_half_the_contrast_is_a_quarter_of_the_power() -> None:
    spectra = power_spectra(np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8))
    assert spectrum_score(spectra / 4, spectra, "").value == pytest.approx(np.log10(4), rel=1e-6)


def test_sharpness_is_measured_of_test_images_from_all_of_them(faces: Faces, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("mien.metrics.samples.sharpness"), "IMAGES", 3)  # named as its function is
    subject: Any = SimpleNamespace(faces=faces, rows=faces.rows)
    rows = faces.rows("test")
    assert np.array_equal(real_images(subject), faces.images[rows[[0, (len(rows) - 1) // 2, -1]]])


# The metric


@dataclass(frozen=True)
class Pixels:
    """An extractor that sees a few pixels."""

    name: str
    protocol: str = "pixels"

    def __call__(self, images: np.ndarray) -> np.ndarray:
        return images[:, ::8, ::8].reshape(len(images), -1).astype(np.float32) / 64


@pytest.fixture(scope="module")
def subject(faces: Faces) -> Subject:
    """Noisy training faces, looked at by two extractors."""
    absent: Any = SimpleNamespace(model=SimpleNamespace(attributes=()))
    subject = Subject(absent, faces, absent, (Pixels("judge"), Pixels("inception")))
    noise = np.random.default_rng(0).integers(0, 30, (100, 32, 32, 3), dtype=np.uint8)
    subject.samples = faces.images[faces.rows("train")[:100]] // 2 + noise
    return subject


def test_the_floor_in_the_judges_features_says_that_the_judge_knows_the_training_images(subject: Subject) -> None:
    scores = {name: score.protocol for name, score in distribution(subject).items()}
    said = {
        name for name, protocol in scores.items() if "the judge having been fitted to the training images" in protocol
    }
    assert said == {name for name in scores if "_judge_" in name and name.endswith("_floor_train")}
    assert said


def test_only_distances_in_features_of_inception_are_called_fid_and_they_agree_with_the_reference(
    subject: Subject, faces: Faces
) -> None:
    scores = distribution(subject)
    count = round_count(len(faces.rows("test")))
    fid = {name for name in scores if name.startswith("fid")}
    assert fid == {
        f"fid{end}" for end in (f"_{count}", f"_train_{count}", f"_{count}_floor_train", f"_{count}_floor_halves")
    }
    identity = nn.Identity()
    identity.num_features = 48
    reference = FrechetInceptionDistance(identity)
    seen = Pixels("")(subject.samples[:count]), cut(Pixels("")(tiny.all_real(subject, "test")), count)
    for images, real in zip(seen, (False, True), strict=True):
        reference.update(torch.from_numpy(images), real=real)
    assert scores[f"fid_{count}"].value == pytest.approx(float(reference.compute()), abs=1e-3)


def test_every_number_says_how_it_was_measured_and_has_its_interval(subject: Subject) -> None:
    for name, score in (distribution(subject) | diversity(subject) | sharpness(subject)).items():
        assert score.low <= score.value <= score.high, name
        assert "images" in score.protocol, name


def test_an_extractor_sees_no_more_images_than_are_compared(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []
    monkeypatch.setattr(
        Pixels, "__call__", lambda self, images: counts.append(len(images)) or np.ones((len(images), 2))
    )
    subject.seen.clear()
    look(subject, subject.extractors[1])
    count = common_count(subject, 10_000)
    assert sorted(counts) == sorted([count, 2 * count, len(subject.rows("test"))])


# Intervals and counts


def test_leaving_out_groups_of_one_is_the_jackknife_of_the_mean() -> None:
    values = np.random.default_rng(0).normal(size=10)
    score = jackknife(values.mean(), (np.delete(values, i).mean() for i in range(10)), 10, "")
    assert score.high - score.value == pytest.approx(2.2621571627409915 * values.std(ddof=1) / 10**0.5, rel=1e-9)


@pytest.mark.parametrize("score_of", [frechet_score, kernel_score, variety_score])
def test_nearly_all_intervals_hold_what_a_distance_is_on_average(score_of) -> None:
    trials = [(features(150, 4, seed=s), features(150, 4, seed=s + 500, shift=0.4, scale=1.3)) for s in range(80)]
    scores = [score_of(a, b, "") for a, b in trials]
    average = np.mean([score.value for score in scores])
    assert 0.87 < np.mean([score.low < average < score.high for score in scores]) <= 1


def test_fewer_images_than_groups_have_no_interval() -> None:
    assert kernel_score(A[:9], B[:9], "").low is None


def test_a_share_has_the_interval_of_wilson() -> None:
    for hits, count, low, high in (
        *((0, 1, 0, 0.7934567085261071), (0, 50, 0, 0.07135003417431873), (50, 50, 0.9286499658256813, 1)),
        *((1, 3, 0.0614903152761605, 0.7923450448735121), (1234, 2000, 0.5954898735774982, 0.6380615209039818)),
    ):
        score = share_score([True] * hits + [False] * (count - hits), "")
        assert (score.value, score.low, score.high) == pytest.approx((hits / count, low, high), rel=1e-9)


def test_counts_are_round_and_short_in_names() -> None:
    assert [round_count(n) for n in (7, 213, 2_129, 10_000)] == [7, 200, 2_000, 10_000]
    assert [in_words(n) for n in (7, 200, 2_000, 10_000)] == ["7", "200", "2k", "10k"]


def test_halves_share_no_image_and_are_of_like_number() -> None:
    one, other = halves(np.arange(11, dtype=np.float32)[:, None], 4)
    assert len(one) == len(other) == 4
    assert not set(one.ravel()) & set(other.ravel())
