"""Views: pictures from models, the same for the same seed on every machine."""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

import tiny
from mien.faces import batches
from mien.faces.batches import to_signed
from mien.models import losses
from mien.pictures import arrays, of_models
from tiny import ADVERSARIAL, ENCODING

LATENTS = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)


def test_latents_follow_the_seed_and_not_the_generator_of_training() -> None:
    model = tiny.model(ADVERSARIAL)
    assert of_models.latents(model, 4, seed=1).equal(of_models.latents(model, 4, seed=1))
    assert of_models.latents(model, 4, seed=1)[:2].equal(of_models.latents(model, 2, seed=1))
    assert not of_models.latents(model, 4, seed=1).equal(of_models.latents(model, 4, seed=2))


def test_many_pictures_are_made_some_at_a_time() -> None:
    model = tiny.model(ADVERSARIAL)
    z = of_models.latents(model, batches.CHUNK + 3, seed=0)
    pictures = of_models.generate(model, z)
    assert (pictures.shape, pictures.dtype) == ((batches.CHUNK + 3, 32, 32, 3), np.uint8)
    assert abs(of_models.generate(model, z[-3:]).astype(int) - pictures[-3:]).max() <= 1


def test_a_reconstruction_goes_through_the_mean_of_the_latent(faces: Any) -> None:
    model, images = tiny.model(ENCODING), faces.images[:5]
    mu, logvar = of_models.encode(model, images)
    assert mu.shape == logvar.shape == (5, 8)
    assert (of_models.reconstruct(model, images) == of_models.generate(model, torch.tensor(mu))).all()


@pytest.mark.parametrize(("count", "columns", "shape"), [(5, 3, (10, 16, 3)), (1, 1, (4, 4, 3)), (6, 3, (10, 16, 3))])
def test_a_grid_is_filled_row_by_row_on_white(count: int, columns: int, shape: tuple[int, ...]) -> None:
    images = np.arange(count, dtype=np.uint8)[:, None, None, None] + np.zeros((count, 4, 4, 3), np.uint8)
    grid = arrays.grid(images, columns)
    assert grid.shape == shape
    for index in range(count):
        top, left = index // columns * 6, index % columns * 6
        assert (grid[top : top + 4, left : left + 4] == index).all()
    assert (grid == 255).sum() == grid.size - images.size


def test_few_latents_are_mapped_by_their_principal_components() -> None:
    few = LATENTS[:20]
    expected = PCA(2).fit_transform(few)
    assert np.abs(arrays.embed(few, seed=0)) == pytest.approx(np.abs(expected), abs=1e-4)


def test_a_map_of_many_latents_is_the_same_each_time() -> None:
    first = arrays.embed(LATENTS, seed=0)
    assert first.shape == (40, 2)
    assert (first == arrays.embed(LATENTS, seed=0)).all()


@pytest.mark.parametrize("latents", [np.zeros((40, 5), np.float32), LATENTS[:0], LATENTS[:1], LATENTS[:40, :1]])
def test_latents_that_span_no_plane_still_have_a_map(latents: Any) -> None:
    assert arrays.embed(latents, seed=0).shape == (len(latents), 2)
    assert np.isfinite(arrays.embed(latents, seed=0)).all()


def test_a_contact_sheet_shows_faces_of_the_training_split_in_rows(faces: Any) -> None:
    sheet = arrays.contact_sheet(faces, count=12)
    assert sheet.shape == (3 * 34 - 2, 4 * 34 - 2, 3)
    assert np.array_equal(sheet[:32, :32], faces.images[faces.rows("train")[0]])
    assert np.array_equal(sheet[-32:, -32:], faces.images[faces.rows("train")[-1]])
    assert np.array_equal(arrays.contact_sheet(faces, count=12), sheet)


def test_the_divergences_of_latents_add_up_to_the_kl() -> None:
    model, images = tiny.model(ENCODING), tiny.noise_faces(9).images
    with torch.no_grad():
        total = losses.kl_to_standard_normal(*model.encode(to_signed(images))).mean()  # type: ignore[operator]
    assert of_models.latent_divergences(model, images).sum() == pytest.approx(float(total), rel=1e-5)
