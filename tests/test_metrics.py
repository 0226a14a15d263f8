"""Metrics against closed forms and direct computation."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter
from sklearn.metrics import balanced_accuracy_score

import tiny
from mien import metrics, views
from mien.faces import UNKNOWN
from mien.faces.batches import to_signed
from mien.metrics.head import balanced_accuracy, head_accuracy
from mien.metrics.reconstruction import compare, principal_components, reconstruction, spread, structural_similarity
from mien.metrics.score import mean_score
from mien.metrics.sharpness import laplacian_variance, sharpness
from mien.runs import Run
from mien.trained import load_model

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


def test_error_and_psnr_have_their_closed_forms() -> None:
    scores = compare("test", "", IMAGES, lambda x: x + 0.1)
    assert scores["test_mse"].value == pytest.approx(0.01, rel=1e-5)
    assert scores["test_psnr"].value == pytest.approx(10 * np.log10(4 / 0.01), rel=1e-5)
    assert {score.images for score in scores.values()} == {300}


def test_the_psnr_is_a_mean_over_images_and_not_of_the_mean_error() -> None:
    shift = torch.linspace(0.01, 1, 300)[:, None, None, None]
    pieces = iter(shift.split(views.CHUNK))
    scores = compare("test", "", IMAGES, lambda x: x + next(pieces))
    assert scores["test_psnr"].value == pytest.approx(float((10 * torch.log10(4 / shift**2)).mean()), rel=1e-4)


def test_equal_images_are_similar_and_different_ones_are_not() -> None:
    x = to_signed(IMAGES[:4])
    torch.testing.assert_close(structural_similarity(x, x), torch.ones(4), atol=1e-4, rtol=0)
    assert (structural_similarity(x.roll(1, 0), x) < 0.5).all()
    assert compare("test", "", IMAGES[:1], lambda x: x)["test_ssim"].value == pytest.approx(1, abs=1e-4)


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


# Baselines


def test_reconstruction_stands_beside_the_mean_face_and_a_pca_of_as_many_components(
    trained_runs: dict[str, Run], faces: Any
) -> None:
    trained = load_model(trained_runs["vae"].weights)
    scores = reconstruction(trained, faces)
    train, test = (
        to_signed(faces.images[faces.rows(split)]).flatten(1).double().numpy() for split in ("train", "test")
    )
    _, _, directions = np.linalg.svd(train - train.mean(0), full_matrices=False)
    centred = test - train.mean(0)
    projected = centred @ directions[:8].T @ directions[:8]
    assert scores["baseline_mean_face_mse"].value == pytest.approx((centred**2).mean(), rel=1e-4)
    assert scores["baseline_pca_8_mse"].value == pytest.approx(((centred - projected) ** 2).mean(), rel=1e-2)
    with torch.no_grad():
        x_hat = trained.model.generate(trained.model.encode(to_signed(faces.images[faces.rows("test")]))[0])
    assert scores["test_mse"].value == pytest.approx(float(np.square(x_hat.flatten(1).numpy() - test).mean()), rel=1e-4)


def test_a_pca_with_all_components_gives_its_training_images_back() -> None:
    x = to_signed(IMAGES[:10])
    torch.testing.assert_close(principal_components(IMAGES[:10], 9)(x), x, atol=1e-4, rtol=0)


def test_rows_are_thinned_out_evenly() -> None:
    rows = np.arange(100)
    assert spread(rows, 100).tolist() == rows.tolist()
    assert spread(rows, 4).tolist() == [0, 33, 66, 99]


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


def test_sharpness_is_measured_of_what_a_model_can_make(trained_runs: dict[str, Run], faces: Any) -> None:
    kinds = {name: set(sharpness(load_model(trained_runs[name].weights), faces)) for name in ("vae", "gan")}
    assert kinds["gan"] == {"sharpness_real", "sharpness_samples"}
    assert kinds["vae"] == {*kinds["gan"], "sharpness_reconstructions"}


# The head


@given(
    st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2).filter(lambda pairs: len({t for _, t in pairs}) == 2)
)
def test_balanced_accuracy_is_that_of_scikit_learn(pairs: list[tuple[bool, bool]]) -> None:
    seen, truth = np.array(pairs).T
    score = balanced_accuracy(seen, truth, "")
    assert score.value == pytest.approx(balanced_accuracy_score(truth, seen))
    assert 0 <= score.low <= score.value <= score.high <= 1


def test_a_few_answers_that_are_all_right_are_no_certainty() -> None:
    score = balanced_accuracy(np.array([True, False]), np.array([True, False]), "")
    assert score.value == score.high == 1
    assert score.low < 0.5


def test_a_class_without_images_counts_as_a_guess() -> None:
    assert balanced_accuracy(np.array([True, True]), np.array([True, True]), "").value == 0.75


def test_the_interval_of_an_accuracy_shrinks_with_more_images() -> None:
    seen, truth = np.array([True, False, False, True] * 5), np.array([True, True, False, False] * 5)
    few, many = balanced_accuracy(seen, truth, ""), balanced_accuracy(np.tile(seen, 100), np.tile(truth, 100), "")
    assert few.value == many.value == 0.5
    assert (few.high - few.low) / (many.high - many.low) == pytest.approx(10)


def test_the_head_judges_real_images_and_samples_of_every_attribute(trained_runs: dict[str, Run], faces: Any) -> None:
    trained = load_model(trained_runs["acgan"].weights)
    scores = head_accuracy(trained, faces)
    assert set(scores) == {f"head_{what}_{name}" for what in ("accuracy", "agreement") for name in trained.attributes}
    rows = faces.rows("test", known=trained.attributes)
    with torch.no_grad():
        seen = trained.model.classify(to_signed(faces.images[rows]))[:, 0].numpy() > 0
    truth = faces.attributes[rows, faces.attribute_names.index("Male")]
    assert scores["head_accuracy_Male"].value == pytest.approx(balanced_accuracy_score(truth, seen))


def test_test_images_without_known_attributes_leave_only_the_agreement(
    trained_runs: dict[str, Run], faces: Any
) -> None:
    attributes = np.where(faces.split[:, None] == 2, UNKNOWN, faces.attributes).astype(np.int8)
    scores = head_accuracy(load_model(trained_runs["acgan"].weights), replace(faces, attributes=attributes))
    assert {name.split("_")[1] for name in scores} == {"agreement"}


# The table


@pytest.mark.parametrize(("name", "kinds"), [("vae", {"test", "baseline", "sharpness"}), ("gan", {"sharpness"})])
def test_a_model_is_measured_by_what_it_can_do(
    name: str, kinds: set[str], trained_runs: dict[str, Run], faces: Any
) -> None:
    scores = metrics.measure(load_model(trained_runs[name].weights), faces)
    assert {metric.split("_")[0] for metric in scores} == kinds
    assert all(np.isfinite([s.value, s.low, s.high]).all() and s.images and s.protocol for s in scores.values())


def test_one_image_has_no_interval() -> None:
    score = mean_score([0.5], "how")
    assert (score.value, score.low, score.high, score.images) == (0.5, None, None, 1)
