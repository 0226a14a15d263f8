"""Samples that are spoilt on purpose: every metric moves the right way, and far beyond its floor."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from mien.faces import Faces, open_faces
from mien.faces.drawn.drawn_faces import draw
from mien.judge import judge_of
from mien.metrics.evaluated_model import Subject
from mien.metrics.extractors import JudgeFeatures
from mien.metrics.samples.distribution import distribution, nearest_training
from mien.metrics.samples.diversity import diversity
from mien.metrics.samples.sharpness import sharpness
from mien.pictures.arrays import Pictures
from mien.runs.score import Score

TRAIN, TEST = 600, 300


@pytest.fixture(scope="module")
def some_faces() -> Faces:
    """Drawn faces, with a larger share to test on than usual."""
    packed = open_faces(f"drawn:{TRAIN + TEST}", size=32)
    split = np.repeat(np.array([0, 2], np.uint8), [TRAIN, TEST])
    return replace(packed, split=split, fingerprint="sabotage")


@pytest.fixture(scope="module")
def subject_of(some_faces: Faces) -> Any:
    """A subject with samples that are given instead of a model's."""
    judge = judge_of(some_faces)
    seen: Any = {}

    def subject(samples: Pictures) -> Subject:
        model: Any = SimpleNamespace(model=SimpleNamespace(attributes=()))
        given = Subject(model, some_faces, judge, (JudgeFeatures(judge),), seen)
        given.samples = samples
        return given

    return subject


@pytest.fixture(scope="module")
def judged(subject_of: Any) -> Any:
    """What samples score that are given instead of a model's."""

    def scores_of(samples: Pictures) -> dict[str, Score]:
        subject = subject_of(samples)
        return distribution(subject) | diversity(subject) | sharpness(subject)

    return scores_of


@pytest.fixture(scope="module")
def fresh() -> Pictures:
    """What a perfect model would sample: faces of the same distribution that nobody has seen."""
    return draw(TEST, size=32, start=TRAIN + TEST).images


@pytest.fixture(scope="module")
def perfect(judged: Any, fresh: Pictures) -> dict[str, Score]:
    return judged(fresh)


def blurred(images: Pictures, radius: float) -> Pictures:
    return np.stack([np.asarray(Image.fromarray(i).filter(ImageFilter.GaussianBlur(radius))) for i in images])


def noisy(images: Pictures, deviation: float) -> Pictures:
    noise = np.random.default_rng(0).normal(0, deviation, images.shape)
    return (images + noise).round().clip(0, 255).astype(np.uint8)


def test_a_perfect_model_scores_like_real_images(perfect: dict[str, Score]) -> None:
    assert perfect["fd_judge_300"].value < 2 * perfect["fd_judge_300_floor_train"].value
    assert perfect["spectrum_samples"].value < 3 * perfect["spectrum_floor"].value
    for name in ("precision_judge_300", "recall_judge_300", "density_judge_300", "coverage_judge_300"):
        assert abs(perfect[name].value - perfect[f"{name}_floor_train"].value) < 0.1
    for name in ("nearest_train_samples", "diversity_judge"):
        assert perfect[name].value == pytest.approx(1, abs=0.1)
    assert max(perfect[name].value for name in ("copies_samples", "duplicates_samples")) < 0.05


def test_blur_is_seen_by_distances_precision_sharpness_and_spectrum(
    judged: Any, fresh: Pictures, perfect: dict[str, Score]
) -> None:
    scores = judged(blurred(fresh, 2))
    assert scores["fd_judge_300"].low > 4 * perfect["fd_judge_300"].value
    assert scores["kid_judge_300"].low > 0.1 > abs(perfect["kid_judge_300_floor_train"].value)
    assert scores["precision_judge_300"].high < perfect["precision_judge_300"].value - 0.2
    assert scores["sharpness_samples"].value < 0.1 * scores["sharpness_real"].value
    assert scores["spectrum_samples"].low > 50 * scores["spectrum_floor"].value


def test_noise_is_seen_by_distances_and_the_spectrum_and_as_too_much_sharpness(
    judged: Any, fresh: Pictures, perfect: dict[str, Score]
) -> None:
    scores = judged(noisy(fresh, 30))
    assert scores["fd_judge_300"].value > 1.5 * perfect["fd_judge_300"].value
    assert scores["sharpness_samples"].low > 1.5 * scores["sharpness_real"].value
    assert scores["spectrum_samples"].low > 3 * scores["spectrum_floor"].value
    assert scores["nearest_train_samples"].value > perfect["nearest_train_samples"].value + 0.1


def test_more_noise_and_more_blur_are_farther(judged: Any, fresh: Pictures) -> None:
    for spoil, amounts in ((noisy, (15, 40)), (blurred, (1, 2))):
        little, much = (judged(spoil(fresh, amount)) for amount in amounts)
        for name in ("fd_judge_300", "kid_judge_300", "spectrum_samples", "nearest_train_samples"):
            assert little[name].value < much[name].value
        for name in ("precision_judge_300", "density_judge_300", "coverage_judge_300"):
            assert little[name].value > much[name].value


def test_sixteen_faces_over_and_over_are_precise_and_cover_nothing(
    judged: Any, fresh: Pictures, perfect: dict[str, Score]
) -> None:
    scores = judged(np.resize(fresh[:16], fresh.shape))
    assert scores["duplicates_samples"].value == 1
    assert scores["recall_judge_300"].value < 0.05
    assert scores["coverage_judge_300"].high < 0.4
    assert scores["precision_judge_300"].value > perfect["precision_judge_300"].value - 0.15
    assert scores["fd_judge_300"].low > 3 * perfect["fd_judge_300"].value


def test_one_face_over_and_over_has_no_diversity(judged: Any, fresh: Pictures) -> None:
    scores = judged(np.resize(fresh[:1], fresh.shape))
    assert scores["diversity_judge"].value == pytest.approx(0, abs=1e-4)
    assert scores["fd_judge_300"].low > 20 * scores["fd_judge_300_floor_train"].value


def test_copies_of_training_images_pass_every_distance_and_are_seen_as_copies(
    judged: Any, some_faces: Faces, perfect: dict[str, Score]
) -> None:
    scores = judged(some_faces.images[some_faces.rows("train")[:TEST]])
    assert scores["nearest_train_samples"].high < 0.01
    assert scores["copies_samples"].value == 1
    assert scores["fd_judge_300"].value < 2 * perfect["fd_judge_300"].value
    assert scores["fd_judge_train_300"].value < 0.7 * scores["fd_judge_300_floor_halves"].value


def test_the_nearest_training_face_of_a_copy_is_its_original(subject_of: Any, some_faces: Faces) -> None:
    originals = some_faces.rows("train")[[5, 500, 17]]
    subject = subject_of(some_faces.images[originals])
    np.testing.assert_array_equal(nearest_training(subject, 2), originals[:2])


def test_with_a_handful_of_test_images_nothing_is_measured_of_distributions(
    subject_of: Any, some_faces: Faces, fresh: Pictures
) -> None:
    subject = subject_of(fresh)
    subject.faces = replace(some_faces, split=np.repeat(np.array([0, 2], np.uint8), [TRAIN + TEST - 9, 9]))
    subject.seen = {}
    assert distribution(subject) == diversity(subject) == {}
