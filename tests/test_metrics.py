"""Metrics against closed forms and direct computation."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from sklearn.metrics import balanced_accuracy_score

import tiny
from mien.faces import UNKNOWN
from mien.faces.batches import to_signed
from mien.metrics import evaluation
from mien.metrics.control.classifier_head import head_accuracy
from mien.metrics.evaluated_model import spread
from mien.metrics.intervals import mean_score
from mien.metrics.samples.sharpness import laplacian_variance
from mien.models import MODELS
from mien.models.base import Classifies, Encodes
from mien.runs.folder import Run
from tiny import ADVERSARIAL, CONDITIONAL, ENCODING

IMAGES = tiny.noise_faces(300).images


# Values and intervals


def test_a_score_is_a_mean_with_its_normal_interval() -> None:
    score = mean_score([1.0, 2.0, 3.0, 6.0], "how")
    half = 1.96 * np.std([1, 2, 3, 6], ddof=1) / 2
    assert (score.value, score.low, score.high, score.images) == pytest.approx((3, 3 - half, 3 + half, 4))


def test_an_interval_shrinks_with_the_root_of_the_number_of_images() -> None:
    values = np.random.default_rng(0).normal(size=40_000)
    few, many = mean_score(values[:400], ""), mean_score(values, "")
    assert (few.high - few.low) / (many.high - many.low) == pytest.approx(10, rel=0.1)


def test_an_interval_covers_the_truth_nineteen_times_in_twenty() -> None:
    trials = np.random.default_rng(0).exponential(size=(500, 200))
    covered = [score.low <= 1 <= score.high for score in (mean_score(trial, "") for trial in trials)]
    assert 0.92 < np.mean(covered) < 0.98


# Sharpness


def test_sharpness_falls_with_every_blur() -> None:
    image = Image.fromarray(IMAGES[0])
    blurred = [image, *(image.filter(ImageFilter.GaussianBlur(radius)) for radius in (0.5, 1, 2, 4))]
    values = laplacian_variance(np.stack([np.asarray(b) for b in blurred]))
    assert (np.diff(values) < 0).all()


def test_sharpness_has_its_closed_form() -> None:
    image = np.zeros((1, 7, 7, 3), np.uint8)
    assert laplacian_variance(image) == 0
    image[0, 3, 3] = 255
    laplacian = np.array([-4, *[1] * 4, *[0] * 20])
    assert laplacian_variance(image) == pytest.approx(laplacian.var())


# The head


def test_the_head_judges_real_images_and_samples_of_every_attribute(trained_runs: dict[str, Run], faces: Any) -> None:
    subject = tiny.subject(trained_runs[CONDITIONAL], faces)
    names = subject.trained.attributes
    scores = head_accuracy(subject)
    assert set(scores) == {f"head_{what}_{name}" for what in ("accuracy", "agreement") for name in names}
    rows = faces.rows("test", known=names)
    with torch.no_grad():
        seen = subject.trained.model.classify(to_signed(faces.images[rows]))[:, 0].numpy() > 0  # type: ignore[operator]
    truth = faces.attributes[rows, faces.attribute_names.index("Male")]
    assert scores["head_accuracy_Male"].value == pytest.approx(balanced_accuracy_score(truth, seen))


def test_test_images_without_known_attributes_leave_only_the_agreement(
    trained_runs: dict[str, Run], faces: Any
) -> None:
    attributes = np.where(faces.split[:, None] == 2, UNKNOWN, faces.attributes).astype(np.int8)
    subject = replace(tiny.subject(trained_runs[CONDITIONAL], faces), faces=replace(faces, attributes=attributes))
    assert {name.split("_")[1] for name in head_accuracy(subject)} == {"agreement"}


@pytest.mark.parametrize("value", [0, 1])
def test_an_attribute_that_all_have_or_lack_is_no_test_of_the_head(
    value: int, trained_runs: dict[str, Run], faces: Any
) -> None:
    attributes, subject = faces.attributes.copy(), tiny.subject(trained_runs[CONDITIONAL], faces)
    attributes[faces.rows("test"), faces.attribute_names.index("Male")] = value
    subject = replace(subject, faces=replace(faces, attributes=attributes))
    subject.labels[:, subject.trained.attributes.index("Smiling")] = value
    left = {name for name in head_accuracy(subject) if "Eyeglasses" not in name}
    assert left == {"head_accuracy_Smiling", "head_agreement_Male"}


# What is measured


def test_rows_are_thinned_out_evenly() -> None:
    rows = np.arange(100)
    assert spread(rows, 100).tolist() == rows.tolist()
    assert spread(rows, 4).tolist() == [0, 33, 66, 99]


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_measured_by_what_it_can_do(name: str, trained_runs: dict[str, Run], faces: Any) -> None:
    subject = tiny.subject(trained_runs[name], faces)
    model = subject.trained.model
    applied = {kind: metric.measure for kind, metric in evaluation.METRICS.items() if metric.applies(model)}
    scores = {key: score for measure in applied.values() for key, score in measure(subject).items()}
    assert ("reconstruction" in applied) == ("test_mse" in scores) == isinstance(model, Encodes)
    assert ("head" in applied) == ("head_agreement_Male" in scores) == isinstance(model, Classifies)
    for key, score in scores.items():
        ends = [end for end in (score.low, score.high) if end is not None]
        assert np.isfinite([score.value, *ends]).all(), key
        assert score.images, key
        assert score.protocol, key


def test_features_of_real_images_are_computed_once_for_all_runs(trained_runs: dict[str, Run], faces: Any) -> None:
    first = tiny.subject(trained_runs[ADVERSARIAL], faces)
    second = replace(tiny.subject(trained_runs[ENCODING], faces), seen=first.seen)
    (judge,) = first.extractors
    assert first.features(judge, "test") is second.features(judge, "test")
    assert first.features(judge, "samples") is not second.features(judge, "samples")


def test_one_image_has_no_interval() -> None:
    score = mean_score([0.5], "how")
    assert (score.value, score.low, score.high, score.images) == (0.5, None, None, 1)
