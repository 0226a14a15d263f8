"""How well test images are given back, and by what needs no model."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import tiny
from mien.faces import UNKNOWN, batches
from mien.faces.batches import to_signed
from mien.metrics.encoder.principal_components import fit_principal_gaussian, pixels
from mien.metrics.encoder.reconstruction import (
    compare,
    perceptual_distance,
    projection,
    reconstruction,
    scored,
    squared_distances,
    structural_similarity,
)
from mien.metrics.evaluated_model import Subject
from mien.metrics.numbers import TEST
from mien.runs.folder import Run
from mien.runs.score import Score
from tiny import ENCODING

IMAGES = tiny.noise_faces(10).images


@pytest.fixture(scope="module")
def subject(trained_runs: dict[str, Run], faces: Any) -> Subject:
    return tiny.subject(trained_runs[ENCODING], faces)


@pytest.fixture(scope="module")
def scores(subject: Subject) -> dict[str, Score]:
    return reconstruction(subject)


def test_error_and_psnr_have_their_closed_forms(subject: Subject) -> None:
    found = scored(subject, TEST, "", compare(subject, lambda x, _: x + 0.1))
    assert found["test_mse"].value == pytest.approx(0.01, rel=1e-5)
    assert found["test_psnr"].value == pytest.approx(10 * np.log10(4 / 0.01), rel=1e-5)
    assert {score.images for score in found.values()} == {len(subject.faces.rows("test"))}


def test_the_psnr_is_a_mean_over_images_and_not_of_the_mean_error(subject: Subject) -> None:
    shift = torch.linspace(0.01, 1, len(subject.faces.rows("test")))[:, None, None, None]
    pieces = iter(shift.split(batches.CHUNK))
    found = scored(subject, TEST, "", compare(subject, lambda x, _: x + next(pieces)))
    assert found["test_psnr"].value == pytest.approx(float((10 * torch.log10(4 / shift**2)).mean()), rel=1e-4)


def test_equal_images_are_similar_and_different_ones_are_not(subject: Subject) -> None:
    x = to_signed(IMAGES[:4])
    torch.testing.assert_close(structural_similarity(x, x), torch.ones(4), atol=1e-4, rtol=0)
    assert (structural_similarity(x.roll(1, 0), x) < 0.5).all()
    assert scored(subject, TEST, "", compare(subject, lambda x, _: x))["test_ssim"].value == pytest.approx(1, abs=1e-4)


def test_the_ssim_is_that_of_its_paper() -> None:
    x, y = (IMAGES[index].transpose(2, 0, 1) / 255 for index in (0, 1))
    offsets = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    window = np.outer(offsets, offsets) / offsets.sum() ** 2

    def blur(image: Any) -> Any:
        mirrored = np.pad(image, ((0, 0), (5, 5), (5, 5)), mode="reflect")
        return (np.lib.stride_tricks.sliding_window_view(mirrored, (11, 11), axis=(1, 2)) * window).sum((3, 4))

    mean_x, mean_y = blur(x), blur(y)
    var_x, var_y, covariance = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2, blur(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    ssim = (2 * mean_x * mean_y + c1) * (2 * covariance + c2) / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
    assert float(structural_similarity(to_signed(IMAGES[:1]), to_signed(IMAGES[1:2]))) == pytest.approx(
        ssim.mean(), abs=1e-4
    )


def test_the_perceptual_distance_is_0_for_the_same_and_1_for_any_other_image() -> None:
    features = np.random.default_rng(0).normal(size=(2_000, 8)).astype(np.float32)
    same, other = (
        perceptual_distance(squared_distances(features, there), features)
        for there in (features, np.roll(features, 1, axis=0))
    )
    assert same is not None
    assert other is not None
    assert (same == 0).all()
    assert other.mean() == pytest.approx(1, abs=0.05)
    assert perceptual_distance(np.zeros(1), features[:1]) is None


class Watched:
    """Images, and how many at most were read at once."""

    def __init__(self, images: Any) -> None:
        self.images, self.shape, self.most = images, images.shape, 0

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: Any) -> Any:
        self.most = max(self.most, len(rows))
        return self.images[rows]


def test_test_images_are_read_some_at_a_time_which_makes_no_difference(
    subject: Subject, scores: dict[str, Score], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mien.metrics.evaluated_model.READ", 7)
    images: Any = Watched(subject.faces.images)
    again = reconstruction(replace(subject, faces=replace(subject.faces, images=images), seen={}))
    assert images.most == 7
    assert {name: score.value for name, score in again.items()} == pytest.approx(
        {name: score.value for name, score in scores.items()}, rel=1e-4
    )


def test_reconstruction_stands_beside_the_mean_face_and_pcas(subject: Subject, scores: dict[str, Score]) -> None:
    train, test = (to_signed(tiny.all_real(subject, split)).flatten(1).double().numpy() for split in ("train", "test"))
    _, _, directions = np.linalg.svd(train - train.mean(0), full_matrices=False)
    centred = test - train.mean(0)
    projected = centred @ directions[:8].T @ directions[:8]
    assert scores["baseline_mean_face_mse"].value == pytest.approx((centred**2).mean(), rel=1e-4)
    assert scores["baseline_pca_8_mse"].value == pytest.approx(((centred - projected) ** 2).mean(), rel=1e-2)
    assert scores["baseline_mean_face_perceptual_judge"].value > scores["baseline_pca_8_perceptual_judge"].value
    x_hat = to_signed(tiny.all_real(subject, "test"))
    with torch.no_grad():
        x_hat = subject.trained.model.generate(subject.trained.model.encode(x_hat)[0])  # type: ignore[operator]
    assert scores["test_mse"].value == pytest.approx(float(np.square(x_hat.flatten(1).numpy() - test).mean()), rel=1e-4)


def test_more_components_give_more_back(subject: Subject) -> None:
    model = tiny.model(ENCODING, latent_dim=70)
    found = reconstruction(replace(subject, trained=replace(subject.trained, model=model)))
    errors = [found[f"baseline_pca_{components}_mse"].value for components in (16, 64, 70)]
    assert errors == sorted(errors, reverse=True)


def test_a_pca_with_all_components_gives_its_training_images_back() -> None:
    x = to_signed(IMAGES)
    project = projection(fit_principal_gaussian(pixels(IMAGES), 9), 9)
    torch.testing.assert_close(project(x, None), x, atol=1e-3, rtol=0)


def test_the_errors_by_attribute_average_to_the_error_of_all(subject: Subject, scores: dict[str, Score]) -> None:
    for name in subject.faces.attribute_names:
        parts = [scores[key] for key in (f"mse_with_{name}", f"mse_without_{name}") if key in scores]
        mean = sum(part.value * part.images for part in parts) / sum(part.images for part in parts)
        assert mean == pytest.approx(scores["test_mse"].value, rel=1e-6)


def test_images_of_which_an_attribute_is_not_known_are_on_neither_side(subject: Subject) -> None:
    attributes = np.where(subject.faces.split[:, None] == 2, UNKNOWN, subject.faces.attributes).astype(np.int8)
    found = reconstruction(replace(subject, faces=replace(subject.faces, attributes=attributes)))
    assert not [name for name in found if name.startswith(("mse_with_", "mse_without_"))]
